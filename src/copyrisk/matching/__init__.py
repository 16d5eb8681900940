"""Stage `match`: which reference is each generation nearest to, and is it a copy?

Table `matches`, one row a generation that could be read: `generation_id`, `prompt_id`, `seed`; `reference` (the cluster
of the nearest), `distance` (root mean square, 0 to 1), `statistic` (of the test; at most its threshold for a copy),
`verdict` (`copy`, `partial copy` or `no copy`); of the test `verdict` also its evidence, null for others: `share` (of
the picture that is copied, if it is), `informative_share` (of what there is to see in it), `changes` (in words), `mask`
(a PNG), `box` (left, top, right and bottom in the reference, 0 to 1). The same for the nearest control: `control`,
`control_statistic`, `control_verdict` (`copy` or `no copy`; null without controls).
"""

from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from PIL import Image

from copyrisk.chosen import Chosen
from copyrisk.collections.decode import decode
from copyrisk.descriptors import Descriptor, trait
from copyrisk.errors import UnreadableImage, UserError
from copyrisk.files import read_shards, read_table, shard_paths, write_table
from copyrisk.generators import generation_shards, read_image
from copyrisk.index.rows import Batch, batch_rows
from copyrisk.index.search import Floats, distance_between
from copyrisk.matching.against import Against
from copyrisk.matching.calibration import Calibration, calibrate
from copyrisk.matching.tests import Scores, Test
from copyrisk.matching.verdict_test import Side, VerdictTest, evidence_columns
from copyrisk.parallel import batched, in_threads
from copyrisk.progress import bar
from copyrisk.run import Run, digest, log
from copyrisk.verdicts.verdict import WHOLE

SCHEMA = pa.schema(
    [
        ("generation_id", pa.string()),
        ("prompt_id", pa.string()),
        ("seed", pa.int64()),
        ("reference", pa.string()),
        ("distance", pa.float64()),
        ("statistic", pa.float64()),
        ("verdict", pa.string()),
        ("share", pa.float64()),
        ("informative_share", pa.float64()),
        ("changes", pa.string()),
        ("mask", pa.binary()),
        ("box", pa.list_(pa.float64())),
        ("control", pa.string()),
        ("control_statistic", pa.float64()),
        ("control_verdict", pa.string()),
    ]
)


RATE = 0.001
"""False-positive rate a generation at which the threshold of `verdict` is read off controls, where nothing is said."""
LAXEST = 1 / 5
"""The laxest threshold that controls are believed; less evidence is what innocent pairs have."""

COPIES = ("copy", "partial copy")
"""Verdicts that count as copies in every rate."""
EVIDENCE = ("share", "informative_share", "changes", "mask", "box")


def match(run: Run, chosen: Chosen) -> pa.Table:
    """Compare every generation with the references and the controls; return the table `matches`.

    Raises UserError where the references are too few for the test. With `false_positive_rate`, the verdicts are given
    when all statistics are known.
    """
    options, descriptor, test = chosen.options, chosen.descriptor, chosen.test
    fixed = options.false_positive_rate is None and not _by_controls(run, chosen)
    stage = run.begin(
        "match",
        options={
            "test": test.name,
            "threshold": test.threshold if fixed else None,
            "false_positive_rate": options.false_positive_rate,
        },
        inputs={"generations": run.record("generate")["identity"]},
        after=("index", "duplicates"),
        adding=("generate",),
        outputs=("matches",),
    )
    folder = run.folder / "matches"
    if not stage.done:
        against = Against.read(run, trait(descriptor, "metric"))
        test.check(len(against.ids))
        _match_all(generation_shards(run), folder, descriptor, test, against, options.workers)
        calibration = None if fixed else _calibration(run, test, against, options.false_positive_rate)
        threshold = test.threshold if calibration is None else calibration.threshold
        paths = shard_paths(folder)
        for path in paths:
            _judge(path, threshold)
        rows = sum(read_table(path, ["seed"]).num_rows for path in paths)
        stage.finish(
            rows,
            paths,
            controls=len(against.control_ids),
            control_pictures_dropped=against.dropped,
            threshold=threshold,
            statistic=test.statistic,
            source=test.source,
            calibration=None if calibration is None else asdict(calibration),
        )
    return read_matches(run)


def read_matches(run: Run) -> pa.Table:
    """Return the table `matches` of a run."""
    run.record("match")
    table = read_shards(run.folder / "matches")
    return table if table is not None else SCHEMA.empty_table()


def _match_all(
    shards: list[Path], folder: Path, descriptor: Descriptor, test: Test, against: Against, workers: int
) -> None:
    total = sum(read_table(path, ["seed"]).num_rows for path in shards)
    with bar("match", total, "image") as progress:
        for path in shards:
            target = folder / path.name
            ids = _made(path)
            if target.exists() and (pq.read_schema(target).metadata or {}).get(b"generations") == ids:
                progress.update(read_table(path, ["seed"]).num_rows)
                continue
            generations = read_table(path).drop_columns(["settings", "prompt"])
            batches = batched(generations["image"].to_pylist(), batch_rows(descriptor))
            made = in_threads(workers, partial(_describe, descriptor=descriptor), batches)
            described = list(chain.from_iterable(made))
            good = [position for position, row in enumerate(described) if "error" not in row]
            for position, row in enumerate(described):
                # Why there is no image at all was said when it was not made.
                if "error" in row and generations["image"][position].is_valid:
                    log.warning("generation %s: %s", generations["generation_id"][position], row["error"])
            rows = np.array([described[position]["descriptor"] for position in good], against.references.rows.dtype)
            proportions = [described[position]["width"] / described[position]["height"] for position in good]
            there = generations.take(pa.array(good, pa.int64()))
            images = Side(rows.reshape(-1, descriptor.dimensions), np.array(proportions), partial(_decoded, there))
            found = _compare(there, images, test, against, workers)
            facts = {b"generations": ids, b"threshold": repr(test.threshold).encode()}
            write_table(target, found.replace_schema_metadata(facts))
            progress.update(len(generations))


def _by_controls(run: Run, chosen: Chosen) -> bool:
    """Say whether the threshold is read off controls though nobody asked for it."""
    given = chosen.options.threshold is not None or chosen.options.adaptive
    return isinstance(chosen.test, VerdictTest) and not given and "controls" in run.manifest["collections"]


def _calibration(run: Run, test: Test, against: Against, asked: float | None) -> Calibration | None:
    """Find the threshold for the rate that is asked for; or the one that controls say by themselves, if they do."""
    if asked is None:
        found = _calibrate(run, test, against, RATE) if len(against.control_ids) else None
        return None if found is None else _bounded(found)
    found = _calibrate(run, test, against, asked)
    if found is None:
        raise UserError("--false-positive-rate: there is nothing to read the threshold off. Give --controls.")
    if not found.reached:
        log.warning(
            "match: %d %s allow no false-positive rate below %.2g, and --false-positive-rate is %g. The threshold lies "
            "just below the smallest statistic among them; more controls or generations would settle it",
            found.statistics,
            "statistics of controls" if found.source == "controls" else "references",
            found.smallest,
            asked,
        )
    return found


def _bounded(found: Calibration) -> Calibration | None:
    """Return the threshold that controls say, no laxer than is known to be wrong; None where they are too few to say.

    Too few: a single accident among them would say what it takes to be surer than that.
    """
    if not found.reached:
        return None
    low, threshold, high = (min(each, LAXEST) for each in (found.low, found.threshold, found.high))
    return replace(found, low=low, threshold=threshold, high=high)


def _calibrate(run: Run, test: Test, against: Against, rate: float) -> Calibration | None:
    """Find the threshold that accidents pass at a rate: on controls, or where there are none on the references.

    None where no generation was compared.
    """
    if len(against.control_ids):
        matches = read_shards(run.folder / "matches")
        frame = (SCHEMA.empty_table() if matches is None else matches).to_pandas()
        plan = read_table(run.folder / "plan.parquet", ["prompt_id", "role", "weight", "seeds"]).to_pandas()
        # The run may hold more images, from an earlier plan.
        plan = plan.explode("seeds").rename(columns={"seeds": "seed"}).astype({"seed": "int64"})
        frame = frame.merge(plan, on=["prompt_id", "seed"])
        # Generations from the controls' own captions are the sharpest case, as for the rate of controls.
        shares: Any = 1.0
        if (frame["role"] == "control").any():
            frame = frame[frame["role"] == "control"]
            shares = frame["weight"]
        alone = frame["role"].eq("unconditional").all()
        statistics, units = frame["control_statistic"], frame["generation_id" if alone else "prompt_id"]
        scale, source = max(1.0, len(against.ids) / len(against.control_ids)), "controls"
    else:
        statistics = pd.Series(_among_references(test, against.references))
        units, scale, source, shares = pd.Series(range(len(statistics))), 2.0, "references", 1.0
    return None if len(statistics) == 0 else calibrate(statistics, units, rate, scale, source, shares=shares)


def _among_references(test: Test, references: Side) -> Floats:
    """Return the statistics of each reference, taken for a generation, against the half it does not belong to."""
    halves = [references.take(np.arange(start, len(references.rows), 2)) for start in (0, 1)]
    if min(len(half.rows) for half in halves) < 2:
        raise UserError("--false-positive-rate needs --controls, or at least four different references.")
    found = []
    for one, other in (halves, halves[::-1]):
        if isinstance(test, VerdictTest):
            found.append(test.nearest(one, other).statistic)
        else:
            found.append(test.score(one.rows, other.rows, other.rows[:0]).reference_statistic)
    return np.concatenate(found)


def _judge(path: Path, threshold: float) -> None:
    """Write the verdicts of a shard anew where they were given at another threshold."""
    metadata = dict(pq.read_schema(path).metadata or {})
    if metadata.get(b"threshold") == repr(threshold).encode():
        return
    table = read_table(path)
    for prefix in ("", "control_"):
        judged = _verdicts(table[f"{prefix}statistic"], table["informative_share"] if not prefix else None, threshold)
        name = f"{prefix}verdict"
        table = table.set_column(table.schema.get_field_index(name), SCHEMA.field(name), judged)
    write_table(path, table.replace_schema_metadata(metadata | {b"threshold": repr(threshold).encode()}))


def _made(path: Path) -> bytes:
    """Which generations a shard holds: a lost shard's number can be taken by others."""
    return digest(read_table(path, ["generation_id"])["generation_id"].to_pylist()).encode()


def _compare(generations: pa.Table, images: Side, test: Test, against: Against, workers: int) -> pa.Table:
    columns: dict[str, Any] = {name: generations[name] for name in ("generation_id", "prompt_id", "seed")}
    if isinstance(test, VerdictTest):
        found, control = (test.nearest(images, side, workers) for side in (against.references, against.controls))
        scores = Scores(found.index, found.statistic, control.index, control.statistic)
        columns |= evidence_columns(found.evidence)
    else:
        scores = test.score(images.rows, against.references.rows, against.controls.rows)
        columns |= {name: pa.nulls(len(images.rows), SCHEMA.field(name).type) for name in EVIDENCE}
    columns["reference"] = against.ids.take(pa.array(scores.reference))
    near = against.references.rows[scores.reference]
    columns["distance"] = pa.array(distance_between(images.rows, near, against.metric))
    columns["statistic"] = pa.array(scores.reference_statistic)
    shares = pa.array(columns["informative_share"], pa.float64())
    columns["verdict"] = _verdicts(columns["statistic"], shares, test.threshold)
    if len(against.control_ids):
        columns["control"] = against.control_ids.take(pa.array(scores.control))
        columns["control_statistic"] = pa.array(scores.control_statistic)
        columns["control_verdict"] = _verdicts(columns["control_statistic"], None, test.threshold)
    else:
        for name in ("control", "control_statistic", "control_verdict"):
            columns[name] = pa.nulls(len(images.rows), SCHEMA.field(name).type)
    return pa.table(columns, schema=SCHEMA)


def _verdicts(statistic: pa.Array, shares: pa.Array | None, threshold: float) -> pa.Array:
    """Return `copy` up to the threshold, `partial copy` where a share is known and too small, else `no copy`."""
    copied = pc.less_equal(statistic, threshold)
    whole = (
        "copy" if shares is None else pc.if_else(pc.fill_null(pc.less(shares, WHOLE), False), "partial copy", "copy")
    )
    return pc.if_else(copied, whole, "no copy")


def _decoded(generations: pa.Table, numbers: Sequence[int]) -> dict[int, Image.Image]:
    """Load generated images, which could all be read before."""
    column = generations["image"]
    return {number: decode(read_image(column[number].as_py())) for number in numbers}


def _describe(images: list[dict[str, Any] | None], descriptor: Descriptor) -> list[dict[str, Any]]:
    """Return `descriptor`, `width` and `height` of each image, or in `error` why it cannot be read."""
    rows: list[dict[str, Any]] = [{} for _ in images]
    batch = Batch(descriptor)
    for image, row in zip(images, rows, strict=True):
        try:
            batch.add(row, read_image(image))
        except UnreadableImage as error:
            row["error"] = str(error)
    batch.finish()
    return rows
