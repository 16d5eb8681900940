"""Pictures of one kind with one layout: which are called copies of each other, and which true copies are found?

Run: python benchmarks/classes.py [--classes "form,QR code"] [--count 24] [--changes saved,turned | all] [--rivals]

Pictures are drawn (`drawn/`), the same ones on each run. Of each class an index is made of `count` references; as many
others of the same class are checked, and copies of all references, changed in each of the ways. An other is called a
copy where any reference is named, whole or in part (in brackets: how many of them whole). "At most" is the upper end of
the 95 % interval of Clopper and Pearson. A copy is found where its own reference is named; "also another" counts copies
that name a wrong reference, too or instead. Milliseconds are processor time a check.

Rivals (`pip install pdqhash opencv-python-headless`): PDQ at a distance of at most 31 of 256 bits, the image or its
mirror image, with and without the hashes whose quality is below 50 (PDQ's authors advise to leave them out); and SIFT
(Lowe 2004; descriptors as Arandjelović and Zisserman 2012), the 1,000 strongest points at a long side of 512, the
image or its mirror image, matches at a ratio of 0.8, an affine map by RANSAC with at least `--inliers` inliers.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from drawn import CHANGES, CLASSES, EVERYDAY, drawn
from PIL import Image
from scipy.stats import binomtest

from copyrisk.index.update import build
from copyrisk.matching.checker import Checker

Named = dict[int, bool]
"""References that an image is called a copy of, and whether of the whole."""
Check = Callable[[Image.Image], Named]
Method = Callable[[list[Image.Image], Path], Check]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--classes", type=lambda text: text.split(","), default=list(CLASSES))
    parser.add_argument("--count", type=int, default=24)
    parser.add_argument("--changes", type=lambda text: list(CHANGES) if text == "all" else text.split(","),
                        default=list(EVERYDAY), help="names, or all")  # fmt: skip
    parser.add_argument("--rivals", action="store_true")
    parser.add_argument("--inliers", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0, help="of the pictures")
    options = parser.parse_args()
    if unknown := (set(options.classes) - set(CLASSES)) | (set(options.changes) - set(CHANGES)):
        parser.error(f"there is no {', '.join(sorted(unknown))} among {', '.join([*CLASSES, *CHANGES])}")
    methods: dict[str, Method] = {"copyrisk": ours}
    if options.rivals:
        methods |= {"PDQ": pdq, "PDQ, quality 50": partial(pdq, quality=50)}
        methods[f"SIFT, {options.inliers} inliers"] = partial(sift, inliers=options.inliers)
    for method, prepare in methods.items():
        table(method, prepare, options)


def table(method: str, prepare: Method, options: argparse.Namespace) -> None:
    heads = [method, "others called copies (whole)", "at most", *options.changes, "also another", "ms"]
    print(f"\n| {' | '.join(heads)} |\n" + "|---" * len(heads) + "|")
    counts = []
    for name in options.classes:
        counts.append(counted(prepare, name, options))
        line(name, counts[-1], options)
    line("all", np.sum(counts, axis=0), options, len(counts))


def counted(prepare: Method, name: str, options: argparse.Namespace) -> np.ndarray:
    """Return others called copies, those of the whole, copies found by change, copies that name another, seconds."""
    kind = drawn(name, options.count, options.seed)
    with tempfile.TemporaryDirectory() as place:
        check, seconds = prepare(kind.references, Path(place)), 0.0

        def checked(images: Sequence[Image.Image]) -> list[Named]:
            nonlocal seconds
            began = time.process_time()
            named = [check(image) for image in images]
            seconds += time.process_time() - began
            return named

        others = checked(kind.others)
        copies = [checked(kind.copies(change)) for change in options.changes]
    found = [sum(number in named for number, named in enumerate(some)) for some in copies]
    another = sum(bool(named.keys() - {number}) for some in copies for number, named in enumerate(some))
    return np.array([sum(map(bool, others)), sum(any(each.values()) for each in others), *found, another, seconds])


def line(name: str, counts: np.ndarray, options: argparse.Namespace, classes: int = 1) -> None:
    count = classes * options.count
    called, whole, *found, another = (int(each) for each in counts[:-1])
    highest = binomtest(called, count).proportion_ci(0.95, "exact").high
    cells = [name, f"{called} of {count} ({whole})", f"{highest:.1%}", *(f"{each / count:.1%}" for each in found)]
    cells += [f"{another / count / max(1, len(found)):.1%}", f"{1000 * counts[-1] / count / (1 + len(found)):.0f}"]
    print("| " + " | ".join(cells) + " |", flush=True)


# Methods: from references, and a folder to write in, to a function that checks an image


def ours(references: list[Image.Image], folder: Path) -> Check:
    (folder / "references").mkdir()
    for number, image in enumerate(references):
        image.save(folder / "references" / f"{number}.png", compress_level=1)
    build(str(folder / "references"), folder / "index", "photo", 0)
    checker = Checker(folder / "index")

    def check(image: Image.Image) -> Named:
        return {int(Path(match.id).stem): match.verdict == "copy" for match in checker.check(image).matches}

    return check


def mirror(image: Image.Image) -> Image.Image:
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def pdq(references: list[Image.Image], folder: Path, quality: int = 0, distance: int = 31) -> Check:
    import pdqhash

    def hashed(image: Image.Image) -> tuple[np.ndarray, int]:
        # Like PDQ's own program.
        image = image.resize((512, 512), Image.Resampling.BILINEAR) if max(image.size) > 512 else image
        bits, good = pdqhash.compute(np.asarray(image))
        return bits.astype(bool), good

    kept = [(number, *hashed(image)) for number, image in enumerate(references)]

    def check(image: Image.Image) -> Named:
        named: Named = {}
        for bits, good in (hashed(image), hashed(mirror(image))):
            for number, other, other_good in kept:
                if min(good, other_good) >= quality and (bits ^ other).sum() <= distance:
                    named[number] = True
        return named

    return check


def sift(references: list[Image.Image], folder: Path, inliers: int = 20, points: int = 1000, side: int = 512) -> Check:
    import cv2

    detector = cv2.SIFT_create(nfeatures=points)

    def described(image: Image.Image) -> tuple[np.ndarray, np.ndarray]:
        factor = side / max(image.size)
        small = image.convert("L").resize(
            [max(1, round(factor * each)) for each in image.size], Image.Resampling.LANCZOS
        )
        keys, rows = detector.detectAndCompute(np.asarray(small), None)
        if rows is None:
            return np.empty((0, 2), np.float32), np.empty((0, 128), np.float32)
        rows = np.sqrt(rows / np.maximum(rows.sum(axis=1, keepdims=True), 1e-9))
        return np.array([key.pt for key in keys], np.float32), rows

    kept = [described(image) for image in references]

    def agree(places: np.ndarray, rows: np.ndarray, other_places: np.ndarray, other_rows: np.ndarray) -> bool:
        if min(len(rows), len(other_rows)) < max(inliers, 3):
            return False
        # Rows have length 1, so that the squared distance is 2 − 2 times the product.
        products = rows @ other_rows.T
        nearest = products.argmax(axis=1)
        best = products[np.arange(len(rows)), nearest]
        products[np.arange(len(rows)), nearest] = -1
        matched = np.flatnonzero(2 - 2 * best < 0.8**2 * (2 - 2 * products.max(axis=1)))
        if len(matched) < max(inliers, 3):
            return False
        _, fitting = cv2.estimateAffine2D(places[matched], other_places[nearest[matched]], ransacReprojThreshold=3)
        if fitting is None:
            return False
        # Many points that fall on one are one.
        inside = matched[fitting[:, 0] > 0]
        return min(len(np.unique(nearest[inside])), len(np.unique(places[inside], axis=0))) >= inliers

    def check(image: Image.Image) -> Named:
        views = [described(image), described(mirror(image))]
        return {number: True for number, other in enumerate(kept) if any(agree(*view, *other) for view in views)}

    return check


if __name__ == "__main__":
    main()
