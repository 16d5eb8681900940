"""A scenario: factors with what is known of them and their sources, a campaign, and claims to check."""

import keyword
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

from copyrisk.errors import UserError
from copyrisk.risk.claims import Claim, constants, read_claim
from copyrisk.risk.correlations import Correlation, impossible
from copyrisk.risk.distributions import Distribution, value
from copyrisk.risk.document import Document, Key
from copyrisk.risk.factors import KEYS, Factor, read_distribution, read_factor
from copyrisk.risk.quantities import read_quantity
from copyrisk.risk.words import number

SHIPPED = ("published", "corrected", "template")
"""The scenarios that come with the package; each can be given by its name."""


@dataclass(frozen=True)
class Campaign:
    """What is made: a number of images, a pace (images per second), or a pace that is kept up for a time (seconds)."""

    images: Distribution | None = None
    pace: Distribution | None = None
    duration: float | None = None
    source: str = ""


@dataclass(frozen=True)
class Correction:
    """What a scenario puts right in another one, why, and on whose word."""

    stated: str
    corrected: str
    reason: str
    source: str


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """Factors whose product is the probability that one image is a copy, and all that is said around them."""

    title: str
    factors: tuple[Factor, ...]
    question: str = ""
    notes: tuple[str, ...] = ()
    campaign: Campaign = Campaign()
    numbers: Mapping[str, float] = field(default_factory=dict)
    correlations: tuple[Correlation, ...] = ()
    claims: tuple[Claim, ...] = ()
    corrections: tuple[Correction, ...] = ()


def read_scenario(source: str | Path) -> Scenario:
    """Read a scenario from a TOML file, or one of `SHIPPED` by its name.

    Raises UserError, naming the file, the line and the remedy, for whatever is wrong in it. A run's folder is looked
    for beside the file.
    """
    path = Path(source)
    if str(source) in SHIPPED and not path.exists():
        return parse_scenario(shipped_text(str(source)), f"{source}.toml")
    return _scenario(Document.read(path), path.parent)


def parse_scenario(text: str, name: str = "scenario", folder: Path = Path()) -> Scenario:
    """Read a scenario from text; `name` is what errors call it, `folder` where runs are looked for."""
    return _scenario(Document.parse(text, name), folder)


def shipped_text(name: str) -> str:
    """Return the TOML text of one of `SHIPPED`."""
    return files("copyrisk.risk").joinpath("scenarios", f"{name}.toml").read_text(encoding="utf-8")


def _scenario(document: Document, folder: Path) -> Scenario:
    sections = ("campaign", "numbers", "factors", "correlations", "claims", "corrections")
    data = document.table((), ("title", "question", "notes", *sections), ("title", "factors"))
    if not isinstance(data["factors"], dict) or not data["factors"]:
        document.fail(("factors",), "there is no factor. Give each a table of its own, as in [factors.memorized].")
    numbers = _numbers(document)
    factors = []
    for name in data["factors"]:
        _check_name(document, ("factors", name), numbers)
        factors.append(read_factor(document, ("factors", name), folder))
    known = {**numbers, **{factor.name: 1.0 for factor in factors}}
    return Scenario(
        title=document.text_of(("title",)),
        question=document.text_of(("question",)) if "question" in data else "",
        notes=tuple(document.text_of(key) for key in _items(document, "notes")),
        factors=tuple(factors),
        campaign=_campaign(document, folder),
        numbers=numbers,
        correlations=_correlations(document, factors),
        claims=tuple(read_claim(document, key, [*known, *constants()]) for key in _items(document, "claims")),
        corrections=tuple(_correction(document, key) for key in _items(document, "corrections")),
    )


def _items(document: Document, section: str) -> list[Key]:
    found = document.data.get(section, [])
    if not isinstance(found, list):
        how = "a list of texts" if section == "notes" else f"written as [[{section}]], once for each"
        document.fail((section,), f"'{section}' must be {how}.")
    return [(section, index) for index in range(len(found))]


def _numbers(document: Document) -> dict[str, float]:
    written_numbers = document.data.get("numbers", {})
    if not isinstance(written_numbers, dict):
        document.fail(("numbers",), "'numbers' must be a table: [numbers], then lines such as captions = 350_000.")
    found: dict[str, float] = {}
    for name, written in written_numbers.items():
        key = ("numbers", name)
        _check_name(document, key, found)
        try:
            found[name] = read_quantity(written, "share").value
        except ValueError as error:
            document.fail(key, f"{error}.")
    return found


def _check_name(document: Document, key: Key, taken: Mapping[str, float]) -> None:
    name = str(key[-1])
    if not name.isidentifier() or keyword.iskeyword(name):
        document.fail(key, f"'{name}' cannot be a name; use letters, digits and _, as in exact_description.")
    if name in constants():
        document.fail(key, f"the name '{name}' already has a meaning in claims; choose another.")
    if name in taken:
        document.fail(key, f"'{name}' is also a number under [numbers]; choose another name.")


def _campaign(document: Document, folder: Path) -> Campaign:
    if "campaign" not in document.data:
        return Campaign()
    key: Key = ("campaign",)
    data = document.table(key, ("images", "pace", "for", "source"))
    images = _quantity(document, (*key, "images"), "count", folder)
    pace = _quantity(document, (*key, "pace"), "pace", folder)
    duration = None
    if "for" in data:
        if images is not None or pace is None:
            document.fail((*key, "for"), "'for' needs a pace and no number of images: images = pace × time.")
        try:
            duration = read_quantity(data["for"], "time").value
        except ValueError as error:
            document.fail((*key, "for"), f"{error}.")
    if images is None and pace is None:
        document.fail(key, "the campaign says nothing. Add: images = … or pace = …")
    return Campaign(images, pace, duration, document.text_of((*key, "source")) if "source" in data else "")


def _quantity(document: Document, key: Key, dimension: str, folder: Path) -> Distribution | None:
    written = document.data["campaign"].get(key[-1])
    if written is None:
        return None
    if isinstance(written, dict):
        document.table(key, [each for each in KEYS if each not in ("run", "measure", "stratum", "beta", "counts")])
        found = read_distribution(document, key, dimension, folder)
    else:
        try:
            x = read_quantity(written, dimension).value
            found = value(x, written if isinstance(written, str) else number(x))
        except ValueError as error:
            document.fail(key, f"{error}.")
    if found.at(0.5) <= 0:
        document.fail(key, f"'{key[-1]}' must be above zero.")
    return found


def _correlations(document: Document, factors: list[Factor]) -> tuple[Correlation, ...]:
    by_name = {factor.name: factor for factor in factors}
    found: list[Correlation] = []
    for key in _items(document, "correlations"):
        data = document.table(key, ("factors", "rank", "source"), ("factors", "rank", "source"))
        pair = data["factors"]
        if not isinstance(pair, list) or len(pair) != 2 or pair[0] == pair[1]:
            document.fail((*key, "factors"), 'a correlation has two factors: factors = ["one", "other"].')
        for name in pair:
            if name not in by_name:
                document.fail((*key, "factors"), f"there is no factor '{name}'; there are {', '.join(by_name)}.")
            if by_name[name].distribution.fixed:
                document.fail((*key, "factors"), f"'{name}' is a fixed value, which nothing can go together with.")
        if any({each.first, each.second} == set(pair) for each in found):
            document.fail((*key, "factors"), f"the correlation of {pair[0]} and {pair[1]} is given twice.")
        try:
            rank = float(data["rank"])
        except (TypeError, ValueError):
            rank = float("nan")
        if not -1 < rank < 1:
            document.fail((*key, "rank"), "'rank' must be a number between -1 and 1; those two are not allowed.")
        found.append(Correlation(pair[0], pair[1], rank, document.text_of((*key, "source"))))
    if found and (names := impossible(found)):
        first = next(index for index, each in enumerate(found) if {each.first, each.second} <= set(names))
        document.fail(
            ("correlations", first, "rank"),
            f"the rank correlations between {', '.join(names)} cannot all hold at once (their matrix is not positive "
            "definite; a pair that is not listed counts as 0). Bring them nearer to 0, or list the missing pair.",
        )
    return tuple(found)


def _correction(document: Document, key: Key) -> Correction:
    parts = ("stated", "corrected", "reason", "source")
    document.table(key, parts, parts)
    return Correction(*(document.text_of((*key, part)) for part in parts))


def as_scenario(source: "str | Path | Scenario") -> Scenario:
    """Return a scenario as it is, or read it from a file or by its name."""
    if isinstance(source, Scenario):
        return source
    if not isinstance(source, str | Path):
        raise UserError(f"A scenario is a file, a shipped name or a Scenario, not {type(source).__name__}.")
    return read_scenario(source)
