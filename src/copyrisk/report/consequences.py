"""What follows from the rates of a run: for a use, for more tries, for removing duplicates, for the usual advice."""

import math
from dataclasses import asdict
from typing import Any

import pandas as pd

from copyrisk.attacks.strata import stratum_of
from copyrisk.matching import COPIES
from copyrisk.rates import of_own_picture
from copyrisk.rates.advice import Comparison, advise, compare_strata
from copyrisk.rates.ends import of_sample, weighted
from copyrisk.rates.intervals import Rate, Sample
from copyrisk.rates.law import Estimate, Law, Spill, capped, fit_law, spill_of
from copyrisk.rates.use import at_least_one, found_within, images_for

USES = (1, 10, 100, 1_000, 10_000, 100_000, 1_000_000)
CURVE_POINTS = 25
"""Points of the law's curve at most: whole multiplicities, about evenly spaced in their logarithm."""


def use(rate: Rate) -> dict[str, Any]:
    """Return what the overall rate means for so many images: at least one copy, and the number for an even chance."""
    estimate, fewest, most = images_for(rate)
    return {
        "at_least_one": [
            {"images": images, **dict(zip(("estimate", "low", "high"), at_least_one(rate, images), strict=True))}
            for images in USES
        ],
        "even_odds": {"estimate": _finite(estimate), "low": _finite(fewest), "high": _finite(most)},
    }


def tries(prompts: pd.DataFrame, pictures: pd.DataFrame, confidence: float) -> list[dict[str, Any]]:
    """Return the share of prompts that are extracted within 1, 2, 4, ... images, up to the number that each was given.

    Extracted is a caption that gives a copy of its own picture, and a user's prompt that gives any copy. Empty where
    prompts were drawn one by one, or the model takes none.
    """
    asked = prompts[~prompts["role"].isin(["control", "unconditional"]) & (prompts["generations"] > 0)]
    if (asked["role"] == "reference").any():
        asked = asked[asked["role"] == "reference"]
    most = int(asked["generations"].min()) if len(asked) else 0
    if most < 2:
        return []
    counts = pictures["multiplicity"].map(stratum_of).value_counts()
    found = []
    for number in sorted({*(2**power for power in range(most.bit_length())), most}):
        parts, weights, counted = [], [], False
        for position, (stratum, rows) in enumerate(asked.groupby("stratum", sort=True)):
            of_reference = bool((rows["role"] == "reference").all())
            shares = found_within(rows["own_copies" if of_reference else "copies"], rows["generations"], number)
            parts.append(of_sample(Sample.of(shares, weights=rows["weight"]), position))
            weights.append(float(counts[stratum]) if of_reference else float(rows["weight"].sum()))
            # A log of prompts is itself a sample of the use it comes from.
            counted = not of_reference
        ends = weighted(parts, weights, counted)
        low, high = ends.interval(confidence)
        found.append({"tries": number, "estimate": ends.estimate, "low": low, "high": high})
    return found


def law(
    prompts: pd.DataFrame, pictures: pd.DataFrame, matches: pd.DataFrame, confidence: float
) -> dict[str, Any] | None:
    """Return the duplication law of a run and what removing copies would change by it; None where none can be seen."""
    asked = prompts[prompts["role"] == "reference"]
    fitted = fit_law(asked) if len(asked) else None
    if fitted is None:
        return None
    most = int(pictures["multiplicity"].max())
    spill = _spill(asked[asked["generations"] > 0], pictures, matches)
    tried = max(1, round(float(asked.loc[asked["generations"] > 0, "generations"].median())))
    grid = sorted({round(most ** (step / (CURVE_POINTS - 1))) for step in range(CURVE_POINTS)})
    return {
        "half_point": _estimate(Estimate.of(fitted.half_point, confidence)),
        "slope": _estimate(Estimate.of(fitted.slope, confidence)),
        "floor": _estimate(Estimate.of(fitted.floor, confidence)),
        "tries": tried,
        "curve": [
            {
                "multiplicity": level,
                "regurgitation": _estimate(fitted.regurgitation(level, confidence)),
                "extraction": _estimate(fitted.extraction(level, tried, confidence)),
            }
            for level in grid
        ],
        "spill": _estimate(Estimate.of(spill.overall(pictures["multiplicity"].to_numpy(float)), confidence)),
        "caps": _caps(fitted, spill, pictures, most, confidence),
    }


def advice(prompts: pd.DataFrame, confidence: float) -> list[dict[str, Any]]:
    """Return the usual advice on prompting, and the strata of the prompts file, compared on the prompts of a run."""
    asked = prompts[(prompts["role"] == "user") & (prompts["generations"] > 0)]
    if len(asked) < 2:
        return []
    found = advise(asked, confidence)
    if asked["stratum"].nunique() > 1:
        found += compare_strata(asked, confidence)
    return [_comparison(each) for each in found]


def _spill(asked: pd.DataFrame, pictures: pd.DataFrame, matches: pd.DataFrame) -> Spill:
    """Estimate how often captions give copies of other pictures; strata weigh as much as they have pictures."""
    counts = pictures["multiplicity"].map(stratum_of).value_counts()
    share = asked["weight"] / asked.groupby("stratum")["weight"].transform("sum")
    weights = (share * asked["stratum"].map(counts)).to_numpy(float)
    copied = matches[matches["verdict"].isin(COPIES) & ~of_own_picture(matches, asked, pictures)]
    multiplicity = copied["reference"].map(pictures.set_index("cluster")["multiplicity"])
    return spill_of(asked, weights, copied[["prompt_id"]].assign(multiplicity=multiplicity), pictures)


def _caps(fitted: Law, spill: Spill, pictures: pd.DataFrame, most: int, confidence: float) -> list[dict[str, Any]]:
    multiplicity = pictures["multiplicity"].to_numpy(float)
    caps = [None, *(2**power for power in range((most - 1).bit_length() - 1, -1, -1))]
    return [
        {
            "cap": cap,
            "rate": _estimate(capped(fitted, spill, multiplicity, cap, confidence)),
            "rate_same_steps": _estimate(capped(fitted, spill, multiplicity, cap, confidence, same_steps=True)),
            "pictures": 0 if cap is None else int((multiplicity > cap).sum()),
            "removed": 0 if cap is None else int((multiplicity - cap).clip(min=0).sum()),
        }
        for cap in caps
    ]


def _estimate(found: Estimate) -> dict[str, float]:
    return {"estimate": found.estimate, "low": found.low, "high": found.high}


def _comparison(found: Comparison) -> dict[str, Any]:
    return asdict(found)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
