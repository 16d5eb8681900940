"""Where a part of one picture may lie in another: windows of the one are looked for in the other, and vote.

A window is 8 × 8 pixels of a picture at one of four sizes. It is described by its 24 lowest frequencies, evened out (in
photographs amplitude falls as one over frequency) and of length 1, so that brightness and contrast do not matter. Each
window of the generation votes for every place of the reference that looks like it; windows that were copied together
vote for the same mirroring, scale and shift (generalised Hough transform: Ballard 1981).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from copyrisk.descriptors.thumbnails import Planes, averaging

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]

WINDOW = 8
FREQUENCIES = 5
FLOOR = 8.0
"""Length of a window's evened frequencies, in grey levels, below which it stays faint."""

SCALES = (1.0, 0.85, 0.72, 0.61)
"""Sizes at which windows are taken; two pictures meet where at least one of them has its full size."""

APART, MOST = 3, 12
"""Windows of the generation are at least this many pixels apart, and at most so many in a line."""

LEAST_COSINE = 0.85
"""Windows that are less alike do not vote."""

HIGHEST = np.float32(0.995)
"""Cosines above it count as this: equal windows are no surer than nearly equal ones."""

BIN = 2
"""Votes for shifts within this many pixels are counted together, with those of the next bins."""


@dataclass(frozen=True)
class Asked:
    """Windows of a level that are looked for in others, as they are and mirrored; the fields are those of `Level`.

    rows, columns: (windows,), where each begins, in the picture as it is or mirrored; mirrored: (windows,), which.
    """

    places: tuple[int, int]
    descriptors: Floats
    worth: Floats
    rows: Integers
    columns: Integers
    mirrored: NDArray[np.bool_]


@dataclass(frozen=True)
class Level:
    """The windows of a picture at one size.

    size: (rows, columns) of the picture at this size; places: (rows, columns) where windows may begin; descriptors:
    (places, 24), row by row; worth: (places,), how much a perfect agreement says.
    """

    size: tuple[int, int]
    places: tuple[int, int]
    descriptors: Floats
    worth: Floats

    @cached_property
    def asked(self) -> Asked:
        """The windows that are looked for in others."""
        chosen, rows, columns = _grid(self.places)
        descriptors, worth = self.descriptors[chosen], self.worth[chosen]
        return Asked(
            self.places,
            np.concatenate([descriptors, descriptors * _signs()]),
            np.concatenate([worth, worth]),
            np.concatenate([rows, rows]),
            np.concatenate([columns, self.places[1] - 1 - columns]),
            np.repeat([False, True], len(chosen)),
        )


@dataclass(frozen=True)
class Place:
    """Where the reference lies under the generation: rows and columns of the reference for those of the generation.

    A point (y, x) of the generation, mirrored first where `mirrored`, is (scale[0] · y + shift[0], scale[1] · x +
    shift[1]) in the reference, in pixels of the small pictures. votes: the weight of the votes for it.
    """

    mirrored: bool
    scale: tuple[float, float]
    shift: tuple[float, float]
    votes: float


def levels_of(grey: Planes) -> list[Level]:
    """Return the windows of a small grey picture (h, w), values 0 to 255, at each of SCALES where any fits."""
    levels = []
    for scale in SCALES:
        size = tuple(round(side * scale) for side in grey.shape)
        if min(size) < WINDOW:
            break
        down, across = (averaging(side, 0, side, count) for side, count in zip(grey.shape, size, strict=True))
        smaller = grey if size == grey.shape else down @ grey @ across.T
        windows: Any = sliding_window_view(smaller, (WINDOW, WINDOW))
        places = windows.shape[:2]
        waves, worth = evened_frequencies(windows.reshape(-1, WINDOW**2))
        levels.append(Level((size[0], size[1]), (places[0], places[1]), waves, worth))
    return levels


def evened_frequencies(windows: Planes) -> tuple[Floats, Floats]:
    """Describe windows (..., 64): (..., 24), of length 1 or, where there is little in them, less; and their worth."""
    waves = windows @ _basis()
    energy = waves * waves
    total = energy.sum(axis=-1)
    # The effective number of frequencies: an edge has few, so it says little.
    effective = total**2 / (np.einsum("...j,...j->...", energy, energy) + np.float32(1e-6))
    waves /= np.sqrt(total + np.float32(FLOOR**2))[..., None]
    return waves, effective / 2


def places_of(
    generation: list[Level], reference: list[Level], side: tuple[int, int], other: tuple[int, int], most: int
) -> list[Place]:
    """Return the `most` places with the most votes, the best first; at most one for each mirroring and pair of sizes.

    side, other: (rows, columns) of the two small pictures.
    """
    found = []
    pairs = [(0, number) for number in range(len(reference))] + [(number, 0) for number in range(1, len(generation))]
    for one, two in pairs:
        first, second = generation[one], reference[two]
        back = other[0] / second.size[0], other[1] / second.size[1]
        scale = first.size[0] / side[0] * back[0], first.size[1] / side[1] * back[1]
        for mirrored, (down, across), votes in _counted(first.asked, second):
            found.append(Place(mirrored, scale, (down * back[0], across * back[1]), votes))
    return sorted(found, key=lambda place: -place.votes)[:most]


def _counted(asked: Asked, level: Level) -> Iterator[tuple[bool, tuple[float, float], float]]:
    """Let windows vote: for the picture as it is and mirrored, the shift with the most votes and their weight."""
    window, there, cosine = _peaks(asked.descriptors @ level.descriptors.T, level.places[1])
    # A window that is like many others says little about where it is from.
    rare = asked.worth[window] / (1 + np.bincount(window, minlength=1)[window])
    weight = -np.log1p(-(np.minimum(cosine, HIGHEST) ** 2)) * rare
    down, across = np.divmod(there, level.places[1])
    down, across = down - asked.rows[window], across - asked.columns[window]
    low, left = asked.places[0] - 1, asked.places[1] - 1
    height, width = (low + level.places[0]) // BIN + 1, (left + level.places[1]) // BIN + 1
    row, column = (down + low) // BIN, (across + left) // BIN
    row += asked.mirrored[window] * height
    counts = np.bincount(row * width + column, weight, 2 * height * width).reshape(2, height, width)
    counts[:, :-1] += counts[:, 1:]
    counts[:, :, :-1] += counts[:, :, 1:]
    for mirrored in (False, True):
        y, x = divmod(int(counts[int(mirrored)].argmax()), width)
        votes = float(counts[int(mirrored), y, x])
        if votes > 0:
            y += mirrored * height
            near = (row >= y) & (row <= y + 1) & (column >= x) & (column <= x + 1)
            near &= asked.mirrored[window] == mirrored
            share = weight[near] / weight[near].sum()
            yield mirrored, (float(down[near] @ share), float(across[near] @ share)), votes


def _peaks(cosine: Floats, width: int) -> tuple[Integers, Integers, Floats]:
    """Return windows, places and cosines where the cosine is high, and nowhere beside it higher."""
    values = cosine.reshape(-1)
    flat = np.flatnonzero(values > LEAST_COSINE)
    high = values[flat]
    peak = np.ones(len(flat), bool)
    for step in (1, width):
        # Places at the end of a row are beside those at the start of the next: the few peaks lost by it do no harm.
        before, after = np.maximum(flat - step, 0), np.minimum(flat + step, values.size - 1)
        peak &= (high >= values[before]) & (high >= values[after])
    window, there = np.divmod(flat[peak], cosine.shape[1])
    return window, there, high[peak]


@cache
def _grid(places: tuple[int, int]) -> tuple[Integers, Integers, Integers]:
    counts = (min(MOST, -(-(n - 1) // APART) + 1) for n in places)
    rows, columns = (np.linspace(0, n - 1, m).round().astype(int) for n, m in zip(places, counts, strict=True))
    down, across = (plane.reshape(-1) for plane in np.meshgrid(rows, columns, indexing="ij"))
    return down * places[1] + across, down, across


@cache
def _basis() -> Floats:
    waves = scipy.fft.idctn(np.eye(WINDOW**2).reshape(-1, WINDOW, WINDOW), axes=(1, 2), norm="ortho")
    waves = waves.reshape(WINDOW, WINDOW, WINDOW**2)[:FREQUENCIES, :FREQUENCIES].reshape(-1, WINDOW**2)[1:]
    down, across = (plane.reshape(-1)[1:] for plane in np.indices((FREQUENCIES, FREQUENCIES)))
    return np.ascontiguousarray((waves * np.hypot(down, across)[:, None]).T.astype(np.float32))


@cache
def _signs() -> Floats:
    across = np.indices((FREQUENCIES, FREQUENCIES))[1].reshape(-1)[1:]
    return np.where(across % 2, -1, 1).astype(np.float32)
