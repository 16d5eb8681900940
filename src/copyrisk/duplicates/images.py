"""The images of an index as the search for duplicates sees them: equal ones once, plain ones apart."""

from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from PIL import Image

from copyrisk.descriptors import Descriptor, trait
from copyrisk.index.pictures import Pictures
from copyrisk.index.rows import is_pixels, readable
from copyrisk.index.search import Floats, Integers, Metric, Rows
from copyrisk.index.store import IndexFolder
from copyrisk.verdicts.prepared import LONG_SIDE


@dataclass(frozen=True)
class Images:
    """The readable images of an index: `table` with a row each, in order, and their descriptors `rows`.

    Images with equal descriptors are one group. Of plain pictures (blank, flat, one line of text) only copies of the
    file are: any two of them look alike. pictures: where the pictures themselves are, if they can be had.
    """

    table: pa.Table
    rows: Rows
    descriptor: Descriptor
    pictures: Pictures | None = None

    @classmethod
    def of(cls, index: IndexFolder) -> "Images":
        """Read the images of an index."""
        return cls(readable(index.table()), index.rows(), index.descriptor, Pictures(index.sources))

    def __len__(self) -> int:
        return len(self.table)

    @property
    def metric(self) -> Metric:
        """The metric of the descriptor."""
        metric: Metric = trait(self.descriptor, "metric")
        return metric

    @property
    def pixels(self) -> bool:
        """Whether distances are those of pixels."""
        return is_pixels(self.descriptor)

    @cached_property
    def compared(self) -> Rows:
        """The columns of the descriptors that distances are of: (images, columns)."""
        columns = trait(self.descriptor, "search")
        return self.rows if columns == slice(None) else np.ascontiguousarray(self.rows[:, columns])

    @cached_property
    def contrast(self) -> Floats:
        """How much there is in each picture (`index.rows.contrast_of`)."""
        return np.asarray(self.table["contrast"].to_numpy(), np.float64)

    @cached_property
    def plain(self) -> NDArray[np.bool_]:
        """Which pictures have too little in them to be told from others."""
        return ~np.asarray(self.table["informative"].to_numpy(), bool)

    @cached_property
    def hashes(self) -> NDArray[Any]:
        """The SHA-256 of each file, 32 bytes."""
        return np.array([bytes.fromhex(text) for text in self.table["sha256"].to_pylist()], "V32")

    @cached_property
    def groups(self) -> tuple[Integers, Integers]:
        """The first image of each group, ascending, and the group of each image."""
        keys = hashes_of(self.rows)
        keys[self.plain] = self.hashes[self.plain]
        return first_of(keys)

    @property
    def first(self) -> Integers:
        """The first image of each group."""
        return self.groups[0]

    @property
    def group(self) -> Integers:
        """The group of each image."""
        return self.groups[1]

    @cached_property
    def members(self) -> tuple[Integers, Integers]:
        """The images group by group: where each group starts, and the images."""
        members = np.argsort(self.group, kind="stable")
        return np.searchsorted(self.group[members], np.arange(len(self.first) + 1)), members

    def members_of(self, groups: Integers, most: int | None = None) -> tuple[Integers, Integers]:
        """Return the images of some groups, of each `most` at most: each one's place in `groups`, and the images."""
        starts, members = self.members
        size = np.diff(starts)[groups]
        size = size if most is None else np.minimum(size, most)
        place = np.repeat(np.arange(len(groups)), size)
        inside = np.arange(len(place)) - np.repeat(np.cumsum(size) - size, size)
        return place, members[starts[groups][place] + inside]

    @cached_property
    def searched(self) -> Integers:
        """The first image of each group that is searched: of all but plain pictures."""
        return self.first[~self.plain[self.first]]

    @cached_property
    def searched_rows(self) -> Rows:
        """What is compared of these images."""
        return self.compared if len(self.searched) == len(self) else self.compared[self.searched]

    def picture(self, number: int) -> Image.Image | None:
        """Return an image, large enough to be looked at in detail; None where it is gone."""
        if self.pictures is None:
            return None
        row = {name: self.table[name][number].as_py() for name in ("id", "source", "position", "sha256")}
        return self.pictures.load([row], least_side=LONG_SIDE).get(row["id"])

    def column(self, name: str, at: Integers) -> pa.Array:
        """Return a column at some images."""
        return pc.take(self.table[name], pa.array(at))


def hashes_of(rows: Rows) -> NDArray[Any]:
    """Return a hash of 32 bytes of each row; equal rows have equal ones."""
    keys = np.empty(len(rows), "V32")
    for number, row in enumerate(rows):
        # -0.0 and 0.0 are equal.
        keys[number] = blake2b((row + row.dtype.type(0)).tobytes(), digest_size=32).digest()
    return keys


def first_of(keys: NDArray[Any]) -> tuple[Integers, Integers]:
    """Number equal keys in the order of their first appearance: where each number appears first, each key's number."""
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty(len(first), np.int64)
    rank[order] = np.arange(len(first))
    return first[order], rank[inverse.reshape(-1)]
