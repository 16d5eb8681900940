"""References that pictures are compared with: candidates by rows of `photo`, settled in detail by their pictures."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from copyrisk.descriptors import Bytes
from copyrisk.descriptors.photo import GREY
from copyrisk.descriptors.thumbnails import SIDE, flattened
from copyrisk.verdicts import turned
from copyrisk.verdicts.candidates import Candidates
from copyrisk.verdicts.prepared import Kept
from copyrisk.verdicts.verdict import THRESHOLD, Evidence, compare_many

MOST, LEAST_VOTES = 8, 4.0
"""Candidates of a picture by parts of it, with so many votes for a place at the least."""
MOST_ALIKE, LEAST_WHOLE, LEAST_TURNED = 4, 0.4, 0.8
"""Candidates by the whole, as it is, and by what is left of it when it is turned, and how alike they are at least."""

Load = Callable[[Sequence[int]], dict[int, Image.Image]]
"""Loads the pictures (RGB, at least LONG_SIDE pixels long if they have so many) of rows; what is gone is left out."""


class References:
    """References of a catalogue or an audit, which are kept ready; thread-safe."""

    def __init__(self, rows: Bytes, proportions: NDArray[np.float64], load: Load):
        """Take rows of `photo` (n, 1136), the proportions of the pictures (n,), width through height, and `load`."""
        self.load = load
        grey = rows[:, GREY].reshape(-1, SIDE, SIDE)
        self.candidates = Candidates(grey)
        self.wholes = _wholes(grey)
        self.turned = turned.rows_of(grey, proportions)
        self.kept = Kept[int]()

    def __len__(self) -> int:
        return len(self.wholes)

    def chosen(self, row: Bytes, proportion: float) -> list[int]:
        """Return the candidates of a picture by its row (1136,): numbers, at least one where there is any reference."""
        if not len(self):
            return []
        grey = row[GREY].reshape(SIDE, SIDE)
        numbers, votes = self.candidates.voted(grey[None], min(MOST, len(self)))
        found = numbers[0][votes[0] >= LEAST_VOTES].tolist()
        whole = self.wholes @ _wholes(grey[None])[0]
        for alike, least in ((whole, LEAST_WHOLE), (turned.likeness(grey, proportion, self.turned), LEAST_TURNED)):
            best = np.argsort(-alike, kind="stable")[:MOST_ALIKE]
            found += best[alike[best] >= least].tolist()
        # There is always a nearest reference, however unlike it is.
        return list(dict.fromkeys(found)) or [int(whole.argmax())]

    def judge(
        self, picture: Image.Image, row: Bytes, threshold: float = THRESHOLD
    ) -> tuple[list[tuple[int, Evidence]], list[int]]:
        """Compare a picture with its candidates: (number, evidence) of each, and the numbers of those that are gone."""
        chosen = self.chosen(row, picture.width / picture.height)
        ready = self.kept.of(chosen, self.load)
        there = [(number, each) for number in chosen if (each := ready[number]) is not None]
        evidence = compare_many(picture, [each for _, each in there], threshold)
        judged = [(number, each) for (number, _), each in zip(there, evidence, strict=True)]
        return judged, [number for number in chosen if ready[number] is None]


def _wholes(grey: Bytes) -> NDArray[np.float32]:
    """Return what is left of small grey pictures (n, 32, 32) in even contrast, rows of length 1: (n, 1024)."""
    even = flattened(grey.astype(np.float32), radius=4, floor=3, blur=0.8).reshape(len(grey), SIDE * SIDE)
    unit: NDArray[np.float32] = even / np.maximum(np.linalg.norm(even, axis=1, keepdims=True), np.float32(1e-6))
    return unit
