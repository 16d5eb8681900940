"""The two ends of an interval as random draws, so that rates can be combined and stay honest.

For one rate the ends of its intervals at all confidences form two distributions, one of lower and one of upper ends;
the α/2 quantile of the first and the 1 − α/2 quantile of the second are the interval at 1 − α. A function of several
rates that grows with each of them is computed draw by draw, lower ends from lower ends and upper from upper: melding
(Fay, Proschan and Brittain 2015, Biometrics 71:146). Draws have fixed seeds: the same counts give the same interval.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

DRAWS = 100_000
"""Draws behind an interval's end: the level of a 95 % interval is then known to 0.05 %."""


@dataclass(frozen=True)
class Ends:
    """An estimate in [0, 1] with draws of the lower and upper ends of its intervals, both of shape (DRAWS,)."""

    estimate: float
    low: Floats
    high: Floats

    def interval(self, confidence: float) -> tuple[float, float]:
        """Return the interval at a confidence; it always holds the estimate and stays in [0, 1]."""
        tail = (1 - confidence) / 2
        low, high = float(np.quantile(self.low, tail)), float(np.quantile(self.high, 1 - tail))
        return max(0.0, min(low, self.estimate)), min(1.0, max(high, self.estimate))


@dataclass(frozen=True)
class Sample:
    """The sampling units of one stratum: copies and tries of each, and how many units of the population it stands for.

    successes, trials, weights: (units,); units without tries are left out.
    """

    successes: Floats
    trials: Floats
    weights: Floats
    unit: str = "prompts"

    @classmethod
    def of(
        cls,
        successes: ArrayLike,
        trials: ArrayLike | None = None,
        weights: ArrayLike | None = None,
        unit: str = "prompts",
    ) -> "Sample":
        """Make a sample from array-likes; one try and weight 1 each where they are not given."""
        k = np.asarray(successes, float)
        m = np.ones_like(k) if trials is None else np.asarray(trials, float)
        w = np.ones_like(k) if weights is None else np.asarray(weights, float)
        return cls(k[m > 0], m[m > 0], w[m > 0], unit)

    @property
    def mean(self) -> float:
        """The weighted mean over the units of each unit's share of copies; 0 where there is no unit."""
        total = self.weights.sum()
        return float(self.weights @ (self.successes / self.trials) / total) if total > 0 else 0.0


def of_sample(sample: Sample, seed: int = 0) -> Ends:
    """Return the ends of the mean share of copies of a sample's units.

    A unit's share is any variable in [0, 1]: nothing is assumed of how prompts differ. The ends are Gaffke's bounds of
    a bounded mean (Gaffke 2005; Learned-Miller and Thomas 2020, arXiv 1905.06208): the mean under random weights
    (Dirichlet) of the units and of one more unit that always copies (upper end) or never does (lower end). For units
    that copy always or never these are Clopper and Pearson's ends exactly; no copy in n prompts is "at most
    1 − (α/2)^(1/n)", however many images each had.
    """
    generator = _generator(seed)
    if not len(sample.trials):
        return Ends(0.0, np.zeros(DRAWS), np.ones(DRAWS))
    # Units that are alike are drawn together: the sum of n exponentials is a gamma variable.
    alike, counts = np.unique(
        np.stack([sample.successes / sample.trials, sample.weights], axis=1), axis=0, return_counts=True
    )
    total, copies = np.zeros(DRAWS), np.zeros(DRAWS)
    for (value, weight), count in zip(alike, counts, strict=True):
        drawn = weight * generator.standard_gamma(count, DRAWS)
        total += drawn
        copies += value * drawn
    # The unit that was not seen may stand for as many as the heaviest that was.
    unseen = sample.weights.max() * generator.standard_exponential(DRAWS)
    total += unseen
    return Ends(sample.mean, copies / total, (copies + unseen) / total)


def of_binomial(successes: int, trials: int, seed: int = 0) -> Ends:
    """Return the ends of the rate of independent tries: those of Clopper and Pearson."""
    generator = _generator(seed)
    missed = trials - successes
    low = generator.beta(successes, missed + 1, DRAWS) if successes else np.zeros(DRAWS)
    high = generator.beta(successes + 1, missed, DRAWS) if missed else np.ones(DRAWS)
    return Ends(successes / trials if trials else 0.0, low, high)


def known(value: float) -> Ends:
    """Return the ends of a number that is known."""
    return Ends(value, np.full(DRAWS, value), np.full(DRAWS, value))


def weighted(parts: Sequence[Ends], weights: ArrayLike, counted: bool = False) -> Ends:
    """Return the ends of Σ w_h θ_h over strata; without any stratum nothing is known.

    weights: (strata,), not negative, in any unit. They are known, or `counted`: numbers of a sample of requests, whose
    shares are then drawn from their posterior (Dirichlet with Jeffreys' prior).
    """
    shares = np.asarray(weights, float)
    if not len(parts) or shares.sum() <= 0:
        return Ends(0.0, np.zeros(DRAWS), np.ones(DRAWS))
    mean = shares / shares.sum()
    # Sums of rounded weights can end a hair above 1.
    estimate = min(1.0, float(sum(share * part.estimate for share, part in zip(mean, parts, strict=True))))
    each: Sequence[float] | Floats = list(mean)
    if counted and len(parts) > 1:
        gammas = _generator(2**31).standard_gamma(shares[:, None] + 0.5, (len(shares), DRAWS))
        each = gammas / gammas.sum(axis=0)
    low, high = np.zeros(DRAWS), np.zeros(DRAWS)
    for share, part in zip(each, parts, strict=True):
        low += share * part.low
        high += share * part.high
    return Ends(estimate, low, high)


def scaled(part: Ends, factor: float) -> Ends:
    """Return the ends of a rate times a known factor, at most 1."""
    low, high = np.minimum(factor * part.low, 1.0), np.minimum(factor * part.high, 1.0)
    return Ends(min(1.0, factor * part.estimate), low, high)


def corrected(observed: Ends, sensitivity: Ends, false_positives: Ends) -> Ends:
    """Return the ends of the true rate of copies, (observed − f)/(s − f), that a test with errors has seen.

    observed: the share that the test calls copies; sensitivity: the share of true copies that it finds;
    false_positives: the share of others that it calls copies (Rogan and Gladen 1978, doi 10.1093/oxfordjournals.
    aje.a112510). The result grows with the first and falls with the other two, so their ends change sides. Where a draw
    of the sensitivity is not above that of the false positives, the test says nothing: the end is then 0 or 1.
    """

    def solve(rate: Floats, s: Floats, f: Floats, silent: float) -> Floats:
        gap = s - f
        answer = np.clip((rate - f) / np.where(gap > 0, gap, 1), 0, 1)
        return np.where(gap > 0, answer, silent)

    rate, s, f = observed.estimate, sensitivity.estimate, false_positives.estimate
    return Ends(
        estimate=min(1.0, max(0.0, (rate - f) / (s - f))) if s > f else 0.0,
        low=solve(observed.low, sensitivity.high, false_positives.high, 0.0),
        high=solve(observed.high, sensitivity.low, false_positives.low, 1.0),
    )


def _generator(seed: int) -> np.random.Generator:
    """A stream of its own for each part of a combination: parts are independent."""
    return np.random.default_rng(np.random.SeedSequence(0, spawn_key=(seed,)))
