"""How long it takes to find the near-identical ones among 500 generations exactly, against torch.

Run: python benchmarks/cliques.py PHOTOS.parquet [--sets planted same ...] [--templates] [--different CIFAR10.parquet]

PHOTOS.parquet has encoded photographs in a column `image`. The rival is the direct computation, in torch with a thread
a processor: of each of the 16 tiles the matrix product of all pictures with all, float32, and the largest distance over
the tiles. Its clock starts when the pixels are tensors of float32, one a tile; ours when they are an array of uint8.
Ours runs before and after the rival, and the slower of the two counts. Seconds are by the clock, with the seconds of
processor time behind them, which other work on the machine disturbs less. `exact` is the same computation in float64,
which is exact for sums of squares of uint8; ours must give the same edges in every set. One read of the pixels is
measured as numpy's sum and numpy's maximum of all bytes: the first is bound by the processor, the second by the memory.

Sets, each made from the photographs (random crops, each colour stretched and moved by up to 20 %):
  planted    crops, 30 of them the same one with noise of 4 grey levels and a change of light
  same       one crop 500 times with noise of 8 grey levels: a memorized prompt
  alike      one crop 500 times with soft changes of colour: most pairs are edges, by a little
  near       one crop 500 times with finer changes: near-identical, and only few pairs are edges
  noisy      one crop 500 times with so much noise that all pairs are just above the threshold; bounds say nothing

--templates: how often templates are found. Among 200 crops of 256 × 256 pixels, 15 share a rectangle at one place with
another photograph; each of them is changed softly and gets noise of 4 grey levels. Found counts where at least 12 of
the 15 and at most 1 other are named; overlap is that of the mask and the rectangle, intersection over union.
--different: false alarms. Of each label of CIFAR10.parquet, sets of 500 images: different pictures of one kind.
"""

import argparse
import io
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from PIL import Image

from copyrisk.matching.cliques import find_clique
from copyrisk.matching.cliques.agreement import Details, largest_agreement
from copyrisk.matching.cliques.blocks import Grid
from copyrisk.matching.cliques.edges import block_sums, near_pairs
from copyrisk.matching.cliques.largest import largest_clique

THRESHOLD = 0.15
SETS = ("planted", "same", "alike", "near", "noisy")
COUNT, SIDE = 500, 512
THREADS = os.cpu_count() or 1

Pictures = NDArray[np.uint8]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("photos", type=Path)
    parser.add_argument("--sets", nargs="*", default=SETS, choices=SETS)
    parser.add_argument("--templates", action="store_true")
    parser.add_argument("--different", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(THREADS)
    photos = [
        Image.open(io.BytesIO(image["bytes"])).convert("RGB")
        for image in pq.read_table(options.photos, columns=["image"])["image"].to_pylist()
    ]
    if options.sets:
        times(options.sets, photos)
    if options.templates:
        templates(photos)
    if options.different:
        different(options.different)


def times(sets: list[str], photos: list[Image.Image]) -> None:
    print(
        "| set | edges | clique | ours s (processor s) | torch s (processor s) | times as fast | exact | torch differs "
        "| sum s | maximum s | ours in sums | agreement s |\n|---|---|---|---|---|---|---|---|---|---|---|---|"
    )
    for name in sets:
        pictures = made(name, photos, COUNT, SIDE)
        print("| " + " | ".join(line(name, pictures)) + " |", flush=True)


def line(name: str, pictures: Pictures) -> list[str]:
    reading, total = clocked(pictures.sum), clocked(pictures.max)
    near_pairs(pictures[:40], THRESHOLD)
    before = clocked(lambda: clique_of(pictures))
    rival, exact = by_torch(as_tensors(pictures))
    after = clocked(lambda: clique_of(pictures))
    (edges, size), ours, processor = max(before, after, key=lambda each: each[1])
    agreement = clocked(lambda: agreement_of(pictures))
    assert np.array_equal(before[0][0], after[0][0])
    return [
        name,
        f"{edges.sum() // 2:,}",
        str(size),
        f"{ours:.2f} ({processor:.2f})",
        f"{rival[1]:.2f} ({rival[2]:.2f})",
        f"{rival[1] / ours:.0f} ({rival[2] / processor:.0f})",
        "the same edges" if np.array_equal(edges, exact) else f"{(edges != exact).sum() // 2} PAIRS DIFFER",
        str((rival[0] != exact).sum() // 2),
        f"{reading[1]:.2f} ({reading[2]:.2f})",
        f"{total[1]:.2f} ({total[2]:.2f})",
        f"{ours / reading[1]:.1f} ({processor / reading[2]:.1f})",
        f"{agreement[1]:.2f} ({agreement[2]:.2f})",
    ]


def clocked(call: Callable[[], Any]) -> tuple[Any, float, float]:
    """Return what a call returns, its seconds, and its seconds of processor time."""
    clock, processor = time.perf_counter(), time.process_time()
    result = call()
    return result, time.perf_counter() - clock, time.process_time() - processor


def clique_of(pictures: Pictures) -> tuple[NDArray[np.bool_], int]:
    edges = near_pairs(pictures, THRESHOLD)
    return edges, len(largest_clique(edges).members)


def by_torch(tiles: torch.Tensor) -> tuple[tuple[NDArray[np.bool_], float, float], NDArray[np.bool_]]:
    return clocked(lambda: directly(tiles, torch.float32)), directly(tiles, torch.float64)


def agreement_of(pictures: Pictures) -> Any:
    grid = Grid(*pictures.shape[1:3])
    return largest_agreement(Details(block_sums(pictures, grid), grid), least=10)


def as_tensors(pictures: Pictures) -> torch.Tensor:
    count, side = len(pictures), pictures.shape[1] // 4
    tiles = pictures.reshape(count, 4, side, 4, side, 3).transpose(1, 3, 0, 2, 4, 5)
    return torch.from_numpy(np.ascontiguousarray(tiles).reshape(16, count, -1)).to(torch.float32)


def directly(tiles: torch.Tensor, dtype: torch.dtype) -> NDArray[np.bool_]:
    """Return the edges by matrix products of all pictures with all, tile by tile."""
    values = tiles.shape[2]
    largest = torch.zeros(tiles.shape[1], tiles.shape[1], dtype=dtype)
    for tile in tiles:
        rows = tile if dtype == tile.dtype else tile.to(dtype)
        lengths = (rows * rows).sum(dim=1)
        squares = torch.addmm(lengths[:, None] + lengths, rows, rows.T, alpha=-2)
        largest = torch.maximum(largest, squares)
    near = (largest.clamp(min=0) / (255.0**2 * values)).sqrt() <= THRESHOLD
    near.fill_diagonal_(False)
    result: NDArray[np.bool_] = near.numpy()
    return result


def made(name: str, photos: list[Image.Image], count: int, side: int) -> Pictures:
    generator = np.random.default_rng(0)
    pictures = np.empty((count, side, side, 3), np.uint8)
    base = crop(photos[3], side, generator)
    planted = 30 if name == "planted" else 0
    for number in range(count):
        if name == "planted" and number >= planted:
            values = crop(photos[number % len(photos)], side, generator)
        elif name == "planted":
            values = base + generator.normal(0, 4, base.shape) + generator.normal(0, 5)
        elif name == "same":
            values = base + generator.normal(0, 8, base.shape)
        elif name == "noisy":
            values = 64 + base / 2 + generator.normal(0, 27.5, base.shape)
        else:
            coarse, strength = (8, 25) if name == "alike" else (32, 40)
            values = base + soft(generator, coarse, strength, side) + generator.normal(0, 4, base.shape)
        pictures[number] = np.clip(np.rint(values), 0, 255)
    return pictures[generator.permutation(count)]


def crop(photo: Image.Image, side: int, generator: np.random.Generator) -> NDArray[np.float32]:
    cut = int(min(photo.size) * generator.uniform(0.6, 0.95))
    left, top = (int(generator.integers(0, length - cut + 1)) for length in photo.size)
    values = np.asarray(photo.crop((left, top, left + cut, top + cut)).resize((side, side)), np.float32)
    stretched = (values - 128) * generator.uniform(0.8, 1.2, 3) + 128 + generator.uniform(-20, 20, 3)
    return np.clip(stretched, 0, 255).astype(np.float32)


def soft(generator: np.random.Generator, coarse: int, strength: float, side: int) -> NDArray[np.float32]:
    """Return smooth changes of colour, drawn at `coarse` × `coarse` points."""
    drawn = generator.normal(0, strength, (3, coarse, coarse)).astype(np.float32)
    grown = [np.asarray(Image.fromarray(each).resize((side, side), Image.Resampling.BICUBIC)) for each in drawn]
    return np.stack(grown, axis=-1)


def templates(photos: list[Image.Image], trials: int = 10) -> None:
    print("| share copied | soft changes, grey levels | found | overlap, mean |\n|---|---|---|---|")
    for share in (0.1, 0.2, 0.3, 0.5):
        for strength in (0, 8, 16):
            overlaps = [overlap for trial in range(trials) if (overlap := template(photos, share, strength, trial))]
            mean = f"{np.mean(overlaps):.2f}" if overlaps else ""
            print(f"| {share:.0%} | {strength} | {len(overlaps)} of {trials} | {mean} |", flush=True)


def template(photos: list[Image.Image], share: float, strength: float, seed: int) -> float:
    """Return the overlap of the mask with what was copied, 0 where it was not found."""
    generator = np.random.default_rng([seed, int(100 * share)])
    side, copies = 256, 15
    chosen = generator.permutation(len(photos))
    pictures = [crop(photos[chosen[1 + number % (len(photos) - 1)]], side, generator) for number in range(200)]
    source = crop(photos[chosen[0]], side, generator)
    width = int(side * generator.uniform(share, 1) ** 0.5)
    height = min(side, int(side * side * share / width))
    top, left = int(generator.integers(0, side - height + 1)), int(generator.integers(0, side - width + 1))
    place = (slice(top, top + height), slice(left, left + width))
    for picture in pictures[:copies]:
        picture[place] = source[place]
        picture += soft(generator, 12, strength, side) + generator.normal(0, 4, picture.shape)
    found = find_clique([np.clip(np.rint(picture), 0, 255).astype(np.uint8) for picture in pictures])
    members = set(found.members)
    if found.verdict == "not memorized" or len(members & set(range(copies))) < 12 or len(members) > copies + 1:
        return 0.0
    copied = np.zeros((side, side), bool)
    copied[place] = True
    mask = np.kron(found.mask, np.ones((side // found.mask.shape[0], side // found.mask.shape[1]), bool))
    return float((mask & copied).sum() / (mask | copied).sum())


def different(cifar: Path) -> None:
    images = pq.read_table(cifar, columns=["image", "label"])
    alarms, largest, sets = 0, 0, 0
    for label in images["label"].unique().to_pylist():
        encoded = images.filter(pc.equal(images["label"], label))["image"].to_pylist()
        for start in range(0, len(encoded) - COUNT + 1, COUNT):
            opened = [Image.open(io.BytesIO(image["bytes"])).convert("RGB") for image in encoded[start : start + COUNT]]
            found = find_clique(opened)
            alarms, largest, sets = alarms + (found.verdict != "not memorized"), max(largest, found.size), sets + 1
    print(f"{sets} sets of {COUNT} different pictures: {alarms} alarms; the largest clique has {largest}")


if __name__ == "__main__":
    main()
