"""The searches find what a search one by one finds, also where rows make pruning hard."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from copyrisk.errors import UserError
from copyrisk.index import search
from copyrisk.index.measure import Floats, Measure, Metric, Rows
from copyrisk.index.projection import Projection, left, lower_bounds
from copyrisk.index.search import Index, distance_between, nearest, pairs_between, pairs_within

PARTS = np.array([[0, 1, 4], [2, 3, 5]])

METRICS: list[Metric] = ["euclidean", "cosine"]

properties = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@pytest.fixture(params=["components", "all columns"], autouse=True)
def small_blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Cut a few rows into many cells and blocks, and use components where a real search of so few would not."""
    monkeypatch.setattr(search, "QUERY_ROWS", 3)
    monkeypatch.setattr(search, "REFERENCE_ROWS", 4)
    monkeypatch.setattr(search, "BOUND_VALUES", 200)
    monkeypatch.setattr(search, "GROUP_ROWS", 2)
    monkeypatch.setattr(search, "COMPONENTS", (1, 2, 3))
    monkeypatch.setattr(search, "FEW_PAIRS", 0 if request.param == "components" else 1 << 20)
    yield


@pytest.fixture(params=["in full", "by products"])
def verified(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare what the components leave over either pair by pair or by a product of all columns first."""
    cost = 0.0 if request.param == "in full" else 1e9
    monkeypatch.setattr(search, "VERIFY_COST", {np.dtype(np.uint8): cost, np.dtype(np.float32): cost})


def kinds(columns: int) -> st.SearchStrategy[Callable[[int], st.SearchStrategy[Rows]]]:
    """Give strategies for tables of so many rows: ties, huge offsets and magnitudes, constants."""
    few = st.sampled_from([0.0, 1.0, -1.0, 3.0])
    magnitudes = st.sampled_from([0.0, 1e-45, 1e-20, 1e-3, 1.0, -1.0, 1e10, 3e38, -3e38])
    plain = st.floats(-10, 10, width=32)

    def floats(elements: st.SearchStrategy[float], factor: float = 1, offset: float = 0) -> Callable[[int], object]:
        return lambda count: arrays(np.float32, (count, columns), elements=elements).map(
            lambda table: (table * np.float32(factor) + np.float32(offset)).astype(np.float32)
        )

    return st.sampled_from(  # type: ignore[return-value]
        [
            lambda count: arrays(np.uint8, (count, columns), elements=st.sampled_from([0, 1, 2, 254, 255])),
            lambda count: arrays(np.uint8, (count, columns)),
            lambda count: st.just(np.full((count, columns), 7, np.uint8)),
            floats(few),
            floats(plain),
            floats(plain, 1, 1e6),
            floats(few, 1e-3, 4000),
            floats(few, 1e30),
            floats(magnitudes),
            floats(st.just(5.0)),
        ]
    )


@st.composite
def tables(draw: st.DrawFn, count: int = 1, most: int = 16) -> tuple[Rows, ...]:
    kind = draw(st.sampled_from([1, 2, 6]).flatmap(kinds))
    return tuple(draw(st.integers(0, most).flatmap(kind)) for _ in range(count))


def squares_one_by_one(first: Rows, second: Rows) -> Floats:
    """All sums of squared differences of uint8 in whole numbers; of float32 as the search adds them."""
    squares = np.empty((len(first), len(second)))
    for i, a in enumerate(first.astype(np.float64)):
        for j, b in enumerate(second.astype(np.float64)):
            difference = (a - b)[None]
            squares[i, j] = np.einsum("ij,ij->i", difference, difference)[0]
    return squares


def one_by_one(first: Rows, second: Rows) -> Floats:
    squares = squares_one_by_one(first, second)
    return np.sqrt(squares / (255.0**2 * first.shape[1]) if first.dtype == np.uint8 else squares)


def limits(distances: Floats) -> st.SearchStrategy[float]:
    """Limits at a distance, just below one, and any others."""
    exactly = [float(distance) for distance in np.unique(distances)[:20]]
    below = [float(np.nextafter(distance, -1)) for distance in exactly]
    return st.sampled_from([0.0, *exactly, *below]) | st.floats(0, 3) | st.just(float("inf"))


@pytest.mark.usefixtures("verified")
@properties
@given(data=st.data(), given_tables=tables())
def test_pairs_within_are_those_of_a_search_one_by_one(data: st.DataObject, given_tables: tuple[Rows]) -> None:
    (rows,) = given_tables
    distances = one_by_one(rows, rows)
    limit = data.draw(limits(distances))
    i, j, distance = pairs_within(rows, limit)
    expected = np.argwhere(np.triu(distances <= limit, 1))
    assert np.array_equal(np.stack([i, j], 1), expected.reshape(-1, 2))
    assert np.array_equal(distance, distances[i, j])


@pytest.mark.usefixtures("verified")
@properties
@given(data=st.data(), given_tables=tables(2))
def test_pairs_between_are_those_of_a_search_one_by_one(data: st.DataObject, given_tables: tuple[Rows, Rows]) -> None:
    first, second = given_tables
    distances = one_by_one(first, second)
    limit = data.draw(limits(distances))
    i, j, distance = pairs_between(first, second, limit)
    assert np.array_equal(np.stack([i, j], 1), np.argwhere(distances <= limit).reshape(-1, 2))
    assert np.array_equal(distance, distances[i, j])


@pytest.mark.usefixtures("verified")
@properties
@given(given_tables=tables(2), k=st.integers(1, 18))
def test_nearest_are_those_of_a_search_one_by_one(given_tables: tuple[Rows, Rows], k: int) -> None:
    queries, references = given_tables
    found = Index(references).nearest(queries, k)
    distances = one_by_one(queries, references)
    assert np.array_equal(found.distances, np.sort(distances, axis=1)[:, :k])
    if len(references):
        assert np.array_equal(found.index, squares_one_by_one(queries, references).argmin(axis=1))
    else:
        assert found.index.tolist() == [-1] * len(queries)


@pytest.mark.usefixtures("verified")
@properties
@given(
    queries=arrays(np.uint8, (5, 6), elements=st.sampled_from([0, 1, 254, 255])),
    references=arrays(np.uint8, (13, 6), elements=st.sampled_from([0, 1, 254, 255])),
    k=st.integers(1, 14),
)
def test_nearest_by_parts_are_those_of_a_search_one_by_one(queries: Rows, references: Rows, k: int) -> None:
    found = Index(references, PARTS).nearest(queries, k)
    distances = np.maximum(*(one_by_one(queries[:, part], references[:, part]) for part in PARTS))
    assert np.array_equal(found.distances, np.sort(distances, axis=1)[:, :k])
    assert np.array_equal(found.index, distances.argmin(axis=1))


@properties
@given(data=st.data(), given_tables=tables(2))
def test_no_lower_bound_is_above_the_square(data: st.DataObject, given_tables: tuple[Rows, Rows]) -> None:
    first, second = given_tables
    measure = Measure.of(first, second)
    projection = Projection.whole(measure, first, second)
    if len(second) and data.draw(st.booleans()):
        projection = projection.leading(second, data.draw(st.integers(1, 6)))
    bounds = np.empty((len(first), len(second)), np.float32)
    lower_bounds(left(projection.table(first)), projection.table(second), bounds)
    assert (bounds <= projection.threshold(squares_one_by_one(first, second))).all()


@properties
@given(rows=arrays(np.float32, st.tuples(st.integers(0, 12), st.integers(1, 5)), elements=st.floats(-5, 5, width=32)))
def test_the_cosine_distance_is_1_less_the_cosine(rows: Rows) -> None:
    rows = rows[np.abs(rows).max(axis=1, initial=0) > 1e-3]
    length = np.linalg.norm(rows.astype(np.float64), axis=1)
    expected = 1 - (rows.astype(np.float64) @ rows.T.astype(np.float64)) / np.outer(length, length)
    assert np.allclose(nearest(rows, rows, 12, metric="cosine").distances, np.sort(expected, axis=1), atol=1e-12)
    i, j, distance = pairs_within(rows, 0.5, metric="cosine")
    assert np.allclose(distance, expected[i, j], atol=1e-12)
    certain = np.argwhere(np.triu(expected < 0.5 - 1e-9, 1)).tolist()
    assert {tuple(pair) for pair in certain} <= set(zip(i.tolist(), j.tolist(), strict=True))


def cloud(count: int, columns: int, seed: int = 0) -> Rows:
    """Rows of float32 in a few directions with a little noise, some of them twice with less."""
    generator = np.random.default_rng(seed)
    rows = generator.standard_normal((count, 4)) @ generator.standard_normal((4, columns))
    rows += 0.3 * generator.standard_normal((count, columns))
    rows[1::5] = rows[0 : len(rows[1::5]) * 5 : 5] + 0.01 * generator.standard_normal(rows[1::5].shape)
    return rows.astype(np.float32)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("sizes", [(1, 1), (7, 50), (64, 1000)])
def test_blocks_and_components_change_no_bit(
    metric: Metric, sizes: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, queries = cloud(120, 300), cloud(30, 300, seed=1)
    limit = 0.01 if metric == "cosine" else 8.0
    pairs, between = pairs_within(rows, limit, metric), pairs_between(queries, rows, 25.0, metric)
    found = Index(rows, metric=metric).nearest(queries, 5)
    assert len(pairs[0]) >= 24
    monkeypatch.setattr(search, "QUERY_ROWS", sizes[0])
    monkeypatch.setattr(search, "REFERENCE_ROWS", sizes[1])
    monkeypatch.setattr(search, "COMPONENTS", (2, 10))
    monkeypatch.setattr(search, "cpu_count", lambda: 1)
    for a, b in zip(pairs, pairs_within(rows, limit, metric), strict=True):
        assert np.array_equal(a, b)
    for a, b in zip(between, pairs_between(queries, rows, 25.0, metric), strict=True):
        assert np.array_equal(a, b)
    again = Index(rows, metric=metric).nearest(queries, 5)
    assert np.array_equal(found.distances, again.distances)
    assert np.array_equal(found.index, again.index)


def test_a_pair_is_found_at_an_offset_that_swallows_its_distance_in_float32() -> None:
    rows = (np.random.default_rng(0).integers(0, 1000, (200, 16)) / 8 + 2**17).astype(np.float32)
    rows[1] = rows[0]
    rows[1, 3] += np.float32(1 / 64)
    i, j, distance = pairs_within(rows, 1 / 64)
    assert (i.tolist(), j.tolist(), distance.tolist()) == ([0], [1], [1 / 64])


@pytest.mark.parametrize("far", [1e10, 1e30, 3e38])
def test_a_query_far_outside_the_references_has_its_nearest(far: float) -> None:
    references = cloud(40, 8) * np.float32(1e-3)
    references[0] = 0.01
    queries = np.array([[far] + [0] * 7], np.float32)
    found = Index(references).nearest(queries)
    # In float64 all are as far from it: the lowest of them is the first.
    assert found.index.tolist() == squares_one_by_one(queries, references).argmin(axis=1).tolist()
    assert found.distances.tolist() == one_by_one(queries, references).min(axis=1, keepdims=True).tolist()


def test_components_rule_out_nearly_all_pairs_of_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []
    squares = Measure.squares

    def counted(self: Measure, first: Rows, second: Rows, parts: object = None) -> Floats:
        compared.append(len(first))
        return squares(self, first, second, parts)  # type: ignore[arg-type]

    monkeypatch.setattr(Measure, "squares", counted)
    pairs = pairs_within(cloud(400, 300), 1.0)
    assert len(pairs[0]) == 80
    assert sum(compared) < 1000


def test_memory_mapped_rows_are_searched_where_they_are(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("rows") / "rows.npy"
    np.save(path, cloud(60, 30))
    mapped = np.load(path, mmap_mode="r")
    for a, b in zip(pairs_within(mapped, 2.0), pairs_within(cloud(60, 30), 2.0), strict=True):
        assert np.array_equal(a, b)
    assert np.array_equal(Index(mapped).nearest(mapped, 2).distances, nearest(mapped, mapped, 2).distances)


@pytest.mark.parametrize("limit", [-1.0, float("nan")])
def test_nothing_is_within_a_limit_below_0(limit: float) -> None:
    assert [len(part) for part in pairs_within(np.zeros((3, 2), np.uint8), limit)] == [0, 0, 0]


def test_distance_between_takes_rows_of_float32() -> None:
    rows = np.array([[3, 4], [1, 0]], np.float32)
    assert distance_between(rows, np.zeros_like(rows)).tolist() == [5.0, 1.0]
    assert distance_between(rows, -rows, "cosine").tolist() == [2.0, 2.0]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_row_that_is_not_finite_is_refused_with_its_number(value: float) -> None:
    rows = cloud(9, 4)
    rows[6, 2] = value
    with pytest.raises(UserError, match="descriptor 6 holds nan or inf"):
        pairs_within(rows, 1.0)
    with pytest.raises(UserError, match="descriptor 6 holds nan or inf"):
        nearest(rows, cloud(9, 4))


def test_a_row_of_zeros_has_no_cosine() -> None:
    rows = cloud(9, 4)
    rows[6] = 0
    with pytest.raises(UserError, match="descriptor 6 .* all zeros"):
        nearest(cloud(9, 4), rows, metric="cosine")


def test_rows_that_do_not_fit_each_other_are_refused() -> None:
    with pytest.raises(UserError, match=r"uint8 \(2, 3\) and float32 \(2, 3\)|float32 \(2, 3\) and uint8 \(2, 3\)"):
        nearest(np.zeros((2, 3), np.uint8), np.zeros((2, 3), np.float32))
    with pytest.raises(UserError, match="one width"):
        pairs_between(np.zeros((2, 3), np.uint8), np.zeros((2, 4), np.uint8), 1.0)
    with pytest.raises(UserError, match="float64"):
        pairs_within(np.zeros((2, 3)), 1.0)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="metric 'cosine'"):
        pairs_within(np.zeros((2, 3), np.uint8), 1.0, "cosine")
