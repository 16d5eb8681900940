"""How many true copies each test finds at a stated false-positive rate a generation, where the truth is known.

Run: python benchmarks/sensitivity.py CIFAR10_TRAIN.parquet CIFAR10_TEST.parquet [--others 10000] [--copies 500]

The testbed's simulated generator (`copyrisk.testbed.simulated`) gives back pictures of a reference set, disturbed as a
trained model disturbs them, or pictures that it never saw: here 1,000 pictures of CIFAR-10's training set, and its test
set. Test pictures that are near-duplicates of a reference (by `photo`) are left out: they are no accidents. A row is a
kind of copy, disturbed with strength 1 unless it says otherwise. Thresholds are those of `--false-positive-rate`, read
off half of the pictures that are no copies; `false` is what the other half makes of them, hits of how many.

Rivals: the published tests `ratio`, `tile` and `second`, and the plain distance to the nearest reference.
"""

import argparse
import io
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from copyrisk.descriptors.photo import Photo
from copyrisk.descriptors.pixels import Pixels
from copyrisk.index.search import nearest
from copyrisk.matching.calibration import calibrate
from copyrisk.matching.tests import RatioTest, SecondTest, TileTest
from copyrisk.matching.verdict_test import Side, VerdictTest
from copyrisk.testbed.simulated import Simulated

REFERENCES = 1000
RATES = (1e-3, 1e-4)
DESCRIPTOR = Pixels("32")


@dataclass(frozen=True)
class Plain:
    """The distance to the nearest reference, without more."""

    name = "distance"

    def statistics(self, generations: np.ndarray, references: np.ndarray) -> np.ndarray:
        return nearest(generations, references).distances[:, 0]


@dataclass(frozen=True)
class Published:
    test: TileTest | RatioTest | SecondTest

    @property
    def name(self) -> str:
        return self.test.name

    def statistics(self, generations: np.ndarray, references: np.ndarray) -> np.ndarray:
        return self.test.score(generations, references, references[:0]).reference_statistic


@dataclass(frozen=True)
class Verdict:
    test: VerdictTest
    name = "verdict"

    def statistics(self, generations: np.ndarray, references: np.ndarray) -> np.ndarray:
        return self.test.nearest(side(generations), side(references)).statistic


def side(rows: np.ndarray) -> Side:
    """Return pictures of 32 × 32 pixels, which the rows of `pixels:32` hold whole, as the verdict takes them."""
    images = [Image.fromarray(row.reshape(32, 32, 3)) for row in rows]
    return Side(Photo().describe_many(images), np.ones(len(rows)), lambda some: {each: images[each] for each in some})


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("train", type=Path)
    parser.add_argument("test", type=Path)
    parser.add_argument("--others", type=int, default=10_000)
    parser.add_argument("--copies", type=int, default=500)
    options = parser.parse_args()
    references = pictures(options.train, REFERENCES)
    others = without_duplicates(pictures(options.test, options.others), references)
    rows = described(references)
    innocent = described(generations(others, np.arange(len(others)), 1.0))
    kinds = {name: described(made) for name, made in copies(references, others, options.copies).items()}
    tests = [Plain(), *(Published(kind(None, DESCRIPTOR)) for kind in (RatioTest, TileTest, SecondTest))]
    tests.append(Verdict(VerdictTest(None, Photo())))
    print(f"{len(references):,} references, {len(others):,} that are no copies, {options.copies} copies a kind\n")
    print("| copies | rate | " + " | ".join(test.name for test in tests) + " |")
    print("|---|---|" + "---|" * len(tests))
    columns = [column(test, rows, innocent, kinds) for test in tests]
    for line in columns[0]:
        print(f"| {line[0]} | {line[1]:g} | " + " | ".join(one[line] for one in columns) + " |")


def column(test, rows: np.ndarray, innocent: np.ndarray, kinds: dict[str, np.ndarray]) -> dict[tuple[str, float], str]:
    began = time.perf_counter()
    of_innocent = test.statistics(innocent, rows)
    milliseconds = 1000 * (time.perf_counter() - began) / len(innocent)
    chosen, checked = of_innocent[::2], of_innocent[1::2]
    found: dict[tuple[str, float], str] = {}
    of_copies = {name: test.statistics(made, rows) for name, made in kinds.items()}
    thresholds = {rate: calibrate(chosen, np.arange(len(chosen)), rate, 1.0, "controls").threshold for rate in RATES}
    for name, statistics in of_copies.items():
        for rate, threshold in thresholds.items():
            found[name, rate] = f"{(statistics <= threshold).mean():.3f}"
    for rate, threshold in thresholds.items():
        found["false", rate] = f"{int((checked <= threshold).sum())} of {len(checked):,}"
    found["milliseconds a generation", 0] = f"{milliseconds:.2g}"
    return found


def pictures(path: Path, count: int) -> np.ndarray:
    encoded = pq.read_table(path, columns=["image"])["image"].slice(0, count).to_pylist()
    return np.array([np.asarray(Image.open(io.BytesIO(row["bytes"])).convert("RGB")) for row in encoded])


def without_duplicates(others: np.ndarray, references: np.ndarray) -> np.ndarray:
    photo = Photo()
    mine, theirs = (photo.describe_many([Image.fromarray(one) for one in each]) for each in (others, references))
    near = np.zeros((len(others), len(references)), bool)
    for view in photo.views(mine).astype(np.float32) - 128:
        whole = theirs[:, photo.search].astype(np.float32) - 128
        length = np.linalg.norm(view, axis=1)[:, None] * np.linalg.norm(whole, axis=1)
        near |= view @ whole.T >= 0.7 * length
    i, j = np.nonzero(near)
    scores, _ = photo.verify(mine[i], theirs[j])
    keep = np.ones(len(others), bool)
    keep[i[scores >= 0.5]] = False
    return others[keep]


def generations(shown: np.ndarray, rows: np.ndarray, strength: float) -> np.ndarray:
    """Return the pictures as the simulated generator gives them back."""
    prompts = [str(row) for row in rows]
    made = Simulated(
        shown, sorted(set(prompts), key=int), np.ones(len(set(prompts))), sorted(set(rows)), None, strength
    )
    return made(prompts, list(range(len(prompts))))


def copies(references: np.ndarray, others: np.ndarray, count: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(3)
    rows = np.sort(random.choice(len(references), count, replace=False))
    own, beside = references[rows], others[random.integers(len(others), size=count)]
    numbers = np.arange(count)

    def part(width: int, height: int) -> np.ndarray:
        image = beside.copy()
        top, left = (32 - height) // 2, (32 - width) // 2
        image[:, top : top + height, left : left + width] = own[:, :height, :width]
        return image

    shifted = np.roll(own, (3, -3), axis=(1, 2))
    shifted[:, :3], shifted[:, :, -3:] = beside[:, :3], beside[:, :, -3:]
    larger = np.array([np.asarray(Image.fromarray(one).crop((3, 3, 29, 29)).resize((32, 32))) for one in own])
    shown = {
        "whole": (own, 1.0),
        "whole, strength 3": (own, 3.0),
        "whole, strength 6": (own, 6.0),
        "mirrored": (own[:, :, ::-1], 1.0),
        "shifted by 3 of 32 pixels": (shifted, 1.0),
        "the middle 80 %, enlarged": (larger, 1.0),
        "darker, less contrast": (np.rint(0.6 * own).astype(np.uint8), 1.0),
        "three quarters of the area": (part(28, 28), 1.0),
        "half of the area": (part(23, 23), 1.0),
        "a quarter of the area": (part(16, 16), 1.0),
    }
    return {
        name: generations(np.ascontiguousarray(each), numbers, strength) for name, (each, strength) in shown.items()
    }


def described(images: np.ndarray) -> np.ndarray:
    return DESCRIPTOR.describe_many([Image.fromarray(image) for image in images])


if __name__ == "__main__":
    main()
