from typing import Any

import numpy as np
import pandas as pd
import pytest

from copyrisk.rates.anytime import Stream, anytime_interval
from copyrisk.rates.drawn import rate_of_hits, rates_of_draws
from copyrisk.rates.intervals import binomial_rate


def draw(prompt: str, seed: int, stratum: str = "1", ratio: float = 1.0, guess: float = 0.0) -> dict[str, Any]:
    """One draw of a population of two strata of equal shares; within its stratum a prompt has the ratio 1."""
    control = stratum == "control"
    terms = {"ratio": ratio, "centre": guess, "bottom": guess - 2 * guess, "top": guess + 2 * (1 - guess)}
    of_stratum = {"stratum_ratio": 1.0, "stratum_centre": guess, "stratum_bottom": 0.0, "stratum_top": 1.0}
    values = {"guess": guess, **terms, **of_stratum}
    return {
        "round": 0,
        "prompt_id": prompt,
        "seed": seed,
        "role": "control" if control else "reference",
        "stratum": stratum,
        **{name: np.nan if control else value for name, value in values.items()},
    }


def seen(*rows: tuple[str, int, str, str | None]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["prompt_id", "seed", "verdict", "control_verdict"])


def test_each_draw_counts_with_its_ratio_and_its_guess() -> None:
    draws = pd.DataFrame([draw("a", 1, ratio=0.5, guess=0.5), draw("b", 1, "2", ratio=2.0, guess=0.5)])
    rates = rates_of_draws(draws, seen(("b", 1, "no copy", None), ("a", 1, "copy", None)), 0.95)
    # 0.5 + 0.5 · (1 − 0.5), and 0.5 + 2 · (0 − 0.5)
    assert rates["all"].estimate == pytest.approx((0.75 - 0.5) / 2)
    assert rates["1"].estimate == pytest.approx(1.0)
    assert rates["2"].estimate == pytest.approx(0.0)
    assert (rates["all"].successes, rates["all"].trials, rates["all"].unit) == (1, 2, "generations")


def test_the_interval_is_that_of_the_draws_in_their_order() -> None:
    draws = pd.DataFrame([draw("a", seed) for seed in range(40)])
    outcomes = [seed % 10 == 9 for seed in range(40)]
    rows = [("a", seed, "copy" if copy else "no copy", None) for seed, copy in enumerate(outcomes)]
    values = np.array(outcomes, float)
    expected = anytime_interval(Stream(values, np.zeros(40), np.full(40, 2.0)))
    rate = rates_of_draws(draws, seen(*rows[::-1]), 0.95)["all"]
    assert (rate.low, rate.high) == expected


def test_draws_whose_image_failed_and_images_that_were_not_drawn_are_left_out() -> None:
    draws = pd.DataFrame([draw("a", 1), draw("a", 2), draw("c", 5, "control")])
    found = seen(("a", 1, "copy", "copy"), ("a", 9, "copy", "copy"), ("c", 5, "copy", "no copy"))
    assert rates_of_draws(draws, found, 0.95)["all"].trials == 1


def test_nothing_seen_is_nothing_known() -> None:
    rate = rates_of_draws(pd.DataFrame([draw("a", 1)]), seen().astype({"seed": int}), 0.95)["all"]
    assert (rate.low, rate.high, rate.trials) == (0, 1, 0)


def test_hits_whose_number_their_outcomes_decided_have_an_interval_for_any_time() -> None:
    hits = np.array([0.0] * 60)
    rate, fixed = rate_of_hits(hits, 0.95), binomial_rate(0, 60, "generations")
    assert (rate.trials, rate.units, rate.estimate, rate.low) == (60, 60, 0, 0)
    assert fixed.high < rate.high < 1.3 * fixed.high
