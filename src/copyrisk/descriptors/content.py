"""Whether there is enough in a picture to tell it from others: blank pages and single lines of text are all alike."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from copyrisk.descriptors import Bytes
from copyrisk.descriptors.thumbnails import Planes, gaussian, grey_of, smoothed, thumbnail

NEIGHBOURHOOD = 1.0
NOISE = 1.5
"""Detail below this many grey levels is noise."""

LEAST_CONTENT = 7.0
"""Pictures with less are too plain to be matched."""


def informative(image: Image.Image) -> bool:
    """Say whether an RGB picture holds enough to be told from others."""
    return content(image) >= LEAST_CONTENT


def content(image: Image.Image) -> float:
    """Return in how many of 32 rows or columns of an RGB picture, the fewer of both, there is detail: 0 to 32.

    The number is the effective one, (Σ a)² / Σ a² of the strengths a of detail: one line of text has few rows.
    """
    return float(content_of(grey_of(thumbnail(image))[None])[0])


def content_of(grey: Bytes) -> NDArray[np.float64]:
    """Return the content of small grey pictures (n, 32, 32): shape (n,)."""
    planes: Planes = grey.astype(np.float32)
    detail = (planes - smoothed(planes, gaussian(planes.shape[-1], NEIGHBOURHOOD))).astype(np.float64) ** 2
    return np.minimum(_effective(detail.mean(axis=2)), _effective(detail.mean(axis=1)))


def _effective(energy: NDArray[np.float64]) -> NDArray[np.float64]:
    energy = np.maximum(energy - NOISE**2, 0)
    whole, total = np.sqrt(energy).sum(axis=1) ** 2, energy.sum(axis=1)
    effective: NDArray[np.float64] = np.divide(whole, total, out=np.zeros(len(energy)), where=total > 0)
    return effective
