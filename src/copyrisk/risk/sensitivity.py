"""Which factor the uncertainty comes from: a tornado, and shares of the variance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import factorial, prod

import numpy as np
from numpy.typing import NDArray

from copyrisk.errors import UserError
from copyrisk.risk.correlations import Correlation, blocks
from copyrisk.risk.distributions import Distribution

LARGEST_BLOCK = 12
"""Factors that may hang together by correlations: Shapley shares go through all subsets of them."""


@dataclass(frozen=True)
class Driver:
    """What one uncertain input does to the result.

    low, high: the result with this input at its 5 % and 95 % quantile and all others at their median. share: its part
    of the variance, see `variance_shares`.
    """

    name: str
    low: float
    high: float
    share: float


def drivers(
    inputs: Mapping[str, Distribution],
    draws: Mapping[str, NDArray[np.float64]],
    correlations: Sequence[Correlation],
) -> list[Driver]:
    """Return the uncertain inputs of a product with what each does to it, the largest part of the variance first."""
    uncertain = [name for name, each in inputs.items() if not each.fixed]
    medians = {name: each.at(0.5) for name, each in inputs.items()}
    shares = variance_shares({name: draws[name] for name in uncertain}, correlations)

    def result(name: str, level: float) -> float:
        return prod({**medians, name: inputs[name].at(level)}.values())

    found = [Driver(name, result(name, 0.05), result(name, 0.95), shares[name]) for name in uncertain]
    return sorted(found, key=lambda driver: -driver.share)


def variance_shares(
    draws: Mapping[str, NDArray[np.float64]], correlations: Sequence[Correlation] = ()
) -> dict[str, float]:
    """Return each input's part of the variance of the logarithm of the product of all; the parts add up to 1.

    The logarithm of a product is a sum. Where inputs are independent its variance is the sum of theirs, and the parts
    are exact. Those that hang together share theirs by Shapley's value, in which an input's part is the variance that
    it explains, averaged over all orders in which the inputs could become known (Owen and Prieur 2017); what a group
    explains is taken from the covariance matrix, as for normal variables. Where a draw is 0, which has no logarithm,
    the parts are the squared rank correlations with the product.
    """
    if any((each <= 0).any() for each in draws.values()):
        return _rank_shares(draws)
    logs = {name: np.log(each) for name, each in draws.items()}
    found = {name: float(each.var()) for name, each in logs.items()}
    for block in blocks(correlations):
        if len(block) > LARGEST_BLOCK:
            raise UserError(
                f"{len(block)} factors hang together by correlations, at most {LARGEST_BLOCK} can. Leave out weak ones."
            )
        found |= dict(zip(block, shapley(np.cov(np.stack([logs[name] for name in block]))), strict=True))
    total = sum(found.values())
    return {name: part / total if total > 0 else 0.0 for name, part in found.items()}


def shapley(covariance: NDArray[np.float64]) -> list[float]:
    """Return Shapley's parts of the variance of the sum of normal variables with this covariance (n, n)."""
    n = len(covariance)
    with_sum = covariance.sum(axis=1)

    def explained(known: tuple[int, ...]) -> float:
        if not known:
            return 0.0
        rows = list(known)
        return float(with_sum[rows] @ np.linalg.solve(covariance[np.ix_(rows, rows)], with_sum[rows]))

    by_group = {group: explained(group) for size in range(n + 1) for group in combinations(range(n), size)}
    parts = [0.0] * n
    for group, value in by_group.items():
        for i in range(n):
            if i not in group:
                weight = factorial(len(group)) * factorial(n - len(group) - 1) / factorial(n)
                parts[i] += weight * (by_group[tuple(sorted((*group, i)))] - value)
    return parts


def _rank_shares(draws: Mapping[str, NDArray[np.float64]]) -> dict[str, float]:
    product = np.prod(np.stack(list(draws.values())), axis=0)
    order = product.argsort(kind="stable").argsort()
    squared = {
        name: float(np.corrcoef(each.argsort(kind="stable").argsort(), order)[0, 1] ** 2)
        for name, each in draws.items()
    }
    total = sum(squared.values())
    return {name: part / total if total > 0 else 0.0 for name, part in squared.items()}
