import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from copyrisk.descriptors import Bytes
from copyrisk.index import search
from copyrisk.index.search import distance_between, nearest, pairs_within

PARTS = np.array([[0, 1, 4], [2, 3, 5]])

# Few different values, so that ties and equal rows are common.
VALUES = st.sampled_from([0, 1, 2, 254, 255])


def rows(most: int, fewest: int = 0) -> st.SearchStrategy[Bytes]:
    return st.integers(fewest, most).flatmap(lambda count: arrays(np.uint8, (count, 6), elements=VALUES))


def one_by_one(first: Bytes, second: Bytes, parts: NDArray[np.intp] | None = None) -> NDArray[np.float64]:
    """All distances by the definition, in whole numbers."""
    table = np.empty((len(first), len(second)))
    for i, a in enumerate(first.astype(int)):
        for j, b in enumerate(second.astype(int)):
            squares = ((a - b) ** 2)[[range(len(a))] if parts is None else parts]
            table[i, j] = math.sqrt(max(int(part.sum()) / (255**2 * len(part)) for part in squares))
    return table


@pytest.mark.parametrize("parts", [None, PARTS], ids=["whole", "parts"])
@settings(max_examples=150, deadline=None)
@given(
    queries=rows(9), references=rows(12), k=st.integers(1, 14), sizes=st.tuples(st.integers(1, 9), st.integers(1, 12))
)
def test_the_nearest_are_those_of_a_search_one_by_one_whatever_the_blocks(
    parts: NDArray[np.intp] | None, queries: Bytes, references: Bytes, k: int, sizes: tuple[int, int]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "QUERY_ROWS", sizes[0])
        patch.setattr(search, "REFERENCE_ROWS", sizes[1])
        found = nearest(queries, references, k, parts)
    table = one_by_one(queries, references, parts)
    assert np.array_equal(found.distances, np.sort(table, axis=1)[:, :k])
    first = table.argmin(axis=1) if len(references) else np.full(len(queries), -1)
    assert np.array_equal(found.index, first)


@settings(max_examples=150, deadline=None)
@given(
    table=rows(14),
    limit=st.sampled_from([0, 0.001, 0.4, 0.7, 1]),
    sizes=st.tuples(st.integers(1, 9), st.integers(1, 9)),
)
def test_pairs_are_those_of_a_search_one_by_one_whatever_the_blocks(
    table: Bytes, limit: float, sizes: tuple[int, int]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "QUERY_ROWS", sizes[0])
        patch.setattr(search, "REFERENCE_ROWS", sizes[1])
        i, j, distance = pairs_within(table, limit)
    distances = one_by_one(table, table)
    expected = [(a, b) for a in range(len(table)) for b in range(a + 1, len(table)) if distances[a, b] <= limit]
    assert list(zip(i, j, strict=True)) == expected
    assert np.array_equal(distance, distances[i, j])


def noise(count: int, columns: int, seed: int = 0) -> Bytes:
    return np.random.default_rng(seed).integers(0, 256, (count, columns), dtype=np.uint8)


@pytest.mark.parametrize("query_rows", [1, 7, 512])
@pytest.mark.parametrize("reference_rows", [1, 13, 8192])
def test_large_rows_have_the_same_distances_to_the_last_bit_in_any_blocks(
    query_rows: int, reference_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    queries, references = noise(10, 3072), noise(40, 3072, seed=1)
    monkeypatch.setattr(search, "QUERY_ROWS", query_rows)
    monkeypatch.setattr(search, "REFERENCE_ROWS", reference_rows)
    assert np.array_equal(nearest(queries, references, 5).distances, np.sort(one_by_one(queries, references))[:, :5])


def test_distances_between_are_those_of_the_search_to_the_last_bit() -> None:
    queries, references = noise(50, 3072), noise(60, 3072, seed=1)
    found = nearest(queries, references)
    assert np.array_equal(distance_between(queries, references[found.index]), found.distances[:, 0])


def test_black_is_1_from_white_and_0_from_black() -> None:
    black, white = np.zeros((1, 3072), np.uint8), np.full((1, 3072), 255, np.uint8)
    assert nearest(black, np.concatenate([white, black]), 2).distances.tolist() == [[0.0, 1.0]]


def test_the_lower_of_equal_rows_is_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "REFERENCE_ROWS", 2)
    one, other = noise(1, 48), noise(1, 48, seed=1)
    assert nearest(one, np.concatenate([other, one, other, one, one])).index.tolist() == [1]


def test_a_pair_exactly_at_the_limit_is_a_pair() -> None:
    table = noise(20, 48)
    for distance in one_by_one(table, table)[0, 1:]:
        i, j, found = pairs_within(table, float(distance))
        assert distance in found[i == 0]
        assert found.max() <= distance
        assert (i < j).all()


def test_without_references_there_is_no_nearest() -> None:
    found = nearest(noise(3, 12), noise(0, 12))
    assert found.index.tolist() == [-1] * 3
    assert found.distances.shape == (3, 0)


def test_without_queries_there_is_nothing_to_find() -> None:
    assert nearest(noise(0, 12), noise(3, 12), 2).distances.shape == (0, 2)
    assert [len(part) for part in pairs_within(noise(0, 12), 1.0)] == [0, 0, 0]
