"""The threshold of a test that accidents pass at a requested rate, read off the control group.

A statistic of at most the threshold is a copy, and controls are never copied: what passes among them passes by
accident. The threshold lies just below the k-th smallest statistic of n, with k the largest for which k / (n + 1) is at
most the requested rate. If the next generation is like these, it passes by accident with at most that probability
(split conformal prediction: Vovk, Gammerman and Shafer 2005, section 4.2). Prompts count as in the rate of the
controls: each of the m generations of a prompt of weight w has the weight w / m, and n is the number of generations of
average weight.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

RESAMPLES = 1000
"""Resamples of the prompts behind the interval of a threshold."""
SEED = 2001


@dataclass(frozen=True)
class Calibration:
    """A threshold with its interval, and what it was read off.

    requested: the false-positive rate a generation that was asked for; smallest: the smallest for which there are
    enough controls (where it is above the requested one, the threshold is that of `smallest`). low, high: the interval
    of the threshold at `confidence`, from resampled prompts. statistics: how many the threshold was read off, of so
    many `units` (prompts, or generations where each counts for itself). source: `controls` or `references`.
    """

    threshold: float
    low: float
    high: float
    confidence: float
    requested: float
    smallest: float
    statistics: int
    units: int
    source: str

    @property
    def reached(self) -> bool:
        """Whether there are enough controls for the requested rate."""
        return self.smallest <= self.requested


def calibrate(
    statistics: ArrayLike,
    units: ArrayLike,
    rate: float,
    scale: float,
    source: str,
    confidence: float = 0.95,
    shares: ArrayLike = 1.0,
) -> Calibration:
    """Find the threshold for a false-positive rate `rate` a generation.

    statistics: (n,), of the nearest control of each generation, n at least 1; units: (n,), which prompt each is of;
    scale: how many times more references than controls there are to be like by accident, at least 1; shares: (n,), the
    weight of each one's prompt, alike where they are not given.
    """
    values = np.asarray(statistics, float)
    share = np.broadcast_to(np.asarray(shares, float), values.shape)
    _, unit = np.unique(np.asarray(units), return_inverse=True)
    unit = unit.reshape(-1)
    order = np.argsort(values, kind="stable")
    values, unit, share = values[order], unit[order], share[order]
    sizes = np.bincount(unit)
    weights = share / sizes[unit]
    # One more generation of average weight, which may be the smallest of all.
    one = float(weights.mean())
    allowed = rate / scale
    generator = np.random.default_rng(SEED)
    draws = generator.multinomial(len(sizes), np.full(len(sizes), 1 / len(sizes)), size=RESAMPLES)
    resampled = [_threshold(values, weights * drawn[unit], one, allowed) for drawn in draws]
    tail = (1 - confidence) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail], method="nearest")
    return Calibration(
        threshold=_threshold(values, weights, one, allowed),
        low=float(low),
        high=float(high),
        confidence=confidence,
        requested=rate,
        smallest=min(1.0, scale * float(weights[0] / (weights.sum() + one))),
        statistics=len(values),
        units=len(sizes),
        source=source,
    )


def _threshold(values: Floats, weights: Floats, one: float, share: float) -> float:
    """Return the largest number below the weighted quantile; below the smallest value where none is allowed."""
    reached = np.cumsum(weights) / (weights.sum() + one)
    allowed = np.flatnonzero((reached <= share) & (weights > 0))
    at = allowed[-1] if len(allowed) else np.flatnonzero(weights > 0)[0]
    return float(np.nextafter(values[at], -np.inf))
