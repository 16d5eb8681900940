"""What an approximate search of near pairs saves, and whether the recall that it states is the true one.

Run: python benchmarks/approximate.py CIFAR10_TRAIN.parquet [--rows 50000 200000 1000000] [--recall SHARE] [--seeds N]

`photo`: the views of each picture against all pictures, 63 columns, at the distance up to which `photo` looks at a
pair; 50,000 rows are the images of CIFAR-10, other numbers blends of two of them in other colours, 1 % of them copies
with noise (`near_duplicates.py`). `pixels`: pairs among the images of CIFAR-10, 3,072 columns, within 0.15. Seconds are
processor time, which other work on the machine disturbs less; the time by the clock of two threads is half of it. Up to
100,000 rows the exact search is run in full. Of more rows it is run for 50,000 random queries: its seconds are then
those times the share that these are of all (~), and the true recall is that of their pairs. `compared`: comparisons, as
a share of those of the exact search.

The second table: searches of the first 20,000 pictures, 4 views, with a seed each; how often the 95 % interval that is
stated holds the true recall, and how often the recall that is asked for is reached.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from near_duplicates import blended_rows, cifar_rows

from copyrisk.descriptors.photo import GREY, SEARCH_DISTANCE, Photo
from copyrisk.descriptors.thumbnails import grey_of
from copyrisk.index.approximate import near_pairs
from copyrisk.index.search import pairs_between, pairs_within

CIFAR_ROWS = 50_000
EXACT_ROWS = 100_000
SAMPLE = 50_000
PIXELS_LIMIT = 0.15


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("cifar", type=Path)
    parser.add_argument("--rows", type=int, nargs="*", default=[CIFAR_ROWS, 200_000])
    parser.add_argument("--recall", type=float, default=0.99)
    parser.add_argument("--seeds", type=int, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        cifar = cifar_rows(options.cifar, folder)
        print("| rows | queries | limit | pairs found | exact s | approximate s | compared | asked recall "
              "| stated recall (95 %) | on queries | true recall |\n" + "|---" * 11 + "|")  # fmt: skip
        for count in options.rows:
            rows = cifar if count == CIFAR_ROWS else blended_rows(cifar, folder, count, 32)
            views = views_of(np.load(rows, mmap_mode="r"))
            line(f"photo {count:,}", views.reshape(-1, 63), views[0], SEARCH_DISTANCE, options.recall)
        line(f"pixels {CIFAR_ROWS:,}", np.load(cifar), None, PIXELS_LIMIT, options.recall)
        if options.seeds:
            seeds(views_of(np.load(cifar)[:20_000])[:4], options.seeds)


def line(name: str, first: Any, second: Any, limit: float, recall: float) -> None:
    seconds, found = timed(near_pairs, first, second, limit, recall=recall)
    if second is None or len(second) <= EXACT_ROWS:
        exactly, (i, _, _) = timed(exact, first, second, limit)
        true, cost = len(found.i) / len(i), f"{exactly:.0f}"
    else:
        some = np.sort(np.random.default_rng(1).choice(len(first), SAMPLE, replace=False))
        exactly, (i, _, _) = timed(exact, first[some], second, limit)
        true, cost = np.isin(found.i, some).sum() / len(i), f"~{exactly * len(first) / SAMPLE:.0f}"
    low, high = found.interval
    cells = [name, f"{len(first):,}", f"{limit:.3f}", f"{len(found.i):,}", cost, f"{seconds:.0f}"]
    cells += [f"{found.compared:.1%}", f"{recall:g}", f"{found.recall:.4f} ({low:.4f} to {high:.4f})"]
    print("| " + " | ".join([*cells, f"{found.sampled:,}", f"{true:.4f}"]) + " |", flush=True)


def seeds(views: Any, count: int) -> None:
    """Print how often the interval holds and the asked recall is reached, a line a recall."""
    first, second = views.reshape(-1, 63), views[0]
    pairs = len(exact(first, second, SEARCH_DISTANCE)[0])
    print("\n| asked recall | searches | interval holds | recall reached | true recall, least and mean | mean width |")
    print("|---|---|---|---|---|---|")
    for recall in (0.9, 0.95, 0.99):
        found = [near_pairs(first, second, SEARCH_DISTANCE, recall=recall, seed=seed) for seed in range(count)]
        true = np.array([len(one.i) / pairs for one in found])
        low, high = np.array([one.interval for one in found]).T
        held, reached = int(((low <= true) & (true <= high)).sum()), int((true >= recall).sum())
        cells = [f"{recall:g}", f"{count}", f"{held}", f"{reached}", f"{true.min():.4f}, {true.mean():.4f}"]
        print("| " + " | ".join([*cells, f"{(high - low).mean():.4f}"]) + " |", flush=True)


def exact(first: Any, second: Any, limit: float) -> Any:
    return pairs_within(first, limit) if second is None else pairs_between(first, second, limit)


def timed(function: Callable[..., Any], *arguments: Any, **options: Any) -> tuple[float, Any]:
    """Return the processor time that a call took, in seconds, and what it returned."""
    start = time.process_time()
    result = function(*arguments, **options)
    return time.process_time() - start, result


def views_of(pixels: Any) -> Any:
    """Return the search columns of the views of pictures of 32 × 32 pixels: (views, n, 63), in memory."""
    photo = Photo()
    views = []
    for start in range(0, len(pixels), 5_000):
        some = np.asarray(pixels[start : start + 5_000]).reshape(-1, 32, 32, 3)
        rows = np.zeros((len(some), photo.dimensions), np.uint8)
        rows[:, GREY] = grey_of(some).reshape(len(some), -1)
        views.append(photo.views(rows))
    return np.concatenate(views, axis=1)


if __name__ == "__main__":
    main()
