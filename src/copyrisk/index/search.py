"""Exact nearest neighbours among rows of uint8.

Distances are root mean squares of differences, divided by 255: 0 for equal rows, 1 for black against white. They are
computed from integer dot products in float64, which are exact below 2^53: the same pair gives the same distance to the
last bit, however the work was cut up.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from copyrisk.descriptors import Bytes

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

QUERY_ROWS = 512
REFERENCE_ROWS = 8192
"""Block sizes: a block of distances (32 MB) stays near the processor, and memory does not grow with the collection."""


@dataclass(frozen=True)
class Neighbours:
    """The nearest rows: `distances` (queries, k), ascending; `index` (queries,), the nearest row, -1 where none is."""

    distances: Floats
    index: Integers


def nearest(queries: Bytes, references: Bytes, k: int = 1, parts: NDArray[np.intp] | None = None) -> Neighbours:
    """Find the `k` nearest references of each query, exactly; ties go to the lower row.

    queries: (m, d); references: (n, d); where n < k there are n. parts: columns of each part of the picture, shape
    (parts, columns); the distance is then the largest over the parts.
    """
    k = min(k, len(references))
    best = np.full((len(queries), k), np.inf)
    index = np.full(len(queries), -1, dtype=np.int64)
    for rows in _blocks(len(queries), QUERY_ROWS):
        for start, block in _distance_blocks(queries[rows], references, parts):
            first = block.argmin(axis=1)
            here = block[np.arange(len(block)), first]
            nearer = here < (best[rows, 0] if k else -1)
            index[rows] = np.where(nearer, start + first, index[rows])
            if k == 1:
                best[rows, 0] = np.minimum(best[rows, 0], here)
            else:
                both = np.concatenate([best[rows], block], axis=1)
                best[rows] = np.sort(np.partition(both, k - 1, axis=1)[:, :k], axis=1)
    return Neighbours(np.sqrt(best), index)


def pairs_within(rows: Bytes, limit: float) -> tuple[Integers, Integers, Floats]:
    """Find all pairs i < j of rows at most `limit` apart: the arrays i, j and their distances, sorted by (i, j)."""
    found_i, found_j, found_distance = [], [], []
    for block in _blocks(len(rows), QUERY_ROWS):
        for start, squares in _distance_blocks(rows[block], rows[block.start :], None):
            distances = np.sqrt(squares, out=squares)
            i, j = np.nonzero(distances <= limit)
            keep = j + start > i
            found_i.append(i[keep] + block.start)
            found_j.append(j[keep] + start + block.start)
            found_distance.append(distances[i[keep], j[keep]])
    if not found_i:
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)
    i, j, distance = map(np.concatenate, (found_i, found_j, found_distance))
    order = np.lexsort((j, i))
    return i[order], j[order], distance[order]


def distance_between(first: Bytes, second: Bytes) -> Floats:
    """Return the distance of each row of `first` (n, d) to the same row of `second`."""
    difference = first.astype(np.float64) - second
    distances: Floats = np.sqrt(np.einsum("ij,ij->i", difference, difference) / _scale(first.shape[1]))
    return distances


def _scale(columns: int) -> float:
    return 255.0**2 * columns


def _blocks(count: int, size: int) -> Iterator[slice]:
    return (slice(start, min(start + size, count)) for start in range(0, count, size))


def _distance_blocks(queries: Bytes, references: Bytes, parts: NDArray[np.intp] | None) -> Iterator[tuple[int, Floats]]:
    """Yield the first reference row and the squared distances (queries, block) of each block of references."""
    columns = [slice(None)] if parts is None else list(parts)
    split = [queries[:, part].astype(np.float64) for part in columns]
    for block in _blocks(len(references), REFERENCE_ROWS):
        largest: Floats | None = None
        for part, query in zip(columns, split, strict=True):
            reference = references[block, part].astype(np.float64)
            squares = query @ reference.T
            squares *= -2
            squares += np.einsum("ij,ij->i", query, query)[:, None]
            squares += np.einsum("ij,ij->i", reference, reference)
            squares /= _scale(query.shape[1])
            largest = squares if largest is None else np.maximum(largest, squares, out=largest)
        if largest is not None:
            yield block.start, largest
