"""Draws of the factors: stratified, and correlated where a scenario says so."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from copyrisk.risk.correlations import Correlation, blocks, normal_matrix
from copyrisk.risk.distributions import Distribution

DRAWS = 100_000
"""Draws of each factor; the seed is fixed, so that the same scenario gives the same numbers."""


def draw(
    inputs: Mapping[str, Distribution], correlations: Sequence[Correlation] = (), draws: int = DRAWS
) -> dict[str, NDArray[np.float64]]:
    """Draw every input: arrays (draws,) by name; of one draw where all inputs are fixed.

    Latin hypercube sampling (McKay, Beckman and Conover 1979): each input takes each of the levels (i + ½) / draws
    once, so that what a single input contributes has next to no error of sampling. Correlated inputs take their levels
    in the order of correlated normal variables: a Gaussian copula (Iman and Conover 1982).
    """
    if all(each.fixed for each in inputs.values()):
        draws = 1
    levels = (np.arange(draws) + 0.5) / draws
    ranks = _ranks(list(inputs), correlations, draws)
    return {
        name: np.full(draws, each.at(0.5)) if each.fixed else each.quantile(levels)[ranks[name]]
        for name, each in inputs.items()
    }


def _ranks(names: list[str], correlations: Sequence[Correlation], draws: int) -> dict[str, NDArray[np.int64]]:
    generator = np.random.default_rng(0)
    found = {name: generator.permutation(draws) for name in names}
    for block in blocks(correlations):
        root = np.linalg.cholesky(normal_matrix(block, [each for each in correlations if each.first in block]))
        normals = root @ generator.standard_normal((len(block), draws))
        found |= dict(zip(block, normals.argsort(axis=1).argsort(axis=1), strict=True))
    return found
