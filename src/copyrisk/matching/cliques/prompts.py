"""The prompts of a folder of generations, one by one: which are memorized? Results are kept as they come.

Table `cliques`, one row a prompt, memorized ones first: `prompt`; `images`, and how many were `compared`; `verdict`;
`size` of the largest clique found and `at_most`, what no clique is larger than; `edges` (pairs of near-identical
images); `members` (see `Clique`) and `centre`, as file names below the folder; `mask` (a text of 0 and 1 a row of
cells), `share` and `detail_share` of the agreement; `left_out` (`id`, `reason`) of images that took no part.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import numpy as np
import pyarrow as pa
from PIL import Image

from copyrisk.collections import Item
from copyrisk.collections.decode import decode
from copyrisk.collections.folder import fingerprint, relative_name
from copyrisk.errors import UnreadableImage, UserError
from copyrisk.files import read_json, write_bytes, write_json, write_table
from copyrisk.generators.folder import ExistingImages
from copyrisk.matching.cliques import find_clique
from copyrisk.matching.cliques.blocks import LEAST_SIDE, Picture
from copyrisk.matching.cliques.page import Shown, render
from copyrisk.options import CliquesOptions
from copyrisk.parallel import in_threads
from copyrisk.progress import bar
from copyrisk.run import digest

FORMAT = 1
"""Raise it when results change their meaning: those of an older version are then made anew."""
IN_MEMORY = 3 * 2**30
"""Bytes of pixels of a prompt that are held in memory; what goes beyond lies in a temporary file."""
SAME_SHAPE = 1.02
"""Images whose proportions differ by more than this factor from the prompt's are not resized."""
MEMBERS_SHOWN = 12
VERDICTS = ("memorized", "template", "not memorized")

SCHEMA = pa.schema(
    [
        ("prompt", pa.string()),
        ("images", pa.int64()),
        ("compared", pa.int64()),
        ("verdict", pa.string()),
        ("size", pa.int64()),
        ("at_most", pa.int64()),
        ("edges", pa.int64()),
        ("members", pa.list_(pa.string())),
        ("centre", pa.string()),
        ("mask", pa.list_(pa.string())),
        ("share", pa.float64()),
        ("detail_share", pa.float64()),
        ("left_out", pa.list_(pa.struct([("id", pa.string()), ("reason", pa.string())]))),
    ]
)


@dataclass(frozen=True)
class Found:
    """What was found: the table, the facts in numbers, and the page."""

    table: pa.Table
    facts: dict[str, Any]
    page: Path


def cliques(folder: str | Path, options: CliquesOptions | None = None) -> Found:
    """Find the memorized prompts among images made elsewhere, in a folder as for `--model folder:`.

    Writes `cliques.parquet`, `cliques.json` and `cliques.html` into `options.out`, and each prompt's result, as soon as
    it is there, into `options.out/prompts`: prompts whose files and options are as they were are not done again. Raises
    UserError where the folder holds no image or the output folder something else.
    """
    options = options or CliquesOptions()
    root = Path(folder).expanduser()
    _check_out(options.out)
    prompts = _prompts(root)
    results = options.out / "prompts"
    rows = []
    with bar("cliques", sum(map(len, prompts.values())), "image") as progress:
        for prompt, files in prompts.items():
            rows.append(_result(root, prompt, files, options, results))
            progress.update(len(files))
    kept = {_path(results, prompt) for prompt in prompts}
    for path in results.glob("*.json"):
        if path not in kept:
            path.unlink()
    rows.sort(key=lambda row: (VERDICTS.index(row["verdict"]), -len(row["members"]), row["prompt"]))
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    facts = _facts(root, rows, options)
    write_table(options.out / "cliques.parquet", table)
    page = options.out / "cliques.html"
    write_bytes(page, render(facts, _shown(root, prompts, rows, options.prompts)).encode())
    write_json(options.out / "cliques.json", facts)
    return Found(table, facts, page)


def _check_out(out: Path) -> None:
    """Raise UserError where the output folder holds anything but what an earlier call left there."""
    if out.exists() and not (out / "prompts").is_dir() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} is not empty and holds no earlier result. Give --out a new folder.")


def _prompts(root: Path) -> dict[str, list[Path]]:
    """Return the images of each prompt, in the order of their seeds; without any prompt the folder's name is one."""
    if not root.is_dir():
        raise UserError(f"there is no folder {root}. Give a folder of generated images, one sub-folder a prompt.")
    try:
        images = ExistingImages(root)
    except UserError:
        raise UserError(f"no image found in {root}. Give a folder of images, one sub-folder a prompt.") from None
    prompts: dict[str, list[Path]] = {}
    for (prompt, _), path in sorted(images.paths.items()):
        prompts.setdefault(prompt or root.resolve().name, []).append(path)
    return prompts


def _path(results: Path, prompt: str) -> Path:
    return results / f"{sha256(prompt.encode('utf-8', 'surrogatepass')).hexdigest()[:24]}.json"


def _result(root: Path, prompt: str, files: list[Path], options: CliquesOptions, results: Path) -> dict[str, Any]:
    """Return a prompt's row: the one that was kept, or a new one, which is kept."""
    path = _path(results, prompt)
    made = digest([FORMAT, prompt, fingerprint(root, files), options.threshold, options.least])
    if path.exists():
        try:
            kept = read_json(path)
            if kept["made"] == made:
                row: dict[str, Any] = kept["row"]
                return row
        except (ValueError, KeyError, TypeError):
            pass  # Damaged: it is made anew.
    row = _find(root, prompt, files, options)
    write_json(path, {"made": made, "row": row})
    return row


def _find(root: Path, prompt: str, files: list[Path], options: CliquesOptions) -> dict[str, Any]:
    names = [relative_name(root, file) for file in files]
    with TemporaryFile() as spill:
        read = list(_held(in_threads(options.workers, _read, files), spill))
        sizes = Counter(each.shape[:2] for each in read if not isinstance(each, str))
        # Of two equally frequent sizes, the smaller: nothing is made up then.
        size = min(sizes, key=lambda size: (-sizes[size], size[0] * size[1], size)) if sizes else None
        read = [each if isinstance(each, str) or size is None else _brought(each, size) for each in read]
        pictures = {number: each for number, each in enumerate(read) if not isinstance(each, str)}
        rows = list(pictures)
        found = find_clique(list(pictures.values()), options.threshold, options.least)
    left_out = {names[number]: each for number, each in enumerate(read) if isinstance(each, str)}
    left_out |= {names[rows[number]]: "next to nothing in it" for number in found.even}
    return {
        "prompt": prompt,
        "images": len(files),
        "compared": len(files) - len(left_out),
        "verdict": found.verdict,
        "size": found.size,
        "at_most": found.at_most,
        "edges": len(found.edges),
        "members": [names[rows[member]] for member in found.members],
        "centre": None if found.centre is None else names[rows[found.centre]],
        "mask": ["".join("01"[cell] for cell in row) for row in found.mask.astype(int).tolist()],
        "share": found.share,
        "detail_share": found.detail_share,
        "left_out": [{"id": name, "reason": reason} for name, reason in sorted(left_out.items())],
    }


def _read(path: Path) -> Picture | str:
    """Return the pixels of an image, or why it takes no part."""
    try:
        image = decode(Item(id=path.name, caption="", position=0, path=path).read())
    except UnreadableImage as error:
        return str(error)
    if min(image.size) < LEAST_SIDE:
        return f"too small: {image.width}×{image.height} pixels, at least {LEAST_SIDE} each way are needed"
    return np.asarray(image)


def _brought(picture: Picture, size: tuple[int, int]) -> Picture | str:
    """Return a picture in the prompt's size, (height, width), or why it takes no part."""
    height, width = picture.shape[:2]
    if (height, width) == size:
        return picture
    change = (height / width) / (size[0] / size[1])
    if not 1 / SAME_SHAPE <= change <= SAME_SHAPE:
        return f"another shape: {width}×{height} pixels, most are {size[1]}×{size[0]}"
    return np.asarray(Image.fromarray(picture).resize((size[1], size[0]), Image.Resampling.BOX))


def _held(read: Iterable[Picture | str], spill: IO[bytes]) -> Iterator[Picture | str]:
    """Yield what was read; pictures that go beyond `IN_MEMORY` lie in the file."""
    size = 0
    for each in read:
        if isinstance(each, str) or size + each.nbytes <= IN_MEMORY:
            size += 0 if isinstance(each, str) else each.nbytes
            yield each
            continue
        start = spill.seek(0, 2)
        spill.write(each.tobytes())
        spill.flush()
        yield np.memmap(spill, np.uint8, "r", start, each.shape)


def _facts(root: Path, rows: list[dict[str, Any]], options: CliquesOptions) -> dict[str, Any]:
    verdicts = Counter(row["verdict"] for row in rows)
    asked = asdict(options)
    return {
        "folder": str(root),
        "threshold": asked["threshold"],
        "least": asked["least"],
        "images": sum(row["images"] for row in rows),
        "left_out": sum(len(row["left_out"]) for row in rows),
        "verdicts": {verdict: verdicts[verdict] for verdict in VERDICTS},
        "too_few": sum(row["compared"] < options.least for row in rows),
        "prompts": rows,
    }


def _shown(root: Path, prompts: dict[str, list[Path]], rows: list[dict[str, Any]], count: int) -> list[Shown]:
    """Gather what the page shows of the first prompts that are memorized or templates."""
    shown = []
    for row in [row for row in rows if row["verdict"] != VERDICTS[-1]][:count]:
        files = {relative_name(root, file): file for file in prompts[row["prompt"]]}
        names = [row["centre"], *(name for name in row["members"] if name != row["centre"])][:MEMBERS_SHOWN]
        read = [_read(files[name]) for name in names]
        pictures = [(name, None if isinstance(each, str) else each) for name, each in zip(names, read, strict=True)]
        shown.append(Shown(row, pictures))
    return shown
