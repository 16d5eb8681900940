"""The page of memorized prompts: one HTML file in the report's style that asks the network for nothing."""

import base64
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.ndimage
from PIL import Image

from copyrisk import __version__, pages
from copyrisk.matching.cliques.agreement import Mask
from copyrisk.matching.cliques.blocks import Picture
from copyrisk.pages import count

SIDES = (224, 160, 112)
"""Longest sides of pictures: the first at which the page keeps within `BUDGET`, for all of them the same."""
BUDGET = 4_000_000
"""Characters that all pictures of a page may take together, if making them smaller can achieve it."""
OTHERS = 200
"""Prompts in the table of those that are not shown with pictures."""
OUTLINE = (255, 0, 160)
PALE = 0.25
"""How much of its colour a picture keeps where there is no agreement."""


@dataclass(frozen=True)
class Shown:
    """A prompt as the page shows it: its row of `cliques`, and file names with pictures, the centre first."""

    row: dict[str, Any]
    pictures: list[tuple[str, Picture | None]]


def render(facts: dict[str, Any], shown: list[Shown]) -> str:
    """Return the page as the text of one HTML file; `facts` is what `cliques.json` holds.

    Text from outside (prompts, file names) is escaped wherever it appears.
    """
    with_pictures = {each.row["prompt"] for each in shown}
    others = [row for row in facts["prompts"] if row["prompt"] not in with_pictures]
    return pages.render(
        pages.environment("matching/cliques"),
        "page.html",
        style=pages.asset("matching/cliques", "page.css"),
        facts=facts,
        version=__version__,
        shown=list(zip((each.row for each in shown), _thumbnails(shown), strict=True)),
        others=others[:OTHERS],
        more=max(0, len(others) - OTHERS),
        summary=summary(facts),
        sentence=sentence,
    )


def summary(facts: dict[str, Any]) -> list[str]:
    """Return what was found, in sentences."""
    verdicts, least = facts["verdicts"], facts["least"]
    prompts = count(len(facts["prompts"]), "prompt", "prompts")
    memorized, templates = verdicts["memorized"], verdicts["template"]
    if len(facts["prompts"]) == 1:
        row = facts["prompts"][0]
        said = {"memorized": "The prompt is memorized", "template": "The prompt gives a template back"}
        first = f"{said.get(row['verdict'], 'The prompt is not found to be memorized')}: " + sentence(row)
    else:
        first = f"Of {prompts}, {memorized:,} {'is' if memorized == 1 else 'are'} memorized"
        first += f", and {templates:,} {'gives' if templates == 1 else 'give'} a template back."
    lines = [
        first,
        f"Memorized: at least {least} images of a prompt are near-identical, each to each (at most "
        f"{facts['threshold']:g} apart in the worst of 16 tiles). Template: at least {least} agree in a connected part "
        "of the picture.",
    ]
    if facts["too_few"]:
        lines.append(
            f"{count(facts['too_few'], 'prompt has', 'prompts have')} fewer than {least} images to compare, too few "
            "for either verdict."
        )
    if facts["left_out"]:
        lines.append(
            f"{count(facts['left_out'], 'image', 'images')} took no part: unreadable, of another shape, or with next "
            "to nothing in them."
        )
    return lines


def sentence(row: dict[str, Any]) -> str:
    """Return what was found of one prompt."""
    compared = count(row["compared"], "image", "images")
    largest = f"{row['size']:,}" if row["size"] == row["at_most"] else f"{row['size']:,} to {row['at_most']:,}"
    if row["verdict"] == "memorized":
        return (
            f"{row['size']:,} of {compared} are near-identical, each to each. They agree in {row['share']:.0%} of the "
            f"picture, {row['detail_share']:.0%} of what there is to see in it."
        )
    clique = f"the largest set of near-identical ones has {largest}" if row["size"] > 1 else "no two are near-identical"
    if row["verdict"] == "template":
        return (
            f"{len(row['members']):,} of {compared} agree in {row['share']:.0%} of the picture, "
            f"{row['detail_share']:.0%} of what there is to see in it; {clique}."
        )
    return f"of {compared}, {clique}." if row["compared"] else "there is no image to compare."


def overlay(picture: Picture, mask: Mask) -> Picture:
    """Return a picture (height, width, 3), uint8, pale where the mask of cells is 0 and outlined where it ends."""
    height, width = picture.shape[:2]
    inside = np.asarray(Image.fromarray(mask).resize((width, height), Image.Resampling.NEAREST))
    thick = max(1, round(min(height, width) / 112))
    inner = scipy.ndimage.binary_erosion(inside, iterations=thick, border_value=0)
    pale = (255 - PALE * (255 - picture.astype(np.float32))).astype(np.uint8)
    shown = np.where(inside[..., None], picture, pale)
    return np.where((inside & ~inner)[..., None], np.array(OUTLINE, np.uint8), shown)


def _thumbnails(shown: list[Shown]) -> list[list[tuple[str, str | None]]]:
    """Make data URIs of each prompt's pictures: first the agreement on its centre, then its members."""
    for side in SIDES:
        made = [_of_prompt(each, side) for each in shown]
        if sum(len(uri or "") for pictures in made for _, uri in pictures) <= BUDGET:
            break
    return made if shown else []


def _of_prompt(shown: Shown, side: int) -> list[tuple[str, str | None]]:
    small = [(name, None if picture is None else _small(picture, side)) for name, picture in shown.pictures]
    mask = np.array([[cell == "1" for cell in row] for row in shown.row["mask"]], bool)
    name, centre = small[0]
    first = (name, None if centre is None else _uri(overlay(centre, mask)))
    return [first, *((name, None if picture is None else _uri(picture)) for name, picture in small)]


def _small(picture: Picture, side: int) -> Picture:
    image = Image.fromarray(picture)
    factor = side / max(image.size)
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    return np.asarray(image.resize(size, Image.Resampling.LANCZOS if factor < 1 else Image.Resampling.NEAREST))


def _uri(picture: Picture) -> str:
    data = io.BytesIO()
    Image.fromarray(picture).save(data, "WEBP", quality=75)
    return f"data:image/webp;base64,{base64.b64encode(data.getvalue()).decode()}"
