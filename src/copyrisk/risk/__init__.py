"""Scenarios: factors with what is known of them to a probability per image, with its uncertainty and its consequences.

`estimate` is the whole of it. A scenario is a TOML file (`scenario`), each factor a distribution (`factors`,
`distributions`); their product is drawn (`simulation`), taken apart (`sensitivity`), set against what was claimed
(`claims`), and shown (`terminal`, `page`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from copyrisk.errors import UserError
from copyrisk.risk.claims import CheckedClaim, check
from copyrisk.risk.quantities import SECONDS
from copyrisk.risk.scenario import SHIPPED, Scenario, as_scenario, parse_scenario, read_scenario, shipped_text
from copyrisk.risk.sensitivity import Driver, drivers
from copyrisk.risk.simulation import draw

__all__ = [
    "SHIPPED",
    "CheckedClaim",
    "Driver",
    "Estimate",
    "Outcome",
    "Scenario",
    "estimate",
    "parse_scenario",
    "read_scenario",
    "shipped_text",
]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Outcome:
    """A result and how uncertain it is: its median, the ends of its central interval, and its mean.

    What divides by the probability has no mean here (None): with a probability that may be near 0 it is infinite.
    """

    median: float
    low: float
    high: float
    mean: float | None = None


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a scenario comes to; every field with its interval at `confidence`.

    probability: that one image is a copy. one_in: images to one copy (its reciprocal). expected: copies in the
    campaign. at_least_one: the probability of one copy or more in it; its mean is the probability all in all. to_first,
    to_even: seconds to the first copy, expected, and until its probability reaches one half. images, pace: of the
    campaign. What needs a campaign or a pace that the scenario does not have is None. drivers: what the uncertainty
    comes from, of the expected copies where the number of images is uncertain too, else of the probability.
    """

    scenario: Scenario
    confidence: float
    probability: Outcome
    one_in: Outcome
    images: Outcome | None
    pace: Outcome | None
    expected: Outcome | None
    at_least_one: Outcome | None
    to_first: Outcome | None
    to_even: Outcome | None
    drivers: tuple[Driver, ...]
    claims: tuple[CheckedClaim, ...]

    @property
    def facts(self) -> dict[str, Any]:
        """Everything as JSON-able values, as docs/estimate.md describes them."""
        from copyrisk.risk.facts import gather

        return gather(self)


def estimate(scenario: str | Path | Scenario, confidence: float = 0.95) -> Estimate:
    """Estimate the risk of a scenario.

    scenario: a TOML file, the name of a shipped one (`published`, `corrected`, `template`), or a `Scenario`.
    confidence: coverage of the intervals, 0.5 to 0.9999. Raises UserError where something in it is wrong. The factors'
    product is drawn 100,000 times with a fixed seed; fixed values are multiplied exactly.
    """
    if not 0.5 <= confidence <= 0.9999:
        raise UserError(f"--confidence is {confidence}; it must be between 0.5 and 0.9999.")
    chosen = as_scenario(scenario)
    inputs = {factor.name: factor.distribution for factor in chosen.factors}
    campaign = {
        name: each
        for name, each in (("images", chosen.campaign.images), ("pace", chosen.campaign.pace))
        if each is not None
    }
    draws = draw({**inputs, **campaign}, chosen.correlations)
    p = np.prod(np.stack([draws[name] for name in inputs]), axis=0)
    if p.max() > 1 + 1e-9:
        raise UserError(
            f"{chosen.title}: the factors multiply to as much as {p.max():.3g}, and a probability ends at 1. Make "
            'those with unit = "count" smaller.'
        )
    p = np.minimum(p, 1)
    pace = draws.get("pace")
    duration = chosen.campaign.duration
    images = pace * duration if pace is not None and duration is not None else draws.get("images")

    with np.errstate(divide="ignore"):
        first = 1 / p
        # Tries until the probability of none has fallen to one half; at least one try.
        even = np.maximum(1, np.log(0.5) / np.log1p(-p))
    # Where the number of images is uncertain, what makes it so is one more factor of the expected copies.
    maker = "images" if duration is None else "pace"
    driving = {name: each for name, each in campaign.items() if name == maker and not each.fixed}
    summary = _summary(confidence)
    result = {
        "probability": summary(p),
        "one_in": summary(first, mean=False),
        "images": summary(images) if images is not None else None,
        "pace": summary(pace) if pace is not None else None,
        "expected": summary(images * p) if images is not None else None,
        "at_least_one": summary(_at_least_one(p, images)) if images is not None else None,
        "to_first": summary(first / pace, mean=False) if pace is not None else None,
        "to_even": summary(even / pace, mean=False) if pace is not None else None,
    }
    return Estimate(
        scenario=chosen,
        confidence=confidence,
        drivers=tuple(drivers({**inputs, **driving}, draws, chosen.correlations)),
        claims=_checked(chosen, result),
        **result,  # type: ignore[arg-type]
    )


def _summary(confidence: float) -> Callable[..., Outcome]:
    tail = (1 - confidence) / 2

    def summary(values: Array, mean: bool = True) -> Outcome:
        # Quantiles that are draws themselves: between a number and infinity there is no middle.
        low, median, high = np.quantile(values, [tail, 0.5, 1 - tail], method="inverted_cdf")
        return Outcome(float(median), float(low), float(high), float(values.mean()) if mean else None)

    return summary


def _at_least_one(p: Array, images: Array) -> Array:
    with np.errstate(divide="ignore"):
        return np.asarray(-np.expm1(images * np.log1p(-p)))


def _checked(scenario: Scenario, result: dict[str, Outcome | None]) -> tuple[CheckedClaim, ...]:
    names = {
        **SECONDS,
        **scenario.numbers,
        **{factor.name: factor.distribution.at(0.5) for factor in scenario.factors},
        **{name: each.median for name in ("probability", "images", "pace") if (each := result[name]) is not None},
    }
    found = []
    for claim in scenario.claims:
        try:
            found.append(check(claim, names))
        except ValueError as error:
            raise UserError(f"{scenario.title}: the claim '{claim.text}': {error}.") from None
    return tuple(found)
