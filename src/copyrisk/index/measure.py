"""What the distance of two rows is, to the last bit.

Rows are uint8 (a picture made small) or float32 (the descriptor of a network). Between rows of uint8 the distance is
the root mean square of the differences, divided by 255: 0 for equal rows, 1 for black against white. Between rows of
float32 it is the Euclidean distance, or the cosine distance 1 − cos, 0 to 2.

All three are a growing function of a sum of squared differences, of cosine rows after their length was made 1. Searches
compare these sums, called squares here: for uint8 they are whole numbers and exact; for float32 they are added up in
float64 in an order that depends on nothing but the number of columns.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from copyrisk.errors import UserError

Rows = NDArray[np.uint8 | np.float32]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Parts = NDArray[np.intp]
Metric = Literal["euclidean", "cosine"]

EXACT_COLUMNS = 256
"""256 · 255² is below 2^24: a sum of so many squared differences of uint8 is exact in float32, in any order."""

VERIFIED_VALUES = 1 << 18
"""Values of each side that are compared at once: they stay in the second-level cache."""


@dataclass(frozen=True)
class Measure:
    """A distance: its metric and, of the rows it is for, `exact` (they are uint8) and `columns` (of one part)."""

    metric: Metric
    exact: bool
    columns: int

    @classmethod
    def of(cls, *tables: Rows, metric: Metric = "euclidean", parts: Parts | None = None) -> "Measure":
        """Return the measure for tables of rows; raise UserError where their types or widths do not fit."""
        kinds = {(table.dtype, table.ndim, table.shape[-1]) for table in tables}
        dtype, dimensions, width = kinds.pop()
        if kinds or dimensions != 2 or dtype not in (np.uint8, np.float32):
            found = " and ".join(f"{table.dtype} {table.shape}" for table in tables)
            raise UserError(f"descriptors are {found}; give tables of rows of one width, all uint8 or all float32.")
        if metric not in ("euclidean", "cosine") or (metric == "cosine" and dtype == np.uint8):
            raise UserError(f"metric {metric!r}: rows of float32 have euclidean and cosine, rows of uint8 euclidean.")
        return cls(metric, dtype == np.uint8, width if parts is None else parts.shape[1])

    def check(self, rows: Rows) -> None:
        """Raise UserError for a row of float32 that has no distance: one with nan or inf, for cosine one of zeros."""
        for block in () if self.exact else blocks(len(rows), rows.shape[1]):
            bad = ~np.isfinite(rows[block]).all(axis=1)
            if self.metric == "cosine":
                bad |= ~rows[block].any(axis=1)
            if bad.any():
                raise UserError(
                    f"descriptor {block.start + int(bad.argmax())} holds nan or inf, or is all zeros, which has no "
                    "cosine. Leave this image out."
                )

    def values(self, rows: Rows) -> Floats:
        """Return rows as float64; of cosine, each of length 1."""
        values = rows.astype(np.float64)
        if self.metric == "cosine":
            values /= np.sqrt(np.einsum("ij,ij->i", values, values))[:, None]
        return values

    def squares(self, first: Rows, second: Rows, parts: Parts | None = None) -> Floats:
        """Return the square of each row of `first` (n, d) with the same row of `second`; the largest over the parts."""
        if self.exact:
            difference = np.maximum(first, second)
            difference -= np.minimum(first, second)
        else:
            difference = self.values(first)
            difference -= self.values(second)
        if parts is not None:
            difference = difference[:, parts]
        squares = self._sums(difference)
        return squares if parts is None else squares.max(axis=1)

    def _sums(self, difference: NDArray[Any]) -> Floats:
        if not self.exact:
            sums: Floats = np.einsum("...j,...j->...", difference, difference)
            return sums
        squares = np.zeros(difference.shape[:-1])
        for start in range(0, difference.shape[-1], EXACT_COLUMNS):
            block = difference[..., start : start + EXACT_COLUMNS].astype(np.float32)
            squares += np.vecdot(block, block)
        return squares

    def squares_of(self, first: Rows, i: Integers, second: Rows, j: Integers, parts: Parts | None = None) -> Floats:
        """Return the squares of the rows `i` of `first` with the rows `j` of `second`; `i` may be one row for all."""
        i = np.broadcast_to(i, len(j))
        squares = np.empty(len(j))
        for block in blocks(len(j), first.shape[1]):
            squares[block] = self.squares(first[i[block]], second[j[block]], parts)
        return squares

    def distances(self, squares: Floats) -> Floats:
        """Return the distances that belong to squares."""
        if self.metric == "cosine":
            return squares / 2
        distances: Floats = np.sqrt(squares / (255.0**2 * self.columns if self.exact else 1.0))
        return distances

    def largest_square(self, limit: float) -> float:
        """Return a number that no square belonging to a distance up to `limit` exceeds, in exact arithmetic."""
        square = 2 * limit if self.metric == "cosine" else limit * limit
        # What was rounded: 255² · columns, its product, a square root; of float32 also the sum of the squares.
        rounding = (self.columns + 16) * 2.0**-52
        return square * (255.0**2 * self.columns if self.exact else 1.0) * (1 + rounding)


def blocks(count: int, width: int, size: int | None = None) -> list[slice]:
    """Cut `count` rows of `width` values into blocks of `size` rows; by default those that are compared at once."""
    size = max(1, VERIFIED_VALUES // max(1, width)) if size is None else size
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]
