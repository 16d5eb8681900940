"""Where a reference may lie under a picture: the frames laid on each other, or as features that both have say.

A place is a (2, 3) matrix that takes a point (x, y) of the picture, in pixels of its first level, to the reference's.
"""

import numpy as np
from numpy.typing import NDArray

from copyrisk.verdicts.prepared import Prepared

Place = NDArray[np.float64]

LEAST_ALIKE = 0.8
"""The product of the descriptors of two features that may be the same."""
LEAST_FEATURES = 3
"""Features that agree on a place, at least; of unrelated photographs, up to five do."""

TURN, SCALE = 0.35, 0.5
"""Features that agree on a place differ by at most so much in angle (radians) and logarithm of the scale."""
NEAR, NEAR_SHARE = 0.03, 0.1
"""How far off a feature may be: by this share of the reference, and of the way from the feature that is asked."""
SCALES = (0.2, 5.0)


def frames(picture: Prepared, reference: Prepared) -> list[Place]:
    """Return the whole reference under the whole picture: as it is, turned by quarters, and mirrored, eight places."""
    places = []
    for mirrored in (False, True):
        for quarters in range(4):
            # The corners of the unit square, turned about its middle.
            cosine, sine = (1, 0, -1, 0)[quarters], (0, 1, 0, -1)[quarters]
            turn = np.array([[cosine, -sine], [sine, cosine]], float) @ np.diag([-1.0 if mirrored else 1.0, 1.0])
            scale = np.diag([reference.width, reference.height]).astype(float)
            matrix = scale @ turn @ np.diag([1 / picture.width, 1 / picture.height])
            shift = scale @ (np.array([0.5, 0.5]) - turn @ np.array([0.5, 0.5]))
            places.append(np.column_stack([matrix, shift]))
    return places


def by_features(picture: Prepared, reference: Prepared, most: int = 3) -> list[Place]:
    """Return the places on which the most features of both agree, the best first.

    Each pair of features that are each other's best says a place by itself, since features have a size and an angle;
    the others vote for it.
    """
    found = []
    for mirrored in (False, True):
        found += _agreed(picture, reference, mirrored, most)
    return [place for _, place in sorted(found, key=lambda each: -each[0])[:most]]


def _agreed(picture: Prepared, reference: Prepared, mirrored: bool, most: int) -> list[tuple[float, Place]]:
    points, angles, sizes, rows = picture.features
    targets, target_angles, target_sizes, target_rows = reference.features
    if min(len(rows), len(target_rows)) < LEAST_FEATURES:
        return []
    alike = (rows[:, _MIRRORED] if mirrored else rows) @ target_rows.T
    best, back = alike.argmax(axis=1), alike.argmax(axis=0)
    each = np.flatnonzero((back[best] == np.arange(len(best))) & (alike.max(axis=1) > LEAST_ALIKE))
    if len(each) < LEAST_FEATURES:
        return []
    there = best[each]
    points, angles = points[each], angles[each]
    if mirrored:
        points, angles = np.column_stack([picture.width - points[:, 0], points[:, 1]]), np.pi - angles
    # As complex numbers: a place is p · factor + shift.
    one, other = points @ (1, 1j), targets[there] @ (1, 1j)
    factors = target_sizes[there] / sizes[each] * np.exp(1j * (target_angles[there] - angles))
    off = np.abs(factors[:, None] * (one[None] - one[:, None]) + other[:, None] - other[None])
    near = NEAR * max(reference.width, reference.height) + NEAR_SHARE * np.abs(
        factors[:, None] * (one[None] - one[:, None])
    )
    ratio = factors[None] / factors[:, None]
    agrees = (off < near) & (np.abs(np.angle(ratio)) < TURN) & (np.abs(np.log(np.abs(ratio))) < SCALE)
    votes = (agrees * alike[each, there]).sum(axis=1)
    found: list[tuple[float, Place]] = []
    left = np.ones(len(each), bool)
    while len(found) < most:
        first = int(np.where(left, votes, 0).argmax())
        used = agrees[first]
        if used.sum() < LEAST_FEATURES or not left[first]:
            break
        left &= ~used
        place = _fitted(one[used], other[used])
        if place is not None:
            if mirrored:
                place = place @ np.array([[-1.0, 0, picture.width], [0, 1, 0], [0, 0, 1]])
            found.append((float(votes[first]), place))
    return found


def _fitted(one: NDArray[np.complex128], other: NDArray[np.complex128]) -> Place | None:
    """Return the similarity that takes points to others by least squares; None where they say no size."""
    middle, target = one.mean(), other.mean()
    spread = (np.abs(one - middle) ** 2).sum()
    if spread < 1:
        return None
    factor = ((other - target) * np.conj(one - middle)).sum() / spread
    if not SCALES[0] < abs(factor) < SCALES[1]:
        return None
    shift = target - factor * middle
    return np.array([[factor.real, -factor.imag, shift.real], [factor.imag, factor.real, shift.imag]])


def _mirrored_order() -> NDArray[np.int64]:
    """Return the order of a SIFT descriptor's 4 × 4 × 8 values in the mirror image, about the feature's own angle."""
    order = np.arange(128).reshape(4, 4, 8)
    return order[::-1][:, :, (8 - np.arange(8)) % 8].reshape(-1)


_MIRRORED = _mirrored_order()
