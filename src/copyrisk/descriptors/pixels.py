"""Area-averaged pixels: the picture itself, made small."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from copyrisk.descriptors import Bytes, Descriptor
from copyrisk.errors import UserError

GRID = 4
"""A picture is cut into GRID × GRID tiles (Carlini et al. 2023, section 4.2: 16 tiles)."""


class Pixels(Descriptor):
    """The RGB picture averaged over the areas of a SIDE × SIDE grid (the aspect ratio is not kept)."""

    duplicate_distance = 0.05

    def __init__(self, argument: str = ""):
        """Take SIDE from `argument`, 32 where it is empty; a multiple of 4 from 4 to 256."""
        side = int(argument) if argument.isdecimal() else 0 if argument else 32
        if not 4 <= side <= 256 or side % GRID:
            raise UserError(f"--descriptor pixels:{argument}: the side must be a multiple of {GRID} from 4 to 256.")
        self.side = side
        # With four pixels for each, what a decoder averages before makes no difference to speak of.
        self.needs = 4 * side
        self.specifier = f"pixels:{side}"
        self.dimensions = side * side * 3

    def describe(self, image: Image.Image) -> Bytes:
        """Return the averaged pixels, row by row, red, green and blue in turn: shape (side·side·3,), uint8."""
        small = image.resize((self.side, self.side), Image.Resampling.BOX)
        return np.asarray(small, dtype=np.uint8).reshape(-1)

    def tiles(self) -> NDArray[np.intp]:
        """Return which columns belong to each tile: shape (16, dimensions / 16)."""
        part = self.side // GRID
        columns = np.arange(self.dimensions).reshape(GRID, part, GRID, part, 3)
        return columns.transpose(0, 2, 1, 3, 4).reshape(GRID * GRID, -1)
