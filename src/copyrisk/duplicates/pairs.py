"""Pairs of images that may be the same picture, and how sure that is.

Whether they are, a rule says: `by_distance`, `by_verification`. A table of pairs has

- `id`, `other_id`
- `distance`: of their descriptors, in the columns that are searched
- `score`: at least 0.5 for duplicates and for no others, 1 for equal pictures
- `likeness`: where distances are of pixels (`by_distance`), else null
- `kind`: a place in `KINDS`, the first three of which are duplicates
- `changes`: what was done to one of two near-duplicates, as `mirrored+cropped`, where a descriptor can tell, else null

The kinds:

- `exact`: the files are equal, byte for byte
- `same pixels`: the descriptors are equal
- `near-duplicate`: the same picture
- `too little in it`: they are near each other, as all pictures are that have as little in them
- `nearest`: another picture; only where the nearest were asked for
"""

from dataclasses import dataclass, fields

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from copyrisk.duplicates.images import Images
from copyrisk.index.search import Floats, Index, Integers
from copyrisk.progress import bar

EXACT, SAME_PIXELS, NEAR, EMPTY, NEAREST = range(5)
KINDS = ("exact", "same pixels", "near-duplicate", "too little in it", "nearest")
DUPLICATES = KINDS[:3]

SAME = 0.5
"""The score from which two images are the same picture."""

QUERY_ROWS = 4096
"""Images whose nearest are searched for at once."""


@dataclass(frozen=True)
class Pairs:
    """Pairs of an image `i` of one side and `j` of the other: a value each; `kind` is a place in `KINDS`."""

    i: Integers
    j: Integers
    distance: Floats
    score: Floats
    likeness: Floats
    kind: Integers
    changes: NDArray[np.object_]

    def take(self, at: NDArray[np.generic]) -> "Pairs":
        """Return some of the pairs: by their places, or where `at` is true."""
        return Pairs(*(getattr(self, each.name)[at] for each in fields(self)))

    def to(self, i: Integers, j: Integers) -> "Pairs":
        """Return the same findings for other images."""
        return Pairs(i, j, self.distance, self.score, self.likeness, self.kind, self.changes)

    @property
    def duplicates(self) -> "Pairs":
        """Those that are the same picture."""
        return self.take(self.kind <= NEAR)


def equal(a: Images, i: Integers, b: Images, j: Integers) -> Pairs:
    """Return what is found of pairs whose files or descriptors are known to be equal."""
    ones = np.ones(len(i))
    kind = np.where(a.hashes[i] == b.hashes[j], EXACT, SAME_PIXELS)
    return Pairs(i, j, 0 * ones, ones, ones if a.pixels else np.nan * ones, kind, np.full(len(i), None))


def pairs_in(images: Images, near: Pairs) -> pa.Table:
    """Make the table of pairs within a collection, the surest first.

    near: pairs of the first images of groups. Each further image of a group is in one pair: with the first that has the
    same file, or the first of its group. All others follow from these, and a picture that occurs 10,000 times does not
    make 50 million rows.
    """
    everything = np.arange(len(images))
    of_file: dict[bytes, int] = {}
    file = np.array([of_file.setdefault(digest, n) for n, digest in enumerate(images.hashes.tolist())], np.int64)
    partner = np.where(file < everything, file, images.first[images.group])
    copies = np.flatnonzero(partner < everything)
    return _table(_joined(near, equal(images, partner[copies], images, copies)), images, images)


def pairs_across(a: Images, b: Images, near: Pairs) -> pa.Table:
    """Make the table of pairs of an image of `a` and a picture of `b`, the surest first.

    near: pairs of the first images of groups. Of the images of `b` with equal descriptors one is named: one with the
    same file, else the first.
    """
    place, i = a.members_of(a.group[near.i])
    near = near.take(place).to(i, near.j[place])
    twin = twins(a, b)
    # A pair of equal files is named as such, once, also of plain pictures.
    other = twin[near.i]
    near = near.take((other < 0) | (b.group[other] != b.group[near.j]))
    files = np.flatnonzero(twin >= 0)
    return _table(_joined(near, equal(a, files, b, twin[files])), a, b)


def nearest_pairs(a: Images, b: Images, k: int) -> tuple[Integers, Integers, Floats]:
    """Find the `k` images of `b` that are nearest to each of `a`, itself left out: i, j, distance, image by image."""
    # A collection with itself: each image is among its own nearest, or `k` others are equal to it.
    most = min(k + (a is b), len(b))
    rows, distances = np.empty((len(a), most), np.int64), np.empty((len(a), most))
    index = Index(b.compared, metric=b.metric)
    with bar("nearest", len(a), "image") as progress:
        for start in range(0, len(a), QUERY_ROWS):
            block = slice(start, start + QUERY_ROWS)
            found = index.nearest(a.compared[block], most)
            rows[block], distances[block] = found.rows, found.distances
            progress.update(len(found.rows))
    others = np.ones(rows.shape, bool)
    if a is b:
        others = rows != np.arange(len(a))[:, None]
        others[others.all(axis=1), -1] = False
    return np.repeat(np.arange(len(a)), others.sum(axis=1)), rows[others], distances[others]


def nearest_table(a: Images, b: Images, nearest: Pairs) -> pa.Table:
    """Make the table of the nearest images of each, in their order."""
    return _table(nearest, a, b, sort=False)


def _joined(*parts: Pairs) -> Pairs:
    return Pairs(*(np.concatenate([getattr(part, each.name) for part in parts]) for each in fields(Pairs)))


def _table(pairs: Pairs, a: Images, b: Images, sort: bool = True) -> pa.Table:
    if sort:
        pairs = pairs.take(np.lexsort((pairs.j, pairs.i, pairs.distance, -pairs.score)))
    return pa.table(
        {
            "id": a.column("id", pairs.i),
            "other_id": b.column("id", pairs.j),
            "distance": pairs.distance,
            "score": pairs.score,
            "likeness": pa.array(pairs.likeness, from_pandas=True),
            "kind": pa.DictionaryArray.from_arrays(pa.array(pairs.kind, pa.int32()), KINDS).cast(pa.string()),
            "changes": pa.array(pairs.changes, pa.string()),
        }
    )


def twins(a: Images, b: Images) -> Integers:
    """Return for each image of `a` the first of `b` with the same file, -1 where there is none."""
    place = {digest: number for number, digest in reversed(list(enumerate(b.hashes.tolist())))}
    return np.array([place.get(digest, -1) for digest in a.hashes.tolist()], np.int64)
