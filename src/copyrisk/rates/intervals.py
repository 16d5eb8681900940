"""Intervals for rates of copies, with prompts as the sampling unit."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv

DRAWS = 100_000
"""Draws behind an interval's end: the level of a 95 % interval is then known to 0.05 %."""


@dataclass(frozen=True)
class Rate:
    """A rate with its interval.

    estimate, low, high: in [0, 1]; the interval covers the true rate with probability `confidence`. successes of trials
    were copies. unit: what was sampled (`prompts`, `pictures` or `generations`); units: how many of them.
    """

    estimate: float
    low: float
    high: float
    confidence: float
    successes: int
    trials: int
    unit: str
    units: int


@dataclass(frozen=True)
class Sample:
    """The sampling units of one stratum: copies and tries of each, and how many units of the population it stands for.

    successes, trials, weights: (units,); units without tries are left out.
    """

    successes: NDArray[np.float64]
    trials: NDArray[np.float64]
    weights: NDArray[np.float64]
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


def binomial_rate(successes: int, trials: int, unit: str, confidence: float = 0.95) -> Rate:
    """Return the rate of independent tries with its exact interval (Clopper and Pearson 1934).

    No success among n gives the bound 1 − (α/2)^(1/n), never 0; no try gives the interval from 0 to 1.
    """
    tail = (1 - confidence) / 2
    low = float(betaincinv(successes, trials - successes + 1, tail)) if successes > 0 else 0.0
    high = float(betaincinv(successes + 1, trials - successes, 1 - tail)) if successes < trials else 1.0
    return Rate(successes / trials if trials else 0.0, low, high, confidence, successes, trials, unit, trials)


def clustered_rate(sample: Sample, confidence: float = 0.95) -> Rate:
    """Return the mean over the units of a sample of each unit's share of copies; see `weighted_rate`."""
    return weighted_rate([sample], [1.0], confidence)


def weighted_rate(samples: Sequence[Sample], weights: ArrayLike, confidence: float = 0.95) -> Rate:
    """Return Σ w_h θ_h over strata h with known weights w_h, θ_h being the mean share of copies of a stratum's units.

    A unit's share is any variable in [0, 1], so the interval assumes nothing of how prompts differ. Within a stratum
    its ends are Gaffke's bounds of a bounded mean (Gaffke 2005; Learned-Miller and Thomas 2020, arXiv 1905.06208):
    quantiles of the mean under random weights (Dirichlet) of the units and of one more unit that always copies (upper
    end) or never does (lower end). For units that copy always or never these are Clopper and Pearson's ends exactly; no
    copy in n prompts is "at most 1 − (α/2)^(1/n)", however many images each had. Strata are melded: the draws of their
    ends are added (Fay, Proschan and Brittain 2015, Biometrics 71:146). The draws have a fixed seed.
    """
    shares = np.asarray(weights, float)
    shares = shares / shares.sum() if shares.sum() > 0 else shares
    # Sums of rounded weights can end a hair above 1.
    estimate = min(1.0, sum(share * _mean(sample) for share, sample in zip(shares, samples, strict=True)))
    seeds = np.random.SeedSequence(0).spawn(len(samples))
    ends = np.zeros((2, DRAWS))
    for share, sample, seed in zip(shares, samples, seeds, strict=True):
        ends += share * _draws(sample, np.random.default_rng(seed))
    tail = (1 - confidence) / 2
    low, high = float(np.quantile(ends[0], tail)), float(np.quantile(ends[1], 1 - tail))
    return Rate(
        estimate=float(estimate),
        low=min(low, float(estimate)),
        high=max(min(high, 1.0), float(estimate)) if samples else 1.0,
        confidence=confidence,
        successes=int(sum(sample.successes.sum() for sample in samples)),
        trials=int(sum(sample.trials.sum() for sample in samples)),
        unit=samples[0].unit if samples else "prompts",
        units=sum(len(sample.trials) for sample in samples),
    )


def exceeds(rate: Rate, control: Rate, scale: float = 1.0) -> bool:
    """Say whether `rate` is surely above `scale` times `control`.

    True where the lower end of the interval of their difference is above 0; that end comes from the ends of both
    intervals by squaring and adding (Newcombe 1998, method 10).
    """
    gap = rate.estimate - min(1.0, scale * control.estimate)
    below = rate.estimate - rate.low
    above = min(1.0, scale * control.high) - min(1.0, scale * control.estimate)
    return bool(gap - np.hypot(below, above) > 0)


def _mean(sample: Sample) -> float:
    total = sample.weights.sum()
    return float(sample.weights @ (sample.successes / sample.trials) / total) if total > 0 else 0.0


def _draws(sample: Sample, generator: np.random.Generator) -> NDArray[np.float64]:
    """Draw the lower and upper ends of a sample's mean: shape (2, DRAWS)."""
    if not len(sample.trials):
        return np.stack([np.zeros(DRAWS), np.ones(DRAWS)])
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
    return np.stack([copies / total, (copies + unseen) / total])
