"""The geometry of the tornado chart; `tornado.html` draws it."""

import math
from dataclasses import dataclass
from typing import Any

from copyrisk.risk.words import number, one_in

_LETTER = 7.4  # the mean width of a letter at the size of the labels
_ROW = 60
_TOP = 22


@dataclass(frozen=True)
class Bar:
    """One input: from the result at its 5 % quantile to the one at its 95 % quantile."""

    y: float
    left: float
    right: float
    title: str
    text: str
    share: str


@dataclass(frozen=True)
class Tornado:
    """Everything that `tornado.html` needs to draw the chart at one width."""

    name: str
    width: float
    height: float
    left: float
    right: float
    top: float
    bottom: float
    middle: float
    middle_text: str
    ticks: list[tuple[float, str]]
    bars: list[Bar]
    axis: str


def layout(facts: dict[str, Any], name: str, width: float) -> Tornado | None:
    """Place the bars on a logarithmic axis, the largest share of the variance first; None where nothing is uncertain.

    A result of 0 has no place on such an axis: its bar goes on to the edge.
    """
    inputs = facts["drivers"]["inputs"]
    positive = [x for each in inputs for x in (each["low"], each["high"]) if x > 0]
    if not positive:
        return None
    of_images = facts["drivers"]["of"] == "probability"
    write = _as_images if of_images else number
    first, last = math.floor(math.log10(min(positive))), math.ceil(math.log10(max(positive)))
    last = max(last, first + 1)
    left, right = 12.0, width - 12.0

    def x_of(value: float) -> float:
        if value <= 0:
            return left
        return left + (math.log10(value) - first) / (last - first) * (right - left)

    bars = [
        Bar(
            y=_TOP + _ROW * index,
            left=x_of(each["low"]),
            right=max(x_of(each["high"]), x_of(each["low"]) + 2),
            title=_shortened(each["title"], int((right - left - 44) / _LETTER)),
            text=f"{write(each['low'])} to {write(each['high']).removeprefix('1 in ')}",
            share=f"{each['share'] * 100:.0f} %",
        )
        for index, each in enumerate(inputs)
    ]
    middle = _middle(facts)
    bottom = float(_TOP + _ROW * len(bars))
    return Tornado(
        name=name,
        width=width,
        height=bottom + 52,
        left=left,
        right=right,
        top=_TOP - 12,
        bottom=bottom,
        middle=x_of(middle),
        middle_text=write(middle),
        ticks=_ticks(first, last, left, right, write),
        bars=bars,
        axis="Probability per image (log scale)" if of_images else "Expected copies in the campaign (log scale)",
    )


def _middle(facts: dict[str, Any]) -> float:
    """Return the result with every input at its median."""
    middle = math.prod(float(each["median"]) for each in facts["factors"])
    for each in facts["drivers"]["inputs"]:
        if each["name"] in ("images", "pace"):
            middle *= float(facts["campaign"][each["name"]]["median"])
    return middle


def _as_images(probability: float) -> str:
    return one_in(math.inf if probability <= 0 else 1 / probability)


def _ticks(first: int, last: int, left: float, right: float, write: Any) -> list[tuple[float, str]]:
    """Mark every power of ten, and name those whose names have room and stay in the picture."""
    found: list[tuple[float, str]] = []
    free = left
    for exponent in range(first, last + 1):
        x = left + (exponent - first) / (last - first) * (right - left)
        text = write(10.0**exponent)
        half = len(text) * _LETTER / 2
        if x - half < max(free, 0) - (12 if exponent == first else 0) or x + half > right + 12:
            text = ""
        else:
            free = x + half + 12
        found.append((x, text))
    return found


def _shortened(label: str, length: int) -> str:
    return label if len(label) <= length else f"{label[: length - 1]}…"
