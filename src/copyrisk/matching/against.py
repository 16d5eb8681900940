"""What generations are compared with: the different pictures of a run, and controls that are none of these."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from copyrisk.duplicates import read_control_pictures, read_pictures
from copyrisk.index import descriptors_of, read_collection, readable
from copyrisk.index.search import Metric
from copyrisk.matching.verdict_test import Sized
from copyrisk.run import Run


@dataclass(frozen=True)
class Against:
    """One row a different picture, of references and of controls: ids, and descriptors with proportions.

    dropped: controls that are near-duplicates of references, so the model may have seen them after all.
    """

    ids: pa.Array
    references: Sized
    control_ids: pa.Array
    controls: Sized
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
        return cls(next(ids), sized(references), next(ids), sized(controls), dropped, metric)


def sized(table: pa.Table) -> Sized:
    """Return the descriptors of a table with the proportions of its pictures."""
    width, height = (np.asarray(table[name].to_numpy(), np.float64) for name in ("width", "height"))
    return Sized(descriptors_of(table), width / height)
