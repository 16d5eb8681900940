"""How much of what is done to a picture each descriptor sees through, at one false positive in a million pairs.

Run: python benchmarks/robustness.py CIFAR10_TRAIN.parquet PHOTOS.parquet [--images N] [--network sscd]

Needs pdqhash and ImageHash. Each file has columns `image` (a struct with `bytes`) and `label` or `subject`.

Recall: the share of N changed images (the last of CIFAR-10, the first photographs) that are taken for the same
picture as the image they come from; a line a change, a number a strength. Thresholds: of each descriptor, the one
that lets through one in a million of the pairs of images with different labels (equal labels hold true duplicates):
10,000 images of CIFAR-10; the next 10,000 say how well that holds. The photographs, which are too few to set a
threshold, are tried with the same ones, and the pairs of photographs of different subjects that exceed them are
counted. `photo at 0.5` is the threshold that it comes with.

Rivals: PDQ (pdqhash) as it is, of pictures of at most 512 pixels as by its own programs, with the hashes of the 8
turned and mirrored pictures that its library gives at no cost, and without pictures below the quality of 50 that its
authors advise to leave out; pHash (ImageHash) with 64 and with 256 bits; `pixels:32`. Of PDQ and of pHash, the way
that finds most is in the table of changes. Parts of `photo`: without views, without verification (the threshold is
one of the distance of the nearest view), without the removal of frames, with only one of the two comparisons of its
verification.

`--network` adds networks by their specifiers, compared by the cosine, and lists what each finds that `photo` does not,
and the reverse. A network takes 10 to 100 ms an image, so `--negatives` may want to be fewer.
"""

import argparse
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import imagehash
import numpy as np
import pdqhash
import pyarrow.parquet as pq
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps

from copyrisk.descriptors import open_descriptor
from copyrisk.descriptors.photo import LEAST_COSINE, Photo
from copyrisk.descriptors.pixels import Pixels

RATE = 1e-6
NEGATIVES = 10_000
BLOCK = 1000
PDQ_SIDE = 512
VIEWS = 16
EIGHT = [(0, way) for way in range(8)]
GOOD = [(8, 8)]
RIVALS = ("PDQ", "pHash", "pixels")
BELOW_HALF = float(np.nextafter(np.float32(0.5), np.float32(0)))

Picture = Image.Image
Change = Callable[[Picture, float, np.random.Generator], Picture]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("cifar", type=Path)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--negatives", type=int, default=NEGATIVES)
    parser.add_argument("--network", action="append", default=[], help="a specifier, as in sscd; may be repeated")
    options = parser.parse_args()
    small, classes = load(options.cifar)
    photos, subjects = load(options.photos)
    first, second = slice(0, options.negatives), slice(options.negatives, 2 * options.negatives)
    methods = all_methods() + [network(specifier) for specifier in options.network]
    trials = [trial for method in methods for trial in method.trials(small[first], classes[first])]
    report("CIFAR-10", small[-options.images :], trials, small[second], classes[second])
    report("photographs", photos[: options.images], trials, photos, subjects)


def report(name: str, images: list[Picture], trials: list["Trial"], negatives: list[Picture], labels: Any) -> None:
    """Print how the descriptors do on changed images, and how many pairs of negatives they take for the same."""
    print(f"\n### {name}: {len(images)} images\n")
    methods = list({trial.method.name: trial.method for trial in trials}.values())
    top = {method.name: method.most_alike(negatives, labels) for method in methods}
    for trial in trials:
        trial.recalls, trial.alone, trial.missed = {}, {}, {}
        alike, pairs = top[trial.method.name]
        trial.counts[1:] = [f"{(alike > trial.limit).sum()} of {pairs / 1e6:.3g} million"]
    describers = {method.describe for method in methods}
    originals = {describe: describe(images) for describe in describers}
    for title, change, strengths in CHANGES:
        for strength in strengths:
            made = [change(image, strength, np.random.default_rng(n)) for n, image in enumerate(images)]
            rows = {describe: describe(made) for describe in describers}
            scores = {each.name: each.paired(originals[each.describe], rows[each.describe]) for each in methods}
            found = {trial.name: scores[trial.method.name] > trial.limit for trial in trials}
            for trial in trials:
                trial.recalls.setdefault(title, []).append(float(found[trial.name].mean()))
                trial.alone.setdefault(title, []).append(float((found[trial.name] & ~found["photo"]).mean()))
                trial.missed.setdefault(title, []).append(float((found["photo"] & ~found[trial.name]).mean()))
    print(
        "| descriptor | threshold | false positives | false positives, held out | mean recall |\n|---|---|---|---|---|"
    )
    for trial in trials:
        print(f"| {trial.name} | {trial.method.shown(trial.limit)} | {' | '.join(trial.counts)} | {trial.mean:.1%} |")
    best = [max((t for t in trials if t.name.startswith(rival)), key=lambda trial: trial.mean) for rival in RIVALS]
    networks = [trial for trial in trials if trial.method.network]
    shown = [trial for trial in trials if trial.name in ("photo", "photo at 0.5")] + best + networks
    table(["change", "strengths"], shown, percent)
    for trial in networks:
        print(f"\n{trial.name} beside photo: what one finds and the other does not")
        changes = [
            Trial(f"{trial.name} alone", trial.method, trial.limit, [], trial.alone),
            Trial("photo alone", trial.method, trial.limit, [], trial.missed),
        ]
        table(["change", "strengths"], changes, percent)
    parts = [trial for trial in trials if trial.name == "photo" or trial.name.startswith("photo without")]
    table(["change, mean"], parts, lambda values: f"{100 * np.mean(values):.0f}")


def percent(values: list[float]) -> str:
    return " ".join(f"{100 * value:.0f}" for value in values)


def table(head: list[str], trials: list["Trial"], cell: Callable[[list[float]], str]) -> None:
    head = head + [trial.name for trial in trials]
    print(f"\n| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for title, _, strengths in CHANGES:
        cells = [" ".join(f"{each:g}" for each in strengths)] if "strengths" in head else []
        print("| " + " | ".join([title, *cells, *(cell(trial.recalls[title]) for trial in trials)]) + " |")


# Descriptors: rows of pictures, and how alike two rows are; more is more alike.


@dataclass
class Method:
    """A descriptor and how alike its rows are: `alike` of each with each, `paired` of each with its own."""

    name: str
    describe: Callable[[list[Picture]], Any]
    alike: Callable[[Any, Any], Any]
    paired: Callable[[Any, Any], Any]
    shown: Callable[[float], str]
    network: bool = False

    def trials(self, images: list[Picture], labels: Any) -> "list[Trial]":
        """Set the threshold on pairs of pictures with different labels; `photo` is also tried at its own."""
        top, pairs = self.most_alike(images, labels)
        limits = {self.name: float(top[-1 - int(RATE * pairs)])}
        if self.name == "photo":
            limits["photo at 0.5"] = BELOW_HALF
        counts = {limit: f"{(top > limit).sum()} of {pairs / 1e6:.3g} million" for limit in limits.values()}
        return [Trial(name, self, limit, [counts[limit]]) for name, limit in limits.items()]

    def most_alike(self, images: list[Picture], labels: Any) -> tuple[Any, int]:
        """Return how alike the most alike pairs of pictures with different labels are, ascending, of how many pairs.

        They are enough for a hundred times RATE.
        """
        rows = self.describe(images)
        keep = int(100 * RATE * len(images) ** 2 / 2) + 100
        pairs, top = 0, np.zeros(0)
        for start in range(0, len(images), BLOCK):
            scores = self.alike(rows[start : start + BLOCK], rows[start:])
            different = labels[start : start + BLOCK, None] != labels[start:]
            different &= np.arange(len(images) - start) > np.arange(len(scores))[:, None]
            pairs += int(different.sum())
            different &= scores >= (top.min() if len(top) == keep else -np.inf)
            top = np.concatenate([top, scores[different]])
            top = np.partition(top, -keep)[-keep:] if len(top) > keep else top
        return np.sort(top), pairs


@dataclass
class Trial:
    """A method with a threshold: how many negatives exceed it, and the recall of each change at each strength.

    `alone`: the share that it finds and `photo` does not; `missed`: the reverse.
    """

    name: str
    method: Method
    limit: float
    counts: list[str]
    recalls: dict[str, list[float]] = field(default_factory=dict)
    alone: dict[str, list[float]] = field(default_factory=dict)
    missed: dict[str, list[float]] = field(default_factory=dict)

    @property
    def mean(self) -> float:
        return float(np.mean([np.mean(values) for values in self.recalls.values()]))


def all_methods() -> list[Method]:
    phash_64, phash_256 = partial(phash, side=8), partial(phash, side=16)

    def bits(limit: float) -> str:
        return f"{-limit - 1:.0f} bits"

    def score(limit: float) -> str:
        return f"score {limit:.2f}"

    def cosine(limit: float) -> str:
        return f"cosine {1 + limit / 2:.2f}"

    def distance(limit: float) -> str:
        return f"distance {np.sqrt(-limit):.3f}"

    return [
        Method("photo", PhotoRows.of, verified, paired_verified, score),
        Method(
            "photo without views", PhotoRows.of, partial(verified, views=1), partial(paired_verified, views=1), score
        ),
        Method("photo without verification", PhotoRows.of, nearest_view, paired_nearest_view, cosine),
        Method("photo without frame removal", with_frames, verified, paired_verified, score),
        Method(
            "photo without details",
            PhotoRows.of,
            without("details", verified),
            without("details", paired_verified),
            score,
        ),
        Method(
            "photo without signs", PhotoRows.of, without("signs", verified), without("signs", paired_verified), score
        ),
        Method("PDQ", pdq_hashes, fewest_bits, paired_bits, bits),
        Method("PDQ 8 ways", pdq_hashes, partial(fewest_bits, ways=EIGHT), partial(paired_bits, ways=EIGHT), bits),
        Method("PDQ quality 50", pdq_hashes, partial(fewest_bits, ways=GOOD), partial(paired_bits, ways=GOOD), bits),
        Method("pHash 64", phash_64, fewest_bits, paired_bits, bits),
        Method("pHash 256", phash_256, fewest_bits, paired_bits, bits),
        Method("pixels:32", pixel_rows, lambda a, b: -squares(a, b), lambda a, b: -((a - b) ** 2).sum(1), distance),
    ]


def network(specifier: str) -> Method:
    """Return a network as a method: the cosine of two rows, which are of length 1."""
    descriptor = open_descriptor(specifier)

    def cosine(limit: float) -> str:
        return f"cosine {limit:.2f}"

    return Method(
        specifier, descriptor.describe_many, lambda a, b: a @ b.T, lambda a, b: (a * b).sum(1), cosine, network=True
    )


@dataclass(frozen=True)
class PhotoRows:
    """Rows of `photo` and the views of them, (16, n, 63)."""

    rows: Any
    views: Any

    @classmethod
    def of(cls, images: list[Picture]) -> "PhotoRows":
        photo = Photo()
        rows = photo.describe_many(images)
        blocks = [rows[start : start + BLOCK] for start in range(0, len(rows), BLOCK)]
        return cls(rows, waves(np.concatenate([photo.views(block) for block in blocks], axis=1)))

    def __getitem__(self, some: slice) -> "PhotoRows":
        return PhotoRows(self.rows[some], self.views[:, some])


def with_frames(images: list[Picture]) -> PhotoRows:
    with patch("copyrisk.descriptors.thumbnails.inside_frame", lambda image: (0, 0, *image.size)):
        return PhotoRows.of(images)


def nearest_view(first: PhotoRows, second: PhotoRows, views: int = VIEWS) -> Any:
    """Return minus the square distance of the nearest view of one to the whole of the other, of each with each."""
    nearest = np.full((len(first.rows), len(second.rows)), -np.inf, np.float32)
    for view in range(views):
        np.maximum(nearest, -squares(first.views[view], second.views[0]), out=nearest)
        np.maximum(nearest, -squares(first.views[0], second.views[view]), out=nearest)
    return nearest


def paired_nearest_view(first: PhotoRows, second: PhotoRows, views: int = VIEWS) -> Any:
    away = [first.views[:views] - second.views[0], first.views[0] - second.views[:views]]
    return -(np.concatenate(away) ** 2).sum(axis=2).min(axis=0)


def verified(first: PhotoRows, second: PhotoRows, views: int = VIEWS) -> Any:
    """Return the scores of candidates, −1 for other pairs, of each with each."""
    near = nearest_view(first, second, views)
    scores = np.full(near.shape, -1.0, np.float32)
    i, j = np.nonzero(near >= 2 * LEAST_COSINE - 2)
    scores[i, j] = Photo().verify(first.rows[i], second.rows[j])[0]
    return scores


def paired_verified(first: PhotoRows, second: PhotoRows, views: int = VIEWS) -> Any:
    near = paired_nearest_view(first, second, views)
    return np.where(near >= 2 * LEAST_COSINE - 2, Photo().verify(first.rows, second.rows)[0], -1).astype(np.float32)


def without(part: str, compare: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Return the comparison without one of the two that `copyrisk.descriptors.verify` makes."""
    name, nothing = {
        "details": (
            "_agreement",
            lambda a, _b, _places: (np.zeros(len(a)), np.ones(len(a)), np.zeros((2, len(a)), int)),
        ),
        "signs": ("_different_signs", lambda a, _b: (np.full(len(a), 256), np.zeros(len(a), bool))),
    }[part]

    def run(first: Any, second: Any) -> Any:
        with patch(f"copyrisk.descriptors.verify.{name}", nothing):
            return compare(first, second)

    return run


def waves(rows: Any) -> Any:
    return (rows.astype(np.float32) - 128) / 254


def squares(first: Any, second: Any) -> Any:
    lengths = np.einsum("ij,ij->i", first, first)[:, None] + np.einsum("ij,ij->i", second, second)
    return lengths - 2 * (first @ second.T)


def pixel_rows(images: list[Picture]) -> Any:
    """Return rows whose Euclidean distance is the root mean square difference, 0 to 1."""
    rows = Pixels("32").describe_many(images)
    return rows / np.float32(255 * np.sqrt(rows.shape[1]))


def pdq_hashes(images: list[Picture]) -> Any:
    """Return 9 hashes of each picture as −1 and 1, shape (n, 9, 256).

    The plain one, the other 7 of the turned and mirrored picture, and the plain one again, zeros where its quality is
    below 50: such a picture is at least 128 bits from any other.
    """
    hashes = []
    for image in images:
        if max(image.size) > PDQ_SIDE:
            image = image.copy()
            image.thumbnail((PDQ_SIDE, PDQ_SIDE))
        bits, quality = pdqhash.compute_dihedral(np.ascontiguousarray(image))
        signs = np.array(bits, np.int8) * 2 - 1
        hashes.append([*signs, signs[0] * (quality >= 50)])
    return np.array(hashes)


def phash(images: list[Picture], side: int) -> Any:
    hashes = [imagehash.phash(image, hash_size=side).hash.reshape(1, -1) for image in images]
    return np.array(hashes, np.int8) * 2 - 1


def fewest_bits(first: Any, second: Any, ways: Sequence[tuple[int, int]] = ((0, 0),)) -> Any:
    """Return minus the number of different bits, of each with each, in the nearest of the ways."""
    first, second = first.astype(np.float32), second.astype(np.float32)
    alike = [first[:, one] @ second[:, other].T for one, other in ways]
    return (np.max(alike, axis=0) - first.shape[-1]) / 2


def paired_bits(first: Any, second: Any, ways: Sequence[tuple[int, int]] = ((0, 0),)) -> Any:
    alike = [(first[:, one].astype(np.float32) * second[:, other]).sum(axis=1) for one, other in ways]
    return (np.max(alike, axis=0) - first.shape[-1]) / 2


# Pictures, and what is done to them.


def load(path: Path) -> tuple[list[Picture], Any]:
    names = pq.read_schema(path).names
    label = "label" if "label" in names else "subject"
    table = pq.read_table(path, columns=["image", label])
    images = [Image.open(io.BytesIO(image["bytes"])).convert("RGB") for image in table["image"].to_pylist()]
    return images, np.array(table[label].to_pylist())


def jpeg(image: Picture, quality: float, _: Any) -> Picture:
    data = io.BytesIO()
    image.save(data, "JPEG", quality=int(quality))
    return Image.open(data).convert("RGB")


def resize(image: Picture, factor: float, _: Any) -> Picture:
    return image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.BICUBIC)


def stretch(image: Picture, factor: float, _: Any) -> Picture:
    return image.resize((round(image.width * factor), image.height), Image.Resampling.BICUBIC)


def crop(image: Picture, share: float, generator: np.random.Generator) -> Picture:
    left, top = generator.uniform(0, share, 2) * image.size
    box = (left, top, left + image.width * (1 - share), top + image.height * (1 - share))
    return image.resize(image.size, Image.Resampling.BICUBIC, box)


def shift(image: Picture, share: float, generator: np.random.Generator) -> Picture:
    values = np.asarray(image)
    height, width = values.shape[:2]
    down, across = round(share * height), round(share * width)
    wide = np.pad(values, ((down, down), (across, across), (0, 0)), "edge")
    top, left = generator.choice([0, 2], 2) * (down, across)
    return Image.fromarray(wide[top : top + height, left : left + width])


def mirror(image: Picture, *_: Any) -> Picture:
    return ImageOps.mirror(image)


def rotate(image: Picture, degrees: float, generator: np.random.Generator) -> Picture:
    return image.rotate(degrees * generator.choice([-1, 1]), Image.Resampling.BICUBIC)


def brightness(image: Picture, factor: float, _: Any) -> Picture:
    return ImageEnhance.Brightness(image).enhance(factor)


def contrast(image: Picture, factor: float, _: Any) -> Picture:
    return ImageEnhance.Contrast(image).enhance(factor)


def saturation(image: Picture, factor: float, _: Any) -> Picture:
    return ImageEnhance.Color(image).enhance(factor)


def hue(image: Picture, degrees: float, _: Any) -> Picture:
    values = np.array(image.convert("HSV"))
    values[..., 0] += np.uint8(round(degrees / 360 * 256))
    return Image.fromarray(values, "HSV").convert("RGB")


def gamma(image: Picture, exponent: float, _: Any) -> Picture:
    return image.point([round(255 * (value / 255) ** exponent) for value in range(256)] * 3)


def blur(image: Picture, percent: float, _: Any) -> Picture:
    return image.filter(ImageFilter.GaussianBlur(percent / 100 * max(image.size)))


def noise(image: Picture, deviation: float, generator: np.random.Generator) -> Picture:
    values = np.asarray(image) + generator.normal(0, deviation, (image.height, image.width, 3))
    return Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8))


def caption(image: Picture, percent: float, _: Any) -> Picture:
    image = image.copy()
    draw = ImageDraw.Draw(image)
    top = round(image.height * (1 - percent / 100))
    draw.rectangle((0, top, *image.size), fill="white")
    font = ImageFont.load_default(max(6, 0.6 * (image.height - top)))
    draw.text((image.width / 2, (top + image.height) / 2), "WHEN YOU SEE IT AGAIN", "black", font, anchor="mm")
    return image


def writing(image: Picture, lines: float, _: Any) -> Picture:
    image = image.copy()
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(max(6, image.height / 6))
    for line in range(int(lines)):
        place = (image.width / 2, image.height * (line + 1) / (lines + 1))
        width = max(1, image.height // 128)
        draw.text(place, "COPYRIGHT 2024", "white", font, anchor="mm", stroke_width=width, stroke_fill="black")
    return image


def border(image: Picture, percent: float, _: Any) -> Picture:
    return ImageOps.expand(image, round(percent / 100 * max(image.size)), (240, 240, 235))


def together(image: Picture, level: float, generator: np.random.Generator) -> Picture:
    """Crop by 5 or 10 %, brighten, pale, save small and badly; on level 2 also mirror and caption."""
    image = saturation(brightness(crop(image, 0.05 * level, generator), 1 + 0.15 * level, None), 1 - 0.3 * level, None)
    if level == 2:
        image = caption(mirror(image), 15, None)
    return jpeg(resize(image, 0.75, None), 80 - 20 * level, None)


CHANGES: list[tuple[str, Change, tuple[float, ...]]] = [
    ("JPEG, quality", jpeg, (90, 70, 50, 30, 10)),
    ("resized, factor", resize, (2, 0.75, 0.5, 0.25)),
    ("stretched, factor", stretch, (0.67, 1.5)),
    ("cropped, part cut off", crop, (0.02, 0.05, 0.1, 0.15, 0.2)),
    ("shifted, part", shift, (0.05, 0.1)),
    ("mirrored", mirror, (1,)),
    ("rotated, degrees", rotate, (2, 5)),
    ("brightness, factor", brightness, (0.5, 0.75, 1.25, 1.5)),
    ("contrast, factor", contrast, (0.5, 1.5)),
    ("saturation, factor", saturation, (0, 2)),
    ("hue, degrees", hue, (30, 90)),
    ("gamma", gamma, (0.5, 2)),
    ("blurred, % of the longer side", blur, (1, 2)),
    ("noise, grey levels", noise, (5, 10, 20)),
    ("caption, % covered", caption, (10, 20, 30)),
    ("writing over it, lines", writing, (1, 3)),
    ("border, % of the longer side", border, (5, 10, 20)),
    ("several together, level", together, (1, 2)),
]


if __name__ == "__main__":
    main()
