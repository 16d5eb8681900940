"""Whether two small pictures are the same photograph, and what was done to it.

Two comparisons, of which the better one counts:

- *Details.* The pictures are laid over each other in every way that is looked for (mirrored or not, one of them up to a
  third smaller, shifted), by cross-correlation of their details at half the size. In the best of these places their 16
  tiles are compared, each of them where it fits best, a pixel around: so a small turn does no harm. The better half of
  the tiles has to agree: so a caption over the other half does none.
- *Signs* of 16 × 16 frequencies, of the whole pictures in the same frame, mirrored or not, much as in PDQ (Facebook
  2019, "The TMK+PDQF Video-Hashing Algorithm and the PDQ Image-Hashing Algorithm"). They stand blur, noise and writing
  all over, where details are lost.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from copyrisk.descriptors.thumbnails import SIDE, Planes, averaging, flattened, resampled
from copyrisk.index.measure import Floats, Integers

THRESHOLD = 0.74
"""The agreement of details from which two pictures are the same (false positives: see docs/descriptors.md)."""

FREQUENCIES = 16
SIGNS = 84
"""Of the 256 signs, how many may differ in the same picture."""

HIGHEST = 0.999
"""The score of pictures that agree in all details but are not equal."""

HALF = SIDE // 2
SIDES = (16, 15, 14, 13, 12, 11)
"""The sides to which the smaller picture is made smaller, at half the size."""

CANVAS = 20
"""Side of the field for correlations: pictures may be shifted by SHIFT without coming round at the other end."""

SHIFT, SLACK = 3, 1
"""How far a picture of the same size may be shifted, and how far a smaller one may stand out, at half the size."""

STEPS = 5
"""Shifts of a tile, in pixels, down or across: one either way for the picture, and another for the tile."""

TILES = 4
LEAST_OVERLAP = 24
"""Pixels of the 64 in a tile that must be in both pictures."""

FAINT = 1 / 64
"""Energy a pixel below which there is nothing in a tile that could agree."""

PAIRS = 256
"""Pairs that are compared at once: about 40 MB."""

COVERED, COVERED_ENERGY, RECOLOURED, MOVED = 0.25, 1 / 4, 13.0, 2
"""What makes a kind: correlation of a tile with more than so much energy a pixel, change of colour of 255, pixels."""


@dataclass(frozen=True)
class _Places:
    """How pairs lie over each other, arrays of a value a pair.

    mirrored: the second picture is; turned: the first is the smaller one; side: of the smaller one; down, across: where
    its corner is on the larger one; both in pixels of the larger one.
    """

    mirrored: NDArray[np.bool_]
    turned: NDArray[np.bool_]
    side: Integers
    down: Integers
    across: Integers

    @classmethod
    def same_frame(cls, mirrored: NDArray[np.bool_]) -> "_Places":
        """Return the places of pairs that were neither cropped nor shifted."""
        zero = np.zeros(len(mirrored), np.int64)
        return cls(mirrored, zero > 0, zero + SIDE, zero, zero)


def compare(first: Planes, second: Planes, colour: Floats, other_colour: Floats) -> tuple[Floats, list[str]]:
    """Compare pictures with others, grey (n, 32, 32) and in colour (n, 4, 4, 3), values 0 to 255.

    Returns scores (n,) from 0 to below 1, at least 0.5 for the same picture, and kinds (`Photo.verify`).
    """
    scores, kinds = np.zeros(len(first)), []
    for start in range(0, len(first), PAIRS):
        block = slice(start, start + PAIRS)
        scores[block], some = _compare(first[block], second[block], colour[block], other_colour[block])
        kinds += some
    return scores, kinds


def _compare(first: Planes, second: Planes, colour: Floats, other_colour: Floats) -> tuple[Floats, list[str]]:
    # A pair has the same score either way round.
    swap = _is_after(first, second)[:, None, None]
    first, second = np.where(swap, second, first), np.where(swap, first, second)
    places = _best_places(first, second)
    agreement, worst, shift = _agreement(first, second, places)
    different, mirrored = _different_signs(first, second)
    # Where only the signs agree, the details have lost the place: what was done is read off in the same frame.
    lost = (agreement < THRESHOLD) & (different <= SIGNS)
    _, worst[lost], _ = _agreement(first[lost], second[lost], _Places.same_frame(mirrored[lost]))
    mirrored = np.where(lost, mirrored, places.mirrored)
    away = np.maximum(np.abs(places.down - shift[0]), np.abs(places.across - shift[1]))
    moved = ~lost & ((places.side < SIDE) | (away >= MOVED))
    done = {
        "mirrored": mirrored,
        "cropped": moved,
        "covered": worst < COVERED,
        "recoloured": _colour_change(colour, other_colour, mirrored, moved) > RECOLOURED,
    }
    kinds = ["+".join(name for name, is_so in done.items() if is_so[pair]) for pair in range(len(first))]
    by_details = np.interp(agreement, [0, THRESHOLD, 1], [0, 0.5, HIGHEST])
    by_signs = np.interp(different, [0, SIGNS, FREQUENCIES**2 / 2], [HIGHEST, 0.5, 0])
    return np.maximum(by_details, by_signs), [kind or "re-encoded" for kind in kinds]


def _is_after(first: Planes, second: Planes) -> NDArray[np.bool_]:
    """Return whether the first picture comes after the second, by the first value that differs: shape (n,)."""
    one, other = first.reshape(len(first), -1), second.reshape(len(first), -1)
    pair = np.arange(len(one))
    where = (one != other).argmax(axis=1)
    after: NDArray[np.bool_] = one[pair, where] > other[pair, where]
    return after


def _different_signs(first: Planes, second: Planes) -> tuple[Integers, NDArray[np.bool_]]:
    """Count the signs of frequencies that differ, mirrored or not, whichever are fewer, and say if mirrored."""
    differs = _signs(first) != _signs(second)
    # A mirrored picture has the opposite signs at odd frequencies.
    turned = differs ^ (np.arange(1, FREQUENCIES + 1) % 2 == 1)
    counts = np.stack([differs.sum(axis=(1, 2)), turned.sum(axis=(1, 2))])
    return counts.min(axis=0), counts[1] < counts[0]


def _signs(grey: Planes) -> NDArray[np.bool_]:
    waves = scipy.fft.dctn(grey, axes=(1, 2))[:, 1 : FREQUENCIES + 1, 1 : FREQUENCIES + 1]
    positive: NDArray[np.bool_] = waves > 0
    return positive


def _best_places(first: Planes, second: Planes) -> _Places:
    one = _half_size(first)
    other = np.stack([_half_size(second), _half_size(second[:, :, ::-1])], axis=1)
    waves, other_waves = scipy.fft.rfft2(one), scipy.fft.rfft2(other)
    length, other_length = _lengths(one), _lengths(other)
    # The second inside the first at every size, then the first inside the second at the smaller ones.
    within = _correlations(waves[:, None, :1], other_waves, length[:, None, :1], other_length, first_size=0)
    around = _correlations(
        other_waves[:, :, :1], waves[:, None, 1:], other_length[:, :, :1], length[:, None, 1:], first_size=1
    )
    both = np.concatenate([within, around], axis=2)
    best = both.reshape(len(both), -1).argmax(axis=1)
    mirror, size, down, across = np.unravel_index(best, both.shape[1:])
    turned = size >= len(SIDES)
    side = np.array(SIDES)[np.where(turned, size - len(SIDES) + 1, size)]
    return _Places(mirror == 1, turned, 2 * side, 2 * _signed(down), 2 * _signed(across))


def _half_size(grey: Planes) -> Planes:
    """Return the details of pictures at each of SIDES, on fields of zeros: shape (n, sizes, 20, 20)."""
    details = np.zeros((len(grey), len(SIDES), CANVAS, CANVAS), np.float32)
    for number, side in enumerate(SIDES):
        details[:, number, :side, :side] = flattened(_resized(grey, side), radius=1.0, floor=3, blur=0.4)
    return details


def _full_size(grey: Planes) -> Planes:
    """Return the details of pictures at their size."""
    return flattened(grey, radius=1.5, floor=3, blur=0.65)


def _resized(grey: Planes, side: int) -> Planes:
    smaller = averaging(SIDE, 0, SIDE, side)
    return resampled(np.ascontiguousarray(grey), smaller, smaller)


def _lengths(planes: Planes) -> Planes:
    lengths: Planes = np.sqrt(np.einsum("...ij,...ij->...", planes, planes)) + np.float32(1e-3)
    return lengths


def _correlations(
    larger: NDArray[Any], smaller: NDArray[Any], length: Planes, smaller_length: Planes, first_size: int
) -> Planes:
    """Correlate spectra in every place; of the length of the larger, the part under the smaller is guessed."""
    share = np.array(SIDES[first_size:], np.float32) / HALF
    found = scipy.fft.irfft2(larger * smaller.conj(), s=(CANVAS, CANVAS))
    found /= (length * smaller_length * share)[..., None, None]
    result: Planes = np.where(_allowed()[first_size:], found, np.float32(-1))
    return result


@cache
def _allowed() -> NDArray[np.bool_]:
    """Return where a picture of each of SIDES may lie on the larger one: shape (sizes, 20, 20), down and across."""
    places = _signed(np.arange(CANVAS))
    slack = [SHIFT if side == HALF else SLACK for side in SIDES]
    lines = [(places >= -extra) & (places <= HALF - side + extra) for side, extra in zip(SIDES, slack, strict=True)]
    return np.array([line[:, None] & line for line in lines])


def _signed(places: Integers) -> Integers:
    signed: Integers = np.where(places >= CANVAS - SHIFT, places - CANVAS, places)
    return signed


def _agreement(first: Planes, second: Planes, places: _Places) -> tuple[Floats, Floats, tuple[Integers, Integers]]:
    """Return the agreement of each pair, the correlation of its worst tile, and by how much the places were off.

    The agreement is √correlation of all tiles together, times the mean correlation of the better half of them.
    """
    pair = np.arange(len(first))
    larger, smaller, both = _overlay(first, second, places)
    larger = larger * both
    product = np.empty((STEPS, STEPS, len(first), TILES**2))
    other = np.empty_like(product)
    energy = smaller * smaller
    for down in range(STEPS):
        for across in range(STEPS):
            window = np.s_[:, down : down + SIDE, across : across + SIDE]
            product[down, across] = _tile_sums(larger * smaller[window])
            other[down, across] = _tile_sums(both * energy[window])
    one, area = _tile_sums(larger * larger), _tile_sums(both)
    # First the picture is moved as a whole, then each tile around that.
    inner = slice(1, STEPS - 1)
    whole = product[inner, inner].sum(axis=3) / np.sqrt(one.sum(axis=1) * other[inner, inner].sum(axis=3) + 1e-3)
    down, across = np.divmod(whole.reshape((STEPS - 2) ** 2, len(first)).argmax(axis=0), STEPS - 2)
    around = np.repeat(np.arange(3), 3), np.tile(np.arange(3), 3)
    moves = down[:, None] + around[0], across[:, None] + around[1], pair[:, None]
    product, other = product[moves], other[moves]
    # What is added takes tiles with nothing in them for tiles that do not agree.
    tile = product / (np.sqrt(one[:, None] * other) + FAINT * area[:, None] + 1e-3)
    best = tile.argmax(axis=1)[:, None]
    product, other, tile = (np.take_along_axis(values, best, axis=1)[:, 0] for values in (product, other, tile))
    whole = product.sum(axis=1) / np.sqrt(one.sum(axis=1) * other.sum(axis=1) + 1e-3)
    counted = area >= LEAST_OVERLAP
    count = counted.sum(axis=1)
    ordered = -np.sort(-np.where(counted, tile, -1.0), axis=1)
    half = (count + 1) // 2
    better = np.where(np.arange(TILES**2) < half[:, None], ordered, 0).sum(axis=1) / half
    agreement = np.sqrt(np.clip(whole, 0, 1)) * np.clip(better, 0, 1)
    faint = np.maximum(one, other) < COVERED_ENERGY * area
    worst = np.where(counted & ~faint, tile, 1.0).min(axis=1)
    return agreement, worst, (down - 1, across - 1)


def _overlay(first: Planes, second: Planes, places: _Places) -> tuple[Planes, Planes, Planes]:
    """Return the details of the larger picture, of the smaller one in its place, and where both are.

    Shapes (n, 32, 32), (n, 36, 36), for shifts by 2 pixels, and (n, 32, 32).
    """
    second = np.where(places.mirrored[:, None, None], second[:, :, ::-1], second)
    turned = places.turned[:, None, None]
    larger, smaller = np.where(turned, second, first), np.where(turned, first, second)
    reach = STEPS // 2
    details = np.zeros((len(first), SIDE + 1, SIDE + 1), np.float32)
    for side in np.unique(places.side):
        of_side = np.flatnonzero(places.side == side)
        details[of_side, :side, :side] = _full_size(_resized(smaller[of_side], int(side)))
    line = np.arange(-reach, SIDE + reach)
    rows, columns = line - places.down[:, None], line - places.across[:, None]
    rows, columns = (np.where((at >= 0) & (at < places.side[:, None]), at, SIDE) for at in (rows, columns))
    both = (rows < SIDE)[:, reach:-reach, None] & (columns < SIDE)[:, None, reach:-reach]
    placed = details[np.arange(len(first))[:, None, None], rows[:, :, None], columns[:, None, :]]
    return _full_size(larger), placed, both.astype(np.float32)


def _tile_sums(planes: Planes) -> Floats:
    part = SIDE // TILES
    sums: Floats = planes.reshape(-1, TILES, part, SIDE).sum(axis=2).reshape(-1, TILES, TILES, part).sum(axis=3)
    return sums.reshape(-1, TILES**2).astype(np.float64)


def _colour_change(first: Floats, second: Floats, mirrored: NDArray[np.bool_], moved: NDArray[np.bool_]) -> Floats:
    """Return the root mean square change of the colours; of moved pictures, of the mean colour."""
    change = first - np.where(mirrored[:, None, None, None], second[:, :, ::-1], second)
    mean = change.mean(axis=(1, 2))
    changed: Floats = np.where(moved, np.sqrt((mean**2).mean(axis=1)), np.sqrt((change**2).mean(axis=(1, 2, 3))))
    return changed
