"""What an image is compared by: a descriptor turns a picture into a row of numbers.

Descriptors are found by name in the entry-point group `copyrisk.descriptors`; `pixels:32` is the name and an argument.
"""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from copyrisk import registry

Bytes = NDArray[np.uint8]


class Descriptor(Protocol):
    """A descriptor: `specifier` names it with its argument, `dimensions` is the length of a row."""

    specifier: str
    dimensions: int

    def describe(self, image: Image.Image) -> Bytes:
        """Return the descriptor of one RGB picture: shape (dimensions,), uint8."""


def open_descriptor(specifier: str) -> Descriptor:
    """Return the descriptor for `name:argument`; raise UserError where there is none or the argument is bad."""
    name, argument = registry.split(specifier)
    descriptor: Descriptor = registry.load("descriptors", name)(argument)
    return descriptor
