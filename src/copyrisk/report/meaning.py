"""What follows from the rates, in words: sentences, and the rows of the page's small tables."""

from typing import Any

from copyrisk.report.words import level, number, percent, span

_CERTAIN = 0.999
"""From here on a table of probabilities has nothing more to say."""


def even_odds(facts: dict[str, Any]) -> str:
    """Return after how many images one copy is as likely as none: the answer as a number that one can act on."""
    found, rate = facts["use"]["even_odds"], facts["answer"]["regurgitation"]
    fewest = _images(found["low"])
    if found["estimate"] is None:
        return f"No copy was seen: one copy is as likely as none only after at least {fewest} ({level(rate)} bound)."
    bounds = f"at least {number(found['low'])}" if found["high"] is None else _between(found)
    return f"One copy is as likely as none after {_images(found['estimate'])} ({bounds})."


def uses(facts: dict[str, Any]) -> list[dict[str, str]]:
    """Return `images`, `chance` and `bounds` for each number of images, up to where a copy is all but certain."""
    rate, found = facts["answer"]["regurgitation"], []
    for row in facts["use"]["at_least_one"]:
        # A probability that rounding alone has made 1 is none: only a rate of 1 gives that.
        share = {end: row[end] if rate[end] == 1 else min(row[end], 1 - 1e-9) for end in ("estimate", "low", "high")}
        chance = percent(share["estimate"]) if share["estimate"] else f"at most {percent(share['high'], 'up')}"
        found.append({"images": number(row["images"]), "chance": chance, "bounds": span(share)})
        if row["low"] > _CERTAIN:
            break
    return found


def corrected(facts: dict[str, Any]) -> dict[str, str] | None:
    """Return `rate` and `meaning` of the rate that the test's own errors are taken out of; None where there is none."""
    rate = facts["answer"]["corrected"]
    if rate is None:
        return None
    sensitivity = facts["options"].get("sensitivity")
    parts = []
    if facts["answer"]["controls"]:
        parts.append("Accidental hits are taken off, as many as the controls lead to expect")
    if sensitivity:
        seen, known = sensitivity.split("/")
        parts.append(f"copies that the test misses are added: it found {seen.strip()} of {known.strip()} known ones")
    else:
        parts.append("the test is taken to miss no copy")
    text = "; ".join(parts)
    headline = percent(rate["estimate"]) if rate["estimate"] else f"at most {percent(rate['high'], 'up')}"
    return {
        "rate": f"{headline} ({level(rate)} interval: {span(rate)})",
        "meaning": f"{text[0].upper()}{text[1:]}. All uncertainties are in the interval.",
    }


def law_sentence(facts: dict[str, Any]) -> str:
    """Return the duplication law in a sentence, for the multiplicity where it rises most and for one copy alone."""
    curve, half = facts["law"]["curve"], facts["law"]["half_point"]["estimate"]
    shown = min(curve, key=lambda point: abs(point["multiplicity"] - half))
    often, once = shown["regurgitation"], curve[0]["regurgitation"]
    text = (
        f"By the curve, a picture that occurs {_times(shown['multiplicity'])} comes back in "
        f"{percent(often['estimate'])} ({span(often)}) of the images made from its caption"
    )
    if shown is curve[0]:
        return f"{text}."
    return f"{text}, and one that occurs once in {percent(once['estimate'])} ({span(once)})."


def _times(count: int) -> str:
    return "once" if count == 1 else f"{number(count)} times"


def _images(count: float) -> str:
    return f"{number(int(count))} {'image' if count == 1 else 'images'}"


def _between(found: dict[str, Any]) -> str:
    return f"{number(int(found['low']))} to {number(int(found['high']))}"
