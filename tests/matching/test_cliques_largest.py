"""The largest clique: known answers, brute force, and graphs on which an exact search would never end."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from copyrisk.matching.cliques.largest import largest_clique


def graph(count: int, pairs: list[tuple[int, int]]) -> NDArray[np.bool_]:
    edges = np.zeros((count, count), bool)
    for i, j in pairs:
        edges[i, j] = edges[j, i] = i != j
    return edges


def random_graph(count: int, density: float, seed: int = 0) -> NDArray[np.bool_]:
    upper = np.triu(np.random.default_rng(seed).random((count, count)) < density, 1)
    return upper | upper.T


def is_clique(edges: NDArray[np.bool_], members: list[int]) -> bool:
    return all(edges[i, j] for i, j in combinations(members, 2))


@given(st.integers(1, 9), st.data())
@settings(max_examples=150, deadline=None)
def test_it_is_as_large_as_any_that_trying_all_sets_finds(count: int, data: st.DataObject) -> None:
    pairs = list(combinations(range(count), 2))
    edges = graph(count, [pair for pair in pairs if data.draw(st.booleans())])
    largest = max(
        size
        for size in range(1, count + 1)
        if any(is_clique(edges, list(some)) for some in combinations(range(count), size))
    )
    found = largest_clique(edges)
    assert is_clique(edges, found.members)
    assert (len(found.members), found.at_most) == (largest, largest)


@pytest.mark.parametrize("seed", range(25))
def test_it_is_as_large_as_any_that_a_plain_search_finds(seed: int) -> None:
    edges = random_graph(45, 0.4 + 0.4 * (seed % 5) / 4, seed)
    neighbours = [set(np.flatnonzero(row).tolist()) for row in edges]

    def plain(candidates: set[int]) -> int:
        best = 0
        for vertex in sorted(candidates):
            candidates = candidates - {vertex}
            if len(candidates) + 1 > best:
                best = max(best, 1 + plain(candidates & neighbours[vertex]))
        return best

    found = largest_clique(edges)
    assert is_clique(edges, found.members)
    assert len(found.members) == found.at_most == plain(set(range(45)))


def test_a_clique_is_found_among_pictures_with_many_other_edges() -> None:
    edges = random_graph(300, 0.1)
    planted = sorted(np.random.default_rng(1).choice(300, 20, replace=False).tolist())
    edges |= graph(300, list(combinations(planted, 2)))
    found = largest_clique(edges)
    assert found.members == planted and found.at_most == 20


def test_graphs_without_edges_and_without_anything_missing() -> None:
    assert largest_clique(graph(0, [])).members == []
    assert len(largest_clique(graph(5, [])).members) == largest_clique(graph(5, [])).at_most == 1
    assert largest_clique(random_graph(700, 1.1)).members == list(range(700))


@pytest.mark.parametrize("density", [0.5, 0.9, 0.99])
def test_work_is_bounded_and_what_is_left_open_is_said(density: float) -> None:
    edges = random_graph(300, density)
    found = largest_clique(edges, work=20_000)
    assert is_clique(edges, found.members)
    assert len(found.members) < found.at_most <= 300
    assert largest_clique(edges, work=20_000) == found


def test_the_bound_holds_where_the_search_gives_up() -> None:
    edges = random_graph(60, 0.8, seed=3)
    true = largest_clique(edges)
    assert len(true.members) == true.at_most
    for work in (1, 100, 1_000, 5_000):
        found = largest_clique(edges, work)
        assert len(found.members) <= len(true.members) <= found.at_most
