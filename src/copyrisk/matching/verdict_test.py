"""The test `verdict`: is the generation, or a part of it, a copy? By alignment and connected, distinctive evidence.

References come to it as the rows of a descriptor `pixels:SIDE` with their proportions, so no file is read again.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from copyrisk.descriptors import Bytes, Descriptor
from copyrisk.descriptors.pixels import Pixels
from copyrisk.descriptors.thumbnails import SIDE as GREY_SIDE
from copyrisk.descriptors.thumbnails import averaging, grey_of, resampled
from copyrisk.errors import UserError
from copyrisk.index.measure import Floats, Integers
from copyrisk.matching.candidates import Candidates
from copyrisk.matching.changes import changes_of
from copyrisk.matching.common import Common, sampled
from copyrisk.matching.verdict import Evidence, Small, Thresholds, compare_many
from copyrisk.parallel import batched, in_threads

MOST = 8
"""References, and controls, that a generation is compared with."""

KEPT = 1024
"""Pictures that are kept ready to be compared: up to 0.7 MB each."""

LEAST_EVIDENCE = 1e-3
"""Less evidence than this counts as this, so that the statistic is a number."""

WHOLE = Thresholds().whole


@dataclass(frozen=True)
class Sized:
    """Descriptors of pictures (n, 3 · SIDE²) and the proportions of these, width through height: (n,)."""

    rows: Bytes
    proportions: Floats


@dataclass(frozen=True)
class Nearest:
    """The best of one side for each generation: rows (-1 where there is none), statistics, evidence (None)."""

    index: Integers
    statistic: Floats
    evidence: list[Evidence | None]


@dataclass(frozen=True)
class _Ready:
    """What generations are compared with, made ready: `picture` gives one of them by its row."""

    rows: Bytes
    candidates: Candidates
    common: Common
    picture: Callable[[int], Small]


class VerdictTest:
    """The evidence that a part of the picture is copied: a copy from 28 on, so a statistic of up to 1/28."""

    name = "verdict"
    statistic = "1 divided by the evidence that a connected part of the picture is a copy"
    source = "copyrisk, docs/verdicts.md"

    def __init__(self, threshold: float | None, descriptor: Descriptor):
        """Take the threshold 1/28 where none is given."""
        self.threshold = 1 / Thresholds().statistic if threshold is None else threshold
        if not isinstance(descriptor, Pixels):
            raise UserError(f"--test verdict compares pixels; --descriptor is {descriptor.specifier}. Use pixels:64.")
        self.side = descriptor.side
        self.kept: list[_Ready] = []

    def check(self, references: int) -> None:
        """One reference is enough."""

    def nearest(self, generations: Sized, others: Sized, workers: int = 0) -> Nearest:
        """Find for each generation the reference (or control) that most speaks for a copy of."""
        made = self._made_ready(others)
        threshold = Thresholds(statistic=1 / self.threshold if self.threshold > 0 else np.inf)

        def look(numbers: list[int]) -> list[tuple[int, float, Evidence | None]]:
            grey = self._grey(generations.rows[numbers])
            found: list[tuple[int, float, Evidence | None]] = []
            for number, chosen in zip(numbers, made.candidates.of(grey, MOST), strict=True):
                one = self._small(generations, number)
                pictures = [made.picture(each) for each in chosen.tolist()]
                evidences = list(compare_many(one, pictures, threshold, made.common))
                # Of equal evidence the better candidate, which comes first.
                best = int(np.argmax([each.statistic for each in evidences])) if evidences else -1
                if best < 0:
                    found.append((-1, np.nan, None))
                else:
                    most = max(evidences[best].statistic, LEAST_EVIDENCE)
                    found.append((int(chosen[best]), 1 / most, evidences[best]))
            return found

        tasks = batched(range(len(generations.rows)), 4)
        rows = [row for some in in_threads(workers, look, tasks) for row in some]
        index, statistic, evidence = zip(*rows, strict=True) if rows else ((), (), ())
        return Nearest(np.array(index, np.int64), np.array(statistic, np.float64), list(evidence))

    def _made_ready(self, others: Sized) -> "_Ready":
        """Make references (or controls) ready; those of the last two tables are kept."""
        for known in self.kept:
            if known.rows is others.rows:
                return known
        ready = _Ready(
            others.rows,
            Candidates(self._grey(others.rows)),
            Common([self._image(others, number) for number in sampled(len(others.rows))]),
            lru_cache(maxsize=KEPT)(partial(self._small, others)),
        )
        self.kept = [*self.kept[-1:], ready]
        return ready

    def _grey(self, rows: Bytes) -> Bytes:
        """Return rows as small grey pictures: (n, 32, 32)."""
        planes = grey_of(rows.reshape(-1, self.side, self.side, 3)).astype(np.float32)
        line = averaging(self.side, 0, self.side, GREY_SIDE)
        return np.rint(resampled(planes, line, line)).astype(np.uint8)

    def _small(self, pictures: Sized, number: int) -> Small:
        return Small(self._image(pictures, number))

    def _image(self, pictures: Sized, number: int) -> Image.Image:
        """Return a picture at its own proportions, with as many pixels as the descriptor has."""
        image = Image.fromarray(pictures.rows[number].reshape(self.side, self.side, 3))
        stretch = float(np.clip(pictures.proportions[number], 0.25, 4)) ** 0.5
        size = round(self.side * stretch), round(self.side / stretch)
        return image if size == image.size else image.resize(size, Image.Resampling.BILINEAR)


def evidence_columns(evidence: list[Evidence | None]) -> dict[str, list[Any]]:
    """Return what the table `matches` keeps of evidence; null where no place was worth examining."""
    seen = [each if each is not None and each.alignment is not None else None for each in evidence]
    return {
        "share": [each and each.share for each in seen],
        "informative_share": [each and each.informative_share for each in seen],
        "changes": [each and changes_of(each) for each in seen],
        "mask": [each and _png(each.mask) for each in seen],
        "box": [each and each.alignment and list(each.alignment.box) for each in seen],
    }


def _png(mask: NDArray[np.bool_]) -> bytes:
    held = io.BytesIO()
    Image.fromarray(mask).save(held, "PNG", optimize=True)
    return held.getvalue()
