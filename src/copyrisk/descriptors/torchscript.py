"""Image networks in a TorchScript file: one's own, or SSCD (Pizzi et al. 2022, arXiv 2202.10261).

What a picture goes through before the network is said by options: `side=288` makes the shorter side so many pixels,
`square=320` makes both so, whatever the proportions; `crop=224` then cuts the middle out; `mean` and `std` are taken
off and divided by, each one number or three (red, green, blue) on a scale of 0 to 1; `resample` is bilinear or bicubic.
"""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from copyrisk.descriptors.network import Floats, Loaded, Network, Place, hash_of, reason, require, split
from copyrisk.errors import UserError

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
RESAMPLE = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
OPTIONS = ("side", "square", "crop", "mean", "std", "resample")

SSCD = "github.com/facebookresearch/sscd-copy-detection"
LARGEST_SIDE = 4096
LARGEST_RATIO = 4
"""A longer side than so many times the shorter is squeezed: a picture of one line would fill the memory."""


@dataclass(frozen=True)
class Preprocessing:
    """From a picture to the numbers that a network takes; the defaults are SSCD's, which are those of ImageNet."""

    side: int = 288
    square: int | None = None
    crop: int | None = None
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    resample: str = "bilinear"

    @property
    def varied(self) -> bool:
        """Whether pictures of different proportions get different shapes."""
        return self.square is None and self.crop is None

    def __call__(self, image: Image.Image) -> Floats:
        """Return an RGB picture as (3, height, width), float32."""
        image = image.resize(self._size(*image.size), RESAMPLE[self.resample])
        if self.crop is not None:
            left, top = (round((side - self.crop) / 2) for side in image.size)
            image = image.crop((left, top, left + self.crop, top + self.crop))
        values: Floats = np.asarray(image, np.float32) / np.float32(255)
        values -= np.array(self.mean, np.float32)
        values /= np.array(self.std, np.float32)
        return np.ascontiguousarray(values.transpose(2, 0, 1))

    def _size(self, width: int, height: int) -> tuple[int, int]:
        if self.square is not None:
            return self.square, self.square
        # Rounded down, as torchvision does, whose numbers the published ones are.
        longer = min(self.side * max(width, height) // min(width, height), self.side * LARGEST_RATIO)
        return (self.side, longer) if width <= height else (longer, self.side)


def open_torchscript(argument: str) -> Network:
    """Open `torchscript:FILE?OPTIONS`; raise UserError where it is no TorchScript file or an option is wrong."""
    return _open("torchscript", argument)


def open_sscd(argument: str) -> Network:
    """Open `sscd:FILE?OPTIONS`, prepared as published: the shorter side made 288 pixels, ImageNet's mean and std."""
    network = _open("sscd", argument)
    # Somepalli et al. 2023 (arXiv 2212.03860): a similarity above 0.5.
    network.duplicate_distance = 0.5
    return network


def _open(name: str, argument: str) -> Network:
    place = split(name, argument, OPTIONS)
    require(place, "torch")
    preprocessing = _preprocessing(place)
    file = Path(place.where).expanduser().resolve()
    _check(place, file)

    def load(device: str) -> Loaded:
        import torch

        try:
            network = torch.jit.load(file, map_location=device).eval()
        except (RuntimeError, OSError, ValueError) as error:
            raise UserError(f"{place} cannot be loaded, it may be damaged: {reason(error)}") from error
        return Loaded(preprocessing, network, preprocessing.varied)

    return Network(place, str(file), hash_of([file]), load)


def _check(place: Place, file: Path) -> None:
    if not file.is_file():
        where = " It is a folder." if file.is_dir() else ""
        fetch = f" SSCD's weights are linked from {SSCD}." if place.name == "sscd" else ""
        raise UserError(f"{place}: there is no file {file}.{where}{fetch}")
    names: list[str] = []
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
    if not any(name.endswith("/constants.pkl") for name in names):
        other = "It holds weights without their network. " if any(n.endswith("/data.pkl") for n in names) else ""
        fetch = (
            "Fetch the file whose name ends in .torchscript.pt."
            if place.name == "sscd"
            else "Make one by torch.jit.trace or torch.jit.script, and save()."
        )
        raise UserError(f"{place}: {file.name} is no TorchScript file. {other}{fetch}")


def _preprocessing(place: Place) -> Preprocessing:
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
            values[name] = number
    preprocessing = Preprocessing(**values)  # type: ignore[arg-type]
    if preprocessing.crop is not None and preprocessing.crop > (preprocessing.square or preprocessing.side):
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
