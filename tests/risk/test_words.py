import math

import pytest

from copyrisk.risk.words import chance, duration, number, one_in, pace_words, percent, percent_range, times


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (0, "0 %"),
        (1, "100 %"),
        (0.5, "50 %"),
        (0.6375, "63.8 %"),
        (0.123456, "12.3 %"),
        (7.314e-6, "0.000731 %"),
        (3e-13, "3.0 × 10⁻¹¹ %"),
        (0.9994, "99.9 %"),
        (0.99999, "99.99 %"),
        (1 - 1e-12, "99.99 %"),
    ],
)
def test_percent(share: float, words: str) -> None:
    assert percent(share) == words.replace(" %", "\u00a0%")


def test_a_measured_interval_is_rounded_outwards() -> None:
    assert percent_range(0.48961, 0.73911) == "48.9\u00a0% to 74\u00a0%"
    assert percent_range(0, 0.3) == "0\u00a0% to 30\u00a0%"


def test_a_chance_is_never_certain() -> None:
    assert chance(1.0) == "over 99.99\u00a0%"
    assert chance(0.5) == percent(0.5)


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (0, "0"),
        (0.00947, "0.00947"),
        (3e-7, "3.0 × 10⁻⁷"),
        (106.4, "106"),
        (136_719, "137,000"),
        (999_700, "1 million"),
        (3.3333e12, "3.33 trillion"),
        (5e17, "5.0 × 10¹⁷"),
        (math.inf, "infinitely many"),
    ],
)
def test_number(x: float, words: str) -> None:
    assert number(x) == words


def test_one_in() -> None:
    assert one_in(301e6) == "1 in 301 million"
    assert one_in(math.inf) == "never"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.5, "0.5 seconds"),
        (1, "1 second"),
        (90, "1.5 minutes"),
        (7200, "2 hours"),
        (3.48 * 86400, "3.48 days"),
        (30 * 86400, "4.29 weeks"),
        (105.6 * 31_557_600, "106 years"),
        (1e18, "31.7 billion years"),
        (math.inf, "never"),
    ],
)
def test_duration(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_times_are_whole_from_100_on() -> None:
    assert times(121_904.76) == "121,905 times"
    assert times(11.43) == "11.4 times"


def test_a_pace_is_in_the_shortest_unit_in_which_it_is_at_least_one() -> None:
    assert pace_words(1000) == "1,000 images a second"
    assert pace_words(5 / 3600) == "5 images an hour"
    assert pace_words(1e-9) == "0.0316 images a year"
