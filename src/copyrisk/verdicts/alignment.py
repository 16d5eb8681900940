"""A reference laid under a picture, coarse to fine: each size says how to move it for the next."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from copyrisk.verdicts.places import Place, by_features, frames
from copyrisk.verdicts.prepared import SMALLEST_SIDE, Prepared, details_of
from copyrisk.verdicts.windows import BLOCK, INSIDE, Plane, Windows, agreement, movement, seen, shown

ROUNDS, FIRST_ROUNDS = 2, 3
"""How often the place is made better at each size, and at the smallest."""
REACH, LAST_REACH = 2, 1
"""Pixels by which windows are moved to find the place, and to judge it."""
STIFFNESS = 0.02

AGREEING, SEEN = 0.65, 4.0
"""Windows of such a correlation and such a variance in both pictures agree."""
LEAST_OF_WHOLE, LEAST_OF_PART = {1: 2, 0: 4}, {0: 4}
"""A place is given up below so many of them, by how many levels below the first comparison's they are at; a small part
has no whole window at any but the last."""

TRIED_FRAMES = 2
"""Of the eight ways to lay whole pictures on each other, those that agree best at the smallest size."""

LEAST_RESOLUTION = 0.5
"""Pictures that were enlarged by more than this says have no features to rely on."""
ALL = 0.7
"""Where so much of what there is to see agrees, no other place is looked for."""

WARPED = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP

STEPS = 1.42
"""Pixels of the reference for a pixel of the picture, up to which none is skipped."""

SCALES, UNEQUAL = (0.15, 6.0), 1.35
"""Bounds of the size of a reference's pixel, and of its sides against each other, beyond what the frames say."""


@dataclass(frozen=True)
class Level:
    """What was found at one size; sharpness: pixels that the reference itself has for a pixel of it, along a side."""

    windows: Windows
    sharpness: float


@dataclass
class Laid:
    """A reference in its best place under a picture, with what was found there at each level that was looked at."""

    reference: Prepared
    place: Place
    levels: dict[int, Level]


def lay(picture: Prepared, level: int, reference: Prepared, place: Place) -> tuple[Plane, Plane, float]:
    """Return the reference's grey under a level of the picture, where it is (0 or 1), both (h, w), and sharpness."""
    shape = picture.levels[level].shape
    scale = float(np.sqrt(abs(np.linalg.det(place[:, :2]))))
    size = picture.factor(level)
    for number in range(len(reference.levels)):
        stretch = scale * float(reference.factor(number)[0] / size[0])
        if stretch <= STEPS:
            break
    warp = _warp(place, size, reference.factor(number))
    grey = reference.levels[number]
    laid = cv2.warpAffine(grey, warp, shape[::-1], flags=WARPED, borderMode=cv2.BORDER_REPLICATE)
    there = cv2.warpAffine(np.ones_like(grey), warp, shape[::-1], flags=WARPED)
    return laid, (there > 0.99).astype(np.float32), stretch * reference.sharpness(number)


def lay_colours(picture: Prepared, level: int, laid: Laid) -> Plane:
    """Return the colours of a reference under a level of the picture: (h, w, 3)."""
    warp = _warp(laid.place, picture.factor(level), laid.reference.factor(0))
    shape = picture.levels[level].shape
    colours = cv2.warpAffine(laid.reference.colours, warp, shape[::-1], flags=WARPED, borderMode=cv2.BORDER_REPLICATE)
    result: Plane = colours.astype(np.float32)
    return result


def _warp(place: Place, size: NDArray[np.float64], own: NDArray[np.float64]) -> Plane:
    """Return a place as OpenCV takes it, for a level of the picture and one of the reference with these factors."""
    matrix = own[:, None] * place[:, :2] / size
    # Pixels are counted from the middle of the first, places from its corner.
    shift = own * place[:, 2] + matrix @ (0.5, 0.5) - 0.5
    return np.column_stack([matrix, shift]).astype(np.float32)


def windows_at(
    picture: Prepared, level: int, reference: Prepared, place: Place, reach: int = LAST_REACH
) -> tuple[Windows, float]:
    """Compare the windows of a level of the picture with the reference in its place."""
    laid, inside, sharpness = lay(picture, level, reference, place)
    return agreement(picture.details(level), details_of(laid) * inside, inside, reach), sharpness


def placed(picture: Prepared, reference: Prepared) -> Laid | None:
    """Return the reference in the best of the places where it may lie; None where it lies nowhere."""
    if min(picture.levels[picture.whole].shape) < 2 * BLOCK:
        return None
    first = len(picture.levels) - 1
    tried = frames(picture, reference)
    alike = [_agreeing(windows_at(picture, first, reference, place, REACH)[0]) for place in tried]
    best = np.argsort(-np.array(alike), kind="stable")[:TRIED_FRAMES]
    found: Laid | None = None
    most = -np.inf
    # What is there as a whole in its frame needs no features.
    enough = min(picture.resolution, reference.resolution) >= LEAST_RESOLUTION
    for least, places in (
        (LEAST_OF_WHOLE, lambda: [tried[number] for number in best]),
        (LEAST_OF_PART, lambda: by_features(picture, reference) if enough else []),
    ):
        for place in places():
            laid = _refined(picture, reference, place, least)
            if laid is not None:
                windows = laid.levels[picture.whole].windows
                sure = _agreeing(windows)
                if sure > most:
                    found, most = laid, sure
                if sure > ALL * float(seen(windows.own).sum()):
                    return found
    return found


def closer(picture: Prepared, laid: Laid) -> None:
    """Look at the levels above the first comparison's, too."""
    for level in range(picture.whole - 1, -1, -1):
        if level not in laid.levels:
            laid.place = _moved(picture, level, laid.reference, laid.place, ROUNDS)
            laid.levels[level] = Level(*windows_at(picture, level, laid.reference, laid.place))


def _refined(picture: Prepared, reference: Prepared, place: Place, least: dict[int, int]) -> Laid | None:
    levels: dict[int, Level] = {}
    first = len(picture.levels) - 1
    expected = place
    for level in range(first, picture.whole - 1, -1):
        if min(picture.levels[level].shape) < SMALLEST_SIDE and level != picture.whole:
            continue
        place = _moved(picture, level, reference, place, ROUNDS if levels else FIRST_ROUNDS)
        if not _plausible(place, expected):
            return None
        windows, sharpness = windows_at(picture, level, reference, place)
        levels[level] = Level(windows, sharpness)
        if _hopeless(windows, least.get(level - picture.whole, 0)):
            return None
    return Laid(reference, place, levels)


def _moved(picture: Prepared, level: int, reference: Prepared, place: Place, rounds: int) -> Place:
    size = picture.factor(level)
    for _ in range(rounds):
        windows, _ = windows_at(picture, level, reference, place, REACH)
        matrix, shift = movement(*windows, STIFFNESS)
        matrix, shift = matrix * size[None, :] / size[:, None], shift / size
        place = np.column_stack([place[:, :2] @ (np.eye(2) + matrix), place[:, :2] @ shift + place[:, 2]])
    return place


def _agreeing(windows: Windows) -> float:
    """Return how many windows agree, each by how well it does and how much it shows."""
    return float((shown(windows) * np.clip(windows.correlation, 0, 1) ** 3).sum())


def _hopeless(windows: Windows, least: int) -> bool:
    both = (windows.inside > INSIDE) & (np.minimum(windows.own, windows.other) > SEEN)
    return int((both & (windows.correlation > AGREEING)).sum()) < min(least, windows.own.size // 4)


def _plausible(place: Place, expected: Place) -> bool:
    """Say whether a place is no larger, smaller or more oblique than pictures come in."""
    sides = np.linalg.svd(place[:, :2], compute_uv=False)
    if sides[1] < SCALES[0] or sides[0] > SCALES[1]:
        return False
    before = np.linalg.svd(expected[:, :2], compute_uv=False)
    return bool(sides[0] / sides[1] < UNEQUAL * before[0] / before[1])
