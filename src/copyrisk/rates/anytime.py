"""Intervals that hold whenever one stops, for draws whose prompts were chosen in the light of earlier draws.

Each draw t gives y_t with E[y_t | what was drawn before] = θ, known beforehand to lie in [bottom_t, top_t]. For a
candidate m, the wealth of somebody who bets against "θ ≥ m",

    K(m) = Σ_r π_r Π_t (1 − λ_r,t (y_t − m)),        0 ≤ λ_r,t ≤ 1 / (top_t − m),

starts at 1 and is not expected to grow if θ ≥ m, so that with probability 1 − α/2 it never reaches 2/α (Ville's
inequality): all m where it has are too high. The lower end bets the other way. This is betting on bounded means
(Waudby-Smith and Ramdas 2024, JRSS B 86:1, arXiv 2010.09686). The stakes λ_r,t are those that win most when the
interval's end lies r times the rate from the rate (Kelly), with the rate and the variance of the draws before t; their
mixture over r needs no guess of when one will stop.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from copyrisk.rates.ends import DRAWS, Ends, Floats

DISTANCES = 2.0 ** np.arange(3, -7, -1)
"""Distances r of an end from the rate, in units of the rate, for which stakes are laid."""


@dataclass(frozen=True)
class Stream:
    """Draws in their order: values and the bounds known before each, all of shape (draws,)."""

    values: Floats
    bottom: Floats
    top: Floats

    @property
    def estimate(self) -> float:
        """The mean of the draws, brought into [0, 1]; 0 where there is none."""
        return float(np.clip(self.values.mean(), 0, 1)) if len(self.values) else 0.0


def anytime_interval(stream: Stream, confidence: float = 0.95) -> tuple[float, float]:
    """Return the interval of the mean θ in [0, 1] that holds with probability `confidence` at any stopping time."""
    limit = float(np.log(2 / (1 - confidence)))
    return _Wealth(stream, up=False).end(limit), _Wealth(stream, up=True).end(limit)


def of_stream(stream: Stream, seed: int = 0) -> Ends:
    """Return draws of the ends of the intervals at all confidences, to be combined with other rates."""
    generator = np.random.default_rng(np.random.SeedSequence(0, spawn_key=(seed, 1)))
    # Between these levels ends are interpolated; beyond the last no interval is ever asked for.
    levels = np.concatenate([np.linspace(0, 6, 13), np.linspace(7, 14, 8)])
    drawn = np.minimum(generator.standard_exponential((2, DRAWS)), levels[-1])
    wealths = [_Wealth(stream, up) for up in (False, True)]
    low, high = (np.array([wealth.end(level) for level in levels]) for wealth in wealths)
    return Ends(stream.estimate, np.interp(drawn[0], levels, low), np.interp(drawn[1], levels, high))


class _Wealth:
    """The logarithm of the wealth of betting against all means above (`up`) or below a candidate."""

    def __init__(self, stream: Stream, up: bool):
        self.up, self.estimate = up, stream.estimate
        self.values = stream.values
        self.far = stream.top if up else stream.bottom
        # What full stakes leave of the wealth: nothing at all where the value is the bound, whatever rounding says.
        left = np.abs(self.far - stream.values)
        self.left = np.where(left > 1e-9, left, 0.0)
        scale = _rate_over_variance(stream)
        if up:
            stakes = (DISTANCES / (1 + DISTANCES))[:, None] * scale
            # All that can be staked: it alone gives the bound of no copy at all.
            self.stakes = np.concatenate([np.full((1, len(scale)), np.inf), stakes])
            share = np.array([1 / 3, *np.full(len(DISTANCES), 2 / 3 / len(DISTANCES))])
        else:
            self.stakes = DISTANCES[:, None] * scale
            share = np.full(len(DISTANCES), 1 / len(DISTANCES))
        self.log_share = np.log(share)

    def __call__(self, mean: float) -> float:
        gain = mean - self.values if self.up else self.values - mean
        room = np.maximum(self.far - mean if self.up else mean - self.far, 1e-12)
        partial = self.stakes < 1 / room
        with np.errstate(divide="ignore"):
            kept = np.log1p(np.maximum(np.where(partial, self.stakes, 0) * gain, -1))
            logs = np.where(partial, kept, np.log(self.left / room)).sum(axis=1) + self.log_share
        return float(np.logaddexp.reduce(logs))

    def end(self, limit: float) -> float:
        """The candidate at which the wealth reaches the limit (a logarithm); the bound 0 or 1 where it never does."""
        last = 1 - 1e-12 if self.up else 1e-12
        if not len(self.values) or self(last) <= limit:
            return float(self.up)
        if self(self.estimate) >= limit:
            return self.estimate
        return float(brentq(lambda mean: self(mean) - limit, self.estimate, last, xtol=1e-9, rtol=1e-6))


def _rate_over_variance(stream: Stream) -> Floats:
    """θ̂ / V̂ of the draws before each draw, with one half draw of the largest size to begin with."""
    before = np.arange(len(stream.values)) + 1.0
    size = np.maximum(stream.top, 1e-12)
    first = (np.cumsum(stream.values) - stream.values + 0.5 * size) / before
    second = (np.cumsum(stream.values**2) - stream.values**2 + 0.5 * size**2) / before
    rate = np.maximum(first, 0.5 * size / before)
    scale: Floats = rate / np.maximum(second - first**2, 0.05 * second)
    return scale
