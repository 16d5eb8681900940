"""What generations are compared with: the different pictures of a run, and controls that are none of these."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from copyrisk.duplicates import read_control_pictures, read_pictures
from copyrisk.index import descriptors_of, read_collection, readable
from copyrisk.index.pictures import Pictures
from copyrisk.index.search import Metric
from copyrisk.matching.verdict_test import Side
from copyrisk.run import Run
from copyrisk.verdicts.prepared import LONG_SIDE


@dataclass(frozen=True)
class Against:
    """One row a different picture, of references and of controls: ids, and descriptors with proportions.

    dropped: controls that are near-duplicates of references, so the model may have seen them after all.
    """

    ids: pa.Array
    references: Side
    control_ids: pa.Array
    controls: Side
    dropped: int
    metric: Metric

    @classmethod
    def read(cls, run: Run, metric: Metric) -> "Against":
        """Read the pictures and controls of a run whose duplicates are known."""
        references = readable(read_collection(run, "references"))
        references = references.filter(pc.is_in(references["id"], value_set=read_pictures(run)["cluster"]))
        controls = readable(read_collection(run, "controls"))
        controls = controls.filter(pc.is_in(controls["id"], value_set=read_control_pictures(run)["cluster"]))
        ids = (table["id"].combine_chunks().cast(pa.string()) for table in (references, controls))
        dropped = run.record("duplicates")["control_pictures_dropped"]
        sides = (side(references, run, "references"), side(controls, run, "controls"))
        return cls(next(ids), sides[0], next(ids), sides[1], dropped, metric)


def side(table: pa.Table, run: Run, name: str) -> Side:
    """Return the descriptors of a table with the proportions of its pictures, loaded from their collection."""
    width, height = (np.asarray(table[column].to_numpy(), np.float64) for column in ("width", "height"))
    source = run.manifest["collections"].get(name)
    pictures = Pictures([] if source is None else [source])
    wanted = table.select(["id", "position", "sha256"])

    def load(numbers: Sequence[int]) -> dict[int, Image.Image]:
        rows = [row | {"source": source} for row in wanted.take(list(numbers)).to_pylist()]
        found = pictures.load(rows, least_side=LONG_SIDE)
        return {number: found[row["id"]] for number, row in zip(numbers, rows, strict=True) if row["id"] in found}

    return Side(descriptors_of(table), width / height, load)
