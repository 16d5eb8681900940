"""Rank correlations between what we do not know of two factors."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Correlation:
    """How strongly our ignorance of two factors goes together: Spearman's rank correlation, between -1 and 1."""

    first: str
    second: str
    rank: float
    source: str


def normal_matrix(names: Sequence[str], correlations: Sequence[Correlation]) -> NDArray[np.float64]:
    """Return the correlation matrix of the Gaussian copula that has these rank correlations: (names, names).

    A normal pair with correlation r has rank correlation (6 / π) asin(r / 2) (Pearson 1907).
    """
    matrix = np.eye(len(names))
    for each in correlations:
        i, j = names.index(each.first), names.index(each.second)
        matrix[i, j] = matrix[j, i] = 2 * math.sin(math.pi * each.rank / 6)
    return matrix


def impossible(correlations: Sequence[Correlation]) -> list[str]:
    """Return the factors whose correlations cannot all hold at once; an empty list where all can."""
    for block in blocks(correlations):
        values, vectors = np.linalg.eigh(normal_matrix(block, [each for each in correlations if each.first in block]))
        if values[0] < 1e-9:
            culprit = np.abs(vectors[:, 0])
            return [name for name, part in zip(block, culprit, strict=True) if part > 0.1 * culprit.max()]
    return []


def blocks(correlations: Sequence[Correlation]) -> list[list[str]]:
    """Return the groups of factors that hang together by correlations, in the order of their mention."""
    found: list[list[str]] = []
    for each in correlations:
        touched = [block for block in found if each.first in block or each.second in block]
        merged = [name for block in touched for name in block]
        merged += [name for name in (each.first, each.second) if name not in merged]
        found = [block for block in found if block not in touched] + [merged]
    return found
