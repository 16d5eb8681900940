"""Stage `duplicates`: which references are the same picture, and how often each occurs.

Table `duplicates`, one row a readable reference: `id`, `cluster` (the id of the picture at its centre), `multiplicity`
(how many references the cluster holds, this one included), `distance` to the centre and `caption`. Table `pictures`,
one row a cluster: `cluster`, `multiplicity`, `captions` (the different ones, the most frequent first) and `radius` (the
largest distance in the cluster to its centre).
"""

from collections import Counter

import numpy as np
import pyarrow as pa

from copyrisk.duplicates.clusters import star_clusters
from copyrisk.duplicates.images import first_of, hashes_of
from copyrisk.files import read_table, write_table
from copyrisk.index import descriptors_of, read_collection, readable
from copyrisk.index.search import Integers, Rows, pairs_within
from copyrisk.options import Options
from copyrisk.run import Run


def duplicates(run: Run, options: Options) -> pa.Table:
    """Group the references into pictures; return the table `duplicates`."""
    stage = run.begin(
        "duplicates",
        options={"duplicate_distance": options.duplicate_distance},
        after=("index",),
        outputs=("duplicates.parquet", "pictures.parquet"),
    )
    path = run.folder / "duplicates.parquet"
    if not stage.done:
        table = group(readable(read_collection(run, "references")), options.duplicate_distance)
        write_table(path, table)
        write_table(run.folder / "pictures.parquet", pictures(table))
        stage.finish(len(table), [path, run.folder / "pictures.parquet"])
    return read_table(path)


def read_pictures(run: Run) -> pa.Table:
    """Return the table `pictures` of a run."""
    run.record("duplicates")
    return read_table(run.folder / "pictures.parquet")


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
