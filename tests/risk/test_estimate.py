"""Results against what can be worked out by hand."""

import dataclasses
import json
import math

import numpy as np
import pytest
from scipy import stats

import copyrisk
from copyrisk.errors import UserError
from copyrisk.risk import estimate


def test_fixed_values_are_multiplied_exactly(scenario) -> None:
    found = estimate(scenario(a="value = 0.5", b="value = '25 %'", c="value = '1 / 1000'"))
    assert found.probability == copyrisk.risk.Outcome(0.000125, 0.000125, 0.000125, 0.000125)
    assert found.one_in.median == 8000
    assert found.drivers == ()
    assert found.expected is found.to_first is None


def test_a_product_of_lognormals_is_lognormal(scenario) -> None:
    found = estimate(scenario(a="median = '0.1 %'\nfactor = 3", b="p5 = 0.001\np95 = 0.1", c="value = 0.5"))
    spread = math.hypot(math.log(3), math.log(10)) / stats.norm.ppf(0.95)
    expected = stats.lognorm(spread, scale=0.001 * 0.01 * 0.5)
    assert found.probability.median == pytest.approx(expected.median(), rel=0.02)
    assert found.probability.low == pytest.approx(expected.ppf(0.025), rel=0.03)
    assert found.probability.high == pytest.approx(expected.ppf(0.975), rel=0.03)
    assert found.probability.mean == pytest.approx(expected.mean(), rel=0.05)
    assert found.one_in.low == pytest.approx(1 / found.probability.high)


def test_correlation_widens_the_product(scenario) -> None:
    factors = {"a": "median = 0.001\nfactor = 3", "b": "median = 0.001\nfactor = 3"}
    pair = '[[correlations]]\nfactors = ["a", "b"]\nrank = {}\nsource = "test"\n'
    spread = math.log(3) / stats.norm.ppf(0.95)
    for rank in (-0.8, 0.8):
        found = estimate(scenario(pair.format(rank), **factors))
        r = 2 * math.sin(math.pi * rank / 6)
        expected = stats.lognorm(spread * math.sqrt(2 + 2 * r), scale=1e-6)
        assert found.probability.high == pytest.approx(expected.ppf(0.975), rel=0.03)
        assert [driver.share for driver in found.drivers] == pytest.approx([0.5, 0.5], abs=0.01)


def test_a_single_factor_has_its_own_quantiles_and_mean(scenario) -> None:
    found = estimate(scenario(a="counts = '3 of 900'"), confidence=0.9)
    expected = stats.beta(3.5, 897.5)
    levels = [found.probability.low, found.probability.median, found.probability.high]
    assert levels == pytest.approx(list(expected.ppf([0.05, 0.5, 0.95])), rel=1e-3)
    assert found.probability.mean == pytest.approx(expected.mean(), rel=1e-4)


def test_a_campaign_of_certain_factors(scenario) -> None:
    found = estimate(scenario("[campaign]\nimages = 100\npace = '10 per minute'\n", a="value = 0.01"))
    assert found.expected.median == pytest.approx(1)
    assert found.at_least_one.median == pytest.approx(1 - 0.99**100)
    assert found.to_first.median == pytest.approx(600)
    assert found.to_even.median == pytest.approx(math.log(0.5) / math.log(0.99) * 6)


def test_at_least_one_is_averaged_over_what_is_not_known(scenario) -> None:
    # E[1 − (1 − p)^k] for p ~ Beta(1, 1) is k / (k + 1); at the median p = ½ it is nearly 1.
    found = estimate(scenario("[campaign]\nimages = 9\n", a="beta = [1, 1]"))
    assert found.at_least_one.mean == pytest.approx(0.9, abs=1e-4)
    assert found.at_least_one.median == pytest.approx(1 - 0.5**9, abs=1e-4)


def test_a_pace_for_a_time_makes_images(scenario) -> None:
    found = estimate(scenario("[campaign]\npace = '10 per second'\nfor = '1 day'\n", a="value = 0.5"))
    assert found.images.median == pytest.approx(864_000)


def test_uncertain_images_are_part_of_the_uncertainty(scenario) -> None:
    further = "[campaign.images]\nmedian = 1000\nfactor = 4\n"
    found = estimate(scenario(further, a="median = 0.001\nfactor = 2"))
    # log 4 is twice log 2: four parts to one, and the result is the number of copies.
    assert {driver.name: driver.share for driver in found.drivers} == pytest.approx({"images": 0.8, "a": 0.2}, abs=0.01)
    assert found.facts["drivers"]["of"] == "expected"
    assert found.drivers[0].high == pytest.approx(4)


def test_zero_never_comes_and_breaks_nothing(scenario) -> None:
    found = estimate(scenario("[campaign]\nimages = 100\npace = '1 per day'\n", a="value = 0", b="beta = [1, 2]"))
    assert found.probability.high == 0
    assert found.one_in.median == found.to_first.median == math.inf
    assert found.at_least_one.median == 0
    facts = json.loads(json.dumps(found.facts, allow_nan=False))
    assert facts["result"]["to_first"]["median"] is None
    assert facts["sentences"] == ["No image is a copy: one of the factors is zero."]


def test_certainty_comes_at_once(scenario) -> None:
    found = estimate(scenario("[campaign]\nimages = 3\npace = '1 per second'\n", a="value = 1"))
    assert (found.at_least_one.median, found.to_first.median, found.to_even.median) == (1, 1, 1)


def test_a_count_may_exceed_1_but_not_the_product(scenario) -> None:
    assert estimate(scenario(a="value = 0.01", b="value = 3\nunit = 'count'")).probability.median == pytest.approx(0.03)
    with pytest.raises(UserError, match="multiply to as much as 1.5"):
        estimate(scenario(a="value = 0.5", b="value = 3\nunit = 'count'"))


def test_the_same_scenario_gives_the_same_numbers() -> None:
    assert estimate("corrected").facts == estimate("corrected").facts


@pytest.mark.parametrize("confidence", [0.3, 1, 95, math.nan])
def test_a_confidence_out_of_bounds_is_named(scenario, confidence: float) -> None:
    with pytest.raises(UserError, match="--confidence is"):
        estimate(scenario(a="value = 0.5"), confidence)


def test_a_scenario_can_be_made_in_python() -> None:
    from copyrisk.risk.distributions import counts, value
    from copyrisk.risk.factors import Factor
    from copyrisk.risk.scenario import Campaign, Scenario

    factors = (Factor("copied", counts(0, 500), "trial"), Factor("asked", value(0.1), "guess"))
    found = copyrisk.estimate(Scenario(title="Mine", factors=factors, campaign=Campaign(images=value(1e6))))
    assert found.expected.mean == pytest.approx(0.5 / 501 * 0.1 * 1e6, rel=1e-3)
    with pytest.raises(UserError, match="A scenario is a file"):
        copyrisk.estimate(3)  # type: ignore[arg-type]


def test_the_published_estimate_is_reproduced_and_its_errors_are_found() -> None:
    found = estimate("published")
    assert found.probability.median == pytest.approx(3e-13)
    assert found.to_first.median == pytest.approx(105.6 * 31_557_600, rel=1e-3)
    checked = {each.claim.text: each for each in found.claims}
    assert {text: each.holds for text, each in checked.items()} == {
        "350,000 captions × 500 images are 175 million images": True,
        "1,280 of 175 million is 0.000000006 %": False,
        "The five factors multiply to ~0.00000000003 %": True,
        "One copy takes 1,000 images a second for a year": False,
        "The duplicated subset is 2.5 % of 160 million images": False,
    }
    slip = checked["1,280 of 175 million is 0.000000006 %"]
    assert slip.recomputed == 1280 / 175e6
    assert slip.recomputed_words == "0.000731\u00a0%"
    assert slip.ratio_words == "121,905 times the stated figure"
    assert checked["One copy takes 1,000 images a second for a year"].recomputed_words == "106 years"


def test_the_corrected_estimate_holds_what_it_claims() -> None:
    found = estimate("corrected")
    assert all(each.holds for each in found.claims)
    assert all(each.source for each in [*found.scenario.factors, *found.scenario.corrections])
    low = 94 / 350_000 * 0.02 * (350_000 / 160e6) * 0.001 * 0.1 * 0.2
    high = 94 / 350_000 * 0.1 * 0.5 * 0.95
    assert low < found.probability.low < found.probability.high < high


@pytest.mark.parametrize(
    ("expression", "stated", "holds"),
    [
        ("1 / 3", "33 %", True),
        ("1 / 3", "33.4 %", False),
        ("2 / 3", "0.67", True),
        ("2 / 3", "0.66", False),
        ("0.125", "0.13", True),  # half a unit in the last digit, either way
        ("0.125", "0.12", True),
        ("354_000", "350,000", True),
        ("356_000", "350,000", False),
        ("106 * year", "106 years", True),
        ("1.2 * year", "1 year", True),
        ("a * 2", "1", True),
        ("1280 / 175_000_000", "1,280 / 175,000,000", True),
        ("0.55", "0.5'\nwithin = '10 %", True),
        ("0.56", "0.5'\nwithin = '10 %", False),
    ],
)
def test_a_claim_holds_where_the_figure_rounds_to_the_stated_one(scenario, expression, stated, holds) -> None:
    claim = f"[[claims]]\ntext = 'x'\nexpression = '{expression}'\nstated = '{stated}'\n"
    assert estimate(scenario(claim, a="value = 0.5")).claims[0].holds is holds


def test_a_claim_that_divides_by_zero_is_named(scenario) -> None:
    claim = "[[claims]]\ntext = 'x y'\nexpression = '1 / (a - 0.5)'\nstated = 1\n"
    with pytest.raises(UserError, match="the claim 'x y': .* divides by zero"):
        estimate(scenario(claim, a="value = 0.5"))


def test_other_draws_give_nearly_the_same() -> None:
    """Other draws (the factors in another order) move no end of the corrected estimate's interval by 4 %."""
    scenario = estimate("corrected").scenario
    ends = []
    for order in (scenario.factors, scenario.factors[::-1]):
        found = estimate(dataclasses.replace(scenario, factors=order)).probability
        ends.append([found.low, found.median, found.high])
    assert np.abs(np.log(ends[0]) - np.log(ends[1])).max() < 0.04
