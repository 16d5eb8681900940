"""The picture pairs of the gallery, read back from where they are."""

import io
from contextlib import suppress
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from copyrisk.chosen import Chosen
from copyrisk.collections import Collection
from copyrisk.collections.decode import decode
from copyrisk.errors import UnreadableImage, UserError
from copyrisk.files import read_table
from copyrisk.generators import generation_shards, read_image
from copyrisk.index import read_collection
from copyrisk.matching import COPIES, read_matches
from copyrisk.report.pictures import Pair
from copyrisk.run import Run

Evidence = tuple[Image.Image, tuple[float, float, float, float]]


def load_pairs(run: Run, chosen: Chosen, pairs: list[dict[str, Any]]) -> list[Pair]:
    """Load generation and reference of each pair; a picture that is no longer there is None."""
    generations = _generations(run, {pair["generation_id"] for pair in pairs})
    references = read_collection(run, "references").select(["id", "position"])
    positions = dict(zip(references["id"].to_pylist(), references["position"].to_pylist(), strict=True))
    collection: Collection | None = None
    with suppress(UserError):
        collection = chosen.references
    loaded: dict[str, Image.Image | None] = {}
    for name in {pair["reference"] for pair in pairs}:
        loaded[name] = _reference(collection, name, positions[name])
    evidence = _evidence(run, pairs)
    return [
        Pair(
            generations.get(pair["generation_id"]),
            loaded[pair["reference"]],
            *(evidence.get(pair["generation_id"], (None, None)) if pair["verdict"] in COPIES else (None, None)),
        )
        for pair in pairs
    ]


def _evidence(run: Run, pairs: list[dict[str, Any]]) -> dict[str, Evidence]:
    """Return the mask and box of each pair whose test gave them."""
    matches = read_matches(run).select(["generation_id", "mask", "box"])
    wanted = pa.array(sorted({pair["generation_id"] for pair in pairs}), pa.string())
    rows = matches.filter(pc.is_in(matches["generation_id"], value_set=wanted)).to_pylist()
    return {
        row["generation_id"]: (Image.open(io.BytesIO(row["mask"])), tuple(row["box"]))
        for row in rows
        if row["mask"] is not None
    }


def _generations(run: Run, wanted: set[str]) -> dict[str, Image.Image]:
    found = {}
    for path in generation_shards(run):
        ids = read_table(path, ["generation_id"])["generation_id"]
        if wanted.intersection(ids.to_pylist()):
            table = read_table(path, ["generation_id", "image"])
            for row in table.filter(pc.is_in(table["generation_id"], value_set=pa.array(sorted(wanted)))).to_pylist():
                with suppress(UnreadableImage):
                    found[row["generation_id"]] = decode(read_image(row["image"]))
    return found


def _reference(collection: Collection | None, name: str, position: int) -> Image.Image | None:
    if collection is None or position >= len(collection):
        return None
    with suppress(UnreadableImage):
        item = collection.item(position)
        # The collection may have changed since it was indexed; another picture must not pass for this one.
        return decode(item.read()) if item.id == name else None
    return None
