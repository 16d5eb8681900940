"""The largest clique of a graph, exactly where that takes a bounded amount of work."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WORK = 3_000_000
"""Vertices that may be coloured in all, a few seconds' worth."""


@dataclass(frozen=True)
class Largest:
    """A clique: `members`, ascending; no clique has more than `at_most`, so with that many it is a largest one."""

    members: list[int]
    at_most: int


def largest_clique(edges: NDArray[np.bool_], work: int = WORK) -> Largest:
    """Return a largest clique of a symmetric matrix (n, n) without a diagonal.

    Branch and bound with the colours of a greedy colouring as bound (Tomita and Seki 2003). Where `work` (the number of
    vertices coloured on the way) is used up, the largest clique found so far is returned, with a bound on the largest.
    Of several largest ones, which comes out depends on the graph alone. Without edges a clique has one vertex.
    """
    order = _by_degeneracy(edges)
    if not len(order):
        return Largest([0] if len(edges) else [], min(1, len(edges)))
    # Vertices are numbered by the order, the last ones first: those are in the dense parts.
    order = order[::-1]
    packed = np.packbits(edges[np.ix_(order, order)], axis=1, bitorder="little")
    neighbours = [int.from_bytes(row.tobytes(), "little") for row in packed]
    best = _grown(neighbours)
    found, at_most = _Search(neighbours, best, work).run()
    return Largest(sorted(int(order[vertex]) for vertex in found), at_most)


def _by_degeneracy(edges: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return the vertices that have neighbours, always the one with the fewest left next."""
    degrees = edges.sum(axis=1)
    rows = np.flatnonzero(degrees)
    inside, degrees = edges[np.ix_(rows, rows)], degrees[rows].astype(np.int64)
    order = np.empty(len(rows), np.intp)
    for place in range(len(rows)):
        vertex = int(degrees.argmin())
        order[place] = vertex
        degrees -= inside[vertex]
        degrees[vertex] = len(edges) * 2
    return rows[order]


def _grown(neighbours: list[int]) -> list[int]:
    """Return the largest of the cliques that grow from each vertex by the first vertex that still fits."""
    best: list[int] = []
    for vertex, candidates in enumerate(neighbours):
        clique = [vertex]
        while candidates and len(clique) + candidates.bit_count() > len(best):
            clique.append(_first(candidates))
            candidates &= neighbours[clique[-1]]
        if not candidates and len(clique) > len(best):
            best = clique
    return best


class _Search:
    """Looks for a clique larger than `best`."""

    def __init__(self, neighbours: list[int], best: list[int], work: int):
        self.neighbours, self.best, self.work = neighbours, best, work

    def run(self) -> tuple[list[int], int]:
        everything = (1 << len(self.neighbours)) - 1
        # Of each depth: the vertices that may be added, with colours, and the set they were chosen from.
        stack = [(*self._coloured(everything), everything)]
        clique: list[int] = []
        while stack:
            vertices, colours, candidates = stack[-1]
            if not vertices or len(clique) + colours[-1] <= len(self.best):
                stack.pop()
                if clique:
                    clique.pop()
                continue
            if self.work <= 0:
                return self.best, max(len(self.best), self._open(stack))
            vertex = vertices.pop()
            colours.pop()
            stack[-1] = (vertices, colours, candidates & ~(1 << vertex))
            clique.append(vertex)
            narrower = candidates & self.neighbours[vertex]
            if narrower:
                stack.append((*self._coloured(narrower), narrower))
                continue
            if len(clique) > len(self.best):
                self.best = clique.copy()
            clique.pop()
        return self.best, len(self.best)

    @staticmethod
    def _open(stack: list[tuple[list[int], list[int], int]]) -> int:
        """Return the most vertices that a clique in what was begun can have."""
        return max((depth + colours[-1] for depth, (_, colours, _) in enumerate(stack) if colours), default=0)

    def _coloured(self, candidates: int) -> tuple[list[int], list[int]]:
        """Return candidates and their colours, ascending: no two of one colour are neighbours."""
        self.work -= candidates.bit_count()
        vertices, colours = [], []
        colour = 0
        while candidates:
            colour += 1
            free = candidates
            while free:
                vertex = _first(free)
                candidates &= ~(1 << vertex)
                free &= ~(1 << vertex) & ~self.neighbours[vertex]
                vertices.append(vertex)
                colours.append(colour)
        return vertices, colours


def _first(vertices: int) -> int:
    return (vertices & -vertices).bit_length() - 1
