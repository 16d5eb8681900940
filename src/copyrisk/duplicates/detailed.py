"""References and controls of a run, grouped by the rule of `copyrisk duplicates`."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from copyrisk.descriptors.content import LEAST_CONTENT
from copyrisk.descriptors.photo import Photo
from copyrisk.duplicates.images import Images
from copyrisk.duplicates.members import cluster_images
from copyrisk.duplicates.pairs import twins
from copyrisk.duplicates.rules import Rule
from copyrisk.index import descriptors_of
from copyrisk.index.pictures import Pictures


def images_of(table: pa.Table, photo: Photo, source: str | None) -> Images:
    """Return the readable images of an index table of a run, described by `photo`, from a collection."""
    rows = descriptors_of(table).reshape(-1, photo.dimensions)
    table = table.append_column("informative", pa.array(photo.content_of_rows(rows) >= LEAST_CONTENT, pa.bool_()))
    table = table.append_column("source", pa.array([source] * len(table), pa.string()))
    return Images(table, rows, photo, Pictures([] if source is None else [source]))


def grouped(images: Images, rule: Rule) -> pa.Table:
    """Cluster images; return the columns of the table `duplicates`."""
    if not len(images):
        empty = {"id": pa.string(), "cluster": pa.string(), "multiplicity": pa.int64(), "distance": pa.float64()}
        return pa.schema([*empty.items(), ("caption", pa.string())]).empty_table()
    table = cluster_images(images, rule.within(images))
    return table.select(["id", "cluster", "multiplicity", "distance", "caption"])


def seen_in(controls: Images, references: Images, rule: Rule) -> NDArray[np.bool_]:
    """Say which controls are near-duplicates of a reference: (controls,)."""
    near = rule.between(controls, references).duplicates
    same_file: NDArray[np.bool_] = twins(controls, references) >= 0
    return same_file | np.isin(controls.group, controls.group[near.i])
