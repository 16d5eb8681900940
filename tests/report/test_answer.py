from typing import Any

import pytest

from copyrisk.rates.intervals import Rate, binomial_rate
from copyrisk.report.answer import notes, sentence
from copyrisk.report.facts import verdict_of


def rate(copies: int, images: int) -> dict[str, Any]:
    return vars(binomial_rate(copies, images, "prompts"))


def facts(copies: int, images: int, controls: dict[str, Any] | None, verdict: str) -> dict[str, Any]:
    return {
        "answer": {"verdict": verdict, "regurgitation": rate(copies, images), "controls": controls, "withheld": None},
        "test": {"calibration": None},
        "counts": {
            "generations": images,
            "prompts": 50,
            "pictures": 40,
            "controls": 40,
            "control_pictures_dropped": 0,
            "unreadable": 0,
            "other_generations": 0,
            "withheld": 0,
            "failed_generations": 0,
        },
        "failures": [],
        "remarks": [],
        "strata": [],
        "design": {"generations": 16, "budget": None, "precision": None, "complete": True, "prompts_file": None},
        "options": {},
    }


def test_copies_are_stated_with_interval_number_and_comparison() -> None:
    text = sentence(facts(31, 250, rate(1, 250), "copies"), ["reference", "control"])
    assert "12.4\u00a0% of the images" in text
    assert "95\u00a0% interval 8.5\u00a0% to 17.2\u00a0%; 250 images from 50 prompts" in text
    assert "copying and not chance" in text
    assert "fires in 0.40\u00a0% of the images" in text


def test_zero_copies_are_a_bound_and_never_zero() -> None:
    text = sentence(facts(0, 500, None, "none"), ["user"])
    assert "at most 0.74\u00a0%" in text
    assert " 0\u00a0%" not in text


def test_noise_is_called_so() -> None:
    assert "cannot be told from chance" in sentence(facts(5, 100, rate(4, 100), "noise"), ["reference"])


def test_without_controls_the_reader_is_warned() -> None:
    given = facts(5, 100, None, "unproven")
    assert "Without a control group" in sentence(given, ["reference"])
    assert any("Give --controls" in note for note in notes(given, 1.0))


@pytest.mark.parametrize(("trials", "advice"), [(80, "Raise --control-images, or give more controls."), (320, "Give")])
def test_too_few_controls_are_called_so_with_what_to_do(trials: int, advice: str) -> None:
    controls = rate(0, 80) | {"trials": trials}
    (note,) = notes(facts(5, 100, controls, "noise"), 1.0)
    assert note.startswith("The control group is too small: 80 prompts without a hit still allow a rate of 4.6")
    assert f". {advice}" in note


def test_no_image_is_no_answer() -> None:
    assert "says nothing" in sentence(facts(0, 0, None, "none"), ["reference"])


@pytest.mark.parametrize(
    ("copies", "control", "scale", "verdict"),
    [
        (0, (1, 100), 1, "none"),
        (60, None, 1, "unproven"),
        (60, (1, 100), 1, "copies"),
        (5, (4, 100), 1, "noise"),
        (60, (10, 100), 5, "noise"),
    ],
)
def test_the_verdict_compares_with_the_controls(
    copies: int, control: tuple[int, int] | None, scale: float, verdict: str
) -> None:
    other: Rate | None = binomial_rate(*control, "prompts") if control else None
    assert verdict_of(binomial_rate(copies, 100, "prompts"), other, scale) == verdict


@pytest.mark.parametrize(
    ("count", "text"), [(1, "1 image could not be read"), (1234, "1,234 images could not be read")]
)
def test_unreadable_images_are_counted(count: int, text: str) -> None:
    given = facts(5, 100, rate(1, 100), "copies")
    given["counts"]["unreadable"] = count
    assert [note for note in notes(given, 1.0) if "could not be read" in note] == [f"{text}: see the list below."]


@pytest.mark.parametrize(("count", "text"), [(1, "1 generation had"), (20, "20 generations had")])
def test_images_of_other_prompts_are_noted(count: int, text: str) -> None:
    given = facts(5, 100, rate(1, 100), "copies")
    given["counts"]["other_generations"] = count
    (note,) = (note for note in notes(given, 1.0) if "no reference's caption" in note)
    assert note.startswith(text)


def test_drawn_prompts_are_counted_as_different_ones() -> None:
    given = facts(31, 250, None, "unproven")
    given["design"] |= {"generations": None, "budget": 100}
    assert "250 images from 50 different prompts)" in sentence(given, ["reference"])


def test_a_model_that_takes_no_prompt_has_none_counted() -> None:
    text = sentence(facts(31, 250, None, "unproven"), ["unconditional"])
    assert "17.2\u00a0%; 250 images)" in text
    assert "prompts" not in text


def test_a_precision_that_was_not_reached_is_noted() -> None:
    given = facts(31, 250, rate(1, 250), "copies")
    given["design"] |= {"generations": None, "precision": 0.01, "budget": 250}
    (note,) = notes(given, 1.0)
    assert "(± 1.0\u00a0%) was not reached within the budget of 250 images" in note
    given["design"]["precision"] = 0.1
    assert notes(given, 1.0) == []
    given["design"]["complete"] = False
    assert "cut short" in notes(given, 1.0)[0]


def test_pictures_that_were_not_drawn_need_no_note() -> None:
    given = facts(31, 250, rate(1, 250), "copies")
    given["strata"] = [{"pictures": 10, "multiplicity_low": 1}]
    assert "10 of the 40 different reference pictures" in notes(given, 1.0)[0]
    given["design"] |= {"generations": None, "budget": 250}
    assert notes(given, 1.0) == []
    given["options"]["max_prompts"] = 10
    assert "10 of the 40 different reference pictures" in notes(given, 1.0)[0]


def test_what_was_withheld_is_said_with_both_bounds() -> None:
    found = facts(31, 250, None, "unproven")
    found["counts"]["withheld"] = 50
    found["answer"]["withheld"] = {
        "rate": rate(50, 300),
        "by": ["the pipeline's safety checker"],
        "regurgitation_if_none": rate(31, 300),
        "regurgitation_if_all": rate(81, 300),
    }
    assert "Not counted are 50 images that were withheld" in sentence(found, ["reference"])
    (note,) = [note for note in notes(found, 1.0) if "withheld" in note]
    assert "16.7\u00a0% of the images" in note and "50 of 300" in note and "the pipeline's safety checker" in note
    assert "If none of them were a copy, 10.3\u00a0%" in note
    assert "if all of them were, 27.0\u00a0%" in note


def test_why_images_failed_and_what_the_generator_remarks_is_noted() -> None:
    found = facts(31, 250, None, "unproven")
    found["counts"]["failed_generations"] = 4
    found["failures"] = [{"reason": "the picture is entirely black", "count": 4}]
    found["remarks"] = ["2 prompts are cut."]
    text = " ".join(notes(found, 1.0))
    assert "4 generations gave no readable image, and none counts: the picture is entirely black (4)." in text
    assert "2 prompts are cut." in text
