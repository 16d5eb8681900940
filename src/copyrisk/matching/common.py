"""What many references have in common: frames, logos, backgrounds. It proves nothing about any of them."""

from collections.abc import Sequence

import numpy as np
import scipy.ndimage
from PIL import Image

from copyrisk.descriptors.thumbnails import LUMA, Planes, gaussian, smoothed
from copyrisk.matching.evidence import stretched

SIDE = 48
"""References are compared with each other at this size, whatever their proportions."""

NEAR, COARSE = 2.0, 2.0
FLOOR = 2.0
LEAST_CORRELATION = 0.8
"""Two references agree at a place from this correlation of a window of about 7 pixels."""

REACH = 3
"""What is common reaches so many pixels further than whole windows of it do."""

MOST_SHARE = 0.02
"""A place at which more of the others agree is common."""
LEAST_COUNT = 3

SAMPLE = 256
SEED = 7001


class Common:
    """A sample of references, to tell what is common from what is distinctive."""

    def __init__(self, references: Sequence[Image.Image], most_share: float = MOST_SHARE):
        """Take RGB pictures, of which at most 256 are drawn; most_share: of others that may agree at a place."""
        chosen = sampled(len(references))
        self.most_share = most_share
        planes = [np.asarray(_square(references[number]), np.float32) @ LUMA for number in chosen]
        self.values = _even(np.array(planes, np.float32).reshape(-1, SIDE, SIDE))

    def distinct(self, grey: Planes) -> Planes:
        """Return 1 where a reference, small and grey (h, w), is distinctive and 0 where it is common: (48, 48).

        The reference itself may be in the sample: common is what at least 3 have, and more than the share.
        """
        square = stretched(grey[None], (SIDE, SIDE))
        agreement = smoothed(self.values * _even(square), gaussian(SIDE, NEAR))
        count = (agreement > LEAST_CORRELATION).sum(axis=0)
        common = (count >= LEAST_COUNT) & (count > self.most_share * len(self.values))
        common = scipy.ndimage.binary_dilation(common, iterations=REACH)
        return np.where(common, 0, 1).astype(np.float32)


def sampled(count: int) -> list[int]:
    """Return which of so many references are taken, 256 at most: always the same, in order."""
    if count <= SAMPLE:
        return list(range(count))
    drawn: list[int] = np.sort(np.random.default_rng(SEED).choice(count, SAMPLE, replace=False)).tolist()
    return drawn


def _square(image: Image.Image) -> Image.Image:
    return image.resize((SIDE, SIDE), Image.Resampling.BOX)


def _even(planes: Planes) -> Planes:
    """Return details (n, 48, 48) of length 1 in every window, shorter where there is little."""
    near = gaussian(SIDE, NEAR)
    details: Planes = planes - smoothed(planes, gaussian(SIDE, COARSE))
    contrast: Planes = np.sqrt(smoothed(details * details, near) + np.float32(FLOOR**2))
    return details / contrast
