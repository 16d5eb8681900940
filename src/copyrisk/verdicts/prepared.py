"""A picture made ready for comparisons: grey at several sizes, its details, its features."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from functools import cached_property
from threading import Lock
from typing import Any, Generic, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from copyrisk.descriptors.thumbnails import LUMA
from copyrisk.verdicts.windows import Plane, stripes

# The program's own threads compare pictures; more inside of OpenCV would only wait for each other.
cv2.setNumThreads(1)

LONG_SIDE = 384
"""Pictures are compared with at most so many pixels on the longer side."""
ENLARGED_SIDE = 96
"""Smaller pictures are enlarged to this, so that windows of WINDOW pixels can lie closely in them."""
LEAST_SIDE, MOST_SIDE = 32, 1536
"""Long and narrow pictures get so many pixels across, as long as they have at most so many along."""

WHOLE_SIDE = 192
"""The longer side at which pictures are compared first, and features are looked for; only parts need more."""
SMALLEST_SIDE = 24
"""The shorter side of the smallest size, at the least."""

FINE, COARSE = 0.6, 2.6
"""Details are what lies between these two blurs, in pixels of their size."""

FEATURES, FEATURE_CONTRAST = 250, 0.02

KEPT = 512
"""Pictures that are kept ready: 0.7 MB each."""


class Prepared:
    """A picture made ready to be compared with others; keep it where one is compared often.

    size: (width, height) of the picture as it is given. levels: grey, (h, w) float32 of 0 to 255, the first the
    largest, each half the size of the one before. resolution: pixels of the picture for a pixel of the first level, at
    least 1 where it was not enlarged.
    """

    def __init__(self, image: Image.Image):
        """Take an RGB picture."""
        self.size = image.size
        width, height = image.size
        factor = min(1.0, LONG_SIDE / max(width, height))
        factor = max(factor, ENLARGED_SIDE / max(width, height))
        factor = min(max(factor, LEAST_SIDE / min(width, height)), max(factor, MOST_SIDE / max(width, height)))
        self.resolution = 1 / factor
        values = np.asarray(image)
        if factor != 1:
            size = max(1, round(width * factor)), max(1, round(height * factor))
            way = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
            values = cv2.resize(values, size, interpolation=way)
        self.colours = values
        self.levels: list[Plane] = [np.ascontiguousarray(values.astype(np.float32) @ LUMA)]
        while min(self.levels[-1].shape) >= 2 * SMALLEST_SIDE - 8:
            before = self.levels[-1]
            half = (before.shape[1] + 1) // 2, (before.shape[0] + 1) // 2
            self.levels.append(cv2.resize(before, half, interpolation=cv2.INTER_AREA))
        self._factors = [np.array([each.shape[1] / self.width, each.shape[0] / self.height]) for each in self.levels]
        self._details: dict[int, Plane] = {}
        self._stripes: dict[int, Plane] = {}

    @property
    def width(self) -> int:
        """Pixels across the first level, in which places are measured."""
        return int(self.levels[0].shape[1])

    @property
    def height(self) -> int:
        """Pixels down the first level."""
        return int(self.levels[0].shape[0])

    @cached_property
    def whole(self) -> int:
        """The number of the level at which pictures are compared first."""
        return next(
            (number for number, each in enumerate(self.levels) if max(each.shape) <= WHOLE_SIDE), len(self.levels) - 1
        )

    def factor(self, level: int) -> NDArray[np.float64]:
        """Return how many pixels of a level, across and down, a pixel of the first level is: shape (2,)."""
        return self._factors[level]

    def sharpness(self, level: int) -> float:
        """Return how many pixels of the picture a pixel of a level is, along a side; below 1 nothing new is seen."""
        return self.resolution / float(self.factor(level)[0])

    def details(self, level: int) -> Plane:
        """Return what is neither as fine nor as coarse as a level can show: (h, w)."""
        if level not in self._details:
            self._details[level] = details_of(self.levels[level])
        return self._details[level]

    def stripes(self, level: int) -> Plane:
        """Return how much each window of a level is like a single edge or stripes, 0 to 1: (rows, columns)."""
        if level not in self._stripes:
            self._stripes[level] = stripes(self.details(level))
        return self._stripes[level]

    @cached_property
    def features(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], Plane]:
        """Places (n, 2) in the first level, angles (n,) in radians, sizes (n,) and descriptors (n, 128) of features.

        SIFT (Lowe, IJCV 2004) with square roots (Arandjelović and Zisserman, CVPR 2012), so that the product of two
        descriptors is 1 where they are equal.
        """
        grey = np.clip(np.rint(self.levels[self.whole]), 0, 255).astype(np.uint8)
        detector: Any = cv2.SIFT_create(FEATURES, contrastThreshold=FEATURE_CONTRAST)  # type: ignore[attr-defined]
        found, rows = detector.detectAndCompute(grey, None)
        if rows is None:
            return np.zeros((0, 2)), np.zeros(0), np.zeros(0), np.zeros((0, 128), np.float32)
        factor = self.factor(self.whole)
        places = (np.array([each.pt for each in found]) + 0.5) / factor
        angles = np.deg2rad([each.angle for each in found])
        sizes = np.array([each.size for each in found]) / factor[0]
        return places, angles, sizes, np.sqrt(rows / np.maximum(rows.sum(axis=1, keepdims=True), 1)).astype(np.float32)


def details_of(grey: Plane) -> Plane:
    """Return the details of a grey picture (h, w)."""
    details: Plane = cv2.GaussianBlur(grey, (0, 0), FINE) - cv2.GaussianBlur(grey, (0, 0), COARSE)
    return details


Key = TypeVar("Key", bound=Hashable)


class Kept(Generic[Key]):
    """Pictures that are kept ready to be compared, up to KEPT of them, those that were used last; thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._pictures: OrderedDict[Key, Prepared | None] = OrderedDict()

    def of(
        self, keys: Sequence[Key], load: Callable[[list[Key]], dict[Key, Image.Image]]
    ) -> dict[Key, Prepared | None]:
        """Return pictures by their keys; those that are not kept are loaded. None for those that `load` leaves out."""
        found: dict[Key, Prepared | None] = {}
        with self._lock:
            for key in keys:
                if key in self._pictures:
                    self._pictures.move_to_end(key)
                    found[key] = self._pictures[key]
        missing = [key for key in keys if key not in found]
        if missing:
            loaded = load(missing)
            new = {key: Prepared(loaded[key]) if key in loaded else None for key in missing}
            found |= new
            with self._lock:
                self._pictures |= new
                while len(self._pictures) > KEPT:
                    self._pictures.popitem(last=False)
        return found
