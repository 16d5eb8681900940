"""Which columns of a table hold the image, the caption and the id: found by name and type, or given.

A specifier gives them as `parquet:PATH?image=COLUMN&caption=COLUMN&id=COLUMN`, each of them optional.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pyarrow as pa

from copyrisk.collections import Item
from copyrisk.collections.captions import CAPTION_COLUMNS, caption_in
from copyrisk.errors import UserError

IMAGE_COLUMNS = ("image", "img", "jpg", "png", "webp", "bytes", "image_bytes", "path", "image_path", "file_name")
ID_COLUMNS = ("id", "image_id", "key", "__key__")
GIVEN = ("image", "caption", "id")


@dataclass(frozen=True)
class Columns:
    """The names of the columns that are read."""

    image: str
    caption: str | None
    id: str | None

    def names(self) -> list[str]:
        """Return the columns to read."""
        return list(dict.fromkeys(name for name in (self.image, self.caption, self.id) if name))

    def item(self, row: Mapping[str, Any], position: int, row_name: str, root: Path) -> Item:
        """Make an item of a row; `row_name` is its id where it has none of its own, paths are relative to `root`."""
        value = row[self.image]
        data, path = (value.get("bytes"), value.get("path")) if isinstance(value, dict) else (value, None)
        if isinstance(data, str):
            data, path = None, data
        own = row.get(self.id) if self.id else None
        return Item(
            id=str(own) if own is not None else row_name,
            caption=caption_in(row.get(self.caption)) if self.caption else "",
            position=position,
            data=data,
            path=root / path if path and data is None else None,
        )


def split_columns(argument: str, *more: str) -> tuple[str, dict[str, str]]:
    """Split `PATH?image=COLUMN&caption=COLUMN` into the path and what was given by name.

    `more` are other names than image, caption and id. Raises UserError for a name that is not known.
    """
    # A question mark is allowed in a file name.
    if "?" not in argument or Path(argument).expanduser().exists():
        return argument, {}
    path, _, query = argument.rpartition("?")
    given = dict(parse_qsl(query, keep_blank_values=True))
    known = (*GIVEN, *more)
    if not given or not given.keys() <= set(known):
        raise UserError(
            f"'?{query}' is not understood: give columns as in ?image=COLUMN&caption=COLUMN; known names: "
            f"{', '.join(known)}."
        )
    return path, given


def find_columns(schema: pa.Schema, where: str | Path, given: Mapping[str, str]) -> Columns:
    """Find the columns of a table at `where`; raise UserError where it has no image or not what was `given`."""
    has = f"it has {', '.join(f'{each.name} ({each.type})' for each in schema) or 'no columns'}"
    for name, column in given.items():
        if name in GIVEN and schema.names.count(column) != 1:
            raise UserError(f"{where} has no column '{column}' (given as {name}): {has}.")
    if "image" in given:
        image: str | None = given["image"]
        kind = schema.field(image).type
        if not (_is_struct(kind) or _is_encoded(kind)):
            raise UserError(f"{where}: column '{image}' holds no images (bytes, paths, or a struct of both): {has}.")
    else:
        candidates = sorted(schema, key=lambda each: (not _is_struct(each.type), _rank(each.name, IMAGE_COLUMNS)))
        fits = (
            each.name
            for each in candidates
            if _is_struct(each.type) or (each.name in IMAGE_COLUMNS and _is_encoded(each.type))
        )
        image = next(fits, None)
    if image is None:
        raise UserError(
            f"{where} has no image column: expected bytes or a path in one of {', '.join(IMAGE_COLUMNS)}, or a struct "
            f"of bytes and path; {has}. Name yours with ?image=COLUMN."
        )
    others = [name for name in schema.names if name != image]
    texts = [each.name for each in schema if _is_text(each.type)]
    if "caption" in given and given["caption"] not in texts:
        raise UserError(f"{where}: column '{given['caption']}' (given as caption) holds no text: {has}.")
    return Columns(
        image,
        given.get("caption") or next((name for name in CAPTION_COLUMNS if name in others and name in texts), None),
        given.get("id") or next((name for name in ID_COLUMNS if name in others), None),
    )


@contextmanager
def reading(file: Path | str, kind: str) -> Iterator[None]:
    """Turn what Arrow raises for a damaged file (nearly anything, as late as in its last page) into a UserError."""
    try:
        yield
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise UserError(f"{file} cannot be read as {kind}; it may be damaged: {reason}.") from None


def _is_struct(kind: pa.DataType) -> bool:
    return bool(pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0)


def _is_encoded(kind: pa.DataType) -> bool:
    tests = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view)
    return _is_string(kind) or any(test(_plain(kind)) for test in tests)


def _is_text(kind: pa.DataType) -> bool:
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    return _is_string(kind.value_type if is_list else kind)


def _is_string(kind: pa.DataType) -> bool:
    tests = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_null)
    return any(test(_plain(kind)) for test in tests)


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _rank(name: str, order: tuple[str, ...]) -> int:
    return order.index(name) if name in order else len(order)
