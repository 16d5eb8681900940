import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from copyrisk.descriptors import Bytes
from copyrisk.errors import UserError
from copyrisk.index import approximate
from copyrisk.index.approximate import Approximate, near_pairs
from copyrisk.index.search import pairs_between, pairs_within

LIMIT = 0.12


def pictures(count: int, seed: int, columns: int = 24) -> Bytes:
    """Rows about 300 centres, the same for every seed: some near, most far, none equal."""
    centres = np.random.default_rng(0).normal(128, 40, (300, columns))
    generator = np.random.default_rng((1, seed))
    spread = generator.uniform(5, 40, (count, 1))
    rows = centres[generator.integers(0, 300, count)] + spread * generator.standard_normal((count, columns))
    return np.clip(np.rint(rows), 0, 255).astype(np.uint8)


def pairs(found: Approximate) -> dict[tuple[int, int], float]:
    return dict(zip(zip(found.i.tolist(), found.j.tolist(), strict=True), found.distance.tolist(), strict=True))


def exact_pairs(first: Bytes, second: Bytes | None, limit: float = LIMIT) -> dict[tuple[int, int], float]:
    i, j, distance = pairs_within(first, limit) if second is None else pairs_between(first, second, limit)
    return dict(zip(zip(i.tolist(), j.tolist(), strict=True), distance.tolist(), strict=True))


@pytest.mark.parametrize("within", [True, False], ids=["within one table", "between two"])
def test_most_pairs_are_found_and_none_that_is_no_pair(within: bool) -> None:
    first, second = pictures(4000, 0), None if within else pictures(3000, 1)
    found, exact = near_pairs(first, second, LIMIT, recall=0.95), exact_pairs(first, second)
    assert 0 < found.compared < 0.5
    assert pairs(found).items() < exact.items()
    assert list(pairs(found)) == sorted(pairs(found))
    assert len(found.i) == len(pairs(found)) >= 0.93 * len(exact)


@pytest.mark.parametrize("within", [True, False], ids=["within one table", "between two"])
def test_the_interval_holds_the_true_recall_and_the_recall_that_was_asked_for_is_reached(within: bool) -> None:
    first, second = pictures(4000, 0), None if within else pictures(3000, 1)
    everything = len(exact_pairs(first, second))
    held, recalls = 0, []
    for seed in range(20):
        found = near_pairs(first, second, LIMIT, recall=0.95, seed=seed)
        recalls.append(len(found.i) / everything)
        held += found.interval[0] <= recalls[-1] <= found.interval[1]
        assert 0 < found.sampled <= len(first) // 4
        assert found.interval[0] < found.recall < found.interval[1]
        assert found.interval[1] - found.interval[0] < 0.15
    # Of intervals that hold in 19 of 20 cases, 16 of 20 or fewer do in 1.6 % of all.
    assert held >= 17
    assert np.mean(recalls) >= 0.95
    assert min(recalls) < 1


def test_a_search_that_loses_more_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = pictures(4000, 0), pictures(3000, 1)
    radius = approximate._radius
    monkeypatch.setattr(approximate, "_radius", lambda *arguments: 0.6 * (radius(*arguments) or 0))
    found = near_pairs(first, second, LIMIT, recall=0.95)
    true = len(found.i) / len(exact_pairs(first, second))
    assert true < 0.9
    assert found.interval[0] <= true <= found.interval[1]


@settings(max_examples=5, deadline=None)
@given(
    rows=st.integers(1, 4000), cells=st.integers(1, 300), block=st.integers(30_000, 200_000), threads=st.integers(1, 5)
)
def test_the_same_seed_gives_the_same_whatever_the_blocks_and_threads(
    rows: int, cells: int, block: int, threads: int
) -> None:
    first, second = pictures(3000, 0), pictures(2000, 1)
    expected = near_pairs(first, second, LIMIT, recall=0.9, seed=7)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(approximate, "CHUNK_ROWS", max(rows, 50))
        patch.setattr(approximate, "CHUNK_CELLS", cells)
        patch.setattr("copyrisk.index.measure.VERIFIED_VALUES", block)
        patch.setattr("copyrisk.parallel.cpu_count", lambda: threads)
        found = near_pairs(first, second, LIMIT, recall=0.9, seed=7)
    assert pairs(found) == pairs(expected)
    assert (found.recall, found.interval, found.sampled) == (expected.recall, expected.interval, expected.sampled)


def test_another_seed_gives_others() -> None:
    first = pictures(4000, 0)
    assert pairs(near_pairs(first, None, LIMIT, recall=0.9, seed=1)) != pairs(
        near_pairs(first, None, LIMIT, recall=0.9)
    )


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_rows_of_float32_of_many_columns(metric: str) -> None:
    turn = np.random.default_rng(2).standard_normal((24, 300))
    first, second = ((pictures(count, seed) - 128.0) @ turn for count, seed in ((4000, 0), (3000, 1)))
    one, other = first.astype(np.float32), second.astype(np.float32)
    limit = 0.15 if metric == "cosine" else 2000.0
    found = near_pairs(one, other, limit, metric, recall=0.95)  # type: ignore[arg-type]
    i, j, distance = pairs_between(one, other, limit, metric)  # type: ignore[arg-type]
    exact = dict(zip(zip(i.tolist(), j.tolist(), strict=True), distance.tolist(), strict=True))
    assert found.compared < 0.5
    assert pairs(found).items() < exact.items()
    assert len(found.i) >= 0.93 * len(exact)


@pytest.mark.parametrize(
    ("first", "second", "limit", "recall"),
    [
        (pictures(4000, 0), pictures(3000, 1), LIMIT, 1.0),
        (pictures(4000, 0), None, 0.001, 0.95),
        (pictures(500, 0), pictures(400, 1), LIMIT, 0.95),
        (pictures(4000, 0), None, 1.0, 0.95),
        (pictures(2000, 0), pictures(0, 1), LIMIT, 0.95),
    ],
    ids=["asked for all", "hardly a pair to measure by", "few rows", "all are pairs", "no rows"],
)
def test_where_nothing_is_won_or_known_the_search_is_exact(
    first: Bytes, second: Bytes | None, limit: float, recall: float
) -> None:
    if limit == 1.0:
        first = first[:1200]
    found = near_pairs(first, second, limit, recall=recall)
    assert (found.recall, found.interval, found.sampled, found.compared) == (1, (1, 1), 0, 1)
    assert pairs(found) == exact_pairs(first, second, limit)


@pytest.mark.parametrize("recall", [0.0, -1.0, 1.5, float("nan")])
def test_a_recall_that_is_no_share_is_refused(recall: float) -> None:
    with pytest.raises(UserError, match="recall"):
        near_pairs(pictures(10, 0), None, LIMIT, recall=recall)


@given(values=st.integers(1, 300).flatmap(lambda columns: st.tuples(st.just(columns), st.integers(0, 2**32))))
@settings(max_examples=50, deadline=None)
def test_squared_distances_of_points_are_exact(values: tuple[int, int]) -> None:
    columns, seed = values
    generator = np.random.default_rng(seed)
    rows: list[NDArray[np.float64]] = [generator.uniform(-9000, 9000, (5, columns)) for _ in range(2)]
    first, second = (approximate._points(some, 1.0) for some in rows)
    whole, other = first[:, :-2].astype(np.int64), second[:, :-2].astype(np.int64)
    expected = ((whole[:, None] - other[None]) ** 2).sum(axis=2)
    assert np.array_equal(approximate._squares(first, second).astype(np.int64), expected)
