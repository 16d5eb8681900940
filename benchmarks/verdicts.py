"""How much of planted copies do verdicts find, at 1e-5 false positives a pair, beside PDQ, pHash and SSCD?

    python benchmarks/verdicts.py CIFAR10_TRAIN.parquet PHOTOS.parquet [--images 1000] [--plants 100] [--sscd FILE]

Thresholds are those that unrelated pairs of CIFAR-10 pictures pass at 1e-5 (the first half of the pairs); the second
half and photographs of different subjects check them. Photographs of one subject are hard negatives, reported apart.
PHOTOS has the columns `image` and `subject`. Needs `pip install pdqhash ImageHash`, and torch for --sscd, which takes
the published TorchScript file.
"""

import argparse
import io
import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import imagehash
import numpy as np
import pandas as pd
import pdqhash
import pyarrow.parquet as pq
import scipy.fft
from PIL import Image, ImageEnhance

from copyrisk.parallel import small_products
from copyrisk.verdicts.prepared import Prepared
from copyrisk.verdicts.verdict import compare

RATE = 1e-5
SEED = 11
GENERATION_SIDE = 256
"""Generated photographs are square and this large; CIFAR-10 pictures stay 32 × 32."""


# Planting


@dataclass(frozen=True)
class Plant:
    """What is planted. area: share of the generation (1: the whole reference, cropped to `kept`); scale: how much a
    part is enlarged; noise: standard deviation, of 255, of noise that was added and taken out again; jpeg: quality."""

    name: str
    strength: str
    area: float = 1.0
    kept: float = 1.0
    scale: float = 1.0
    mirrored: bool = False
    recolour: float = 0.0
    jpeg: int = 90
    noise: float = 0.0


WHOLE = [
    Plant("whole: as it is", "-"),
    *(Plant("whole: recompressed", f"quality {q}", jpeg=q) for q in (50, 20)),
    *(Plant("whole: cropped", f"to {k:.0%} of the sides", kept=k) for k in (0.9, 0.75, 0.6)),
    Plant("whole: mirrored", "-", mirrored=True),
    *(Plant("whole: recoloured", f"{r}", recolour=r) for r in (0.3, 0.6)),
    *(Plant("whole: noised", f"{n} of 255", noise=n) for n in (15, 30, 60)),
    Plant("whole: all of it", "mirrored, 80 %, 0.3, 30", kept=0.8, mirrored=True, recolour=0.3, jpeg=50, noise=30),
]
PART = [
    replace(plant, name=f"part: {plant.name}", strength=f"{plant.strength}{area:.0%} of the area", area=area)
    for plant in (
        Plant("shifted", ""),
        Plant("mirrored", "", mirrored=True),
        *(Plant("rescaled", f"{s} ×, ", scale=s) for s in (0.6, 0.8, 1.25, 1.5)),
        Plant("recoloured", "", recolour=0.5),
        Plant("recompressed", "", jpeg=30),
        *(Plant("noised", f"{n} of 255, ", noise=n) for n in (15, 30)),
    )
    for area in (0.1, 0.25, 0.5, 0.75)
    # A smaller part cannot cover more of the generation than the whole reference does.
    if area <= 0.9 * plant.scale**2
]


def planted(plant: Plant, background: Image.Image, reference: Image.Image, random: np.random.Generator) -> Image.Image:
    """Return a generation that holds (a part of) the reference."""
    side = background.width
    if plant.area == 1:
        box = _box(reference.size, tuple(plant.kept * s for s in reference.size), random)
        image = reference.resize((side, side), Image.Resampling.BICUBIC, box=box)
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if plant.mirrored else image
    else:
        unit = min(reference.size) / side / plant.scale
        for _ in range(100):
            aspect = random.uniform(0.75, 1.33) ** 0.5
            size = [round(side * (plant.area**0.5) * a) for a in (aspect, 1 / aspect)]
            wanted = [unit * s for s in size]
            if max(size) <= side and all(w <= s for w, s in zip(wanted, reference.size, strict=True)):
                break
        else:
            size = [min(s, side, round(r / unit)) for s, r in zip(size, reference.size, strict=True)]
            wanted = [min(unit * s, r) for s, r in zip(size, reference.size, strict=True)]
        part = reference.resize(tuple(size), Image.Resampling.BICUBIC, box=_box(reference.size, wanted, random))
        part = part.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if plant.mirrored else part
        image = background.copy()
        image.paste(part, tuple(int(random.integers(side - s + 1)) for s in size))
    if plant.recolour:
        image = _recoloured(image, plant.recolour, random)
    if plant.noise:
        image = _noised(image, plant.noise, random)
    held = io.BytesIO()
    image.save(held, "jpeg", quality=plant.jpeg)
    return Image.open(held).convert("RGB")


def _box(size, wanted, random):
    left, top = (random.uniform(0, s - w) for s, w in zip(size, wanted, strict=True))
    return left, top, left + wanted[0], top + wanted[1]


def _recoloured(image: Image.Image, strength: float, random: np.random.Generator) -> Image.Image:
    for kind in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        image = kind(image).enhance(float(np.exp(strength * random.choice([-1, 1]))))
    tint = np.exp(strength / 3 * random.standard_normal(3))
    return Image.fromarray(np.clip(np.asarray(image) * tint, 0, 255).astype(np.uint8))


def _noised(image: Image.Image, noise: float, random: np.random.Generator) -> Image.Image:
    """Add noise and take it out again by a Wiener filter for pictures whose power falls as 1 / frequency²."""
    side = min(image.width, 128)
    values = np.asarray(image.resize((side, side), Image.Resampling.BOX), float)
    waves = scipy.fft.dctn(values + noise * random.standard_normal(values.shape), axes=(0, 1), norm="ortho")
    down, across = np.indices((side, side))
    power = 40**2 * side**2 / (2 * np.pi * np.log(side)) / np.maximum(down**2 + across**2, 0.25)
    waves *= (power / (power + noise**2))[:, :, None]
    values = np.clip(scipy.fft.idctn(waves, axes=(0, 1), norm="ortho"), 0, 255).astype(np.uint8)
    return Image.fromarray(values).resize(image.size, Image.Resampling.BICUBIC)


# Methods: statistics of generations × references, the higher, the surer


def verdicts(generations: list[Image.Image], references: list[Image.Image]) -> np.ndarray:
    work = partial(_row, references=[Prepared(reference) for reference in references])
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        return np.array(list(pool.map(work, generations, chunksize=max(1, len(generations) // 64))))


def _row(generation: Image.Image, references: list[Prepared]) -> list[float]:
    """Compare with each by itself: no other reference is a witness."""
    ready = Prepared(generation)
    with small_products():
        return [compare(ready, reference, 0.0).statistic for reference in references]


def pdq_bits(image: Image.Image) -> np.ndarray:
    return pdqhash.compute(np.asarray(image))[0].astype(bool)


def phash_bits(image: Image.Image) -> np.ndarray:
    return imagehash.phash(image).hash.reshape(-1)


def hashes(bits: Callable[[Image.Image], np.ndarray], generations, references) -> np.ndarray:
    """Bits that agree, of the picture or its mirror image, whichever agrees better."""
    others = np.array([bits(image) for image in references], np.float32) * 2 - 1
    found = []
    for turned in (False, True):
        images = [image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if turned else image for image in generations]
        found.append((np.array([bits(image) for image in images], np.float32) * 2 - 1) @ others.T)
    return np.maximum(*found) / 2 + others.shape[1] / 2


def sscd(path: str, generations, references) -> np.ndarray:
    """Cosines of SSCD descriptors (Pizzi et al. 2022), of the picture or its mirror image."""
    import torch

    model = torch.jit.load(path).eval()

    def describe(images):
        rows = []
        for image in images:
            values = np.asarray(image.resize((288, 288), Image.Resampling.BICUBIC), np.float32) / 255
            values = (values - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
            with torch.no_grad():
                rows.append(model(torch.tensor(values.transpose(2, 0, 1)[None], dtype=torch.float32))[0].numpy())
        rows = np.array(rows)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    others = describe(references)
    turned = [image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for image in generations]
    return np.maximum(describe(generations) @ others.T, describe(turned) @ others.T)


# Tables


def read(path: str, columns: list[str], start: int = 0, count: int | None = None) -> pd.DataFrame:
    frame = pq.read_table(path, columns=columns).slice(start, count).to_pandas()
    frame["image"] = [Image.open(io.BytesIO(row["bytes"])).convert("RGB") for row in frame["image"]]
    return frame


def recalls(methods, thresholds, backgrounds, references, plants, count) -> None:
    """Print the share of plants that each method finds."""
    print(f"| planted | strength | {' | '.join(methods)} |\n|---|---|{'---|' * len(methods)}")
    for plant in plants:
        random = np.random.default_rng(SEED)
        chosen = random.integers(len(references), size=count)
        pairs = []
        for number, choice in enumerate(chosen):
            # Never the reference itself, where both lists are the same pictures.
            background = backgrounds[(choice + len(backgrounds) // 2 + number % 20) % len(backgrounds)]
            pairs.append((planted(plant, background, references[choice], random), references[choice]))
        cells = []
        for name, method in methods.items():
            found = [method([image], [reference])[0, 0] for image, reference in pairs]
            cells.append(f"{np.mean(np.array(found) >= thresholds[name]):.2f}")
        print(f"| {plant.name} | {plant.strength} | {' | '.join(cells)} |", flush=True)


def one_by_one(generations, references) -> np.ndarray:
    """Verdicts in this process: for few pairs."""
    return np.array([_row(generation, [Prepared(r) for r in references]) for generation in generations])


def threshold_of(statistics: np.ndarray, rate: float) -> float:
    """The smallest threshold that at most `rate` of the statistics reach."""
    ordered = np.sort(statistics.reshape(-1))[::-1]
    return float(np.nextafter(ordered[int(rate * ordered.size)], np.inf))


def squares(images: list[Image.Image]) -> list[Image.Image]:
    made = []
    for image in images:
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        box = (left, top, left + side, top + side)
        made.append(image.resize((GENERATION_SIDE,) * 2, Image.Resampling.BOX, box=box))
    return made


def unrelated(methods, generations, references) -> dict[str, float]:
    """Print how often unrelated pairs pass; return the threshold of each method, from the first half of them."""
    thresholds = {}
    half = len(generations) // 2
    print(f"\nUnrelated pairs of CIFAR-10, {len(generations)} × {len(references)}, at {RATE:g} a pair\n")
    print("| method | threshold (first half) | passed in the second half | highest five | examined | ms a pair |")
    print("|---|---|---|---|---|---|")
    for name, method in methods.items():
        start = time.perf_counter()
        found = method(generations, references)
        cores = (os.cpu_count() or 1) if method is verdicts else 1
        each = 1e3 * cores * (time.perf_counter() - start) / found.size
        thresholds[name] = threshold_of(found[:half], RATE)
        passed, pairs = int((found[half:] >= thresholds[name]).sum()), found[half:].size
        highest = " ".join(f"{value:.4g}" for value in np.sort(found.reshape(-1))[:-6:-1])
        share = f"{(found > 0).mean():.0%}" if method is verdicts else "-"
        print(
            f"| {name} | {thresholds[name]:.4g} | {passed} of {pairs} | {highest} | {share} | {each:.2g} |", flush=True
        )
    return thresholds


def photographs(methods, thresholds, generations, references, same) -> None:
    """Print how often photographs of different subjects and of one subject pass; no pair is of one photograph."""
    print("\nPairs of photographs: how many pass, and the highest five\n")
    print("| method | different subjects | highest | one subject | highest |\n|---|---|---|---|---|")
    other = np.eye(len(generations), dtype=bool)
    for name, method in methods.items():
        found = method(generations, references)
        cells = []
        for values in (found[~same], found[same & ~other]):
            cells += [f"{(values >= thresholds[name]).sum()} of {values.size}"]
            cells += [" ".join(f"{value:.4g}" for value in np.sort(values)[:-6:-1])]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("cifar")
    parser.add_argument("photos")
    parser.add_argument("--images", type=int, default=1000, help="N × N pairs of unrelated CIFAR-10 pictures")
    parser.add_argument("--photographs", type=int, default=158, help="N × N pairs of photographs")
    parser.add_argument("--plants", type=int, default=100, help="of each kind and strength")
    parser.add_argument("--threshold", type=float, help="of verdicts; for tables of few pairs")
    parser.add_argument("--sscd", help="TorchScript file of SSCD")
    options = parser.parse_args()

    methods = {"pdq": partial(hashes, pdq_bits), "phash": partial(hashes, phash_bits)}
    if options.sscd:
        methods["sscd"] = partial(sscd, options.sscd)
    methods = {"verdict": verdicts, **methods}
    generations = list(read(options.cifar, ["image"], 0, options.images)["image"])
    references = list(read(options.cifar, ["image"], 25000, options.images)["image"])
    thresholds = unrelated(methods, generations, references)
    thresholds["verdict"] = options.threshold or thresholds["verdict"]
    print(f"\nThreshold of verdicts from here on: {thresholds['verdict']:.1f}")
    frame = read(options.photos, ["image", "subject"])
    frame = frame.iloc[:: max(1, len(frame) // options.photographs)]
    shown = squares(list(frame["image"]))
    reduced = [image.reduce(2) for image in frame["image"]]
    subject = frame["subject"].to_numpy()
    photographs(methods, thresholds, shown, reduced, subject[:, None] == subject)
    for title, backgrounds, others in (
        ("CIFAR-10, 32 × 32", generations, references),
        (f"Photographs, generations of {GENERATION_SIDE} × {GENERATION_SIDE}", shown, reduced),
    ):
        print(f"\nRecall: {title}, {options.plants} of each\n")
        recalls({**methods, "verdict": one_by_one}, thresholds, backgrounds, others, WHOLE + PART, options.plants)


if __name__ == "__main__":
    main()
