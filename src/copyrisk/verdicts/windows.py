"""How details of two pictures agree, window by window: compiled, since this is where the time goes.

A window is 2 × 2 blocks of BLOCK × BLOCK pixels; neighbours overlap by half.
"""

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]

BLOCK = 8

FLOOR = 1.5
"""Contrast of details, in grey levels, below which a window stays faint."""

INSIDE = 0.9
"""A window counts where so much of it lies in both pictures."""
SHOWN = 9.0
"""Variance of details, in squared grey levels, from which on a window says something."""

ENOUGH = 3
"""Windows with any weight that the place of a picture is read off, at least."""


class Windows(NamedTuple):
    """What is known of each window, (rows, columns) each.

    correlation: the best in the few places that were tried; down, across: by how many pixels the other picture is to be
    moved there; own, other: variance of the details of both; inside: the share that lies in both.
    """

    correlation: Plane
    down: Plane
    across: Plane
    own: Plane
    other: Plane
    inside: Plane


def seen(own: Plane) -> Plane:
    """Return how much one picture shows in windows of such a variance, 0 to 1."""
    return own / (own + SHOWN)


def shown(windows: Windows) -> Plane:
    """Return how much both pictures show in each window, 0 to 1."""
    return seen(windows.own) * seen(windows.other) * (windows.inside > INSIDE)


def agreement(details: Plane, laid: Plane, inside: Plane, reach: int) -> Windows:
    """Correlate each window of `details` with that of `laid`, moved by up to `reach` pixels either way.

    details, laid, inside (0 or 1): (h, w) float32, laid zero where it is not inside.
    """
    padded = np.zeros((laid.shape[0] + 2 * reach, laid.shape[1] + 2 * reach), np.float32)
    padded[reach : reach + laid.shape[0], reach : reach + laid.shape[1]] = laid
    return Windows(*_best(*_sums(details, padded, inside, reach)))


@numba.njit(cache=True, fastmath=True, nogil=True)
def _sums(
    details: Plane, padded: Plane, inside: Plane, reach: int
) -> tuple[Plane, NDArray[np.float32], NDArray[np.float32], Plane]:
    rows, columns, moves = details.shape[0] // BLOCK, details.shape[1] // BLOCK, 2 * reach + 1
    own, there = np.zeros((rows, columns), np.float32), np.zeros((rows, columns), np.float32)
    product = np.zeros((moves, moves, rows, columns), np.float32)
    other = np.zeros((moves, moves, rows, columns), np.float32)
    for row in range(rows):
        for column in range(columns):
            top, left = row * BLOCK, column * BLOCK
            square, count = np.float32(0), np.float32(0)
            for y in range(BLOCK):
                for x in range(BLOCK):
                    value = details[top + y, left + x]
                    square += value * value
                    count += inside[top + y, left + x]
            own[row, column], there[row, column] = square, count
            for down in range(moves):
                for across in range(moves):
                    both, square = np.float32(0), np.float32(0)
                    for y in range(BLOCK):
                        for x in range(BLOCK):
                            value = padded[top + y + down, left + x + across]
                            both += details[top + y, left + x] * value
                            square += value * value
                    product[down, across, row, column] = both
                    other[down, across, row, column] = square
    return own, product, other, there


@numba.njit(cache=True, fastmath=True, nogil=True)
def _window(blocks: Plane, row: int, column: int) -> np.float32:
    total: np.float32 = (
        blocks[row, column] + blocks[row + 1, column] + blocks[row, column + 1] + blocks[row + 1, column + 1]
    )
    return total / np.float32(4 * BLOCK * BLOCK)


@numba.njit(cache=True, fastmath=True, nogil=True)
def _best(
    own: Plane, product: NDArray[np.float32], other: NDArray[np.float32], there: Plane
) -> tuple[Plane, Plane, Plane, Plane, Plane, Plane]:
    moves = product.shape[0]
    reach = moves // 2
    rows, columns = max(0, own.shape[0] - 1), max(0, own.shape[1] - 1)
    found = np.zeros((6, rows, columns), np.float32)
    tried = np.zeros((moves, moves), np.float32)
    floor = np.float32(FLOOR**2)
    for row in range(rows):
        for column in range(columns):
            variance = _window(own, row, column)
            best, best_down, best_across = np.float32(-2), 0, 0
            for down in range(moves):
                for across in range(moves):
                    against = _window(other[down, across], row, column)
                    both = _window(product[down, across], row, column)
                    tried[down, across] = both / np.sqrt((variance + floor) * (against + floor))
                    if tried[down, across] > best:
                        best, best_down, best_across = tried[down, across], down, across
            found[0, row, column] = best
            found[1, row, column] = best_down - reach
            found[2, row, column] = best_across - reach
            if 0 < best_down < moves - 1:
                found[1, row, column] += _peak(
                    tried[best_down - 1, best_across], best, tried[best_down + 1, best_across]
                )
            if 0 < best_across < moves - 1:
                found[2, row, column] += _peak(
                    tried[best_down, best_across - 1], best, tried[best_down, best_across + 1]
                )
            found[3, row, column] = variance
            found[4, row, column] = _window(other[best_down, best_across], row, column)
            found[5, row, column] = _window(there, row, column)
    return found[0], found[1], found[2], found[3], found[4], found[5]


@numba.njit(cache=True, fastmath=True, nogil=True)
def _peak(before: np.float32, best: np.float32, after: np.float32) -> np.float32:
    """Return where between two pixels a parabola through three values is highest, -0.5 to 0.5."""
    bend = before - 2 * best + after
    if bend > -1e-6:
        return np.float32(0)
    at = np.float32(0.5) * (before - after) / bend
    return min(max(at, np.float32(-0.5)), np.float32(0.5))


@numba.njit(cache=True, nogil=True)
def movement(
    correlation: Plane, down: Plane, across: Plane, own: Plane, other: Plane, inside: Plane, stiffness: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fit an affine movement to those of windows: p moves by matrix · p + shift, (2, 2) and (2,), x before y.

    Windows count by the fourth power of their correlation, and less the further they are off (iteratively reweighted
    least squares with the weights of Geman and McClure 1987); stiffness holds on to the shape. Zeros where too few
    windows say anything.
    """
    rows, columns = correlation.shape
    weights = np.zeros((rows, columns))
    matrix, shift = np.zeros((2, 2)), np.zeros(2)
    total, count, middle_x, middle_y = 0.0, 0, 0.0, 0.0
    for row in range(rows):
        for column in range(columns):
            if inside[row, column] > INSIDE and correlation[row, column] > 0:
                weight = correlation[row, column] ** 4
                weight *= own[row, column] / (own[row, column] + 16)
                weight *= other[row, column] / (other[row, column] + 16)
                weights[row, column] = weight
                total += weight
                middle_x += weight * (column + 1) * BLOCK
                middle_y += weight * (row + 1) * BLOCK
                if weight > 0.05:
                    count += 1
    if count < ENOUGH:
        return matrix, shift
    middle_x, middle_y = middle_x / total, middle_y / total
    size = max(rows, columns) * BLOCK / 2.0
    solution = np.zeros((3, 2))
    for step in range(5):
        normal, target = np.zeros((3, 3)), np.zeros((3, 2))
        for row in range(rows):
            for column in range(columns):
                weight = weights[row, column]
                if weight > 0:
                    x, y = ((column + 1) * BLOCK - middle_x) / size, ((row + 1) * BLOCK - middle_y) / size
                    right, below = across[row, column], down[row, column]
                    if step > 0:
                        off_x = x * solution[0, 0] + y * solution[1, 0] + solution[2, 0] - right
                        off_y = x * solution[0, 1] + y * solution[1, 1] + solution[2, 1] - below
                        weight /= 1 + (off_x * off_x + off_y * off_y) / 0.5
                    normal[0, 0] += weight * x * x
                    normal[0, 1] += weight * x * y
                    normal[0, 2] += weight * x
                    normal[1, 1] += weight * y * y
                    normal[1, 2] += weight * y
                    normal[2, 2] += weight
                    target[0, 0] += weight * x * right
                    target[1, 0] += weight * y * right
                    target[2, 0] += weight * right
                    target[0, 1] += weight * x * below
                    target[1, 1] += weight * y * below
                    target[2, 1] += weight * below
        normal[1, 0], normal[2, 0], normal[2, 1] = normal[0, 1], normal[0, 2], normal[1, 2]
        normal[0, 0] += stiffness * total
        normal[1, 1] += stiffness * total
        normal[2, 2] += 1e-3 * total
        solution[:] = np.linalg.solve(normal, target)
    for axis in range(2):
        matrix[axis, 0], matrix[axis, 1] = solution[0, axis] / size, solution[1, axis] / size
        shift[axis] = solution[2, axis] - matrix[axis, 0] * middle_x - matrix[axis, 1] * middle_y
    return matrix, shift


def stripes(details: Plane) -> Plane:
    """Return how much each window is like a single straight edge or stripes, 0 to 1: (rows, columns).

    The coherence of its structure tensor (Bigün and Granlund 1987).
    """
    result: Plane = _stripes(details)
    return result


@numba.njit(cache=True, fastmath=True, nogil=True)
def _stripes(details: Plane) -> Plane:
    rows, columns = details.shape[0] // BLOCK, details.shape[1] // BLOCK
    sums = np.zeros((3, rows, columns), np.float32)
    for row in range(rows):
        for column in range(columns):
            for y in range(row * BLOCK, row * BLOCK + BLOCK):
                for x in range(column * BLOCK, column * BLOCK + BLOCK):
                    if 0 < y < details.shape[0] - 1 and 0 < x < details.shape[1] - 1:
                        right = (details[y, x + 1] - details[y, x - 1]) / 2
                        below = (details[y + 1, x] - details[y - 1, x]) / 2
                        sums[0, row, column] += right * right
                        sums[1, row, column] += below * below
                        sums[2, row, column] += right * below
    coherence = np.zeros((max(0, rows - 1), max(0, columns - 1)), np.float32)
    for row in range(rows - 1):
        for column in range(columns - 1):
            across, down = _window(sums[0], row, column), _window(sums[1], row, column)
            both = _window(sums[2], row, column)
            coherence[row, column] = np.sqrt((across - down) ** 2 + 4 * both**2) / (across + down + 1)
    return coherence
