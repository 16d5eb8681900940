import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from copyrisk.rates.law import Estimate, Law, fit_law

MULTIPLICITIES = np.repeat([1, 2, 4, 8, 16, 32, 64], [100, *[15] * 6])


def mean(multiplicity: object, half: float = 8.0, slope: float = 1.8, floor: float = 0.01) -> np.ndarray:
    return np.asarray(floor + (1 - floor) * expit(slope * np.log(np.asarray(multiplicity) / half)))


def prompts(seed: int, precision: float = 1.5, generations: int = 16) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    rates = generator.beta(precision * mean(MULTIPLICITIES), precision * (1 - mean(MULTIPLICITIES)))
    copies = generator.binomial(generations, rates)
    return pd.DataFrame({"multiplicity": MULTIPLICITIES, "generations": generations, "copies": copies})


def fitted(seed: int) -> Law:
    law = fit_law(prompts(seed))
    assert law is not None
    return law


def holds(found: Estimate, truth: float) -> bool:
    return found.low <= truth <= found.high


def test_the_intervals_hold_the_law_that_the_prompts_follow() -> None:
    """Twenty runs with fixed seeds: 95 % of them are 19, and fewer than 16 would be a chance of one in four hundred."""
    laws = [fitted(seed) for seed in range(20)]
    ones = np.ones(len(MULTIPLICITIES))
    reduced = float(mean(np.minimum(MULTIPLICITIES, 5)).mean())
    for name, held in {
        "half-point": [holds(Estimate.of(law.half_point, 0.95), 8.0) for law in laws],
        "slope": [holds(Estimate.of(law.slope, 0.95), 1.8) for law in laws],
        "at 30": [holds(law.regurgitation(30), float(mean(30))) for law in laws],
        "once": [holds(law.regurgitation(1), float(mean(1))) for law in laws],
        "capped": [holds(law.capped(MULTIPLICITIES.astype(float), ones, 5), reduced) for law in laws],
    }.items():
        assert sum(held) >= 16, name


def test_extraction_grows_with_the_tries_and_is_the_regurgitation_rate_at_one() -> None:
    law = fitted(0)
    assert law.extraction(8, 1).estimate == pytest.approx(law.regurgitation(8).estimate)
    tries = [law.extraction(8, number).estimate for number in (1, 4, 16, 64)]
    assert tries == sorted(tries)
    assert tries[-1] < 1


def test_removing_copies_lowers_the_rate_down_to_that_of_single_pictures() -> None:
    law = fitted(1)
    weights = np.ones(len(MULTIPLICITIES))
    rates = [law.capped(MULTIPLICITIES.astype(float), weights, cap).estimate for cap in (None, 32, 8, 2, 1)]
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] == pytest.approx(law.regurgitation(1).estimate)


def test_the_same_prompts_give_the_same_law() -> None:
    first, second = fitted(2), fit_law(prompts(2).sample(frac=1, random_state=1))
    assert second is not None
    assert np.array_equal(first.half_point, second.half_point)


@pytest.mark.parametrize(
    "change",
    [
        lambda frame: frame.assign(copies=0),
        lambda frame: frame.assign(copies=frame["generations"]),
        lambda frame: frame[frame["multiplicity"] <= 2],
        lambda frame: frame.assign(multiplicity=None),
        lambda frame: frame.assign(generations=0, copies=0),
        lambda frame: frame.iloc[:0],
    ],
)
def test_without_three_multiplicities_and_both_outcomes_there_is_no_law(change) -> None:  # type: ignore[no-untyped-def]
    assert fit_law(change(prompts(3))) is None
