import logging
from typing import Any

import numpy as np
import pytest

from copyrisk.attacks import seed_of
from copyrisk.attacks.adaptive import (
    FIRST_ROUND,
    SCHEMA,
    Draws,
    Goal,
    Rows,
    announce,
    draw_rounds,
    duration,
)
from copyrisk.attacks.controls import turns_of_controls
from copyrisk.rates.drawn import rates_of_draws


class Verdicts(dict[tuple[str, int], bool | None]):
    """Verdicts of a model that always answers: prompts that begin with `copy` come back in nine of ten images."""

    def get(self, key: Any, default: Any = None) -> Any:
        prompt, seed = key
        return self[key] if key in self else prompt.startswith("copy") and seed % 10 > 0


def row(prompt: str, stratum: str = "1", weight: float = 1.0) -> dict[str, Any]:
    role = "control" if stratum == "control" else "reference"
    return {"prompt_id": prompt, "prompt": prompt, "role": role, "stratum": stratum, "weight": weight}


ROWS = [row("copy"), *(row(f"plain {number}") for number in range(20)), row("copy often", "2"), row("rare", "2")]
# Two pictures have the same caption.
CONTROLS = [row(f"control {number}", "control") for number in (0, 1, 2, 1)]
ALL = Verdicts()


def goal(budget: int | None = None, precision: float | None = None) -> Goal:
    return Goal(budget, precision, 0.95)


def drawn(
    rows: Rows = ROWS, verdicts: Any = ALL, budget: int | None = None, precision: float | None = None, seed: int = 0
) -> Draws:
    return draw_rounds(rows, verdicts, goal(budget, precision), seed, seed_of)


def keys(draws: Draws) -> list[tuple[str, int]]:
    return list(zip(draws.table["prompt_id"].to_pylist(), draws.table["seed"].to_pylist(), strict=True))


def known(draws: Draws) -> dict[tuple[str, int], bool]:
    return {key: bool(ALL.get(key)) for key in keys(draws)}


def test_before_any_verdict_there_is_one_round() -> None:
    draws = drawn(verdicts={}, budget=1000)
    assert len(draws.table) == FIRST_ROUND
    assert not draws.complete
    assert draws.interval == (0, 1)
    assert draws.table.schema == SCHEMA


def test_rounds_grow_and_end_with_the_budget() -> None:
    draws = drawn(budget=300)
    assert draws.complete
    sizes = np.bincount(draws.table["round"].to_numpy())
    assert sizes.tolist() == [64, 64, 64, 96, 12]


@pytest.mark.parametrize("budget", [1, 2, 63, 64, 65])
def test_a_small_budget_is_kept_to_the_image(budget: int) -> None:
    first = drawn(verdicts={}, budget=budget)
    assert len(first.table) == min(budget, FIRST_ROUND)
    assert not first.complete
    last = drawn(verdicts=known(drawn(budget=budget)), budget=budget)
    assert last.complete
    assert len(last.table) == budget


def test_the_same_verdicts_give_the_same_draws_and_another_seed_others() -> None:
    assert drawn(budget=200).table.equals(drawn(budget=200).table)
    assert keys(drawn(budget=200, seed=1)) != keys(drawn(budget=200))


def test_going_round_by_round_gives_what_all_at_once_gives() -> None:
    verdicts: dict[tuple[str, int], bool] = {}
    steps = 0
    while not (draws := drawn(verdicts=verdicts, budget=200)).complete:
        verdicts = known(draws)
        steps += 1
    assert steps == 4
    assert draws.table.equals(drawn(budget=200).table)


@pytest.mark.parametrize("rows", [ROWS, ROWS + CONTROLS])
def test_a_larger_budget_begins_like_a_smaller_one(rows: Rows) -> None:
    whole = keys(drawn(rows, budget=400))
    for budget in (1, 40, 64, 100, 250):
        assert keys(drawn(rows, budget=budget)) == whole[:budget]


def test_each_draw_of_a_prompt_has_a_seed_of_its_own_counted_from_its_first() -> None:
    found: dict[str, list[int]] = {}
    for name, seed in keys(drawn(ROWS[:3], budget=150)):
        found.setdefault(name, []).append(seed)
    assert sum(map(len, found.values())) == 150
    for name, seeds in found.items():
        assert seeds == [seed_of(0, name, number) for number in range(len(seeds))]


def test_the_order_of_the_verdicts_does_not_matter_but_what_they_say_does() -> None:
    verdicts = known(drawn(budget=200))
    backwards = dict(reversed(verdicts.items()))
    assert drawn(verdicts=backwards, budget=200).table.equals(drawn(budget=200).table)
    other = dict.fromkeys(verdicts, False)
    assert not drawn(verdicts=other, budget=200).table.equals(drawn(budget=200).table)


def test_the_manifest_tells_draws_apart_that_are_as_many() -> None:
    # With one prompt the images are the same whatever they show; the guesses are not.
    rows = [row("copy")]
    one = drawn(rows, budget=100)
    other = drawn(rows, dict.fromkeys(known(one), False), budget=100)
    assert keys(one) == keys(other)
    assert one.extent(100, None) != other.extent(100, None)
    assert one.extent(100, None) == drawn(rows, budget=100).extent(100, None)


def test_controls_take_turns_as_long_as_they_say_something() -> None:
    draws = drawn(ROWS + CONTROLS, budget=1500).table.to_pandas()
    turns = turns_of_controls(0, 1500, len(CONTROLS), None)
    assert (draws["role"].eq("control") == turns).all()
    controls = draws[draws["role"] == "control"]
    # Four images of each picture, and then no more.
    assert controls["prompt_id"].tolist() == ["control 0", "control 1", "control 2", "control 1"] * 4
    assert len(set(zip(controls["prompt_id"], controls["seed"], strict=True))) == 16
    assert controls[["ratio", "guess", "centre", "bottom", "top", "stratum_ratio"]].isna().all(axis=None)
    assert draws.loc[draws["role"] != "control", SCHEMA.names].notna().all(axis=None)


@pytest.mark.parametrize("controls", [0, 30])
def test_as_many_images_are_of_controls_as_were_asked_for(controls: int) -> None:
    draws = draw_rounds(ROWS + CONTROLS, ALL, Goal(300, None, 0.95, controls), 0, seed_of)
    assert draws.table.to_pandas()["role"].eq("control").sum() == controls


def test_what_controls_give_changes_nothing() -> None:
    rows = ROWS + CONTROLS
    verdicts = known(drawn(rows, budget=300))
    hits = {key: value or key[0].startswith("control") for key, value in verdicts.items()}
    assert drawn(rows, hits, budget=300).table.equals(drawn(rows, verdicts, budget=300).table)


def test_prompts_that_are_still_open_are_drawn_more() -> None:
    draws = drawn([row("copy"), *(row(f"plain {number}") for number in range(40))], budget=600)
    counts = draws.table.to_pandas()["prompt_id"].value_counts()
    assert counts["copy"] > 3 * counts.drop("copy").mean()


def test_small_strata_and_heavy_prompts_are_drawn() -> None:
    rows = [row("big", "a", 1000.0), row("small", "b", 1.0)]
    counts = drawn(rows, verdicts={}, budget=64).table.to_pandas()["prompt_id"].value_counts()
    assert counts["small"] >= 8
    assert counts["big"] > counts["small"]


def test_failed_images_are_drawn_and_say_nothing() -> None:
    verdicts: dict[tuple[str, int], bool | None] = dict(known(drawn(verdicts={}, budget=64)))
    failed = dict.fromkeys(verdicts)
    draws = drawn(verdicts=failed, budget=64)
    assert draws.complete
    assert draws.interval == (0, 1)
    some = verdicts | dict.fromkeys(list(verdicts)[::2])
    assert drawn(verdicts=some, budget=64).interval != drawn(verdicts=verdicts, budget=64).interval


def test_failed_images_are_no_misses() -> None:
    rows = [row("copy")]
    half = {key: True if number % 2 else None for number, key in enumerate(keys(drawn(rows, {}, budget=64)))}
    second = drawn(rows, half, budget=100).table.to_pandas().query("round == 1")
    assert (second["guess"] > 0.9).all()


@pytest.mark.parametrize("precision", [0.2, 0.05])
def test_drawing_stops_when_the_interval_is_narrow_enough(precision: float) -> None:
    draws = drawn(precision=precision)
    assert draws.complete
    assert draws.interval[1] - draws.interval[0] <= 2 * precision
    before = draws.table.filter(draws.table["round"].to_numpy() < draws.table["round"].to_numpy().max())
    if len(before):
        shorter = drawn(budget=len(before))
        assert shorter.interval[1] - shorter.interval[0] > 2 * precision


def test_no_precision_is_reached_without_an_image() -> None:
    assert len(drawn(verdicts={}, precision=0.5).table) == FIRST_ROUND
    assert not goal(precision=0.5).reached(0, (0.0, 1.0))
    assert goal(precision=0.5).reached(1, (0.0, 1.0))


def test_whichever_of_budget_and_precision_comes_first_ends_it() -> None:
    assert len(drawn(budget=100, precision=0.001).table) == 100
    assert len(drawn(budget=100_000, precision=0.2).table) == len(drawn(precision=0.2).table)


@pytest.mark.parametrize(
    ("rows", "low", "high"),
    [
        ([row("plain")], 0.0, 0.03),
        ([row("copy")], 0.75, 1.0),
        ([row("plain", weight=99.0), row("copy", weight=1.0)], 0.0, 0.1),
    ],
)
def test_the_rate_of_the_draws_is_that_of_the_prompts(rows: Rows, low: float, high: float) -> None:
    interval = drawn(rows, budget=400).interval
    assert low <= interval[0] < interval[1] <= high


def test_the_goal_and_the_stage_rates_see_the_same_interval() -> None:
    draws = drawn(ROWS + CONTROLS, budget=200)
    frame = draws.table.to_pandas()
    matches = frame[["prompt_id", "seed"]].assign(
        verdict=["copy" if ALL.get(key) else "no copy" for key in keys(draws)], control_verdict="no copy"
    )
    rate = rates_of_draws(frame, matches, 0.95)["all"]
    assert (rate.low, rate.high) == draws.interval
    assert rate.low < (0.9 * 2) / 23 < rate.high


def test_a_forecast_names_images_and_time(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "copyrisk"):
        announce(goal(budget=7200), 1.0)
        announce(goal(precision=0.01), 10.0)
        announce(goal(precision=0.01), 10.0, pictures=30)
    first, second, third = caplog.messages
    assert first == "plan: at most 7,200 images (2 h)"
    assert "±1 %" in second
    assert "240 images if none is a copy (24 s)" in second
    # And four of each control.
    assert "360 images if none is a copy (36 s)" in third


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0 s"), (119, "119 s"), (120, "2 min"), (7199, "120 min"), (7200, "2 h"), (2 * 86400, "2 days")],
)
def test_times_are_in_the_largest_unit_of_which_there_are_two(seconds: float, text: str) -> None:
    assert duration(seconds) == text
