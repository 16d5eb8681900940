"""The duplication law: how often a picture is given back, as a function of its multiplicity.

The caption of a picture that occurs μ times gives that picture with a rate p that is Beta distributed with mean

    g(μ) = f + (1 − f) / (1 + (h / μ)^b)

and precision φ: f is the floor (of pictures that occur once, and accidental hits), h the half-point, b the slope
(Carlini et al. 2023, arXiv 2301.13188, figures 5 and 9 show the shape for text-to-image models; the log-logistic curve
is the common one for a dose and its response). k copies among m generations are then beta-binomial, and at least one
among t has the probability 1 − B(α, β + t) / B(α, β) with α = φ g, β = φ (1 − g).

The posterior is sampled by importance: draws from a Student t distribution around its mode (Laplace), weighted and
drawn again, with a fixed seed. That the results decided how often each prompt was tried does not matter to it.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import betaln, expit

from copyrisk.rates.ends import Floats

PROPOSALS, DRAWS, FREEDOM = 20_000, 4_000, 5
# Means and standard deviations of the priors of ln h, ln b, logit f, ln φ: wide, so that a few prompts outweigh them.
PRIOR_MEAN = np.array([np.log(10.0), 0.0, -4.0, 0.0])
PRIOR_SPREAD = np.array([2.5, 1.0, 2.5, 1.5])


@dataclass(frozen=True)
class Estimate:
    """A number with the interval in which it lies with probability `confidence`, given law and data."""

    estimate: float
    low: float
    high: float
    confidence: float

    @classmethod
    def of(cls, draws: Floats, confidence: float) -> "Estimate":
        """Summarise draws: median and quantiles."""
        tail = (1 - confidence) / 2
        low, middle, high = np.quantile(draws, [tail, 0.5, 1 - tail])
        return cls(float(middle), float(low), float(high), confidence)


@dataclass(frozen=True)
class Law:
    """Draws from the posterior of half-point, slope, floor and precision, each of shape (DRAWS,)."""

    half_point: Floats
    slope: Floats
    floor: Floats
    precision: Floats

    def mean(self, multiplicity: float) -> Floats:
        """The mean rate g(μ) of prompts whose picture has this multiplicity, one value a draw."""
        found: Floats = self.floor + (1 - self.floor) * expit(self.slope * np.log(multiplicity / self.half_point))
        return found

    def regurgitation(self, multiplicity: float, confidence: float = 0.95) -> Estimate:
        """The share of generations that are copies, of prompts whose picture has this multiplicity."""
        return Estimate.of(self.mean(multiplicity), confidence)

    def extraction(self, multiplicity: float, tries: int, confidence: float = 0.95) -> Estimate:
        """The share of such prompts that give a copy at least once in so many generations."""
        mean = np.clip(self.mean(multiplicity), 1e-12, 1 - 1e-12)
        a, b = self.precision * mean, self.precision * (1 - mean)
        return Estimate.of(-np.expm1(betaln(a, b + tries) - betaln(a, b)), confidence)

    def overall(self, multiplicities: Floats) -> Floats:
        """The mean rate over pictures (n,) that occur so often, one value a draw."""
        levels, counts = np.unique(multiplicities, return_counts=True)
        shares = counts / counts.sum()
        return np.asarray(sum(share * self.mean(level) for share, level in zip(shares, levels, strict=True)))


@dataclass(frozen=True)
class Spill:
    """How often a prompt gives a copy of a picture that it is no caption of, by the multiplicity of that picture.

    levels: (levels,), ascending multiplicities; rates: (DRAWS, levels), the rate for a single picture of each level.
    """

    levels: Floats
    rates: Floats

    def overall(self, multiplicities: Floats) -> Floats:
        """The rate of all such copies together where pictures (n,) occur so often, one value a draw.

        A picture behaves like those of the highest level that it reaches.
        """
        place = np.maximum(np.searchsorted(self.levels, multiplicities, side="right") - 1, 0)
        found: Floats = self.rates @ np.bincount(place, minlength=len(self.levels))
        return found


def spill_of(prompts: pd.DataFrame, shares: Floats, copied: pd.DataFrame, pictures: pd.DataFrame) -> Spill:
    """Estimate the spill of a run by the Bayesian bootstrap of its prompts (Rubin 1981, Annals of Statistics 9:130).

    prompts: rows with `prompt_id` and `generations`; shares: (prompts,), how much of the population each stands for.
    copied: one row a copy of a picture that the prompt is no caption of, with `prompt_id` and `multiplicity` (of that
    picture). pictures: all, with `multiplicity`.
    """
    levels, counts = np.unique(pictures["multiplicity"].to_numpy(float), return_counts=True)
    row = {name: number for number, name in enumerate(prompts["prompt_id"])}
    hits = np.zeros((len(prompts), len(levels)))
    known = copied[copied["prompt_id"].isin(row)]
    places = np.searchsorted(levels, known["multiplicity"].to_numpy(float))
    np.add.at(hits, (known["prompt_id"].map(row).to_numpy(int), places), 1)
    hits /= np.maximum(prompts["generations"].to_numpy(float), 1)[:, None]
    drawn = np.random.default_rng(1).standard_exponential((DRAWS, len(prompts))) * shares
    found = (drawn @ hits) / drawn.sum(axis=1, keepdims=True) / counts
    return Spill(levels, found)


def capped(
    law: Law,
    spill: Spill,
    multiplicities: Floats,
    cap: int | None,
    confidence: float = 0.95,
    same_steps: bool = False,
) -> Estimate:
    """The overall regurgitation rate if no picture occurred more than `cap` times (None: as it is).

    Copies of the picture that was asked for follow the law, copies of others the spill. What counts is taken to be how
    often training shows a picture. It makes the same number of passes over the smaller set; or, with `same_steps`, as
    many steps as before, so that each copy that stays is shown more often.
    """
    kept = np.minimum(multiplicities, cap or np.inf)
    if same_steps:
        kept = kept * (multiplicities.sum() / kept.sum())
    both = law.overall(kept) + spill.overall(kept)
    return Estimate.of(np.minimum(both, 1), confidence)


def fit_law(prompts: pd.DataFrame) -> Law | None:
    """Fit the law to prompts with `multiplicity`, `generations`, `own_copies`; None where they cannot show one.

    Needed are three different multiplicities, and both a copy and an image that is none.
    """
    tried = prompts[(prompts["generations"] > 0) & prompts["multiplicity"].notna()]
    copies, images = tried["own_copies"].sum(), tried["generations"].sum()
    if tried["multiplicity"].nunique() < 3 or copies == 0 or copies == images:
        return None
    alike = tried.groupby(["multiplicity", "generations", "own_copies"]).size().reset_index(name="prompts")
    data = tuple(alike[name].to_numpy(float) for name in ("multiplicity", "generations", "own_copies", "prompts"))

    def lost(point: Floats) -> float:
        return float(-_log_posterior(point[None], *data)[0])

    step = np.array([1.5, 0.5, 2.0, 1.0])
    starts = [PRIOR_MEAN, PRIOR_MEAN + step, PRIOR_MEAN - step]
    best = min((minimize(lost, start, method="BFGS") for start in starts), key=lambda result: float(result.fun))
    values, axes = np.linalg.eigh(_curvature(lambda points: -_log_posterior(points, *data), best.x))
    # Where the data say nothing the prior still does: no direction is flatter than it.
    scale = axes / np.sqrt(np.maximum(values, 1 / PRIOR_SPREAD.max() ** 2))
    generator = np.random.default_rng(0)
    normal = generator.standard_normal((PROPOSALS, 4))
    stretch = np.sqrt(FREEDOM / generator.chisquare(FREEDOM, PROPOSALS))
    # Wider than the mode's curvature says: tails that are missed cannot be weighted back.
    points = best.x + 1.3 * stretch[:, None] * (normal @ scale.T)
    proposal = -0.5 * (FREEDOM + 4) * np.log1p((normal**2).sum(axis=1) * stretch**2 / FREEDOM)
    logs = _log_posterior(points, *data) - proposal
    weights = np.exp(logs - logs.max())
    # Systematic resampling: less noise than independent draws.
    steps = (np.arange(DRAWS) + 0.5) / DRAWS
    chosen = points[np.searchsorted(np.cumsum(weights) / weights.sum(), steps).clip(max=PROPOSALS - 1)]
    return Law(np.exp(chosen[:, 0]), np.exp(chosen[:, 1]), expit(chosen[:, 2]), np.exp(chosen[:, 3]))


def _curvature(function: Callable[[Floats], Floats], point: Floats, step: float = 1e-2) -> Floats:
    """The matrix of second derivatives of a function of points (n, 4), by central differences."""
    steps = step * np.eye(4)
    corners = np.array(
        [point + a * steps[i] + b * steps[j] for i in range(4) for j in range(4) for a in (1, -1) for b in (1, -1)]
    )
    value = function(corners).reshape(4, 4, 4)
    found: Floats = (value[..., 0] - value[..., 1] - value[..., 2] + value[..., 3]) / (4 * step**2)
    return found


def _log_posterior(points: Floats, multiplicity: Floats, images: Floats, copies: Floats, prompts: Floats) -> Floats:
    """Of points (n, 4) = (ln h, ln b, logit f, ln φ), up to a constant; shape (n,)."""
    points = np.clip(points, -30, 30)
    half, slope, floor, precision = (points[:, column, None] for column in range(4))
    floor = expit(floor)
    mean = floor + (1 - floor) * expit(np.exp(slope) * (np.log(multiplicity) - half))
    mean = np.clip(mean, 1e-12, 1 - 1e-12)
    a, b = np.exp(precision) * mean, np.exp(precision) * (1 - mean)
    likelihood = (betaln(copies + a, images - copies + b) - betaln(a, b)) @ prompts
    found: Floats = likelihood - 0.5 * (((points - PRIOR_MEAN) / PRIOR_SPREAD) ** 2).sum(axis=1)
    return found
