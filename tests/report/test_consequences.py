"""What follows from the rates: known answers, and the facts of real runs of each kind."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import copyrisk
from copyrisk.attacks.strata import stratum_of
from copyrisk.rates.intervals import binomial_rate
from copyrisk.report import consequences

MODEL = "python:copyrisk.testbed.simulated:make"


def prompts(rows: list[tuple[str, int | None, int, int]], role: str = "reference") -> pd.DataFrame:
    """The table `prompts` for (stratum, multiplicity, generations, copies)."""
    table = pd.DataFrame(rows, columns=["stratum", "multiplicity", "generations", "copies"])
    names = [f"prompt {number}" for number in range(len(rows))]
    return table.assign(own_copies=table["copies"], prompt_id=names, prompt=names, role=role, weight=1.0)


def pictures(*multiplicities: int) -> pd.DataFrame:
    names = [f"r{number}" for number in range(len(multiplicities))]
    return pd.DataFrame({"cluster": names, "multiplicity": multiplicities, "captions": [[] for _ in names]})


def matches(*copied: tuple[str, str]) -> pd.DataFrame:
    """Copies, each with its prompt's id and its reference."""
    columns = {"prompt_id": [prompt for prompt, _ in copied], "reference": [reference for _, reference in copied]}
    return pd.DataFrame(columns, dtype=str).assign(verdict="copy")


def test_a_rate_becomes_numbers_of_images() -> None:
    found = consequences.use(binomial_rate(1, 10, "prompts"))
    chances = {row["images"]: row["estimate"] for row in found["at_least_one"]}
    assert chances[1] == pytest.approx(0.1)
    assert chances[10] == pytest.approx(1 - 0.9**10)
    assert found["even_odds"]["estimate"] == 7, "0.9^6 = 0.53 and 0.9^7 = 0.48"
    assert found["even_odds"]["low"] < 7 < found["even_odds"]["high"]


def test_no_copy_leaves_the_even_chance_without_an_upper_bound() -> None:
    found = consequences.use(binomial_rate(0, 300, "prompts"))
    assert found["even_odds"]["estimate"] is None
    assert found["even_odds"]["high"] is None
    assert found["even_odds"]["low"] == 57, "ln 2 / −ln(0.025^(1/300)) = 56.4"
    assert found["at_least_one"][1]["low"] == 0


def test_tries_are_those_of_the_prompts() -> None:
    asked = prompts([("1", 1, 4, 0), ("1", 1, 4, 4), ("1", 1, 4, 1), ("1", 1, 4, 2)])
    found = consequences.tries(asked, pictures(1, 1, 1, 1), 0.95)
    assert [row["tries"] for row in found] == [1, 2, 4]
    # One copy of four is among two images drawn from them with probability 1/2; two copies with 5/6.
    shares = [(0 + 1 + 1 / 4 + 2 / 4) / 4, (0 + 1 + 1 / 2 + 5 / 6) / 4, 3 / 4]
    assert [row["estimate"] for row in found] == pytest.approx(shares)
    assert all(row["low"] <= row["estimate"] <= row["high"] for row in found)


def test_tries_weigh_strata_by_their_pictures() -> None:
    asked = prompts([("1", 1, 3, 0), ("2", 2, 3, 3)])
    found = consequences.tries(asked, pictures(1, 1, 1, 2), 0.95)
    assert [row["tries"] for row in found] == [1, 2, 3]
    assert [row["estimate"] for row in found] == pytest.approx([0.25] * 3)


@pytest.mark.parametrize("role", ["unconditional", "control"])
def test_without_prompts_there_are_no_tries(role: str) -> None:
    assert consequences.tries(prompts([("all", None, 50, 3)], role), pictures(1), 0.95) == []


def test_one_image_a_prompt_tells_of_no_second_try() -> None:
    assert consequences.tries(prompts([("1", 1, 1, 0), ("1", 1, 1, 1)]), pictures(1, 1), 0.95) == []


def test_the_law_and_what_removing_copies_would_change() -> None:
    shares = {1: 0.0, 4: 0.1, 16: 0.5, 64: 0.9}
    rows = [(stratum_of(level), level, 40, round(40 * share)) for level, share in shares.items() for _ in range(10)]
    found = consequences.law(prompts(rows), pictures(*([1] * 90 + [4] * 6 + [16] * 3 + [64])), matches(), 0.95)
    assert found is not None
    levels = [point["multiplicity"] for point in found["curve"]]
    assert levels == sorted(set(levels))
    assert all(isinstance(level, int) for level in levels)
    assert (levels[0], levels[-1], found["tries"]) == (1, 64, 40)
    assert 12 < found["half_point"]["estimate"] < 21
    by_level = {point["multiplicity"]: point["regurgitation"] for point in found["curve"]}
    assert by_level[16]["low"] < 0.5 < by_level[16]["high"]
    assert [cap["cap"] for cap in found["caps"]] == [None, 32, 16, 8, 4, 2, 1]
    assert [cap["pictures"] for cap in found["caps"]] == [0, 1, 1, 4, 4, 10, 10]
    assert [cap["removed"] for cap in found["caps"]] == [0, 32, 48, 80, 96, 116, 126]
    rates = [cap["rate"]["estimate"] for cap in found["caps"]]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] == pytest.approx((6 * 0.1 + 3 * 0.5 + 0.9) / 100, abs=0.012)
    assert found["spill"]["high"] == 0


def test_copies_of_other_pictures_go_with_the_copies_of_these() -> None:
    rows = [(stratum_of(level), level, 10, copies) for level, copies in ((1, 0), (2, 1), (8, 9)) for _ in range(20)]
    asked = prompts(rows)
    # Every prompt of a picture that occurs once gives r3, which occurs eight times, in one image of ten.
    other = matches(*((name, "r3") for name in asked.loc[asked["multiplicity"] == 1, "prompt_id"]))
    shown = pictures(*([1] * 3 + [8] + [2] + [1] * 15))
    found = consequences.law(asked, shown, other, 0.95)
    alone = consequences.law(asked, shown, matches(), 0.95)
    assert found is not None
    assert alone is not None
    assert found["spill"]["estimate"] == pytest.approx(0.1 * 18 / 20, abs=0.005)
    rates = [[cap["rate"]["estimate"] for cap in law["caps"]] for law in (found, alone)]
    more = [with_other - without for with_other, without in zip(*rates, strict=True)]
    assert more[0] == pytest.approx(0.09, abs=0.01)
    # At most four copies: r3 then spills like the picture that occurs twice, not at all.
    assert more[1] == pytest.approx(0, abs=0.002)


@pytest.mark.parametrize(
    "rows",
    [
        [("1", 1, 9, 0), ("2", 2, 9, 0), ("4", 4, 9, 0)],
        [("1", 1, 9, 0), ("2", 2, 9, 5), ("2", 2, 9, 4)],
        [("1", 1, 9, 9), ("2", 2, 9, 9), ("4", 4, 9, 9)],
    ],
    ids=["no copy", "two multiplicities", "copies only"],
)
def test_no_law_can_be_seen(rows: list[tuple[str, int | None, int, int]]) -> None:
    assert consequences.law(prompts(rows), pictures(1, 2, 4), matches(), 0.95) is None


def test_users_prompts_have_no_law() -> None:
    rows = [("a", 1, 9, 0), ("a", 2, 9, 5), ("a", 8, 9, 9)]
    assert consequences.law(prompts(rows, "user"), pictures(1, 2, 8), matches(), 0.95) is None


def test_advice_needs_users_prompts_and_compares_strata_only_where_there_are_some() -> None:
    rows = [("a", None, 9, copies) for copies in (0, 1, 2, 9)]
    assert consequences.advice(prompts(rows), 0.95) == []
    assert consequences.advice(prompts(rows[:1], "user"), 0.95) == []
    usual = consequences.advice(prompts(rows, "user"), 0.95)
    assert len(usual) == 4
    divided = consequences.advice(prompts([*rows, ("b", None, 9, 0)], "user"), 0.95)
    assert [each["advice"] for each in divided[4:]] == ["Prompt as in 'a'.", "Prompt as in 'b'."]
    assert divided[4]["followed"]["estimate"] == pytest.approx(12 / 36)


@pytest.fixture
def audit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, collection: Callable[..., Path]
) -> Callable[..., dict[str, Any]]:
    """Audit a simulated generator that copies twelve of sixteen pictures, some of them duplicated, always or never."""
    rows = [(seed, f"picture {seed}") for seed in range(16) for _ in range(1 if seed < 8 else 4 if seed < 12 else 9)]
    references = collection("references", rows)
    controls = collection("controls", [(seed, "") for seed in range(100, 120)])

    def run(conditional: bool = True, **options: Any) -> dict[str, Any]:
        table = pd.DataFrame({"prompt": [f"picture {seed}" for seed in range(16)]})
        table["probability"] = [0.05] * 8 + [0.3] * 4 + [0.9] * 4
        table.to_csv(tmp_path / "known.csv", index=False)
        settings = ['references = "references.parquet"', "strength = 0", f"conditional = {str(conditional).lower()}"]
        settings.append('probabilities = "known.csv"' if conditional else "probability = 0.2")
        (tmp_path / "simulated.toml").write_text("\n".join(settings))
        monkeypatch.setenv("COPYRISK_SIMULATED", str(tmp_path / "simulated.toml"))
        return copyrisk.audit(
            model=MODEL,
            references=str(references),
            controls=str(controls),
            out=tmp_path / "run",
            test="tile",
            **options,
        ).facts

    return run


def test_a_run_by_captions(audit: Any, violations: Callable[[dict[str, Any]], list[str]]) -> None:
    facts = audit(generations=8)
    assert violations(facts) == []
    assert facts["design"] == {
        "generations": 8,
        "budget": None,
        "precision": None,
        "complete": True,
        "prompts_file": None,
    }
    assert [row["tries"] for row in facts["tries"]] == [1, 2, 4, 8]
    assert facts["tries"][0]["estimate"] == pytest.approx(facts["answer"]["regurgitation"]["estimate"])
    assert facts["law"]["curve"][-1]["multiplicity"] == 9
    assert facts["answer"]["corrected"]["estimate"] <= facts["answer"]["regurgitation"]["estimate"]
    assert facts["advice"] == []


def test_a_drawn_run(audit: Any, violations: Callable[[dict[str, Any]], list[str]]) -> None:
    facts = audit(budget=200)
    assert violations(facts) == []
    assert facts["design"]["generations"] is None
    assert (facts["design"]["budget"], facts["design"]["complete"]) == (200, True)
    assert (facts["tries"], facts["advice"]) == ([], [])
    assert facts["law"] is not None
    assert "different prompts" in facts["answer"]["sentence"]


def test_a_run_without_prompts(audit: Any, violations: Callable[[dict[str, Any]], list[str]]) -> None:
    facts = audit(conditional=False, generations=60)
    assert violations(facts) == []
    assert (facts["law"], facts["tries"], facts["advice"]) == (None, [], [])
    assert facts["use"]["even_odds"]["low"] >= 1
    assert "60 images)" in facts["answer"]["sentence"]


def test_a_run_of_users_prompts(audit: Any, tmp_path: Path, violations: Callable[[dict[str, Any]], list[str]]) -> None:
    lines = [("picture 15", "often"), *((f"picture {seed}", "rare") for seed in range(12))]
    pd.DataFrame(lines, columns=["prompt", "stratum"]).to_csv(tmp_path / "log.csv", index=False)
    facts = audit(prompts=str(tmp_path / "log.csv"), max_prompts=8, generations=4)
    assert violations(facts) == []
    assert facts["design"]["prompts_file"] == {"lines": 13, "prompts": 13, "drawn": 8}
    assert [row["tries"] for row in facts["tries"]] == [1, 2, 4]
    overall = facts["answer"]["regurgitation"]
    assert [facts["tries"][0][end] for end in ("low", "high")] == pytest.approx([overall["low"], overall["high"]])
    assert facts["law"] is None
    assert len(facts["advice"]) == 6
    assert {row["role"] for row in facts["prompts"]} == {"user"}
