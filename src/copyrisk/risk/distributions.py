"""What may be known of a factor, each as a quantile function with its description in words."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, expit, logit, ndtr, ndtri

from copyrisk.risk.words import number, percent

Array = NDArray[np.float64]
Words = Callable[[float], str]

_NODES = ndtri(1 - np.geomspace(0.5, 1e-7, 1500))
_NODES = np.concatenate([-_NODES[:0:-1], _NODES])
"""Where a Beta quantile is computed when very many are asked for; between them its logit is interpolated."""


@dataclass(frozen=True)
class Distribution:
    """What is known of one quantity.

    kind: its name in a scenario. words: it in words. quantile: from levels in (0, 1), any shape, to values of that
    shape. fixed: it is one number, known exactly.
    """

    kind: str
    words: str
    quantile: Callable[[Array], Array]
    fixed: bool = False

    def at(self, level: float) -> float:
        """Return the value below which the quantity lies with this probability."""
        return float(self.quantile(np.array([level]))[0])


def value(x: float, words: str = "") -> Distribution:
    """Return a number that is known exactly; `words` is how it was written."""
    return Distribution("value", words or percent(x), lambda u: np.full_like(u, x), fixed=True)


def uniform(low: float, high: float, words: Words = percent) -> Distribution:
    """Return a distribution in which every value from low to high is as likely as every other."""
    return Distribution("uniform", f"{words(low)} to {words(high)}, uniform", lambda u: low + u * (high - low))


def log_uniform(low: float, high: float, words: Words = percent) -> Distribution:
    """Return a distribution in which every order of magnitude from low (above 0) to high is as likely."""
    span = math.log(high / low)
    return Distribution("log-uniform", f"{words(low)} to {words(high)}, log-uniform", lambda u: low * np.exp(u * span))


def triangular(low: float, mode: float, high: float, words: Words = percent) -> Distribution:
    """Return the triangular distribution: straight lines from low up to the mode and down to high."""
    split = (mode - low) / (high - low)

    def quantile(u: Array) -> Array:
        rising = low + np.sqrt(u * (high - low) * (mode - low))
        falling = high - np.sqrt((1 - u) * (high - low) * (high - mode))
        return np.where(u < split, rising, falling)

    return Distribution("triangular", _three(low, mode, high, words, "triangular"), quantile)


def pert(low: float, mode: float, high: float, words: Words = percent) -> Distribution:
    """Return the PERT distribution: a Beta on [low, high] with mean (low + 4 mode + high) / 6 (Malcolm et al. 1959).

    It weighs the mode more, and the ends less, than the triangular distribution does.
    """
    a, b = 1 + 4 * (mode - low) / (high - low), 1 + 4 * (high - mode) / (high - low)
    return Distribution(
        "pert", _three(low, mode, high, words, "PERT"), lambda u: low + (high - low) * _beta_quantile(a, b, u)
    )


def beta(a: float, b: float) -> Distribution:
    """Return the Beta distribution."""
    return Distribution("beta", f"Beta({a:g}, {b:g})", lambda u: _beta_quantile(a, b, u))


def counts(successes: int, trials: int) -> Distribution:
    """Return what k successes in n independent tries tell of a share: Beta(k + ½, n − k + ½), the posterior to
    Jeffreys' prior (Brown, Cai and DasGupta 2001).

    No success is not zero: the median is then about 0.23 / n.
    """
    return Distribution(
        "counts",
        f"{successes:,} of {trials:,}",
        lambda u: _beta_quantile(successes + 0.5, trials - successes + 0.5, u),
    )


def lognormal(median: float, p95: float, words: Words = percent, largest: float = math.inf) -> Distribution:
    """Return the lognormal distribution with this median and 95 % quantile; values above `largest` are cut to it."""
    spread = math.log(p95 / median) / float(ndtri(0.95))
    return Distribution(
        "lognormal",
        f"{words(median)}, 90 % within a factor of {number(p95 / median)}, lognormal",
        lambda u: np.minimum(largest, median * np.exp(spread * ndtri(u))),
    )


def measured(rate: dict[str, Any], words: str) -> Distribution:
    """Return what a run's rate tells: its median is the estimate, its interval's ends are quantiles at their levels.

    On the logit scale it is normal below and above the estimate, with a spread for each side. Where no try succeeded it
    is Beta(1, n), and where all did Beta(n, 1), with the n that gives the interval's end: then the median is not 0 (1).
    An end that lies at 0 or 1 is reached along a straight line. rate: as in report.json, `estimate`, `low`, `high` and
    `confidence`, its interval not all of [0, 1].
    """
    estimate, low, high = rate["estimate"], rate["low"], rate["high"]
    tail = (1 - rate["confidence"]) / 2
    if estimate <= 0:
        tries = math.log(tail) / math.log1p(-high)
        return Distribution("run", words, lambda u: -np.expm1(np.log1p(-u) / tries))
    if estimate >= 1:
        tries = math.log(tail) / math.log(low)
        return Distribution("run", words, lambda u: u ** (1 / tries))
    reach = float(ndtri(1 - tail))
    middle = float(logit(estimate))

    def quantile(u: Array) -> Array:
        z = ndtri(u) / reach
        below = (
            expit(middle + z * (middle - float(logit(low)))) if low > 0 else np.interp(u, [tail, 0.5], [0, estimate])
        )
        above = (
            expit(middle + z * (float(logit(high)) - middle))
            if high < 1
            else np.interp(u, [0.5, 1 - tail], [estimate, 1])
        )
        return np.where(u < 0.5, below, above)

    return Distribution("run", words, quantile)


def _beta_quantile(a: float, b: float, u: Array) -> Array:
    if u.size <= 2 * len(_NODES):
        return np.asarray(betaincinv(a, b, u))
    z = ndtri(u)
    reach = float(np.abs(z).max())
    nodes = np.unique(np.concatenate([[-reach, reach], _NODES[np.abs(_NODES) < reach]]))
    levels = np.clip(ndtr(nodes), u.min(), u.max())
    values = np.clip(betaincinv(a, b, levels), 1e-300, 1 - 1e-16)
    return np.asarray(expit(np.interp(z, nodes, logit(values))))


def _three(low: float, mode: float, high: float, words: Words, shape: str) -> str:
    return f"{words(low)} to {words(high)}, most likely {words(mode)}, {shape}"
