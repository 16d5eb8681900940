"""Encoded bytes to an RGB picture, safely and always in the same way.

Rules: the EXIF orientation is applied; transparency is laid on white; of an animation the first frame counts; 16 bits
become 8 (grey rounded, colours by their high byte); CMYK, palette and grey become RGB by Pillow's conversion, CMYK in
JPEG with the inverted values that Adobe writes. Colour profiles are ignored: the loaders that training code uses
ignore them too, so that these numbers are what a model learned and gives back.

Refused are, before they are decoded, images of more than `MAX_PIXELS`, headers in more than `MAX_HEADER_READS` pieces
and progressive JPEGs with more passes than an encoder makes; and pixels whose white is not known (floating-point
numbers, integers beyond 16 bits). What remains takes at most about 20 bytes of memory a pixel.
"""

import io
import math
import warnings

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

# Pillow warns of bombs and odd metadata; the bomb is our own check, the metadata do not matter here. The filter is set
# once, since `warnings.catch_warnings` in threads can leave behind the filters of another thread.
warnings.filterwarnings("ignore", module=r"PIL\.")


def decode(data: bytes) -> Image.Image:
    """Decode one image into mode RGB; raise UnreadableImage with the reason where that cannot be done."""
    if not data:
        raise UnreadableImage("the file is empty")
    Image.init()
    file = _Counted(data)
    try:
        image = Image.open(file, formats=[name for name in FORMATS if name in Image.OPEN])
        file.left = math.inf
        width, height = image.size
        if width * height > MAX_PIXELS:
            raise UnreadableImage(f"too large: {width}×{height} pixels, the limit is {MAX_PIXELS:,} pixels")
        if "progressive" in image.info and width * height * data.count(START_OF_SCAN) > MAX_SCANNED_PIXELS:
            raise UnreadableImage(f"too many passes: {data.count(START_OF_SCAN):,} over {width}×{height} pixels")
        image.load()
        return _to_rgb(_upright(image))
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


def _upright(image: Image.Image) -> Image.Image:
    try:
        turn = TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:
        # Damaged metadata leave the pixels as they are stored, which is what browsers show.
        return image
    return image if turn is None else image.transpose(turn)


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
    return image.convert("RGB")
