"""What a picture goes through before a network that brings no image processor of its own.

Options say it: `side=288` makes the shorter side so many pixels, `square=320` makes both so, whatever the proportions;
`crop=224` then cuts the middle out; `mean` and `std` are taken off and divided by, each one number or three (red,
green, blue) on a scale of 0 to 1; `resample` is bilinear or bicubic.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from copyrisk.descriptors import Bytes
from copyrisk.descriptors.network import Floats, Place
from copyrisk.errors import UserError

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
RESAMPLE = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
OPTIONS = ("side", "square", "crop", "mean", "std", "resample")

LARGEST_SIDE = 4096
LARGEST_RATIO = 4
"""A longer side than so many times the shorter is squeezed: a picture of one line would fill the memory."""


@dataclass(frozen=True)
class Preprocessing:
    """From a picture to the numbers that a network takes; the defaults are SSCD's, which are those of ImageNet.

    `exact`: width and height, whatever the proportions; otherwise the shorter side becomes `side`.
    """

    side: int = 288
    exact: tuple[int, int] | None = None
    crop: int | None = None
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    resample: str = "bilinear"

    @property
    def size(self) -> tuple[int, int] | None:
        """Width and height of all pictures; None where those of different proportions get different ones."""
        return self.exact if self.crop is None else (self.crop, self.crop)

    def pixels(self, image: Image.Image) -> Bytes:
        """Return an RGB picture as (height, width, 3), uint8, at its size."""
        image = image.resize(self._resized(*image.size), RESAMPLE[self.resample])
        if self.crop is not None:
            left, top = (round((side - self.crop) / 2) for side in image.size)
            image = image.crop((left, top, left + self.crop, top + self.crop))
        return np.asarray(image)

    def normalized(self, image: Image.Image) -> Floats:
        """Return an RGB picture as (height, width, 3), float32, at its size and on its scale."""
        values: Floats = self.pixels(image).astype(np.float32) / np.float32(255)
        values -= np.array(self.mean, np.float32)
        values /= np.array(self.std, np.float32)
        return values

    def _resized(self, width: int, height: int) -> tuple[int, int]:
        if self.exact is not None:
            return self.exact
        # Rounded down, as torchvision does, whose numbers the published ones are.
        longer = min(self.side * max(width, height) // min(width, height), self.side * LARGEST_RATIO)
        return (self.side, longer) if width <= height else (longer, self.side)


def preprocessing_of(place: Place) -> Preprocessing:
    """Return what the options of a place say; raise UserError for one that is wrong."""
    given = {name: value for name, value in place.options.items() if name in OPTIONS}
    if "side" in given and "square" in given:
        raise UserError(f"{place}: give side (of the shorter side) or square (both sides), not both.")
    values: dict[str, object] = {}
    for name, text in given.items():
        if name in ("mean", "std"):
            values[name] = _numbers(place, name, text)
        elif name == "resample":
            if text not in RESAMPLE:
                raise UserError(f"{place}: resample={text} is not known. Give {' or '.join(RESAMPLE)}.")
            values[name] = text
        else:
            number = int(text) if text.isdecimal() else 0
            if not 1 <= number <= LARGEST_SIDE:
                raise UserError(f"{place}: {name}={text}: give a number of pixels from 1 to {LARGEST_SIDE}.")
            values |= {"exact": (number, number)} if name == "square" else {name: number}
    preprocessing = Preprocessing(**values)  # type: ignore[arg-type]
    smallest = min(preprocessing.exact or (preprocessing.side,))
    if preprocessing.crop is not None and preprocessing.crop > smallest:
        raise UserError(f"{place}: crop={preprocessing.crop} is larger than the picture it is cut from.")
    return preprocessing


def _numbers(place: Place, name: str, text: str) -> tuple[float, ...]:
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) not in (1, 3) or not np.isfinite(numbers).all() or (name == "std" and min(numbers) <= 0):
        raise UserError(f"{place}: {name}={text}: give one number or three, as in {name}=0.485,0.456,0.406.")
    return numbers
