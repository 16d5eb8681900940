"""What an image is compared by: a descriptor turns a picture into a row of numbers.

Descriptors are found by name in the entry-point group `copyrisk.descriptors`; `pixels:32` is the name and an argument.
"""

from collections.abc import Sequence
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from copyrisk import registry

Bytes = NDArray[np.uint8]
Row = NDArray[Any]


class Descriptor(Protocol):
    """A descriptor: `specifier` names it with its argument, `dimensions` is the length of a row.

    Rows are of `dtype` and compared by `metric` (as in `copyrisk.index.search`) in the columns `search`. `device` is
    where a network computes; None where there is no network. Where `candidate_distance` is None, the distance alone
    says whether two pictures are the same. Otherwise they may be the same if a view of one is at most so far from the
    whole of the other, and `verify` says whether they are. `needs`: a picture may be made smaller before it is
    described as long as both sides keep so many pixels; None: no pixel is to be lost. `duplicate_distance`: up to which
    two pictures are taken for the same where the user does not say. `fingerprint`: of the weights of a network.
    """

    specifier: str
    dimensions: int
    dtype: Literal["uint8", "float32"] = "uint8"
    metric: Literal["euclidean", "cosine"] = "euclidean"
    search: slice = slice(None)
    device: str | None = None
    candidate_distance: float | None = None
    needs: int | None = None
    duplicate_distance: float | None = None
    fingerprint: str | None = None

    def describe(self, image: Image.Image) -> Row:
        """Return the descriptor of one RGB picture: shape (dimensions,), of `dtype`."""

    def describe_many(self, images: Sequence[Image.Image]) -> Row:
        """Return the descriptors of RGB pictures: shape (n, dimensions); a row depends on its own picture alone."""
        rows = [self.describe(image) for image in images]
        return np.array(rows, np.dtype(self.dtype)).reshape(len(rows), self.dimensions)

    def views(self, rows: Row) -> Row:
        """Return the search columns of each view of the pictures of rows: (views, n, columns), the whole first."""
        return rows[None, :, self.search]

    def verify(self, first: Row, second: Row) -> tuple[NDArray[np.float64], list[str]]:
        """Compare each row of `first` with the same of `second`: scores (n,), at least 0.5 for the same, and kinds."""
        message = f"{self.specifier} has no verify: the distance alone decides"
        raise NotImplementedError(message)


def trait(descriptor: Descriptor, name: str) -> Any:
    """Return an attribute of a descriptor, or its default: one from another package may know nothing of it."""
    return getattr(descriptor, name, getattr(Descriptor, name))


def open_descriptor(specifier: str) -> Descriptor:
    """Return the descriptor for `name:argument`; raise UserError where there is none or the argument is bad."""
    name, argument = registry.split(specifier)
    descriptor: Descriptor = registry.load("descriptors", name)(argument)
    return descriptor
