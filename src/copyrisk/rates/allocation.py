"""Where the next image tells most: prompts drawn one by one, more of them where the answer is still open.

A population of prompts i, in strata h, has shares π_i (how often each is asked for). Draw t takes prompt i with
probability q_i and sees x_t, 1 for a copy and 0 otherwise. With p̂_i, a guess of the prompt's rate from earlier draws,

    y_t = Σ_j π_j p̂_j + (π_i / q_i) (x_t − p̂_i)

has the overall rate θ as its expectation whatever the guesses and the q are, as long as both were fixed before the draw
(augmented inverse probability weighting, Robins, Rotnitzky and Zhao 1994). Its variance is least for q_i in proportion
to π_i √(p_i (1 − p_i)): a prompt that always copies, or never, needs no more images once that is known. Half of the
draws always follow π, so that no prompt is left out and no weight grows beyond bounds.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from copyrisk.rates.anytime import Stream
from copyrisk.rates.ends import Floats

Integers = NDArray[np.int64]

EXPLORATION = 0.5
"""Share of the draws that follow the population, among strata and again within each."""


@dataclass(frozen=True)
class Population:
    """All prompts that can be asked: shares π (prompts,), positive, of sum 1, and the stratum number of each."""

    shares: Floats
    strata: Integers

    @property
    def stratum_shares(self) -> Floats:
        """The share of each stratum, shape (strata,)."""
        return np.bincount(self.strata, self.shares).astype(np.float64)

    @property
    def within(self) -> Floats:
        """The share of each prompt in its stratum, shape (prompts,)."""
        within: Floats = self.shares / self.stratum_shares[self.strata]
        return within


@dataclass(frozen=True)
class Proposal:
    """How one round draws: q of each stratum, q of each prompt within its stratum, and the guesses p̂ (prompts,)."""

    population: Population
    strata: Floats
    within: Floats
    guesses: Floats

    def draw(self, uniforms: Floats) -> Integers:
        """Turn uniform numbers of shape (draws, 2) into prompt numbers: one for the stratum, one for the prompt."""
        order = np.argsort(self.population.strata, kind="stable")
        counts = np.bincount(self.population.strata)
        starts = np.concatenate([[0], np.cumsum(counts)])
        chosen = np.searchsorted(np.cumsum(self.strata) / self.strata.sum(), uniforms[:, 0], side="right")
        chosen = np.minimum(chosen, len(counts) - 1)
        prompts = np.empty(len(uniforms), np.int64)
        for stratum in np.unique(chosen):
            members = order[starts[stratum] : starts[stratum + 1]]
            steps = np.cumsum(self.within[members])
            here = chosen == stratum
            place = np.searchsorted(steps / steps[-1], uniforms[here, 1], side="right")
            prompts[here] = members[np.minimum(place, len(members) - 1)]
        return prompts

    def overall(self) -> "Terms":
        """Return what turns draws into values whose expectation is the overall rate."""
        population = self.population
        ratios = population.shares / (self.strata[population.strata] * self.within)
        return Terms.of(ratios, self.guesses, population.shares, np.zeros(len(ratios), np.int64))

    def by_stratum(self) -> "Terms":
        """Return what turns the draws of each stratum into values whose expectation is the stratum's rate."""
        population = self.population
        ratios = population.within / self.within
        return Terms.of(ratios, self.guesses, population.within, population.strata)


@dataclass(frozen=True)
class Terms:
    """For each prompt: the ratio π/q, the centre Σ π p̂, and the bounds of the values; each of shape (prompts,)."""

    ratio: Floats
    centre: Floats
    bottom: Floats
    top: Floats

    @classmethod
    def of(cls, ratios: Floats, guesses: Floats, shares: Floats, groups: Integers) -> "Terms":
        """Compute the terms of prompts in groups, each with shares of sum 1 and bounds of its own."""
        centre = np.bincount(groups, shares * guesses).astype(np.float64)
        lowest, highest = np.zeros(len(centre)), np.zeros(len(centre))
        np.maximum.at(lowest, groups, ratios * guesses)
        np.maximum.at(highest, groups, ratios * (1 - guesses))
        return cls(ratios, centre[groups], (centre - lowest)[groups], (centre + highest)[groups])


@dataclass
class Tally:
    """Draws and copies of each prompt so far, both of shape (prompts,)."""

    draws: Floats
    copies: Floats

    @classmethod
    def empty(cls, population: Population) -> "Tally":
        """Begin before the first draw."""
        return cls(np.zeros(len(population.shares)), np.zeros(len(population.shares)))

    def add(self, prompts: Integers, copies: Floats) -> None:
        """Count the outcomes of some draws."""
        np.add.at(self.draws, prompts, 1)
        np.add.at(self.copies, prompts, copies)


def propose(population: Population, tally: Tally) -> Proposal:
    """Choose how the next round draws, from the outcomes so far.

    Before the first draw half of the draws go to the strata in equal parts. A prompt's guess is its own share of copies
    with one draw's worth of its stratum's rate; a stratum's rate is its prompts' guesses with one draw's worth of the
    overall rate.
    """
    drawn = tally.draws.sum()
    overall = float(tally.copies.sum() / (drawn + 1))
    stratum_draws = np.bincount(population.strata, tally.draws)
    tried = tally.draws > 0
    # The mean over prompts, not over draws: prompts that copy are drawn more often.
    shares = np.where(tried, population.within, 0)
    seen = np.bincount(population.strata, shares)
    rates = np.divide(tally.copies, tally.draws, out=np.zeros_like(shares), where=tried)
    found = np.divide(np.bincount(population.strata, shares * rates), seen, out=np.zeros_like(seen), where=seen > 0)
    stratum_rates = (found * stratum_draws + overall) / (stratum_draws + 1)
    guesses = (tally.copies + stratum_rates[population.strata]) / (tally.draws + 1)

    spread = population.within * np.sqrt(guesses * (1 - guesses))
    sums = np.bincount(population.strata, spread)
    open_ = sums > 0
    aimed = np.where(open_[population.strata], spread / np.where(open_, sums, 1)[population.strata], population.within)
    stratum_shares = population.stratum_shares
    weights = stratum_shares * sums if drawn else np.ones(len(sums))
    wanted = weights / weights.sum() if weights.sum() > 0 else stratum_shares
    return Proposal(
        population,
        EXPLORATION * stratum_shares + (1 - EXPLORATION) * wanted,
        EXPLORATION * population.within + (1 - EXPLORATION) * aimed,
        guesses,
    )


def stream(ratio: Floats, guess: Floats, centre: Floats, bottom: Floats, top: Floats, copies: Floats) -> Stream:
    """Turn draws, in their order, with their terms and outcomes (0 or 1) into a stream of values; all (draws,)."""
    return Stream(centre + ratio * (copies - guess), bottom, top)


def images_needed(half_width: float, rate: float, confidence: float) -> int:
    """Return about how many draws an interval of ± half_width takes at a rate, without help from the allocation.

    The two terms are those of the variance and of the largest value (Bernstein); the constants are what the mixture of
    stakes costs.
    """
    level = np.log(2 / (1 - confidence))
    variance = 2 * (level + 2.4) * rate * (1 - rate) / half_width**2
    return int(np.ceil(max(variance, (level + np.log(3)) / (2 * half_width))))
