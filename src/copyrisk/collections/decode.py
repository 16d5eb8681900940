"""Encoded bytes to an RGB picture, safely and always in the same way.

Rules: the EXIF orientation is applied; transparency is laid on white; of an animation the first frame counts; 16 bits
become 8 (grey rounded, colours by their high byte); CMYK, palette and grey become RGB by Pillow's conversion, CMYK in
JPEG with the inverted values that Adobe writes. Colour profiles are ignored: the loaders that training code uses
ignore them too, so that these numbers are what a model learned and gives back.

Refused are, before they are decoded, images of more than `MAX_PIXELS`, headers in more than `MAX_HEADER_READS` pieces
and progressive JPEGs with more passes than an encoder makes; and pixels whose white is not known (floating-point
numbers, integers beyond 16 bits). What remains takes at most about 20 bytes of memory a pixel.

Descriptors need few pixels. For them a picture is made smaller as early as possible (`decode_reduced`), by one rule
wherever a picture is described, so that the same file has the same row everywhere.
"""

import io
import math
import warnings
from typing import NamedTuple

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from copyrisk.errors import UnreadableImage

MAX_PIXELS = 100_000_000
"""Pixels that an image may have; a bomb of a few kilobytes can claim many more."""
MAX_HEADER_READS = 20_000
"""Reads that a header may take. A JPEG of many small EXIF segments would take time in the square of its size."""
MAX_SCANNED_PIXELS = 10_000_000_000
"""Pixels times passes of a progressive JPEG; a pass of a few bytes costs as much time as any other."""
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "HEIF", "JPEG2000", "PPM", "ICO")
"""What is decoded, whatever a file is called: Pillow would also start Ghostscript for PostScript."""
START_OF_SCAN = b"\xff\xda"
JPEG_FACTORS = (8, 4, 2)
"""What a JPEG can be made smaller by while it is decoded: of 8 × 8 coefficients only the lowest are used."""
OVERHANG = 512
"""A factor counts where at most one part in so many is added to a side. It is what fills the last column or row."""
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What brings the picture of each EXIF orientation upright."""
SIDEWAYS = (5, 6, 7, 8)
"""Orientations that exchange width and height."""

# Pillow warns of bombs and odd metadata; the bomb is our own check, the metadata do not matter here. The filter is set
# once, since `warnings.catch_warnings` in threads can leave behind the filters of another thread.
warnings.filterwarnings("ignore", module=r"PIL\.")


class Reduced(NamedTuple):
    """A picture in mode RGB, maybe made smaller, and the `width` and `height` of the whole, upright, in pixels."""

    image: Image.Image
    width: int
    height: int


def decode(data: bytes) -> Image.Image:
    """Decode one image into mode RGB; raise UnreadableImage with the reason where that cannot be done."""
    return decode_reduced(data, None).image


def decode_reduced(data: bytes, least_side: int | None) -> Reduced:
    """Decode one image into mode RGB, smaller where that leaves at least `least_side` pixels each way.

    A JPEG is decoded at an eighth, a quarter or a half, the smallest of these that leaves so many and does not add more
    than 1/512 to a side (the last column or row is filled up). Then any picture that is four times as large as needed,
    or more, is averaged down by a whole factor, so that twice `least_side` are left. None: all pixels stay. Raises
    UnreadableImage with the reason where the image cannot be decoded; that does not depend on `least_side`.
    """
    if not data:
        raise UnreadableImage("the file is empty")
    Image.init()
    file = _Counted(data)
    try:
        image: Image.Image = Image.open(file, formats=[name for name in FORMATS if name in Image.OPEN])
        file.left = math.inf
        width, height = image.size
        if width * height > MAX_PIXELS:
            raise UnreadableImage(f"too large: {width}×{height} pixels, the limit is {MAX_PIXELS:,} pixels")
        if "progressive" in image.info and width * height * data.count(START_OF_SCAN) > MAX_SCANNED_PIXELS:
            raise UnreadableImage(f"too many passes: {data.count(START_OF_SCAN):,} over {width}×{height} pixels")
        if least_side is not None and (factor := _jpeg_factor(image.size, least_side)) > 1:
            # Of the formats that are read, only JPEG heeds this.
            image.draft(image.mode, (width // factor, height // factor))
        draft = image.size
        image.load()
        # TIFF and AVIF turn themselves upright while they are loaded.
        size = (width, height) if draft != (width, height) else image.size
        turn = _orientation(image)
        image = _to_rgb(image.transpose(TURNS[turn]) if turn in TURNS else image)
        return Reduced(_averaged(image, least_side), *(reversed(size) if turn in SIDEWAYS else size))
    except UnreadableImage:
        raise
    except UnidentifiedImageError:
        raise UnreadableImage("not an image in a known format") from None
    except Image.DecompressionBombError:
        raise UnreadableImage(f"too large: the limit is {MAX_PIXELS:,} pixels") from None
    except MemoryError:
        raise UnreadableImage("too little memory to decode it") from None
    # Decoders of hostile files raise nearly anything (SyntaxError, struct.error, IndexError, ...).
    except Exception as error:
        raise UnreadableImage(f"damaged: {error or type(error).__name__}") from None


class _Counted(io.BytesIO):
    """A file of which only so many reads are allowed."""

    left: float = MAX_HEADER_READS

    def read(self, size: int | None = -1, /) -> bytes:
        self.left -= 1
        if self.left < 0:
            raise UnreadableImage("damaged: its header is in too many pieces")
        return super().read(size)


def _jpeg_factor(size: tuple[int, int], least_side: int) -> int:
    for factor in JPEG_FACTORS:
        if min(size) >= factor * least_side and all(-side % factor * OVERHANG <= side for side in size):
            return factor
    return 1


def _averaged(image: Image.Image, least_side: int | None) -> Image.Image:
    factor = 1 if least_side is None else min(image.size) // (2 * least_side)
    if factor < 2:
        return image
    return image.resize((round(image.width / factor), round(image.height / factor)), Image.Resampling.BOX)


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:
        # Damaged metadata leave the pixels as they are stored, which is what browsers show.
        return 1


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "F":
        raise UnreadableImage("its pixels are floating-point numbers of unknown range")
    if image.mode == "I" and np.asarray(image).astype(np.uint32).max() > 0xFFFF:
        raise UnreadableImage("its pixels are integers of unknown range")
    if image.mode.startswith("I"):
        image = image.convert("I").point(lambda value: value / 257 + 0.5).convert("L")
    if image.mode == "P" or "transparency" in image.info or image.mode in ("LA", "PA", "La", "RGBa"):
        image = image.convert("RGBA")
    if image.mode == "RGBA":
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")
