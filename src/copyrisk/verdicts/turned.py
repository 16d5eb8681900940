"""Which references may be a picture turned by some angle: what is left of the disc in its middle, whatever the angle.

The disc is read along rings; along each, only how strong every frequency is is kept, which turning and mirroring do not
change (the Fourier–Mellin idea: Casasent and Psaltis, Applied Optics 1976). A frame that grew when the picture was
turned shows it smaller, so the disc of a picture is looked for at several sizes.
"""

from functools import cache

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from copyrisk.descriptors import Bytes
from copyrisk.descriptors.thumbnails import SIDE, flattened

RINGS, ANGLES, FREQUENCIES = 12, 64, 10
INNER, OUTER = 0.12, 0.96
"""Radii of the rings, of half the shorter side."""
SIZES = (1.0, 0.85, 0.72)
"""Sizes of a picture's disc; references have the first."""

Rows = NDArray[np.float32]


def rows_of(grey: Bytes, proportions: NDArray[np.float64], size: float = 1.0) -> Rows:
    """Describe small grey pictures (n, 32, 32), made square from `proportions` (n,): rows of length 1, (n, 120)."""
    rows = np.zeros((len(grey), RINGS * FREQUENCIES), np.float32)
    for number, (picture, proportion) in enumerate(zip(grey, proportions, strict=True)):
        even = flattened(picture.astype(np.float32), radius=4, floor=3)
        down, across = _rings(round(float(np.clip(proportion, 0.25, 4)), 2), size)
        rings = scipy.ndimage.map_coordinates(even, [down, across], order=1, mode="nearest")
        waves = np.abs(np.fft.rfft(rings, axis=1))[:, 1 : FREQUENCIES + 1]
        rows[number] = (waves * _weights()[:, None]).reshape(-1)
    unit: Rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.float32(1e-6))
    return unit


def likeness(grey: Bytes, proportion: float, references: Rows) -> NDArray[np.float64]:
    """Return how like a small grey picture (32, 32) of a proportion references (n, 120) are, turned or not: (n,)."""
    seen = np.concatenate([rows_of(grey[None], np.array([proportion]), size) for size in SIZES])
    alike = references.astype(np.float64) @ seen.T.astype(np.float64)
    best: NDArray[np.float64] = alike.max(axis=1)
    return best


@cache
def _rings(proportion: float, size: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return rows and columns of the places on the rings, in pixels of the small picture: (rings, angles) each."""
    radius = np.linspace(INNER, OUTER, RINGS)[:, None] * size
    angle = np.arange(ANGLES) * 2 * np.pi / ANGLES
    # A circle in the picture is an ellipse in the square that it was squeezed into.
    wide, high = (1 / proportion, 1.0) if proportion > 1 else (1.0, proportion)
    half = SIDE / 2
    return half - 0.5 + half * high * radius * np.sin(angle), half - 0.5 + half * wide * radius * np.cos(angle)


@cache
def _weights() -> Rows:
    """A ring counts by how much of the disc it stands for."""
    weights: Rows = np.sqrt(np.linspace(INNER, OUTER, RINGS)).astype(np.float32)
    return weights
