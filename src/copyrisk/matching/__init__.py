"""Stage `match`: which reference is each generation nearest to, and is it a copy?

Table `matches`, one row a generation that could be read: `generation_id`, `prompt_id`, `seed`; `reference` (the cluster
of the nearest), `distance` (root mean square, 0 to 1), `statistic` (of the test; at most its threshold for a copy),
`verdict` (`copy` or `no copy`); the same for the nearest control: `control`, `control_statistic`, `control_verdict`
(null without controls).
"""

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from copyrisk.collections.decode import decode
from copyrisk.descriptors import Bytes, Descriptor, open_descriptor
from copyrisk.duplicates import read_pictures
from copyrisk.errors import UnreadableImage, UserError
from copyrisk.files import read_shards, read_table, shard_paths, write_table
from copyrisk.generators import generation_shards, read_image
from copyrisk.index import descriptors_of, read_collection, readable
from copyrisk.index.search import Floats, Metric, distance_between, nearest
from copyrisk.matching.calibration import Calibration, calibrate
from copyrisk.matching.tests import Test, metric_of, open_test
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

    Raises UserError where the test is unknown or the references are too few for it. With `false_positive_rate`, the
    verdicts are given when all statistics are known.
    """
    descriptor = open_descriptor(run.record("index")["options"]["descriptor"])
    test = open_test(options.test, options.threshold, descriptor)
    rate = options.false_positive_rate
    stage = run.begin(
        "match",
        options={
            "test": test.name,
            "threshold": test.threshold if rate is None else None,
            "false_positive_rate": rate,
        },
        inputs={"generations": run.record("generate")["identity"]},
        after=("index", "duplicates"),
        adding=("generate",),
        outputs=("matches",),
    )
    folder = run.folder / "matches"
    if not stage.done:
        against = _Against.read(run, metric_of(descriptor))
        test.check(len(against.references))
        _match_all(generation_shards(run), folder, descriptor, test, against, options.workers)
        calibration = None if rate is None else _calibrate(run, test, against, rate)
        threshold = test.threshold if calibration is None else calibration.threshold
        paths = shard_paths(folder)
        for path in paths:
            _judge(path, threshold)
        rows = sum(read_table(path, ["seed"]).num_rows for path in paths)
        stage.finish(
            rows,
            paths,
            controls=len(against.controls),
            control_pictures_dropped=against.dropped,
            threshold=threshold,
            calibration=None if calibration is None else asdict(calibration),
        )
    return read_matches(run)


def read_matches(run: Run) -> pa.Table:
    """Return the table `matches` of a run."""
    run.record("match")
    table = read_shards(run.folder / "matches")
    return table if table is not None else SCHEMA.empty_table()


class _Against:
    """What generations are compared with: one row a different picture, and the controls that are none of these."""

    def __init__(
        self,
        ids: list[str],
        references: Bytes,
        control_ids: list[str],
        controls: Bytes,
        dropped: int,
        metric: Metric,
    ):
        self.ids = pa.array(ids, pa.string())
        self.references = references
        self.control_ids = pa.array(control_ids, pa.string())
        self.controls = controls
        self.dropped = dropped
        self.metric = metric

    @classmethod
    def read(cls, run: Run, metric: Metric) -> "_Against":
        references = readable(read_collection(run, "references"))
        centres = pc.is_in(references["id"], value_set=read_pictures(run)["cluster"])
        references = references.filter(centres)
        controls = readable(read_collection(run, "controls"))
        rows, control_rows = descriptors_of(references), descriptors_of(controls)
        # A control that is a near-duplicate of a reference may have been seen after all.
        limit = run.record("duplicates")["options"]["duplicate_distance"]
        unseen = nearest(control_rows, rows, metric=metric).distances[:, 0] > limit
        dropped = int((~unseen).sum())
        if dropped:
            log.warning("match: %d controls are near-duplicates of references and are left out", dropped)
        control_ids = controls.filter(pa.array(unseen))["id"].to_pylist()
        return cls(references["id"].to_pylist(), rows, control_ids, control_rows[unseen], dropped, metric)


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
            rows = np.array([described[position] for position in good], against.references.dtype)
            rows = rows.reshape(-1, descriptor.dimensions)
            found = _compare(generations.take(good), rows, test, against)
            made = {b"generations": ids, b"threshold": repr(test.threshold).encode()}
            write_table(target, found.replace_schema_metadata(made))
            progress.update(len(generations))


def _calibrate(run: Run, test: Test, against: _Against, rate: float) -> Calibration:
    """Find the threshold that accidents pass at a rate: on controls, or where there are none on the references."""
    if len(against.controls):
        matches = read_shards(run.folder / "matches")
        frame = (SCHEMA.empty_table() if matches is None else matches).to_pandas()
        plan = read_table(run.folder / "plan.parquet", ["prompt_id", "role"]).to_pandas()
        frame = frame.merge(plan, on="prompt_id")
        # Generations from the controls' own captions are the sharpest case, as for the rate of controls.
        if (frame["role"] == "control").any():
            frame = frame[frame["role"] == "control"]
        alone = frame["role"].eq("unconditional").all()
        statistics, units = frame["control_statistic"], frame["generation_id" if alone else "prompt_id"]
        scale, source = max(1.0, len(against.references) / len(against.controls)), "controls"
    else:
        statistics = pd.Series(_among_references(test, against.references))
        units, scale, source = pd.Series(range(len(statistics))), 2.0, "references"
    if len(statistics) == 0:
        raise UserError("--false-positive-rate: there is nothing to read the threshold off. Give --controls.")
    found = calibrate(statistics, units, rate, scale, source)
    if not found.reached:
        log.warning(
            "match: %d %s allow no false-positive rate below %.2g, and --false-positive-rate is %g. The threshold lies "
            "just below the smallest statistic among them; more controls or generations would settle it",
            found.statistics,
            "statistics of controls" if source == "controls" else "references",
            found.smallest,
            rate,
        )
    return found


def _among_references(test: Test, references: Bytes) -> Floats:
    """Return the statistics of each reference, taken for a generation, against the half it does not belong to."""
    none = references[:0]
    halves = references[::2], references[1::2]
    if min(map(len, halves)) < 2:
        raise UserError("--false-positive-rate needs --controls, or at least four different references.")
    found = [test.score(one, other, none).reference_statistic for one, other in (halves, halves[::-1])]
    return np.concatenate(found)


def _judge(path: Path, threshold: float) -> None:
    """Write the verdicts of a shard anew where they were given at another threshold."""
    table = read_table(path)
    metadata = dict(table.schema.metadata or {})
    if metadata.get(b"threshold") == repr(threshold).encode():
        return
    for name, statistic in (("verdict", "statistic"), ("control_verdict", "control_statistic")):
        values = table[statistic]
        judged = pc.if_else(pc.less_equal(values, threshold), "copy", "no copy")
        table = table.set_column(table.schema.get_field_index(name), SCHEMA.field(name), judged)
    write_table(path, table.replace_schema_metadata(metadata | {b"threshold": repr(threshold).encode()}))


def _made(path: Path) -> bytes:
    """Which generations a shard holds: a lost shard's number can be taken by others."""
    return digest(read_table(path, ["generation_id"])["generation_id"].to_pylist()).encode()


def _compare(generations: pa.Table, rows: Bytes, test: Test, against: _Against) -> pa.Table:
    scores = test.score(rows, against.references, against.controls)
    columns: dict[str, Any] = {name: generations[name] for name in ("generation_id", "prompt_id", "seed")}
    columns["reference"] = against.ids.take(pa.array(scores.reference))
    columns["distance"] = pa.array(distance_between(rows, against.references[scores.reference], against.metric))
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
