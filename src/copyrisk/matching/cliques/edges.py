"""Which pictures of one size are near-identical: exactly those that comparing all pixels of all pairs would find.

Three steps, each for the pairs that those before it left open.

1. Lower bounds from sums of blocks (`copyrisk.matching.cliques.blocks`), first of cells and then of blocks.
2. Pivots. A tile is its sums of blocks and a rest that is orthogonal to them. One picture is compared pixel by pixel
   with those near it, which tells the length of the rest of each, seen from the pivot. The square of a distance is that
   of the sums plus that of the rests, and two rests of lengths a and b are between |a − b| and a + b apart. Pictures
   that are all alike are settled by one pivot.
3. All pixels, tile by tile: by matrix products where many pairs are open, else pair by pair.

Sums of squares of uint8 are whole numbers and are compared as such, so the result depends on nothing but the pictures
and the threshold.
"""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from copyrisk.matching.cliques.blocks import EXACT_VALUES, Floats, Grid, Integers, Pictures, Slices, square_sum
from copyrisk.parallel import batched, in_threads, small_products

Matrix = NDArray[np.bool_]

ROWS = 512
"""Pictures whose bounds with others, or whose pixels, are held at once."""
FEW = 24
"""Pictures up to which all pixels of all pairs are compared without looking for a pivot."""
PIVOT_WORTH = 0.25
"""Share of a pivot's pairs that it must settle for another pivot to be tried."""
PRODUCT_GAIN = 12
"""How many pairs a matrix product compares in the time of one by itself."""
TOGETHER = 16
"""Pictures that a thread takes at a time."""
SLACK = 1e-9
"""Share of a limit that the rounding of bounds may amount to; it is far less."""


def near_pairs(pictures: Pictures, threshold: float, sums: NDArray[np.uint32] | None = None) -> Matrix:
    """Return which pictures (n, height, width, 3) are at most `threshold` (0 to 1) apart: a symmetric matrix (n, n).

    The distance is `tile_distance`. sums: those of `Grid.sums` of all pictures, where they are known already.
    """
    edges = np.zeros((len(pictures), len(pictures)), bool)
    if len(pictures) < 2:
        return edges
    grid = Grid(*pictures[0].shape[:2])
    if sums is None:
        sums = block_sums(pictures, grid)
    limits = grid.limits(threshold)
    with small_products():
        open_ = _open_pairs(grid, sums, limits)
        for rows in _components(open_):
            for one, other in _unions(rows):
                both = np.union1d(one, other)
                wanted = np.zeros((len(both), len(both)), bool)
                here = np.ix_(np.searchsorted(both, one), np.searchsorted(both, other))
                wanted[here] = open_[np.ix_(one, other)]
                wanted = np.triu(wanted | wanted.T, 1)
                found = _Settling([pictures[row] for row in both], grid, sums[both], limits, wanted).edges()
                edges[np.ix_(both, both)] |= found
    return edges | edges.T


def block_sums(pictures: Pictures, grid: Grid) -> NDArray[np.uint32]:
    """Return the sums of the blocks of all pictures: (n, rows, columns, 3)."""
    parts = in_threads(0, lambda part: list(map(grid.sums, part)), batched(pictures, TOGETHER))
    return np.stack([sums for part in parts for sums in part])


def _open_pairs(grid: Grid, sums: NDArray[np.uint32], limits: Integers) -> Matrix:
    """Return which pairs the lower bounds leave open: a matrix (n, n), true above the diagonal only."""
    count = len(sums)
    open_ = np.triu(np.ones((count, count), bool), 1)
    for coarse in (True, False):
        rows = np.flatnonzero(open_.any(axis=0) | open_.any(axis=1))
        if not len(rows):
            break
        table = grid.table(sums[rows], coarse)
        most = np.asarray(limits * grid.per_value(coarse) * (1 + SLACK), np.float64)
        parts = [slice(start, start + ROWS) for start in range(0, len(rows), ROWS)]
        left = np.concatenate(list(in_threads(0, partial(_within, table, most), parts)))
        open_[np.ix_(rows, rows)] &= left
    return open_


def _within(table: Floats, most: Floats, part: slice) -> Matrix:
    """Return which rows of a part are within `most` of which rows in every tile."""
    near: Matrix | None = None
    for tile, limit in zip(table, most, strict=True):
        squares, rounding = _squares(tile[part], tile)
        here = squares <= limit + rounding
        near = here if near is None else near & here
    assert near is not None
    return near


def _squares(first: Floats, second: Floats) -> tuple[Floats, float]:
    """Return the squared distances of rows that hold whole numbers, and the most that they are off."""
    one, other = np.vecdot(first, first), np.vecdot(second, second)
    squares = first @ second.T
    squares *= -2
    squares += one[:, None]
    squares += other
    # Whole numbers up to 2^53 are exact; only pictures of very many pixels go beyond.
    longest = float(max(one.max(initial=0), other.max(initial=0)))
    return squares, 0.0 if longest < 2.0**50 else 1e-12 * longest


def _components(open_: Matrix) -> list[Integers]:
    """Return the pictures of each connected part of the pairs that are open."""
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import connected_components

    count, label = connected_components(csr_matrix(open_, dtype=np.int8), directed=False)
    sizes = np.bincount(label, minlength=count)
    return [np.flatnonzero(label == number) for number in np.flatnonzero(sizes > 1)]


def _unions(rows: Integers) -> list[tuple[Integers, Integers]]:
    """Cut pictures into parts and return all pairs of parts, each with itself too."""
    parts = [rows[start : start + ROWS] for start in range(0, len(rows), ROWS)]
    return [(one, other) for number, one in enumerate(parts) for other in parts[number:]]


class _Settling:
    """Settles the pairs of a few pictures: `wanted` (m, m), above the diagonal, shrinks while `found` grows."""

    def __init__(
        self,
        pictures: Pictures,
        grid: Grid,
        sums: NDArray[np.uint32],
        limits: Integers,
        wanted: Matrix,
    ):
        self.pictures, self.grid, self.limits, self.wanted = pictures, grid, limits, wanted
        self.table = grid.table(sums, coarse=False)
        self.found = np.zeros_like(wanted)

    def edges(self) -> Matrix:
        """Return which of the wanted pairs are near, above the diagonal."""
        while len(self._active()) > FEW and self._pivot():
            pass
        self._compare()
        return self.found

    def _active(self) -> Integers:
        return np.flatnonzero(self.wanted.any(axis=0) | self.wanted.any(axis=1))

    def _pivot(self) -> bool:
        """Settle what the picture with the most open pairs can settle; return whether that was worth it."""
        both = self.wanted | self.wanted.T
        pivot = int(both.sum(axis=1).argmax())
        group = np.flatnonzero(both[pivot])
        exact = np.array(list(in_threads(0, partial(self._tile_squares, pivot), group.tolist())))
        first, second = np.minimum(pivot, group), np.maximum(pivot, group)
        near = np.all(exact <= self.limits, axis=1)
        self.wanted[first, second] = False
        self.found[first[near], second[near]] = True
        among = np.ix_(group, group)
        asked = int(self.wanted[among].sum())
        certain, possible = self.wanted[among].copy(), self.wanted[among].copy()
        per_value = self.grid.per_value(coarse=False)
        for tile, limit, whole in zip(self.table, self.limits, exact.T, strict=True):
            squares, rounding = _squares(tile[group], tile[group])
            squares /= per_value
            slack = SLACK * limit + rounding / per_value
            shared, _ = _squares(tile[[pivot]], tile[group])
            rest = np.sqrt(np.maximum(whole - shared[0] / per_value, 0))
            possible &= squares + np.subtract.outer(rest, rest) ** 2 <= limit + slack
            certain &= squares + np.add.outer(rest, rest) ** 2 <= limit - slack
        self.found[among] |= certain
        self.wanted[among] &= possible & ~certain
        return asked - int(self.wanted[among].sum()) >= PIVOT_WORTH * max(asked, 1)

    def _tile_squares(self, pivot: int, row: int) -> list[int]:
        one, other = self.pictures[pivot], self.pictures[row]
        return [square_sum(one[tile], other[tile]) for tile in self.grid.tiles]

    def _compare(self) -> None:
        """Settle all pairs that are still open by all of their pixels, a tile after the other."""
        left = self.wanted.copy()
        for tile, limit in zip(self.grid.tiles, self.limits, strict=True):
            i, j = np.nonzero(left)
            if not len(i):
                break
            rows = np.union1d(i, j)
            if PRODUCT_GAIN * len(i) > len(rows) ** 2:
                squares = exact_squares([self.pictures[row][tile] for row in rows])
                found = squares[np.searchsorted(rows, i), np.searchsorted(rows, j)]
            else:
                pairs = batched(zip(i, j, strict=True), TOGETHER)
                found = np.concatenate(list(in_threads(0, partial(self._pair_squares, tile), pairs)))
            left[i, j] = found <= limit
        self.found |= left
        self.wanted[:] = False

    def _pair_squares(self, tile: Slices, pairs: list[tuple[int, int]]) -> list[int]:
        return [square_sum(self.pictures[one][tile], self.pictures[other][tile]) for one, other in pairs]


def exact_squares(tiles: Pictures) -> Floats:
    """Return the sums of squared differences of all pairs of tiles (n, height, width, 3), exact: (n, n), float64."""
    # Less 128 the values are at most 128 in size, and four times as many products stay below 2^24.
    width = 4 * EXACT_VALUES
    rows = np.stack([tile.reshape(-1) for tile in tiles])
    parts = [slice(start, start + width) for start in range(0, rows.shape[1], width)]

    def product(part: slice) -> NDArray[np.float32]:
        values = rows[:, part].astype(np.float32) - np.float32(128)
        return values @ values.T

    gram = np.zeros((len(rows), len(rows)))
    for each in in_threads(0, product, parts):
        gram += each
    lengths = np.diagonal(gram)
    return lengths[:, None] + lengths - 2 * gram
