"""Numbers in words."""

import pytest

from copyrisk.report.words import against, counted, date, duration, interval, number, percent, ratio, setting

RATE = {"low": 0.0961, "high": 0.1549, "estimate": 0.124, "confidence": 0.95, "successes": 31, "trials": 250}


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (0, "0 %"),
        (1, "100 %"),
        (1.0000000000000002, "100 %"),
        (0.3, "30.0 %"),
        (0.1249, "12.5 %"),
        (0.0064, "0.64 %"),
        (0.0000073, "0.00073 %"),
        (0.99999, "99.9 %"),
        (float("nan"), "–"),
        (None, "–"),
    ],
)
def test_percent(share, words):
    assert percent(share).replace("\u00a0", " ") == words


def test_bounds_are_rounded_outwards():
    assert interval(RATE).replace("\u00a0", " ") == "9.6 % to 15.5 %"
    assert percent(0.00641, "up").replace("\u00a0", " ") == "0.65 %"
    assert percent(0.3, "up").replace("\u00a0", " ") == "30.0 %"


def test_counts_name_what_was_sampled():
    by_prompt, alone = RATE | {"unit": "prompts", "units": 50}, RATE | {"unit": "generations", "units": 250}
    assert counted(by_prompt, "generations").replace("\u00a0", " ") == "31 of 250 generations, from 50 prompts"
    assert counted(alone, "generations").replace("\u00a0", " ") == "31 of 250 generations"


def test_numbers():
    assert [number(value) for value in (1234567, 0.031249, 12345.6, None)] == ["1,234,567", "0.03125", "12,346", "–"]
    assert against(0.999999, 1.0) == "0.999999"
    assert against(1.0, 1.0) == "1"


def test_times():
    assert [duration(value).replace("\u00a0", " ") for value in (4.21, 200, 7500)] == [
        "4.2 s",
        "3 min 20 s",
        "2 h 5 min",
    ]
    assert date("2026-11-24T19:30:00+01:00") == "24 November 2026, 18:30 UTC"
    assert date("yesterday") == "yesterday"


def test_settings():
    assert [setting(value) for value in (None, True, 3, "x", [1, 2])] == ["not set", "yes", "3", "x", "[1, 2]"]


@pytest.mark.parametrize(
    ("estimate", "low", "high", "text"),
    [
        (0.4567, 0.1234, 0.8811, "0.46 (0.12 to 0.89)"),
        (3.25, 1.0, 14.01, "3.2 (1.0 to 15)"),
        (0.0, 0.0, 0.5, "0 (0 to 0.50)"),
        (2.0, 0.5, None, "2.0 (at least 0.50)"),
        (None, 1.29, None, "at least 1.2"),
        (None, 0.0, None, "no bound"),
        (123.4, 99.9, 1234.0, "120 (99 to 1300)"),
    ],
)
def test_a_ratio_has_two_digits_and_bounds_rounded_outwards(estimate, low, high, text):
    assert ratio({"ratio": estimate, "ratio_low": low, "ratio_high": high}) == text
