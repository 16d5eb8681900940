"""Images that were held back are neither copies nor none."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from copyrisk.attacks.adaptive import Goal, draw_rounds
from copyrisk.rates import Counted, count_prompts
from copyrisk.rates.intervals import Rate, binomial_rate

Outcomes = Mapping[str, list[str]]
"""What came of each prompt's images: `copy`, `no copy` or `withheld`."""


def counted(outcomes: Outcomes, role: str = "reference") -> Counted:
    """A run in which each prompt is the caption of a picture of its own."""
    plan = pd.DataFrame(
        [
            {
                "prompt_id": name,
                "prompt": name,
                "role": role,
                "stratum": "1",
                "multiplicity": 1,
                "weight": 1.0,
                "seeds": list(range(len(verdicts))),
            }
            for name, verdicts in outcomes.items()
        ]
    )
    rows = pd.DataFrame(
        [
            {
                "prompt_id": name,
                "seed": seed,
                "reference": name,
                "statistic": 0.1,
                "verdict": verdict,
                "control": None,
                "control_verdict": None,
            }
            for name, verdicts in outcomes.items()
            for seed, verdict in enumerate(verdicts)
        ]
    )
    held = rows["verdict"] == "withheld"
    matches, withheld = rows[~held], rows.loc[held, ["prompt_id", "seed"]]
    names = list(outcomes)
    pictures = pd.DataFrame({"cluster": names, "multiplicity": 1, "captions": [[name] for name in names]})
    prompts = count_prompts(plan, matches, pictures, 0.95, withheld)
    found = Counted(prompts, matches, pictures, None, 0, 0.95)
    return replace(found, assumed=found.assuming(withheld, plan)) if len(withheld) else found


def rates(outcomes: Outcomes, role: str = "reference") -> dict[tuple[str, str], Rate]:
    return {(name, measure): rate for name, measure, _, rate in counted(outcomes, role).rates(None)}


def test_a_withheld_image_is_in_no_rate_of_copies() -> None:
    found = rates({"a": ["copy", "no copy", "withheld", "withheld"]})
    rate = found["all", "regurgitation"]
    assert (rate.successes, rate.trials, rate.estimate) == (1, 2, 0.5)
    assert counted({"a": ["withheld", "copy"]}).prompts["withheld"].tolist() == [1]


def test_what_is_withheld_has_a_rate_of_its_own() -> None:
    found = rates({name: ["no copy", "no copy", "no copy", "withheld"] for name in "abcdefgh"})
    rate = found["all", "withheld"]
    assert (rate.successes, rate.trials, rate.units, rate.estimate) == (8, 32, 8, 0.25)
    assert 0 < rate.low < 0.25 < rate.high < 1
    assert found["1", "withheld"] == rate


def test_the_rate_is_bounded_by_none_and_all_of_the_withheld() -> None:
    found = rates({"a": ["copy", "no copy", "withheld", "withheld"], "b": ["no copy"] * 4})
    assert found["all", "regurgitation_if_none"].estimate == 1 / 8
    assert found["all", "regurgitation_if_all"].estimate == 3 / 8
    assert found["all", "regurgitation_if_none"].trials == found["all", "regurgitation_if_all"].trials == 8


def test_a_picture_whose_images_were_all_withheld_is_not_one_that_stayed_away() -> None:
    found = rates({"a": ["copy", "copy"], "b": ["withheld", "withheld"], "c": ["no copy", "withheld"]})
    rate = found["all", "extraction"]
    assert (rate.successes, rate.trials) == (1, 2)
    assert (found["all", "extraction_if_none"].successes, found["all", "extraction_if_none"].trials) == (1, 3)
    assert found["all", "extraction_if_all"].successes == 3


def test_prompts_of_users_are_treated_alike() -> None:
    found = rates({"a": ["copy"], "b": ["withheld"], "c": ["no copy"]}, "user")
    assert (found["all", "extraction"].successes, found["all", "extraction"].trials) == (1, 2)
    assert found["all", "regurgitation_if_all"].estimate == pytest.approx(2 / 3)


def test_a_model_without_prompts_has_the_plain_shares() -> None:
    outcomes = {"": ["copy"] * 10 + ["no copy"] * 70 + ["withheld"] * 20}
    found = rates(outcomes, "unconditional")
    assert found["all", "regurgitation"] == binomial_rate(10, 80, "generations")
    assert found["all", "withheld"] == binomial_rate(20, 100, "generations")
    assert found["all", "regurgitation_if_all"] == binomial_rate(30, 100, "generations")
    assert ("all", "extraction_if_all") not in found


def test_without_anything_withheld_nothing_is_said_of_it() -> None:
    assert {measure for _, measure in rates({"a": ["copy", "no copy"]})} == {"regurgitation", "extraction"}


def test_where_results_decided_the_draws_the_interval_holds_whatever_was_withheld() -> None:
    """Copies are withheld more often than others, in some prompts always."""
    names = [f"p{number}" for number in range(40)]
    rows = [
        {"prompt_id": name, "prompt": name, "role": "user", "stratum": "s", "weight": 1.0, "multiplicity": None}
        for name in names
    ]
    outcome: dict[tuple[str, int], str] = {}

    def verdict(name: str, seed: int) -> str:
        chance = np.random.default_rng([names.index(name), seed])
        copy = chance.random() < (0.6 if names.index(name) % 4 == 0 else 0.05)
        if chance.random() < (0.5 if copy else 0.1):
            return "withheld"
        return "copy" if copy else "no copy"

    class Verdicts(dict[tuple[str, int], bool | None]):
        def get(self, key: tuple[str, int], default: object = None) -> bool | None:  # type: ignore[override]
            outcome[key] = verdict(*key)
            return None if outcome[key] == "withheld" else outcome[key] == "copy"

    drawn = draw_rounds(rows, Verdicts(), Goal(2000, None, 0.95), 1, lambda seed, prompt, number: number)
    by_prompt = {name: [seed for key, seed in outcome if key == name] for name in names}
    frame = pd.DataFrame([row | {"seeds": by_prompt[row["prompt_id"]]} for row in rows])
    seen = pd.DataFrame([{"prompt_id": n, "seed": s, "verdict": v} for (n, s), v in outcome.items()])
    seen = seen.assign(reference=None, statistic=0.1, control=None, control_verdict=None)
    held = seen["verdict"] == "withheld"
    pictures = pd.DataFrame({"cluster": ["r"], "multiplicity": [1], "captions": [["other"]]})
    prompts = count_prompts(frame, seen[~held], pictures, 0.95, seen[held])
    run = Counted(prompts, seen[~held], pictures, drawn.table.to_pandas(), 0, 0.95)
    run = replace(run, assumed=run.assuming(seen[held], frame))
    found = {(name, measure): rate for name, measure, _, rate in run.rates(None)}
    copies, others = 0.25 * 0.6 + 0.75 * 0.05, 1 - (0.25 * 0.6 + 0.75 * 0.05)
    shown = copies * 0.5 / (copies * 0.5 + others * 0.9)
    rate = found["all", "regurgitation"]
    assert rate.low < shown < rate.high
    assert rate.estimate == pytest.approx(shown, abs=0.04)
    assert found["all", "withheld"].estimate == pytest.approx(copies * 0.5 + others * 0.1, abs=0.04)
    assert rate.low == found["all", "regurgitation_if_none"].low
    assert rate.high == found["all", "regurgitation_if_all"].high
