import numpy as np

from copyrisk.duplicates.searching import Searching
from copyrisk.index.search import pairs_within


def rows() -> np.ndarray:
    """8,000 vectors in 400 groups, loose enough for an approximate search to miss some pairs."""
    generator = np.random.default_rng(0)
    centres = generator.standard_normal((400, 24))
    return (np.repeat(centres, 20, axis=0) + 0.35 * generator.standard_normal((8000, 24))).astype(np.float32)


def as_dict(pairs: tuple[np.ndarray, np.ndarray, np.ndarray]) -> dict[tuple[int, int], float]:
    i, j, distance = (each.tolist() for each in pairs)
    return dict(zip(zip(i, j, strict=True), distance, strict=True))


def test_an_approximate_search_finds_true_pairs_and_says_how_many() -> None:
    searching, given = Searching(0.9), rows()
    found = as_dict(searching.within(given, 2.5, "euclidean"))
    exact = as_dict(pairs_within(given, 2.5))
    assert found.items() <= exact.items()
    facts = searching.facts()
    assert facts is not None and facts["asked"] == 0.9 and facts["sampled"] > 0
    assert facts["low"] <= len(found) / len(exact) <= facts["high"]


def test_an_exact_search_states_no_recall() -> None:
    searching = Searching()
    searching.within(rows()[:100], 1.0, "euclidean")
    assert searching.facts() is None
