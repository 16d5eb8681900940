"""The geometry of the chart of rates against multiplicity; `chart.html` draws it."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from copyrisk.report.words import interval, level, rate_words

SERIES = {"extraction": ("Extraction rate", None), "regurgitation": ("Regurgitation rate", "generations")}
"""The two curves: the key in a stratum, the name on the page, and what is counted (None: the rate's own unit)."""

_LETTER = 7.2  # the mean width of a letter at the size of the tick labels
_SLOT = 30  # the narrowest room for one stratum on an axis without a scale
_SHORTEST = 14  # letters that a turned tick label may have in any case


@dataclass(frozen=True)
class Tick:
    """A mark on an axis."""

    at: float
    text: str


@dataclass(frozen=True)
class Point:
    """A rate of one stratum in a picture of the chart: where it lies, and what it says on hover and focus."""

    x: float
    y: float
    top: float
    bottom: float
    head: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Band:
    """The controls' false-positive rate as a horizontal line with its interval."""

    y: float
    top: float
    bottom: float
    text: str


@dataclass(frozen=True)
class Curve:
    """The duplication law: its line, and the outline of the band of its intervals, as points (x, y)."""

    line: list[tuple[float, float]]
    outline: list[tuple[float, float]]


@dataclass(frozen=True)
class Chart:
    """Everything that `chart.html` needs to draw one picture of the chart."""

    name: str
    width: float
    height: float
    left: float
    right: float
    top: float
    bottom: float
    ordered: bool
    turned: bool
    fits: bool
    ceiling: str
    axis: str
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    points: dict[str, list[Point]]
    band: Band | None
    law: Curve | None
    label_at: float


def layout(facts: dict[str, Any], name: str, width: float, height: float, margin: float) -> Chart | None:
    """Place the strata's rates in a picture `width` wide, with `margin` at the right for the controls' label.

    The horizontal axis is log2 of the multiplicity where every stratum has one, and a row of names otherwise; such a
    row may make the picture wider. The height grows where the labels must be turned. None where there are no strata.
    """
    strata = facts["strata"]
    if not strata:
        return None
    where = _log_positions(strata)
    if where:
        strata = [stratum for _, stratum in sorted(zip(where, strata, strict=True), key=lambda pair: pair[0])]
        where.sort()
    ordered, asked = where is not None, width
    places = where or [float(index) for index in range(len(strata))]
    left, right, top = 58.0, width - margin, 14.0
    if not ordered:
        right = max(right, left + _SLOT * len(strata))
        width = right + margin
    spread = places[-1] - places[0]
    # A stratum reaches half a step to either side of its middle at most: so far goes the law's curve.
    padding = max(0.5, spread * 0.07) if ordered and spread else 0.6
    scale = (right - left) / (spread + 2 * padding)
    xs = [left + (place - places[0] + padding) * scale for place in places]

    labels = [str(stratum["stratum"]) for stratum in strata]
    room = min((after - before for before, after in pairwise(xs)), default=right - left)
    longest = max(map(len, labels))
    turned = longest > 3 and longest * _LETTER > room - 6
    if turned:
        # A turned label reaches down to the left; the first one must not leave the picture.
        labels = [_shortened(label, max(_SHORTEST, int(xs[0] / _LETTER / 0.8))) for label in labels]
        longest = max(map(len, labels))
    depth = 20.0 + (longest * _LETTER * 0.62 if turned else 0)
    bottom = height - 58
    height = bottom + depth + 34

    rates = [stratum[key] for stratum in strata for key in SERIES if stratum[key]["trials"]]
    law = [point for point in facts["law"]["curve"] if ordered] if facts["law"] else []
    rates += [point["regurgitation"] for point in law]
    ceiling = _ceiling([*rates, *([facts["answer"]["controls"]] if _has_controls(facts) else [])])

    def height_of(share: float) -> float:
        return bottom - min(1.0, max(0.0, share / ceiling)) * (bottom - top)

    points = {
        key: [
            _point(stratum, key, x + shift, height_of)
            for x, stratum in zip(xs, strata, strict=True)
            if stratum[key]["trials"]
        ]
        for key, shift in zip(SERIES, (-6, 6), strict=True)
    }
    return Chart(
        name=name,
        width=width,
        height=height,
        left=left,
        right=right,
        top=top,
        bottom=bottom,
        ordered=ordered,
        turned=turned,
        fits=ordered or width == asked,
        ceiling=f"{ceiling * 100:g}\u00a0%",
        axis=_axis_title(ordered, right - left),
        x_ticks=_thinned(
            [Tick(x, label) for x, label in zip(xs, labels, strict=True)], 13 if turned else longest * _LETTER + 4
        ),
        y_ticks=[Tick(height_of(ceiling * part / 5), f"{ceiling * part * 20:g}\u00a0%") for part in range(6)],
        points=points,
        band=_band(facts, height_of),
        law=_curve(
            [(left + (math.log2(each["multiplicity"]) - places[0] + padding) * scale, each) for each in law],
            (left, right),
            height_of,
        ),
        label_at=bottom + depth + 22,
    )


def stratum_name(stratum: dict[str, Any]) -> str:
    """Return how a stratum is called on the page: `multiplicity 3–4`, or `group holiday`."""
    return f"{'group' if stratum['multiplicity_low'] is None else 'multiplicity'} {stratum['stratum']}"


def _log_positions(strata: list[dict[str, Any]]) -> list[float] | None:
    """Return log2 of each stratum's middle multiplicity; None where one has none or two would coincide."""
    places = []
    for stratum in strata:
        low, high = stratum["multiplicity_low"], stratum["multiplicity_high"]
        if low is None or low < 1:
            return None
        places.append((math.log2(low) + math.log2(2 * low if high is None else max(low, high))) / 2)
    return places if len(set(places)) == len(places) else None


def _ceiling(rates: list[dict[str, Any]]) -> float:
    """Return where the vertical axis ends: 100 %, or 10 or 1 % where all intervals stay below."""
    highest = max((rate["high"] for rate in rates), default=1)
    return next((end for end in (0.01, 0.1) if highest <= end), 1.0)


def _point(stratum: dict[str, Any], key: str, x: float, height_of: Callable[[float], float]) -> Point:
    rate, (title, noun) = stratum[key], SERIES[key]
    words = rate_words(rate, noun)
    return Point(
        x=x,
        y=height_of(rate["estimate"] if rate["successes"] else 0),
        top=height_of(rate["high"]),
        bottom=height_of(rate["low"]),
        head=f"{title}, {stratum_name(stratum)}: {words.headline}",
        lines=(f"{level(rate)} interval: {interval(rate)}", words.count),
    )


def _band(facts: dict[str, Any], height_of: Callable[[float], float]) -> Band | None:
    if not _has_controls(facts):
        return None
    rate = facts["answer"]["controls"]
    return Band(
        y=height_of(rate["estimate"] if rate["successes"] else 0),
        top=height_of(rate["high"]),
        bottom=height_of(rate["low"]),
        text=rate_words(rate, "generations").headline,
    )


def _curve(
    placed: list[tuple[float, dict[str, Any]]], sides: tuple[float, float], height_of: Callable[[float], float]
) -> Curve | None:
    """Draw the law between the two sides of the chart; None where fewer than two points lie there."""
    inside = [(x, each["regurgitation"]) for x, each in placed if sides[0] <= x <= sides[1]]
    if len(inside) < 2:
        return None
    upper, lower = ([(x, height_of(rate[end])) for x, rate in inside] for end in ("high", "low"))
    return Curve([(x, height_of(rate["estimate"])) for x, rate in inside], [*upper, *reversed(lower)])


def _has_controls(facts: dict[str, Any]) -> bool:
    rate = facts["answer"]["controls"]
    return rate is not None and rate["trials"] > 0


def _axis_title(ordered: bool, room: float) -> str:
    if not ordered:
        return "Group of prompts"
    full = "Multiplicity: copies of the picture in the training set (each doubling is one step)"
    return full if len(full) * _LETTER < room else "Copies in the training set (log scale)"


def _shortened(label: str, length: int) -> str:
    """Cut the middle out of a long label: names often differ in their last letters only."""
    return label if len(label) <= length else f"{label[: length // 2]}…{label[len(label) - (length - 1) // 2 :]}"


def _thinned(ticks: list[Tick], gap: float) -> list[Tick]:
    """Drop the labels that would be printed over the one before; the point itself still tells its stratum."""
    kept = ticks[:1]
    for tick in ticks[1:]:
        kept.append(tick if tick.at - max(each.at for each in kept if each.text) >= gap else Tick(tick.at, ""))
    return kept
