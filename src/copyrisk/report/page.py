"""The report: one HTML file that opens from disk and asks the network for nothing."""

import base64
import hashlib
import json
import math
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

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
    style, script = _asset("report.css"), _asset("report.js")
    page = _environment().get_template("report.html")
    html = page.render(
        facts=facts,
        facts_json=_json_for_html(facts),
        style=style,
        script=script,
        policy=_policy(style, script),
        charts=[chart.layout(facts, "wide", 1040, 430, 112), chart.layout(facts, "narrow", 360, 370, 66)],
        series=chart.SERIES,
        shown=list(zip(facts["pairs"], show(pictures), strict=True)),
        gain=DIFFERENCE_GAIN,
        gallery_first=GALLERY_FIRST,
        rows_first=ROWS_FIRST,
        unreadable_first=UNREADABLE_FIRST,
    )
    # File names may hold bytes that are no text; as lone surrogates they could not be written to disk.
    return html.encode("utf-8", "replace").decode()


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("copyrisk", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["rate_words"] = words.rate_words
    environment.globals["against"] = words.against
    environment.globals["stratum_name"] = chart.stratum_name
    for name in ("even_odds", "uses", "corrected", "law_sentence"):
        environment.globals[name] = getattr(meaning, name)
    for name in ("percent", "number", "duration", "date", "setting", "interval", "span", "ratio", "level"):
        environment.filters[name] = getattr(words, name)
    return environment


def _asset(name: str) -> Markup:
    return Markup(files("copyrisk.report").joinpath(name).read_text(encoding="utf-8"))


def _policy(style: str, script: str) -> str:
    """Return a content security policy: this style, this script, pictures inside the page, and nothing else."""
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style, script)]
    return f"default-src 'none'; img-src data:; style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}'"


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
