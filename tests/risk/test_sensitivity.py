import numpy as np
import pytest

from copyrisk.errors import UserError
from copyrisk.risk import estimate
from copyrisk.risk.correlations import Correlation, blocks, impossible
from copyrisk.risk.sensitivity import shapley, variance_shares
from copyrisk.risk.simulation import draw


def correlation(first: str, second: str, rank: float) -> Correlation:
    return Correlation(first, second, rank, "test")


def test_shares_of_independent_lognormals_are_their_squared_spreads(scenario) -> None:
    found = estimate(scenario(a="median = 0.001\nfactor = 2", b="median = 0.01\nfactor = 8", c="value = 0.5"))
    # log 8 is three times log 2: nine parts to one. The fixed value has no part.
    assert [driver.name for driver in found.drivers] == ["b", "a"]
    assert [driver.share for driver in found.drivers] == pytest.approx([0.9, 0.1], abs=0.003)


def test_a_bar_of_the_tornado_is_the_factor_at_its_5_and_95_percent(scenario) -> None:
    driver = estimate(scenario(a="median = 0.001\nfactor = 4", b="value = 0.5")).drivers[0]
    assert (driver.low, driver.high) == pytest.approx((0.001 / 4 / 2, 0.001 * 4 / 2))


def test_shapley_of_two_correlated_normals() -> None:
    # Owen and Prieur 2017: for n = 2 each gets half of the covariance, and of r² of the variances' difference.
    s, t, r = 2.0, 1.0, 0.5
    parts = shapley(np.array([[s * s, r * s * t], [r * s * t, t * t]]))
    expected = s * s * (1 - r * r / 2) + r * s * t + t * t * r * r / 2
    assert parts == pytest.approx([expected, s * s + t * t + 2 * r * s * t - expected])


def test_shapley_adds_up_and_is_never_negative() -> None:
    root = np.random.default_rng(0).normal(size=(5, 5))
    covariance = root @ root.T
    parts = shapley(covariance)
    assert sum(parts) == pytest.approx(covariance.sum())
    assert min(parts) >= 0


def test_shapley_of_independent_inputs_is_their_variance() -> None:
    assert shapley(np.diag([1.0, 2.0, 4.0])) == pytest.approx([1, 2, 4])


def test_zeros_do_not_break_the_shares() -> None:
    steps = np.linspace(0, 1, 1001)
    shares = variance_shares({"a": steps, "b": np.full(1001, 0.5) + steps[::-1] / 1e6})
    assert sum(shares.values()) == pytest.approx(1)


def test_too_many_correlated_factors_are_refused() -> None:
    draws = {str(i): np.random.default_rng(i).random(10) + 0.1 for i in range(14)}
    chain = [correlation(str(i), str(i + 1), 0.1) for i in range(13)]
    with pytest.raises(UserError, match="14 factors hang together"):
        variance_shares(draws, chain)


@pytest.mark.parametrize("rank", [-0.9, -0.3, 0.5, 0.95])
def test_draws_have_the_stated_rank_correlation(scenario, rank: float) -> None:
    from scipy.stats import spearmanr

    made = scenario(a="counts = '3 of 900'", b="low = 0.1\nhigh = 0.5\ndistribution = 'uniform'", c="beta = [2, 5]")
    inputs = {factor.name: factor.distribution for factor in made.factors}
    draws = draw(inputs, [correlation("a", "b", rank)])
    assert spearmanr(draws["a"], draws["b"]).statistic == pytest.approx(rank, abs=0.01)
    assert spearmanr(draws["a"], draws["c"]).statistic == pytest.approx(0, abs=0.01)


def test_each_level_is_drawn_once_also_where_correlated(scenario) -> None:
    made = scenario(a="low = 0\nhigh = 1\ndistribution = 'uniform'", b="low = 0\nhigh = 1\ndistribution = 'uniform'")
    inputs = {factor.name: factor.distribution for factor in made.factors}
    for correlations in ([], [correlation("a", "b", 0.7)]):
        for each in draw(inputs, correlations, draws=100).values():
            np.testing.assert_allclose(np.sort(each), (np.arange(100) + 0.5) / 100)


def test_correlations_that_cannot_all_hold_are_named() -> None:
    bad = [correlation("a", "b", 0.9), correlation("b", "c", 0.9), correlation("a", "c", -0.9)]
    assert sorted(impossible([*bad, correlation("x", "y", 0.5)])) == ["a", "b", "c"]
    # A pair that is not listed counts as 0.
    assert sorted(impossible(bad[:2])) == ["a", "b", "c"]
    assert impossible([correlation("a", "b", 0.6), correlation("b", "c", 0.6)]) == []


def test_factors_that_hang_together_are_one_block() -> None:
    pairs = [("a", "b"), ("c", "d"), ("e", "f"), ("b", "c")]
    assert blocks([correlation(*pair, 0.1) for pair in pairs]) == [["e", "f"], ["a", "b", "c", "d"]]
