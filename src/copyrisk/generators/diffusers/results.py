"""What a pipeline's result holds: pictures, pictures that were held back, and pictures that are none."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from PIL import Image

from copyrisk.errors import UserError
from copyrisk.generators.writing import Made, Withheld

FLAGS = {
    "nsfw_content_detected": "the pipeline's safety checker",
    "nsfw_detected": "the pipeline's safety checker",
    "watermark_detected": "the pipeline's watermark checker",
}
"""What pipelines call their lists of pictures that they replaced by black ones, and who did so."""


@contextmanager
def noticing_overflow() -> Iterator[Callable[[], bool]]:
    """Give a function that says whether numbers that are none (NaN) have been turned into pixels meanwhile."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.filterwarnings("always", "invalid value encountered in cast", RuntimeWarning)
        yield lambda: any("invalid value encountered in cast" in str(each.message) for each in caught)
    for each in caught:
        if "invalid value encountered in cast" not in str(each.message):
            warnings.warn_explicit(each.message, each.category, each.filename, each.lineno)


def sorted_out(specifier: str, result: Any, asked: int, overflow: bool, dtype: str) -> list[Made]:
    """Return what became of each image that was asked for.

    overflow: whether NaN were turned into pixels; dtype: that of the weights, for the advice. Raises UserError where
    the result holds something else than images.
    """
    images = getattr(result, "images", None)
    if images is None or len(images) != asked or not all(isinstance(each, Image.Image) for each in images):
        found = type(result).__name__ if images is None else f"{len(images)} of {type(images[0]).__name__}"
        raise UserError(f"--model {specifier}: its pipeline gave no {asked} images, but {found}.")
    made: list[Made] = list(images)
    for name, who in FLAGS.items():
        for position, flagged in enumerate(getattr(result, name, None) or []):
            if flagged and position < asked:
                made[position] = Withheld(who)
    return [_why_black(overflow, dtype) if _black(each) else each for each in made]


def _black(made: Made) -> bool:
    return isinstance(made, Image.Image) and made.convert("RGB").getbbox() is None


def _why_black(overflow: bool, dtype: str) -> str:
    other = "--dtype float32" if dtype == "bfloat16" else "--dtype bfloat16 or float32"
    if overflow:
        return f"the numbers overflowed in {dtype} (NaN), and the picture is black; try {other}"
    return (
        "the picture is entirely black: a filter inside the pipeline that tells nobody, or numbers that overflowed in "
        f"{dtype} (try {other})"
    )
