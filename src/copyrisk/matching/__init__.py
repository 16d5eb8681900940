"""Stage `match`: which reference is each generation nearest to, and is it a copy?

Table `matches`, one row a generation that could be read: `generation_id`, `prompt_id`, `seed`; `reference` (the cluster
of the nearest), `distance` (root mean square, 0 to 1), `statistic` (of the test; at most its threshold for a copy),
`verdict` (`copy` or `no copy`); the same for the nearest control: `control`, `control_statistic`, `control_verdict`
(null without controls).
"""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from copyrisk.collections.decode import decode
from copyrisk.descriptors import Bytes, Descriptor, open_descriptor
from copyrisk.duplicates import read_pictures
from copyrisk.errors import UnreadableImage
from copyrisk.files import read_shards, read_table, shard_paths, write_table
from copyrisk.generators import generation_shards, read_image
from copyrisk.index import descriptors_of, read_collection, readable
from copyrisk.index.search import distance_between, nearest
from copyrisk.matching.tests import Test, open_test
from copyrisk.options import Options
from copyrisk.parallel import in_threads, thread_pool
from copyrisk.progress import bar
from copyrisk.run import Run, digest, log

SCHEMA = pa.schema(
    [
        ("generation_id", pa.string()),
        ("prompt_id", pa.string()),
        ("seed", pa.int64()),
        ("reference", pa.string()),
        ("distance", pa.float64()),
        ("statistic", pa.float64()),
        ("verdict", pa.string()),
        ("control", pa.string()),
        ("control_statistic", pa.float64()),
        ("control_verdict", pa.string()),
    ]
)


def match(run: Run, options: Options) -> pa.Table:
    """Compare every generation with the references and the controls; return the table `matches`.

    Raises UserError where the test is unknown or the references are too few for it.
    """
    descriptor = open_descriptor(run.record("index")["options"]["descriptor"])
    test = open_test(options.test, options.threshold, descriptor)
    stage = run.begin(
        "match",
        options={"test": test.name, "threshold": test.threshold},
        inputs={"generations": run.record("generate")["identity"]},
        after=("index", "duplicates"),
        adding=("generate",),
        outputs=("matches",),
    )
    folder = run.folder / "matches"
    if not stage.done:
        against = _Against.read(run)
        test.check(len(against.references))
        _match_all(generation_shards(run), folder, descriptor, test, against, options.workers)
        paths = shard_paths(folder)
        rows = sum(read_table(path, ["seed"]).num_rows for path in paths)
        stage.finish(rows, paths, controls=len(against.controls), control_pictures_dropped=against.dropped)
    return read_matches(run)


def read_matches(run: Run) -> pa.Table:
    """Return the table `matches` of a run."""
    run.record("match")
    table = read_shards(run.folder / "matches")
    return table if table is not None else SCHEMA.empty_table()


class _Against:
    """What generations are compared with: one row a different picture, and the controls that are none of these."""

    def __init__(self, ids: list[str], references: Bytes, control_ids: list[str], controls: Bytes, dropped: int):
        self.ids = pa.array(ids, pa.string())
        self.references = references
        self.control_ids = pa.array(control_ids, pa.string())
        self.controls = controls
        self.dropped = dropped

    @classmethod
    def read(cls, run: Run) -> "_Against":
        references = readable(read_collection(run, "references"))
        centres = pc.is_in(references["id"], value_set=read_pictures(run)["cluster"])
        references = references.filter(centres)
        controls = readable(read_collection(run, "controls"))
        rows, control_rows = descriptors_of(references), descriptors_of(controls)
        # A control that is a near-duplicate of a reference may have been seen after all.
        limit = run.record("duplicates")["options"]["duplicate_distance"]
        unseen = nearest(control_rows, rows).distances[:, 0] > limit
        dropped = int((~unseen).sum())
        if dropped:
            log.warning("match: %d controls are near-duplicates of references and are left out", dropped)
        control_ids = controls.filter(pa.array(unseen))["id"].to_pylist()
        return cls(references["id"].to_pylist(), rows, control_ids, control_rows[unseen], dropped)


def _match_all(
    shards: list[Path], folder: Path, descriptor: Descriptor, test: Test, against: _Against, workers: int
) -> None:
    total = sum(read_table(path, ["seed"]).num_rows for path in shards)
    with thread_pool(workers) as pool, bar("match", total, "image") as progress:
        for path in shards:
            target = folder / path.name
            ids = _made(path)
            if target.exists() and (pq.read_schema(target).metadata or {}).get(b"generations") == ids:
                progress.update(read_table(path, ["seed"]).num_rows)
                continue
            generations = read_table(path).drop_columns(["settings", "prompt"])
            described = in_threads(pool, partial(_describe, descriptor=descriptor), generations["image"].to_pylist())
            good = [position for position, row in enumerate(described) if not isinstance(row, str)]
            for position, row in enumerate(described):
                if isinstance(row, str):
                    log.warning("generation %s: %s", generations["generation_id"][position], row)
            rows = np.array([described[position] for position in good], np.uint8).reshape(-1, descriptor.dimensions)
            found = _compare(generations.take(good), rows, test, against)
            write_table(target, found.replace_schema_metadata({b"generations": ids}))
            progress.update(len(generations))


def _made(path: Path) -> bytes:
    """Which generations a shard holds: a lost shard's number can be taken by others."""
    return digest(read_table(path, ["generation_id"])["generation_id"].to_pylist()).encode()


def _compare(generations: pa.Table, rows: Bytes, test: Test, against: _Against) -> pa.Table:
    scores = test.score(rows, against.references, against.controls)
    columns: dict[str, Any] = {name: generations[name] for name in ("generation_id", "prompt_id", "seed")}
    columns["reference"] = against.ids.take(pa.array(scores.reference))
    columns["distance"] = pa.array(distance_between(rows, against.references[scores.reference]))
    columns["statistic"] = pa.array(scores.reference_statistic)
    columns["verdict"] = _verdict(scores.reference_statistic, test.threshold)
    if len(against.controls):
        columns["control"] = against.control_ids.take(pa.array(scores.control))
        columns["control_statistic"] = pa.array(scores.control_statistic)
        columns["control_verdict"] = _verdict(scores.control_statistic, test.threshold)
    else:
        for name in ("control", "control_statistic", "control_verdict"):
            columns[name] = pa.nulls(len(rows), SCHEMA.field(name).type)
    return pa.table(columns, schema=SCHEMA)


def _verdict(statistic: Any, threshold: float) -> pa.Array:
    return pa.array(np.where(statistic <= threshold, "copy", "no copy"))


def _describe(image: dict[str, Any] | None, descriptor: Descriptor) -> Bytes | str:
    try:
        return descriptor.describe(decode(read_image(image)))
    except UnreadableImage as error:
        return str(error)
