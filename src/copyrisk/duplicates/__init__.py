"""Stage `duplicates`: which references are the same picture, and how often each occurs.

Table `duplicates`, one row a readable reference: `id`, `cluster` (the id of the picture at its centre), `multiplicity`
(how many references the cluster holds, this one included), `distance` to the centre and `caption`. Table `pictures`,
one row a cluster: `cluster`, `multiplicity`, `captions` (the different ones, the most frequent first) and `radius` (the
largest distance in the cluster to its centre). Table `control_pictures`, the same of the controls, without those that
are near-duplicates of a reference: the model may have seen them after all.
"""

from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from copyrisk.chosen import Chosen
from copyrisk.descriptors import trait
from copyrisk.descriptors.photo import Photo
from copyrisk.duplicates.clusters import star_clusters
from copyrisk.duplicates.images import first_of, hashes_of
from copyrisk.files import read_table, write_table
from copyrisk.index import descriptors_of, read_collection, readable
from copyrisk.index.search import Integers, Metric, Rows, nearest, pairs_within
from copyrisk.options import DuplicatesOptions
from copyrisk.run import Run, log

LIMIT = 0.05
"""Distance of the same picture where the descriptor says none."""


def duplicates(run: Run, chosen: Chosen) -> pa.Table:
    """Group the references into pictures, and the controls; return the table `duplicates`."""
    limit = chosen.options.duplicate_distance
    photo = chosen.descriptor if limit is None and isinstance(chosen.descriptor, Photo) else None
    if limit is None:
        limit = trait(chosen.descriptor, "duplicate_distance") or LIMIT
    stage = run.begin(
        "duplicates",
        options={"duplicate_distance": limit if photo is None else None},
        after=("index",),
        outputs=("duplicates.parquet", "pictures.parquet", "control_pictures.parquet"),
    )
    path = run.folder / "duplicates.parquet"
    if not stage.done:
        references, controls = (readable(read_collection(run, name)) for name in ("references", "controls"))
        if photo is not None:
            table, grouped, dropped = in_detail(run, photo, chosen.options.workers, references, controls)
        else:
            table = group(references, limit)
            centres = references.filter(pc.is_in(references["id"], value_set=table["cluster"]))
            kept = unseen(controls, centres, limit, trait(chosen.descriptor, "metric"))
            grouped, dropped = group(kept, limit), len(controls) - len(kept)
        tables = {
            path: table,
            run.folder / "pictures.parquet": pictures(table),
            run.folder / "control_pictures.parquet": pictures(grouped),
        }
        for target, content in tables.items():
            write_table(target, content)
        stage.finish(len(table), tables, control_pictures_dropped=dropped)
    return read_table(path)


def read_pictures(run: Run) -> pa.Table:
    """Return the table `pictures` of a run."""
    run.record("duplicates")
    return read_table(run.folder / "pictures.parquet")


def read_control_pictures(run: Run) -> pa.Table:
    """Return the table `control_pictures` of a run."""
    run.record("duplicates")
    return read_table(run.folder / "control_pictures.parquet")


def unseen(controls: pa.Table, references: pa.Table, limit: float, metric: Metric) -> pa.Table:
    """Return the controls of which no reference is a near-duplicate, at most `limit` away."""
    near = nearest(descriptors_of(controls), descriptors_of(references), metric=metric)
    dropped = near.distances[:, 0] <= limit
    _warn(int(dropped.sum()))
    return controls.filter(pa.array(~dropped))


def in_detail(
    run: Run, photo: Photo, workers: int, references: pa.Table, controls: pa.Table
) -> tuple[pa.Table, pa.Table, int]:
    """Group references and controls as `copyrisk duplicates` does: both tables, and how many controls were left out."""
    from copyrisk.duplicates.detailed import grouped, images_of, seen_in
    from copyrisk.duplicates.rules import rule_for

    rule = rule_for(photo, DuplicatesOptions(workers=workers))
    first, second = (
        images_of(table, photo, run.manifest["collections"].get(name))
        for table, name in ((references, "references"), (controls, "controls"))
    )
    if not len(second):
        return grouped(first, rule), grouped(second, rule), 0
    dropped = seen_in(second, first, rule)
    _warn(int(dropped.sum()))
    kept = controls.filter(pa.array(~dropped))
    third = images_of(kept, photo, run.manifest["collections"].get("controls"))
    return grouped(first, rule), grouped(third, rule), int(dropped.sum())


def _warn(dropped: int) -> None:
    if dropped:
        log.warning("duplicates: %d controls are near-duplicates of references and are left out", dropped)


def group(references: pa.Table, limit: float) -> pa.Table:
    """Cluster the rows of an index table whose descriptors are at most `limit` from their cluster's centre."""
    rows = descriptors_of(references)
    first, inverse = first_of(hashes_of(rows))
    if len(first) < len(rows):
        rows = rows[first]
    # Of pictures with as many near-duplicates, the one whose row comes first in the order of rows is the centre.
    order = _order(rows)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    i, j, distance = pairs_within(rows, limit)
    centre_of, tie = star_clusters(len(rows), np.bincount(inverse)[order], rank[i], rank[j])
    distance_to = np.where(tie < 0, 0.0, np.append(distance, 0.0)[tie])
    # The first reference with the centre's descriptor stands for the cluster.
    centres = first[order][centre_of[rank[inverse]]]
    ids = references["id"].to_numpy()
    sizes = np.bincount(centres, minlength=len(references))
    return pa.table(
        {
            "id": pa.array(ids),
            "cluster": pa.array(ids[centres]),
            "multiplicity": pa.array(sizes[centres]),
            "distance": pa.array(distance_to[rank[inverse]]),
            "caption": references["caption"],
        }
    )


def _order(rows: Rows) -> Integers:
    """Return the order of different rows by their first value, then the second, and so on; nothing is copied."""
    if rows.dtype == np.uint8:
        # Bytes compare as numbers do.
        return np.argsort(rows.view(f"V{rows.shape[1]}").reshape(-1))
    return np.argsort(rows.view([("", rows.dtype)] * rows.shape[1]).reshape(-1))


def pictures(table: pa.Table) -> pa.Table:
    """Summarise the rows of `group` to one a cluster, the most duplicated first, then by id."""
    members: dict[str, list[dict[str, object]]] = {}
    for row in table.to_pylist():
        members.setdefault(row["cluster"], []).append(row)
    rows = [
        {
            "cluster": cluster,
            "multiplicity": len(group),
            "captions": [text for text, _ in Counter(row["caption"] for row in group if row["caption"]).most_common()],
            "radius": max(row["distance"] for row in group),  # type: ignore[type-var]
        }
        for cluster, group in members.items()
    ]
    rows.sort(key=lambda row: (-len(members[str(row["cluster"])]), str(row["cluster"])))
    schema = pa.schema(
        [
            ("cluster", pa.string()),
            ("multiplicity", pa.int64()),
            ("captions", pa.list_(pa.string())),
            ("radius", pa.float64()),
        ]
    )
    return pa.Table.from_pylist(rows, schema=schema)
