"""Pictures to shards of the table `generations`, beside the thread that the model waits for."""

import io
import json
import time
from collections import Counter, deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b
from os import cpu_count
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
from PIL import Image

from copyrisk.files import shard_paths, write_table
from copyrisk.run import log

SHARD_SECONDS = 10.0
SHARD_ROWS = 4096
"""A shard is written when it is this old or this long: what a sudden end can cost."""
BATCHES_WAITING = 3
"""Batches whose pictures may wait to be compressed before the model waits too."""

SCHEMA = pa.schema(
    [
        ("generation_id", pa.string()),
        ("prompt_id", pa.string()),
        ("prompt", pa.string()),
        ("seed", pa.int64()),
        ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        ("settings", pa.string()),
        ("withheld", pa.string()),
        ("error", pa.string()),
    ]
)


@dataclass(frozen=True)
class Withheld:
    """An image that a safety filter or a policy held back: neither a picture nor a failure."""

    reason: str


Made = Image.Image | Path | Withheld | str
"""What a generator gives for one request: a picture, the path of one, that it was withheld, or why there is none."""


@dataclass(frozen=True)
class Request:
    """One image that the plan asks for."""

    prompt_id: str
    prompt: str
    seed: int

    @property
    def generation_id(self) -> str:
        """The id of the generation: 16 hex digits that depend on prompt and seed."""
        return blake2b(f"{self.prompt_id}/{self.seed}".encode(), digest_size=8).hexdigest()


class Writer:
    """Compresses pictures in threads and writes a shard now and then, whole batches at a time, in order.

    Use it as a context manager: at the end, also after an error, everything that was added is on disk.
    """

    def __init__(self, folder: Path, settings: dict[str, Any]):
        parts = shard_paths(folder)
        self.folder = folder
        self.number = int(parts[-1].stem.removeprefix("part-")) + 1 if parts else 0
        self.settings = json.dumps(settings, sort_keys=True)
        self.rows: list[Future[dict[str, Any]]] = []
        self.since = time.monotonic()
        self.batches: deque[list[Future[dict[str, Any]]]] = deque()
        self.reasons: Counter[str] = Counter()
        self.compress = ThreadPoolExecutor(min(8, cpu_count() or 1))
        self.shards = ThreadPoolExecutor(1)
        self.written: list[Future[None]] = []

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            self._write()
            self.compress.shutdown()
            self.shards.shutdown()
        finally:
            self._report()
        if error is None:
            self._raise()

    def add(self, requests: Sequence[Request], made: Sequence[Made]) -> None:
        """Take a batch; raise what went wrong with earlier ones."""
        self._raise()
        for request, image in zip(requests, made, strict=True):
            self._note(request, image)
        batch = [
            self.compress.submit(_row, request, image, self.settings)
            for request, image in zip(requests, made, strict=True)
        ]
        self.rows += batch
        self.batches.append(batch)
        while len(self.batches) > BATCHES_WAITING:
            for row in self.batches.popleft():
                row.result()
        if len(self.rows) >= SHARD_ROWS or time.monotonic() - self.since >= SHARD_SECONDS:
            self._write()

    def _write(self) -> None:
        if self.rows:
            path = self.folder / f"part-{self.number:06d}.parquet"
            self.written.append(self.shards.submit(_write_shard, path, self.rows))
            self.number += 1
        self.rows, self.since = [], time.monotonic()

    def _raise(self) -> None:
        for future in self.written:
            if future.done():
                future.result()
        self.written = [future for future in self.written if not future.done()]

    def _note(self, request: Request, made: Made) -> None:
        """Say the first time why there is no image; the others are counted."""
        if isinstance(made, str | Withheld):
            reason = made if isinstance(made, str) else f"withheld ({made.reason})"
            if not self.reasons[reason]:
                log.warning("no image for prompt %r, seed %d: %s", request.prompt, request.seed, reason)
            self.reasons[reason] += 1

    def _report(self) -> None:
        for reason, count in self.reasons.items():
            if count > 1:
                log.warning("generate: %d images in all: %s", count, reason)


def _write_shard(path: Path, rows: list[Future[dict[str, Any]]]) -> None:
    write_table(path, pa.Table.from_pylist([row.result() for row in rows], schema=SCHEMA))


def _row(request: Request, made: Made, settings: str) -> dict[str, Any]:
    row: dict[str, Any] = {
        "generation_id": request.generation_id,
        "prompt_id": request.prompt_id,
        "prompt": request.prompt,
        "seed": request.seed,
        "settings": settings,
    }
    if isinstance(made, Image.Image):
        buffer = io.BytesIO()
        made.convert("RGB").save(buffer, "PNG", compress_level=1)
        return row | {"image": {"bytes": buffer.getvalue(), "path": None}}
    if isinstance(made, Path):
        return row | {"image": {"bytes": None, "path": str(made)}}
    return row | ({"withheld": made.reason} if isinstance(made, Withheld) else {"error": made})
