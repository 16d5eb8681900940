"""Rates of copies with their intervals, with prompts as the sampling unit."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaincinv

from copyrisk.rates.ends import Ends, Sample, of_sample, weighted

__all__ = ["Rate", "Sample", "binomial_rate", "clustered_rate", "exceeds", "rate_of", "weighted_rate"]


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


def binomial_rate(successes: int, trials: int, unit: str, confidence: float = 0.95) -> Rate:
    """Return the rate of independent tries with its exact interval (Clopper and Pearson 1934).

    No success among n gives the bound 1 − (α/2)^(1/n), never 0; no try gives the interval from 0 to 1.
    """
    tail = (1 - confidence) / 2
    low = float(betaincinv(successes, trials - successes + 1, tail)) if successes > 0 else 0.0
    high = float(betaincinv(successes + 1, trials - successes, 1 - tail)) if successes < trials else 1.0
    return Rate(successes / trials if trials else 0.0, low, high, confidence, successes, trials, unit, trials)


def clustered_rate(sample: Sample, confidence: float = 0.95) -> Rate:
    """Return the mean over the units of a sample of each unit's share of copies; see `ends.of_sample`."""
    return weighted_rate([sample], [1.0], confidence)


def weighted_rate(
    samples: Sequence[Sample], weights: ArrayLike, confidence: float = 0.95, counted: bool = False
) -> Rate:
    """Return Σ w_h θ_h over strata h, θ_h being the mean share of copies of a stratum's units.

    A unit's share is any variable in [0, 1], so the interval assumes nothing of how prompts differ. The weights are
    known, or `counted`: then they are how many of a sample of requests fell into each stratum, and their own
    uncertainty is part of the interval. See `copyrisk.rates.ends` for the method; its draws have a fixed seed.
    """
    return rate_of(
        weighted([of_sample(sample, h) for h, sample in enumerate(samples)], weights, counted), samples, confidence
    )


def rate_of(ends: Ends, samples: Sequence[Sample], confidence: float) -> Rate:
    """Return the rate whose interval the draws of its ends give, counted on `samples`."""
    low, high = ends.interval(confidence)
    return Rate(
        estimate=ends.estimate,
        low=low,
        high=high,
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
