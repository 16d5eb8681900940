import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import fisher_exact

from copyrisk.rates.advice import ADVICE, CONFIRMED, NOT_SHOWN, REFUTED, advise, compare, compare_strata
from copyrisk.rates.intervals import Sample

LONG = "a quiet street with many trees in the morning after rain, number"
SHORT = "a street, number"


def prompts(kinds: dict[str, tuple[int, float]], seed: int = 0, **columns: object) -> pd.DataFrame:
    """Make a table of prompts: how many of each kind, and their probability of copies."""
    rng = np.random.default_rng(seed)
    rows = [
        {"prompt": f"{text} {number}", "copies": rng.binomial(16, probability)}
        for text, (count, probability) in kinds.items()
        for number in range(count)
    ]
    return pd.DataFrame(rows).assign(role="user", stratum="prompts", generations=16, weight=1.0, **columns)


def verdicts(frame: pd.DataFrame) -> dict[str, str]:
    return {advice.feature: each.verdict for advice, each in zip(ADVICE, advise(frame), strict=True)}


@pytest.mark.parametrize(
    ("of_long", "of_short", "verdict"), [(0.02, 0.4, CONFIRMED), (0.4, 0.02, REFUTED), (0.2, 0.2, NOT_SHOWN)]
)
def test_the_advice_to_use_longer_prompts_is_judged_by_the_numbers(
    of_long: float, of_short: float, verdict: str
) -> None:
    found = advise(prompts({LONG: (60, of_long), SHORT: (60, of_short)}))[0]
    assert found.verdict == verdict
    assert found.followed.estimate == pytest.approx(of_long, abs=0.05)
    assert found.ignored.estimate == pytest.approx(of_short, abs=0.05)
    assert found.difference == pytest.approx(found.followed.estimate - found.ignored.estimate)
    assert found.difference_low <= of_long - of_short <= found.difference_high
    assert found.ratio_high is not None
    assert found.ratio_low <= of_long / of_short <= found.ratio_high


def test_each_advice_has_its_own_direction() -> None:
    red, paris, painted, time = "a red street", "a street of Paris", "street, oil painting", "time"
    kinds = {red: (80, 0.3), paris: (80, 0.9), painted: (80, 0.01), time: (80, 0.01)}
    assert verdicts(prompts(kinds)) == {
        "short": NOT_SHOWN,
        "styled": CONFIRMED,
        "named": CONFIRMED,
        "abstract": CONFIRMED,
    }
    kinds = {red: (80, 0.3), paris: (80, 0.01), painted: (80, 0.9), time: (80, 0.9)}
    assert verdicts(prompts(kinds)) == {"short": NOT_SHOWN, "styled": REFUTED, "named": REFUTED, "abstract": REFUTED}


def test_an_advice_that_nobody_follows_is_not_shown() -> None:
    found = advise(prompts({SHORT: (60, 0.9)}))[0]
    assert (found.verdict, found.followed.units, found.ignored.units) == (NOT_SHOWN, 0, 60)
    assert (found.difference_low, found.difference_high) == pytest.approx((-1, 0.2), abs=0.2)


def test_without_a_copy_nothing_is_shown_and_no_ratio_is_made_up() -> None:
    found = advise(prompts({LONG: (60, 0.0), SHORT: (60, 0.0)}))[0]
    assert (found.verdict, found.ratio, found.ratio_low, found.ratio_high) == (NOT_SHOWN, None, 0.0, None)
    assert found.difference_high < 0.12


def test_an_advice_that_does_no_harm_can_be_refuted_for_saving_too_little() -> None:
    frame = prompts({LONG: (400, 0.2), SHORT: (400, 0.2)})
    assert advise(frame)[0].verdict == NOT_SHOWN
    assert advise(frame, worthwhile=0.5)[0].verdict == REFUTED


def test_controls_take_no_part_and_a_model_without_prompts_gets_no_advice() -> None:
    frame = prompts({LONG: (30, 0.1), SHORT: (30, 0.3)})
    control = frame.assign(role="control", copies=16)
    assert advise(pd.concat([frame, control])) == advise(frame)
    assert advise(frame.assign(role="unconditional")) == []


def test_prompts_weigh_as_often_as_they_were_typed() -> None:
    frame = prompts({LONG: (2, 0.0), SHORT: (2, 0.0)})
    frame["copies"], frame["weight"] = [16, 0, 0, 0], [3.0, 1.0, 1.0, 1.0]
    assert advise(frame)[0].followed.estimate == 0.75


def test_strata_of_the_user_s_own_are_compared_with_the_rest() -> None:
    frame = prompts({LONG: (60, 0.02), SHORT: (60, 0.4)})
    frame["stratum"] = np.where(frame["copies"] > 3, "risky", "safe")
    risky, safe = compare_strata(frame)
    assert (risky.advice, risky.verdict) == ("Prompt as in 'risky'.", REFUTED)
    assert (safe.verdict, safe.difference) == (CONFIRMED, -risky.difference)
    assert compare_strata(frame.assign(stratum="one")) == []


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 40), st.integers(2, 40), st.data())
def test_of_prompts_that_copy_always_or_never_it_is_fisher_s_exact_test(n: int, m: int, data: st.DataObject) -> None:
    """Melded intervals agree with Fisher's exact test (Fay, Proschan and Brittain 2015, section 4)."""
    a, b = data.draw(st.integers(0, n)), data.draw(st.integers(0, m))
    found = compare("", Sample.of([1] * a + [0] * (n - a)), Sample.of([1] * b + [0] * (m - b)))
    p = {side: fisher_exact([[a, n - a], [b, m - b]], side).pvalue for side in ("less", "greater")}
    if abs(p["less"] - 0.025) > 0.003:
        assert (found.verdict == CONFIRMED) == (p["less"] < 0.025)
    if abs(p["greater"] - 0.025) > 0.003:
        assert (found.verdict == REFUTED) == (p["greater"] < 0.025)


def test_two_samples_with_equal_counts_are_still_two() -> None:
    sample = Sample.of([1] * 8 + [0] * 32)
    found = compare("", sample, sample)
    # Newcombe's method 10 for 8 of 40 against 8 of 40 gives ± 0.174; the exact one is a little wider.
    assert (found.difference_low, found.difference_high) == pytest.approx((-0.2, 0.2), abs=0.02)


def test_a_difference_that_is_not_there_is_seldom_shown() -> None:
    rng = np.random.default_rng(0)
    copies = rng.binomial(4, rng.beta(0.2, 1, (60, 2, 50)))
    found = [compare("", *(Sample.of(each, [4] * 50) for each in pair)).verdict for pair in copies]
    assert sum(each != NOT_SHOWN for each in found) <= 7, "3 of 60 are expected; 8 have a probability of 0.8 %"
