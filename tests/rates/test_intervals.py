import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from copyrisk.rates.intervals import Rate, Sample, binomial_rate, clustered_rate, exceeds, weighted_rate


def clustered(successes: object, trials: object, weights: object = None) -> Rate:
    return clustered_rate(Sample.of(successes, trials, weights))  # type: ignore[arg-type]


def whole(successes: int, units: int) -> Sample:
    """Units that copy always or never."""
    return Sample.of([1] * successes + [0] * (units - successes))


counts = st.lists(st.tuples(st.integers(0, 20), st.integers(1, 20)).map(lambda pair: (min(pair), pair[1])), min_size=1)


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    # Clopper and Pearson's interval for 2 of 10 is in many textbooks; 0 of 500 is 1 - 0.025^(1/500).
    [(2, 10, 0.0252, 0.5561), (0, 500, 0.0, 0.00735), (10, 10, 0.6915, 1.0), (0, 0, 0.0, 1.0)],
)
def test_binomial_intervals_are_the_known_ones(successes: int, trials: int, low: float, high: float) -> None:
    rate = binomial_rate(successes, trials, "prompts")
    assert (rate.low, rate.high) == pytest.approx((low, high), abs=5e-5)


def test_generations_of_one_prompt_are_no_independent_facts() -> None:
    one_prompt = clustered([250], [500])
    assert one_prompt.estimate == 0.5
    assert one_prompt.high - one_prompt.low > 0.95


def test_prompts_that_agree_are_worth_more_than_prompts_that_differ() -> None:
    agree = clustered([5, 5, 6, 4, 5, 5, 5, 5], [10] * 8)
    differ = clustered([10, 0, 10, 0, 10, 0, 10, 0], [10] * 8)
    assert agree.estimate == differ.estimate == 0.5
    assert agree.high - agree.low < 0.6 * (differ.high - differ.low)
    # Prompts that give all or nothing are worth one observation each.
    alone = binomial_rate(4, 8, "prompts")
    assert (differ.low, differ.high) == pytest.approx((alone.low, alone.high), abs=0.005)


def test_no_copy_gives_a_bound_at_the_level_of_prompts() -> None:
    rate = clustered([0] * 20, [500] * 20)
    assert rate.estimate == rate.low == 0
    assert rate.high == pytest.approx(binomial_rate(0, 20, "prompts").high, rel=0.02)


def test_nothing_but_copies_gives_a_bound_at_the_level_of_prompts() -> None:
    rate = clustered([32] * 10, [32] * 10, weights=[0.1] * 10)
    assert rate.high == 1
    assert rate.low == pytest.approx(binomial_rate(10, 10, "prompts").low, rel=0.02)


def test_weights_count_prompts_as_often_as_they_stand_for() -> None:
    assert clustered([10, 0], [10, 10], weights=[3, 1]).estimate == pytest.approx(0.75)


def test_prompts_without_generations_are_left_out() -> None:
    assert clustered([1, 0], [10, 0]).units == 1
    assert clustered([0], [0]).high == 1


@given(counts)
def test_every_interval_holds_its_estimate(pairs: list[tuple[int, int]]) -> None:
    successes, trials = zip(*pairs, strict=True)
    rate = clustered(successes, trials)
    assert 0 <= rate.low <= rate.estimate <= rate.high <= 1
    assert rate.high > rate.low


@given(counts)
def test_prompts_in_another_order_give_the_same_interval(pairs: list[tuple[int, int]]) -> None:
    first, last = (clustered(*zip(*order, strict=True)) for order in (pairs, pairs[::-1]))
    assert (first.low, first.high) == pytest.approx((last.low, last.high))


@pytest.mark.parametrize(
    ("mean", "spread", "prompts"), [(0.02, 0.5, 100), (0.05, 2.0, 20), (0.3, 5.0, 12), (0.9, 0.5, 40)]
)
def test_the_interval_covers_the_true_rate(mean: float, spread: float, prompts: int) -> None:
    """Beta-binomial audits with a fixed seed: 500 of them, so that 95 % is known to about 2 %."""
    generator = np.random.default_rng(1)
    true = generator.beta(mean * spread, (1 - mean) * spread, (500, prompts))
    copies = generator.binomial(16, true)
    rates = [clustered(row, [16] * prompts) for row in copies]
    assert np.mean([rate.low <= mean <= rate.high for rate in rates]) >= 0.95


def test_strata_are_weighted() -> None:
    rate = weighted_rate([whole(0, 100), whole(50, 100)], [9, 1])
    assert rate.estimate == pytest.approx(0.05)
    assert rate.low < 0.05 < rate.high
    # The stratum without copies widens the interval upwards.
    assert rate.high > 0.1 * binomial_rate(50, 100, "prompts").high


def test_one_stratum_keeps_its_own_interval() -> None:
    assert weighted_rate([whole(7, 50)], [12]) == clustered_rate(whole(7, 50))


def test_strata_without_any_copy_give_an_upper_bound() -> None:
    rate = weighted_rate([whole(0, 50), whole(0, 50)], [1, 1])
    assert rate.low == 0
    # Pooled, 0 of 100 is at most 3.6 %; kept apart, it cannot be less.
    assert 0.036 <= rate.high <= binomial_rate(0, 50, "prompts").high


def test_no_stratum_at_all_says_nothing() -> None:
    assert (weighted_rate([], []).low, weighted_rate([], []).high) == (0, 1)


def test_a_rate_exceeds_its_controls_only_when_both_intervals_allow_it() -> None:
    assert exceeds(binomial_rate(60, 200, "prompts"), binomial_rate(2, 200, "prompts"))
    assert not exceeds(binomial_rate(6, 200, "prompts"), binomial_rate(4, 200, "prompts"))
    assert not exceeds(binomial_rate(60, 200, "prompts"), binomial_rate(0, 4, "prompts"))
    assert not exceeds(binomial_rate(60, 200, "prompts"), binomial_rate(20, 200, "prompts"), scale=4)
