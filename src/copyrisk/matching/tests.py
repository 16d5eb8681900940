"""The published tests of whether a generation is a copy of a reference.

A test turns a generation into a statistic for its nearest reference; at most the threshold is a copy. Tests are found
by name in the entry-point group `copyrisk.tests`.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from copyrisk import registry
from copyrisk.descriptors import Bytes, Descriptor, trait
from copyrisk.descriptors.pixels import Pixels
from copyrisk.errors import UserError
from copyrisk.index.search import Floats, Index, Integers, Metric


@dataclass(frozen=True)
class Scores:
    """The nearest reference and control of each generation (rows, -1 where there is none) and their statistics."""

    reference: Integers
    reference_statistic: Floats
    control: Integers
    control_statistic: Floats


class Test(Protocol):
    """A test: a name, a threshold, and where it is from; `statistic` says in words what is compared."""

    name: str
    threshold: float
    statistic: str
    source: str

    def check(self, references: int) -> None:
        """Raise UserError where there are too few different references."""

    def score(self, generations: Bytes, references: Bytes, controls: Bytes) -> Scores:
        """Compare each generation (m, d) with all references (n, d) and all controls (c, d), one row a picture."""


class _Indexes:
    """Indexes of the rows that a test was last given: a run compares many shards with the same references."""

    def __init__(self, parts: NDArray[np.intp] | None = None, metric: Metric = "euclidean"):
        self.parts, self.metric = parts, metric
        self.kept: list[tuple[Bytes, Index]] = []

    def of(self, rows: Bytes) -> Index:
        for known, index in self.kept:
            if known is rows:
                return index
        self.kept = [*self.kept[-1:], (rows, Index(rows, self.parts, self.metric))]
        return self.kept[-1][1]


class TileTest:
    """The largest distance over 16 tiles of the picture (Carlini et al. 2023, section 4.2): a copy up to 0.15."""

    name = "tile"
    statistic = "the largest root-mean-square difference over the 16 tiles of the picture, 0 to 1"
    source = "Carlini et al. 2023 (arXiv 2301.13188), section 4.2"

    def __init__(self, threshold: float | None, descriptor: Descriptor):
        """Take the published threshold 0.15 where none is given."""
        self.threshold = 0.15 if threshold is None else threshold
        if not isinstance(descriptor, Pixels):
            raise UserError(f"--test tile compares pixels; --descriptor is {descriptor.specifier}. Use pixels:32.")
        self.indexes = _Indexes(descriptor.tiles())

    def check(self, references: int) -> None:
        """One reference is enough."""

    def score(self, generations: Bytes, references: Bytes, controls: Bytes) -> Scores:
        """Find the reference and the control whose worst tile is nearest."""
        found = self.indexes.of(references).nearest(generations)
        control = self.indexes.of(controls).nearest(generations)
        return Scores(found.index, found.distances[:, 0], control.index, control.distances[:, :1].reshape(-1))


class RatioTest:
    """The distance to the nearest reference against what is usual around it: a copy up to 1.

    The statistic is ℓ2(x̂, x) / (α · mean ℓ2(x̂, its n nearest references)), with α = 0.5 and n = 50 (Carlini et al.
    2023, section 5.1). The n nearest are different pictures: duplicates count once, else 50 copies of one picture would
    hide it. A control takes the place of x and is measured against the same neighbourhood.
    """

    name = "ratio"
    statistic = "the distance to the nearest reference, divided by half the mean distance to the 50 nearest"
    source = "Carlini et al. 2023 (arXiv 2301.13188), section 5.1"
    alpha = 0.5
    neighbours = 50

    def __init__(self, threshold: float | None, descriptor: Descriptor):
        """Take the published threshold 1 where none is given."""
        self.threshold = 1.0 if threshold is None else threshold
        self.indexes = _Indexes(metric=trait(descriptor, "metric"))

    def check(self, references: int) -> None:
        """Two different references are needed, or there is no neighbourhood."""
        if references < 2:
            raise UserError("--test ratio needs at least two different references. Use --test tile.")

    def score(self, generations: Bytes, references: Bytes, controls: Bytes) -> Scores:
        """Find the nearest reference and control and divide by the neighbourhood's scale."""
        found = self.indexes.of(references).nearest(generations, k=self.neighbours)
        control = self.indexes.of(controls).nearest(generations)
        # A generation that equals n references would divide by zero; it is a copy of each of them.
        scale = np.maximum(self.alpha * found.distances.mean(axis=1), np.finfo(np.float64).tiny)
        control_distance = control.distances[:, :1].reshape(-1)
        control_statistic = control_distance / scale if len(controls) else control_distance
        return Scores(found.index, found.distances[:, 0] / scale, control.index, control_statistic)


class SecondTest:
    """The distance to the nearest reference against that to the second nearest: a copy up to 1/3.

    Gu et al. 2023 (arXiv 2310.02664). As in `RatioTest`, a picture counts once,
    however often it occurs, and a control is measured against the references' second nearest.
    """

    name = "second"
    statistic = "the distance to the nearest reference, divided by that to the second nearest"
    source = "Gu et al. 2023 (arXiv 2310.02664)"

    def __init__(self, threshold: float | None, descriptor: Descriptor):
        """Take the published threshold 1/3 where none is given."""
        self.threshold = 1 / 3 if threshold is None else threshold
        self.indexes = _Indexes(metric=trait(descriptor, "metric"))

    def check(self, references: int) -> None:
        """Two different references are needed."""
        if references < 2:
            raise UserError("--test second needs at least two different references. Use --test tile.")

    def score(self, generations: Bytes, references: Bytes, controls: Bytes) -> Scores:
        """Find the nearest reference and control and divide by the distance to the second nearest reference."""
        found = self.indexes.of(references).nearest(generations, k=2)
        control = self.indexes.of(controls).nearest(generations)
        scale = np.maximum(found.distances[:, -1], np.finfo(np.float64).tiny)
        control_distance = control.distances[:, :1].reshape(-1)
        control_statistic = control_distance / scale if len(controls) else control_distance
        return Scores(found.index, found.distances[:, 0] / scale, control.index, control_statistic)


class SimilarityTest:
    """The cosine distance of a network's rows, 1 − similarity: a copy up to 0.5.

    Somepalli et al. 2023 (CVPR) call an image whose SSCD similarity to a training image is above 0.5 replicated. Other
    networks need a threshold of their own.
    """

    name = "similarity"
    statistic = "1 − the cosine similarity to the most similar reference, 0 to 2"
    source = "Somepalli et al. 2023 (arXiv 2212.03860), for SSCD"

    def __init__(self, threshold: float | None, descriptor: Descriptor):
        """Take the published threshold 0.5 where none is given."""
        self.threshold = 0.5 if threshold is None else threshold
        if trait(descriptor, "metric") != "cosine":
            raise UserError(
                f"--test similarity compares the rows of a network; --descriptor is {descriptor.specifier}. Use "
                "sscd:FILE, or another network."
            )
        self.indexes = _Indexes(metric="cosine")

    def check(self, references: int) -> None:
        """One reference is enough."""

    def score(self, generations: Bytes, references: Bytes, controls: Bytes) -> Scores:
        """Find the most similar reference and control."""
        found = self.indexes.of(references).nearest(generations)
        control = self.indexes.of(controls).nearest(generations)
        return Scores(found.index, found.distances[:, 0], control.index, control.distances[:, :1].reshape(-1))


def open_test(name: str, threshold: float | None, descriptor: Descriptor) -> Test:
    """Return the test called `name`; raise UserError where there is none or it does not fit the descriptor."""
    test: Test = registry.load("tests", name)(threshold, descriptor)
    return test


def default_descriptor(name: str) -> str:
    """Return what images are described by for the test called `name`: its `descriptor`, `pixels:32` where it has none.

    Raises UserError where there is no such test.
    """
    descriptor: str = getattr(registry.load("tests", name), "descriptor", "pixels:32")
    return descriptor
