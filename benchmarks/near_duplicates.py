"""How long it takes to find all near-duplicates exactly, against faiss (flat range search) and imagededup (PHash).

Run: python benchmarks/near_duplicates.py CIFAR10_TRAIN.parquet [--imagededup PYTHON] [--wide]

PYTHON is an interpreter that has imagededup, where this one has not. Every measurement is a process of its own; ours
runs before and after each rival, and the slower of the two counts. Seconds are by the clock, with the seconds of
processor time behind them, which other work on the machine disturbs less. Peak memory is the process's largest resident
size, memory-mapped rows included. Seconds begin when the rows are in memory (faiss: already as float32) or mapped
(ours: as they are, uint8 or float32) and end when the pairs are known. faiss: IndexFlatL2, queries in blocks of 2048,
a thread a processor; its pairs are those of float32: pairs that only one of both finds are counted as explained where
the exact squared distance is within the rounding error of float32 of the limit. imagededup, on the first 20,000 images:
its brute force in Cython without workers, which with 10,000 hashes was faster than with two of them (14 s, 21 s) and
than its BK-tree (over 7 minutes).

Inputs: `cifar`, the images of CIFAR-10, 3,072 columns; `normal`, 100,000 × 512 numbers from a standard normal
distribution, 5,000 of the rows copies with noise of 0.05; `blends`, 768 columns, each a blend of two images of CIFAR-10
at 16 × 16 pixels with other colours and contrast, 1 % of the rows copies with noise of 4 grey levels. `--wide` adds a
search of the nearest among 1,000,000 blends of 32 × 32 pixels, 3 GB.
"""

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from copyrisk.index.search import Index, distance_between, pairs_within

FAISS_ROWS = 2048
THREADS = os.cpu_count() or 1


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("cifar", type=Path)
    parser.add_argument("--imagededup", default=sys.executable)
    parser.add_argument("--wide", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        cifar, normal = cifar_rows(options.cifar, folder), normal_rows(folder)
        print("| input | rows | columns | limit | pairs | ours s (processor s) | rival s (processor s) | times as fast "
              "| peak MB ours | peak MB rival |\n|---|---|---|---|---|---|---|---|---|---|")  # fmt: skip
        join("cifar", cifar, [0.08, 0.05], faiss=True)
        join("normal", normal, [1.5], faiss=True)
        for count in (10_000, 100_000, 1_000_000):
            join("blends", blended_rows(cifar, folder, count, 16), [0.05], faiss=count == 10_000)
        search("cifar", cifar, 1, faiss=True)
        search("cifar", cifar, 50, faiss=True)
        search("blends", blended_rows(cifar, folder, 1_000_000, 16), 50)
        if options.wide:
            search("blends", blended_rows(cifar, folder, 1_000_000, 32), 50)
        perceptual_hash(options.imagededup, cifar, folder)


def join(name: str, rows: Path, limits: list[float], faiss: bool = False) -> None:
    """Print a line a limit; faiss takes as long for one limit as for another and is run for the first."""
    before = [measured("ours", rows, limit) for limit in limits]
    rival = measured("faiss", rows, limits[0]) if faiss else None
    for limit, first in zip(limits, before, strict=True):
        ours = slower(first, measured("ours", rows, limit))
        line(name, rows, f"{limit:g}", f"{len(ours['pairs']):,}", ours, rival)
        if rival is not None and limit == limits[0]:
            print(f"  faiss found {agreement(np.load(rows, mmap_mode='r'), limit, ours['pairs'], rival['pairs'])}")


def search(name: str, rows: Path, k: int, faiss: bool = False) -> None:
    """Print a line for the k nearest of 500 queries, rows turned upside down."""
    before = measured("ours nearest", rows, k)
    rival = measured("faiss nearest", rows, k) if faiss else None
    ours = slower(before, measured("ours nearest", rows, k))
    line(f"{name}, {k} nearest of 500", rows, "", "", ours, rival)
    searching = ours["seconds"] - ours["index"]
    print(f"  of ours, the index took {ours['index']:.1f} s, once for all queries, and the search {searching:.1f} s")
    if rival is not None:
        print(f"  distances differ by {np.abs(np.array(ours['distances']) - rival['distances']).max():.1e} at most")


def perceptual_hash(python: str, cifar: Path, folder: Path) -> None:
    """Print what imagededup's PHash takes, by its own best search, and how many of the exact pairs it has."""
    pictures = folder / "pictures"
    pictures.mkdir()
    rows = np.load(cifar)[:20_000]
    cifar = folder / "cifar-20000.npy"
    np.save(cifar, rows)
    for number, row in enumerate(rows.reshape(-1, 32, 32, 3)):
        Image.fromarray(row).save(pictures / f"{number:05d}.png", compress_level=0)
    code = f"""
import json, time
from pathlib import Path
from imagededup.methods import PHash
method = PHash(verbose=False)
start = time.perf_counter()
codes = method.encode_images({str(pictures)!r}, num_enc_workers={THREADS})
coded = time.perf_counter()
found = method.find_duplicates(encoding_map=codes, max_distance_threshold=10, num_dist_workers=0)
stop = time.perf_counter()
pairs = sorted({{(min(int(a[:5]), int(b[:5])), max(int(a[:5]), int(b[:5]))) for a in found for b in found[a]}})
peak = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) // 1024
print(json.dumps(dict(hash=coded - start, search=stop - coded, peak=peak, pairs=pairs)))
"""
    ours = measured("ours", cifar, 0.08)
    done = subprocess.run([python, "-c", code], capture_output=True, text=True)
    if done.returncode:
        print("imagededup: not measured:", done.stderr.strip().splitlines()[-1])
        return
    rival = json.loads(done.stdout.splitlines()[-1])
    ours = slower(ours, measured("ours", cifar, 0.08))
    exact, hashed = set(map(tuple, ours["pairs"])), set(map(tuple, rival["pairs"]))
    print(
        f"imagededup PHash, distance 10: {rival['hash']:.1f} s to hash and {rival['search']:.1f} s to search, "
        f"{rival['search'] / ours['seconds']:.1f} times ours ({ours['seconds']:.1f} s); {rival['peak']:,} MB; "
        f"{len(hashed):,} pairs, among them {len(exact & hashed)} of our {len(exact)} within 0.08"
    )


def line(name: str, path: Path, limit: str, pairs: str, ours: dict[str, Any], rival: dict[str, Any] | None) -> None:
    rows, columns = np.load(path, mmap_mode="r").shape
    cells = [name, f"{rows:,}", str(columns), limit, pairs, f"{ours['seconds']:.1f} ({ours['processor']:.1f})"]
    if rival is None:
        cells += ["", "", f"{ours['peak']:,}", ""]
    else:
        cells += [f"{rival['seconds']:.1f} ({rival['processor']:.1f})"]
        cells += [f"{rival['seconds'] / ours['seconds']:.0f} ({rival['processor'] / ours['processor']:.0f})"]
        cells += [f"{ours['peak']:,}", f"{rival['peak']:,}"]
    print("| " + " | ".join(cells) + " |", flush=True)


def agreement(rows: Any, limit: float, ours: list[list[int]], theirs: list[list[int]]) -> str:
    """Say how faiss's pairs differ from ours, and whether rounding to float32 explains each difference."""
    odd = np.array(sorted(set(map(tuple, ours)) ^ set(map(tuple, theirs))), np.int64).reshape(-1, 2)
    if not len(odd):
        return f"the same {len(ours):,} pairs"
    first, second = rows[odd[:, 0]], rows[odd[:, 1]]
    lengths = (scaled(first).astype(np.float64) ** 2).sum(1) + (scaled(second).astype(np.float64) ** 2).sum(1)
    away = np.abs(distance_between(first, second) ** 2 - limit**2)
    return f"{len(theirs):,} pairs; {len(odd)} differ, {int((away <= 1e-6 * lengths).sum())} of them explained"


def slower(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    assert one.get("pairs") == other.get("pairs")
    return max(one, other, key=lambda measurement: measurement["seconds"])


def measured(what: str, rows: Path, argument: float) -> dict[str, Any]:
    """Run `what` in a process of its own and return what it measured."""
    command = [sys.executable, __file__, "--measure", what, str(rows), str(argument)]
    result: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return result


def measure(what: str, path: Path, argument: float) -> None:
    mapped = np.load(path, mmap_mode="r")
    queries = np.ascontiguousarray(mapped[:: len(mapped) // 500][:500, ::-1])
    methods: dict[str, Callable[[], Any]] = {
        "ours": lambda: pairs_of_ours(mapped, argument),
        "faiss": lambda: pairs_of_faiss(scaled(mapped), argument),
        "ours nearest": lambda: nearest_of_ours(mapped, queries, int(argument)),
        "faiss nearest": lambda: nearest_of_faiss(scaled(mapped), scaled(queries), int(argument)),
    }
    print(json.dumps(methods[what]() | {"peak": peak()}))


def peak() -> int:
    """Return this process's largest resident size in MB (ru_maxrss would start at the parent's)."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) // 1024


def pairs_of_ours(rows: Any, limit: float) -> dict[str, Any]:
    clock = Clock()
    i, j, _ = pairs_within(rows, limit)
    return clock.read() | {"pairs": np.stack([i, j], 1).tolist()}


def pairs_of_faiss(rows: Any, limit: float) -> dict[str, Any]:
    import faiss

    faiss.omp_set_num_threads(THREADS)
    clock = Clock()
    index = faiss.IndexFlatL2(rows.shape[1])
    index.add(rows)
    found = []
    for start in range(0, len(rows), FAISS_ROWS):
        ends, _, j = index.range_search(rows[start : start + FAISS_ROWS], limit**2)
        i = start + np.repeat(np.arange(len(ends) - 1), np.diff(ends).astype(np.int64))
        found.append(np.stack([i, j], 1)[i < j])
    return clock.read() | {"pairs": sorted(np.concatenate(found).tolist())}


def nearest_of_ours(rows: Any, queries: Any, k: int) -> dict[str, Any]:
    clock = Clock()
    index = Index(rows)
    made = clock.read()["seconds"]
    found = index.nearest(queries, k)
    return clock.read() | {"index": made, "distances": found.distances.tolist()}


def nearest_of_faiss(rows: Any, queries: Any, k: int) -> dict[str, Any]:
    import faiss

    faiss.omp_set_num_threads(THREADS)
    clock = Clock()
    index = faiss.IndexFlatL2(rows.shape[1])
    index.add(rows)
    squares, _ = index.search(queries, k)
    return clock.read() | {"distances": np.sqrt(np.maximum(squares, 0)).tolist()}


def scaled(rows: Any) -> Any:
    """Return rows as float32, such that the Euclidean distance is the one of the index."""
    if rows.dtype == np.float32:
        return np.asarray(rows)
    return rows.astype(np.float32) / np.float32(255 * np.sqrt(rows.shape[1]))


class Clock:
    """Seconds by the clock and of processor time since it was made."""

    def __init__(self) -> None:
        self.start = time.perf_counter(), time.process_time()

    def read(self) -> dict[str, float]:
        return {
            "seconds": time.perf_counter() - self.start[0],
            "processor": time.process_time() - self.start[1],
        }


def cifar_rows(source: Path, folder: Path) -> Path:
    images = [image["bytes"] for image in pq.read_table(source, columns=["image"])["image"].to_pylist()]
    with ThreadPoolExecutor() as pool:
        rows = list(pool.map(lambda data: np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).reshape(-1), images))
    np.save(folder / "cifar.npy", np.array(rows))
    return folder / "cifar.npy"


def normal_rows(folder: Path) -> Path:
    generator = np.random.default_rng(1)
    rows = generator.standard_normal((100_000, 512), dtype=np.float32)
    chosen = generator.permutation(len(rows))[:10_000].reshape(2, -1)
    rows[chosen[1]] = rows[chosen[0]] + 0.05 * generator.standard_normal((5_000, 512), dtype=np.float32)
    np.save(folder / "normal.npy", rows)
    return folder / "normal.npy"


def blended_rows(cifar: Path, folder: Path, count: int, side: int) -> Path:
    path = folder / f"blends{side}-{count}.npy"
    if path.exists():
        return path
    generator = np.random.default_rng(2)
    step = 32 // side
    images = np.load(cifar).reshape(-1, side, step, side, step, 3).mean(axis=(2, 4), dtype=np.float32).astype(np.uint8)
    rows = np.lib.format.open_memmap(path, "w+", np.uint8, (count, side * side * 3))
    for start in range(0, count, 10_000):
        one, other = images[generator.integers(0, len(images), (2, 10_000))].astype(np.float32)
        turned = generator.random(len(one)) < 0.5
        one[turned] = one[turned][:, :, ::-1]
        weight = generator.uniform(0.5, 1, (len(one), 1, 1, 1)).astype(np.float32)
        contrast = generator.uniform(0.7, 1.3, (len(one), 1, 1, 3)).astype(np.float32)
        light = generator.uniform(-20, 20, (len(one), 1, 1, 3)).astype(np.float32)
        blend = (one * weight + other * (1 - weight) - 128) * contrast + 128 + light
        rows[start : start + len(one)] = np.clip(np.rint(blend), 0, 255).reshape(len(one), -1)
    chosen = generator.permutation(count)[: count // 50].reshape(2, -1)
    noise = np.rint(generator.normal(0, 4, (chosen.shape[1], rows.shape[1])))
    rows[chosen[1]] = np.clip(rows[chosen[0]] + noise, 0, 255)
    rows.flush()
    return path


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        measure(sys.argv[2], Path(sys.argv[3]), float(sys.argv[4]))
    else:
        main()
