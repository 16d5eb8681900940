"""The rule for descriptors that look at a pair a second time: the distance finds candidates, `verify` says the rest.

Two pictures are candidates when a view of one, mirrored or a part of it, is within the candidate distance of the whole
of the other. They are near-duplicates when `verify` gives them a score of at least 0.5, or of another least score that
was asked for, and a closer look at the pictures does not speak against it (`closer`). With a closer look, pictures
turned by quarters are candidates too; their score is that of the turned one. The distance in tables is that of the two
whole pictures: of a mirror image it can be large.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from copyrisk.descriptors import Bytes, Descriptor
from copyrisk.descriptors.photo import Photo
from copyrisk.duplicates.closer import Closer
from copyrisk.duplicates.images import Images
from copyrisk.duplicates.pairs import EMPTY, EXACT, NEAR, NEAREST, SAME, SAME_PIXELS, Pairs, nearest_pairs
from copyrisk.duplicates.searching import Searching
from copyrisk.index.measure import Floats, Integers, blocks
from copyrisk.index.search import distance_between
from copyrisk.parallel import in_threads
from copyrisk.progress import bar

VIEWED_ROWS, VIEW_ROWS = 1 << 17, 512
"""Images whose views are in memory at once (photo: 100 MB), and those that a thread computes at once."""

VERIFIED_PAIRS = 512
"""Pairs that a thread compares at once."""

OTHERS = 0.49
"""The highest score of a pair that a closer look takes for different pictures."""

TURNED = "turned"
"""The change of pictures that were turned by quarters, before what else was done."""

COHESION_MEMBERS = 32
"""Different pictures of a cluster that are compared with each other, the least sure ones."""


@dataclass(frozen=True)
class ByVerification:
    """The same picture: candidates by at most this `distance`, to which the descriptor gives at least this `score`."""

    descriptor: Descriptor
    distance: float
    score: float = SAME
    workers: int = 0
    searching: Searching = field(default_factory=Searching)
    closer: Closer | None = None
    turned: dict[tuple[bytes, bytes], tuple[float, str]] = field(default_factory=dict, compare=False)
    """Scores and changes of the pairs that are the same when one is turned: by their files, in either order."""

    def within(self, images: Images) -> Pairs:
        """Find the pairs i < j of the first images of groups that are the same; plain pictures are not searched."""
        i, j = self._candidates(images, images)
        i, j = np.minimum(i, j)[i != j], np.maximum(i, j)[i != j]
        return self._judged(images, images, *_different(i, j)).duplicates

    def between(self, a: Images, b: Images) -> Pairs:
        """Find the pairs of first images of groups of `a` and `b` that are the same, but for plain pictures."""
        i, j = self._candidates(a, b)
        other_j, other_i = self._candidates(b, a)
        return self._judged(a, b, *_different(np.concatenate([i, other_i]), np.concatenate([j, other_j]))).duplicates

    def nearest(self, a: Images, b: Images, near: Pairs, k: int) -> Pairs:
        """Find the `k` best of `b` for each image of `a`: of its duplicates and those nearest by distance.

        near: the duplicates, of the first images of groups. The highest score comes first, then the least distance.
        """
        i, j, _ = nearest_pairs(a, b, k)
        known = [(near.i, near.j), (near.j, near.i)] if a is b else [(near.i, near.j)]
        for one, other in known:
            place, members = b.members_of(b.group[other], most=k)
            again, first = a.members_of(a.group[one[place]])
            i, j = np.concatenate([i, first]), np.concatenate([j, members[again]])
        pairs = self._judged(a, b, *_different(i, j))
        pairs = pairs.take(np.lexsort((pairs.j, pairs.distance, -pairs.score, pairs.i)))
        rank = np.arange(len(pairs.i)) - np.searchsorted(pairs.i, pairs.i)
        return pairs.take(rank < k)

    def cohesion(self, images: Images, clusters: list[Integers]) -> list[tuple[float | None, float]]:
        """Return None, and the lowest score of any two members of each cluster, the least sure of which come first.

        Of a cluster with more than 32 different pictures, the first 32 are compared.
        """
        compared = [members[:COHESION_MEMBERS] for members in clusters]
        couples = [np.triu_indices(len(members), k=1) for members in compared]
        chosen = list(zip(compared, couples, strict=True))
        i = _joined([members[one] for members, (one, _) in chosen])
        j = _joined([members[other] for members, (_, other) in chosen])
        cluster = np.repeat(np.arange(len(clusters)), [len(one) for one, _ in couples])
        lowest = np.ones(len(clusters))
        np.minimum.at(lowest, cluster, self._scores(images, i, images, j)[0])
        return [(None, score) for score in lowest.tolist()]

    def _candidates(self, a: Images, b: Images) -> tuple[Integers, Integers]:
        """Return the pairs of an image of `a` with a view that is near an image of `b`, each once."""
        found = [np.empty(0, np.int64)]
        with bar("candidates", None, "view") as progress:
            for block in blocks(len(a.searched), 0, VIEWED_ROWS):
                views = self._views(a, a.searched[block])
                if self.searching.recall is not None:
                    # All together: the recall is measured once.
                    views = views.reshape(1, -1, views.shape[2])
                for view in views:
                    i, j, _ = self.searching.between(view, b.searched_rows, self.distance, a.metric)
                    found.append((i % (block.stop - block.start) + block.start) * len(b.searched) + j)
                    progress.update(len(view))
                found = [np.unique(np.concatenate(found))]
        if isinstance(self.descriptor, Photo) and self.closer is not None:
            i, j = self._turned(self.descriptor, a, b)
            found = [np.unique(np.concatenate([*found, i * len(b.searched) + j]))]
        i, j = np.divmod(found[0], max(1, len(b.searched)))
        return a.searched[i], b.searched[j]

    def _turned(self, photo: Photo, a: Images, b: Images) -> tuple[Integers, Integers]:
        """Return the places in `searched` of pairs that are the same when that of `a` is turned, and keep their scores.

        They are those whose turned whole is near the other whole, and to which `verify` gives at least 0.5.
        """
        pairs = [(np.empty(0, np.int64), np.empty(0, np.int64))]
        for block in blocks(len(a.searched), 0, VIEWED_ROWS):
            for rows in photo.turned(a.rows[a.searched[block]].astype(np.uint8, copy=False)):
                i, j, _ = self.searching.between(rows[:, photo.search], b.searched_rows, self.distance, a.metric)
                others = b.rows[b.searched].astype(np.uint8, copy=False)

                def verify(
                    part: slice, rows: Bytes = rows, others: Bytes = others, i: Integers = i, j: Integers = j
                ) -> tuple[Floats, list[str]]:
                    return photo.verify(rows[i[part]], others[j[part]])

                found = list(in_threads(self.workers, verify, blocks(len(i), 0, VERIFIED_PAIRS)))
                score = np.concatenate([np.empty(0), *(each for each, _ in found)])
                changes = [text for _, each in found for text in each]
                near = np.flatnonzero(score >= SAME)
                i, j = i + block.start, j
                for pair in near.tolist():
                    key = _key(a, int(a.searched[i[pair]]), b, int(b.searched[j[pair]]))
                    # A score of 1 is for equal pictures.
                    known = min(float(score[pair]), 0.999), _turned(changes[pair])
                    self.turned[key] = max(self.turned.get(key, known), known)
                pairs.append((i[near], j[near]))
        return np.concatenate([i for i, _ in pairs]), np.concatenate([j for _, j in pairs])

    def _views(self, images: Images, chosen: Integers) -> NDArray[Any]:
        def views(block: slice) -> NDArray[Any]:
            return self.descriptor.views(images.rows[chosen[block]])

        return np.concatenate(list(in_threads(self.workers, views, blocks(len(chosen), 0, VIEW_ROWS))), axis=1)

    def _judged(self, a: Images, b: Images, i: Integers, j: Integers) -> Pairs:
        exact, plain = a.hashes[i] == b.hashes[j], a.plain[i] | b.plain[j]
        score, changes, same_rows = self._scores(a, i, b, j)
        kind = np.where(score >= self.score, NEAR, NEAREST)
        kind[same_rows] = SAME_PIXELS
        kind[plain] = EMPTY
        kind[exact] = EXACT
        score = np.where(exact, 1.0, np.where(plain, 0.0, score))
        changes[kind != NEAR] = None
        return Pairs(i, j, self._distances(a, i, b, j), score, np.full(len(i), np.nan), kind, changes)

    def _distances(self, a: Images, i: Integers, b: Images, j: Integers) -> Floats:
        distances = [
            distance_between(a.compared[i[block]], b.compared[j[block]], a.metric)
            for block in blocks(len(i), 0, VIEWED_ROWS)
        ]
        return np.concatenate([np.empty(0), *distances])

    def _scores(
        self, a: Images, i: Integers, b: Images, j: Integers
    ) -> tuple[Floats, NDArray[np.object_], NDArray[np.bool_]]:
        """Verify pairs: their scores, what was done to one of the two, and whether their rows are equal."""
        scores, changes, equal = np.empty(len(i)), np.full(len(i), None), np.empty(len(i), bool)
        words: dict[str, str] = {}

        def verify(block: slice) -> tuple[slice, Floats, list[str], NDArray[np.bool_]]:
            first, second = a.rows[i[block]], b.rows[j[block]]
            return block, *self.descriptor.verify(first, second), (first == second).all(axis=1)

        with bar("verify", len(i), "pair") as progress:
            for block, found, kinds, same in in_threads(self.workers, verify, blocks(len(i), 0, VERIFIED_PAIRS)):
                scores[block], equal[block] = found, same
                # The same text once: there are few different ones.
                changes[block] = [words.setdefault(kind, kind) for kind in kinds]
                progress.update(len(found))
        if self.turned:
            for pair in np.flatnonzero(scores < SAME).tolist():
                known = self.turned.get(_key(a, int(i[pair]), b, int(j[pair])))
                if known is not None:
                    scores[pair], changes[pair] = known
        if self.closer is not None:
            different_files = a.hashes[i] != b.hashes[j]
            looked = np.flatnonzero((scores >= self.score) & ~equal & different_files)
            same = self.closer.same(a, i[looked], b, j[looked], scores[looked])
            scores[looked[~same]] = OTHERS
        return scores, changes, equal


def _key(a: Images, i: int, b: Images, j: int) -> tuple[bytes, bytes]:
    one, other = a.hashes[i].item(), b.hashes[j].item()
    return (one, other) if one < other else (other, one)


def _turned(changes: str) -> str:
    return "+".join([TURNED, *(change for change in changes.split("+") if change not in ("exact", "re-encoded"))])


def _different(i: Integers, j: Integers) -> tuple[Integers, Integers]:
    """Return each pair once, in order."""
    width = int(j.max(initial=0)) + 1
    i, j = np.divmod(np.unique(i * width + j), width)
    return i, j


def _joined(parts: list[Integers]) -> Integers:
    return np.concatenate([np.empty(0, np.int64), *parts])
