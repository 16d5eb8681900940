"""Is this picture, or a part of it, a copy of one of these references? A verdict with its evidence.

1. A reference is laid under the picture where features of both, or the frames, say that it may lie, and moved until
   details agree best (`copyrisk.verdicts.places`, `copyrisk.verdicts.alignment`).
2. What agrees is weighed, window by window, in nats (`copyrisk.verdicts.evidence`).
3. What other references show as well at the same place proves nothing: the references that were laid are each other's
   witnesses. Where only a part seems to be copied, it is looked at again in more detail.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import cv2
import numpy as np
import scipy.ndimage
from numpy.typing import NDArray
from PIL import Image

from copyrisk.parallel import small_products
from copyrisk.verdicts.alignment import Laid, closer, lay, lay_colours, placed
from copyrisk.verdicts.evidence import WHOLE_SHARE, Mask, Weighed, common_of, weigh
from copyrisk.verdicts.places import Place
from copyrisk.verdicts.prepared import Prepared
from copyrisk.verdicts.windows import BLOCK, Windows

Verdict = Literal["copy", "partial copy", "no copy"]

THRESHOLD = 7.5
"""Statistic from which on a pair is a copy where no controls say otherwise."""
WHOLE = WHOLE_SHARE
"""Share of what there is to see in the picture from which on it is `copy` and not `partial copy`."""

LEFT = (0.5, 1.0)
"""The evidence for a part is worth as much less as witnesses took of it, between these bounds."""

AGREES = 0.75
"""Windows beside the copied area belong to it from this correlation on."""

WORTH_A_LOOK = 0.25
"""Share of the threshold from which on a pair is judged in the light of the others, and parts in more detail."""

UNIT_SIDE, SIZE_POWER = 32, 0.75
"""Accidents have more evidence in larger pictures: evidence is divided by this power of the side, in units of 32
pixels, so that one threshold serves all sizes."""

GAINS, PRIOR = (0.2, 4.0), 400.0
"""Bounds of gains, and a prior of no change, worth 100 pixels with a contrast of 2 grey levels."""


@dataclass(frozen=True)
class Alignment:
    """Where the reference lies under the picture.

    matrix: two rows of three, takes a point (x, y) of the picture, each 0 to 1, to the reference's, each 0 to 1.
    proportions: width through height of the picture and of the reference. box: the part of the reference that was
    copied (left, top, right, bottom). gain, offset: of red, green and blue, picture ≈ gain · reference + offset, values
    0 to 1.
    """

    matrix: tuple[tuple[float, float, float], tuple[float, float, float]]
    proportions: tuple[float, float]
    box: tuple[float, float, float, float]
    gain: tuple[float, float, float]
    offset: tuple[float, float, float]

    @property
    def mirrored(self) -> bool:
        """Whether the picture shows the reference's mirror image."""
        return bool(np.linalg.det(np.array(self.matrix)[:, :2]) < 0)

    @cached_property
    def _square(self) -> NDArray[np.float64]:
        """The matrix for points in units of each picture's height."""
        picture, reference = self.proportions
        matrix: NDArray[np.float64] = (
            np.diag([reference, 1.0]) @ np.array(self.matrix)[:, :2] @ np.diag([1 / picture, 1.0])
        )
        return np.diag([-1.0 if self.mirrored else 1.0, 1.0]) @ matrix

    @property
    def angle(self) -> float:
        """By how many degrees the reference was turned clockwise, −180 to 180; after mirroring, where it was."""
        matrix = self._square
        return float(np.rad2deg(np.arctan2(matrix[0, 1] - matrix[1, 0], matrix[0, 0] + matrix[1, 1])))

    @property
    def scale(self) -> float:
        """How much larger it is in the picture, both taken as equally high."""
        return float(1 / np.sqrt(abs(np.linalg.det(self._square))))


@dataclass(frozen=True)
class Evidence:
    """A verdict and what it rests on.

    statistic: evidence in nats, as of a picture of 32 × 32 pixels; 0 where the reference lies nowhere; the higher, the
    surer. share: of the picture that is copied; informative_share: the same of what there is to see in it. mask: (rows,
    columns) over the picture. alignment: None where the reference lies nowhere. distances: `inside`, root mean square
    between the picture and the aligned, recoloured reference in the mask, 0 to 1; `correlation` of details, mean in the
    mask; empty without one.
    """

    verdict: Verdict
    statistic: float
    share: float
    informative_share: float
    mask: Mask
    alignment: Alignment | None = None
    distances: dict[str, float] = field(default_factory=dict)


NOTHING = Evidence("no copy", 0.0, 0.0, 0.0, np.zeros((1, 1), bool))


def compare(
    picture: Image.Image | Prepared, reference: Image.Image | Prepared, threshold: float = THRESHOLD
) -> Evidence:
    """Compare a picture with one reference, RGB pictures of any sizes."""
    with small_products():
        return compare_many(picture, [reference], threshold)[0]


def compare_many(
    picture: Image.Image | Prepared, references: Sequence[Image.Image | Prepared], threshold: float = THRESHOLD
) -> list[Evidence]:
    """Compare a picture with references, each in the light of the others; threshold: least statistic of a copy.

    Products of matrices are small here: limit the threads of BLAS (`copyrisk.parallel.small_products`), or they wait
    for each other.
    """
    one = prepared(picture)
    laid = [placed(one, prepared(reference)) for reference in references]
    sure = [0.0 if each is None else statistic(one, weigh(one, each), loosely=True) for each in laid]
    order = np.argsort(-np.array(sure), kind="stable").tolist()
    judged = [NOTHING] * len(laid)
    found = {number: each for number, each in enumerate(laid) if each is not None}
    for number in order:
        if number in found and sure[number] >= WORTH_A_LOOK * threshold:
            others = [found[other] for other in order if other != number and other in found]
            judged[number] = _judged(one, found[number], others, threshold)
    return judged


def prepared(image: Image.Image | Prepared) -> Prepared:
    """Return a picture made ready."""
    return image if isinstance(image, Prepared) else Prepared(image)


def statistic(picture: Prepared, weighed: Weighed, loosely: bool = False) -> float:
    """Return evidence as of a picture of 32 × 32 pixels; loosely: what is enough for a closer look."""
    rows, columns = weighed.evidence.shape
    side = BLOCK * float(np.sqrt(rows * columns)) * min(1.0, picture.resolution)
    nats = weighed.loosely if loosely else weighed.statistic
    return float(nats / max(1.0, side / UNIT_SIDE) ** SIZE_POWER)


def _judged(picture: Prepared, laid: Laid, others: Sequence[Laid], threshold: float) -> Evidence:
    weighed = weigh(picture, laid, common_of(picture, laid, others))
    if weighed.share < WHOLE_SHARE and statistic(picture, weighed, loosely=True) >= WORTH_A_LOOK * threshold:
        # A part: more detail tells a copied one from one that was drawn or photographed again.
        for each in [laid, *others]:
            closer(picture, each)
        weighed = weigh(picture, laid, common_of(picture, laid, others))
    if weighed.share < WHOLE_SHARE:
        # Where others of the layout are known, what is left of a part is less sure.
        alone = weigh(picture, laid).statistic
        worth = float(np.clip(weighed.statistic / max(alone, 1e-6), *LEFT))
        weighed = replace(weighed, statistic=worth * weighed.statistic)
    return _evidence(picture, laid, weighed, threshold)


def _evidence(picture: Prepared, laid: Laid, weighed: Weighed, threshold: float) -> Evidence:
    # Colours are compared at a size at which what saving did to them does not show.
    level = min(picture.whole + 1, len(picture.levels) - 1)
    _, inside, _ = lay(picture, level, laid.reference, laid.place)
    colours = lay_colours(picture, level, laid)
    own = cv2.resize(picture.colours, inside.shape[::-1], interpolation=cv2.INTER_AREA).astype(np.float32)
    mask = _mask(weighed.area, laid.levels[min(laid.levels)].windows, inside)
    gain, offset = _recolouring(own[mask], colours[mask])
    squares = ((own - (gain * colours + offset)) ** 2).mean(axis=2)
    sure = statistic(picture, weighed)
    verdict: Verdict = "no copy"
    if sure >= threshold:
        verdict = "copy" if weighed.share >= WHOLE else "partial copy"
    size = np.array([picture.width, picture.height]), np.array([laid.reference.width, laid.reference.height])
    matrix = np.column_stack([laid.place[:, :2] * size[0] / size[1][:, None], laid.place[:, 2] / size[1]])
    alignment = Alignment(
        (_triple(matrix[0]), _triple(matrix[1])),
        (size[0][0] / size[0][1], size[1][0] / size[1][1]),
        _box(mask, laid.place, picture, laid.reference),
        _triple(gain),
        _triple(offset / 255),
    )
    distances = {}
    if mask.any():
        distances["inside"] = float(np.sqrt(squares[mask].mean())) / 255
        windows = laid.levels[min(laid.levels)].windows.correlation
        distances["correlation"] = float(windows[weighed.area].mean()) if weighed.area.any() else 0.0
    small = cv2.resize(mask.astype(np.uint8), _mask_size(mask.shape), interpolation=cv2.INTER_NEAREST) > 0
    return Evidence(verdict, sure, float(mask.mean()), weighed.share, small, alignment, distances)


def _mask(area: Mask, windows: Windows, inside: NDArray[np.float32]) -> Mask:
    """Return the pixels of the area, of what agrees beside it, and of what it surrounds."""
    area = area | (scipy.ndimage.binary_dilation(area, np.ones((3, 3), bool)) & (windows.correlation > AGREES))
    area = np.pad(area, 2)
    area = scipy.ndimage.binary_fill_holes(scipy.ndimage.binary_closing(area, np.ones((3, 3), bool)))[2:-2, 2:-2]
    # A window is one block larger than the step from one to the next.
    cells = np.zeros((area.shape[0] + 1, area.shape[1] + 1), bool)
    for down in (0, 1):
        for across in (0, 1):
            cells[down : down + area.shape[0], across : across + area.shape[1]] |= area
    whole = cv2.resize(cells.astype(np.uint8), inside.shape[::-1], interpolation=cv2.INTER_NEAREST) > 0
    mask: Mask = whole & (inside > 0)
    return mask


def _mask_size(shape: tuple[int, ...]) -> tuple[int, int]:
    factor = min(1.0, 64 / max(shape))
    return max(1, round(shape[1] * factor)), max(1, round(shape[0] * factor))


def _recolouring(own: Any, other: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return gain and offset (3,) by which colours (n, 3) became those of the picture."""
    if len(own) == 0:
        return np.ones(3), np.zeros(3)
    mean, other_mean = own.mean(axis=0, dtype=float), other.mean(axis=0, dtype=float)
    centred, other_centred = own - mean, other - other_mean
    gain = ((other_centred * centred).sum(axis=0) + PRIOR) / ((other_centred**2).sum(axis=0) + PRIOR)
    gain = np.clip(gain, *GAINS)
    return gain, mean - gain * other_mean


def _box(mask: Mask, place: Place, picture: Prepared, reference: Prepared) -> tuple[float, float, float, float]:
    if not mask.any():
        return (0.0, 0.0, 0.0, 0.0)
    rows, columns = np.nonzero(mask)
    points = np.stack([(columns + 0.5) / mask.shape[1] * picture.width, (rows + 0.5) / mask.shape[0] * picture.height])
    there = place[:, :2] @ points + place[:, 2:]
    there = np.clip(there / np.array([[reference.width], [reference.height]]), 0, 1)
    (left, top), (right, bottom) = there.min(axis=1).tolist(), there.max(axis=1).tolist()
    return (left, top, right, bottom)


def _triple(values: NDArray[np.float64]) -> tuple[float, float, float]:
    return (float(values[0]), float(values[1]), float(values[2]))
