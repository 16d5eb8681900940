import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from copyrisk.rates.allocation import (
    EXPLORATION,
    Floats,
    Integers,
    Population,
    Proposal,
    Tally,
    images_needed,
    propose,
    stream,
)
from copyrisk.rates.anytime import Stream, anytime_interval

RATES = np.array([0.9, 0.5, *np.full(8, 0.02), *np.zeros(20)])
"""Few prompts make nearly all the copies."""
STRATA = np.array([0] * 10 + [1] * 20)


def population() -> Population:
    weights = np.r_[np.ones(10), np.full(20, 3.0)]
    return Population(weights / weights.sum(), STRATA)


def proposal(draws: list[int], copies: list[int], people: Population | None = None) -> Proposal:
    people = people or population()
    tally = Tally.empty(people)
    tally.add(np.array(draws, int), np.array(copies, float))
    return propose(people, tally)


def simulate(seed: int, rounds: int = 5, size: int = 40) -> tuple[Stream, list[Stream], Integers]:
    """Draw adaptively from prompts whose rates are known: the overall stream, those of the strata, and the prompts."""
    people, tally, generator = population(), Tally.empty(population()), np.random.default_rng(seed)
    found: list[Floats] = []
    strata: list[Floats] = []
    drawn = []
    for _ in range(rounds):
        how = propose(people, tally)
        prompts = how.draw(generator.random((size, 2)))
        copies = (generator.random(size) < RATES[prompts]).astype(float)
        for terms, columns in ((how.overall(), found), (how.by_stratum(), strata)):
            rows = (terms.ratio, how.guesses, terms.centre, terms.bottom, terms.top)
            columns.append(np.stack([*(row[prompts] for row in rows), copies]))
        tally.add(prompts, copies)
        drawn.append(prompts)
    prompts = np.concatenate(drawn)
    of_strata = [stream(*np.concatenate(strata, axis=1)[:, STRATA[prompts] == number]) for number in (0, 1)]
    return stream(*np.concatenate(found, axis=1)), of_strata, prompts


TRUTH = float(population().shares @ RATES)


def test_the_mean_of_the_stream_is_the_rate_however_the_prompts_were_chosen() -> None:
    runs = [simulate(seed) for seed in range(400)]
    means = np.array([whole.values.mean() for whole, _, _ in runs])
    assert abs(means.mean() - TRUTH) < 3 * means.std() / len(means) ** 0.5
    # The share of copies among the draws is far off: prompts that copy are drawn more often.
    raw = np.array([RATES[prompts].mean() for _, _, prompts in runs])
    assert raw.mean() > 2 * TRUTH
    # A stratum's own stream has the stratum's rate. Its length depends on its values, so sums and not means are fair.
    for number, truth in ((0, RATES[:10].mean()), (1, 0.0)):
        excess = np.array([(strata[number].values - truth).sum() for _, strata, _ in runs])
        assert abs(excess.mean()) <= 3 * excess.std() / len(excess) ** 0.5 + 1e-9


def test_values_stay_within_the_bounds_that_were_known_before() -> None:
    for seed in range(20):
        whole, strata, _ = simulate(seed)
        for each in (whole, *strata):
            assert (each.bottom - 1e-12 <= each.values).all()
            assert (each.values <= each.top + 1e-12).all()


def test_the_interval_of_adaptive_draws_holds_at_every_look() -> None:
    wrong = 0
    for seed in range(100):
        whole, strata, _ = simulate(seed)
        for each, truth in ((whole, TRUTH), (strata[0], RATES[:10].mean())):
            for look in (40, 80, 120, 160, 200):
                low, high = anytime_interval(Stream(each.values[:look], each.bottom[:look], each.top[:look]))
                if not low <= truth <= high:
                    wrong += 1
                    break
    assert wrong <= 2 * 100 * 0.05


def test_adaptive_draws_tell_more_than_as_many_that_follow_the_population() -> None:
    people = population()
    adaptive, plain = [], []
    for seed in range(300):
        adaptive.append(simulate(seed)[0].values.mean())
        generator = np.random.default_rng(seed)
        prompts = generator.choice(len(RATES), 200, p=people.shares)
        plain.append((generator.random(200) < RATES[prompts]).mean())
    assert np.var(adaptive) < 0.7 * np.var(plain)


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_a_proposal_leaves_no_prompt_out_and_no_weight_beyond_bounds(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 12))
    weights = np.array(data.draw(st.lists(st.floats(0.01, 100), min_size=size, max_size=size)))
    strata = np.sort(np.array(data.draw(st.lists(st.integers(0, 2), min_size=size, max_size=size))))
    strata = np.unique(strata, return_inverse=True)[1]
    people = Population(weights / weights.sum(), strata)
    draws = data.draw(st.lists(st.tuples(st.integers(0, size - 1), st.booleans()), max_size=40))
    how = proposal([prompt for prompt, _ in draws], [int(copy) for _, copy in draws], people)
    q = how.strata[strata] * how.within
    assert q.sum() == pytest.approx(1)
    assert np.bincount(strata, how.within) == pytest.approx(np.ones(strata.max() + 1))
    assert ((how.guesses >= 0) & (how.guesses < 1)).all()
    whole = how.overall()
    assert (whole.ratio <= 1 / EXPLORATION**2 + 1e-9).all()
    assert (how.by_stratum().ratio <= 1 / EXPLORATION + 1e-9).all()
    # What each prompt is expected to give, in all, is the rate, whatever the prompts' rates are.
    rates = np.array(data.draw(st.lists(st.floats(0, 1), min_size=size, max_size=size)))
    assert q @ (whole.centre + whole.ratio * (rates - how.guesses)) == pytest.approx(people.shares @ rates)


def test_at_first_small_strata_get_more_than_their_share_and_their_prompts_are_alike() -> None:
    how = proposal([], [])
    shares = population().stratum_shares
    assert how.strata == pytest.approx(0.5 * shares + 0.25)
    assert how.within == pytest.approx(population().within)
    assert (how.guesses == 0).all()


def test_without_any_copy_draws_follow_the_population() -> None:
    how = proposal([0, 1, 5, 12, 29], [0] * 5)
    assert how.overall().ratio == pytest.approx(np.ones(30))


def test_what_is_decided_is_drawn_less_than_what_is_open() -> None:
    always, never, half = [0] * 40, [1] * 40, [2] * 40
    how = proposal([*always, *never, *half], [1] * 40 + [0] * 40 + [0, 1] * 20)
    assert how.within[2] > 1.5 * max(how.within[0], how.within[1])
    assert how.guesses[:3] == pytest.approx([1, 0, 0.5], abs=0.03)


def test_one_prompt_is_a_population() -> None:
    people = Population(np.ones(1), np.zeros(1, int))
    how = proposal([0, 0, 0], [1, 0, 1], people)
    assert how.draw(np.array([[0.0, 0.0], [0.999, 0.999]])).tolist() == [0, 0]
    terms = how.overall()
    # The values are then the outcomes themselves, between 0 and 1.
    assert terms.centre - terms.ratio * how.guesses == pytest.approx([0])
    assert (terms.bottom[0], terms.top[0]) == pytest.approx((0, 1))


def test_uniform_numbers_become_prompts_with_the_probabilities_of_the_proposal() -> None:
    how = proposal([0, 0, 1, 2, 15], [1, 1, 1, 0, 0])
    prompts = how.draw(np.random.default_rng(0).random((100_000, 2)))
    seen = np.bincount(prompts, minlength=30) / 100_000
    assert seen == pytest.approx(how.strata[STRATA] * how.within, abs=0.005)


@pytest.mark.parametrize(("half_width", "rate"), [(0.01, 0.0), (0.02, 0.05), (0.05, 0.5)])
def test_the_images_that_are_announced_are_about_enough(half_width: float, rate: float) -> None:
    images = images_needed(half_width, rate, 0.95)
    outcomes = np.zeros(images)
    outcomes[np.linspace(0, images - 1, round(rate * images)).astype(int)] = rate > 0
    low, high = anytime_interval(Stream(outcomes, np.zeros(images), np.ones(images)))
    assert 0.8 * half_width < (high - low) / 2 <= half_width
