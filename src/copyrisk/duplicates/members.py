"""Clusters of a collection, and how well the members of each belong together."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from copyrisk.duplicates import pictures
from copyrisk.duplicates.clusters import star_clusters
from copyrisk.duplicates.images import Images
from copyrisk.duplicates.pairs import DUPLICATES, NEAR, Near, Rule
from copyrisk.index.measure import Floats, Integers, Measure, blocks

BLOCK_ROWS = 1024


def cluster_images(images: Images, near: Near) -> pa.Table:
    """Cluster a collection; return a row an image.

    Columns: `id`, `cluster` (the id of the image at the centre), `multiplicity` (images in the cluster), `distance` (to
    the centre), `caption`, and `even` (there is too little in it to know it again).
    """
    weights = np.bincount(images.group, minlength=len(images.first))
    same = near.same
    centre, distance = star_clusters(len(weights), weights, near.i[same], near.j[same], near.distance[same])
    centres = images.first[centre[images.group]]
    return _rows(images, images.column("id", centres), np.bincount(centres)[centres], distance[images.group])


def assign_images(images: Images, pairs: pa.Table) -> pa.Table:
    """Give each image of a collection the image of the other one that it is surest to be a duplicate of.

    Columns as in `cluster_images`; `multiplicity` is how many images of this collection have the same partner, and 0
    for those that have none.
    """
    best: dict[str, tuple[str, float]] = {}
    duplicates = pairs.filter(pc.is_in(pairs["kind"], value_set=pa.array(DUPLICATES)))
    # The surest pair of each image comes first.
    columns = (duplicates[name].to_pylist() for name in ("id", "other_id", "distance"))
    for name, other, distance in zip(*columns, strict=True):
        best.setdefault(name, (other, distance))
    found = [best.get(name, (None, None)) for name in images.table["id"].to_pylist()]
    counts: dict[str | None, int] = {}
    for other, _ in found:
        counts[other] = counts.get(other, 0) + (other is not None)
    cluster = pa.array([other for other, _ in found], pa.string())
    multiplicity = np.array([counts[other] for other, _ in found], np.int64)
    return _rows(images, cluster, multiplicity, pa.array([distance for _, distance in found], pa.float64()))


def _rows(images: Images, cluster: pa.Array, multiplicity: Integers, distance: Floats | pa.Array) -> pa.Table:
    return pa.table(
        {
            "id": images.table["id"],
            "cluster": cluster,
            "multiplicity": multiplicity,
            "distance": distance,
            "caption": images.table["caption"],
            "even": images.even,
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

    `widest` is the largest distance between any two members, `lowest_score` the smallest score of any two.
    """
    members: dict[str, list[int]] = {}
    for number, name in enumerate(clustered["cluster"].to_pylist()):
        members.setdefault(name, []).append(number)
    found = [_cohesion(np.array(members[name]), images, rule) for name in clusters["cluster"].to_pylist()]
    widest, lowest = zip(*found, strict=True) if found else ((), ())
    columns = {"widest": pa.array(widest, pa.float64()), "lowest_score": pa.array(lowest, pa.float64())}
    for name, column in columns.items():
        clusters = clusters.append_column(name, column)
    return clusters


def _cohesion(members: Integers, images: Images, rule: Rule) -> tuple[float, float]:
    # Members with equal descriptors are at distance 0 and have score 1.
    members = np.unique(images.first[images.group[members]])
    widest, lowest = 0.0, 1.0
    for i, j, distance in _all_pairs(members, images):
        likeness = rule.likenesses(distance, images, i, images, j)
        score = rule.scores(distance, likeness, np.full(len(distance), NEAR))
        widest, lowest = max(widest, float(distance.max())), min(lowest, float(score.min()))
    return widest, lowest


def _all_pairs(members: Integers, images: Images) -> Iterator[tuple[Integers, Integers, Floats]]:
    """Yield all pairs of different members with their distances, block by block."""
    measure = Measure.of(images.rows, metric=images.metric)
    for here in blocks(len(members), 0, BLOCK_ROWS):
        first = measure.values(images.rows[members[here]])
        for there in blocks(len(members), 0, BLOCK_ROWS):
            i, j = np.nonzero(np.arange(here.start, here.stop)[:, None] < np.arange(there.start, there.stop))
            if len(i):
                second = measure.values(images.rows[members[there]])
                # In float64 sums of squares of whole numbers are exact.
                squares = (first**2).sum(axis=1)[:, None] + (second**2).sum(axis=1) - 2 * (first @ second.T)
                distance = measure.distances(np.maximum(squares[i, j], 0))
                yield members[here][i], members[there][j], distance
