"""Exact nearest neighbours and near pairs: nearly all comparisons are ruled out by certified lower bounds.

Rows are cut down to a few columns (`projection`), compared with all others by matrix products in float32, and only the
pairs whose lower bound allows it are compared in full (`measure`). The same pair gives the same distance to the last
bit, and the same pairs are found, however the work was cut up and however many threads do it. Rows may be
memory-mapped: memory grows with the number of rows times the few columns.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from os import cpu_count

import numpy as np

from copyrisk.index.cells import Cells, near_box
from copyrisk.index.measure import Floats, Integers, Measure, Metric, Parts, Rows, blocks
from copyrisk.index.projection import Projection, Table, left, lower_bounds, sample
from copyrisk.parallel import small_products, thread_pool

__all__ = [
    "Floats",
    "Index",
    "Integers",
    "Metric",
    "Neighbours",
    "Rows",
    "distance_between",
    "nearest",
    "pairs_between",
    "pairs_within",
]

QUERY_ROWS = 512
REFERENCE_ROWS = 1024
"""Block sizes: a block of lower bounds (2 MB) stays near the processor."""

BOUND_VALUES = 1 << 25
"""Lower bounds held at once by a search of the nearest (128 MB)."""

COMPONENTS = (8, 16, 32, 64, 128)
"""Numbers of components to choose from."""

FEW_PAIRS = 1 << 20
"""Up to so many pairs of rows, looking for good components takes longer than doing without."""

PASS_COST = 9
VERIFY_COST = {np.dtype(np.uint8): 26, np.dtype(np.float32): 95}
"""What it costs to look at a lower bound, and to compare one column of a pair in full, in columns of a matrix product
(measured: 0.15 ns, and 0.42 or 1.5 ns, against 0.016 ns). They choose between ways; the result is the same in all."""

LOOKED_AT = 16
"""One row of so many says whether it is worth while to look for those that are near a cell."""

GROUP_ROWS = 64
"""The rows to start a search from are the best of groups of so many."""


@dataclass(frozen=True)
class Neighbours:
    """The nearest rows and how far they are, `rows` and `distances`: both (queries, k), by distance, then by row."""

    distances: Floats
    rows: Integers

    @property
    def index(self) -> Integers:
        """The nearest row of each query: (queries,), -1 where there is none."""
        return self.rows[:, 0] if self.rows.shape[1] else np.full(len(self.rows), -1)


def nearest(
    queries: Rows, references: Rows, k: int = 1, parts: Parts | None = None, metric: Metric = "euclidean"
) -> Neighbours:
    """Find the `k` nearest references of each query, exactly; ties go to the lower row.

    queries: (m, d); references: (n, d), both uint8 or both float32; where n < k there are n. parts: columns of each
    part of the picture, shape (parts, columns); the distance is then the largest over the parts. Raises UserError where
    rows do not fit each other or have no distance. To search the same references often, keep an `Index` of them.
    """
    # Cutting down the references costs about as much as comparing each with some 4 · 128 queries in full.
    return Index(references, parts, metric, reduced=len(queries) > 4 * COMPONENTS[-1]).nearest(queries, k)


def pairs_within(rows: Rows, limit: float, metric: Metric = "euclidean") -> tuple[Integers, Integers, Floats]:
    """Find all pairs i < j of rows at most `limit` apart: the arrays i, j and their distances, sorted by (i, j).

    rows: (n, d), uint8 or float32. Raises UserError for rows that have no distance.
    """
    return _join(rows, rows, limit, metric, same=True)


def pairs_between(
    first: Rows, second: Rows, limit: float, metric: Metric = "euclidean"
) -> tuple[Integers, Integers, Floats]:
    """Find all pairs of a row i of `first` (m, d) and a row j of `second` (n, d) at most `limit` apart.

    Returns the arrays i, j and their distances, sorted by (i, j). Raises UserError where rows do not fit each other or
    have no distance.
    """
    return _join(first, second, limit, metric, same=False)


def distance_between(first: Rows, second: Rows, metric: Metric = "euclidean") -> Floats:
    """Return the distance of each row of `first` (n, d) to the same row of `second`."""
    measure = Measure.of(first, second, metric=metric)
    pairs = np.arange(len(first))
    return measure.distances(measure.squares_of(first, pairs, second, pairs))


class Index:
    """References made ready for searches of the nearest: their lower-bound table in memory, the rows where they are."""

    def __init__(
        self, references: Rows, parts: Parts | None = None, metric: Metric = "euclidean", reduced: bool = True
    ):
        """Take references (n, d); without `reduced`, all columns are compared: no table, slower searches."""
        self.rows = np.asarray(references)
        self.parts = parts
        self.measure = Measure.of(self.rows, metric=metric, parts=parts)
        self.measure.check(self.rows)
        self.whole = self.projection = Projection.whole(self.measure, self.rows, parts=parts)
        self.table: Table | None = None
        if reduced and len(self.rows) * QUERY_ROWS > FEW_PAIRS:
            components = COMPONENTS[-1] if parts is None else max(1, COMPONENTS[-1] // len(parts) - 1)
            with threads() as pool:
                self.projection = self.whole.leading(self.rows, components)
                self.table = table_of(self.projection, self.rows, pool)

    def nearest(self, queries: Rows, k: int = 1) -> Neighbours:
        """Find the `k` nearest references of each query (m, d), exactly, as the function `nearest` does."""
        queries = np.asarray(queries)
        Measure.of(queries, self.rows, metric=self.measure.metric).check(queries)
        k = min(k, len(self.rows))
        squares = np.full((len(queries), k), np.inf)
        rows = np.empty((len(queries), k), np.int64)
        if k == 0:
            return Neighbours(squares, rows)

        def search(block: slice) -> None:
            squares[block], rows[block] = self._search(queries[block], k)

        # Fewer than 8 queries at once are no faster than one: of many processors and rows, this takes more memory.
        size = max(8, BOUND_VALUES // len(self.rows) // (cpu_count() or 1))
        with threads() as pool:
            list(pool.map(search, blocks(len(queries), 0, min(size, QUERY_ROWS))))
        return Neighbours(self.measure.distances(squares), rows)

    def _search(self, queries: Rows, k: int) -> tuple[Floats, Integers]:
        projection = self.projection
        bounds = np.empty((len(queries), len(self.rows)), np.float32)
        self._bounds(projection, self.table, queries, bounds)
        found = []
        for query, row in zip(queries, bounds, strict=True):
            rows = _lowest(row, min(4 * k, len(row)))
            found.append(_best(self._squares(query, rows), rows, k))
            row[rows] = np.nan
        if self.table is not None:
            thresholds = projection.threshold(np.array([squares[-1] for squares, _ in found]))
            if np.count_nonzero(bounds <= thresholds[:, None]) * VERIFY_COST[self.rows.dtype] > bounds.size:
                # The few columns rule out too little: compare all columns.
                projection = self.whole
                self._bounds(projection, None, queries, bounds)
                for row, (_, rows) in zip(bounds, found, strict=True):
                    row[rows] = np.nan
        for number, (query, row) in enumerate(zip(queries, bounds, strict=True)):
            found[number] = self._finish(query, row, projection, *found[number])
        return np.array([squares for squares, _ in found]), np.array([rows for _, rows in found])

    def _finish(
        self, query: Rows, bounds: Table, projection: Projection, squares: Floats, rows: Integers
    ) -> tuple[Floats, Integers]:
        """Take what is nearer than the k found so far, squares and rows, from all whose bound is not nan."""
        left_over = np.flatnonzero(bounds <= projection.threshold(squares[-1]))
        left_over = left_over[np.argsort(bounds[left_over], kind="stable")]
        for block in blocks(len(left_over), len(query)):
            some = left_over[block]
            if bounds[some[0]] > projection.threshold(squares[-1]):
                break
            both = np.concatenate([squares, self._squares(query, some)]), np.concatenate([rows, some])
            squares, rows = _best(*both, len(squares))
        return squares, rows

    def _squares(self, query: Rows, rows: Integers) -> Floats:
        return self.measure.squares_of(query[None], np.zeros(1, np.int64), self.rows, rows, self.parts)

    def _bounds(self, projection: Projection, table: Table | None, queries: Rows, bounds: Table) -> None:
        """Write the lower bounds of the squares of queries and all references: (queries, references)."""
        turned = left(projection.table(queries))
        for block in blocks(len(self.rows), 0, REFERENCE_ROWS):
            right = projection.table(self.rows[block]) if table is None else table[:, block]
            lower_bounds(turned, right, bounds[:, block])


def _best(squares: Floats, rows: Integers, k: int) -> tuple[Floats, Integers]:
    order = np.lexsort((rows, squares))[:k]
    return squares[order], rows[order]


def _lowest(bounds: Table, count: int) -> Integers:
    """Return `count` rows whose bounds are about the lowest."""
    groups = len(bounds) // GROUP_ROWS
    if groups <= count:
        return np.argpartition(bounds, count - 1)[:count]
    # Row r is in group r modulo `groups`: minima down columns are the fast ones.
    grouped = bounds[: groups * GROUP_ROWS].reshape(GROUP_ROWS, groups)
    best = np.argpartition(grouped.min(axis=0), count - 1)[:count]
    lowest: Integers = grouped[:, best].argmin(axis=0) * groups + best
    return lowest


@dataclass(frozen=True)
class _Side:
    """One of two tables of rows that are joined, in cells; `table` holds its reduced rows in their order."""

    rows: Rows
    cells: Cells
    table: Table

    @classmethod
    def of(cls, rows: Rows, projection: Projection, pool: ThreadPoolExecutor) -> "_Side":
        table = table_of(projection, rows, pool)
        cells = Cells.of(table[0, :, :-2], QUERY_ROWS)
        return cls(rows, cells, table[:, cells.order])


def _join(first: Rows, second: Rows, limit: float, metric: Metric, same: bool) -> tuple[Integers, Integers, Floats]:
    first, second = np.asarray(first), np.asarray(second)
    measure = Measure.of(first, second, metric=metric)
    for rows in (first,) if same else (first, second):
        measure.check(rows)
    found = []
    if limit >= 0 and len(first) and len(second):
        square = measure.largest_square(limit)
        with threads() as pool:
            whole = Projection.whole(measure, first, second)
            projection = _projection(whole, first, second, square, same)
            side = _Side.of(first, projection, pool)
            other = side if same else _Side.of(second, projection, pool)
            search = partial(_cell_pairs, side, other, whole, projection, square)
            found = [block for blocks_ in pool.map(search, range(len(side.cells))) for block in blocks_]
    if not found:
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)
    i, j, squares = map(np.concatenate, zip(*found, strict=True))
    if same:
        i, j = np.minimum(i, j), np.maximum(i, j)
    distance = measure.distances(squares)
    keep = np.flatnonzero(distance <= limit)
    order = keep[np.lexsort((j[keep], i[keep]))]
    return i[order], j[order], distance[order]


def _cell_pairs(
    side: _Side, other: _Side, whole: Projection, projection: Projection, square: float, cell: int
) -> list[tuple[Integers, Integers, Floats]]:
    """Return the pairs i, j of a row in the cell and a row of the other side up to a square, with their squares.

    Of one side with itself, only pairs with the same or a later cell.
    """
    found = []
    threshold = projection.threshold(square)
    # Reduced rows, of length 1 at most, are off by up to η each.
    reach = np.sqrt(square) / projection.scale * (1 + 1e-9) + 2 * projection.error + np.sqrt(1e-30)
    near = _near(side, other, cell, reach)
    here = slice(*side.cells.starts[cell : cell + 2])
    turned = left(side.table[:, here])
    whole_turned: Table | None = None
    for block in blocks(len(near), 0, REFERENCE_ROWS):
        there = near[block]
        bounds = np.empty((turned.shape[1], len(there)), np.float32)
        pairs = np.flatnonzero(lower_bounds(turned, other.table[:, there], bounds) <= threshold)
        if len(pairs) * VERIFY_COST[side.rows.dtype] > bounds.size and projection is not whole:
            # The few columns rule out too little: compare all columns.
            if whole_turned is None:
                whole_turned = left(whole.table(side.rows[side.cells.order[here]]))
            right = whole.table(other.rows[other.cells.order[there]])
            pairs = np.flatnonzero(lower_bounds(whole_turned, right, bounds) <= whole.threshold(square))
        i, j = np.divmod(pairs, len(there))
        i, j = i + here.start, there[j]
        if side is other:
            i, j = i[i < j], j[i < j]
        if len(i):
            i, j = side.cells.order[i], other.cells.order[j]
            squares = whole.measure.squares_of(side.rows, i, other.rows, j)
            keep = squares <= square
            found.append((i[keep], j[keep], squares[keep]))
    return found


def _near(side: _Side, other: _Side, cell: int, reach: float) -> Integers:
    """Return the places of rows on the other side that may be within reach of the cell's box."""
    low, high, starts = side.cells.low[cell], side.cells.high[cell], other.cells.starts
    cells = other.cells.near(low, high, reach)
    if side is other:
        cells = cells[cells >= cell]
    near = []
    for run in np.split(cells, np.flatnonzero(np.diff(cells) > 1) + 1) if len(cells) else []:
        start, stop = starts[run[0]], starts[run[-1] + 1]
        points = other.table[0, start:stop, :-2]
        # To look at a row costs about half of what it costs to compare it with the cell.
        if near_box(points[::LOOKED_AT], low, high, reach).mean() > 0.5:
            near.append(np.arange(start, stop))
        else:
            near.append(start + np.flatnonzero(near_box(points, low, high, reach)))
    return np.concatenate(near) if near else np.empty(0, np.int64)


def _projection(whole: Projection, first: Rows, second: Rows, square: float, same: bool) -> Projection:
    """Return the projection that a join is likely to be fastest with, judged by pairs of a sample."""
    best, least = whole, np.inf
    if len(first) * len(second) <= FEW_PAIRS:
        return best
    # Other rows than those that directions are fitted to: on these, the directions look better than they are.
    rows, others = sample(first, REFERENCE_ROWS, seed=1), sample(second, REFERENCE_ROWS, seed=1)
    bounds = np.empty((len(rows), len(others)), np.float32)
    itself = min(bounds.shape) if same else 0
    for components in COMPONENTS:
        if PASS_COST + components >= least:
            break
        projection = whole.leading(second, components)
        lower_bounds(left(projection.table(rows)), projection.table(others), bounds)
        pairs = np.count_nonzero(bounds <= projection.threshold(square)) - itself
        cost = PASS_COST + components + rows.shape[1] * min(1.0, VERIFY_COST[rows.dtype] * pairs / bounds.size)
        if cost < least:
            best, least = projection, cost
    return best


def table_of(projection: Projection, rows: Rows, pool: ThreadPoolExecutor) -> Table:
    """Return the rows' table (`Projection.table`), made by the threads of a pool."""
    parts = 1 if projection.parts is None else len(projection.parts)
    table = np.empty((parts, len(rows), projection.width), np.float32)

    def fill(block: slice) -> None:
        table[:, block] = projection.table(rows[block])

    list(pool.map(fill, blocks(len(rows), 0, 8 * REFERENCE_ROWS)))
    return table


@contextmanager
def threads() -> Iterator[ThreadPoolExecutor]:
    """Give a pool with a thread a processor; matrix products inside it use one each."""
    with small_products(), thread_pool(0) as pool:
        yield pool
