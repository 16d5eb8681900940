"""What a rate means for a use of so many images, each from a prompt of its own as in the audit."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammaln

from copyrisk.rates.ends import Floats
from copyrisk.rates.intervals import Rate

Bounds = tuple[float, float, float]
"""Estimate, lower and upper end."""


def at_least_one(rate: Rate, images: int) -> Bounds:
    """Return the probability of at least one copy among so many images: 1 − (1 − θ)^images, with the rate's bounds."""
    with np.errstate(divide="ignore"):
        found = -np.expm1(images * np.log1p(-np.array([rate.estimate, rate.low, rate.high])))
    return float(found[0]), float(found[1]), float(found[2])


def images_for(rate: Rate, probability: float = 0.5) -> Bounds:
    """Return how many images make a copy so probable: estimate, fewest, most; infinite where the rate is 0."""
    with np.errstate(divide="ignore"):
        needed = np.log1p(-probability) / np.log1p(-np.array([rate.estimate, rate.high, rate.low]))
    # An image is made or not; a rate of 1 needs one.
    needed = np.maximum(np.ceil(needed - 1e-9), 1)
    return float(needed[0]), float(needed[1]), float(needed[2])


def found_within(copies: ArrayLike, generations: ArrayLike, tries: int) -> Floats:
    """Return for each prompt the probability that some of its images, `tries` at random of those made, is a copy.

    1 − C(m − k, tries) / C(m, tries), for k copies of m ≥ tries: the unbiased estimate of 1 − (1 − p)^tries, and so of
    the probability that the prompt is extracted in so many tries (the image counterpart of (n, p)-discoverable
    extraction, Hayes et al. 2024, arXiv 2410.19482; the estimator is that of pass@k, Chen et al. 2021, arXiv
    2107.03374).
    """
    k, m = np.asarray(copies, float), np.asarray(generations, float)
    left = m - k - tries
    log_none = gammaln(m - k + 1) - gammaln(np.maximum(left, 0) + 1) - gammaln(m + 1) + gammaln(m - tries + 1)
    found: Floats = np.where(left < 0, 1.0, -np.expm1(log_none)) + 0.0
    return found
