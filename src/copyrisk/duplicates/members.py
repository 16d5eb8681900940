"""Clusters of a collection, and how well the members of each belong together."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from copyrisk.duplicates import pictures
from copyrisk.duplicates.clusters import star_clusters
from copyrisk.duplicates.images import Images
from copyrisk.duplicates.pairs import DUPLICATES, Pairs
from copyrisk.duplicates.rules import Rule
from copyrisk.index.search import Integers


def cluster_images(images: Images, near: Pairs) -> pa.Table:
    """Cluster a collection by its pairs of first images of groups; return a row an image.

    Columns: `id`, `cluster` (the id of the image at the centre), `multiplicity` (images in the cluster), `distance`,
    `score` and `changes` (of the pair with the centre; of those equal to it 0, 1 and null), `caption`, and
    `informative` (there is enough in it to tell it from others).
    """
    same = near.duplicates
    weights = np.bincount(images.group, minlength=len(images.first))
    centre, tie = star_clusters(len(weights), weights, images.group[same.i], images.group[same.j])
    centres, tie = images.first[centre[images.group]], tie[images.group]
    columns = {
        "distance": np.where(tie < 0, 0.0, np.append(same.distance, 0.0)[tie]),
        "score": np.where(tie < 0, 1.0, np.append(same.score, 1.0)[tie]),
        "changes": pa.array(np.concatenate([same.changes, np.full(1, None)])[tie], pa.string()),
    }
    return _rows(images, images.column("id", centres), np.bincount(centres)[centres], columns)


def assign_images(images: Images, pairs: pa.Table) -> pa.Table:
    """Give each image of a collection the image of the other one that it is surest to be a duplicate of.

    Columns as in `cluster_images`; `multiplicity` is how many images of this collection have the same partner, and 0
    for those that have none.
    """
    names = ("other_id", "distance", "score", "changes")
    best: dict[str, tuple[object, ...]] = {}
    duplicates = pairs.filter(pc.is_in(pairs["kind"], value_set=pa.array(DUPLICATES)))
    # The surest pair of each image comes first.
    for name, *found in zip(*(duplicates[each].to_pylist() for each in ("id", *names)), strict=True):
        best.setdefault(name, tuple(found))
    none = (None,) * len(names)
    rows = [best.get(name, none) for name in images.table["id"].to_pylist()]
    columns = {
        name: pa.array([row[at] for row in rows], pairs.schema.field(name).type) for at, name in enumerate(names)
    }
    cluster = columns.pop("other_id")
    counts = {row["values"]: row["counts"] for row in pc.value_counts(cluster.drop_null()).to_pylist()}
    multiplicity = np.array([counts.get(name, 0) for name in cluster.to_pylist()], np.int64)
    return _rows(images, cluster, multiplicity, columns)


def _rows(images: Images, cluster: pa.Array, multiplicity: Integers, columns: dict[str, pa.Array]) -> pa.Table:
    return pa.table(
        {
            "id": images.table["id"],
            "cluster": cluster,
            "multiplicity": multiplicity,
            **columns,
            "caption": images.table["caption"],
            "informative": ~images.plain,
        }
    )


def describe_clusters(clustered: pa.Table, least: int) -> pa.Table:
    """Summarise the clusters of at least so many images to one row each, the largest first.

    Columns: `cluster`, `multiplicity`, `captions` (the different ones, the most frequent first) and `radius` (the
    largest distance to the centre).
    """
    return pictures(clustered.filter(pc.greater_equal(clustered["multiplicity"], least)))


def add_cohesion(clusters: pa.Table, clustered: pa.Table, images: Images, rule: Rule) -> pa.Table:
    """Add to the table of clusters how well the members of each belong together.

    `widest` is the largest distance between any two members (null where the rule does not say), `lowest_score` the
    smallest score of any two.
    """
    members: dict[str, list[int]] = {name: [] for name in clusters["cluster"].to_pylist()}
    score, names = clustered["score"].to_numpy(), clustered["cluster"].to_pylist()
    # The least sure come first.
    for number in np.argsort(score, kind="stable").tolist():
        if names[number] in members:
            members[names[number]].append(number)
    # Members with equal descriptors are at distance 0 and have score 1.
    different = [images.first[_once(images.group[np.array(each)])] for each in members.values()]
    found = rule.cohesion(images, different)
    to_centre = [score[each].min() for each in different]
    lowest = [min(pair) for pair in zip(to_centre, (each for _, each in found), strict=True)]
    columns = {"widest": [widest for widest, _ in found], "lowest_score": lowest}
    for name, column in columns.items():
        clusters = clusters.append_column(name, pa.array(column, pa.float64()))
    return clusters


def _once(values: Integers) -> Integers:
    """Return different values in the order in which they first appear."""
    return values[np.sort(np.unique(values, return_index=True)[1])]
