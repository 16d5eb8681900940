"""How surely a part of one picture is a part of another that is laid under it, place by place.

In windows of about 4 pixels the details of the two are correlated. A window with correlation c and n independent values
is 1 / √(1 − c²)ⁿ times more likely if the two are one picture than if they are not: its evidence is −n/2 · log(1 − c²)
nats. How many values are independent follows from how both pictures agree with themselves a little further on
(Bartlett 1946): pixels along an edge or of a stripe say the same again and again, so they count little.
"""

from dataclasses import dataclass

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from copyrisk.descriptors.thumbnails import Planes, averaging, gaussian
from copyrisk.matching.alignment import Place

Mask = NDArray[np.bool_]

FINE, COARSE, COLOUR_COARSE = 0.3, 1.0, 2.0
"""Details are what lies between two blurs, in pixels; colour changes over longer ways than brightness."""

NEAR = 1.2
"""Standard deviation of the windows in which details are correlated, in pixels."""

FLOOR = 1.2
"""Contrast of details, in grey levels, below which a place stays faint."""

COLOUR_WEIGHT = 0.5
"""Colours change mostly where brightness does, so what they say is only half new."""

HIGHEST = (0.995, 0.98, 0.98)
"""Correlations above it count as this, of brightness and of the two colours."""

OPPONENTS = np.array([[0.299, 0.587, 0.114], [0.5, 0, -0.5], [-0.25, 0.5, -0.25]], np.float32)
"""Brightness, red against blue, green against both, from red, green and blue."""

LEAST_CORRELATION = 0.6
"""A place may be copied from this correlation on."""

LAGS = [(0, 1), (0, 2)] + [(down, across) for down in (1, 2) for across in range(-2, 3)]

ANISOTROPY = 0.5
"""How firmly the refinement holds on to the proportions of a place."""

BLURS = (1.5, 1.5, 1.0, 1.0, 0.6, 0.6)
"""Blurs before each step of the refinement."""


@dataclass(frozen=True)
class Details:
    """A picture's details in brightness and two colours and their local variance, (3, h, w) each.

    itself: (lags, h, w), how brightness agrees with itself at LAGS.
    """

    values: Planes
    variance: Planes
    itself: Planes


@dataclass(frozen=True)
class Found:
    """What lies under the generation at a place.

    correlation (of brightness), counted (where it counts), evidence (nats a pixel), copied: (h, w), of the generation
    (mirrored where the place is); total: the evidence of the copied area, in nats.
    """

    place: Place
    correlation: Planes
    counted: Mask
    evidence: Planes
    copied: Mask
    total: float

    @property
    def correlates(self) -> Mask:
        """Where the correlation is high enough for a copy."""
        return (self.correlation > LEAST_CORRELATION) & self.counted


def details_of(planes: Planes, inside: Planes | None = None) -> Details:
    """Return the details of a small picture (3, h, w), values as OPPONENTS give them.

    inside: (h, w), 0 to 1, where there is any picture.
    """
    values = np.concatenate(
        [_band(planes[:1], inside, FINE, COARSE), _band(planes[1:], inside, FINE, COLOUR_COARSE)], dtype=np.float32
    )
    variance = blurred(values * values, NEAR)
    height, width = planes.shape[1:]
    products = np.zeros((len(LAGS), height, width), np.float32)
    for number, (down, across) in enumerate(LAGS):
        left, right = max(0, -across), width - max(0, across)
        there = values[0, down:, left + across : right + across]
        products[number, : height - down, left:right] = values[0, : height - down, left:right] * there
    itself = blurred(products, NEAR) / (variance[0] + np.float32(FLOOR**2))
    return Details(values, variance, itself)


def examine(generation: Details, reference: Details, counted: Mask, place: Place) -> Found:
    """Weigh the evidence for a place; `reference` is warped to the generation's pixels.

    counted: (h, w), where both pictures are, and not at their edge or on a frame.
    """
    covariance = blurred(generation.values * reference.values, NEAR)
    floor = np.float32(FLOOR**2)
    correlation = covariance / np.sqrt((generation.variance + floor) * (reference.variance + floor))
    highest = np.array(HIGHEST, np.float32)[:, None, None]
    nats = -0.5 * np.log1p(-np.square(np.clip(correlation, 0, highest)))
    same = 1 + 2 * np.einsum("lij,lij->ij", generation.itself, reference.itself)
    evidence = (nats[0] + COLOUR_WEIGHT * (nats[1] + nats[2])) / np.maximum(same, 1)
    copied, total = largest((correlation[0] > LEAST_CORRELATION) & counted, evidence)
    return Found(place, correlation[0], counted, evidence, copied, total)


def halved(planes: Planes) -> Planes:
    """Return planes (..., h, w) with half the rows and columns, rounded up."""
    height, width = planes.shape[-2:]
    return stretched(planes, ((height + 1) // 2, (width + 1) // 2))


def stretched(planes: Planes, shape: tuple[int, int]) -> Planes:
    """Return planes (..., h, w) averaged over other numbers of rows and columns."""
    down, across = (averaging(side, 0, side, n) for side, n in zip(planes.shape[-2:], shape, strict=True))
    result: Planes = np.matmul(down @ planes, across.T)
    return result


def largest(mask: Mask, evidence: Planes) -> tuple[Mask, float]:
    """Return the connected part of a mask with the most evidence, and how much that is."""
    labels, count = scipy.ndimage.label(mask)
    if count == 0:
        return mask, 0.0
    sums = np.bincount(labels.reshape(-1), evidence.reshape(-1))
    sums[0] = 0
    best = int(sums.argmax())
    return labels == best, float(sums[best])


def refined(generation: Planes, reference: Planes, place: Place) -> Place:
    """Move and stretch a place until details fit best (Lucas and Kanade 1981, along rows and columns only)."""
    height, width = generation.shape
    scale, shift = np.array(place.scale), np.array(place.shift)
    down = np.linspace(-0.5, 0.5, height, dtype=np.float32)[:, None]
    across = np.linspace(-0.5, 0.5, width, dtype=np.float32)[None]
    first_scale = scale.copy()
    for blur in BLURS:
        grey, inside = warped(reference, Place(place.mirrored, tuple(scale), tuple(shift), 0), (height, width))
        one, other = _band(generation, None, blur, 2 * COARSE), _band(grey, inside, blur, 2 * COARSE)
        floor = np.float32(FLOOR**2)
        one = one / np.sqrt(blurred(one * one, NEAR) + floor)
        other = other / np.sqrt(blurred(other * other, NEAR) + floor)
        weight = np.square(np.clip(blurred(one * other, NEAR), 0, 1)) * inside
        rows, columns = np.gradient(other)
        slopes = np.stack([rows, rows * down * height, columns, columns * across * width]).reshape(4, -1)
        weighted = slopes * weight.reshape(-1)
        total, reach = weight.sum() + 0.1, height * width / 12
        prior = total * 0.01 * np.diag([1, reach, 1, reach])
        # Rows and columns are stretched alike, unless the picture says otherwise.
        firmness = ANISOTROPY * total * reach
        unequal = np.log(scale[0] / first_scale[0]) - np.log(scale[1] / first_scale[1])
        prior += firmness * np.outer([0, 1, 0, -1], [0, 1, 0, -1])
        target = weighted @ (one - other).reshape(-1) - firmness * unequal * np.array([0, 1, 0, -1])
        step = np.linalg.solve(weighted @ slopes.T + prior, target)
        step = np.clip(step, -1.5, 1.5)
        # The generation's point p sees what lies at p + step + stretch · (p - middle).
        for axis, side in enumerate((height, width)):
            moved, stretch = step[2 * axis], np.clip(step[2 * axis + 1], -0.06, 0.06)
            shift[axis] += scale[axis] * (moved - stretch * side / 2)
            scale[axis] *= 1 + stretch
        if np.abs(np.log(scale / first_scale)).max() > 0.35:
            return place
    return Place(place.mirrored, (float(scale[0]), float(scale[1])), (float(shift[0]), float(shift[1])), place.votes)


def warped(planes: Planes, place: Place, size: tuple[int, int]) -> tuple[Planes, Planes]:
    """Lay the reference (..., H, W) under the generation of `size`: (..., h, w), and inside (h, w).

    The generation is taken as mirrored where the place is; `inside`, 0 to 1, is how much of a pixel the reference has.
    """
    down, rows = _line(planes.shape[-2], place.scale[0], place.shift[0], size[0])
    across, columns = _line(planes.shape[-1], place.scale[1], place.shift[1], size[1])
    laid: Planes = np.matmul(down @ planes, across.T)
    inside: Planes = rows[:, None] * columns
    return laid, inside


def _line(side: int, scale: float, shift: float, count: int) -> tuple[Planes, Planes]:
    """Return the matrix that reads `count` values off a line of `side`, and how much of each is there."""
    # Less than a pixel is read by interpolation, which is an average over one pixel.
    width = max(scale, 1.0)
    middle = scale * (np.arange(count, dtype=np.float32) + 0.5) + shift
    places = np.arange(side, dtype=np.float32)
    overlap = np.minimum(middle[:, None] + width / 2, places + 1) - np.maximum(middle[:, None] - width / 2, places)
    matrix = np.maximum(overlap, 0)
    there = matrix.sum(axis=1)
    matrix /= np.maximum(there, 1e-6)[:, None]
    return matrix.astype(np.float32), np.minimum(there / width, 1).astype(np.float32)


def _band(planes: Planes, inside: Planes | None, fine: float, coarse: float) -> Planes:
    if inside is None or inside.min() == 1:
        return blurred(planes, fine) - blurred(planes, coarse)
    there = inside > 0.5
    # Where there is nothing, the mean of what is near stands in, so that no edge comes up.
    mean = blurred(planes * there, coarse) / np.maximum(blurred(there.astype(np.float32), coarse), 1e-3)
    filled = np.where(there, planes, mean)
    return (blurred(filled, fine) - blurred(filled, coarse)) * there


def blurred(planes: Planes, radius: float) -> Planes:
    """Return planes (..., h, w) blurred by a Gaussian of this standard deviation, mirrored at the ends."""
    height, width = planes.shape[-2:]
    result: Planes = np.matmul(gaussian(height, radius) @ planes, gaussian(width, radius).T)
    return result


def colours_of(planes: Planes) -> Planes:
    """Return the red, green and blue (3, ...) of brightness and colours as OPPONENTS give them (3, ...)."""
    result: Planes = np.tensordot(_COLOURS, planes, 1)
    return result


_COLOURS = np.linalg.inv(OPPONENTS)
