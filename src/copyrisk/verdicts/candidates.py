"""Which references may share a part with a generation: the few of many that are worth comparing pixel by pixel.

Every picture, small and grey, is cut into overlapping squares of several sizes. A square is made 8 × 8 and described by
its 24 lowest frequencies, as windows are in `copyrisk.verdicts.votes`. Each square of a generation, as it is and
mirrored, looks for its best in a reference, whatever the size of that; what the best five say together is the
reference's score. Many references are first looked through with few and large squares. Of the best, windows vote for a
place in the reference (`copyrisk.verdicts.votes.places_of`), and the most votes for one place decide.

Descriptors are whole numbers, and sums of their products are exact in float32: the same generation has the same
candidates, whatever it was looked for with.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from copyrisk.descriptors import Bytes
from copyrisk.descriptors.thumbnails import SIDE, Planes, averaging, resampled
from copyrisk.index.measure import Floats, Integers, blocks
from copyrisk.parallel import in_threads
from copyrisk.verdicts.votes import WINDOW, Level, evened_frequencies, levels_of, places_of

MOST = 16
"""Candidates of a generation."""

VOTED = 24
"""References whose places are voted for."""

KEPT = 1024
"""References whose windows are kept: 140 KB each."""

FIRST = 1024
"""References that the few large squares choose of more than DENSE_ROWS."""
DENSE_ROWS = 4096

TOGETHER = 5
"""Squares whose best are added up."""

LENGTH = 127
"""A descriptor of length 1 as whole numbers."""

BLOCK_ROWS = 32
THREADED_ROWS = 1 << 14
"""References that one thread looks through; more are shared out."""


@dataclass(frozen=True)
class Squares:
    """How a picture is cut: the sides of squares, in pixels of 32, and how many of each along a side of the picture."""

    references: dict[int, int]
    generations: dict[int, int]


COARSE = Squares({32: 1, 24: 3, 16: 5}, {32: 1, 24: 2, 16: 3})
DENSE = Squares({32: 1, 24: 4, 16: 7, 11: 10}, {32: 1, 24: 3, 16: 4, 11: 5})


class Candidates:
    """References made ready to be searched for parts of generations.

    Takes 4 KB of memory a reference up to DENSE_ROWS of them, and 1 KB a reference beyond.
    """

    def __init__(self, grey: Bytes):
        """Take the references, small and grey: (n, 32, 32)."""
        self.grey = grey
        self.squares = DENSE if len(grey) <= DENSE_ROWS else COARSE
        self.rows = _described(grey, self.squares.references)[0]
        self._levels = lru_cache(maxsize=KEPT)(self._levels_of)

    def of(self, grey: Bytes, most: int = MOST) -> Integers:
        """Return the candidates of generations (m, 32, 32): (m, at most `most`), the best first, ties to the lower."""
        return self.voted(grey, most)[0]

    def voted(self, grey: Bytes, most: int = MOST) -> tuple[Integers, Floats]:
        """Return the candidates as `of` does, and the votes for the best place of each."""
        shape = len(grey), min(most, len(self.grey))
        found, counted = np.empty(shape, np.int64), np.empty(shape)
        for number, picture in enumerate(grey):
            wanted = min(max(most, VOTED), len(self.grey))
            first = wanted if self.squares is DENSE else max(wanted, min(FIRST, len(self.grey)))
            chosen = _best(_scores(picture, self.rows, self.squares), first)
            if self.squares is COARSE:
                dense = _described(self.grey[chosen], DENSE.references)[0]
                chosen = chosen[_best(_scores(picture, dense, DENSE), wanted)]
            votes = self._votes(picture, chosen.tolist())
            best = np.argsort(-votes, kind="stable")[: found.shape[1]]
            found[number], counted[number] = chosen[best], votes[best]
        return found, counted

    def _votes(self, picture: Bytes, chosen: list[int]) -> Floats:
        """Return the votes for the best place of a generation (32, 32) in each of some references."""
        own, side = levels_of(picture.astype(np.float32)), (SIDE, SIDE)
        votes = np.zeros(len(chosen))
        for place, number in enumerate(chosen):
            found = places_of(own, self._levels(number), side, side, 1)
            votes[place] = max((each.votes for each in found), default=0.0)
        return votes

    def _levels_of(self, number: int) -> list[Level]:
        return levels_of(self.grey[number].astype(np.float32))


def _best(scores: Floats, count: int) -> Integers:
    """Return where the highest scores are, ties in order."""
    if count < len(scores):
        # All that are as high as the last of them, so that ties are cut in order.
        least = np.partition(scores, len(scores) - count)[len(scores) - count]
        some = np.flatnonzero(scores >= least)
    else:
        some = np.arange(len(scores))
    return some[np.argsort(-scores[some], kind="stable")[:count]]


def _scores(picture: Bytes, rows: NDArray[np.int8], squares: Squares) -> Floats:
    """Return the scores of references, whose `rows` are (squares, n, 24), for one generation (32, 32): shape (n,)."""
    both = np.stack([picture, picture[:, ::-1]])
    described, worth = _described(both, squares.generations)
    queries = described.transpose(1, 0, 2).reshape(-1, described.shape[2]).astype(np.float32).T
    count = rows.shape[1]
    together = min(TOGETHER, described.shape[0])
    scores = np.empty(count)

    def score(block: slice) -> None:
        some = rows[:, block].astype(np.float32)
        products = some.reshape(-1, some.shape[2]) @ queries
        best = products.reshape(*some.shape[:2], -1).max(axis=0)
        says = _nats()[np.clip(best, 0, LENGTH**2).astype(np.intp)] * worth.reshape(-1)
        says = says.reshape(len(best), 2, -1)
        highest = np.sort(np.partition(says, says.shape[2] - together, axis=2)[:, :, -together:], axis=2)
        scores[block] = highest.sum(axis=2).max(axis=1)

    _in_blocks(score, count)
    return scores


def _described(grey: Bytes, squares: dict[int, int]) -> tuple[NDArray[np.int8], Floats]:
    """Describe the squares of pictures (n, 32, 32): rows (squares, n, 24) and how much each can say (n, squares)."""
    count = sum(along**2 for along in squares.values())
    rows, worth = np.empty((count, len(grey), 24), np.int8), np.empty((len(grey), count))

    def describe(block: slice) -> None:
        planes = grey[block].astype(np.float32)
        cut = np.concatenate([_cut(planes, side, along) for side, along in squares.items()], axis=1)
        waves, says = evened_frequencies(cut)
        rows[:, block] = np.rint(LENGTH * waves).transpose(1, 0, 2)
        worth[block] = says

    _in_blocks(describe, len(grey))
    return rows, worth


def _in_blocks(work: Callable[[slice], None], count: int) -> None:
    """Do the work on so many references block by block, in threads where they are many."""

    def some(part: slice) -> None:
        for start in range(part.start, part.stop, BLOCK_ROWS):
            work(slice(start, min(start + BLOCK_ROWS, part.stop)))

    list(in_threads(0 if count > THREADED_ROWS else 1, some, blocks(count, 0, THREADED_ROWS)))


def _cut(planes: Planes, side: int, along: int) -> Planes:
    """Cut pictures into along × along squares of a side, each averaged to 8 × 8 pixels: (n, squares, 64)."""
    lines = _lines(side, along)
    cut = resampled(planes, lines, lines).reshape(len(planes), along, WINDOW, along, WINDOW)
    squares: Planes = cut.transpose(0, 1, 3, 2, 4).reshape(len(planes), along**2, WINDOW**2)
    return squares


@cache
def _lines(side: int, along: int) -> Planes:
    starts = np.linspace(0, SIDE - side, along)
    return np.concatenate([averaging(SIDE, start, start + side, WINDOW) for start in starts])


@cache
def _nats() -> Floats:
    """What a cosine says, as in `copyrisk.verdicts.votes`, by its product of whole numbers."""
    cosine = np.minimum(np.arange(LENGTH**2 + 1) / LENGTH**2, 0.995)
    nats: Floats = -np.log1p(-(cosine**2))
    return nats
