"""Rates of a run whose results decided what was drawn next: intervals that hold at any stopping time."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from copyrisk.matching import COPIES
from copyrisk.rates.allocation import stream
from copyrisk.rates.anytime import Stream, anytime_interval, of_stream
from copyrisk.rates.ends import Ends, Floats
from copyrisk.rates.intervals import Rate


def rates_of_draws(draws: pd.DataFrame, matches: pd.DataFrame, confidence: float) -> dict[str, Rate]:
    """Return the regurgitation rates of each stratum and over all prompts (`all`).

    draws: the table `draws`; matches: the table `matches`. Draws whose image failed are left out.
    """
    seen, copies = _seen(draws, matches)
    found = {"all": _rate(_stream(seen, copies), copies, confidence)}
    for stratum, rows in seen.groupby("stratum"):
        here = copies[seen["stratum"] == stratum]
        found[str(stratum)] = _rate(_stream(rows, here, "stratum_"), here, confidence)
    return found


def ends_of_draws(draws: pd.DataFrame, matches: pd.DataFrame) -> Ends:
    """Return the overall rate as draws of the ends of its intervals, to be combined with others."""
    seen, copies = _seen(draws, matches)
    return of_stream(_stream(seen, copies))


def shown_rate(none: Rate, all_: Rate, copies: int, shown: int) -> Rate:
    """Return the rate among the images that were shown, where some were held back and the results decided the draws.

    none, all_: the rates of all images, if none and if all of those held back were copies. The rate among those shown,
    c / (1 − w), lies between them: c ≤ c / (1 − w) ≤ c + w.
    """
    estimate = none.estimate / (1 - (all_.estimate - none.estimate)) if all_.estimate - none.estimate < 1 else 0.0
    estimate = min(max(estimate, none.low), all_.high)
    return replace(none, estimate=estimate, high=all_.high, successes=copies, trials=shown, units=shown)


def shown_ends(none: Ends, all_: Ends) -> Ends:
    """Return the ends that belong to `shown_rate`."""
    share = 1 - (all_.estimate - none.estimate)
    return Ends(min(max(none.estimate / share if share > 0 else 0.0, 0.0), 1.0), none.low, all_.high)


def rate_of_hits(hits: Floats, confidence: float) -> Rate:
    """Return the rate of independent draws (0 or 1) whose number their own outcomes decided."""
    return _rate(Stream(hits, np.zeros_like(hits), np.ones_like(hits)), hits, confidence)


def _seen(draws: pd.DataFrame, matches: pd.DataFrame) -> tuple[pd.DataFrame, Floats]:
    seen = draws[draws["role"] != "control"].merge(matches[["prompt_id", "seed", "verdict"]], on=["prompt_id", "seed"])
    return seen, _floats(seen["verdict"].isin(COPIES))


def _stream(rows: pd.DataFrame, copies: Floats, prefix: str = "") -> Stream:
    ratio, centre, bottom, top = (_floats(rows[prefix + name]) for name in ("ratio", "centre", "bottom", "top"))
    return stream(ratio, _floats(rows["guess"]), centre, bottom, top, copies)


def _floats(column: "pd.Series[Any]") -> Floats:
    return np.asarray(column, np.float64)


def _rate(values: Stream, copies: Floats, confidence: float) -> Rate:
    low, high = anytime_interval(values, confidence)
    return Rate(
        estimate=values.estimate,
        low=low,
        high=high,
        confidence=confidence,
        successes=int(copies.sum()),
        trials=len(copies),
        unit="generations",
        units=len(copies),
    )
