"""Pictures of the report: small enough to sit inside the page, true enough to judge a pair by.

A picture of at most 64 pixels a side is kept as it is (PNG, nothing lost). A larger one is shrunk and stored as WebP;
when many pairs would make the page too heavy, all of them are stored smaller, so that they stay comparable.
"""

import base64
import io
from dataclasses import dataclass

from PIL import Image, ImageChops, ImageDraw, ImageFilter

SMALL = 64
"""Longest side, in pixels, up to which a picture is stored unchanged."""

DIFFERENCE_GAIN = 4
"""How many times brighter than the true difference the difference picture is."""

OUTLINE = (214, 0, 110)
"""Colour of the line around what was copied."""

PALE = 0.6
"""How far what was not copied goes towards white."""

LINED = 160
"""Pictures on which lines are drawn are made this large at least, pixel by pixel."""

BUDGET = 1_500_000
"""Characters that all pictures of a page may take together, if shrinking them can achieve it."""

# Longest side and WebP quality, from best to lightest; the first pair that fits the budget is used for all pictures.
_SIZES = ((320, 85), (320, 75), (256, 75), (224, 70), (192, 65), (160, 60))


@dataclass(frozen=True)
class Pair:
    """A generation and the reference nearest to it; None where the source can no longer be read.

    mask: what of the generation is copied, mode 1, of any size; box: the part of the reference that it was copied from
    (left, top, right, bottom; 0 to 1). Both None where the test does not look for parts.
    """

    generation: Image.Image | None
    reference: Image.Image | None
    mask: Image.Image | None = None
    box: tuple[float, float, float, float] | None = None


@dataclass(frozen=True)
class Picture:
    """One picture as the page shows it: a data URI, its size, and whether single pixels are to be seen."""

    uri: str
    width: int
    height: int
    pixelated: bool


@dataclass(frozen=True)
class Shown:
    """What the page shows of a pair; None where there is nothing to show."""

    generation: Picture | None
    reference: Picture | None
    difference: Picture | None


def show(pairs: list[Pair], budget: int = BUDGET) -> list[Shown]:
    """Make the data URIs of all pairs, with the difference pictures; at most `budget` characters where possible."""
    images = [_views(pair) for pair in pairs]
    for side, quality in _SIZES[:-1]:
        shown, weight = [], 0
        for views in images:
            shown.append(_shown(views, side, quality))
            weight += _weight(shown[-1])
            if weight > budget:
                break
        else:
            return shown
    return [_shown(views, *_SIZES[-1]) for views in images]


def difference(generation: Image.Image, reference: Image.Image) -> Image.Image:
    """Return |generation − reference| in grey, brightened by `DIFFERENCE_GAIN`: black is equal, white is far apart.

    The reference is resized to the generation's size. Of the three colours the one that differs most counts.
    """
    generation, reference = generation.convert("RGB"), reference.convert("RGB")
    if reference.size != generation.size:
        reference = reference.resize(generation.size, Image.Resampling.LANCZOS)
    red, green, blue = ImageChops.difference(generation, reference).split()
    largest = ImageChops.lighter(ImageChops.lighter(red, green), blue)
    return largest.point([min(255, DIFFERENCE_GAIN * value) for value in range(256)])


def outlined(image: Image.Image, mask: Image.Image) -> Image.Image:
    """Return the picture, pale but for what the mask holds, with a line around that.

    It is made large enough for the line to be seen.
    """
    image = _enlarged(image)
    inside = mask.convert("L").resize(image.size, Image.Resampling.NEAREST)
    image = Image.composite(image, Image.blend(image, Image.new("RGB", image.size, "white"), PALE), inside)
    width = max(3, round(min(image.size) / 100) | 1)
    line = ImageChops.subtract(inside.filter(ImageFilter.MaxFilter(width)), inside.filter(ImageFilter.MinFilter(width)))
    image.paste(Image.new("RGB", image.size, OUTLINE), mask=line)
    return image


def boxed(image: Image.Image, box: tuple[float, float, float, float]) -> Image.Image:
    """Return the picture with a frame around a part of it."""
    image = _enlarged(image)
    width, height = image.size
    left, top, right, bottom = box
    corners = (left * width, top * height, max(right * width - 1, left * width), max(bottom * height - 1, top * height))
    ImageDraw.Draw(image).rectangle(corners, outline=OUTLINE, width=max(2, round(min(image.size) / 100)))
    return image


def _enlarged(image: Image.Image) -> Image.Image:
    factor = -(-LINED // max(image.size))
    return image.copy() if factor <= 1 else image.resize((image.width * factor, image.height * factor), 0)


def _plain(image: Image.Image | None) -> Image.Image | None:
    """Return the pixels alone, on white: colour profiles and other metadata would swell the page or tell too much."""
    if image is None:
        return None
    layered = image.convert("RGBA")
    plain = Image.new("RGB", image.size, "white")
    plain.paste(layered, mask=layered.getchannel("A"))
    return plain


def _views(pair: Pair) -> list[Image.Image | None]:
    """Return generation, reference and difference, no larger than the page can use."""
    generation, reference = _plain(pair.generation), _plain(pair.reference)
    compared = difference(generation, reference) if generation and reference else None
    if generation and pair.mask:
        generation = outlined(generation, pair.mask)
    if reference and pair.box:
        reference = boxed(reference, pair.box)
    views = [generation, reference, compared]
    return [_shrunk(view, _SIZES[0][0]) if view else None for view in views]


def _shrunk(image: Image.Image, side: int) -> Image.Image:
    if max(image.size) > max(side, SMALL):
        image = image.copy()
        image.thumbnail((side, side), Image.Resampling.LANCZOS)
    return image


def _shown(views: list[Image.Image | None], side: int, quality: int) -> Shown:
    return Shown(*(_picture(image, side, quality) for image in views))


def _picture(image: Image.Image | None, side: int, quality: int) -> Picture | None:
    if image is None:
        return None
    small = max(image.size) <= SMALL
    data = io.BytesIO()
    if small:
        image.save(data, "PNG", optimize=True)
    else:
        image = _shrunk(image, side)
        image.save(data, "WEBP", quality=quality)
    encoded = base64.b64encode(data.getvalue()).decode()
    return Picture(f"data:image/{'png' if small else 'webp'};base64,{encoded}", image.width, image.height, small)


def _weight(shown: Shown) -> int:
    return sum(len(picture.uri) for picture in (shown.generation, shown.reference, shown.difference) if picture)
