"""The page of the largest clusters: one HTML file in the report's style that asks the network for nothing."""

import base64
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from copyrisk import __version__, pages
from copyrisk.pages import count

SMALL = 64
"""Longest side, in pixels, up to which a picture is stored unchanged."""
SIDES = (192, 128, 96, 64)
"""Longest sides of larger ones: the first at which the page keeps within `BUDGET`, for all of them the same."""
BUDGET = 4_000_000
"""Characters that all pictures of a page may take together, if making them smaller can achieve it."""


@dataclass(frozen=True)
class Shown:
    """A cluster as the page shows it: its row, the picture at its centre, and other members' rows and pictures."""

    cluster: dict[str, Any]
    centre: Image.Image | None
    members: list[tuple[dict[str, Any], Image.Image | None]]


@dataclass(frozen=True)
class Thumbnail:
    """A small picture: a data URI, its size, and whether single pixels are to be seen."""

    uri: str
    width: int
    height: int
    pixelated: bool


def render(facts: dict[str, Any], shown: list[Shown]) -> str:
    """Return the page as the text of one HTML file; `facts` is what `duplicates.json` holds.

    Text from outside (ids, captions, paths) is escaped wherever it appears.
    """
    return pages.render(
        pages.environment("duplicates"),
        "gallery.html",
        style=pages.asset("duplicates", "gallery.css"),
        facts=facts,
        version=__version__,
        clusters=list(zip((each.cluster for each in shown), _thumbnails(shown), strict=True)),
        total=facts["clusters"],
        summary=summary(facts),
    )


def summary(facts: dict[str, Any]) -> list[str]:
    """Return what was found, in sentences."""
    pairs = facts["pairs"]
    kinds = ", ".join(f"{pairs[kind]:,} {kind}" for kind in ("exact", "same pixels", "near-duplicate"))
    if facts["score"] is not None:
        sides = f"compared in detail, a score of at least {facts['score']:g} ({facts['descriptor']})"
    else:
        sides = f"at most {facts['distance']:g} apart ({facts['descriptor']})"
    if facts["likeness"] is not None:
        sides += f" and at least {facts['likeness']:g} alike"
    if facts["against"] is None:
        lines = [
            f"{facts['images_in_clusters']:,} of {facts['images']:,} images are in "
            f"{count(facts['clusters'], 'cluster', 'clusters')} of the same picture; the largest holds "
            f"{facts['largest']:,}. Without {count(facts['copies'], 'copy', 'copies')} every picture would occur once."
            if facts["clusters"]
            else f"{count(facts['images'], 'image', 'images')}, and no two are the same picture."
        ]
    else:
        lines = [
            f"{facts['images_in_clusters']:,} of {facts['images']:,} images are among the "
            f"{facts['against_images']:,} of {facts['against']}, where they are "
            f"{count(facts['clusters'], 'picture', 'different pictures')}."
            if facts["clusters"]
            else f"None of {count(facts['images'], 'image', 'images')} is among the {facts['against_images']:,} of "
            f"{facts['against']}."
        ]
    lines.append(f"The same picture: {sides}. Pairs: {kinds}.")
    if recall := facts["recall"]:
        lines.append(
            f"The search was approximate: it met {recall['found']:.1%} of what an exact one would have met (95 % "
            f"interval {recall['low']:.1%} to {recall['high']:.1%}, measured on {recall['sampled']:,} exact searches)."
        )
    if facts["changes"]:
        changes = ", ".join(f"{change} {count:,}" for change, count in facts["changes"].items())
        lines.append(f"What was done to one of two near-duplicates: {changes}.")
    if empty := pairs["too little in it"]:
        lines.append(
            f"{count(empty, 'pair is', 'pairs are')} as near as that with too little in them to say that they are "
            "the same; they do not count."
        )
    if facts["plain"]:
        lines.append(
            f"{count(facts['plain'], 'image has', 'images have')} too little in them to be told from others (blank, "
            "flat, one line of text): only copies of the file count there."
        )
    unread = facts["unreadable"] + (facts["against_unreadable"] or 0)
    if unread:
        lines.append(f"{count(unread, 'image', 'images')} could not be read and took no part.")
    if facts["removed"] is not None:
        lines.append(
            f"For no picture to occur more than {count(facts['keep'], 'time', 'times')}, "
            f"{count(facts['removed'], 'image', 'images')} must go."
        )
    return lines


def _thumbnails(shown: list[Shown]) -> list[list[tuple[dict[str, Any] | None, Thumbnail | None]]]:
    """Make the thumbnails of each cluster, the centre first (with None in place of a row)."""
    for side in SIDES:
        made = [
            [(None, _thumbnail(each.centre, side)), *((row, _thumbnail(image, side)) for row, image in each.members)]
            for each in shown
        ]
        if sum(len(one.uri) for each in made for _, one in each if one) <= BUDGET:
            break
    return made if shown else []


def _thumbnail(image: Image.Image | None, side: int) -> Thumbnail | None:
    if image is None:
        return None
    # The pixels alone: colour profiles and other metadata would swell the page or tell too much.
    plain = Image.fromarray(np.asarray(image.convert("RGB")))
    small, data = max(plain.size) <= SMALL, io.BytesIO()
    if small:
        plain.save(data, "PNG", optimize=True)
    else:
        plain.thumbnail((side, side), Image.Resampling.LANCZOS)
        plain.save(data, "WEBP", quality=75)
    encoded = base64.b64encode(data.getvalue()).decode()
    return Thumbnail(f"data:image/{'png' if small else 'webp'};base64,{encoded}", plain.width, plain.height, small)
