"""How fast images are indexed, against a bare loop that only decodes them at the size needed.

Run: python benchmarks/indexing.py PHOTOS.parquet [--count 1000] [--quality 90] [--workers N] [--rounds 5]

The photographs are cut in several ways, made 512 × 512 and saved as JPEGs in a folder. Then it is indexed by each
descriptor, with everything that `copyrisk index` does (finding and reading the files, hashing, decoding, describing,
writing shards to disk). The rival reads and decodes the same files in as many threads, and keeps nothing: at the scale
that leaves as many pixels as the descriptor needs, by simplejpeg (libjpeg-turbo without Pillow) where it is installed,
else by Pillow's draft mode. Both are run in turn in one process, and each round gives a ratio; the median counts, with
the least and the greatest. The ratio of processor time is shown too: other work on the machine disturbs it less.
`pixels and PDQ` is one decoding for both and a row that holds both.
"""

import argparse
import io
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from copyrisk.descriptors import Descriptor
from copyrisk.descriptors.pdq import Pdq
from copyrisk.descriptors.photo import Photo
from copyrisk.descriptors.pixels import Pixels
from copyrisk.index import store, update

SIDE = 512
TASK_FILES = 32


class Both(Descriptor):
    """Pixels and PDQ in one row."""

    specifier = "pixels and PDQ"
    dimensions = 32 * 32 * 3 + 256

    def __init__(self) -> None:
        self.parts = Pixels("32"), Pdq()
        needs = [getattr(part, "needs", None) for part in self.parts]
        self.needs = None if None in needs else max(needs)

    def describe(self, image: Image.Image) -> Any:
        return self.describe_many([image])[0]

    def describe_many(self, images: Sequence[Image.Image]) -> Any:
        return np.concatenate([part.describe_many(images) for part in self.parts], axis=1)


DESCRIPTORS: dict[str, Callable[[], Descriptor]] = {
    "photo": Photo,
    "pixels:32": lambda: Pixels("32"),
    "pdq": Pdq,
    "pixels and PDQ": Both,
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("photos", type=Path)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--quality", type=int, default=90)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", action="append", choices=list(DESCRIPTORS), help="a descriptor, maybe several times")
    options = parser.parse_args()
    # `build` takes names; one of these descriptors has none.
    store.open_descriptor = update.open_descriptor = lambda specifier: DESCRIPTORS[specifier]()
    with tempfile.TemporaryDirectory() as place:
        files = write_images(options.photos, Path(place) / "images", options.count, options.quality)
        size = sum(file.stat().st_size for file in files) / len(files) / 1e3
        by = decoder().__name__
        print(f"{len(files):,} JPEGs of {SIDE}×{SIDE}, {size:.0f} kB each; {options.workers} threads; rival by {by}\n")
        print("| descriptor | decoded at | decoding only, images/s | index, images/s | ratio | of processor time |")
        print("|---|---|---|---|---|---|")
        for name in options.only or DESCRIPTORS:
            needs = min(SIDE, getattr(DESCRIPTORS[name](), "needs", None) or SIDE)
            bare, ours = [], []
            for number in range(options.rounds):
                out = Path(place) / f"{name}-{number}"
                bare.append(timed(lambda needs=needs: decode_all(files, needs, options.workers)))
                ours.append(timed(lambda out=out, name=name: index(files, out, name, options.workers)))
            cells = [f"{len(files) / statistics.median(seconds for seconds, _ in runs):,.0f}" for runs in (bare, ours)]
            for clock in (0, 1):
                ratios = sorted(one[clock] / other[clock] for one, other in zip(bare, ours, strict=True))
                cells.append(f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})")
            print("| " + " | ".join([name, str(needs), *cells]) + " |", flush=True)


def write_images(photos: Path, folder: Path, count: int, quality: int) -> list[Path]:
    """Cut pieces out of the photographs, another of each in every round, and save them as JPEGs."""
    folder.mkdir()
    pictures = pq.read_table(photos, columns=["image"])["image"].to_pylist()
    files = []
    for number in range(count):
        image = Image.open(io.BytesIO(pictures[number % len(pictures)]["bytes"])).convert("RGB")
        turn = number // len(pictures)
        side = int(min(image.size) * (0.7 + 0.03 * (turn % 10)))
        left, top = (image.width - side) * (turn % 3) // 2, (image.height - side) * (turn % 4) // 3
        piece = image.crop((left, top, left + side, top + side)).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
        files.append(folder / f"{number:06d}.jpg")
        piece.save(files[-1], quality=quality)
    return files


def index(files: list[Path], out: Path, name: str, workers: int) -> None:
    done = update.build(str(files[0].parent), out, name, workers)
    assert (done.described, done.unreadable) == (len(files), 0)


def decode_all(files: list[Path], side: int, workers: int) -> None:
    decode = decoder()

    def decode_some(first: int) -> None:
        for file in files[first : first + TASK_FILES]:
            decode(file.read_bytes(), side)

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(decode_some, range(0, len(files), TASK_FILES)))


def decoder() -> Callable[[bytes, int], Any]:
    """Return the fastest decoder that is installed."""
    return simplejpeg if find_spec("simplejpeg") else pillow


def simplejpeg(data: bytes, side: int) -> Any:
    from simplejpeg import decode_jpeg

    return decode_jpeg(data, min_height=side, min_width=side)


def pillow(data: bytes, side: int) -> Any:
    image = Image.open(io.BytesIO(data), formats=["JPEG"])
    image.draft("RGB", (side, side))
    image.load()
    return image


def timed(action: Callable[[], None]) -> tuple[float, float]:
    """Return the seconds that an action takes, by the clock and of processor time."""
    began, processor = time.perf_counter(), time.process_time()
    action()
    return time.perf_counter() - began, time.process_time() - processor


if __name__ == "__main__":
    main()
