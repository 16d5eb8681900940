"""Images in Parquet files: encoded bytes, the struct of bytes and path that `datasets` writes, or paths."""

from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from copyrisk.collections import Item
from copyrisk.collections.captions import CAPTION_COLUMNS
from copyrisk.collections.folder import relative_name, walk
from copyrisk.errors import UserError
from copyrisk.run import digest

IMAGE_COLUMNS = ("image", "img", "jpg", "png", "webp", "bytes", "image_bytes", "path", "image_path", "file_name")
ID_COLUMNS = ("id", "image_id", "key", "__key__")
BATCH_ROWS = 256


class Parquet:
    """One Parquet file or a folder of them; images, captions and ids are found by column name and type.

    The first file says which columns are read. A row without an id of its own gets the name of its file and its row.
    """

    def __init__(self, path: Path):
        """Read the footers of the file or files at `path`; no image is read yet."""
        self.location = str(path)
        self.root = path.parent if path.is_file() else path
        self.paths = [file for file in walk(path) if file == path or file.suffix.lower() == ".parquet"]
        counts: list[int] = []
        self.image, self.caption, self.id = "", None, None
        for file in self.paths:
            with _reading(file):
                metadata = pq.read_metadata(file)
                schema = metadata.schema.to_arrow_schema()
            if not counts:
                self.image, self.caption, self.id = _columns(schema, file)
            if self.image not in schema.names:
                raise UserError(f"{file} has no column '{self.image}' as {self.paths[0].name} beside it has.")
            counts.append(metadata.num_rows)
        self.ends = list(accumulate(counts))
        self.fingerprint = digest([[self._name(file), _stamp(file)] for file in self.paths])

    def __len__(self) -> int:
        return self.ends[-1] if self.ends else 0

    def items(self, start: int = 0) -> Iterator[Item]:
        """Yield the items file by file and row by row; a row group at a time is in memory."""
        first = bisect_right(self.ends, start)
        position = self.ends[first - 1] if first else 0
        for path in self.paths[first:]:
            with _reading(path), pq.ParquetFile(path) as file:
                for group in range(file.num_row_groups):
                    rows = file.metadata.row_group(group).num_rows
                    if position + rows > start:
                        batches = file.iter_batches(BATCH_ROWS, row_groups=[group], columns=self._wanted())
                        at = position
                        for batch in batches:
                            skipped = max(0, start - at)
                            for offset, row in enumerate(batch.slice(skipped).to_pylist(), start=skipped):
                                yield self._item(row, at + offset)
                            at += batch.num_rows
                    position += rows

    def item(self, position: int) -> Item:
        """Return the item at one position; its row group is read."""
        return next(self.items(position))

    def _wanted(self) -> list[str]:
        return [column for column in (self.image, self.caption, self.id) if column]

    def _item(self, row: dict[str, Any], position: int) -> Item:
        value = row[self.image]
        data, path = (value.get("bytes"), value.get("path")) if isinstance(value, dict) else (value, None)
        if isinstance(data, str):
            data, path = None, data
        own = row.get(self.id) if self.id else None
        index = bisect_right(self.ends, position)
        row_number = position - (self.ends[index - 1] if index else 0)
        return Item(
            id=str(own) if own is not None else f"{self._name(self.paths[index])}#{row_number}",
            caption=_text(row.get(self.caption)) if self.caption else "",
            position=position,
            data=data,
            path=self.root / path if path and data is None else None,
        )

    def _name(self, file: Path) -> str:
        return relative_name(self.root, file)


def open_parquet(path: Path) -> Parquet:
    """Open a Parquet file or a folder of Parquet files."""
    return Parquet(path)


@contextmanager
def _reading(file: Path) -> Iterator[None]:
    """Turn what Arrow raises for a damaged file (nearly anything, as late as in its last page) into a UserError."""
    try:
        yield
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise UserError(f"{file} cannot be read as Parquet; it may be damaged: {reason}.") from None


def _columns(schema: pa.Schema, path: Path) -> tuple[str, str | None, str | None]:
    candidates = sorted(schema, key=lambda each: (not _is_struct(each.type), _rank(each.name, IMAGE_COLUMNS)))
    fits = (each.name for each in candidates if _is_struct(each.type) or _is_encoded(each))
    image = next(fits, None)
    if image is None:
        raise UserError(
            f"{path} has no image column: expected bytes or a path in one of {', '.join(IMAGE_COLUMNS)}, or a struct "
            f"of bytes and path; it has {', '.join(f'{each.name} ({each.type})' for each in schema)}."
        )
    caption = next((name for name in CAPTION_COLUMNS if name in schema.names and name != image), None)
    return image, caption, next((name for name in ID_COLUMNS if name in schema.names), None)


def _is_struct(kind: pa.DataType) -> bool:
    return bool(pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0)


def _is_encoded(field: pa.Field) -> bool:
    kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    tests = (
        pa.types.is_binary,
        pa.types.is_large_binary,
        pa.types.is_binary_view,
        pa.types.is_string,
        pa.types.is_large_string,
        pa.types.is_string_view,
    )
    return field.name in IMAGE_COLUMNS and any(test(kind) for test in tests)


def _rank(name: str, order: tuple[str, ...]) -> int:
    return order.index(name) if name in order else len(order)


def _stamp(file: Path) -> tuple[int, int]:
    status = file.stat()
    return status.st_size, status.st_mtime_ns


def _text(value: Any) -> str:
    if isinstance(value, list):
        value = value[0] if value else ""
    return str(value).strip() if value is not None else ""
