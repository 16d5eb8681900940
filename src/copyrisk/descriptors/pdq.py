"""PDQ, the perceptual hash that platforms exchange: 256 bits, through the library `pdqhash`."""

from math import sqrt

import numpy as np
from PIL import Image

from copyrisk.descriptors import Bytes, Descriptor
from copyrisk.errors import UserError

SIDE = 64
"""PDQ looks at 64 × 64 pixels. Its own programs filter the picture down to that; here it is averaged, which is faster.

About 10 of the 256 bits come out otherwise, so hashes from elsewhere match, but not bit by bit."""


class Pdq(Descriptor):
    """PDQ's bits as 0 or 255, so that k of 256 different bits are a Euclidean distance of √(k / 256) exactly."""

    specifier = "pdq"
    dimensions = 256
    metric = "euclidean"
    needs = 2 * SIDE
    duplicate_distance = sqrt(31 / 256)

    def __init__(self, argument: str = ""):
        """Take no argument; raise UserError where one is given or the library is missing."""
        if argument:
            raise UserError(f"--descriptor pdq:{argument}: pdq takes no argument.")
        try:
            import pdqhash
        except ImportError:
            raise UserError(
                "--descriptor pdq needs the library pdqhash: pip install 'copyrisk[pdq]'. It is built on your machine "
                "and needs a C++ compiler (g++ or clang++)."
            ) from None
        self._compute = pdqhash.compute

    def describe(self, image: Image.Image) -> Bytes:
        """Return the bits: shape (256,), uint8, each 0 or 255."""
        small = image.resize((SIDE, SIDE), Image.Resampling.BOX)
        bits, _quality = self._compute(np.ascontiguousarray(small))
        return np.asarray(bits, dtype=np.uint8) * np.uint8(255)
