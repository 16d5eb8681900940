"""A closer look at pairs that small grey copies take for the same: their pictures, laid over each other in detail.

Two pictures are the same where the whole of one of them is a copy of the other or of a part of it
(`copyrisk.verdicts.verdict`). Pairs whose small copies differ are judged in the light of what else is near, as in a
check: pages of text have a layout in common and nothing else. Pairs whose small copies hardly differ are judged by
themselves, or drawings that occur in many tones would witness against each other.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from copyrisk.duplicates.images import Images
from copyrisk.index.search import Floats, Integers
from copyrisk.parallel import in_threads
from copyrisk.progress import bar
from copyrisk.verdicts.prepared import Kept, Prepared
from copyrisk.verdicts.verdict import Evidence, compare, compare_many

HARDLY = 0.8
"""Score from which on the small copies hardly differ."""

CORRELATION, COLOURS = 0.4, 0.015
"""Least mean correlation of the details of copies, or largest distance of their colours: one shape in another colour
and width has only its edge in common, 0.26 to 0.38 and 0.02 to 0.08 where it was measured."""

LOOKED_PAIRS, WITNESSES = 16, 6
"""Pairs of one picture that are judged together, and other pictures near it that are laid under it too."""

Key = bytes
Side = tuple[Images, int]


@dataclass(frozen=True)
class Closer:
    """Looks at the pictures of pairs, and keeps what it saw: by the two files, of which each pair is looked at once."""

    workers: int = 0
    _seen: dict[tuple[Key, Key], bool] = field(default_factory=dict, compare=False)
    _kept: Kept[Key] = field(default_factory=Kept, compare=False)

    def same(self, a: Images, i: Integers, b: Images, j: Integers, score: Floats) -> NDArray[np.bool_]:
        """Say of pairs with scores whether they are the same picture: (n,); where one is gone, they are."""
        first, second = a.hashes[i].tolist(), b.hashes[j].tolist()
        keys = [(min(pair), max(pair)) for pair in zip(first, second, strict=True)]
        near: dict[Key, dict[Key, Side]] = {}
        for pair in np.lexsort((j, i, -score)).tolist():
            near.setdefault(first[pair], {}).setdefault(second[pair], (b, int(j[pair])))
            near.setdefault(second[pair], {}).setdefault(first[pair], (a, int(i[pair])))
        new = {key: pair for pair, key in enumerate(keys) if key not in self._seen}

        def look(part: list[int]) -> list[tuple[tuple[Key, Key], bool]]:
            one = (a, int(i[part[0]]))
            found = [(keys[pair], self._alone(one, (b, int(j[pair])))) for pair in part if score[pair] >= HARDLY]
            unsure = [pair for pair in part if score[pair] < HARDLY]
            judged = self._together(one, [(b, int(j[pair])) for pair in unsure], near)
            return found + [(keys[pair], same) for pair, same in zip(unsure, judged, strict=True)]

        order = sorted(new.values(), key=lambda pair: (int(i[pair]), -float(score[pair]), int(j[pair])))
        with bar("look closer", len(order), "pair") as progress:
            for found in in_threads(self.workers, look, _parts(order, i)):
                self._seen.update(found)
                progress.update(len(found))
        return np.array([self._seen[key] for key in keys], bool)

    def _alone(self, one: Side, other: Side) -> bool:
        first, second = self._prepared(one), self._prepared(other)
        if first is None or second is None:
            return True
        return self._whole(compare(first, second), lambda: compare(second, first))

    def _together(self, one: Side, others: Sequence[Side], near: dict[Key, dict[Key, Side]]) -> list[bool]:
        """Say of some pictures whether they are the same as one, in the light of each other and of what is near."""
        same = [True] * len(others)
        first = self._prepared(one)
        ready = [self._prepared(other) for other in others]
        there = [(place, each) for place, each in enumerate(ready) if each is not None]
        if first is None or not there:
            return same
        witnesses = self._witnesses(one, others, near)
        evidence = compare_many(first, [*(each for _, each in there), *witnesses])
        for (place, second), each in zip(there, evidence[: len(there)], strict=True):

            def back(second: Prepared = second, other: Side = others[place]) -> Evidence:
                return compare_many(second, [first, *self._witnesses(other, [one], near)])[0]

            same[place] = self._whole(each, back)
        return same

    def _witnesses(self, one: Side, others: Sequence[Side], near: dict[Key, dict[Key, Side]]) -> list[Prepared]:
        known = {_key(other) for other in others}
        chosen = [side for key, side in near[_key(one)].items() if key not in known][:WITNESSES]
        return [each for side in chosen if (each := self._prepared(side)) is not None]

    @staticmethod
    def _whole(found: Evidence, back: Callable[[], Evidence]) -> bool:
        # A part of this one may be the whole of the other.
        return _sure(found) or (found.verdict != "no copy" and _sure(back()))

    def _prepared(self, side: Side) -> Prepared | None:
        images, number = side
        key = _key(side)

        def load(_: list[Key]) -> dict[Key, Image.Image]:
            image = images.picture(number)
            return {} if image is None else {key: image}

        return self._kept.of([key], load)[key]


def _sure(found: Evidence) -> bool:
    alike = found.distances.get("correlation", 0.0) >= CORRELATION or found.distances.get("inside", 1.0) <= COLOURS
    return found.verdict == "copy" and alike


def _key(side: Side) -> Key:
    images, number = side
    key: Key = images.hashes[number].item()
    return key


def _parts(pairs: list[int], i: Integers) -> Iterator[list[int]]:
    """Yield at most LOOKED_PAIRS pairs at once, all of the same first picture."""
    part: list[int] = []
    for pair in pairs:
        if part and (i[pair] != i[part[0]] or len(part) == LOOKED_PAIRS):
            yield part
            part = []
        part.append(pair)
    if part:
        yield part
