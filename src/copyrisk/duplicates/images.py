"""The images of an index as the search for duplicates sees them: equal ones once, empty ones apart."""

from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from copyrisk.index.rows import is_pixels, readable
from copyrisk.index.search import Floats, Integers, Metric, Rows
from copyrisk.index.store import IndexFolder

EVEN = 0.01
"""Contrast below which there is too little in a picture to know it again: 2.5 of 255 grey levels."""


@dataclass(frozen=True)
class Images:
    """The readable images of an index: `table` with a row each, in order, and their descriptors `rows`.

    Images with equal descriptors are one group. Of even pictures (one colour, next to nothing in it) only copies of the
    file are: any two of them look alike.
    """

    table: pa.Table
    rows: Rows
    metric: Metric
    pixels: bool

    @classmethod
    def of(cls, index: IndexFolder) -> "Images":
        """Read the images of an index."""
        return cls(readable(index.table()), index.rows(), index.metric, is_pixels(index.descriptor))

    def __len__(self) -> int:
        return len(self.table)

    @cached_property
    def contrast(self) -> Floats:
        """How much there is in each picture."""
        return np.asarray(self.table["contrast"].to_numpy(), np.float64)

    @cached_property
    def even(self) -> NDArray[np.bool_]:
        """Which pictures have too little in them."""
        return self.contrast < EVEN

    @cached_property
    def hashes(self) -> NDArray[Any]:
        """The SHA-256 of each file, 32 bytes."""
        return np.array([bytes.fromhex(text) for text in self.table["sha256"].to_pylist()], "V32")

    @cached_property
    def groups(self) -> tuple[Integers, Integers]:
        """The first image of each group, ascending, and the group of each image."""
        keys = np.empty(len(self), "V32")
        for number, (row, even) in enumerate(zip(self.rows, self.even, strict=True)):
            keys[number] = np.void(self.hashes[number]) if even else blake2b(row.tobytes(), digest_size=32).digest()
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
    def searched(self) -> Integers:
        """The groups that are searched: all but those of even pictures."""
        return np.flatnonzero(~self.even[self.first])

    @cached_property
    def searched_rows(self) -> Rows:
        """The descriptors of these groups."""
        whole = len(self.searched) == len(self)
        return self.rows if whole else self.rows[self.first[self.searched]]

    def column(self, name: str, at: Integers) -> pa.Array:
        """Return a column at some images."""
        return pc.take(self.table[name], pa.array(at))


def first_of(keys: NDArray[Any]) -> tuple[Integers, Integers]:
    """Number equal keys in the order of their first appearance: where each number appears first, each key's number."""
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty(len(first), np.int64)
    rank[order] = np.arange(len(first))
    return first[order], rank[inverse.reshape(-1)]
