"""The picture that shows a verdict's evidence."""

import numpy as np
import scipy.ndimage
from PIL import Image, ImageDraw

from copyrisk.verdicts.verdict import Alignment, Evidence

HEIGHT = 256
GAP = 8
OUTLINE = (255, 0, 160)
DIMMED = 0.35
"""How much of its colour the reference keeps where nothing was copied."""


def picture(generation: Image.Image, reference: Image.Image, evidence: Evidence) -> Image.Image:
    """Show RGB pictures side by side, 256 pixels high, the copied area outlined.

    From left to right: the generation; the reference as it lies under it, in the generation's colours, pale where
    nothing was copied; the reference as it is, with the box of what was copied. Without a copy, the pictures as they
    are.
    """
    shown, original = _high(generation), _high(reference)
    if evidence.verdict == "no copy" or evidence.alignment is None or not evidence.mask.any():
        return _beside([shown, original])
    inside = _enlarged(evidence.mask, shown.size)
    laid = np.asarray(_laid(reference, evidence.alignment, shown.size), np.float32)
    pale = 255 - DIMMED * (255 - laid)
    laid = np.where(inside[:, :, None], laid, pale).astype(np.uint8)
    boxed = original.copy()
    left, top, right, bottom = evidence.alignment.box
    width, height = boxed.size
    edges = (left * width, top * height, max(right * width - 1, left * width), max(bottom * height - 1, top * height))
    ImageDraw.Draw(boxed).rectangle(edges, outline=OUTLINE, width=3)
    return _beside([_outlined(shown, inside), _outlined(Image.fromarray(laid), inside), boxed])


def _high(image: Image.Image) -> Image.Image:
    width = max(1, round(image.width * HEIGHT / image.height))
    return image.convert("RGB").resize((width, HEIGHT), Image.Resampling.BICUBIC)


def _enlarged(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST))


def _laid(reference: Image.Image, alignment: Alignment, size: tuple[int, int]) -> Image.Image:
    """Return the reference warped and recoloured to lie under the generation."""
    there = np.array(reference.size)
    matrix = np.array(alignment.matrix)[:, :2] * there[:, None] / np.array(size)
    shift = np.array(alignment.matrix)[:, 2] * there
    coefficients = (*matrix[0], shift[0], *matrix[1], shift[1])
    warped = reference.convert("RGB").transform(
        size, Image.Transform.AFFINE, coefficients, Image.Resampling.BICUBIC, fillcolor=(255, 255, 255)
    )
    values = np.asarray(warped, np.float32) * np.array(alignment.gain) + 255 * np.array(alignment.offset)
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


def _outlined(image: Image.Image, inside: np.ndarray) -> Image.Image:
    thick = scipy.ndimage.binary_dilation(inside, iterations=1) & ~scipy.ndimage.binary_erosion(inside, iterations=2)
    return Image.fromarray(np.where(thick[:, :, None], np.array(OUTLINE, np.uint8), np.asarray(image)))


def _beside(images: list[Image.Image]) -> Image.Image:
    width = sum(image.width for image in images) + GAP * (len(images) - 1)
    page = Image.new("RGB", (width, HEIGHT), (255, 255, 255))
    left = 0
    for image in images:
        page.paste(image, (left, 0))
        left += image.width + GAP
    return page
