from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from copyrisk.rates.anytime import Stream, anytime_interval, of_stream
from copyrisk.rates.intervals import binomial_rate


def tries(outcomes: "np.typing.ArrayLike") -> Stream:
    """Plain tries: values of 0 or 1."""
    values = np.asarray(outcomes, float)
    return Stream(values, np.zeros_like(values), np.ones_like(values))


@pytest.mark.parametrize("draws", [1, 10, 64, 1000, 20_000])
def test_no_copy_gives_a_bound_near_clopper_and_pearson_s_but_never_below(draws: int) -> None:
    exact = binomial_rate(0, draws, "generations").high
    low, high = anytime_interval(tries(np.zeros(draws)))
    assert low == 0
    assert exact < high < 1.25 * exact


def test_copies_alone_give_a_bound_near_clopper_and_pearson_s_but_never_above() -> None:
    exact = binomial_rate(300, 300, "generations").low
    low, high = anytime_interval(tries(np.ones(300)))
    assert high == 1
    assert 1 - 1.25 * (1 - exact) < low < exact


@pytest.mark.parametrize(("rate", "draws"), [(0.01, 5000), (0.1, 2000), (0.5, 1000), (0.97, 2000)])
def test_the_price_of_looking_at_any_time_is_less_than_twice_the_width(rate: float, draws: int) -> None:
    outcomes = np.zeros(draws)
    outcomes[np.linspace(0, draws - 1, int(rate * draws)).astype(int)] = 1
    low, high = anytime_interval(tries(outcomes))
    exact = binomial_rate(int(outcomes.sum()), draws, "generations")
    assert low < exact.low
    assert high > exact.high
    assert high - low < 2 * (exact.high - exact.low)


def test_nothing_drawn_is_nothing_known() -> None:
    empty = tries([])
    assert anytime_interval(empty) == (0, 1)
    assert of_stream(empty).interval(0.95) == (0, 1)


def ever_wrong(draw: Callable[[np.random.Generator], Stream], truth: float, looks: list[int], runs: int) -> float:
    """How often, of `runs` streams, the interval at one of the looks misses the truth."""
    wrong = 0
    for run in range(runs):
        stream = draw(np.random.default_rng(run))
        for look in looks:
            low, high = anytime_interval(Stream(stream.values[:look], stream.bottom[:look], stream.top[:look]))
            if not low <= truth <= high:
                wrong += 1
                break
    return wrong / runs


@pytest.mark.parametrize("rate", [0.03, 0.3])
def test_of_many_looks_hardly_one_misses_the_rate(rate: float) -> None:
    looks = [5, 10, 15, 20, 30, 40, 60, 80, 120, 160, 240]

    def draw(generator: np.random.Generator) -> Stream:
        return tries(generator.random(looks[-1]) < rate)

    assert ever_wrong(draw, rate, looks, 150) <= 0.05
    # The interval for a fixed number of draws, looked at as often, does not hold: the test can tell.
    fixed = 0
    for run in range(150):
        outcomes = draw(np.random.default_rng(run)).values
        rates = [binomial_rate(int(outcomes[:look].sum()), look, "generations") for look in looks]
        fixed += any(not each.low <= rate <= each.high for each in rates)
    assert fixed / 150 > 0.05


def test_values_with_weights_of_their_own_hold_too() -> None:
    # Two kinds of prompts, of which the one that copies is drawn too often and weighted down.
    def draw(generator: np.random.Generator) -> Stream:
        kind = generator.random(200) < 0.5
        copies = generator.random(200) < np.where(kind, 0.6, 0.0)
        ratio = np.where(kind, 0.1 / 0.5, 0.9 / 0.5)
        return Stream(ratio * copies, np.zeros(200), np.full(200, 1.8))

    assert ever_wrong(draw, 0.06, [10, 20, 40, 80, 120, 200], 150) <= 0.05


@settings(max_examples=40, deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=60), st.sampled_from([0.5, 0.9, 0.95]))
def test_an_interval_holds_its_estimate_and_grows_with_confidence(outcomes: list[bool], confidence: float) -> None:
    stream = tries(outcomes)
    low, high = anytime_interval(stream, confidence)
    assert 0 <= low <= stream.estimate <= high <= 1
    wider = anytime_interval(stream, 0.99)
    # Ends are solved for to a millionth.
    assert wider[0] <= low + 1e-6
    assert wider[1] >= high - 1e-6


def test_one_copy_takes_all_from_who_staked_all_on_none() -> None:
    # Rounding must not leave a trace of the wealth that twelve misses multiply.
    assert anytime_interval(tries([0] * 12 + [1]), 0.9999)[1] == 1
    assert anytime_interval(tries([0, 0, 0, 0, 0, 1]), 0.99)[1] == 1


@settings(max_examples=20, deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_no_outcome_gives_a_narrower_interval_than_one_look_would(outcomes: list[bool]) -> None:
    exact = binomial_rate(sum(outcomes), len(outcomes), "generations")
    low, high = anytime_interval(tries(outcomes))
    assert low <= exact.low + 1e-6
    assert high >= exact.high - 1e-6


@pytest.mark.parametrize("copies", [0, 3, 40])
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_the_draws_of_ends_give_the_interval_at_every_confidence(copies: int, confidence: float) -> None:
    stream = tries([1, 0, 0, 0, 0] * copies + [0] * (200 - 5 * copies))
    low, high = anytime_interval(stream, confidence)
    assert of_stream(stream).interval(confidence) == pytest.approx((low, high), abs=0.02 * (high - low))


def test_the_draws_of_ends_are_the_same_each_time() -> None:
    stream = tries([0, 1, 0, 0])
    assert (of_stream(stream).high == of_stream(stream).high).all()
    assert (of_stream(stream, 1).high != of_stream(stream, 2).high).any()
