import pandas as pd
import pytest

from copyrisk.errors import UserError
from copyrisk.rates import Counted, count_prompts, read_count, wanted
from copyrisk.rates.intervals import Rate, binomial_rate

PICTURES = pd.DataFrame({"cluster": ["r", "s"], "multiplicity": [1, 1], "captions": [["a", "aa"], ["b"]]})


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
    counted = count_prompts(plan(("a", "reference", [1, 2]), ("b", "reference", [1])), found, PICTURES, 0.95)
    assert counted["generations"].tolist() == [2, 1]
    assert counted["copies"].tolist() == [1, 0]
    assert counted["nearest_statistic"].tolist() == [0.1, 0.5]


def test_copies_of_the_picture_whose_caption_was_the_prompt_are_counted_apart() -> None:
    found = matches(("aa", 1, "copy", "no copy"), ("aa", 2, "no copy", "no copy"), ("b", 1, "copy", "no copy"))
    counted = count_prompts(plan(("aa", "reference", [1, 2]), ("b", "reference", [1])), found, PICTURES, 0.95)
    # Both are copies of picture r, which "aa" is a caption of and "b" is not.
    assert counted["copies"].tolist() == [1, 1]
    assert counted["own_copies"].tolist() == [1, 0]


def test_a_controls_prompt_counts_the_controls_that_come_back() -> None:
    found = matches(("c", 1, "copy", "no copy"), ("c", 2, "no copy", "copy"), ("c", 3, "no copy", "no copy"))
    assert count_prompts(plan(("c", "control", [1, 2, 3])), found, PICTURES, 0.95)["copies"].tolist() == [1]


def test_a_prompt_whose_images_all_failed_has_no_generations() -> None:
    counted = count_prompts(
        plan(("a", "reference", [1]), ("b", "reference", [1])), matches(("a", 1, "copy", "copy")), PICTURES, 0.95
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
    assert len(count_prompts(plan(*rows), empty, PICTURES, 0.95)) == len(rows) if rows else True


@pytest.mark.parametrize("text", ["188", "3/2", "a/b", "0/0", "-1/5", "1/2/3"])
def test_a_sensitivity_that_is_no_count_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"^--sensitivity is .*188/200"):
        read_count(text, "--sensitivity")


def counted(control_copies: int, controls: int = 1) -> Counted:
    """Twenty prompts of one picture each, ten of which copy, and as many of controls."""
    names = [f"p{number}" for number in range(20)]
    asked = plan(*((name, "reference", [1]) for name in names), *((f"c{name}", "control", [1]) for name in names))
    seen = matches(
        *((name, 1, "copy" if number < 10 else "no copy", "no copy") for number, name in enumerate(names)),
        *(
            (f"c{name}", 1, "no copy", "copy" if number < control_copies else "no copy")
            for number, name in enumerate(names)
        ),
    )
    pictures = pd.DataFrame({"cluster": names, "multiplicity": 1, "captions": [[name] for name in names]})
    return Counted(count_prompts(asked, seen, pictures, 0.95), seen, pictures, None, controls, 0.95)


def rate(of: Counted, name: str, sensitivity: tuple[int, int] | None = None) -> Rate:
    return next(
        rate for found, measure, _, rate in of.rates(sensitivity) if (found, measure) == (name, "regurgitation")
    )


def test_accidental_hits_are_taken_off_the_rate() -> None:
    run = counted(control_copies=2, controls=20)
    observed, true = rate(run, "all"), rate(run, "corrected")
    assert observed.estimate == 0.5
    assert true.estimate == pytest.approx((0.5 - 0.1) / (1 - 0.1))
    assert true.low < observed.low
    # With half as many controls as references, accidents on references are twice as frequent.
    assert rate(counted(2, controls=10), "corrected").estimate == pytest.approx((0.5 - 0.2) / (1 - 0.2))


def test_copies_that_the_test_misses_are_added() -> None:
    run = counted(control_copies=0, controls=20)
    assert rate(run, "corrected", (80, 100)).estimate == pytest.approx(0.5 / 0.8)
    assert rate(run, "corrected", (8, 10)).high > rate(run, "corrected", (800, 1000)).high


def controls(*rows: tuple[str, float, list[bool]], draws: pd.DataFrame | None = None) -> Rate | None:
    """The rate of controls, given as (caption, weight, whether each of its images is a hit)."""
    asked = plan(("a", "reference", [1]), *((name, "control", list(range(len(hits)))) for name, _, hits in rows))
    asked["weight"] = [1.0, *(weight for _, weight, _ in rows)]
    images = [
        (name, seed, "no copy", "copy" if hit else "no copy") for name, _, hits in rows for seed, hit in enumerate(hits)
    ]
    seen = matches(("a", 1, "copy", "no copy"), *images)
    prompts = count_prompts(asked, seen, PICTURES, 0.95)
    return Counted(prompts, seen, PICTURES, draws, 100, 0.95).control_rate()


def test_one_image_of_each_control_is_a_try_each() -> None:
    rate, exact = controls(*((f"c{number}", 1.0, [number < 2]) for number in range(300))), binomial_rate(2, 300, "")
    assert rate is not None
    assert (rate.low, rate.estimate, rate.high) == pytest.approx((exact.low, exact.estimate, exact.high), abs=2e-4)
    # Four times as many prompts say four times as much as four images each.
    once = controls(*((f"c{number}", 1.0, [False]) for number in range(400)))
    four = controls(*((f"c{number}", 1.0, [False] * 4) for number in range(100)))
    assert once is not None and four is not None
    assert (once.trials, four.trials) == (400, 400)
    assert (once.high, four.high) == (pytest.approx(0.0092, abs=1e-4), pytest.approx(0.0362, abs=3e-4))


def test_controls_with_unequal_numbers_of_images_weigh_by_their_pictures() -> None:
    rate = controls(("one", 1.0, [True]), ("two", 1.0, [False, True]), ("three pictures", 3.0, [False] * 3))
    assert rate is not None
    assert rate.estimate == pytest.approx((1 + 0.5 + 0) / 5)
    assert (rate.successes, rate.trials, rate.units) == (2, 6, 3)


def test_controls_beside_draws_are_counted_the_same_way() -> None:
    rows = [(f"c{number}", 1.0, [number < 2, False]) for number in range(50)]
    assert controls(*rows, draws=pd.DataFrame({"role": ["reference"]})) == controls(*rows)


def test_without_controls_there_is_no_rate_of_theirs() -> None:
    # A control's caption was asked for, and all controls were left out as near-duplicates of references.
    asked = plan(("a", "reference", [1]), ("c", "control", [1]))
    seen = matches(("a", 1, "copy", "no copy"), ("c", 1, "copy", "no copy")).assign(control=None, control_verdict=None)
    prompts = count_prompts(asked, seen, PICTURES, 0.95)
    assert Counted(prompts, seen, PICTURES, None, 0, 0.95).control_rate() is None
