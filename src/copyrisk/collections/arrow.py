"""Images in the Arrow files that `datasets` keeps: a dataset saved with `save_to_disk`, or files of its cache.

The files are mapped into memory, not read: what is not used takes none.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from copyrisk.collections import Item, existing_path
from copyrisk.collections.columns import find_columns, reading, split_columns
from copyrisk.collections.folder import fingerprint, walk
from copyrisk.errors import UserError
from copyrisk.files import read_json

BATCH_ROWS = 32


class ArrowRows:
    """The rows of a memory-mapped table as a collection; an image without an id is called by the number of its row."""

    def __init__(self, location: str, table: pa.Table, root: Path, fingerprint: str, given: Mapping[str, str]):
        """Find the columns of `table`; relative paths of images are below `root`."""
        self.location = location
        self.root = root
        self.fingerprint = fingerprint
        with reading(location, "Arrow"):
            self.columns = find_columns(table.schema, location, given)
        self.table = table.select(self.columns.names())

    def __len__(self) -> int:
        return len(self.table)

    def items(self, start: int = 0) -> Iterator[Item]:
        """Yield the items row by row."""
        for first in range(start, len(self), BATCH_ROWS):
            with reading(self.location, "Arrow"):
                rows = self.table.slice(first, BATCH_ROWS)
                # Arrow trusts the offsets in a file; damaged ones would read anywhere in memory.
                rows.validate(full=True)
                found = rows.to_pylist()
            for position, row in enumerate(found, start=first):
                yield self.columns.item(row, position, str(position), self.root)

    def item(self, position: int) -> Item:
        """Return the item at one position."""
        return next(self.items(position))


def open_arrow(argument: str) -> ArrowRows:
    """Open a folder that `save_to_disk` wrote, or Arrow files: `PATH[?image=COLUMN&caption=COLUMN&id=COLUMN]`.

    Raises UserError where the folder holds several splits, since one of them is to be named.
    """
    argument, given = split_columns(argument)
    path = existing_path(argument)
    if (path / "dataset_dict.json").is_file():
        splits = _json(path / "dataset_dict.json").get("splits") or []
        raise UserError(
            f"{path} holds the splits {', '.join(splits)}: choose one, as {path / (splits or ['SPLIT'])[0]}."
        )
    state = path / "state.json"
    files = _saved_files(state) if state.is_file() else walk(path, ".arrow")
    if not files:
        raise UserError(f"{path} holds no .arrow file.")
    root = path if path.is_dir() else path.parent
    return ArrowRows(str(path), map_files(files), root, fingerprint(root, files), given)


def map_files(files: list[Path]) -> pa.Table:
    """Map Arrow stream files into memory as one table; raise UserError for a file that is damaged or not there."""
    tables = []
    for file in files:
        with reading(file, "Arrow"), pa.memory_map(str(file)) as source, pa.ipc.open_stream(source) as stream:
            tables.append(stream.read_all())
    with reading(files[0].parent, "Arrow"):
        return pa.concat_tables(tables)


def _saved_files(state: Path) -> list[Path]:
    saved = _json(state)
    if saved.get("_indices_data_files"):
        raise UserError(
            f"{state.parent} was saved by an old version of datasets: load it and save it with a newer one."
        )
    try:
        return [state.parent / each["filename"] for each in saved["_data_files"]]
    except (KeyError, TypeError):
        raise UserError(f"{state} does not list the files of a dataset; it may be damaged.") from None


def _json(path: Path) -> dict[str, Any]:
    try:
        value = read_json(path)
    except (OSError, ValueError):
        value = None
    if not isinstance(value, dict):
        raise UserError(f"{path} cannot be read as JSON; it may be damaged.")
    return value
