"""Near pairs where comparing everything takes too long: most are found, and how many is measured in the same run.

The rows of one table are put into cells, each around a centre (k-means; inverted lists, Sivic and Zisserman 2003). A
query is compared with the rows of those cells alone whose centre is within a radius of it. What is found are pairs,
with their exact distances; lost are pairs whose row lies in a cell that was not looked into.

Two random samples of queries are searched exactly as well. The first says which radius the asked recall needs. The
second is drawn when the search is done, and says what it missed.

**What is measured.** The recall is F / (F + M), pairs found and pairs missed. F is known, M is not. Queries are drawn,
with replacement, with a probability in proportion to f + 1, f being the pairs found for a query; W is the sum of f + 1.
With m pairs missed, the mean of m / (f + 1) over the draws is an unbiased estimate of M / W (Hansen and Hurwitz 1943).
The interval of that mean is Gaffke's (`copyrisk.rates.ends`); queries, not pairs, are its units. It assumes that no
query misses more than f + 1 pairs, or than that many times the largest m / (f + 1) that was drawn.

Which cells are looked into is computed in whole numbers below 2^24, which float32 adds up without rounding: what is
found depends on the rows, the limit, the recall and the seed, not on blocks or threads.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np

from copyrisk.errors import UserError
from copyrisk.index.measure import Floats, Integers, Measure, Metric, Rows, blocks
from copyrisk.index.projection import Projection, Table, left, lower_bounds, sample
from copyrisk.index.search import pairs_between, pairs_within, table_of, threads

COLUMNS = 128
"""Rows of more columns are cut down to so many components."""

CHUNK_ROWS = 1 << 15
"""Queries that are shared out among the cells at once."""

CHUNK_CELLS = 64
"""Cells that one task looks into: their distances to the queries of a chunk are 8 MB."""

TRAINING_ROWS = 32
"""Rows a cell that the centres are fitted to."""

ROUNDS = 5
"""Rounds of k-means."""

FEWEST_QUERIES = 1024
"""Below so many, an exact search takes no time."""

CHOSEN_ON = 4096, 256
"""The radius is chosen on so many queries or, where that is more, one of so many; an eighth of all where there are few,
and up to a quarter where these have too few pairs."""

MEASURED_ON = 50
"""Queries that the recall is measured on, as a multiple of what it takes to meet one pair missed."""

CONFIDENCE = 0.95

WORTH = 0.5
"""The share of an exact search's comparisons up to which an approximate one is worth it."""


@dataclass(frozen=True)
class Approximate:
    """The pairs found, and how many of all these are.

    i, j, distance: (pairs,), sorted by (i, j), as of `pairs_within` and `pairs_between`. recall: the share of all pairs
    within the limit that was found, measured on `sampled` queries; interval: its 95 % interval. 1, (1, 1) and none
    where the search was exact. compared: comparisons made, as a share of those of an exact search.
    """

    i: Integers
    j: Integers
    distance: Floats
    recall: float
    interval: tuple[float, float]
    sampled: int
    compared: float


def near_pairs(
    first: Rows,
    second: Rows | None,
    limit: float,
    metric: Metric = "euclidean",
    recall: float = 0.99,
    seed: int = 0,
) -> Approximate:
    """Find the pairs of rows at most `limit` apart, but for about the share 1 − `recall` of them.

    first: (m, d), the queries; second: (n, d); None looks for the pairs i < j within `first`. recall: above 0, up to 1;
    1 is an exact search, and so is one where too few pairs are met to choose by, or little would be saved. Raises
    UserError where rows do not fit each other or have no distance, or where `recall` is no such share.
    """
    if not 0 < recall <= 1:
        raise UserError(f"recall {recall:g}: give the share of the pairs to find, above 0 and up to 1.")
    search = _Search(np.asarray(first), None if second is None else np.asarray(second), limit, metric)
    cells = search.cells(seed) if recall < 1 and limit >= 0 else None
    radius = None if cells is None else _radius(search, cells, recall, seed)
    if cells is None or radius is None:
        return Approximate(*search.exactly(), recall=1.0, interval=(1.0, 1.0), sampled=0, compared=1.0)
    i, j, distance, compared = search.in_cells(cells, radius)
    return Approximate(i, j, distance, *_recall(search, i, j, recall, seed), compared)


@dataclass(frozen=True)
class _Cells:
    """Rows in cells: cell c has the rows order[starts[c]:starts[c + 1]], and their reduced rows in `table`.

    centres: (cells, columns + 2), `_points`; of_row: the cell of each row; factor: what turns the columns of a reduced
    row into whole numbers.
    """

    projection: Projection
    factor: float
    centres: Table
    of_row: Integers
    order: Integers
    starts: Integers
    table: Table

    @classmethod
    def of(cls, rows: Rows, projection: Projection, count: int, seed: int) -> "_Cells":
        """Put rows into `count` cells, some of them maybe empty."""
        with threads() as pool:
            table = table_of(projection, rows, pool)
            training: Table = sample(table[0, :, :-2], TRAINING_ROWS * count, seed).astype(np.float32, copy=False)
            factor = _largest(training.shape[1]) / (float(np.abs(training).max()) or 1.0)
            centres = _centres(_points(training, factor), count, seed)
            of_row = np.empty(len(rows), np.int64)

            def assign(block: slice) -> None:
                of_row[block] = _squares(_points(table[0, block, :-2], factor), centres).argmin(axis=1)

            list(pool.map(assign, blocks(len(rows), count)))
        order = np.argsort(of_row, kind="stable")
        starts = np.searchsorted(of_row[order], np.arange(count + 1))
        return cls(projection, factor, centres, of_row, order, starts, table[:, order])

    def points(self, table: Table) -> Table:
        """Return the points of reduced rows, to be compared with the centres."""
        return _points(table[0, :, :-2], self.factor)


@dataclass(frozen=True)
class _Search:
    """What is searched for: pairs within a limit of a row of `first` and one of `second`, or (None) within `first`."""

    first: Rows
    second: Rows | None
    limit: float
    metric: Metric

    @property
    def same(self) -> bool:
        return self.second is None

    @property
    def rows(self) -> Rows:
        return self.first if self.second is None else self.second

    @property
    def comparisons(self) -> float:
        """What an exact search compares."""
        return len(self.first) * len(self.rows) / (2 if self.same else 1)

    def exactly(self) -> tuple[Integers, Integers, Floats]:
        if self.second is None:
            return pairs_within(self.first, self.limit, self.metric)
        return pairs_between(self.first, self.second, self.limit, self.metric)

    def pairs_of(self, queries: Integers) -> tuple[Integers, Integers]:
        """Return all pairs of these queries, ascending, and any row, itself not: places in `queries`, and rows."""
        place, j, _ = pairs_between(self.first[queries], self.rows, self.limit, self.metric)
        other = queries[place] != j if self.same else np.full(len(j), True)
        return place[other], j[other]

    def cells(self, seed: int) -> _Cells | None:
        """Put the rows into cells; None where they are too few for it to be of use."""
        measure = Measure.of(self.first, self.rows, metric=self.metric)
        for table in {id(table): table for table in (self.first, self.rows)}.values():
            measure.check(table)
        if len(self.first) < FEWEST_QUERIES or not len(self.rows):
            return None
        # So many that comparing with centres and comparing with the rows of cells are about the same work.
        count = round((len(self.first) * len(self.rows) / (len(self.first) + len(self.rows))) ** (2 / 3))
        if count > WORTH * len(self.rows):
            return None
        projection = Projection.whole(measure, self.first, self.rows)
        if measure.columns > COLUMNS:
            projection = projection.leading(self.rows, COLUMNS)
        return _Cells.of(self.rows, projection, count, seed)

    def in_cells(self, cells: _Cells, radius: float) -> tuple[Integers, Integers, Floats, float]:
        """Return the pairs of a query and a row in a cell whose centre is within the squared radius, and distances.

        Pairs are sorted, and i < j within one table. Last, the comparisons, as a share of those of an exact search.
        """
        found, compared = [], float(len(self.first) * len(cells.centres))
        with threads() as pool:
            for chunk in blocks(len(self.first), 0, CHUNK_ROWS):
                table = table_of(cells.projection, self.first[chunk], pool)
                look = partial(self._look, cells, radius, chunk.start, cells.points(table), left(table))
                for pairs, comparisons in pool.map(look, blocks(len(cells.centres), 0, CHUNK_CELLS)):
                    found += pairs
                    compared += comparisons
        if not found:
            return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0), compared / self.comparisons
        i, j, squares = map(np.concatenate, zip(*found, strict=True))
        if self.same:
            i, j = np.minimum(i, j), np.maximum(i, j)
        distance = cells.projection.measure.distances(squares)
        keep = (distance <= self.limit) & ((i < j) | (not self.same))
        # Within one table a pair is found from either row, or from both.
        _, once = np.unique(i[keep] * len(self.rows) + j[keep], return_index=True)
        i, j, distance = i[keep][once], j[keep][once], distance[keep][once]
        return i, j, distance, compared / self.comparisons

    def _look(
        self, cells: _Cells, radius: float, first: int, points: Table, turned: Table, numbers: slice
    ) -> tuple[list[tuple[Integers, Integers, Floats]], int]:
        """Look into some cells for pairs with the queries from `first` on: (i, j, squares), and the comparisons."""
        found, compared = [], 0
        measure = cells.projection.measure
        square = measure.largest_square(self.limit)
        threshold = cells.projection.threshold(square)
        near = _squares(cells.centres[numbers], points) <= radius
        for number, queries in enumerate(near, start=numbers.start):
            start, stop = cells.starts[number : number + 2].tolist()
            here = np.flatnonzero(queries) if stop > start else np.empty(0, np.int64)
            compared += len(here) * (stop - start)
            for block in blocks(len(here), stop - start):
                some = here[block]
                bounds = np.empty((len(some), stop - start), np.float32)
                lower_bounds(turned.take(some, axis=1), cells.table[:, start:stop], bounds)
                i, j = np.divmod(np.flatnonzero(bounds <= threshold), stop - start)
                if len(i):
                    i, j = some[i] + first, cells.order[start + j]
                    squares = measure.squares_of(self.first, i, self.rows, j)
                    keep = squares <= square
                    found.append((i[keep], j[keep], squares[keep]))
        return found, compared


def _radius(search: _Search, cells: _Cells, recall: float, seed: int) -> float | None:
    """Return the squared radius that finds the share `recall` of a sample's pairs; None where searching all is better.

    What it loses there, with one standard error and one more query of the usual number of pairs, is 1 − `recall`.
    """
    shuffled = np.random.default_rng((seed, 1)).permutation(len(search.first))
    count = len(shuffled)
    size, most = min(max(CHOSEN_ON[0], count // CHOSEN_ON[1]), count // 8), count // 4
    while True:
        queries = np.sort(shuffled[:size])
        query, row = search.pairs_of(queries)
        least = _least(search, cells, queries[query], row)
        order = np.argsort(-least, kind="stable")
        lost = _most_lost(query[order], size, 1 - recall)
        if lost is not None:
            break
        if size == most:
            return None
        size = min(2 * size, most)
    radius = float(least[order[lost]])
    some = shuffled[: min(size, 2048)]
    near = _squares(cells.points(cells.projection.table(search.first[some])), cells.centres) <= radius
    looked = len(search.first) * (len(cells.centres) + float((near @ np.diff(cells.starts)).mean()))
    return radius if looked <= WORTH * search.comparisons else None


def _least(search: _Search, cells: _Cells, i: Integers, j: Integers) -> Floats:
    """Return the least squared radius that each pair is found with."""

    def squares(rows: Rows, i: Integers, j: Integers) -> Floats:
        some, back = np.unique(i, return_inverse=True)
        tables = [cells.projection.table(rows[some[block]]) for block in blocks(len(some), 0, CHUNK_ROWS)]
        points = np.concatenate([cells.points(table) for table in tables]) if tables else cells.centres
        found = np.empty(len(i))
        for block in blocks(len(i), cells.centres.shape[1]):
            away = points[back[block]] - cells.centres[cells.of_row[j[block]]]
            found[block] = np.vecdot(away[:, :-2], away[:, :-2])
        return found

    least = squares(search.first, i, j)
    return np.minimum(least, squares(search.first, j, i)) if search.same else least


def _most_lost(query: Integers, size: int, share: float) -> int | None:
    """Return how many of the pairs, the first ones of their queries given, may be lost; None where too few are there.

    query: the query of each pair, out of `size`, those first that are lost first.
    """
    pairs = np.bincount(query, minlength=size)
    usual = len(query) / max(1, int(np.count_nonzero(pairs)))

    def allowed(lost: int) -> bool:
        rest = np.bincount(query[:lost], minlength=size) - lost / len(query) * pairs
        return bool(lost + np.sqrt(rest @ rest) + usual <= share * len(query))

    if not len(query) or not allowed(0):
        return None
    low, high = 0, len(query)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if allowed(middle) else (low, middle)
    return low


def _recall(
    search: _Search, i: Integers, j: Integers, recall: float, seed: int
) -> tuple[float, tuple[float, float], int]:
    """Return the recall of the pairs found, its interval, and how many queries it was measured on (module docstring).

    recall: the one asked for; it decides how many are drawn, not what comes out.
    """
    # The stage `rates` comes after this one; the interval is no part of the stage.
    from copyrisk.rates.ends import Sample, of_sample

    count = len(search.first)
    found = np.bincount(i, minlength=count) + (np.bincount(j, minlength=count) if search.same else 0)
    total, weight = int(found.sum()), found + 1.0
    draws = min(int(np.ceil(MEASURED_ON * weight.sum() / max(1, total) / (1 - recall))), max(1, count // 4))
    drawn = np.random.default_rng((seed, 2)).choice(count, draws, p=weight / weight.sum())
    queries, back = np.unique(drawn, return_inverse=True)
    missed = np.bincount(search.pairs_of(queries)[0], minlength=len(queries)) - found[queries]
    shares = (missed / weight[queries])[back]
    largest = max(1.0, float(shares.max()))
    ends = of_sample(Sample.of(shares, np.full(draws, largest)), seed)
    low, high = ends.interval(CONFIDENCE)

    def found_of(share: float) -> float:
        everything = total + share * largest * float(weight.sum())
        return total / everything if everything else 1.0

    return found_of(ends.estimate), (found_of(high), found_of(low)), len(queries)


def _centres(points: Table, count: int, seed: int) -> Table:
    """Return `count` centres of points by k-means, as points; a centre that none is nearest to stays as it is."""
    centres = points[np.random.default_rng((seed, 0)).choice(len(points), count, replace=False)]
    for _ in range(ROUNDS):
        nearest = [_squares(points[block], centres).argmin(axis=1) for block in blocks(len(points), count)]
        cell = np.concatenate(nearest)
        order = np.argsort(cell, kind="stable")
        numbers, starts, sizes = np.unique(cell[order], return_index=True, return_counts=True)
        sums = np.add.reduceat(points[order, :-2].astype(np.float64), starts)
        centres[numbers] = _points(sums / sizes[:, None], 1.0)
    return centres


def _points(values: Floats | Table, factor: float) -> Table:
    """Return values (n, columns) times a factor as whole numbers, so small that `_squares` is exact.

    Two more columns are 1 and the squared length.
    """
    points = np.empty((len(values), values.shape[1] + 2), np.float32)
    whole = points[:, :-2]
    np.rint(values * np.float32(factor), out=whole)
    np.clip(whole, -_largest(whole.shape[1]), _largest(whole.shape[1]), out=whole)
    points[:, -2] = 1
    points[:, -1] = np.vecdot(whole, whole)
    return points


def _largest(columns: int) -> float:
    """Return the largest whole number for which all that a squared distance is added up from stays below 2^24."""
    return float(np.floor(np.sqrt(2**22 / columns)))


def _squares(first: Table, second: Table) -> Table:
    """Return the squared distances of points, exactly: (m, n)."""
    squares: Table = left(first) @ second.T
    return squares
