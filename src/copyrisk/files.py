"""Writing files so that a reader sees the old content or the new, never half of it."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; on success it is flushed to disk and takes the place of `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path` atomically."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented UTF-8 JSON to `path` atomically."""
    write_bytes(path, (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode())


def read_json(path: Path) -> Any:
    """Read a UTF-8 JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_table(path: Path, table: pa.Table) -> None:
    """Write an Arrow table as Parquet (zstd) to `path` atomically."""
    with replacing(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def read_table(path: Path, columns: list[str] | None = None) -> pa.Table:
    """Read a Parquet file into an Arrow table."""
    with pq.ParquetFile(path) as file:
        return file.read(columns=columns)


def read_shards(folder: Path, columns: list[str] | None = None) -> pa.Table | None:
    """Read all `part-*.parquet` of a folder, in name order, as one table; None where there is none."""
    # Each shard has metadata of its own.
    parts = [read_table(path, columns).replace_schema_metadata() for path in shard_paths(folder)]
    return pa.concat_tables(parts) if parts else None


def shard_paths(folder: Path) -> list[Path]:
    """List the shards of a table folder in name order; files being written do not count."""
    return sorted(folder.glob("part-*.parquet"))
