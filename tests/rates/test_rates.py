import pandas as pd
import pytest

from copyrisk.rates import count_prompts, wanted


def plan(*rows: tuple[str, str, list[int]]) -> pd.DataFrame:
    constant = {"stratum": "1", "multiplicity": 1, "weight": 1.0}
    return pd.DataFrame(
        [{"prompt_id": name, "prompt": name, "role": role, **constant, "seeds": seeds} for name, role, seeds in rows]
    )


def matches(*rows: tuple[str, int, str, str]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "generation_id": f"{name}/{seed}",
                "prompt_id": name,
                "seed": seed,
                "reference": "r",
                "distance": 0.1,
                "statistic": 0.1 if verdict == "copy" else 0.5,
                "verdict": verdict,
                "control": "c",
                "control_statistic": 0.5,
                "control_verdict": control,
            }
            for name, seed, verdict, control in rows
        ]
    )


def test_copies_are_counted_a_prompt() -> None:
    found = matches(("a", 1, "copy", "no copy"), ("a", 2, "no copy", "no copy"), ("b", 1, "no copy", "no copy"))
    counted = count_prompts(plan(("a", "reference", [1, 2]), ("b", "reference", [1])), found, 0.95)
    assert counted["generations"].tolist() == [2, 1]
    assert counted["copies"].tolist() == [1, 0]
    assert counted["nearest_statistic"].tolist() == [0.1, 0.5]


def test_a_controls_prompt_counts_the_controls_that_come_back() -> None:
    found = matches(("c", 1, "copy", "no copy"), ("c", 2, "no copy", "copy"), ("c", 3, "no copy", "no copy"))
    assert count_prompts(plan(("c", "control", [1, 2, 3])), found, 0.95)["copies"].tolist() == [1]


def test_a_prompt_whose_images_all_failed_has_no_generations() -> None:
    counted = count_prompts(
        plan(("a", "reference", [1]), ("b", "reference", [1])), matches(("a", 1, "copy", "copy")), 0.95
    )
    assert counted["generations"].tolist() == [1, 0]
    assert (counted["low"][1], counted["high"][1]) == (0, 1)


def test_only_what_the_plan_asks_for_counts_and_in_its_order() -> None:
    found = matches(("b", 1, "copy", "copy"), ("a", 9, "copy", "copy"), ("a", 1, "copy", "copy"))
    order = wanted(found, plan(("a", "reference", [1]), ("b", "reference", [1, 2])))
    assert order["generation_id"].tolist() == ["a/1", "b/1"]


@pytest.mark.parametrize("rows", [[], [("a", "reference", [])]])
def test_nothing_to_count_is_no_error(rows: list[tuple[str, str, list[int]]]) -> None:
    empty = matches(("a", 1, "copy", "copy")).iloc[:0]
    assert len(count_prompts(plan(*rows), empty, 0.95)) == len(rows) if rows else True
