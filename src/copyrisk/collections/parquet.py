"""Images in Parquet files: encoded bytes, the struct of bytes and path that `datasets` writes, or paths."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from itertools import accumulate
from pathlib import Path

import pyarrow.parquet as pq

from copyrisk.collections import Item, existing_path
from copyrisk.collections.columns import Columns, find_columns, reading, split_columns
from copyrisk.collections.folder import fingerprint, relative_name, walk
from copyrisk.errors import UserError

BATCH_ROWS = 32
# Pages are read one by one: a row group may be as large as its file.
STREAMED = {"buffer_size": 2**20, "pre_buffer": False}


class Parquet:
    """One Parquet file or a folder of them; images, captions and ids are found by column name and type, or given.

    The first file says which columns are read. A row without an id of its own gets the name of its file and its row.
    """

    def __init__(self, path: Path, given: Mapping[str, str] | None = None):
        """Read the footers of the file or files at `path`; no image is read yet."""
        self.location = str(path)
        self.root = path.parent if path.is_file() else path
        self.paths = walk(path, ".parquet")
        counts: list[int] = []
        self.columns = Columns("", None, None)
        for file in self.paths:
            with reading(file, "Parquet"):
                metadata = pq.read_metadata(file)
                schema = metadata.schema.to_arrow_schema()
            if not counts:
                self.columns = find_columns(schema, file, given or {})
            if self.columns.image not in schema.names:
                raise UserError(f"{file} has no column '{self.columns.image}' as {self.paths[0].name} beside it has.")
            groups = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
            if min(groups, default=0) < 0 or sum(groups) != metadata.num_rows:
                raise UserError(f"{file} cannot be read as Parquet; it may be damaged: the numbers of rows differ.")
            counts.append(metadata.num_rows)
        self.ends = list(accumulate(counts))
        self.fingerprint = fingerprint(self.root, self.paths)

    def __len__(self) -> int:
        return self.ends[-1] if self.ends else 0

    def items(self, start: int = 0) -> Iterator[Item]:
        """Yield the items file by file and row by row; a few pages at a time are in memory."""
        first = bisect_right(self.ends, start)
        position = self.ends[first - 1] if first else 0
        for path in self.paths[first:]:
            name, begin = relative_name(self.root, path), position
            with reading(path, "Parquet"), pq.ParquetFile(path, **STREAMED) as file:
                for group in range(file.num_row_groups):
                    rows = file.metadata.row_group(group).num_rows
                    if position + rows > start:
                        batches = file.iter_batches(BATCH_ROWS, row_groups=[group], columns=self.columns.names())
                        at = position
                        for batch in batches:
                            skipped = max(0, start - at)
                            for number, row in enumerate(batch.slice(skipped).to_pylist(), start=at + skipped):
                                yield self.columns.item(row, number, f"{name}#{number - begin}", self.root)
                            at += batch.num_rows
                    position += rows

    def item(self, position: int) -> Item:
        """Return the item at one position; its row group is read up to there."""
        return next(self.items(position))


def open_parquet(argument: str) -> Parquet:
    """Open a Parquet file or a folder of Parquet files: `PATH[?image=COLUMN&caption=COLUMN&id=COLUMN]`."""
    path, given = split_columns(argument)
    return Parquet(existing_path(path), given)
