"""Factors: one table of a scenario to one distribution with its source."""

import json
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from copyrisk.risk import distributions
from copyrisk.risk.distributions import Distribution
from copyrisk.risk.document import Document, Key, called
from copyrisk.risk.quantities import SECONDS, read_counts, read_quantity
from copyrisk.risk.words import number, pace_words, percent, percent_range

FORMS = {
    ("value",): "value",
    ("low", "high"): "range",
    ("low", "mode", "high"): "range with a mode",
    ("counts",): "counts",
    ("beta",): "beta",
    ("median", "factor"): "lognormal",
    ("p5", "p95"): "lognormal by two quantiles",
    ("run",): "run",
}
"""The keys that say what is known of a quantity; a table has exactly one of these sets."""

SHAPES = {"range": ("uniform", "log-uniform"), "range with a mode": ("triangular", "pert")}
"""The distributions that a range can have; `distribution` says which."""

KEYS = (*dict.fromkeys(key for form in FORMS for key in form), "distribution", "measure", "stratum", "unit")

UNITS = {"share": "share", "probability": "share", "count": "count"}
"""What a factor can be: a share or probability (0 to 1), or a count, which can be any number from 0 up."""

MEASURES = ("regurgitation", "extraction", "controls")


@dataclass(frozen=True)
class Factor:
    """One factor of the product: what is known of it, and on whose word."""

    name: str
    distribution: Distribution
    source: str
    title: str = ""
    unit: str = "share"

    def __post_init__(self) -> None:
        if not self.title:
            object.__setattr__(self, "title", self.name.replace("_", " ").capitalize())


def read_factor(document: Document, key: Key, folder: Path) -> Factor:
    """Read the table of one factor; raise UserError with its line where something is wrong."""
    data = document.table(key, (*KEYS, "title", "source"))
    if "source" not in data:
        document.fail(key, f'{called(key)} has no source. Say where it comes from, if need be: source = "my guess".')
    source = document.text_of((*key, "source"))
    title = document.text_of((*key, "title")) if "title" in data else ""
    unit = data.get("unit", "share")
    if unit not in UNITS:
        near = get_close_matches(str(unit), UNITS, n=1)
        remedy = f"Did you mean '{near[0]}'?" if near else f"A factor has the unit {', '.join(UNITS)}."
        document.fail((*key, "unit"), f"'{unit}' is no unit of a factor. {remedy}")
    return Factor(str(key[-1]), read_distribution(document, key, UNITS[unit], folder), source, title, unit)


def read_distribution(document: Document, key: Key, dimension: str, folder: Path) -> Distribution:
    """Read what is known of a quantity (`share`, `count` or `pace`) from its table."""
    data = document.value(key)
    form = _form(document, key, data)
    if form not in SHAPES and "distribution" in data:
        document.fail((*key, "distribution"), f"'distribution' goes with low and high only; {called(key)} is a {form}.")
    if form != "run":
        for extra in ("measure", "stratum"):
            if extra in data:
                document.fail((*key, extra), f"'{extra}' goes with run only; {called(key)} is a {form}.")
    if form == "run":
        return _run(document, key, folder)
    if form == "counts":
        try:
            return distributions.counts(*read_counts(data["counts"]))
        except ValueError as error:
            document.fail((*key, "counts"), f"{error}.")
    if form == "beta":
        return _beta(document, key)
    words = {"share": percent, "count": number, "pace": pace_words}[dimension]
    numbers = {
        each: _number(document, (*key, each), dimension)
        for each in ("value", "low", "mode", "high", "median", "p5", "p95")
        if each in data
    }
    if form == "value":
        written = data["value"]
        return distributions.value(numbers["value"], written if isinstance(written, str) else words(numbers["value"]))
    if form in SHAPES:
        return _range(document, key, form, numbers, words)
    return _lognormal(document, key, numbers, words, 1.0 if dimension == "share" else float("inf"))


def _form(document: Document, key: Key, data: dict[str, Any]) -> str:
    given = {each for form in FORMS for each in form if each in data}
    for form, name in FORMS.items():
        if given == set(form):
            return name
    sets = "; ".join(" + ".join(form) for form in FORMS)
    if not given:
        document.fail(key, f"{called(key)} says nothing of its size. Give one of: {sets}.")
    partial = [form for form in FORMS if given < set(form)]
    if partial:
        missing = [each for each in partial[0] if each not in given]
        document.fail(
            (*key, sorted(given)[0]), f"{called(key)} has {' and '.join(sorted(given))}, but no {missing[0]}."
        )
    document.fail(
        (*key, sorted(given)[-1]), f"{called(key)} has {' and '.join(sorted(given))} at once. Give one of: {sets}."
    )


def _number(document: Document, key: Key, dimension: str) -> float:
    written, unit = document.value(key), document.value(key[:-1]).get("unit")
    if dimension == "pace" and unit is not None and not isinstance(written, str):
        written = f"{written} {unit}"
        if not str(unit).startswith(("images per ", "pictures per ", "per ")) or str(unit).split()[-1] not in SECONDS:
            document.fail(
                (*key[:-1], "unit"), f"'{unit}' is no unit of a pace. Write: images per {', '.join(SECONDS)}."
            )
    try:
        found = read_quantity(written, dimension).value
    except ValueError as error:
        document.fail(key, f"{error}.")
    if dimension == "share" and found > 1:
        wanted = f'"{found:g} %"' if found <= 100 else "a number from 0 to 1"
        document.fail(
            key,
            f"{called(key[:-1])}: {key[-1]} is {found:g}, and a probability cannot be above 1. Write {wanted}, or "
            'unit = "count" if it is none.',
        )
    return found


def _range(document: Document, key: Key, form: str, numbers: dict[str, float], words: Any) -> Distribution:
    low, high, mode = numbers["low"], numbers["high"], numbers.get("mode")
    shapes, shape = SHAPES[form], document.value(key).get("distribution")
    if shape not in shapes:
        document.fail(
            (*key, "distribution"),
            f'{called(key)} must say which distribution it has: distribution = "{shapes[0]}" or "{shapes[1]}".',
        )
    if low >= high:
        document.fail((*key, "low"), f"{called(key)}: low ({words(low)}) must be below high ({words(high)}).")
    if mode is not None and not low <= mode <= high:
        document.fail(
            (*key, "mode"),
            f"{called(key)}: its mode ({words(mode)}) lies outside its range ({words(low)} to {words(high)}).",
        )
    if shape == "log-uniform" and low == 0:
        document.fail((*key, "low"), f"{called(key)}: a log-uniform range cannot begin at 0; take the smallest value.")
    if mode is None:
        return (distributions.uniform if shape == "uniform" else distributions.log_uniform)(low, high, words)
    return (distributions.pert if shape == "pert" else distributions.triangular)(low, mode, high, words)


def _beta(document: Document, key: Key) -> Distribution:
    pair = document.value((*key, "beta"))
    try:
        a, b = (read_quantity(each, "count").value for each in pair)
    except (TypeError, ValueError):
        a = b = 0.0
    if a <= 0 or b <= 0:
        document.fail((*key, "beta"), f"{called(key)}: beta must be two numbers above 0, as in beta = [2, 5].")
    return distributions.beta(a, b)


def _lognormal(document: Document, key: Key, numbers: dict[str, float], words: Any, largest: float) -> Distribution:
    if "p5" in numbers:
        low, high = numbers["p5"], numbers["p95"]
        if not 0 < low < high:
            document.fail((*key, "p5"), f"{called(key)}: p5 must be above 0 and below p95.")
        return distributions.lognormal((low * high) ** 0.5, high, words, largest)
    try:
        factor = read_quantity(document.value((*key, "factor")), "count").value
    except ValueError as error:
        document.fail((*key, "factor"), f"{error}.")
    median = numbers["median"]
    if factor <= 1 or median == 0:
        document.fail((*key, "factor"), f"{called(key)}: factor must be above 1, and median above 0.")
    if median * factor > largest:
        document.fail(
            (*key, "factor"),
            f"{called(key)}: median × factor is {median * factor:.3g}, and a probability cannot be above 1. Take a "
            "smaller factor, or another distribution.",
        )
    return distributions.lognormal(median, median * factor, words, largest)


def _run(document: Document, key: Key, folder: Path) -> Distribution:
    """Read a run's rate from its report.json, whose format is documented and stays."""
    data = document.value(key)
    run = folder / document.text_of((*key, "run"))
    measure, stratum = data.get("measure", "regurgitation"), data.get("stratum", "all")
    if measure not in MEASURES:
        document.fail((*key, "measure"), f"'{measure}' is no measure of a run. There are: {', '.join(MEASURES)}.")
    path = run if run.suffix == ".json" else run / "report.json"
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        if stratum == "all":
            rate = facts["answer"][measure]
        else:
            rates = {each["stratum"]: each for each in facts["strata"]}
            if stratum not in rates:
                document.fail((*key, "stratum"), f"{path} has no stratum '{stratum}'; it has {', '.join(rates)}.")
            rate = rates[stratum].get(measure)
    except FileNotFoundError:
        document.fail((*key, "run"), f"there is no {path}. Run `copyrisk report --out {run}`, or mend the path.")
    except (OSError, ValueError, KeyError, TypeError):
        document.fail((*key, "run"), f"{path} is no report of a run; it cannot be read.")
    if rate is None or not rate["trials"] or (rate["low"] <= 0 and rate["high"] >= 1):
        document.fail((*key, "run"), f"{path} has measured no {measure} for '{stratum}'; there is nothing to take.")
    level = f"{rate['confidence'] * 100:g} %"
    of = "" if stratum == "all" else f" of stratum {stratum}"
    words = (
        f"{measure}{of}: {percent(rate['estimate'])} ({level}: {percent_range(rate['low'], rate['high'])}; "
        f"{rate['successes']:,} of {rate['trials']:,}, {rate['units']:,} {rate['unit']})"
    )
    if stratum == "all" and measure != "controls" and facts["answer"].get("verdict") in ("noise", "unproven"):
        words += "; NOT shown to be above chance in that run"
    return distributions.measured(rate, words)
