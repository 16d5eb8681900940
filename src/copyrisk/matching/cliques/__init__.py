"""Is a prompt memorized? Its generations alone say so, without any reference.

Where a model gives the same picture from many seeds, it has hardly made it up each time. Carlini et al. 2023
(arXiv 2301.13188, section 4.2) take the graph of a prompt's near-identical generations (`edges`) and its largest clique
(`largest`): at least 10 of 500 mark the prompt as memorized. Where only a part is given back and the rest varies, no
two generations are near-identical; they agree in a part of the picture (`agreement`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from copyrisk.errors import UserError
from copyrisk.matching.cliques.agreement import Agreement, Details, Mask, agreement_of, largest_agreement
from copyrisk.matching.cliques.blocks import LEAST_SIDE, Grid, Integers, Picture, Pictures
from copyrisk.matching.cliques.edges import block_sums, near_pairs
from copyrisk.matching.cliques.largest import largest_clique

Verdict = Literal["memorized", "template", "not memorized"]

EVEN = 0.01
"""Contrast of its blocks below which a picture is even: any two of one colour are near-identical."""
LEAST_LIKENESS = 0.5
"""Likeness from which on the members of a clique are one picture, and not pages with next to nothing on them."""


@dataclass(frozen=True)
class Clique:
    """What the generations of one prompt have in common; pictures are numbers from 0 up, as they were given.

    size: members of the largest clique found, 0 where all pictures are even; no clique has more than `at_most`, so with
    that many it is a largest one. edges: pairs (p, 2) of near-identical pictures, i < j. members: of the clique
    (`memorized`), of those that agree in part (`template`), else of the largest clique. centre: the member that the
    others were compared with, None for `not memorized`. mask: (rows, columns) of the cells in which the members agree;
    share: of the picture; detail_share: of that part of it in which there is anything to see. even: pictures that took
    no part, since there is next to nothing in them.
    """

    verdict: Verdict
    size: int
    at_most: int
    edges: Integers
    members: list[int]
    centre: int | None
    mask: Mask
    share: float
    detail_share: float
    even: list[int]


def find_clique(pictures: Pictures | Sequence[Image.Image], threshold: float = 0.15, least: int = 10) -> Clique:
    """Return what the generations of one prompt have in common: RGB, all of one size, uint8 (height, width, 3).

    threshold: the most that near-identical pictures are apart, as `tile_distance` measures it, 0 to 1. least: pictures
    that a clique, or a set that agrees in part, must have. Raises UserError where sizes differ, a side is below 16
    pixels, or values are not uint8.
    """
    arrays = [np.asarray(picture) for picture in pictures]
    grid = _grid(arrays)
    sums = block_sums(arrays, grid) if arrays else np.zeros((0, *(4 * count for count in grid.blocks), 3), np.uint32)
    means = sums.astype(np.float32) / np.float32(255 * grid.block**2)
    even = np.sqrt(means.var(axis=(1, 2)).mean(axis=-1)) < EVEN
    rows = np.flatnonzero(~even)
    near = near_pairs([arrays[row] for row in rows], threshold, sums[rows])
    clique = largest_clique(near)
    details = Details(sums[rows], grid)
    verdict: Verdict = "not memorized"
    found: Agreement | None = None
    if len(clique.members) >= least and _likeness(means[rows[clique.members]]) >= LEAST_LIKENESS:
        verdict, found = "memorized", agreement_of(details, clique.members)
    elif len(rows) >= least and (found := largest_agreement(details, least)):
        verdict = "template"
    return Clique(
        verdict=verdict,
        size=len(clique.members),
        at_most=clique.at_most,
        edges=rows[np.argwhere(np.triu(near, 1))],
        members=rows[found.members if found else clique.members].tolist(),
        centre=int(rows[found.centre]) if found else None,
        mask=found.mask if found else np.zeros((details.rows, details.columns), bool),
        share=found.share if found else 0.0,
        detail_share=found.detail_share if found else 0.0,
        even=np.flatnonzero(even).tolist(),
    )


def _likeness(means: NDArray[np.float32]) -> float:
    """Return how much of what is in pictures (n, rows, columns, 3) is the same in any two: about 0 to 1.

    What is in a picture is its difference from a plane, an even colour with an even slope. Of its squares, the share
    that is common to all is estimated as an intraclass correlation.
    """
    count, height, width, _ = means.shape
    down, across = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].reshape(2, -1)
    plane = np.linalg.qr(np.stack([np.ones_like(down), down, across], axis=1))[0]
    values = means.reshape(count, height * width, 3).astype(np.float64)
    values -= plane @ (plane.T @ values)
    single, total = np.square(values).sum(), np.square(values.sum(axis=0)).sum()
    return float((total - single) / ((count - 1) * single)) if single else 0.0


def _grid(pictures: list[Picture]) -> Grid:
    kinds = {(picture.shape, str(picture.dtype)) for picture in pictures} or {((LEAST_SIDE, LEAST_SIDE, 3), "uint8")}
    (shape, dtype), *others = sorted(kinds)
    if others or dtype != "uint8" or len(shape) != 3 or shape[2] != 3 or min(shape[:2]) < LEAST_SIDE:
        seen = ", ".join(f"{shape} {dtype}" for shape, dtype in sorted(kinds)[:4])
        raise UserError(
            f"the pictures are {seen}; give RGB pictures of one size, uint8 (height, width, 3), at least "
            f"{LEAST_SIDE} pixels high and wide."
        )
    return Grid(*shape[:2])
