"""A picture made small and grey, and what is left of it without slow changes of brightness."""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from copyrisk.descriptors import Bytes

Planes = NDArray[np.float32]

SIDE = 32
"""Side of the small grey picture."""

FRAME_SIDE = 256
FRAME_TOLERANCE = 16
"""A line belongs to a frame if no value is further than this from the median of the first (of 255)."""

FRAME_EDGE, FRAME_ENDS = 3, 0.7
"""A frame ends within so many lines, along at least so much of their length."""

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""Weights of red, green and blue (ITU-R BT.601)."""


def thumbnail(image: Image.Image) -> Bytes:
    """Return an RGB picture without its frame, averaged over a 32 × 32 grid: shape (32, 32, 3), uint8."""
    box = inside_frame(image)
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BOX, box=box), dtype=np.uint8)


def inside_frame(image: Image.Image) -> tuple[float, float, float, float]:
    """Return the box (left, top, right, bottom) that is left when plain lines at opposite sides are cut off.

    At most a third of the width or height is cut off a side; a picture that is plain all over is left as it is.
    """
    factor = -(-max(image.size) // FRAME_SIDE)
    values = np.asarray(image if factor == 1 else image.reduce(factor))
    top, bottom = _frame_lines(values)
    left, right = _frame_lines(values[top : len(values) - bottom].transpose(1, 0, 2))
    width, height = image.size
    return (
        min(left * factor, width - 1),
        min(top * factor, height - 1),
        max(width - right * factor, left * factor + 1),
        max(height - bottom * factor, top * factor + 1),
    )


def _frame_lines(values: Bytes) -> tuple[int, int]:
    """Count the lines of a frame at both ends: a frame has two sides, a sky has one."""
    first, last = _plain_lines(values), _plain_lines(values[::-1])
    return (first, last) if first and last else (0, 0)


def _plain_lines(values: Bytes) -> int:
    """Count the lines of a frame at the beginning: plain lines of one colour that end all along at the same place.

    0 where there are more than a third of all, and where the picture's own plain ground is all that there is: it ends
    where the things in the picture begin, here and there.
    """
    most = len(values) // 3
    colour = np.median(values[0], axis=0)
    for number in range(most + 1):
        away = np.abs(values[number] - colour).max(axis=1)
        if away.max() > FRAME_TOLERANCE:
            behind = np.abs(values[number : number + FRAME_EDGE] - colour).max(axis=(0, 2))
            return number if number and (behind > FRAME_TOLERANCE).mean() >= FRAME_ENDS else 0
    return 0


def grey_of(thumbnails: Bytes) -> Bytes:
    """Return the luma of RGB values (..., 3), rounded: shape (...), uint8."""
    grey: Bytes = np.rint(thumbnails.astype(np.float32) @ LUMA).astype(np.uint8)
    return grey


def flattened(grey: Planes, radius: float, floor: float, blur: float = 0.0) -> Planes:
    """Return square pictures (..., n, n) with their local mean taken off and their local contrast made even.

    radius: standard deviation of the Gaussian neighbourhood in pixels; floor: contrast, in grey levels, below which a
    place stays faint; blur: standard deviation of a blur that comes before.
    """
    side = grey.shape[-1]
    if blur:
        grey = smoothed(grey, gaussian(side, blur))
    near = gaussian(side, radius)
    detail: Planes = grey - smoothed(grey, near)
    contrast: Planes = np.sqrt(np.maximum(smoothed(detail * detail, near), 0))
    even: Planes = detail / (contrast + floor)
    return even


def smoothed(planes: Planes, matrix: Planes) -> Planes:
    """Return matrix · plane · matrixᵀ of each plane."""
    return resampled(planes, matrix, matrix)


def resampled(planes: Planes, down: Planes, across: Planes) -> Planes:
    """Return down · plane · acrossᵀ of each plane."""
    result: Planes = np.matmul(np.matmul(down, planes), across.T)
    return result


@cache
def gaussian(side: int, radius: float) -> Planes:
    """Return the matrix that blurs a line of `side` values, mirrored at its ends: shape (side, side)."""
    reach = int(3 * radius + 0.5)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / radius) ** 2)
    matrix = np.zeros((side, side))
    for row in range(side):
        for offset, weight in zip(range(-reach, reach + 1), weights, strict=True):
            place = (row + offset) % (2 * side)
            matrix[row, min(place, 2 * side - 1 - place)] += weight
    normed: Planes = (matrix / matrix.sum(axis=1, keepdims=True)).astype(np.float32)
    return normed


@cache
def averaging(side: int, start: float, stop: float, count: int) -> Planes:
    """Return the matrix that averages a line of `side` values from start to stop over `count` equal areas."""
    edges = np.linspace(start, stop, count + 1)
    places = np.arange(side)
    overlap = np.minimum(edges[1:, None], places + 1) - np.maximum(edges[:-1, None], places)
    matrix = np.maximum(overlap, 0)
    normed: Planes = (matrix / matrix.sum(axis=1, keepdims=True)).astype(np.float32)
    return normed
