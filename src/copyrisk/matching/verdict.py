"""Is this generation, or a part of it, a copy of that reference? A verdict with its evidence.

Both pictures are made small (`Small`). Windows of the generation are looked for in the reference and vote for places
(`copyrisk.matching.alignment`); the best places are made exact, and the evidence is weighed pixel by pixel
(`copyrisk.matching.evidence`). The evidence of the largest connected area is the statistic, in nats.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray
from PIL import Image

from copyrisk.descriptors.thumbnails import Planes, inside_frame
from copyrisk.matching.alignment import Level, Place, levels_of, places_of
from copyrisk.matching.common import Common
from copyrisk.matching.evidence import (
    OPPONENTS,
    Details,
    Found,
    Mask,
    blurred,
    colours_of,
    details_of,
    examine,
    halved,
    largest,
    refined,
    stretched,
    warped,
)

Verdict = Literal["copy", "partial copy", "no copy"]

SIDE = 64
"""Pictures are compared with at most SIDE² pixels, and at least LEAST_SIDE on the shorter side."""
LEAST_SIDE = 16

SAME_SHAPE = 1.05
"""Pictures whose proportions differ by more are also compared with the reference stretched to the generation's."""

MARGIN = 2
"""Pixels at the edge of a picture or its frame that are no evidence."""

REFERENCE_SIDE, SIZE_POWER = 32, 0.75
"""Accidents have more evidence in larger pictures: evidence is divided by this power of the side, in units of 32
pixels, so that one threshold serves all sizes."""

WHOLE_SIDE, LEAST_LENGTH, LEAST_WHOLE = 16, 16.0, 0.5
"""At this size, pictures whose cosine is at least so large are compared as wholes; what is shorter has too little."""

CONTENT = 4.0
"""A place says something from this contrast on, in grey levels."""
FURTHER = 6.0
"""Other areas at the same place are copied, too, if they have this much evidence, in nats."""
TOLERANCE = 12.0
"""Root mean square, in grey levels, up to which flat places agree."""
CONTRADICTION = 0.3
"""Places with content contradict a copy below this correlation."""
GAINS = (0.2, 4.0)

GAIN, COLOUR_GAIN, STRETCH = 0.6, 0.25, 0.04
"""Usual changes, as standard deviations of logarithms: of contrast, between the colours' contrasts, and of the
proportions. What is less usual takes that much more evidence."""

EXPLAINED = (0.4, 0.9)
"""A copy's colours are explained by the reference's to this share: below the first, it is none; from the second on, all
evidence counts."""


@dataclass(frozen=True)
class Thresholds:
    """From where on a pair is a copy.

    statistic: least statistic of any copy; votes: least votes for a place to be examined (fewer find more and
    take longer); places: most places examined; whole: least share of what there is to see in the generation for `copy`
    and not `partial copy`. The numbers are those of docs/verdicts.md; a run sets `statistic` by its controls.
    """

    statistic: float = 28.0
    votes: float = 5.0
    places: int = 3
    whole: float = 0.8


@dataclass(frozen=True)
class Alignment:
    """Where the reference lies under the generation.

    With x and y from 0 to 1 over each picture, (x, y) of the generation, mirrored first (1 − x) where `mirrored`, is
    (scale[0] · x + shift[0], scale[1] · y + shift[1]) in the reference. box: the part of the reference that was copied
    (left, top, right, bottom). gain, offset: of red, green and blue, generation ≈ gain · reference + offset, values 0
    to 1.
    """

    mirrored: bool
    scale: tuple[float, float]
    shift: tuple[float, float]
    box: tuple[float, float, float, float]
    gain: tuple[float, float, float]
    offset: tuple[float, float, float]


@dataclass(frozen=True)
class Evidence:
    """A verdict and what it rests on.

    statistic: evidence in nats, as of a picture of 32 × 32; 0 where no place was worth examining; the higher, the
    surer. share: of the generation's picture that is copied; informative_share: the same of what there is to see in it,
    without flat places. mask: (rows, columns) over the generation. alignment: None without an examined place.
    distances: `inside`, root mean square between generation and aligned, recoloured reference in the mask, 0 to 1;
    `correlation`, of details, mean in the mask; empty without a mask. Mask, shares and alignment are those of the best
    place, whatever the verdict.
    """

    verdict: Verdict
    statistic: float
    share: float
    informative_share: float
    mask: Mask
    alignment: Alignment | None = None
    distances: dict[str, float] = field(default_factory=dict)


class Small:
    """A picture made ready for comparisons; keep it where one picture is compared often.

    size: (width, height) of the picture; planes: (3, h, w), small, as OPPONENTS give them; levels: its windows; whole:
    what is left of it at 16 × 16, (256,) of length 1, as it is and mirrored.
    """

    def __init__(self, image: Image.Image):
        """Take an RGB picture."""
        self.size = image.size
        width, height = image.size
        factor = min(1.0, SIDE / (width * height) ** 0.5)
        factor = max(factor, LEAST_SIDE / min(width, height))
        size = (min(round(width * factor), 4 * SIDE), min(round(height * factor), 4 * SIDE))
        resampling = Image.Resampling.BOX if factor < 1 else Image.Resampling.BILINEAR
        values = np.asarray(image if size == image.size else image.resize(size, resampling), np.float32)
        self.planes: Planes = np.ascontiguousarray((values @ OPPONENTS.T).transpose(2, 0, 1))
        self.counted = self._counted(image)
        whole = stretched(self.planes[0], (WHOLE_SIDE, WHOLE_SIDE))
        whole = whole - blurred(whole, WHOLE_SIDE / 4)
        self.levels = levels_of(self.planes[0])
        self.whole = _unit(whole), _unit(whole[:, ::-1])
        self._stretched: dict[tuple[int, int], list[Level]] = {}
        self._details: dict[tuple[bool, bool], Details] = {}

    def _counted(self, image: Image.Image) -> Planes:
        """Return 1 within the frame, if there is one, less MARGIN: edges of pictures are like each other."""
        edges = np.array(inside_frame(image)).reshape(2, 2) / image.size * self.shape[::-1]
        (left, top), (right, bottom) = np.ceil(edges[0]).astype(int) + MARGIN, np.floor(edges[1]).astype(int) - MARGIN
        counted = np.zeros(self.shape, np.float32)
        counted[top:bottom, left:right] = 1
        return counted

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the small picture."""
        return self.planes.shape[1], self.planes.shape[2]

    def stretched(self, shape: tuple[int, int]) -> list[Level]:
        """Return the windows of the picture stretched to the proportions of `shape`."""
        if shape not in self._stretched:
            self._stretched[shape] = levels_of(self.planes[0], shape)
        return self._stretched[shape]

    def details(self, mirrored: bool, half: bool = False) -> Details:
        """Return the details of the small picture, mirrored or not, at full or half size."""
        if (mirrored, half) not in self._details:
            planes = _turned(self.planes, mirrored)
            self._details[mirrored, half] = details_of(halved(planes) if half else planes)
        return self._details[mirrored, half]


@dataclass(frozen=True)
class _Recolouring:
    """Gain and offset (3,) of red, green and blue; explained: 0 to 1, whether they explain the generation's colours."""

    gain: NDArray[np.float64]
    offset: NDArray[np.float64]
    explained: float

    @property
    def cost(self) -> float:
        """How unlikely so large a change is, in nats."""
        logarithms = np.log(self.gain)
        apart = logarithms.max() - logarithms.min()
        return 0.5 * float((logarithms.mean() / GAIN) ** 2 + (apart / COLOUR_GAIN) ** 2)


def compare(
    generation: Image.Image | Small,
    reference: Image.Image | Small,
    thresholds: Thresholds | None = None,
    common: Common | None = None,
) -> Evidence:
    """Compare a generation with a reference, RGB pictures of any sizes.

    common: what many references have in common and proves nothing.
    """
    return next(compare_many(generation, [reference], thresholds, common))


def compare_many(
    generation: Image.Image | Small,
    references: Iterable[Image.Image | Small],
    thresholds: Thresholds | None = None,
    common: Common | None = None,
) -> Iterator[Evidence]:
    """Compare a generation with each of many references, as `compare` does, in their order."""
    limits = thresholds or Thresholds()
    one = _small(generation)
    for reference in references:
        yield _compare(one, _small(reference), limits, common)


def _small(image: Image.Image | Small) -> Small:
    return image if isinstance(image, Small) else Small(image)


def _compare(generation: Small, reference: Small, limits: Thresholds, common: Common | None) -> Evidence:
    found = [_examined(generation, reference, place) for place in _places(generation, reference, limits)]
    if not found:
        return Evidence("no copy", 0.0, 0.0, 0.0, np.zeros(generation.shape, bool))
    best = max(found, key=lambda one: one.total)
    if common is not None and best.total >= limits.statistic:
        best = max((_without(common, generation, reference, one) for one in found), key=lambda one: one.total)
    return _evidence(generation, reference, best, limits)


def _places(generation: Small, reference: Small, limits: Thresholds) -> list[Place]:
    shape, other = generation.shape, reference.shape
    places = places_of(generation.levels, reference.levels, shape, other, limits.places)
    for mirrored in (False, True):
        likeness = float(generation.whole[mirrored] @ reference.whole[False])
        if likeness >= LEAST_WHOLE:
            # The whole picture in its place: found though noise hides every window.
            scale = other[0] / shape[0], other[1] / shape[1]
            places.append(Place(mirrored, scale, (0.0, 0.0), max(limits.votes, limits.votes * likeness / LEAST_WHOLE)))
    change = (shape[0] / shape[1]) / (other[0] / other[1])
    if max(change, 1 / change) > SAME_SHAPE:
        levels = reference.stretched(shape)
        places += places_of(generation.levels, levels, shape, other, limits.places)
        places = sorted(places, key=lambda place: -place.votes)[: limits.places + 1]
    return [place for place in places if place.votes >= limits.votes]


def _examined(generation: Small, reference: Small, first: Place) -> Found:
    """Make a place exact and weigh the evidence for it, at full size and at half of it: noise hides small details."""
    own = _turned(generation.planes, first.mirrored)
    place = refined(np.ascontiguousarray(own[0]), reference.planes[0], first)
    planes, inside = warped(reference.planes, place, generation.shape)
    counted = warped(reference.counted, place, generation.shape)[0] * _turned(generation.counted, place.mirrored)
    unequal = np.log(place.scale[0] / place.scale[1] * first.scale[1] / first.scale[0])
    cost = 0.5 * float(unequal / STRETCH) ** 2
    found = examine(generation.details(place.mirrored), details_of(planes, inside), counted > 0.5, place)
    found = _reweighed(found, own, planes, cost)
    own, planes, inside, counted = halved(own), halved(planes), halved(inside), halved(counted)
    half = examine(generation.details(place.mirrored, half=True), details_of(planes, inside), counted > 0.5, place)
    half = _reweighed(half, own, planes, cost)
    best = found if found.total >= half.total else _doubled(half, generation.shape)
    height, width = generation.shape
    return replace(best, total=best.total / max(1.0, (height * width) ** 0.5 / REFERENCE_SIDE) ** SIZE_POWER)


def _reweighed(found: Found, own: Planes, planes: Planes, cost: float) -> Found:
    """Take off what an unusual change costs; count only what the reference's colours explain."""
    change = _recolouring(colours_of(own[:, found.copied]), colours_of(planes[:, found.copied]))
    return replace(found, total=change.explained * max(0.0, found.total - change.cost - cost))


def _doubled(found: Found, shape: tuple[int, int]) -> Found:
    """Return what was found at half size at full size; a pixel has the evidence of four."""

    def large(values: Any) -> Any:
        return np.repeat(np.repeat(values, 2, 0), 2, 1)[: shape[0], : shape[1]]

    return replace(
        found,
        correlation=large(found.correlation),
        counted=large(found.counted),
        evidence=large(found.evidence / 4),
        copied=large(found.copied),
    )


def _unit(plane: Planes) -> Planes:
    unit: Planes = plane.reshape(-1) / (np.linalg.norm(plane) + np.float32(LEAST_LENGTH))
    return unit


def _turned(planes: Any, mirrored: bool) -> Any:
    return planes[..., ::-1] if mirrored else planes


def _without(common: Common, generation: Small, reference: Small, found: Found) -> Found:
    """Take the evidence of common places out."""
    height, width = reference.shape
    weights = common.distinct(reference.planes[0])
    zoom = weights.shape[0] / height, weights.shape[1] / width
    place = found.place
    there = Place(
        place.mirrored,
        (place.scale[0] * zoom[0], place.scale[1] * zoom[1]),
        (place.shift[0] * zoom[0], place.shift[1] * zoom[1]),
        place.votes,
    )
    distinct, _ = warped(weights, there, generation.shape)
    evidence = found.evidence * (distinct > 0.5)
    copied, total = largest(found.correlates, evidence)
    before = float(found.evidence[found.copied].sum())
    return replace(found, evidence=evidence, copied=copied, total=found.total * min(1.0, total / max(before, 1e-6)))


def _evidence(generation: Small, reference: Small, found: Found, limits: Thresholds) -> Evidence:
    place = found.place
    planes, inside = warped(reference.planes, place, generation.shape)
    own = _turned(generation.planes, place.mirrored)
    colours, others = colours_of(own), colours_of(planes)
    core = _with_further(found)
    change = _recolouring(colours[:, core], others[:, core])
    difference = colours - (change.gain[:, None, None] * others + change.offset[:, None, None])
    squares = np.mean(difference**2, axis=0)
    content = np.sqrt(np.maximum(blurred((blurred(own[0], 0.8) - blurred(own[0], 2.5)) ** 2, 2.0), 0)) >= CONTENT
    tolerance = max(TOLERANCE, 1.5 * float(np.sqrt(squares[core].mean()))) if core.any() else TOLERANCE
    agrees = np.sqrt(np.maximum(blurred(squares, 1.5), 0)) <= tolerance
    agrees &= ~(content & (blurred(found.correlation, 1.5) < CONTRADICTION)) & (inside > 0.5)
    mask = _grown(core, agrees)
    informative = float((mask & content).sum() / content.sum()) if content.any() else 0.0
    box = _box(mask, place, reference.shape)
    verdict: Verdict = "no copy"
    if found.total >= limits.statistic:
        verdict = "copy" if informative >= limits.whole else "partial copy"
    height, width = generation.shape
    alignment = Alignment(
        place.mirrored,
        (place.scale[1] * width / reference.shape[1], place.scale[0] * height / reference.shape[0]),
        (place.shift[1] / reference.shape[1], place.shift[0] / reference.shape[0]),
        box,
        _triple(change.gain),
        _triple(change.offset / 255),
    )
    distances = {}
    if mask.any():
        distances["inside"] = float(np.sqrt(squares[mask].mean())) / 255
        distances["correlation"] = float(found.correlation[mask].mean())
    turned = _turned(mask, place.mirrored).copy()
    return Evidence(verdict, found.total, float(mask.mean()), informative, turned, alignment, distances)


def _with_further(found: Found) -> Mask:
    """Return the copied area with others at the same place that are sure enough by themselves."""
    labels, count = scipy.ndimage.label(found.correlates)
    sums = np.bincount(labels.reshape(-1), found.evidence.reshape(-1), count + 1)
    sums[0] = 0
    mask: Mask = (sums >= FURTHER)[labels] | found.copied
    return mask


def _grown(core: Mask, agrees: Mask) -> Mask:
    """Return the core with what agrees and touches it, small gaps closed."""
    both = scipy.ndimage.binary_closing(np.pad(core | agrees, 2, mode="edge"), iterations=1)[2:-2, 2:-2]
    labels, count = scipy.ndimage.label(both)
    touched = np.zeros(count + 1, bool)
    touched[labels[core]] = True
    touched[0] = False
    grown: Mask = scipy.ndimage.binary_opening(np.pad(touched[labels], 2, mode="edge"), iterations=1)[2:-2, 2:-2]
    return grown | core


def _recolouring(own: Planes, other: Planes) -> _Recolouring:
    """Find how colours (3, n) became those of the generation."""
    if own.shape[1] == 0:
        return _Recolouring(np.ones(3), np.zeros(3), 0.0)
    mean, other_mean = own.mean(axis=1), other.mean(axis=1)
    centred, other_centred = own - mean[:, None], other - other_mean[:, None]
    # A prior of no change, worth 100 pixels with a contrast of 2 grey levels.
    prior = 400.0
    gain = (np.einsum("cn,cn->c", other_centred, centred) + prior) / (np.sum(other_centred**2, axis=1) + prior)
    gain = np.clip(gain, *GAINS)
    left = np.sum((centred - gain[:, None] * other_centred) ** 2) / (np.sum(centred**2) + 1e-3)
    explained = float(np.clip((1 - left - EXPLAINED[0]) / (EXPLAINED[1] - EXPLAINED[0]), 0, 1))
    return _Recolouring(gain, mean - gain * other_mean, explained)


def _box(mask: Mask, place: Place, shape: tuple[int, int]) -> tuple[float, float, float, float]:
    if not mask.any():
        return (0.0, 0.0, 0.0, 0.0)
    ends = []
    for axis in (0, 1):
        there = np.flatnonzero(mask.any(axis=1 - axis))
        edges = place.scale[axis] * np.array([there[0], there[-1] + 1]) + place.shift[axis]
        ends.append(np.clip(edges / shape[axis], 0, 1))
    return (float(ends[1][0]), float(ends[0][0]), float(ends[1][1]), float(ends[0][1]))


def _triple(values: NDArray[np.float64]) -> tuple[float, float, float]:
    return (float(values[0]), float(values[1]), float(values[2]))
