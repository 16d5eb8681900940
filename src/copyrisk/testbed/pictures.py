"""The testbed's pictures: which are planted how often, which are held out, and the files that say so."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from copyrisk.collections import open_collection
from copyrisk.collections.decode import decode
from copyrisk.errors import UnreadableImage, UserError
from copyrisk.files import write_bytes, write_table
from copyrisk.options import TestbedOptions, numbers
from copyrisk.run import log

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@dataclass(frozen=True)
class Pictures:
    """Different pictures with a caption each: pixels (n, side, side, channels) in uint8; whom to credit for them."""

    names: list[str]
    captions: list[str]
    pixels: NDArray[np.uint8]
    credit: str = ""

    def take(self, rows: NDArray[np.int64]) -> "Pictures":
        """Return these rows alone."""
        names, captions = ([texts[row] for row in rows] for texts in (self.names, self.captions))
        return Pictures(names, captions, self.pixels[rows], self.credit)


@dataclass(frozen=True)
class Planting:
    """How often each picture is in the training set: multiplicity (n,), 0 for those held out."""

    pictures: Pictures
    multiplicity: NDArray[np.int64]

    def training_rows(self) -> NDArray[np.int64]:
        """Return the row of `pictures` of each image of the training set, duplicates included."""
        return np.repeat(np.arange(len(self.multiplicity)), self.multiplicity)


def load_pictures(images: str, side: int) -> Pictures:
    """Load `openmoji`, `digits` (scikit-learn's 1,797, grey) or a user's own images, as side × side pixels.

    Raises UserError where they are missing or cannot be read.
    """
    if images == "openmoji":
        from copyrisk.testbed.openmoji import load_openmoji

        return load_openmoji(side)
    return _digits(side) if images == "digits" else _own(images, side)


def plant(pictures: Pictures, options: TestbedOptions) -> Planting:
    """Choose at random which pictures are planted on the ladder, held out, or occur once.

    Raises UserError where there are too few pictures for that.
    """
    ladder = numbers(options.ladder, "--ladder")
    order = np.random.default_rng(options.seed).permutation(len(pictures.names))
    if options.limit is not None:
        pictures = pictures.take(np.sort(order[: options.limit + options.held_out]))
        order = np.random.default_rng(options.seed).permutation(len(pictures.names))
    steps = [multiplicity for multiplicity in ladder if multiplicity > 1]
    needed = len(steps) * options.per_step + options.held_out + 1
    if len(order) < needed:
        raise UserError(
            f"There are {len(order)} images; {len(steps)} steps of {options.per_step} and {options.held_out} held out "
            f"need {needed}. Give a shorter --ladder, or lower --per-step or --held-out."
        )
    multiplicity = np.zeros(len(pictures.names), np.int64)
    multiplicity[order[options.held_out :]] = 1
    planted = order[options.held_out : options.held_out + len(steps) * options.per_step]
    multiplicity[planted] = np.repeat(steps, options.per_step)
    multiplicity = np.minimum(multiplicity, options.cap or multiplicity.max())
    return Planting(pictures, multiplicity)


def write_planting(planting: Planting, folder: Path) -> None:
    """Write `train.parquet` (with the duplicates), `controls/` and `planted.parquet` (the truth) into a folder.

    Where the pictures ask for it, their credit goes into `credit.txt`.
    """
    pictures = planting.pictures
    encoded = [_png(pixels) for pixels in pictures.pixels]
    rows = planting.training_rows()
    copy = np.arange(len(rows)) - np.searchsorted(rows, rows)
    train = pa.table(
        {
            "id": [f"{pictures.names[row]}/{number}" for row, number in zip(rows, copy, strict=True)],
            "image": pa.array(
                [{"bytes": encoded[row], "path": None} for row in rows],
                pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
            ),
            "caption": [pictures.captions[row] for row in rows],
        }
    )
    held_out = np.flatnonzero(planting.multiplicity == 0)
    metadata = ["file_name,caption"]
    for row in held_out:
        write_bytes(folder / "controls" / f"{pictures.names[row]}.png", encoded[row])
        caption = pictures.captions[row].replace('"', '""')
        metadata.append(f'{pictures.names[row]}.png,"{caption}"')
    if len(held_out):
        write_bytes(folder / "controls" / "metadata.csv", "\n".join(metadata).encode())
    truth = {"name": pictures.names, "caption": pictures.captions, "multiplicity": planting.multiplicity}
    if pictures.credit:
        write_bytes(folder / "credit.txt", f"{pictures.credit}\n".encode())
    write_table(folder / "planted.parquet", pa.table(truth))
    write_table(folder / "train.parquet", train)


def _digits(side: int) -> Pictures:
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise UserError("The digits come with scikit-learn. Install it: pip install scikit-learn") from None
    data = load_digits()
    pixels = (data.images * (255 / 16)).round().astype(np.uint8)
    if side != 8:
        pixels = np.stack([_scaled(Image.fromarray(each), side) for each in pixels])
    names = [f"{number:04d}" for number in range(len(pixels))]
    captions = [
        f"handwritten digit {DIGITS[int(label)]}, scan {name}" for label, name in zip(data.target, names, strict=True)
    ]
    return Pictures(names, captions, pixels[..., None])


def _own(images: str, side: int) -> Pictures:
    names: list[str] = []
    captions: list[str] = []
    pixels: list[NDArray[np.uint8]] = []
    for item in open_collection(images, "--images").items():
        try:
            picture = decode(item.read())
        except UnreadableImage as error:
            log.warning("%s is left out: %s", item.id, error)
            continue
        name = f"{len(names):05d}"
        names.append(name)
        # A caption of its own for each picture, as in real collections, so that the model can tell them apart.
        captions.append(f"{item.caption or Path(item.id).stem}, picture {name}")
        pixels.append(_scaled(picture, side))
    if not names:
        raise UserError(f"--images: none of the images in {images} can be read.")
    return Pictures(names, captions, np.stack(_without_colour(pixels)))


def _scaled(picture: Image.Image, side: int) -> NDArray[np.uint8]:
    return np.asarray(picture.resize((side, side), Image.Resampling.BOX), np.uint8)


def _without_colour(pixels: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.uint8]]:
    if all((each == each[..., :1]).all() for each in pixels):
        return [each[..., :1] for each in pixels]
    return list(pixels)


def _png(pixels: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels).save(buffer, "PNG")
    return buffer.getvalue()
