"""Everything that an estimate says, as JSON-able values and in words; docs/estimate.md documents it."""

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from copyrisk import __version__
from copyrisk.risk.distributions import Distribution
from copyrisk.risk.simulation import DRAWS
from copyrisk.risk.words import chance, duration, number, one_in, pace_words, percent

if TYPE_CHECKING:
    from copyrisk.risk import Estimate, Outcome

ROWS = {
    "probability": ("Probability per image", percent),
    "one_in": ("That is", one_in),
    "expected": ("Copies to expect", number),
    "at_least_one": ("Probability of at least one", chance),
    "to_first": ("Time to the first, expected", duration),
    "to_even": ("Time to the first, even odds", duration),
}
"""The results in the order in which they are shown: their names in words, and how their values are written."""


@dataclass(frozen=True)
class Row:
    """One result in words: its name, its median, its interval, and its mean over all that is not known."""

    title: str
    median: str
    interval: str
    mean: str


def gather(estimate: "Estimate") -> dict[str, Any]:
    """Return the facts of an estimate: what is infinite is null."""
    scenario = estimate.scenario
    tail = (1 - estimate.confidence) / 2
    inputs = {factor.name: factor.distribution for factor in scenario.factors}
    titles = {factor.name: factor.title for factor in scenario.factors} | {"images": "Images", "pace": "Pace"}
    for name, each in (("images", scenario.campaign.images), ("pace", scenario.campaign.pace)):
        if each is not None:
            inputs[name] = each
    names = [driver.name for driver in estimate.drivers]
    found = {
        "schema_version": 1,
        "copyrisk_version": __version__,
        "title": scenario.title,
        "question": scenario.question,
        "sentences": sentences(estimate),
        "confidence": estimate.confidence,
        "draws": 1 if all(each.fixed for each in inputs.values()) else DRAWS,
        "factors": [
            {"name": factor.name, "title": factor.title, "unit": factor.unit, "source": factor.source}
            | _known(factor.distribution, tail)
            for factor in scenario.factors
        ],
        "campaign": {
            "images": _known(scenario.campaign.images, tail) if scenario.campaign.images else None,
            "pace": _known(scenario.campaign.pace, tail) if scenario.campaign.pace else None,
            "duration": scenario.campaign.duration,
            "source": scenario.campaign.source,
        },
        "correlations": [asdict(each) for each in scenario.correlations],
        "result": {
            name: asdict(outcome) if (outcome := getattr(estimate, name)) is not None else None
            for name in (*ROWS, "images", "pace")
        },
        "drivers": {
            "of": "expected" if {"images", "pace"} & set(names) else "probability",
            "inputs": [asdict(driver) | {"title": titles[driver.name]} for driver in estimate.drivers],
        },
        "claims": [
            {
                "text": each.claim.text,
                "expression": each.claim.expression,
                "stated": each.claim.stated.value,
                "recomputed": each.recomputed,
                "holds": each.holds,
                "stated_words": each.stated_words,
                "recomputed_words": each.recomputed_words,
                "ratio_words": each.ratio_words,
            }
            for each in estimate.claims
        ],
        "corrections": [asdict(each) for each in scenario.corrections],
        "notes": list(scenario.notes),
    }
    finite: dict[str, Any] = _finite(found)
    return finite


def sentences(estimate: "Estimate") -> list[str]:
    """Return the answer as a few sentences, the most important first."""
    certain, scenario = not estimate.drivers, estimate.scenario
    level = f"{estimate.confidence * 100:g}\u00a0% interval"

    def between(outcome: "Outcome", write: Any) -> str:
        return "" if certain else f" ({level}: {write(outcome.low)} to {write(outcome.high)})"

    if estimate.probability.high == 0:
        return ["No image is a copy: one of the factors is zero."]
    parts = [f"One image in {number(estimate.one_in.median)} is a copy{between(estimate.one_in, number)}."]
    if not certain and (mean := estimate.probability.mean):
        parts.append(f"Averaged over all that is not known, it is one in {number(1 / mean)}.")
    if estimate.expected and estimate.at_least_one and estimate.images:
        parts.append(
            f"In {number(estimate.images.median)} images that makes {number(estimate.expected.median)} "
            f"{'copy' if number(estimate.expected.median) == '1' else 'copies'}{between(estimate.expected, number)}; "
            f"the probability of at least one is {chance(estimate.at_least_one.mean or 0)}."
        )
    if estimate.to_first and estimate.pace:
        parts.append(
            f"At {_pace(scenario.campaign.pace, estimate.pace.median)} the first is to be expected after "
            f"{duration(estimate.to_first.median)}{between(estimate.to_first, duration)}."
        )
    if certain:
        parts.append("All factors are stated as certain, so there is no interval.")
    return parts


def campaign_words(facts: dict[str, Any]) -> str:
    """Return what is made: `1,000 images a second for 1 year: 31.6 billion images`."""
    result, lasting = facts["result"], facts["campaign"]["duration"]
    images = f"{number(result['images']['median'])} images" if result["images"] else ""
    pace = _pace(facts["campaign"]["pace"], result["pace"]["median"]) if result["pace"] else ""
    if lasting is not None:
        return f"{pace} for {duration(lasting)}: {images}"
    return f"{images} at {pace}" if images and pace else images or pace


def result_rows(facts: dict[str, Any]) -> list[Row]:
    """Return the results in words; without interval and mean where nothing is uncertain."""
    uncertain = bool(facts["drivers"]["inputs"])
    rows = []
    for name, (title, write) in ROWS.items():
        outcome = facts["result"][name]
        if outcome is None:
            continue
        low, median, high = (
            write(math.inf if outcome[key] is None else outcome[key]) for key in ("low", "median", "high")
        )
        if name == "one_in":
            high = high.removeprefix("1 in ")
        mean = outcome["mean"]
        averaged = "" if mean is None else write(mean)
        if name == "one_in" and (probability := facts["result"]["probability"]["mean"]):
            averaged = one_in(1 / probability)
        rows.append(Row(title, median, f"{low} to {high}" if uncertain else "", averaged if uncertain else ""))
    return rows


def _pace(known: Any, median: float) -> str:
    """Return a pace as it was written where it is certain."""
    found = known if isinstance(known, dict) else asdict(known)
    return str(found["words"]) if found["fixed"] else pace_words(median)


def _known(distribution: Distribution, tail: float) -> dict[str, Any]:
    found = {"kind": distribution.kind, "words": distribution.words, "fixed": distribution.fixed}
    return found | {
        name: distribution.at(level)
        for name, level in (("median", 0.5), ("low", tail), ("high", 1 - tail), ("p1", 0.01), ("p99", 0.99))
    }


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
