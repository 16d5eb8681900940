"""Certified lower bounds of distances, by matrix products of a few columns in float32.

A row x, less a point in the middle of the collection, is turned into its coordinates along a few orthonormal directions
and the length of what they leave over. Two rows reduced so are never farther apart than the rows themselves: along the
directions it is a projection, and the lengths of two leftovers differ by no more than the leftovers do. How near the
bound comes is a matter of the directions (leading principal components, found on a sample); that it is a bound is not.

Rounding. A reduced row is off by at most η of its length, and a product of K columns in float32 by at most γ of the
product of absolute values, γ = K·u / (1 − K·u), u = 2^-24, in whatever order it is added up (Higham, Accuracy and
Stability of Numerical Algorithms, section 3.1). Both errors of a squared distance are at most a known share of the sum
of the two squared lengths. That share, `margin`, is taken off the squared lengths beforehand: what comes out of the
product is then never more than (1 + η) times the true square.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from copyrisk.index.measure import Floats, Measure, Parts, Rows, blocks

Table = NDArray[np.float32]

SAMPLE_ROWS = 1024
SPARE = 8
"""Directions that are iterated and not kept, so that those kept are near the leading ones."""

U32, U64 = 2.0**-24, 2.0**-53
UNDERFLOW = 1e-30
"""More than all products that underflow in float32 add up to, of rows of length 1 at most."""

FARTHEST = 1e6
"""Lengths of a reduced row up to which squares are far from overflowing float32."""


@dataclass(frozen=True)
class Projection:
    """Reduces rows: `centre` (d,); `bases` a part, (columns, components), none where all columns are kept; `scale`."""

    measure: Measure
    parts: Parts | None
    centre: Floats
    bases: tuple[Floats, ...] | None
    scale: float

    @classmethod
    def whole(cls, measure: Measure, *tables: Rows, parts: Parts | None = None) -> "Projection":
        """Return the projection that keeps all columns, centred on a sample of the first table."""
        values = measure.values(sample(tables[0], SAMPLE_ROWS))
        centre = values.mean(axis=0) if len(values) else np.zeros(values.shape[1])
        return cls(measure, parts, centre, None, max(_scale(measure, rows) for rows in tables))

    def leading(self, rows: Rows, components: int) -> "Projection":
        """Return the projection to about the leading principal components of a sample of rows, of each part apart."""
        values = self.measure.values(sample(rows, SAMPLE_ROWS)) - self.centre
        columns = [values] if self.parts is None else [values[:, part] for part in self.parts]
        bases = tuple(_leading(part, min(components, *part.shape)) for part in columns)
        return Projection(self.measure, self.parts, self.centre, bases, self.scale)

    @property
    def width(self) -> int:
        """Columns of a part of a table: the coordinates, the leftover, 1 and the squared length."""
        return self.measure.columns + 2 if self.bases is None else self.bases[0].shape[1] + 3

    @cached_property
    def error(self) -> float:
        """η: the most that a reduced row is off, as a share of its length."""
        # One rounding to float32, of the coordinates; and in float64 the centring, the products and the lengths.
        rounding = (self.measure.columns + 8) * U64 * 1.01
        if self.bases is None:
            return (U32 + rounding) * 1.01
        components = self.bases[0].shape[1]
        # How far the directions are from orthonormal ones, with what computing that rounds.
        skew = max(float(np.linalg.norm(basis.T @ basis - np.eye(components))) for basis in self.bases)
        skew += components * rounding
        along = np.sqrt(components) * rounding
        # The leftover is the root of a difference of squares; the root of an error bounds the error of a root.
        leftover = np.sqrt(2 * rounding + 3 * along + 3 * skew)
        return float(U32 + rounding + along + skew + leftover) * 1.01

    @cached_property
    def margin(self) -> float:
        """The share of the squared lengths that rounding may add to a squared distance."""
        gamma = self.width * U32 / (1 - self.width * U32)
        # (x + η·a)² ≤ (1 + η)·x² + (η + η²)·a², a the sum of both lengths; a² ≤ twice the sum of the squared lengths.
        return (2 * gamma + 2 * (self.error + self.error**2) + 2 * U32) * 1.01

    def table(self, rows: Rows) -> Table:
        """Return rows reduced, ready to stand right in a product: shape (parts, rows, width), float32."""
        count = 1 if self.parts is None else len(self.parts)
        table = np.empty((count, len(rows), self.width), np.float32)
        for block in blocks(len(rows), rows.shape[1]):
            values = self.measure.values(rows[block])
            values -= self.centre
            values /= self.scale
            with np.errstate(over="ignore", invalid="ignore"):
                for part in range(count):
                    columns = values if self.parts is None else values[:, self.parts[part]]
                    self._reduce(part, columns, table[part, block])
        return table

    def _reduce(self, part: int, values: Floats, out: Table) -> None:
        if self.bases is None:
            out[:, :-2] = values
        else:
            along = values @ self.bases[part]
            out[:, :-3] = along
            out[:, -3] = np.sqrt(np.maximum(_lengths(values) - _lengths(along), 0))
        # A row of float32 may lie farther off than any that the scale was made for. Put at the centre with length 0 it
        # still has a lower bound.
        squares = _lengths(out[:, :-2].astype(np.float64))
        far = ~(squares <= FARTHEST**2)
        out[far] = squares[far] = 0
        out[:, -2] = 1
        out[:, -1] = squares * (1 - self.margin)

    def threshold(self, squares: Floats | float) -> Table:
        """Return the most that the bound of a pair with at most these squares can be: float32."""
        # In float64 the square of a pair of float32 is itself rounded.
        rounding = (self.measure.columns + 16) * 2 * U64
        most = np.asarray(squares) / self.scale**2 * (1 + self.error) * (1 + rounding) + UNDERFLOW
        with np.errstate(over="ignore"):
            return np.nextafter(most.astype(np.float32), np.float32(np.inf))


def left(table: Table) -> Table:
    """Return the rows of a table, ready to stand left in a product."""
    turned = table.copy()
    turned[..., :-2] *= -2
    turned[..., -2:] = table[..., :-3:-1]
    return turned


def lower_bounds(first: Table, second: Table, out: Table) -> Table:
    """Write into `out` (m, n) the lower bounds of the scaled squares: `first` stands left, `second` right."""
    np.matmul(first[0], second[0].T, out=out)
    if len(first) > 1:
        other = np.empty_like(out)
        for part in range(1, len(first)):
            np.maximum(out, np.matmul(first[part], second[part].T, out=other), out=out)
    return out


def sample(rows: Rows, size: int, seed: int = 0) -> Rows:
    """Return `size` of the rows, or all where there are fewer, in order; of one seed always the same ones."""
    if len(rows) <= size:
        return rows
    return rows[np.sort(np.random.default_rng(seed).choice(len(rows), size, replace=False))]


def _scale(measure: Measure, rows: Rows) -> float:
    """Return a power of 2 that no row is longer than, less the centre."""
    if measure.exact:
        largest = 255.0
    elif measure.metric == "cosine":
        return 2.0
    else:
        largest = 2 * float(max(rows.max(initial=0), -rows.min(initial=0)))
    length = np.sqrt(rows.shape[1]) * largest
    return float(2.0 ** np.ceil(np.log2(length))) if length else 1.0


def _lengths(values: Floats) -> Floats:
    squares: Floats = np.einsum("ij,ij->i", values, values)
    return squares


def _leading(values: Floats, components: int) -> Floats:
    """Return about the leading principal directions of centred rows (subspace iteration): (columns, components)."""
    width = min(components + SPARE, *values.shape)
    directions = np.random.default_rng(0).standard_normal((values.shape[1], width))
    # Rows of any magnitude; only directions are wanted.
    values = values / (np.abs(values).max(initial=0) or 1.0)
    for _ in range(2):
        directions = np.linalg.qr(values.T @ (values @ np.linalg.qr(directions)[0]))[0]
    _, _, turn = np.linalg.svd(values @ directions, full_matrices=False)
    return np.ascontiguousarray((directions @ turn.T)[:, :components])
