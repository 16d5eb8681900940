"""The rows of an index: one image each, described in batches, as Arrow tables."""

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from PIL import Image

from copyrisk.collections import Item
from copyrisk.collections.decode import Reduced, decode_reduced
from copyrisk.descriptors import Bytes, Descriptor, content, trait
from copyrisk.descriptors.thumbnails import FRAME_TOLERANCE, grey_of
from copyrisk.errors import UnreadableImage, UserError

SIDE = 32
"""A picture whose descriptor is not itself a small picture is made this many pixels wide and high."""

BATCH_ROWS, GPU_ROWS = 32, 128
"""Images in one batch, which is the task of a thread; more where a network computes on a GPU."""

BATCH_PIXELS = 1 << 24
"""Decoded pixels that a thread holds at once (64 MB), unless a single picture has more."""


def batch_rows(descriptor: Descriptor) -> int:
    """Return how many images to describe in one call of `describe`."""
    return BATCH_ROWS if trait(descriptor, "device") in (None, "cpu") else GPU_ROWS


def weights_of(descriptor: Descriptor) -> dict[str, str]:
    """Return the `fingerprint` of a descriptor's weights, under this name; nothing where it has none."""
    fingerprint = trait(descriptor, "fingerprint")
    return {} if fingerprint is None else {"fingerprint": fingerprint}


def describe(
    items: Sequence[Item], descriptor: Descriptor, known: Callable[[Item, bytes], bool] | None = None
) -> list[dict[str, Any]]:
    """Return the index rows of items, in order; an image that cannot be read gives a row with the reason in `error`.

    An item that is `known`, with the SHA-256 of its bytes, is not decoded: its row has the hash alone. Raises UserError
    where the descriptor has a complaint about all pictures.
    """
    rows: list[dict[str, Any]] = [{"id": item.id, "position": item.position, "caption": item.caption} for item in items]
    batch = Batch(descriptor)
    for item, row in zip(items, rows, strict=True):
        try:
            data = item.read()
            digest = sha256(data)
            row["sha256"] = digest.hexdigest()
            if known is None or not known(item, digest.digest()):
                batch.add(row, data)
        except UnreadableImage as error:
            row["error"] = str(error)
    batch.finish()
    for row in rows:
        if "error" in row:
            row.pop("sha256", None)
    return rows


class Batch:
    """Pictures that are described together: their rows get `width`, `height`, `contrast`, `informative`, `descriptor`.

    Pictures are decoded at the size that the descriptor needs (`decode_reduced`). So this is where all pictures are
    described that are to be compared.
    """

    def __init__(self, descriptor: Descriptor):
        """Begin an empty batch."""
        self.descriptor = descriptor
        self.waiting: list[tuple[dict[str, Any], Reduced]] = []
        self.pixels = 0

    def add(self, row: dict[str, Any], data: bytes) -> None:
        """Decode a picture, which is described sooner or later; raise UnreadableImage where that cannot be done."""
        picture = decode_reduced(data, trait(self.descriptor, "needs"))
        self.pixels += picture.image.width * picture.image.height
        self.waiting.append((row, picture))
        if self.pixels >= BATCH_PIXELS:
            self.finish()

    def finish(self) -> None:
        """Describe the pictures that wait.

        One that the descriptor fails on gives a row with `error`; the others are described without it. Raises UserError
        where the descriptor raises it for every picture.
        """
        rows, pictures = [row for row, _ in self.waiting], [picture for _, picture in self.waiting]
        self.waiting, self.pixels = [], 0
        if not rows:
            return
        images = [picture.image for picture in pictures]
        try:
            described = _described(images, self.descriptor)
        except Exception as failure:
            described = [_described_alone(image, self.descriptor) for image in images]
            if isinstance(failure, UserError) and all("error" in row for row in described):
                raise
        for row, picture, more in zip(rows, pictures, described, strict=True):
            row.update(more if "error" in more else {"width": picture.width, "height": picture.height, **more})


def _described_alone(image: Image.Image, descriptor: Descriptor) -> dict[str, Any]:
    try:
        return _described([image], descriptor)[0]
    # What a descriptor of another package raises is anybody's guess.
    except Exception as error:
        name = descriptor.specifier.partition(":")[0]
        return {"error": f"{name} fails on it: {error if str(error) else type(error).__name__}"}


def _described(images: list[Image.Image], descriptor: Descriptor) -> list[dict[str, Any]]:
    rows = _rows_of(images, descriptor)
    small = _small(images, rows, descriptor)
    columns = {
        "contrast": contrast_of(small.reshape(len(images), -1, 3)).tolist(),
        "informative": _informative(images, rows, small, descriptor).tolist(),
        "descriptor": list(rows),
    }
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _rows_of(images: list[Image.Image], descriptor: Descriptor) -> NDArray[Any]:
    # A descriptor from another package may know nothing of `describe_many`.
    describe_many = getattr(descriptor, "describe_many", None)
    rows = np.asarray(
        describe_many(images) if describe_many else [descriptor.describe(image) for image in images],
        _dtype(descriptor),
    )
    if rows.shape != (len(images), descriptor.dimensions):
        raise UserError(
            f"--descriptor {descriptor.specifier}: it gives rows of shape {rows.shape[1:]} instead of "
            f"({descriptor.dimensions},)."
        )
    return rows


def _small(images: list[Image.Image], rows: NDArray[Any], descriptor: Descriptor) -> Bytes:
    """Return the pictures made small: (n, side, side, 3), uint8."""
    if is_pixels(descriptor):
        side = round((descriptor.dimensions / 3) ** 0.5)
        return rows.reshape(-1, side, side, 3)
    return np.array([image.resize((SIDE, SIDE), Image.Resampling.BOX) for image in images])


def _informative(
    images: list[Image.Image], rows: NDArray[Any], small: Bytes, descriptor: Descriptor
) -> NDArray[np.bool_]:
    """Say for each picture whether there is enough in it to tell it from others (`descriptors.content`): (n,)."""
    if hasattr(descriptor, "content_of_rows"):
        found: NDArray[np.bool_] = np.asarray(descriptor.content_of_rows(rows)) >= content.LEAST_CONTENT
        return found
    if small.shape[1:3] != (SIDE, SIDE):
        return np.array([content.informative(image) for image in images])
    informative: NDArray[np.bool_] = content.content_of(grey_of(small)) >= content.LEAST_CONTENT
    # Looking for a frame takes ten times as long as all the rest. Detail of its own makes only one with plain lines at
    # two sides or more.
    sides = np.stack([small[:, 0], small[:, -1], small[:, :, 0], small[:, :, -1]], axis=1)
    plain = np.ptp(sides, axis=2).max(axis=-1) <= 2 * FRAME_TOLERANCE
    for number in np.flatnonzero(plain.sum(axis=1) >= 2):
        informative[number] = content.informative(images[number])
    return informative


def is_pixels(descriptor: Descriptor) -> bool:
    """Say whether a descriptor's rows are colours, red, green and blue in turn, and distances those of pixels."""
    return descriptor.specifier.partition(":")[0] == "pixels"


def contrast_of(colours: NDArray[Any]) -> NDArray[np.float64]:
    """Return how much there is in pictures, given as (..., pixels, 3) values 0 to 255: shape (...).

    It is the root mean square of what is left when the mean of each colour is taken off, divided by 255: 0 for one even
    colour, 0.5 for half black and half white.
    """
    values = colours.astype(np.float64)
    count = values.shape[-2]
    # Sums of whole numbers, so that no order of adding up makes a difference.
    squares = np.einsum("...pc,...pc->...", values, values)
    spread = count * squares - (values.sum(axis=-2) ** 2).sum(axis=-1)
    contrast: NDArray[np.float64] = np.sqrt(spread / (3 * count**2)) / 255
    return contrast


def image_table(rows: list[dict[str, Any]], descriptor: Descriptor) -> pa.Table:
    """Make a table of rows as `describe` returns them; what a row lacks is null."""
    return table_of(rows, pa.schema(image_fields(descriptor)))


def table_of(rows: list[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    """Make a table of rows, column by column; what a row lacks is null, what the schema lacks is left out."""
    columns = []
    for field in schema:
        values = [row.get(field.name) for row in rows]
        fixed = pa.types.is_fixed_size_list(field.type)
        columns.append(_descriptor_column(values, field.type) if fixed else pa.array(values, field.type))
    return pa.Table.from_arrays(columns, schema=schema)


def _descriptor_column(rows: list[NDArray[Any] | None], kind: pa.FixedSizeListType) -> pa.Array:
    values = np.zeros((len(rows), kind.list_size), kind.value_type.to_pandas_dtype())
    for number, row in enumerate(rows):
        if row is not None:
            values[number] = row
    null = pa.array([row is None for row in rows], pa.bool_())
    return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), type=kind, mask=null)


def image_fields(descriptor: Descriptor) -> list[pa.Field]:
    """List the columns of an image's row; descriptors are fixed-size lists of uint8 or float32."""
    return [
        pa.field("id", pa.string()),
        pa.field("position", pa.int64()),
        pa.field("caption", pa.string()),
        pa.field("width", pa.int32()),
        pa.field("height", pa.int32()),
        pa.field("sha256", pa.string()),
        pa.field("descriptor", pa.list_(pa.from_numpy_dtype(_dtype(descriptor)), descriptor.dimensions)),
        pa.field("error", pa.string()),
    ]


def _dtype(descriptor: Descriptor) -> np.dtype[Any]:
    dtype: np.dtype[Any] = np.dtype(trait(descriptor, "dtype"))
    return dtype


def readable(table: pa.Table) -> pa.Table:
    """Return the rows of an index table whose image could be read."""
    return table.filter(pc.is_null(table["error"]))


def unreadable(table: pa.Table) -> pa.Table:
    """Return `id` and `error` of the rows of an index table whose image could not be read."""
    return table.filter(pc.is_valid(table["error"])).select(["id", "error"])


def descriptors_of(table: pa.Table) -> NDArray[Any]:
    """Return the descriptors of a table without unreadable rows as one array: (rows, dimensions), uint8 or float32."""
    column = table["descriptor"].combine_chunks()
    return np.asarray(column.flatten()).reshape(len(table), column.type.list_size)
