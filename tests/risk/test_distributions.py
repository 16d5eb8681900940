"""Quantiles against known answers: scipy's own distributions, and what the definitions say."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from copyrisk.risk import distributions as d

LEVELS = np.array([0.001, 0.025, 0.2, 0.5, 0.8, 0.975, 0.999])
MANY = (np.arange(100_000) + 0.5) / 100_000


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (d.uniform(0.2, 0.6), stats.uniform(0.2, 0.4)),
        (d.log_uniform(1e-4, 0.1), stats.loguniform(1e-4, 0.1)),
        (d.triangular(0.1, 0.2, 0.6), stats.triang(0.2, 0.1, 0.5)),
        (d.triangular(0.1, 0.1, 0.6), stats.triang(0, 0.1, 0.5)),
        (d.pert(0.1, 0.2, 0.6), stats.beta(1.8, 4.2, 0.1, 0.5)),
        (d.beta(2, 5), stats.beta(2, 5)),
        (d.counts(94, 350_000), stats.beta(94.5, 349_906.5)),
        (d.counts(0, 1000), stats.beta(0.5, 1000.5)),
        (d.counts(7, 7), stats.beta(7.5, 0.5)),
        (d.lognormal(0.01, 0.03), stats.lognorm(np.log(3) / stats.norm.ppf(0.95), scale=0.01)),
    ],
)
@pytest.mark.parametrize("levels", [LEVELS, MANY], ids=["few", "many"])
def test_quantiles_are_those_of_scipy(found: d.Distribution, expected: object, levels: np.ndarray) -> None:
    # Where very many are asked for, those of a Beta are interpolated: to a millionth or so.
    np.testing.assert_allclose(found.quantile(levels), expected.ppf(levels), rtol=3e-5)


def test_no_success_is_not_zero() -> None:
    found = d.counts(0, 1000)
    assert found.at(0.5) == pytest.approx(0.2275 / 1000, rel=0.01)
    assert found.at(0.975) == pytest.approx(2.5 / 1000, rel=0.02)


def test_a_lognormal_share_ends_at_1() -> None:
    found = d.lognormal(0.5, 0.99, largest=1.0)
    assert found.at(0.999) == 1
    assert found.at(0.95) == pytest.approx(0.99)


def rate(estimate: float, low: float, high: float, confidence: float = 0.95) -> dict[str, float]:
    return {"estimate": estimate, "low": low, "high": high, "confidence": confidence}


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
@pytest.mark.parametrize(("estimate", "low", "high"), [(0.11, 0.084, 0.148), (0.002, 0.0001, 0.3), (0.9, 0.2, 0.99)])
def test_a_measured_rate_has_its_estimate_and_interval(
    estimate: float, low: float, high: float, confidence: float
) -> None:
    found, tail = d.measured(rate(estimate, low, high, confidence), ""), (1 - confidence) / 2
    assert found.at(0.5) == pytest.approx(estimate)
    assert found.at(tail) == pytest.approx(low)
    assert found.at(1 - tail) == pytest.approx(high)


def test_a_measured_rate_without_success_has_the_upper_end_and_no_zero() -> None:
    # None of 100 prompts: the end is 1 − 0.025^(1/100), and the distribution Beta(1, 100).
    high = 1 - 0.025**0.01
    found = d.measured(rate(0, 0, high), "")
    np.testing.assert_allclose(found.quantile(LEVELS), stats.beta(1, 100).ppf(LEVELS))


def test_a_measured_rate_of_all_is_the_mirror_image() -> None:
    found = d.measured(rate(1, 0.025**0.01, 1), "")
    np.testing.assert_allclose(found.quantile(LEVELS), stats.beta(100, 1).ppf(LEVELS))


@pytest.mark.parametrize(("low", "high"), [(0, 0.5), (0.05, 1), (0, 1)])
def test_an_end_of_0_or_1_is_reached(low: float, high: float) -> None:
    found = d.measured(rate(0.2, low, high), "")
    assert [found.at(level) for level in (0.025, 0.5, 0.975)] == pytest.approx([low, 0.2, high])


@pytest.mark.parametrize(
    "make",
    [
        lambda: d.uniform(0, 1),
        lambda: d.triangular(0, 1, 1),
        lambda: d.pert(0, 0, 1),
        lambda: d.counts(0, 3),
        lambda: d.beta(0.01, 0.01),
        lambda: d.measured(rate(0.2, 0, 0.5), ""),
        lambda: d.measured(rate(0, 0, 0.3), ""),
    ],
)
def test_quantiles_rise_and_stay_shares(make: Callable[[], d.Distribution]) -> None:
    found = make().quantile(MANY)
    assert (np.diff(found) >= 0).all()
    assert found.min() >= 0
    assert found.max() <= 1
