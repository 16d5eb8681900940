"""How long one check takes, with a checker that stays loaded and from the command line.

Run: python benchmarks/checking.py CIFAR10_TRAIN.parquet [--references 1000000] [--checks 200] [--folder FOLDER]

The references are made here: blends of two pictures of CIFAR-10, 32 × 32, saved as JPEG in a Parquet file (about 1 GB
for a million), and indexed by `photo`. Half of the checked pictures hold half of a reference, half are new blends.
Loading is what a service pays once; `cold` is the whole of `copyrisk check IMAGE --index INDEX`, Python included. The
parts of a check: candidates (all references), reading back and comparing pixels (the few candidates). FOLDER keeps
references and index for another run.
"""

import argparse
import io
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from copyrisk.descriptors.photo import GREY
from copyrisk.index.update import build
from copyrisk.matching.checker import Checker

SHARD = 10_000


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("cifar", type=Path)
    parser.add_argument("--references", type=int, default=1_000_000)
    parser.add_argument("--checks", type=int, default=200)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = options.folder or Path(place)
        pictures = cifar(options.cifar)
        references, index = folder / f"references-{options.references}", folder / f"index-{options.references}"
        make_references(pictures, references, options.references)
        began = time.perf_counter()
        build(str(references), index, "photo", 0)
        print(f"indexed {options.references:,} references in {time.perf_counter() - began:.0f} s")
        began = time.perf_counter()
        checker = Checker(index)
        print(f"loaded in {time.perf_counter() - began:.1f} s, {peak():,} MB at most")
        warm(checker, pictures, options)
        cold(index, pictures, folder)


def warm(checker: Checker, pictures: np.ndarray, options: argparse.Namespace) -> None:
    seconds, searching, found = [], [], 0
    for number in range(options.checks):
        image, position = query(pictures, number, options.references)
        began = time.perf_counter()
        checked = checker.check(Image.fromarray(image))
        seconds.append(time.perf_counter() - began)
        row = checker.photo.describe(Image.fromarray(image))
        began = time.perf_counter()
        checker.candidates.of(row[None, GREY].reshape(1, 32, 32))
        searching.append(time.perf_counter() - began)
        if position is not None:
            found += any(match.id.endswith(f"{position:07d}") for match in checked.matches)
    milliseconds, candidates = 1000 * np.array(seconds), 1000 * np.array(searching)
    print(
        f"{options.checks} checks, warm: median {np.median(milliseconds):.0f} ms, 99th percentile "
        f"{np.percentile(milliseconds, 99):.0f} ms (candidates: median {np.median(candidates):.0f} ms); "
        f"{found} of {options.checks // 2} planted halves found; {peak():,} MB at most"
    )


def cold(index: Path, pictures: np.ndarray, folder: Path) -> None:
    path = folder / "query.png"
    Image.fromarray(query(pictures, 0, 1)[0]).save(path)
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        run = subprocess.run(
            [sys.executable, "-m", "copyrisk", "check", path, "--index", index], capture_output=True, text=True
        )
        assert run.returncode in (0, 1), run.stderr
        seconds.append(time.perf_counter() - began)
    print(f"copyrisk check, cold: {np.median(seconds):.1f} s (median of 3)")


def cifar(path: Path) -> np.ndarray:
    encoded = pq.read_table(path, columns=["image"])["image"].to_pylist()
    return np.array([np.asarray(Image.open(io.BytesIO(row["bytes"])).convert("RGB")) for row in encoded])


def blend(pictures: np.ndarray, generator: np.random.Generator, count: int) -> np.ndarray:
    one, other = (pictures[generator.integers(len(pictures), size=count)].astype(np.float32) for _ in range(2))
    share = generator.uniform(0.55, 0.9, (count, 1, 1, 1)).astype(np.float32)
    return np.rint(share * one + (1 - share) * other[:, :, ::-1]).astype(np.uint8)


def reference(pictures: np.ndarray, position: int) -> np.ndarray:
    """Make the shard of a reference anew and return its picture."""
    shard = blend(pictures, np.random.default_rng([1, position // SHARD]), SHARD)
    return shard[position % SHARD]


def make_references(pictures: np.ndarray, folder: Path, count: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for start in range(0, count, SHARD):
        path = folder / f"part-{start // SHARD:04d}.parquet"
        if path.exists():
            continue
        shard = blend(pictures, np.random.default_rng([1, start // SHARD]), SHARD)[: count - start]
        rows = {"id": [f"{start + number:07d}" for number in range(len(shard))], "image": [jpeg(one) for one in shard]}
        pq.write_table(pa.table(rows), path, row_group_size=100)


def jpeg(picture: np.ndarray) -> bytes:
    held = io.BytesIO()
    Image.fromarray(picture).save(held, "JPEG", quality=92)
    return held.getvalue()


def query(pictures: np.ndarray, number: int, references: int) -> tuple[np.ndarray, int | None]:
    """Return a new blend, every second time with half of a reference, and which."""
    generator = np.random.default_rng([2, number])
    image = blend(pictures, generator, 1)[0]
    if number % 2:
        return image, None
    position = int(generator.integers(references))
    held = reference(pictures, position)
    image[:, :16] = held[:, 8:24]
    return image, position


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    main()
