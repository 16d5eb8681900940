"""Estimates as text for a terminal of 100 columns."""

import textwrap
from typing import Any

from copyrisk.risk.facts import Row, campaign_words, result_rows

WIDTH = 100
_BAR = 12


def show(facts: dict[str, Any]) -> str:
    """Return one estimate: the answer, the factors, the results, claims, corrections, sources."""
    shares = {each["name"]: each["share"] for each in facts["drivers"]["inputs"]}
    factors = [
        [f"{index}  {each['title']}", each["words"], _bar(shares.get(each["name"]))]
        for index, each in enumerate(facts["factors"], 1)
    ]
    for name in ("images", "pace"):
        if name in shares:
            factors.append([f"   {name.capitalize()}", facts["campaign"][name]["words"], _bar(shares[name])])
    results = [[row.title, row.median, row.interval, row.mean] for row in result_rows(facts)]
    level = f"{facts['confidence'] * 100:g} %"
    parts = [
        f"{facts['title']}\n{'=' * min(WIDTH, len(facts['title']))}",
        _fill(facts["question"]),
        _fill(" ".join(facts["sentences"])),
        _table(["Factor", "What is known of it", "Uncertainty from it"], factors, (42, 35, 19)),
        _campaign(facts),
        _table(["Result", "Median", f"{level} interval", "Averaged"], results, (28, 18, 31, 17)),
        _correlations(facts),
        _claims(facts, "What is claimed, recomputed"),
        _corrections(facts),
        _notes(facts),
        _sources(facts),
    ]
    return "\n\n".join(part for part in parts if part)


def side_by_side(first: dict[str, Any], second: dict[str, Any], name: str, other: str) -> str:
    """Return two estimates in one table, what the first claims, and what the second corrects."""
    by_name = [{each["name"]: each for each in facts["factors"]} for facts in (first, second)]
    factors = []
    for key in [*(key for key in by_name[0] if key not in by_name[1]), *by_name[1]]:
        found = [each.get(key) for each in by_name]
        title = next(each["title"] for each in reversed(found) if each)
        factors.append([title, *(each["words"] if each else "–" for each in found)])
    rows = [{row.title: row for row in result_rows(facts)} for facts in (first, second)]
    results = [[title, *(_stacked(each.get(title)) for each in rows)] for title in rows[1]]
    widths = (42, 20, 34)
    parts = [
        _fill(second["question"]),
        _table(["Factor", name, other], factors, widths),
        _table(["Result", name, other], results, widths),
        _campaign(second) + f" In brackets: the {second['confidence'] * 100:g} % interval.",
        _claims(first, f"What is claimed ({name}), recomputed"),
        _corrections(second),
        _notes(second),
    ]
    return "\n\n".join(part for part in parts if part)


def _stacked(row: Row | None) -> str:
    if row is None:
        return "–"
    parts = [row.median, f"({row.interval})" if row.interval else "", f"{row.mean} on average" if row.mean else ""]
    return "\n".join(part for part in parts if part)


def _campaign(facts: dict[str, Any]) -> str:
    words = campaign_words(facts)
    return f"Campaign: {words}." if words else ""


def _correlations(facts: dict[str, Any]) -> str:
    return "\n".join(
        _fill(f"{each['first']} and {each['second']} go together: rank correlation {each['rank']:g}. {each['source']}")
        for each in facts["correlations"]
    )


def _claims(facts: dict[str, Any], title: str) -> str:
    lines = [title]
    for each in facts["claims"]:
        lines.append(_fill(f"  {'holds' if each['holds'] else 'WRONG'}  {each['text']}", " " * 9))
        if not each["holds"]:
            lines.append(f"{' ' * 9}recomputed: {each['recomputed_words']}; {each['ratio_words']}")
    return "\n".join(lines) if facts["claims"] else ""


def _corrections(facts: dict[str, Any]) -> str:
    lines = ["What is corrected"]
    for index, each in enumerate(facts["corrections"], 1):
        lines.append(_fill(f"{index:3}  {each['stated']}", " " * 5))
        lines.append(_fill(f"  →  {each['corrected']}", " " * 5))
        lines.append(_fill(f"     {each['reason']} [{each['source'].rstrip('.')}]", " " * 5))
    return "\n".join(lines) if facts["corrections"] else ""


def _notes(facts: dict[str, Any]) -> str:
    return "\n".join(_fill(f"Note: {note}") for note in facts["notes"])


def _sources(facts: dict[str, Any]) -> str:
    lines = [_fill(f"{index:3}  {each['source']}", " " * 5) for index, each in enumerate(facts["factors"], 1)]
    if facts["campaign"]["source"]:
        lines.append(_fill(f"     Campaign: {facts['campaign']['source']}", " " * 5))
    return "\n".join(["Sources of the factors", *lines])


def _bar(share: float | None) -> str:
    return "" if share is None else f"{share * 100:3.0f} %  {'█' * round(share * _BAR)}"


def _fill(text: str, indent: str = "") -> str:
    return textwrap.fill(text, WIDTH, subsequent_indent=indent)


def _table(head: list[str], rows: list[list[str]], widths: tuple[int, ...]) -> str:
    """Return a table whose cells are wrapped to the widths of their columns."""
    lines = []
    for row in (head, ["─" * width for width in widths], *rows):
        cells = [
            [line for part in cell.split("\n") for line in textwrap.wrap(part, width, subsequent_indent="  ") or [""]]
            for cell, width in zip(row, widths, strict=True)
        ]
        for index in range(max(map(len, cells))):
            texts = [cell[index] if index < len(cell) else "" for cell in cells]
            lines.append("  ".join(text.ljust(width) for text, width in zip(texts, widths, strict=True)).rstrip())
    return "\n".join(lines)
