"""Pairs of images that may be the same picture, and how sure that is.

Two pictures are near-duplicates when their distance is at most the duplicate distance and small beside what is in them.
The second is the **likeness**, 1 − d² / (a² + b²) with their distance d and their contrasts a and b
(`index.rows.contrast_of`): 1 for equal pictures, about 0 for two that share nothing but their mean colour, however near
that brings them. Two planes in a plain sky are near, and not alike. It is defined for descriptors whose distance is
that of pixels; of others only pictures with next to nothing in them are taken out.

A table of pairs has `id`, `other_id`, `distance`, `score`, `likeness` and `kind`:

- `exact`: the files are equal, byte for byte
- `same pixels`: the descriptors are equal
- `near-duplicate`: within the distance and alike
- `too little in it`: within the distance, not alike
- `nearest`: beyond the distance; only where the nearest were asked for

The first three are duplicates. `score` is 1 for equal pictures, 0.5 at the duplicate distance or the least likeness,
whichever is reached first, and falls towards 0: at least 0.5 for duplicates and no others.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from copyrisk.duplicates.images import Images, first_of
from copyrisk.duplicates.neighbours import nearest_rows
from copyrisk.index.search import Floats, Integers, pairs_between, pairs_within

EXACT, SAME_PIXELS, NEAR, EMPTY, NEAREST = range(5)
KINDS = ("exact", "same pixels", "near-duplicate", "too little in it", "nearest")
DUPLICATES = KINDS[:3]


@dataclass(frozen=True)
class Rule:
    """What counts as the same picture: at most this `distance`, at least this `likeness` (0 to below 1)."""

    distance: float
    likeness: float

    def likenesses(self, distance: Floats, a: Images, i: Integers, b: Images, j: Integers) -> Floats:
        """Return the likeness of pairs of an image i of `a` and j of `b`; nan where the distance is not of pixels."""
        if not (a.pixels and b.pixels):
            return np.full(len(distance), np.nan)
        squares = a.contrast[i] ** 2 + b.contrast[j] ** 2
        with np.errstate(divide="ignore", invalid="ignore"):
            likeness = 1 - distance**2 / squares
        return np.where(a.even[i] | b.even[j], 0.0, likeness)

    def kinds(self, distance: Floats, likeness: Floats, exact: NDArray[np.bool_], even: NDArray[np.bool_]) -> Integers:
        """Return the kind of each pair, as a place in `KINDS`; `even`: one of the two has too little in it."""
        kind = np.where(distance == 0, SAME_PIXELS, NEAR)
        kind[even | (likeness < self.likeness)] = EMPTY
        kind[distance > self.distance] = NEAREST
        kind[exact] = EXACT
        return kind

    def scores(self, distance: Floats, likeness: Floats, kind: Integers) -> Floats:
        """Return the score of each pair."""
        with np.errstate(divide="ignore", invalid="ignore"):
            far = np.where(distance == 0, 0.0, distance / self.distance)
        unlike = np.nan_to_num((1 - likeness) / (1 - self.likeness), nan=0.0)
        score: Floats = np.exp2(-np.maximum(far, unlike))
        # Of other descriptors nothing says how little an even picture is worth.
        score[np.isnan(likeness) & (kind == EMPTY)] = 0
        score[kind == EXACT] = 1
        return score

    def table(
        self, distance: Floats, a: Images, i: Integers, b: Images, j: Integers, by_image: bool = False
    ) -> pa.Table:
        """Make the table of pairs of images i of `a` and j of `b`: the surest first, or image by image."""
        exact = a.hashes[i] == b.hashes[j]
        likeness = self.likenesses(distance, a, i, b, j)
        likeness[exact] = np.where(np.isnan(likeness[exact]), np.nan, 1.0)
        kind = self.kinds(distance, likeness, exact, a.even[i] | b.even[j])
        score = self.scores(distance, likeness, kind)
        order = np.lexsort((j, distance, i) if by_image else (j, i, distance, -score))
        i, j = i[order], j[order]
        return pa.table(
            {
                "id": a.column("id", i),
                "other_id": b.column("id", j),
                "distance": distance[order],
                "score": score[order],
                "likeness": pa.array(likeness[order], from_pandas=True),
                "kind": pa.DictionaryArray.from_arrays(pa.array(kind[order], pa.int32()), KINDS).cast(pa.string()),
            }
        )


@dataclass(frozen=True)
class Near:
    """Pairs of groups within the duplicate distance: groups i of one side and j of the other, `same` where alike."""

    i: Integers
    j: Integers
    distance: Floats
    same: NDArray[np.bool_]


def near_within(images: Images, rule: Rule) -> Near:
    """Find the pairs i < j of groups within the duplicate distance; groups of even pictures are not searched."""
    return _near(images, images, rule, *pairs_within(images.searched_rows, rule.distance, images.metric))


def near_between(a: Images, b: Images, rule: Rule) -> Near:
    """Find the pairs of a group of `a` and a group of `b` within the duplicate distance, but for even pictures."""
    return _near(a, b, rule, *pairs_between(a.searched_rows, b.searched_rows, rule.distance, a.metric))


def _near(a: Images, b: Images, rule: Rule, i: Integers, j: Integers, distance: Floats) -> Near:
    i, j = a.searched[i], b.searched[j]
    likeness = rule.likenesses(distance, a, a.first[i], b, b.first[j])
    return Near(i, j, distance, ~(likeness < rule.likeness))


def pairs_in(images: Images, near: Near, rule: Rule) -> pa.Table:
    """Make the table of pairs within a collection.

    Groups are paired by their first images. Each further image of a group is in one pair: with the first that has the
    same file, or the first of its group. All others follow from these, and a picture that occurs 10,000 times does not
    make 50 million rows.
    """
    everything = np.arange(len(images))
    of_file, file = first_of(images.hashes)
    partner = np.where(of_file[file] < everything, of_file[file], images.first[images.group])
    copies = np.flatnonzero(partner < everything)
    i = np.concatenate([images.first[near.i], partner[copies]])
    j = np.concatenate([images.first[near.j], copies])
    distance = np.concatenate([near.distance, np.zeros(len(copies))])
    return rule.table(distance, images, i, images, j)


def pairs_across(a: Images, b: Images, near: Near, rule: Rule) -> pa.Table:
    """Make the table of pairs of an image of `a` and a picture of `b`.

    Of the images of `b` with equal descriptors one is named: one with the same file, else the first.
    """
    starts, members = _members(a)
    size = np.diff(starts)[near.i]
    pair = np.repeat(np.arange(len(near.i)), size)
    place = np.arange(len(pair)) - np.repeat(np.cumsum(size) - size, size)
    i, j, distance = members[starts[near.i][pair] + place], b.first[near.j][pair], near.distance[pair]
    twin = twins(a, b)
    # A pair of equal files is named as such, once, also of even pictures.
    other = twin[i]
    keep = (other < 0) | (b.group[other] != near.j[pair])
    files = np.flatnonzero(twin >= 0)
    return rule.table(
        np.concatenate([distance[keep], np.zeros(len(files))]),
        a,
        np.concatenate([i[keep], files]),
        b,
        np.concatenate([j[keep], twin[files]]),
    )


def nearest_in(images: Images, k: int, rule: Rule) -> pa.Table:
    """Make the table of the `k` nearest other images of each image of a collection, whatever their distance."""
    rows, distances = nearest_rows(images.rows, images.rows, k + 1, images.metric)
    # Where more than k others are equal to an image, it may not be among its own nearest.
    others = rows != np.arange(len(images))[:, None]
    others[others.all(axis=1), -1] = False
    return _nearest(images, images, rows[others], distances[others], rule)


def nearest_across(a: Images, b: Images, k: int, rule: Rule) -> pa.Table:
    """Make the table of the `k` nearest images of `b` for each image of `a`, whatever their distance."""
    rows, distances = nearest_rows(a.rows, b.rows, k, a.metric)
    return _nearest(a, b, rows.reshape(-1), distances.reshape(-1), rule)


def _nearest(a: Images, b: Images, j: Integers, distance: Floats, rule: Rule) -> pa.Table:
    i = np.repeat(np.arange(len(a)), len(j) // max(1, len(a)))
    return rule.table(distance, a, i, b, j, by_image=True)


def twins(a: Images, b: Images) -> Integers:
    """Return for each image of `a` the first of `b` with the same file, -1 where there is none."""
    place = {digest: number for number, digest in reversed(list(enumerate(b.hashes.tolist())))}
    return np.array([place.get(digest, -1) for digest in a.hashes.tolist()], np.int64)


def _members(images: Images) -> tuple[Integers, Integers]:
    """Return the images group by group: where each group starts, and the images."""
    members = np.argsort(images.group, kind="stable")
    return np.searchsorted(images.group[members], np.arange(len(images.first) + 1)), members
