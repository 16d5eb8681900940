import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from copyrisk.matching import LAXEST, _bounded
from copyrisk.matching.calibration import calibrate


def test_with_999_controls_the_rate_one_in_a_thousand_stops_just_below_the_smallest() -> None:
    values = np.arange(1, 1000) / 1000
    found = calibrate(values, np.arange(999), 0.001, 1.0, "controls")
    assert found.threshold == np.nextafter(0.001, 0)
    assert found.smallest == pytest.approx(0.001)
    assert found.reached


def test_with_fewer_it_says_that_it_is_not_reached() -> None:
    found = calibrate(np.arange(1, 100) / 100, np.arange(99), 0.001, 1.0, "controls")
    assert not found.reached
    assert found.smallest == pytest.approx(0.01)
    assert found.threshold < 0.01


def test_ten_times_more_references_than_controls_allow_a_tenth_of_the_hits() -> None:
    values = np.arange(1, 1000) / 1000
    alone = calibrate(values, np.arange(999), 0.1, 1.0, "controls")
    crowded = calibrate(values, np.arange(999), 0.1, 10.0, "controls")
    assert (values <= alone.threshold).sum() == 99
    assert (values <= crowded.threshold).sum() == 9


def test_a_prompt_with_many_generations_counts_once() -> None:
    # 90 generations of one prompt are all near a control; each of ten other prompts has one that is not.
    values = np.concatenate([np.full(90, 0.1), np.linspace(0.5, 0.9, 10)])
    units = np.concatenate([np.zeros(90), np.arange(1, 11)])
    found = calibrate(values, units, 0.2, 1.0, "controls")
    assert found.units == 11
    assert 0.1 < found.threshold <= 0.9


def test_a_prompt_of_several_pictures_counts_as_many_times_as_it_has() -> None:
    """As it does in the rate of the controls: so many single prompts would say the same."""
    generator = np.random.default_rng(2)
    values, units = generator.random(600), np.repeat(np.arange(200), 3)
    joined = calibrate(values, units, 0.02, 1.0, "controls", shares=np.full(600, 3.0))
    single = calibrate(values, np.arange(600), 0.02, 1.0, "controls")
    assert (joined.threshold, joined.smallest) == (single.threshold, pytest.approx(single.smallest))
    # Not so where the weights differ: a heavy prompt near a control counts for more.
    values = np.linspace(0.1, 1, 100)
    heavy = calibrate(values, np.arange(100), 0.1, 1.0, "controls", shares=np.where(np.arange(100) == 0, 9.0, 1.0))
    assert (values <= heavy.threshold).sum() < (values <= calibrate(values, values, 0.1, 1.0, "").threshold).sum()


def test_unequal_numbers_of_images_keep_the_rate() -> None:
    """Some prompts have one image, some two: the next image of any prompt is as rarely an accident as was asked for."""
    generator = np.random.default_rng(3)
    units = np.concatenate([np.arange(150), np.arange(50)])
    found, truth = [], 0.05
    for _ in range(400):
        level = generator.random(150)
        found.append(calibrate((level[units] + generator.random(200)) / 2, units, truth, 1.0, "controls").threshold)
    # The mean of two uniform numbers is at most t with probability 2 t² for t up to 0.5.
    assert np.mean([2 * max(0, each) ** 2 for each in found]) == pytest.approx(truth, abs=0.004)


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=60),
    st.floats(0.001, 0.9),
    st.floats(1, 20),
)
def test_controls_at_most_the_threshold_are_as_few_as_asked(values: list[float], rate: float, scale: float) -> None:
    found = calibrate(values, np.arange(len(values)), rate, scale, "controls")
    hits = int((np.array(values) <= found.threshold).sum())
    if found.reached:
        # One more, the next one, might pass too.
        assert scale * (hits + 1) / (len(values) + 1) <= rate * (1 + 1e-9) or hits == 0
    else:
        assert hits == 0
    assert found.low <= found.high


def test_over_many_sets_of_controls_the_rate_of_accidents_is_the_requested_one() -> None:
    generator = np.random.default_rng(0)
    found = [calibrate(generator.random(199), np.arange(199), 0.05, 1.0, "controls").threshold for _ in range(400)]
    # k = 10 of 200: expectation exactly 0.05, standard error of the mean of 400 is 0.0008.
    assert np.mean(found) == pytest.approx(0.05, abs=0.003)


def test_the_interval_of_the_threshold_holds_the_true_quantile() -> None:
    generator = np.random.default_rng(1)
    found = [calibrate(generator.random(400), np.arange(400), 0.05, 1.0, "controls") for _ in range(200)]
    holds = np.mean([each.low <= 0.05 <= each.high for each in found])
    assert holds >= 0.88


def test_equal_statistics_are_never_cut_in_two() -> None:
    found = calibrate(np.full(1000, 0.3), np.arange(1000), 0.1, 1.0, "controls")
    assert found.threshold < 0.3


@pytest.mark.parametrize(
    ("count", "smallest", "expected"),
    [
        # Enough controls may allow more than the fixed threshold, though not anything.
        (999, 0.5, LAXEST),
        (999, 0.15, np.nextafter(0.15, 0)),
        # A single accident is none of them at this rate.
        (999, 0.01, np.nextafter(0.01, 0)),
    ],
)
def test_controls_that_nobody_asked_are_believed_within_bounds(count: int, smallest: float, expected: float) -> None:
    found = calibrate(smallest + np.arange(count) / 1000, np.arange(count), 0.001, 1.0, "controls")
    bounded = _bounded(found)
    assert bounded is not None
    assert bounded.threshold == expected <= LAXEST == 1 / 5
    assert bounded.low <= bounded.threshold <= bounded.high
    assert (bounded.statistics, bounded.smallest) == (found.statistics, found.smallest)


@pytest.mark.parametrize("smallest", [0.5, 0.01])
def test_too_few_controls_leave_the_fixed_threshold(smallest: float) -> None:
    found = calibrate(smallest + np.arange(50) / 1000, np.arange(50), 0.001, 1.0, "controls")
    assert _bounded(found) is None
