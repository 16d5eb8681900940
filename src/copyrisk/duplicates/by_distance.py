"""The rule for descriptors whose distance says enough: at most so far apart, and so much alike.

Two pictures are near-duplicates when their distance is at most the duplicate distance and small beside what is in them.
The second is the **likeness**, 1 − d² / (a² + b²) with their distance d and their contrasts a and b
(`index.rows.contrast_of`): 1 for equal pictures, about 0 for two that share nothing but their mean colour, however near
that brings them. Two planes in a plain sky are near, and not alike. It is defined for descriptors whose distance is
that of pixels; of others only pictures with too little in them are taken out.

The score is 1 for equal pictures, 0.5 at the duplicate distance or the least likeness, whichever is reached first, and
falls towards 0.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from copyrisk.duplicates.images import Images
from copyrisk.duplicates.pairs import EMPTY, EXACT, NEAR, NEAREST, SAME, SAME_PIXELS, Pairs, nearest_pairs
from copyrisk.duplicates.searching import Searching
from copyrisk.index.measure import Floats, Integers, Measure, blocks

BLOCK_ROWS = 1024


@dataclass(frozen=True)
class ByDistance:
    """The same picture: at most this `distance` apart, with at least this `likeness` (0 to below 1)."""

    distance: float
    likeness: float
    searching: Searching = field(default_factory=Searching)

    def within(self, images: Images) -> Pairs:
        """Find the pairs of the first images of groups within the distance; plain pictures are not searched."""
        i, j, distance = self.searching.within(images.searched_rows, self.distance, images.metric)
        return self._judged(images, images.searched[i], images, images.searched[j], distance)

    def between(self, a: Images, b: Images) -> Pairs:
        """Find the pairs of first images of groups of `a` and `b` within the distance, but for plain pictures."""
        i, j, distance = self.searching.between(a.searched_rows, b.searched_rows, self.distance, a.metric)
        return self._judged(a, a.searched[i], b, b.searched[j], distance)

    def nearest(self, a: Images, b: Images, near: Pairs, k: int) -> Pairs:
        """Find the `k` nearest of `b` for each image of `a`, whatever their distance, the nearest first."""
        i, j, distance = nearest_pairs(a, b, k)
        return self._judged(a, i, b, j, distance)

    def cohesion(self, images: Images, clusters: list[Integers]) -> list[tuple[float | None, float]]:
        """Return the largest distance and the lowest score of any two members of each cluster."""
        return [self._cohesion(images, members) for members in clusters]

    def _cohesion(self, images: Images, members: Integers) -> tuple[float, float]:
        widest, lowest = 0.0, 1.0
        for i, j, distance in _all_pairs(members, images):
            score = self._score(distance, self._likeness(distance, images, i, images, j))
            widest, lowest = max(widest, float(distance.max())), min(lowest, float(score.min()))
        return widest, lowest

    def _judged(self, a: Images, i: Integers, b: Images, j: Integers, distance: Floats) -> Pairs:
        exact, plain = a.hashes[i] == b.hashes[j], a.plain[i] | b.plain[j]
        likeness = self._likeness(distance, a, i, b, j)
        likeness[exact] = np.where(np.isnan(likeness[exact]), np.nan, 1.0)
        kind = np.where(distance == 0, SAME_PIXELS, NEAR)
        kind[plain | (likeness < self.likeness)] = EMPTY
        kind[distance > self.distance] = NEAREST
        kind[exact] = EXACT
        score = self._score(distance, likeness)
        # Of other descriptors nothing says how little a plain picture is worth.
        score[np.isnan(likeness) & (kind == EMPTY)] = 0
        score[exact] = 1
        # A limit that is met exactly may be rounded to either side of a half.
        score = np.where(kind <= NEAR, np.maximum(score, SAME), np.minimum(score, np.nextafter(SAME, 0)))
        return Pairs(i, j, distance, score, likeness, kind, np.full(len(i), None))

    def _likeness(self, distance: Floats, a: Images, i: Integers, b: Images, j: Integers) -> Floats:
        """Return the likeness of pairs; nan where the distance is not of pixels."""
        if not a.pixels:
            return np.full(len(distance), np.nan)
        squares = a.contrast[i] ** 2 + b.contrast[j] ** 2
        with np.errstate(divide="ignore", invalid="ignore"):
            likeness = 1 - distance**2 / squares
        return np.where(a.plain[i] | b.plain[j], 0.0, likeness)

    def _score(self, distance: Floats, likeness: Floats) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            far = np.where(distance == 0, 0.0, distance / self.distance)
        unlike = np.nan_to_num((1 - likeness) / (1 - self.likeness), nan=0.0)
        score: Floats = np.exp2(-np.maximum(far, unlike))
        return score


def _all_pairs(members: Integers, images: Images) -> Iterator[tuple[Integers, Integers, Floats]]:
    """Yield all pairs of different members with their distances, block by block."""
    measure = Measure.of(images.compared, metric=images.metric)
    for here in blocks(len(members), 0, BLOCK_ROWS):
        first = measure.values(images.compared[members[here]])
        for there in blocks(len(members), 0, BLOCK_ROWS):
            i, j = np.nonzero(np.arange(here.start, here.stop)[:, None] < np.arange(there.start, there.stop))
            if len(i):
                second = measure.values(images.compared[members[there]])
                # In float64 sums of squares of whole numbers are exact.
                squares = (first**2).sum(axis=1)[:, None] + (second**2).sum(axis=1) - 2 * (first @ second.T)
                distance = measure.distances(np.maximum(squares[i, j], 0))
                yield members[here][i], members[there][j], distance
