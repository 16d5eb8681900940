"""Stage `index`: describe every reference and control once.

Tables `references` and `controls`, one row an image: `id` (the collection's; where an earlier row has the same, its
position is appended: `7#12`), `position`, `caption`, `width`, `height`, `sha256` (of the encoded bytes), `descriptor`
(list of uint8 or float32) and `error` (why it is unreadable; the descriptor is then null).
"""

from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa

from copyrisk.chosen import Chosen
from copyrisk.collections import Collection
from copyrisk.descriptors import Descriptor
from copyrisk.errors import UserError
from copyrisk.files import read_shards, read_table, shard_paths, write_table
from copyrisk.index.rows import batch_rows, describe, descriptors_of, image_table, readable, unreadable, weights_of
from copyrisk.parallel import batched, in_threads
from copyrisk.progress import bar
from copyrisk.run import Run, log

__all__ = ["describe", "descriptors_of", "index", "read_collection", "readable", "unreadable"]

SHARD_ROWS = 2048


def index(run: Run, chosen: Chosen) -> pa.Table:
    """Describe the chosen references and controls; return the table of references.

    Raises UserError where none of the references can be read.
    """
    options, descriptor = chosen.options, chosen.descriptor
    collections = {"references": chosen.references}
    if chosen.controls is not None:
        collections["controls"] = chosen.controls
    stage = run.begin(
        "index",
        options={"descriptor": descriptor.specifier} | weights_of(descriptor),
        inputs={name: collection.fingerprint for name, collection in collections.items()},
        outputs=("references", "controls"),
    )
    # Where the pictures are is no part of their identity: a moved collection is the same collection.
    run.manifest["collections"] = {name: getattr(options, name) for name in collections}
    run.save()
    if not stage.done:
        for name, collection in collections.items():
            _describe_all(collection, descriptor, run.folder / name, options.workers, name)
        if chosen.controls is None:
            write_table(_shard(run.folder / "controls", 0), image_table([], descriptor))
        outputs = [path for name in ("references", "controls") for path in shard_paths(run.folder / name)]
        stage.finish(sum(map(len, collections.values())), outputs)
    references = read_collection(run, "references")
    if readable(references).num_rows == 0:
        first = references["error"][0].as_py()
        raise UserError(f"--references: none of the {len(references)} images can be read; the first: {first}.")
    return references


def read_collection(run: Run, name: str) -> pa.Table:
    """Return the table `references` or `controls` of a run; an empty one where no controls were given."""
    run.record("index")
    table = read_shards(run.folder / name)
    if table is None:
        raise UserError(f"{run.folder / name} is gone. Run `copyrisk index` on it again.")
    return table


def _describe_all(collection: Collection, descriptor: Descriptor, folder: Path, workers: int, name: str) -> None:
    # What comes after a gap is made again, so that the rows stay in the order of the collection.
    first = next(number for number in count() if not _shard(folder, number).exists())
    ids = {text for number in range(first) for text in read_table(_shard(folder, number), ["id"])["id"].to_pylist()}
    done, total = first * SHARD_ROWS, len(collection)
    with bar(f"index {name}", total, "image", initial=min(done, total)) as progress:
        batches = batched(collection.items(done), batch_rows(descriptor))

        def rows() -> Iterator[dict[str, Any]]:
            for batch in in_threads(workers, partial(describe, descriptor=descriptor), batches):
                progress.update(len(batch))
                yield from batch

        for number, shard in enumerate(batched(rows(), SHARD_ROWS), start=first):
            write_table(_shard(folder, number), image_table(_distinct(shard, ids), descriptor))
    failed = sum(unreadable(read_table(path, ["id", "error"])).num_rows for path in shard_paths(folder))
    if failed:
        log.warning("%s: %d of %d images cannot be read; the report lists them", name, failed, total)


def _shard(folder: Path, number: int) -> Path:
    return folder / f"part-{number:06d}.parquet"


def _distinct(rows: list[dict[str, Any]], ids: set[str]) -> list[dict[str, Any]]:
    """Append its position to an id that an earlier row has; `ids`, those of the earlier rows, grows."""
    for row in rows:
        while row["id"] in ids:
            row["id"] += f"#{row['position']}"
        ids.add(row["id"])
    return rows
