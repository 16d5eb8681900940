from typing import Any

import pytest

from copyrisk.rates.intervals import Rate, binomial_rate
from copyrisk.report.answer import notes, sentence
from copyrisk.report.facts import verdict_of


def rate(copies: int, images: int) -> dict[str, Any]:
    return vars(binomial_rate(copies, images, "prompts"))


def facts(copies: int, images: int, controls: dict[str, Any] | None, verdict: str) -> dict[str, Any]:
    return {
        "answer": {"verdict": verdict, "regurgitation": rate(copies, images), "controls": controls},
        "counts": {
            "generations": images,
            "prompts": 50,
            "pictures": 40,
            "controls": 40,
            "control_pictures_dropped": 0,
            "unreadable": 0,
            "failed_generations": 0,
        },
        "strata": [],
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
