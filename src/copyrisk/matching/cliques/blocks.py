"""Pictures cut into 4 × 4 tiles and the tiles into small blocks, with the exact sum of each block.

The difference of two pictures has, over the n pixels of a block, squares that add up to at least the square of its sum
divided by n (Cauchy and Schwarz). So sums of blocks bound the distance of two tiles from below, however much detail the
blocks hide.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Pictures = Sequence[Picture] | NDArray[np.uint8]
Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
Slices = tuple[slice, slice]

TILES = 4
"""Tiles a side: 16 in all (Carlini et al. 2023, section 4.2)."""
ACROSS = 64
"""Blocks along the shorter side of a picture, as near as whole pixels allow."""
CELL = 4
"""Blocks a side of a cell, the coarser grid."""
LEAST_SIDE = TILES * CELL
"""Pixels that a side must have: below, a tile has no cell."""

EXACT_VALUES = 256
"""256 · 255² is below 2^24: a sum of so many squared differences of uint8 is exact in float32, in any order."""


@dataclass(frozen=True)
class Grid:
    """How pictures of one size, `height` × `width` pixels and three colours, are cut.

    Tiles differ by a pixel where a side is no multiple of 4. All have the same number of square blocks, from the upper
    left on; the pixels that are left over at the lower right belong to no block.
    """

    height: int
    width: int

    @cached_property
    def block(self) -> int:
        """Pixels a side of a block."""
        return max(1, min(self.height, self.width) // ACROSS)

    @cached_property
    def edges(self) -> tuple[list[int], list[int]]:
        """Where tiles begin and end, in rows and columns of pixels: 5 numbers each."""
        rows, columns = ([side * k // TILES for k in range(TILES + 1)] for side in (self.height, self.width))
        return rows, columns

    @cached_property
    def blocks(self) -> tuple[int, int]:
        """Blocks of a tile: rows and columns."""
        rows, columns = (int(min(np.diff(edges))) // self.block for edges in self.edges)
        return rows, columns

    @cached_property
    def tiles(self) -> list[Slices]:
        """The pixels of each of the 16 tiles."""
        rows, columns = ([slice(*pair) for pair in pairwise(edges)] for edges in self.edges)
        return [(row, column) for row in rows for column in columns]

    @cached_property
    def values(self) -> list[int]:
        """Numbers in each tile: its pixels times three colours."""
        return [3 * (row.stop - row.start) * (column.stop - column.start) for row, column in self.tiles]

    @cached_property
    def _covered(self) -> tuple[NDArray[np.intp], NDArray[np.intp]] | None:
        """Rows and columns of pixels in blocks, or None where these are all, in order."""
        inside = tuple(
            np.concatenate([edge + np.arange(count * self.block) for edge in edges[:-1]])
            for edges, count in zip(self.edges, self.blocks, strict=True)
        )
        whole = len(inside[0]) == self.height and len(inside[1]) == self.width
        return None if whole else (inside[0], inside[1])

    def sums(self, picture: Picture) -> NDArray[np.uint32]:
        """Return the sums of all blocks of a picture (height, width, 3): (4 · rows, 4 · columns, 3)."""
        pixels = picture if self._covered is None else picture[np.ix_(*self._covered)]
        rows, columns = (TILES * count for count in self.blocks)
        small = self.block < EXACT_VALUES
        down = np.add.reduce(pixels.reshape(rows, self.block, -1), axis=1, dtype=np.uint16 if small else np.uint32)
        across = _added(down.reshape(-1, 3 * self.block).astype(np.float32 if small else np.float64))
        return across.astype(np.uint32).reshape(rows, columns, 3)

    def table(self, sums: NDArray[np.uint32], coarse: bool) -> Floats:
        """Return sums (n, rows, columns, 3) as rows of each tile: (16, n, values), of cells where `coarse`.

        The squared distance of two rows is at most `per_value(coarse)` times the sum of squares of the pixels'
        differences in the tile.
        """
        count = len(sums)
        rows, columns = self.blocks
        tiled = sums.reshape(count, TILES, rows, TILES, columns, 3)
        if coarse:
            rows, columns = rows // CELL, columns // CELL
            cells = tiled[:, :, : rows * CELL, :, : columns * CELL].reshape(count, TILES, rows, CELL, -1)
            down = np.add.reduce(cells, axis=3, dtype=np.uint32)
            tiled = _added(down.reshape(-1, 3 * CELL).astype(np.float64)).reshape(count, TILES, rows, TILES, columns, 3)
        turned = tiled.transpose(1, 3, 0, 2, 4, 5)
        return np.ascontiguousarray(turned, np.float64).reshape(TILES * TILES, count, -1)

    def per_value(self, coarse: bool) -> int:
        """Return the pixels of a block, or of a cell where `coarse`."""
        return (self.block * (CELL if coarse else 1)) ** 2

    def limits(self, threshold: float) -> Integers:
        """Return, of each tile, the largest sum of squared differences whose distance is at most the threshold."""
        return np.array([_largest(threshold, values) for values in self.values], np.int64)


def _added(values: NDArray[Any]) -> NDArray[Any]:
    """Return the sums of the three colours in rows (n, 3 · pixels): (n, 3).

    A product with zeros and ones is much faster than a sum along so short an axis, and of whole numbers exact.
    """
    colours = np.tile(np.eye(3, dtype=values.dtype), (values.shape[1] // 3, 1))
    result: NDArray[Any] = values @ colours
    return result


def _largest(threshold: float, values: int) -> int:
    square = min(int(threshold * threshold * 255.0**2 * values), 255**2 * values)
    while square and distance(square, values) > threshold:
        square -= 1
    while square < 255**2 * values and distance(square + 1, values) <= threshold:
        square += 1
    return square


def distance(square: float, values: int) -> float:
    """Return the root mean square, 0 to 1, of so many differences of uint8 whose squares have this sum."""
    return float(np.sqrt(square / (255.0**2 * values)))


def square_sum(first: Picture, second: Picture) -> int:
    """Return the sum of the squared differences of two pictures, or tiles, of one shape."""
    difference = np.maximum(first, second)
    difference -= np.minimum(first, second)
    flat = difference.reshape(-1)
    whole = len(flat) - len(flat) % EXACT_VALUES
    parts = flat[:whole].reshape(-1, EXACT_VALUES).astype(np.float32)
    rest = flat[whole:].astype(np.float32)
    return int(np.vecdot(parts, parts).sum(dtype=np.float64)) + int(rest @ rest)


def tile_distance(first: Picture, second: Picture) -> float:
    """Return the distance of two pictures (height, width, 3): the largest root mean square over 16 tiles, 0 to 1.

    Source: Carlini et al. 2023 (arXiv 2301.13188), section 4.2.
    """
    grid = Grid(*first.shape[:2])
    pairs = zip(grid.tiles, grid.values, strict=True)
    return max(distance(square_sum(first[tile], second[tile]), values) for tile, values in pairs)
