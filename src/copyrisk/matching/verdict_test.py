"""The test `verdict`: is the generation, or a part of it, a copy? Candidates by `photo`, settled by the pictures."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from copyrisk.descriptors import Bytes, Descriptor
from copyrisk.descriptors.photo import GREY, Photo
from copyrisk.descriptors.thumbnails import SIDE
from copyrisk.errors import UserError
from copyrisk.index.measure import Floats, Integers
from copyrisk.parallel import batched, in_threads
from copyrisk.verdicts.changes import changes_of
from copyrisk.verdicts.references import Load, References
from copyrisk.verdicts.verdict import THRESHOLD, Evidence

LEAST_EVIDENCE = 1e-3
"""Less evidence than this counts as this, so that the statistic is a number."""

TOGETHER = 4
"""Generations that a thread compares at once."""


@dataclass(frozen=True)
class Side:
    """Pictures on one side of a comparison: rows of the descriptor (n, d), proportions (n,), and how to load them."""

    rows: Bytes
    proportions: Floats
    load: Load

    def take(self, numbers: Integers) -> "Side":
        """Return some of the pictures."""

        def load(chosen: Sequence[int]) -> dict[int, Image.Image]:
            found = self.load([int(numbers[each]) for each in chosen])
            return {each: found[int(numbers[each])] for each in chosen if int(numbers[each]) in found}

        return Side(self.rows[numbers], self.proportions[numbers], load)

    def load_all(self, chosen: Sequence[int]) -> dict[int, Image.Image]:
        """Load pictures; what is gone is taken, small and grey, from its row of `photo`."""
        found = self.load(chosen)
        return found | {each: self._small(each) for each in chosen if each not in found}

    @cached_property
    def references(self) -> References:
        """The pictures made ready to be compared with; for rows of `photo`."""
        return References(self.rows, self.proportions, self.load_all)

    def _small(self, number: int) -> Image.Image:
        image = Image.fromarray(self.rows[number, GREY].reshape(SIDE, SIDE)).convert("RGB")
        stretch = float(np.clip(self.proportions[number], 0.25, 4)) ** 0.5
        return image.resize((round(SIDE * stretch), round(SIDE / stretch)), Image.Resampling.BILINEAR)


@dataclass(frozen=True)
class Nearest:
    """The best of one side for each generation: rows (-1 where there is none), statistics, evidence (None)."""

    index: Integers
    statistic: Floats
    evidence: list[Evidence | None]


class VerdictTest:
    """The evidence that a part of the picture is copied: a copy from 7.5 on, so a statistic of up to 1/7.5."""

    name = "verdict"
    statistic = "1 divided by the evidence that the picture, or a connected part of it, is a copy"
    source = "copyrisk, docs/verdicts.md"
    descriptor = "photo"

    def __init__(self, threshold: float | None, descriptor: Descriptor):
        """Take the threshold 1/7.5 where none is given."""
        self.threshold = 1 / THRESHOLD if threshold is None else threshold
        if not isinstance(descriptor, Photo):
            raise UserError(
                f"--test verdict finds its candidates by photo; --descriptor is {descriptor.specifier}. Leave "
                "--descriptor out."
            )

    def check(self, references: int) -> None:
        """One reference is enough."""

    def nearest(self, generations: Side, others: Side, workers: int = 0) -> Nearest:
        """Find for each generation the reference (or control) that most speaks for a copy of."""
        threshold = 1 / self.threshold if self.threshold > 0 else np.inf
        references = others.references

        def look(numbers: list[int]) -> list[tuple[int, float, Evidence | None]]:
            pictures = generations.load_all(numbers)
            found: list[tuple[int, float, Evidence | None]] = []
            for number in numbers:
                judged, _ = references.judge(pictures[number], generations.rows[number], threshold)
                # Of equal evidence the better candidate, which comes first.
                best = max(judged, key=lambda each: each[1].statistic, default=None)
                if best is None:
                    found.append((-1, np.nan, None))
                else:
                    found.append((best[0], 1 / max(best[1].statistic, LEAST_EVIDENCE), best[1]))
            return found

        tasks = batched(range(len(generations.rows)), TOGETHER)
        rows = [row for some in in_threads(workers, look, tasks) for row in some]
        index, statistic, evidence = zip(*rows, strict=True) if rows else ((), (), ())
        return Nearest(np.array(index, np.int64), np.array(statistic, np.float64), list(evidence))


def evidence_columns(evidence: list[Evidence | None]) -> dict[str, list[Any]]:
    """Return what the table `matches` keeps of evidence; null where the reference lies nowhere."""
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
