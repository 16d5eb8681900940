"""Rows that lie together, in boxes: two boxes that are far apart need no look inside."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from copyrisk.index.measure import Floats, Integers
from copyrisk.index.projection import Table

SPREAD_ROWS = 256
"""Rows of a cell that its spread is judged by."""


@dataclass(frozen=True)
class Cells:
    """`order` lists all rows, cell by cell; cell c is order[starts[c]:starts[c + 1]], in the box `low` to `high`."""

    order: Integers
    starts: Integers
    low: Floats
    high: Floats

    @classmethod
    def of(cls, points: Table, size: int) -> "Cells":
        """Halve the points (n, columns) along their widest column until no cell has more than `size` of them."""
        order = np.arange(len(points))
        starts = []
        stack = [(0, len(points))] if len(points) else []
        while stack:
            start, stop = stack.pop()
            if stop - start <= size:
                starts.append(start)
                continue
            here = order[start:stop]
            widest = points[here[:: -(-len(here) // SPREAD_ROWS)]].std(axis=0).argmax()
            half = len(here) // 2
            order[start:stop] = here[np.argpartition(points[here, widest], half)]
            stack += [(start + half, stop), (start, start + half)]
        edges = np.array([*starts, len(points)])
        cells = [points[order[start:stop]] for start, stop in pairwise(edges)]
        low = np.array([cell.min(axis=0) for cell in cells], np.float64).reshape(-1, points.shape[1])
        high = np.array([cell.max(axis=0) for cell in cells], np.float64).reshape(-1, points.shape[1])
        return cls(order, edges, low, high)

    def __len__(self) -> int:
        return len(self.low)

    def near(self, low: Floats, high: Floats, distance: float) -> Integers:
        """Return the cells whose box is at most `distance` from the box `low` to `high`."""
        gap = np.maximum(np.maximum(self.low - high, low - self.high), 0)
        return np.flatnonzero(np.einsum("ij,ij->i", gap, gap) <= distance**2)


def near_box(points: Table, low: Floats, high: Floats, distance: float) -> NDArray[np.bool_]:
    """Return which of the points may be within `distance` of the box `low` to `high`; the others certainly are not."""
    gap = np.maximum(np.maximum(points - high.astype(np.float32), low.astype(np.float32) - points), 0)
    # What float32 rounds here is far below one part in 10^5.
    near: NDArray[np.bool_] = np.einsum("ij,ij->i", gap, gap) <= np.float32(distance**2 * (1 + 1e-5) + 1e-30)
    return near
