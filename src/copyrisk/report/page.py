"""The report: one HTML file that opens from disk and asks the network for nothing."""

import json
import math
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from copyrisk import pages
from copyrisk.report import chart, meaning, words
from copyrisk.report.pictures import DIFFERENCE_GAIN, Pair, show

GALLERY_FIRST = 12
"""Pairs that the gallery shows before the reader asks for all."""

ROWS_FIRST = 50
"""Prompts that the table shows before the reader asks for all."""

UNREADABLE_FIRST = 50
"""Unreadable images that are listed with their reasons."""


def render(facts: dict[str, Any], pictures: list[Pair]) -> str:
    """Return the report as the text of one HTML file.

    `facts` is what `report.schema.json` describes; `pictures` holds one pair for each of `facts["pairs"]`, in the same
    order. Text from outside (prompts, file names, reasons) is escaped wherever it appears. The page carries the facts
    as JSON, so that a reader can check or reuse them.
    """
    if len(pictures) != len(facts["pairs"]):
        raise ValueError(f"{len(facts['pairs'])} pairs in the facts, but {len(pictures)} pairs of pictures")
    return pages.render(
        _environment(),
        "report.html",
        script=pages.asset("report", "report.js"),
        facts=facts,
        facts_json=_json_for_html(facts),
        charts=[chart.layout(facts, "wide", 1040, 430, 112), chart.layout(facts, "narrow", 360, 370, 66)],
        series=chart.SERIES,
        shown=list(zip(facts["pairs"], show(pictures), strict=True)),
        gain=DIFFERENCE_GAIN,
        gallery_first=GALLERY_FIRST,
        rows_first=ROWS_FIRST,
        unreadable_first=UNREADABLE_FIRST,
    )


def _environment() -> Environment:
    environment = pages.environment("report")
    environment.globals["rate_words"] = words.rate_words
    environment.globals["against"] = words.against
    environment.globals["stratum_name"] = chart.stratum_name
    for name in ("even_odds", "uses", "corrected", "law_sentence"):
        environment.globals[name] = getattr(meaning, name)
    for name in ("percent", "number", "duration", "date", "setting", "interval", "span", "ratio", "level"):
        environment.filters[name] = getattr(words, name)
    return environment


def _json_for_html(value: Any) -> Markup:
    """Return JSON in which no character can end a <script> element or start a comment."""
    text = json.dumps(_finite(value), separators=(",", ":"), allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def _finite(value: Any) -> Any:
    """Return the same value with null for the numbers that JSON has no word for."""
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
