"""The rows of an index: one image each, as Arrow tables."""

from hashlib import sha256
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from PIL import Image

from copyrisk.collections import Item
from copyrisk.collections.decode import decode
from copyrisk.descriptors import Descriptor
from copyrisk.errors import UnreadableImage

CONTRAST_SIDE = 32
"""A picture whose descriptor is not itself a small picture is made this many pixels wide and high."""


def describe(item: Item, descriptor: Descriptor) -> dict[str, Any]:
    """Return the index row of one item; an image that cannot be read gives a row with the reason in `error`."""
    row: dict[str, Any] = {"id": item.id, "position": item.position, "caption": item.caption}
    try:
        data = item.read()
        return row | {"sha256": sha256(data).hexdigest(), **describe_picture(decode(data), descriptor)}
    except UnreadableImage as error:
        return row | {"error": str(error)}


def describe_picture(image: Image.Image, descriptor: Descriptor) -> dict[str, Any]:
    """Return the part of an index row that comes from the pixels; `contrast` is for those tables that have it."""
    row = descriptor.describe(image)
    if is_pixels(descriptor):
        small: NDArray[Any] = row.reshape(-1, 3)
    else:
        small = np.asarray(image.resize((CONTRAST_SIDE, CONTRAST_SIDE), Image.Resampling.BOX)).reshape(-1, 3)
    return {"width": image.width, "height": image.height, "contrast": contrast_of(small), "descriptor": row}


def is_pixels(descriptor: Descriptor) -> bool:
    """Say whether a descriptor's rows are colours, red, green and blue in turn, and distances those of pixels."""
    return descriptor.specifier.partition(":")[0] == "pixels"


def contrast_of(colours: NDArray[Any]) -> float:
    """Return how much there is in a picture, given as (pixels, 3) values 0 to 255.

    It is the root mean square of what is left when the mean of each colour is taken off, divided by 255: 0 for one even
    colour, 0.5 for half black and half white.
    """
    return float(np.sqrt(colours.astype(np.float64).var(axis=0).mean()) / 255)


def image_table(rows: list[dict[str, Any]], descriptor: Descriptor) -> pa.Table:
    """Make a table of rows as `describe` returns them; what a row lacks is null."""
    return pa.Table.from_pylist(rows, schema=pa.schema(image_fields(descriptor)))


def image_fields(descriptor: Descriptor) -> list[pa.Field]:
    """List the columns of an image's row; descriptors are fixed-size lists of uint8 or float32."""
    # A descriptor from another package may know nothing of `dtype`.
    dtype = pa.from_numpy_dtype(np.dtype(getattr(descriptor, "dtype", "uint8")))
    return [
        pa.field("id", pa.string()),
        pa.field("position", pa.int64()),
        pa.field("caption", pa.string()),
        pa.field("width", pa.int32()),
        pa.field("height", pa.int32()),
        pa.field("sha256", pa.string()),
        pa.field("descriptor", pa.list_(dtype, descriptor.dimensions)),
        pa.field("error", pa.string()),
    ]


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
