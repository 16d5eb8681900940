"""The same photograph: saved again, made smaller, cropped, shifted, mirrored, recoloured, captioned over.

A row has all that a comparison needs; the picture is not opened again. Its columns:

| columns | name | what |
|---|---|---|
| 0 to 62 | `SEARCH` | 63 low frequencies of the picture with even contrast, 128 + 254 · value, the whole of length 1 |
| 63 | `CONTENT` | how much there is in the picture (`content`), times 7 |
| 64 to 1087 | `GREY` | the picture without its frame, grey, 32 × 32 |
| 1088 to 1135 | `COLOUR` | the same, 4 × 4, red, green and blue in turn |

Two pictures may be the same if a view of one (whole, a part, or without the quarter that a caption covers; mirrored or
not) is within `SEARCH_DISTANCE` of the search columns of the other. Whether they are, `copyrisk.descriptors.verify`
says.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from PIL import Image

from copyrisk.descriptors import Bytes, Descriptor
from copyrisk.descriptors.content import LEAST_CONTENT, content_of
from copyrisk.descriptors.thumbnails import (
    FRAME_SIDE,
    SIDE,
    Planes,
    averaging,
    flattened,
    grey_of,
    resampled,
    thumbnail,
)
from copyrisk.descriptors.verify import compare
from copyrisk.errors import UserError

SEARCH = slice(0, 63)
CONTENT = 63
GREY = slice(64, 1088)
COLOUR = slice(1088, 1136)

FREQUENCIES = 8
CONTENT_SCALE = 7
COLOUR_SIDE = 4

LEAST_COSINE = 0.70
SEARCH_DISTANCE = float(np.sqrt(2 - 2 * LEAST_COSINE) * 254 / 255 / np.sqrt(63))
"""The distance of search columns, as `copyrisk.index.search` measures it, that belongs to a cosine of 0.70."""

TOO_PLAIN = "too plain"

CUT = 0.15
PARTS = [(0.0, 0.0, 1.0, 1.0), (CUT / 2, CUT / 2, 1 - CUT / 2, 1 - CUT / 2)] + [
    (left, top, left + 1 - CUT, top + 1 - CUT) for top in (0.0, CUT) for left in (0.0, CUT)
]
"""The parts of a picture that are looked for: all of it, its middle and its corners (left, top, right, bottom)."""

COVERS = (slice(3 * SIDE // 4, SIDE), slice(0, SIDE // 4))
"""The rows that are looked past, one of both at a time: what a caption at the bottom or at the top may cover."""


class Photo(Descriptor):
    """The default descriptor of photographs; its row is the module's table."""

    specifier = "photo"
    dimensions = 1136
    search = SEARCH
    candidate_distance = SEARCH_DISTANCE
    needs = FRAME_SIDE

    def __init__(self, argument: str = ""):
        """Take no argument; raise UserError where one is given."""
        if argument:
            raise UserError(f"--descriptor photo:{argument}: photo takes no argument.")

    def describe(self, image: Image.Image) -> Bytes:
        """Return the row of one RGB picture: shape (1136,), uint8."""
        row: Bytes = self.describe_many([image])[0]
        return row

    def describe_many(self, images: Sequence[Image.Image]) -> Bytes:
        """Return the rows of RGB pictures: shape (n, 1136), uint8."""
        rows = np.empty((len(images), self.dimensions), np.uint8)
        if images:
            small = np.array([thumbnail(image) for image in images])
            grey = grey_of(small)
            rows[:, SEARCH] = _low_frequencies(grey.astype(np.float32))
            rows[:, CONTENT] = np.rint(content_of(grey) * CONTENT_SCALE)
            rows[:, GREY] = grey.reshape(len(images), -1)
            part = SIDE // COLOUR_SIDE
            areas = small.reshape(len(images), COLOUR_SIDE, part, COLOUR_SIDE, part, 3)
            rows[:, COLOUR] = np.rint(areas.mean(axis=(2, 4))).reshape(len(images), -1)
        return rows

    def content_of_rows(self, rows: Bytes) -> NDArray[np.float64]:
        """Return the content of the pictures of rows (n, 1136), 0 to 32: shape (n,); see `content`."""
        return rows[:, CONTENT] / CONTENT_SCALE

    def views(self, rows: Bytes) -> Bytes:
        """Return the search columns of the views of each row (n, 1136): shape (16, n, 63), uint8.

        First `PARTS`, the whole picture at the head, then the whole without each of `COVERS`, then all these mirrored.
        """
        grey = _grey(rows)
        seen = []
        for whole in (grey, grey[:, :, ::-1]):
            whole = np.ascontiguousarray(whole)
            for left, top, right, bottom in PARTS:
                down, across = (averaging(SIDE, SIDE * a, SIDE * b, SIDE) for a, b in ((top, bottom), (left, right)))
                seen.append(_low_frequencies(resampled(whole, down, across)))
            seen += [_low_frequencies(whole, covered) for covered in COVERS]
        return np.array(seen)

    def turned(self, rows: Bytes) -> Iterator[Bytes]:
        """Yield the rows (n, 1136) of the pictures turned by 90, 180 and 270 degrees, then of these mirrored."""
        grey, colour = rows[:, GREY].reshape(-1, SIDE, SIDE), rows[:, COLOUR].reshape(-1, COLOUR_SIDE, COLOUR_SIDE, 3)
        for step in (1, -1):
            for quarter in (1, 2, 3):
                turned = rows.copy()
                seen = np.ascontiguousarray(np.rot90(grey, quarter, axes=(1, 2))[:, :, ::step])
                turned[:, SEARCH] = _low_frequencies(seen.astype(np.float32))
                turned[:, GREY] = seen.reshape(len(rows), SIDE**2)
                seen = np.rot90(colour, quarter, axes=(1, 2))[:, :, ::step]
                turned[:, COLOUR] = seen.reshape(len(rows), COLOUR_SIDE**2 * 3)
                yield turned

    def verify(self, first: Bytes, second: Bytes) -> tuple[NDArray[np.float64], list[str]]:
        """Compare each row of `first` (n, 1136) with the same row of `second`: scores (n,) in [0, 1] and kinds.

        From a score of 0.5 on, they are the same picture; 1 if and only if the rows are equal. A kind is `exact` (equal
        rows), `re-encoded`, or what was done, joined by `+`: `mirrored`, `cropped` (or shifted), `covered` (part of
        it), `recoloured`. Of a pair with a picture that is too plain, the score is 0 and the kind `too plain`, even if
        its rows are equal. Kinds mean something from 0.5 on.
        """
        scores, kinds = compare(_grey(first), _grey(second), _colour(first), _colour(second))
        plain = np.minimum(first[:, CONTENT], second[:, CONTENT]) < LEAST_CONTENT * CONTENT_SCALE
        for pair in np.flatnonzero((first == second).all(axis=1)):
            scores[pair], kinds[pair] = 1.0, "exact"
        for pair in np.flatnonzero(plain):
            scores[pair], kinds[pair] = 0.0, TOO_PLAIN
        return scores, kinds


def _grey(rows: Bytes) -> Planes:
    grey: Planes = rows[:, GREY].reshape(-1, SIDE, SIDE).astype(np.float32)
    return grey


def _colour(rows: Bytes) -> NDArray[np.float64]:
    colour: NDArray[np.float64] = rows[:, COLOUR].reshape(-1, COLOUR_SIDE, COLOUR_SIDE, 3).astype(np.float64)
    return colour


def _low_frequencies(grey: Planes, covered: slice = slice(0)) -> Bytes:
    even = flattened(grey, radius=4, floor=3)
    even[:, covered] = 0
    waves = scipy.fft.dctn(even, axes=(1, 2), norm="ortho")[:, :FREQUENCIES, :FREQUENCIES]
    waves = waves.reshape(len(grey), FREQUENCIES**2)[:, 1:]
    length = np.sqrt(np.einsum("ij,ij->i", waves, waves))[:, None]
    scaled = 128 + 254 * waves / np.maximum(length, 1e-6)
    rounded: Bytes = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
    return rounded
