"""Which rows are the K nearest, where `index.search.Index` says how far they are."""

import numpy as np

from copyrisk.index.measure import Floats, Integers, Measure, Metric, Rows, blocks
from copyrisk.index.projection import Projection, Table, left, lower_bounds
from copyrisk.index.search import Index
from copyrisk.progress import bar

QUERY_ROWS = 512
REFERENCE_ROWS = 8192
COMPONENTS = 128


def nearest_rows(queries: Rows, references: Rows, k: int, metric: Metric = "euclidean") -> tuple[Integers, Floats]:
    """Find the `k` nearest references of each query, exactly: rows and distances, both (queries, k), ascending.

    Ties go to the lower row. Where there are fewer than `k` references, all are returned.
    """
    k = min(k, len(references))
    rows, distances = np.empty((len(queries), k), np.int64), np.empty((len(queries), k))
    if k == 0 or len(queries) == 0:
        return rows, distances
    measure = Measure.of(queries, references, metric=metric)
    index = Index(references, metric=metric)
    projection = Projection.whole(measure, references, queries).leading(references, COMPONENTS)
    tables = [projection.table(references[block]) for block in blocks(len(references), 0, REFERENCE_ROWS)]
    with bar("nearest", len(queries), "image") as progress:
        for block in blocks(len(queries), 0, QUERY_ROWS):
            some = queries[block]
            farthest = index.nearest(some, k).distances[:, -1]
            squares = np.array([measure.largest_square(each) for each in farthest])
            i, j = _candidates(projection, some, tables, squares)
            exact = measure.squares_of(some, i, references, j)
            order = np.lexsort((j, exact, i))
            # All that are no farther than the k-th are among them, so each query has k at least.
            first = np.searchsorted(i[order], np.arange(len(some)))
            chosen = order[first[:, None] + np.arange(k)]
            rows[block], distances[block] = j[chosen], measure.distances(exact[chosen])
            progress.update(len(some))
    return rows, distances


def _candidates(
    projection: Projection, queries: Rows, tables: list[Table], squares: Floats
) -> tuple[Integers, Integers]:
    """Return the pairs of a query and a reference whose lower bound allows them to be within the query's square."""
    turned, thresholds = left(projection.table(queries)), projection.threshold(squares)[:, None]
    found, start = [], 0
    for table in tables:
        bounds = np.empty((len(queries), table.shape[1]), np.float32)
        i, j = np.nonzero(lower_bounds(turned, table, bounds) <= thresholds)
        found.append((i, j + start))
        start += table.shape[1]
    i, j = (np.concatenate(part) for part in zip(*found, strict=True))
    return i, j
