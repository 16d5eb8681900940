"""In which part of the picture do generations of one prompt agree, and which of them?

Pictures are compared as sums of blocks (about 64 × 64), in cells of 4 × 4 blocks. What counts in a cell is its detail:
what is left when a plane, an even colour with an even slope, is taken off each colour. White backgrounds, skies and
vignettes have none, and where there is none nothing can agree. Two pictures agree at a cell where the details of the
window of 3 × 3 cells around it have a concordance 2·⟨a, b⟩ / (⟨a, a⟩ + ⟨b, b⟩) of at least `ALIKE` (Lin 1989, without
the means): they must be alike in form and in strength.

Copies whose layout is given back while something in it varies are called template verbatims (Webster 2023,
arXiv 2305.08694); they agree over seeds in a connected part of the picture.
"""

from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from copyrisk.matching.cliques.blocks import CELL, Grid, Integers
from copyrisk.parallel import in_threads, small_products

Mask = NDArray[np.bool_]

ALIKE = 0.75
"""Concordance from which on two pictures agree at a cell."""
DETAIL = 4.0
"""Root mean square, in grey levels, from which on a window has detail."""
LEAST_SHARE = 0.05
"""Share of the picture that must agree in one connected area."""
MOST_OF = 0.8
"""Share of the pictures that must agree at each cell of the area, and of its cells at which each of them must."""
ROUNDS = 8
"""Rounds in which pictures and area are fitted to each other."""
VALUES = 1 << 14
"""Pairs of pictures that are compared at once, by a thread: some 50 MB."""

CONNECTED = np.ones((3, 3), bool)


@dataclass(frozen=True)
class Agreement:
    """Pictures that agree in a part.

    members: ascending. centre: the one that the others were compared with. mask: (rows, columns) of cells where they
    agree. share: of the picture's cells that are in the mask; detail_share: of those with detail in most members.
    """

    members: list[int]
    centre: int
    mask: Mask
    share: float
    detail_share: float


class Details:
    """What there is to see in each cell of pictures, given as sums of blocks (n, rows, columns, 3) of a grid."""

    def __init__(self, sums: NDArray[np.uint32], grid: Grid):
        """Take the plane off each cell."""
        count, height, width, _ = sums.shape
        self.rows, self.columns = height // CELL, width // CELL
        values = sums[:, : self.rows * CELL, : self.columns * CELL].astype(np.float32) / np.float32(grid.block**2)
        cells = values.reshape(count, self.rows, CELL, self.columns, CELL, 3).transpose(1, 3, 0, 5, 2, 4)
        flat = cells.reshape(self.rows * self.columns, count, 3, CELL * CELL)
        rest = np.eye(CELL * CELL, dtype=np.float32) - _planes()
        #: (cells, n, values), in grey levels.
        self.values = np.ascontiguousarray((flat @ rest).reshape(len(flat), count, 3 * CELL * CELL))
        # (cells, n), the sums of squares: of each cell, and of the window around it.
        self.alone = np.vecdot(self.values, self.values)
        self.energy = self._window(self.alone)
        cells_in_window = self._window(np.ones((len(flat), 1), np.float32))
        self.least = DETAIL**2 * cells_in_window * self.values.shape[2]

    def __len__(self) -> int:
        return int(self.values.shape[1])

    @cached_property
    def full(self) -> Mask:
        """Where each picture has detail: (n, cells)."""
        return np.ascontiguousarray((self.energy >= self.least).T)

    def agreeing(self, rows: slice | Integers, others: slice | Integers = slice(None)) -> Mask:
        """Return where pictures agree with others: (rows, others, cells)."""
        shared = np.matmul(self.values[:, rows], self.values[:, others].transpose(0, 2, 1))
        together = self._window(shared)
        together *= 2 / np.float32(ALIKE)
        agree = together >= self.energy[:, rows, None] + self.energy[:, None, others]
        full = self.full.T
        agree &= full[:, rows, None] & full[:, None, others]
        return np.ascontiguousarray(agree.transpose(1, 2, 0))

    def agreeing_alone(self, row: int, others: list[int]) -> Mask:
        """Return where a picture agrees with others by each cell alone: (others, cells)."""
        shared = np.vecdot(self.values[:, row, None], self.values[:, others])
        one, other = self.alone[:, row, None], self.alone[:, others]
        least = DETAIL**2 * self.values.shape[2]
        agree: Mask = (2 * shared >= ALIKE * (one + other)) & (one >= least) & (other >= least)
        return agree.T

    def _window(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Add up values (cells, ...) over the window of 3 × 3 cells around each."""
        grid = values.reshape(self.rows, self.columns, *values.shape[1:])
        for axis in (0, 1):
            moved = np.moveaxis(grid, axis, 0)
            summed = moved.copy()
            summed[1:] += moved[:-1]
            summed[:-1] += moved[1:]
            grid = np.moveaxis(summed, 0, axis)
        return grid.reshape(values.shape)

    def shaped(self, cells: Mask) -> Mask:
        """Return cells as a mask of the picture (rows, columns)."""
        return cells.reshape(self.rows, self.columns)


def largest_agreement(details: Details, least: int, share: float = LEAST_SHARE) -> Agreement | None:
    """Return the most pictures, at least `least`, that agree in a connected part of at least `share`; None without.

    Each picture in turn is the centre. Others belong to it, and cells to the area, when each picture agrees with the
    centre in most of the area and most pictures agree with it in each cell. Of equally many pictures the larger area
    counts.
    """
    size = max(1, VALUES // max(1, len(details)))
    parts = [slice(start, min(start + size, len(details))) for start in range(0, len(details), size)]
    # The number of threads of a product would change how it is rounded; here each has one.
    found = list(in_threads(0, partial(_best_around, details, least, share), parts))
    # Of equals the first.
    return max(filter(None, found), key=_rank, default=None)


def _best_around(details: Details, least: int, share: float, centres: slice) -> Agreement | None:
    agree = details.agreeing(centres)
    found = [_around(details, one, centre, least, share) for centre, one in enumerate(agree, centres.start)]
    return max(filter(None, found), key=_rank, default=None)


def agreement_of(details: Details, members: list[int]) -> Agreement:
    """Return where given pictures agree, around the one that agrees most with the others."""
    rows = np.array(members)
    size = max(1, VALUES // len(rows))
    with small_products():
        parts = [rows[start : start + size] for start in range(0, len(rows), size)]
        counts = np.concatenate([details.agreeing(part, rows).sum(axis=(1, 2)) for part in parts])
        centre = members[int(counts.argmax())]
        agree = details.agreeing(np.array([centre]), rows)[0]
    return _agreement(details, members, centre, agree.mean(axis=0) >= MOST_OF)


def _around(details: Details, agree: Mask, centre: int, least: int, share: float) -> Agreement | None:
    """Return the largest agreement around a picture, given where it agrees with each: (n, cells)."""
    needed = share * details.rows * details.columns
    agree[centre] = details.full[centre]
    counts = agree.sum(axis=0)
    best: Agreement | None = None
    for area in _areas(details, counts >= least, needed):
        members = agree[:, area].mean(axis=1) >= MOST_OF / 2
        for _ in range(ROUNDS):
            if members.sum() < least:
                break
            areas = _areas(details, agree[members].mean(axis=0) >= MOST_OF, needed)
            if not areas:
                # Some of them agree in another part: those that agree least must go.
                shares = agree[:, area].mean(axis=1)
                rising = np.sort(shares[members])
                members &= shares > rising[len(rising) // 4]
                continue
            area = max(areas, key=lambda one: int(one.sum()))
            before, members = members, agree[:, area].mean(axis=1) >= MOST_OF
            if (before == members).all():
                found = _agreement(details, np.flatnonzero(members).tolist(), centre, area)
                if best is None or _rank(found) > _rank(best):
                    best = found
                break
    return best


def _agreement(details: Details, members: list[int], centre: int, cells: Mask) -> Agreement:
    # A window at the edge of what agrees reaches beyond it and may not agree itself.
    beside = scipy.ndimage.binary_dilation(details.shaped(cells), CONNECTED).reshape(-1)
    cells = cells | (beside & (details.agreeing_alone(centre, members).mean(axis=0) >= MOST_OF))
    full = details.full[members].mean(axis=0) >= MOST_OF
    detail_share = float((cells & full).sum() / max(1, full.sum()))
    return Agreement(members, centre, details.shaped(cells), float(cells.mean()), detail_share)


def _rank(agreement: Agreement) -> tuple[int, int]:
    return len(agreement.members), int(agreement.mask.sum())


def _areas(details: Details, cells: Mask, needed: float) -> list[Mask]:
    """Return the connected areas of cells that are large enough."""
    if cells.sum() < needed:
        return []
    labels, count = scipy.ndimage.label(details.shaped(cells), CONNECTED)
    flat = labels.reshape(-1)
    sizes = np.bincount(flat, minlength=count + 1)
    return [flat == number for number in range(1, count + 1) if sizes[number] >= needed]


def _planes() -> NDArray[np.float32]:
    """Return the projection of the blocks of a cell onto even colours and slopes: (16, 16)."""
    down, across = np.mgrid[:CELL, :CELL] - (CELL - 1) / 2
    basis = np.stack([np.ones(CELL * CELL), down.reshape(-1), across.reshape(-1)], axis=1)
    basis /= np.linalg.norm(basis, axis=0)
    planes: NDArray[np.float32] = (basis @ basis.T).astype(np.float32)
    return planes
