"""Does the usual advice on prompting lower the rate of copies of this model?

Advice such as "use longer prompts" is compared on the prompts of a run: the rate of those that follow it against the
rate of those that do not. This shows whether the two kinds of prompts differ for this model and this use, not that
changing a prompt would change its rate: the kinds may differ in other ways too. Rewriting the same prompts and auditing
both versions would show that.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from copyrisk.attacks.features import SHORT_WORDS, features_of
from copyrisk.rates.ends import of_sample
from copyrisk.rates.intervals import Rate, Sample, rate_of

CONFIRMED, REFUTED, NOT_SHOWN = "confirmed", "refuted", "not shown with this many prompts"


@dataclass(frozen=True)
class Advice:
    """An advice: its words, the feature of `attacks.features` it is about, and whether those who follow it have it."""

    text: str
    feature: str
    wanted: bool


ADVICE = (
    Advice(f"Use longer prompts (more than {SHORT_WORDS} words).", "short", False),
    Advice("Add a style.", "styled", True),
    Advice("Avoid names of people, brands and products.", "named", False),
    Advice("Ask for something abstract.", "abstract", True),
)


@dataclass(frozen=True)
class Comparison:
    """The rate of the prompts that follow an advice against that of the others.

    difference: followed − ignored, with its interval in [−1, 1]. ratio: followed / ignored, with its interval from 0
    up; None where it is not defined, and for an upper end that is without bound. verdict: `confirmed` (the rate is
    surely lower), `refuted` or `not shown with this many prompts`.
    """

    advice: str
    followed: Rate
    ignored: Rate
    difference: float
    difference_low: float
    difference_high: float
    ratio: float | None
    ratio_low: float
    ratio_high: float | None
    verdict: str


def advise(prompts: pd.DataFrame, confidence: float = 0.95, worthwhile: float = 1.0) -> list[Comparison]:
    """Compare the prompts that follow each advice of `ADVICE` with those that do not.

    prompts: the table `prompts` of a run (`prompt`, `role`, `copies`, `generations`, `weight`); controls are left out,
    and where there is no prompt at all the list is empty. worthwhile: an advice is refuted where the rate is surely
    more than this many times that of the others: 1 says that it does harm, 0.8 that it does not save a fifth.

    All intervals hold together with at least `confidence` (Bonferroni): of several advices, one would otherwise be
    confirmed by accident more often than that.
    """
    asked = prompts[~prompts["role"].isin(["control", "unconditional"])]
    if not len(asked):
        return []
    features = features_of(pa.array(asked["prompt"], pa.string())).to_pandas()
    groups = [(advice.text, features[advice.feature].to_numpy() == advice.wanted) for advice in ADVICE]
    return _compare_all(asked, groups, confidence, worthwhile)


def compare_strata(prompts: pd.DataFrame, confidence: float = 0.95, worthwhile: float = 1.0) -> list[Comparison]:
    """Compare each stratum of a user's prompts with all the others, as `advise` does; empty for fewer than two."""
    asked = prompts[prompts["role"] == "user"]
    names = sorted(asked["stratum"].unique())
    groups = [(f"Prompt as in '{name}'.", (asked["stratum"] == name).to_numpy()) for name in names]
    return _compare_all(asked, groups, confidence, worthwhile) if len(names) > 1 else []


def compare(
    advice: str, followed: Sample, ignored: Sample, confidence: float = 0.95, worthwhile: float = 1.0
) -> Comparison:
    """Compare the rates of two samples of prompts; see `Comparison`.

    The interval of a difference or ratio of two rates is melded from theirs: the quantiles of the lower ends of one
    against the upper ends of the other (Fay, Proschan and Brittain 2015, Biometrics 71:146).
    """
    first, second = of_sample(followed, 0), of_sample(ignored, 1)
    tail = (1 - confidence) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = np.quantile(first.low / second.high, tail), np.quantile(first.high / second.low, 1 - tail)
    ratio = first.estimate / second.estimate if second.estimate > 0 else None
    return Comparison(
        advice=advice,
        followed=rate_of(first, [followed], confidence),
        ignored=rate_of(second, [ignored], confidence),
        difference=first.estimate - second.estimate,
        difference_low=float(np.quantile(first.low - second.high, tail)),
        difference_high=float(np.quantile(first.high - second.low, 1 - tail)),
        ratio=ratio,
        ratio_low=float(low),
        ratio_high=float(high) if np.isfinite(high) else None,
        verdict=CONFIRMED if high < 1 else REFUTED if low > worthwhile else NOT_SHOWN,
    )


def _compare_all(
    asked: pd.DataFrame, groups: Sequence[tuple[str, NDArray[np.bool_]]], confidence: float, worthwhile: float
) -> list[Comparison]:
    each = 1 - (1 - confidence) / len(groups)
    return [
        compare(advice, _sample(asked.loc[followed]), _sample(asked.loc[~followed]), each, worthwhile)
        for advice, followed in groups
    ]


def _sample(rows: pd.DataFrame) -> Sample:
    return Sample.of(rows["copies"], rows["generations"], rows["weight"])
