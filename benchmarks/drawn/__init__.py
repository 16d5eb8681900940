"""Drawn pictures of kinds that are hard to tell apart: all of one kind share a layout and are different pictures.

`picture(kind, number)` draws one, `kind_of(kind, count)` gives references, others of the same kind, and copies of the
references. The same call gives the same pixels on each run.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from zlib import crc32

import numpy as np
from PIL import Image

from . import documents, nature, puzzles, scenes, screens, things
from .changes import CHANGES, EVERYDAY
from .ink import Random

__all__ = ["CHANGES", "CLASSES", "EVERYDAY", "Drawn", "drawn", "picture"]

CLASSES: dict[str, Callable[[Random], Image.Image]] = {
    "page": documents.page,
    "two columns": documents.two_columns,
    "form": documents.form,
    "receipt": documents.receipt,
    "slide": documents.slide,
    "spreadsheet": documents.spreadsheet,
    "calendar": documents.calendar,
    "screenshot": screens.screenshot,
    "conversation": screens.conversation,
    "bar chart": screens.bar_chart,
    "line chart": screens.line_chart,
    "scatter plot": screens.scatter_plot,
    "pie chart": screens.pie_chart,
    "QR code": puzzles.qr_code,
    "bar code": puzzles.bar_code,
    "crossword": puzzles.crossword,
    "sudoku": puzzles.sudoku,
    "chess": puzzles.chess,
    "go board": puzzles.go_board,
    "sheet music": scenes.sheet_music,
    "street map": scenes.street_map,
    "comic": scenes.comic,
    "bottle": things.bottle,
    "watch": things.watch,
    "house": things.house,
    "face": things.face,
    "icon": things.icon,
    "logo": things.logo,
    "flag": things.flag,
    "sky": nature.sky,
    "water": nature.water,
    "foliage": nature.foliage,
    "brick wall": nature.brick_wall,
    "wood": nature.wood,
    "marble": nature.marble,
    "sand": nature.sand,
    "night sky": nature.night_sky,
    "mountains": nature.mountains,
}


def picture(name: str, number: int, seed: int = 0) -> Image.Image:
    """Draw picture `number` of a class: RGB, 400 to 1000 pixels on its long side."""
    return CLASSES[name](np.random.default_rng([seed, crc32(name.encode()), number]))


@dataclass(frozen=True)
class Drawn:
    """`count` references of a class, as many others of the same layout, and copies of the references."""

    name: str
    count: int
    seed: int = 0

    @cached_property
    def references(self) -> list[Image.Image]:
        return [picture(self.name, number, self.seed) for number in range(self.count)]

    @cached_property
    def others(self) -> list[Image.Image]:
        return [picture(self.name, self.count + number, self.seed) for number in range(self.count)]

    def copies(self, change: str) -> list[Image.Image]:
        """Return a copy of each reference, in their order, changed as CHANGES[change] says."""
        key = [self.seed, crc32(self.name.encode()), crc32(change.encode())]
        return [
            CHANGES[change](image, np.random.default_rng([*key, number]))
            for number, image in enumerate(self.references)
        ]


@lru_cache(maxsize=2)
def drawn(name: str, count: int = 24, seed: int = 0) -> Drawn:
    """Return references, others and copies of a class; those of the last two calls are kept."""
    return Drawn(name, count, seed)
