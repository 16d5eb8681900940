from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta

from copyrisk.rates.ends import DRAWS, Ends, Sample, corrected, known, of_binomial, of_sample, weighted
from copyrisk.rates.intervals import binomial_rate

COUNTS = [(0, 1), (1, 1), (0, 30), (1, 30), (7, 30), (30, 30), (3, 2000)]


@pytest.mark.parametrize(("successes", "trials"), COUNTS)
@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.99])
@pytest.mark.parametrize("make", [of_binomial, lambda k, n: of_sample(Sample.of([1] * k + [0] * (n - k)))])
def test_the_ends_of_counts_are_the_quantiles_of_beta(
    make: Callable[[int, int], Ends], successes: int, trials: int, confidence: float
) -> None:
    tail = (1 - confidence) / 2
    low = beta.ppf(tail, successes, trials - successes + 1) if successes else 0.0
    high = beta.ppf(1 - tail, successes + 1, trials - successes) if successes < trials else 1.0
    # A quantile of 100,000 draws is that far from the true one at most.
    width = max(high - low, 1 / trials)
    assert make(successes, trials).interval(confidence) == pytest.approx((low, high), abs=0.02 * width)


def test_the_estimate_and_the_interval_never_part() -> None:
    drawn = Ends(0.9, np.zeros(DRAWS), np.full(DRAWS, 0.5))
    assert drawn.interval(0.95) == (0.0, 0.9)


def test_no_copy_in_n_prompts_is_the_same_bound_however_many_images_each_had() -> None:
    few, many = (of_sample(Sample.of([0] * 20, [images] * 20)).interval(0.95) for images in (1, 500))
    assert few == many
    assert few[1] == pytest.approx(1 - 0.025 ** (1 / 20), abs=0.003)


def test_500_images_of_one_prompt_are_one_fact() -> None:
    low, high = of_sample(Sample.of([250], [500])).interval(0.95)
    assert (low, high) == pytest.approx((0.0125, 0.9875), abs=0.002)


def test_nothing_tried_is_nothing_known() -> None:
    assert of_sample(Sample.of([], [])).interval(0.95) == (0, 1)
    assert of_sample(Sample.of([0, 0], [0, 0])).interval(0.95) == (0, 1)
    assert of_binomial(0, 0).interval(0.95) == (0, 1)
    assert weighted([], []).interval(0.95) == (0, 1)
    assert weighted([known(0.5)], [0.0]).interval(0.95) == (0, 1)


def test_units_without_tries_do_not_count() -> None:
    assert Sample.of([1, 0, 0], [2, 0, 4]).mean == pytest.approx(0.25)


def test_a_heavy_unit_leaves_more_open() -> None:
    even = of_sample(Sample.of([0] * 20)).interval(0.95)[1]
    uneven = of_sample(Sample.of([0] * 20, weights=[10] + [1] * 19)).interval(0.95)[1]
    assert uneven > 1.5 * even


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(1, 4)), min_size=1, max_size=8))
def test_an_interval_holds_its_estimate_and_lower_ends_lie_below_upper(units: list[tuple[int, int, int]]) -> None:
    copies, missed, weights = (np.array(column) for column in zip(*units, strict=True))
    ends = of_sample(Sample.of(copies, copies + missed, weights))
    assert (ends.low <= ends.high + 1e-12).all()
    low, high = ends.interval(0.9)
    assert 0 <= low <= ends.estimate <= high <= 1
    wider = ends.interval(0.99)
    assert wider[0] <= low
    assert wider[1] >= high


@pytest.mark.parametrize(("rate", "prompts"), [(0.02, 30), (0.3, 12)])
def test_intervals_of_prompts_that_differ_hold(rate: float, prompts: int) -> None:
    generator = np.random.default_rng(1)
    misses = 0
    for _ in range(200):
        # Few prompts make all the copies: the case where counting images alone goes wrong.
        each = generator.beta(0.2 * rate, 0.2 * (1 - rate), prompts)
        low, high = of_sample(Sample.of(generator.binomial(16, each), [16] * prompts)).interval(0.95)
        misses += not low <= rate <= high
    assert misses <= 200 * 0.05


def test_known_weights_are_those_given_in_any_unit() -> None:
    parts = [known(0.1), known(0.5)]
    assert weighted(parts, [3, 1]).interval(0.95) == pytest.approx((0.2, 0.2))
    assert weighted(parts, [0.75, 0.25]).estimate == pytest.approx(0.2)


def test_weights_that_were_counted_widen_the_interval_and_the_more_the_fewer_they_are() -> None:
    parts = [of_binomial(1, 100, 0), of_binomial(60, 100, 1)]
    widths = []
    for weights, counted in (([9, 1], False), ([900, 100], True), ([9, 1], True)):
        ends = weighted(parts, weights, counted)
        assert ends.estimate == pytest.approx(0.9 * 0.01 + 0.1 * 0.6)
        low, high = ends.interval(0.95)
        widths.append(high - low)
    assert widths == sorted(widths)
    assert widths[2] > 1.5 * widths[0]


def test_counted_weights_of_known_rates_are_a_share_with_jeffreys_prior() -> None:
    low, high = weighted([known(0.0), known(1.0)], [30, 10], counted=True).interval(0.95)
    assert (low, high) == pytest.approx(tuple(beta.ppf([0.025, 0.975], 10.5, 30.5)), abs=0.003)


def test_one_stratum_needs_no_weight() -> None:
    part = of_binomial(3, 10)
    assert weighted([part], [7], counted=True).interval(0.95) == part.interval(0.95)


def test_a_rate_is_corrected_for_the_errors_of_its_test_as_by_rogan_and_gladen() -> None:
    ends = corrected(known(0.2), known(0.8), known(0.05))
    assert ends.estimate == pytest.approx(0.2)
    assert ends.interval(0.95) == pytest.approx((0.2, 0.2))
    assert corrected(known(0.1), known(1.0), known(0.0)).estimate == pytest.approx(0.1)


def test_the_worst_of_a_test_s_errors_makes_each_end() -> None:
    def between(low: float, estimate: float, high: float) -> Ends:
        return Ends(estimate, np.full(DRAWS, low), np.full(DRAWS, high))

    ends = corrected(between(0.15, 0.2, 0.25), between(0.7, 0.8, 0.9), between(0.02, 0.05, 0.08))
    expected = ((0.15 - 0.08) / (0.9 - 0.08), (0.25 - 0.02) / (0.7 - 0.02))
    assert ends.interval(0.95) == pytest.approx(expected)


def test_a_perfect_test_changes_nothing() -> None:
    observed = of_binomial(7, 200)
    assert corrected(observed, known(1.0), known(0.0)).interval(0.95) == pytest.approx(observed.interval(0.95))


def test_errors_that_are_themselves_uncertain_widen_the_interval() -> None:
    observed = of_binomial(30, 200, 0)
    low, high = corrected(observed, known(0.9), known(0.02)).interval(0.95)
    wide = corrected(observed, of_binomial(45, 50, 1), of_binomial(2, 100, 2)).interval(0.95)
    assert wide[0] < low < (0.15 - 0.02) / 0.88 < high < wide[1]


@pytest.mark.parametrize(
    ("observed", "sensitivity", "false_positives", "expected"),
    [
        (0.02, 0.9, 0.05, (0.0, 0.0, 0.0)),  # fewer than by accident
        (0.95, 0.9, 0.05, (1.0, 1.0, 1.0)),  # more than the test can find
        (0.3, 0.4, 0.4, (0.0, 0.0, 1.0)),  # a test that says nothing
        (0.3, 0.2, 0.6, (0.0, 0.0, 1.0)),  # a test that is worse
    ],
)
def test_what_a_test_cannot_say_stays_within_bounds(
    observed: float, sensitivity: float, false_positives: float, expected: tuple[float, float, float]
) -> None:
    ends = corrected(known(observed), known(sensitivity), known(false_positives))
    assert (*ends.interval(0.95)[:1], ends.estimate, ends.interval(0.95)[1]) == pytest.approx(expected)


def test_corrected_intervals_hold() -> None:
    generator = np.random.default_rng(2)
    truth, sensitivity, false_positives = 0.1, 0.8, 0.03
    misses = 0
    for _ in range(60):
        seen = truth * sensitivity + (1 - truth) * false_positives
        low, high = corrected(
            of_binomial(generator.binomial(150, seen), 150, 0),
            of_binomial(generator.binomial(40, sensitivity), 40, 1),
            of_binomial(generator.binomial(100, false_positives), 100, 2),
        ).interval(0.95)
        misses += not low <= truth <= high
    assert misses <= 60 * 0.05


def test_the_same_counts_give_the_same_interval_and_parts_are_independent() -> None:
    sample = Sample.of([1, 0, 3], [4, 4, 4])
    assert (of_sample(sample).high == of_sample(sample).high).all()
    first, second = of_sample(sample, 1), of_sample(sample, 2)
    assert abs(np.corrcoef(first.high, second.high)[0, 1]) < 0.02


def test_binomial_rates_are_exact_where_draws_are_near() -> None:
    rate = binomial_rate(7, 30, "generations")
    assert (rate.low, rate.high) == pytest.approx((beta.ppf(0.025, 7, 24), beta.ppf(0.975, 8, 23)))
