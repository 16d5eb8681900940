"""The page of an estimate: one HTML file in the report's style, with sliders that recompute the result."""

from pathlib import Path
from typing import Any

from copyrisk import pages
from copyrisk.risk import tornado
from copyrisk.risk.facts import campaign_words, result_rows
from copyrisk.risk.words import number, percent

WITHOUT_CAMPAIGN = 1_000_000
"""Images that the page counts with where the scenario names no number."""


def write_page(facts: dict[str, Any], path: str | Path) -> None:
    """Write the page of an estimate atomically."""
    from copyrisk.files import write_bytes

    write_bytes(Path(path), render(facts).encode())


def render(facts: dict[str, Any]) -> str:
    """Return the page as the text of one HTML file that opens from disk and asks the network for nothing.

    `facts` is what `Estimate.facts` gives; text in it is escaped wherever it appears. The page carries them as JSON.
    """
    templates = pages.environment("risk")
    templates.filters |= {"percent": percent, "number": number}
    return pages.render(
        templates,
        "estimate.html",
        style=pages.asset("risk", "estimate.css"),
        script=pages.asset("risk", "estimate.js"),
        pictures=False,
        facts=facts,
        charts=[tornado.layout(facts, "wide", 900), tornado.layout(facts, "narrow", 350)],
        rows=result_rows(facts),
        campaign=campaign_words(facts),
        sliders=sliders(facts),
        level=f"{facts['confidence'] * 100:g} %",
    )


def sliders(facts: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what each slider of the page needs: its name, title and unit, its ends, where it begins, and its scale.

    An uncertain input goes from its 1 % to its 99 % quantile and begins at its median; a fixed one from a hundredth to
    a hundred times its value, of a probability at most to 1.
    """
    found = [_slider(each["name"], each["title"], each["unit"], each) for each in facts["factors"]]
    campaign = facts["campaign"]
    if campaign["duration"] is None:
        images = campaign["images"] or {"fixed": True, "median": float(WITHOUT_CAMPAIGN)}
        found.append(_slider("images", "Images made", "images", images))
    if campaign["pace"]:
        found.append(_slider("pace", "Images a second", "pace", campaign["pace"]))
    return found


def _slider(name: str, title: str, unit: str, known: dict[str, Any]) -> dict[str, Any]:
    value, limit = known["median"], 1.0 if unit in ("share", "probability") else float("inf")
    if known["fixed"]:
        low, high = (value / 100, min(limit, value * 100)) if value > 0 else (0.0, 1.0)
    else:
        low, high = known["p1"], known["p99"]
    logarithmic = low > 0 and high / low >= 10
    return {
        "name": name,
        "title": title,
        "unit": "share" if unit == "probability" else unit,
        "low": low,
        "high": high,
        "value": value,
        "log": logarithmic,
    }
