import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from copyrisk.rates.law import Estimate, Law, Spill, capped, fit_law, spill_of

MULTIPLICITIES = np.repeat([1, 2, 4, 8, 16, 32, 64], [100, *[15] * 6])
PICTURES = MULTIPLICITIES.astype(float)


def mean(multiplicity: object, half: float = 8.0, slope: float = 1.8, floor: float = 0.01) -> np.ndarray:
    return np.asarray(floor + (1 - floor) * expit(slope * np.log(np.asarray(multiplicity) / half)))


def prompts(seed: int, precision: float = 1.5, generations: int = 16) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    rates = generator.beta(precision * mean(MULTIPLICITIES), precision * (1 - mean(MULTIPLICITIES)))
    copies = generator.binomial(generations, rates)
    return pd.DataFrame({"multiplicity": MULTIPLICITIES, "generations": generations, "own_copies": copies})


def fitted(seed: int) -> Law:
    law = fit_law(prompts(seed))
    assert law is not None
    return law


def holds(found: Estimate, truth: float) -> bool:
    return found.low <= truth <= found.high


def test_the_intervals_hold_the_law_that_the_prompts_follow() -> None:
    """Twenty runs with fixed seeds: 95 % of them are 19, and fewer than 16 would be a chance of one in four hundred."""
    laws = [fitted(seed) for seed in range(20)]
    reduced = float(mean(np.minimum(MULTIPLICITIES, 5)).mean())
    for name, held in {
        "half-point": [holds(Estimate.of(law.half_point, 0.95), 8.0) for law in laws],
        "slope": [holds(Estimate.of(law.slope, 0.95), 1.8) for law in laws],
        "at 30": [holds(law.regurgitation(30), float(mean(30))) for law in laws],
        "once": [holds(law.regurgitation(1), float(mean(1))) for law in laws],
        "capped": [holds(Estimate.of(law.overall(np.minimum(PICTURES, 5)), 0.95), reduced) for law in laws],
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
    rates = [float(np.median(law.overall(np.minimum(PICTURES, cap)))) for cap in (64, 32, 8, 2, 1)]
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] == pytest.approx(law.regurgitation(1).estimate)


def spilled() -> Spill:
    """Of 4 images of each of 50 prompts, every second prompt's are one copy of a picture that occurs 8 times."""
    asked = pd.DataFrame({"prompt_id": [f"p{number}" for number in range(50)], "generations": 4})
    copied = pd.DataFrame({"prompt_id": [f"p{number}" for number in range(0, 50, 2)], "multiplicity": 8})
    return spill_of(asked, np.ones(50), copied, pd.DataFrame({"multiplicity": [1] * 20 + [8] * 5}))


def test_copies_of_other_pictures_are_told_apart_by_the_multiplicity_of_these() -> None:
    spill = spilled()
    assert spill.levels.tolist() == [1, 8]
    # An eighth of all images, shared by five pictures; none of pictures that occur once.
    assert np.median(spill.rates, axis=0) == pytest.approx([0, 1 / 8 / 5], abs=2e-3)
    assert holds(Estimate.of(spill.rates[:, 1], 0.95), 1 / 8 / 5)


def test_a_picture_that_loses_copies_spills_like_those_it_comes_down_to() -> None:
    spill, pictures = spilled(), np.repeat([1.0, 8.0], [20, 5])
    assert np.median(spill.overall(pictures)) == pytest.approx(1 / 8, abs=0.01)
    assert spill.overall(np.minimum(pictures, 4)).max() == 0
    law = fitted(1)
    now, then = capped(law, spill, pictures, None), capped(law, spill, pictures, 4)
    assert now.estimate - then.estimate > 1 / 8 - 0.01
    # Of 60 images 40 are left; as many steps show each of them one and a half times as often.
    longer = capped(law, spill, pictures, 4, same_steps=True)
    assert then.estimate < longer.estimate
    assert longer.estimate == pytest.approx(np.median(law.overall(np.minimum(pictures, 4) * 60 / 40)), rel=1e-6)


def test_the_same_prompts_give_the_same_law() -> None:
    first, second = fitted(2), fit_law(prompts(2).sample(frac=1, random_state=1))
    assert second is not None
    assert np.array_equal(first.half_point, second.half_point)


@pytest.mark.parametrize(
    "change",
    [
        lambda frame: frame.assign(own_copies=0),
        lambda frame: frame.assign(own_copies=frame["generations"]),
        lambda frame: frame[frame["multiplicity"] <= 2],
        lambda frame: frame.assign(multiplicity=None),
        lambda frame: frame.assign(generations=0, own_copies=0),
        lambda frame: frame.iloc[:0],
    ],
)
def test_without_three_multiplicities_and_both_outcomes_there_is_no_law(change) -> None:  # type: ignore[no-untyped-def]
    assert fit_law(change(prompts(3))) is None
