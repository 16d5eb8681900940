"""Which images to keep so that no picture occurs more than so many times."""

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv

from copyrisk.duplicates.images import Images
from copyrisk.errors import UserError
from copyrisk.files import write_bytes, write_table


def keep_list(images: Images, clustered: pa.Table, most: int) -> pa.Table:
    """Say for each image whether to keep it: of each cluster at most `most`.

    Those with the most pixels stay, of equal ones those with a caption, those surest to be the picture at the centre,
    and the first. Columns: `action` (`keep`, `remove`), `id`, `source`, `cluster`, `multiplicity`, `score`; in the
    order of the collection.
    """
    pixels = images.table["width"].to_numpy().astype(np.int64) * images.table["height"].to_numpy()
    bare = np.array([not text for text in clustered["caption"].to_pylist()], bool)
    score = clustered["score"].to_numpy()
    cluster = np.unique(np.array(clustered["cluster"].to_pylist(), dtype=object), return_inverse=True)[1].reshape(-1)
    order = np.lexsort((np.arange(len(images)), -score, bare, -pixels, cluster))
    starts = np.searchsorted(cluster[order], np.arange(cluster.max(initial=-1) + 1))
    rank = np.empty(len(images), np.int64)
    rank[order] = np.arange(len(images)) - starts[cluster[order]]
    return pa.table(
        {
            "action": pa.array(np.where(rank < most, "keep", "remove")),
            "id": images.table["id"],
            "source": images.table["source"],
            **{name: clustered[name] for name in ("cluster", "multiplicity", "score")},
        }
    )


def check_list_path(path: Path) -> None:
    """Raise UserError unless a list can be written with this suffix."""
    if path.suffix.lower() not in (".csv", ".parquet"):
        raise UserError(f"--list {path}: give a file that ends in .csv or .parquet.")


def write_list(path: Path, table: pa.Table) -> None:
    """Write the list as CSV or Parquet, by the suffix."""
    check_list_path(path)
    if path.suffix.lower() == ".parquet":
        write_table(path, table)
    else:
        text = io.BytesIO()
        pyarrow.csv.write_csv(table, text)
        write_bytes(path, text.getvalue())
