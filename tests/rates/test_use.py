from itertools import combinations
from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from copyrisk.rates.intervals import Rate, binomial_rate
from copyrisk.rates.use import at_least_one, found_within, images_for


def exactly(value: float) -> Rate:
    return Rate(value, value, value, 0.95, 1, 1, "prompts", 1)


def test_one_copy_in_a_thousand_has_even_odds_after_693_images() -> None:
    assert images_for(exactly(0.001)) == (693, 693, 693)
    assert at_least_one(exactly(0.001), 693) == pytest.approx((0.5, 0.5, 0.5), abs=2e-4)


def test_no_copy_seen_still_bounds_a_use() -> None:
    rate = binomial_rate(0, 500, "generations")
    estimate, low, high = at_least_one(rate, 100)
    assert (estimate, low) == (0, 0)
    assert high == pytest.approx(1 - (1 - rate.high) ** 100)
    # None of 500 is at most 0.735 %: an even chance takes at least 94 images, and maybe no number reaches it.
    assert images_for(rate) == (inf, 94, inf)


def test_a_model_that_always_copies_needs_one_image() -> None:
    assert images_for(exactly(1.0)) == (1, 1, 1)
    assert at_least_one(exactly(1.0), 1) == (1, 1, 1)


@given(st.floats(1e-9, 0.999), st.integers(1, 10**6))
def test_more_images_make_a_copy_likelier(rate: float, images: int) -> None:
    once, often = at_least_one(exactly(rate), images)[0], at_least_one(exactly(rate), 2 * images)[0]
    assert 0 < once <= often <= 1
    needed = images_for(exactly(rate))[0]
    assert at_least_one(exactly(rate), int(needed))[0] >= 0.5 - 1e-9


@given(st.integers(1, 7).flatmap(lambda m: st.tuples(st.integers(0, m), st.just(m), st.integers(1, m))))
def test_found_within_counts_the_choices_with_a_copy(case: tuple[int, int, int]) -> None:
    copies, generations, tries = case
    images = [True] * copies + [False] * (generations - copies)
    with_copy = [any(images[each] for each in choice) for choice in combinations(range(generations), tries)]
    assert found_within([copies], [generations], tries)[0] == pytest.approx(np.mean(with_copy))
