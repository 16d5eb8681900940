import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from copyrisk.duplicates import neighbours
from copyrisk.duplicates.neighbours import nearest_rows
from copyrisk.index.search import Metric, Rows


def by_hand(queries: Rows, references: Rows, k: int, metric: Metric) -> tuple[np.ndarray, np.ndarray]:
    first, second = queries.astype(np.float64), references.astype(np.float64)
    if metric == "cosine":
        first, second = (each / np.linalg.norm(each, axis=1)[:, None] for each in (first, second))
    distance = np.sqrt(((first[:, None] - second) ** 2).sum(axis=2))
    distance = distance**2 / 2 if metric == "cosine" else distance
    distance /= 255 * np.sqrt(queries.shape[1]) if queries.dtype == np.uint8 else 1
    rows = np.argsort(distance, axis=1, kind="stable")[:, :k]
    return rows, np.take_along_axis(distance, rows, axis=1)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 12), st.integers(1, 30), st.integers(1, 6), st.integers(0, 10**6))
def test_the_k_nearest_are_found_in_order_and_ties_go_to_the_lower_row(m: int, n: int, k: int, seed: int) -> None:
    # Few values, so that there are many ties.
    draw = np.random.default_rng(seed).integers(0, 3, (m + n, 6), dtype=np.uint8)
    rows, distances = nearest_rows(draw[:m], draw[m:], k)
    expected = by_hand(draw[:m], draw[m:], k, "euclidean")
    assert rows.tolist() == expected[0].tolist()
    assert distances == pytest.approx(expected[1], abs=1e-12)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_many_rows_of_a_network_are_searched_in_blocks(metric: Metric, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "QUERY_ROWS", 70)
    monkeypatch.setattr(neighbours, "REFERENCE_ROWS", 300)
    draw = np.random.default_rng(1).standard_normal((1200, 200)).astype(np.float32)
    rows, distances = nearest_rows(draw[:200], draw, 5, metric)
    expected = by_hand(draw[:200], draw, 5, metric)
    assert rows.tolist() == expected[0].tolist()
    assert distances == pytest.approx(expected[1], abs=1e-6)
    assert rows[:, 0].tolist() == list(range(200))


def test_where_there_are_fewer_all_are_returned() -> None:
    draw = np.random.default_rng(0).integers(0, 256, (3, 12), dtype=np.uint8)
    assert nearest_rows(draw, draw, 10)[0].shape == (3, 3)
    assert nearest_rows(draw, draw[:0], 10)[0].shape == (3, 0)
    assert nearest_rows(draw[:0], draw, 2)[0].shape == (0, 2)
