"""What agreeing windows prove: nats more than another picture of the same thing, or of the same layout, would give.

A window with correlation c and n independent values is 1 / √(1 − c²)ⁿ times more likely if the two are one picture than
if they are unrelated. But pictures that are copies of nothing are related too: the same thing photographed again, the
same form filled in otherwise. So a window's evidence is how much more it agrees than such a picture would, n/2 ·
(log(1 − e²) − log(1 − c²)) nats, where e is what is *expected* of one:

- at least `WHOLE_EXPECTED`; of a part `PART_EXPECTED`, since a place that is photographed again has parts that are the
  same to the pixel or nearly so;
- where most windows agree much better, not much less than those: a copy is as good everywhere;
- what the *witnesses* show there: other references, different from this one, that were laid under the picture too. What
  two of them show as well as it does is common, and proves nothing.

What agrees less than expected speaks against. Windows count by what both pictures show in them, above the noise of the
picture; windows on a single edge or on stripes count little, since they agree wherever such a thing is.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import cv2
import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from copyrisk.verdicts.alignment import Laid, Level, lay
from copyrisk.verdicts.prepared import Prepared, details_of
from copyrisk.verdicts.windows import INSIDE, Plane, Windows, agreement, seen, shown

Mask = NDArray[np.bool_]

VALUES = 4.0
"""Independent values in the quarter of a window that is its own."""
STRIPED = 0.95
"""So much less, times the square of how much it is like stripes."""

HIGHEST = 0.985
"""Correlations above it count as this."""
WHOLE_EXPECTED, PART_EXPECTED = 0.75, 0.9
SMALL_EXPECTED, SMALL_SIDES = 0.5, (48, 128)
"""Small pictures have no details that could differ, so less of them is expected of one that is no copy: up to the first
of these sides this much."""
PART_SHARE, WHOLE_SHARE = 0.35, 0.65
"""Shares of what there is to see: a part up to the first, a whole from the second on."""
PART_WORTH = 0.5
"""The evidence for a part is worth so much of that for a whole: parts agree in more ways by accident."""
GOOD, GOOD_QUANTILE, BELOW = 0.6, 0.8, 0.8
"""The quality of a pair is this quantile of its windows from such a correlation on; so much less, as the inverse
hyperbolic tangent, is expected everywhere."""

WITNESSES, COMMON, BEYOND = 6, 2, 0.3
"""Witnesses that are heard, how many of them make something common, and how much better than they the reference has to
be, as the inverse hyperbolic tangent."""
SAME, DIFFERENT_SHARE = 0.85, 0.1
"""Two references are different pictures if more than this share of what they show is less alike than that."""

FLAT, NOISY_WINDOWS = 4.0, 4
"""Variance below which the reference shows nothing: what the picture shows in so many such windows is noise."""
MOST_NOISE = 0.9

GAPS, HOLES = 3, 5
"""Windows over which evidence is averaged to find an area, and over which it is closed."""
ALMOST = 0.05
"""An area goes on where its evidence is not more than this far below zero, nats for a value."""


@dataclass(frozen=True)
class Weighed:
    """The evidence for a reference in its place, over the windows of the finest level that was looked at.

    statistic: nats of the best area; evidence: (rows, columns); area: where it is; share: of what there is to see in
    the picture, whether the reference lies there or not; loosely: nats, if of a part no more is expected than of a
    whole.
    """

    statistic: float
    evidence: Plane
    area: Mask
    share: float
    loosely: float = 0.0


def weigh(picture: Prepared, laid: Laid, common: dict[int, Plane] | None = None) -> Weighed:
    """Weigh the evidence for a reference in its place; common: what witnesses show, by level (see `common_of`)."""
    side = min(_side(picture), _side(laid.reference))
    whole = _weighed(picture, laid, common or {}, float(np.interp(side, SMALL_SIDES, (SMALL_EXPECTED, WHOLE_EXPECTED))))
    whole = replace(whole, loosely=whole.statistic)
    if whole.share >= WHOLE_SHARE:
        return whole
    part = _weighed(picture, laid, common or {}, PART_EXPECTED)
    part = replace(part, statistic=PART_WORTH * part.statistic, loosely=whole.loosely)
    if whole.share <= PART_SHARE:
        return part
    mixed = (whole.share - PART_SHARE) / (WHOLE_SHARE - PART_SHARE)
    return replace(whole, statistic=mixed * whole.statistic + (1 - mixed) * part.statistic)


def common_of(picture: Prepared, laid: Laid, others: Sequence[Laid]) -> dict[int, Plane]:
    """Return the correlation that at least COMMON other pictures among `others` have, by level; {} where none do.

    others: the best first. Those that are the same picture as `laid` are no witnesses.
    """
    witnesses = list(islice((other for other in others if different(picture, laid, other)), WITNESSES))
    common = {}
    for level, found in laid.levels.items():
        shape = found.windows.correlation.shape
        correlations = [
            np.where(other.levels[level].windows.inside > INSIDE, other.levels[level].windows.correlation, 0)
            for other in witnesses
            if level in other.levels and other.levels[level].windows.correlation.shape == shape
        ]
        if len(correlations) >= COMMON:
            common[level] = np.sort(np.array(correlations), axis=0)[-COMMON]
    return common


def different(picture: Prepared, laid: Laid, other: Laid) -> bool:
    """Say whether two references, laid under a picture, are different pictures there."""
    level = picture.whole
    first, inside, _ = lay(picture, level, laid.reference, laid.place)
    second, also, _ = lay(picture, level, other.reference, other.place)
    both = inside * also
    windows = agreement(details_of(first) * both, details_of(second) * both, both, 1)
    weight = shown(windows)
    total = float(weight.sum())
    return total == 0 or float(weight[windows.correlation < SAME].sum()) > DIFFERENT_SHARE * total


def _weighed(picture: Prepared, laid: Laid, common: dict[int, Plane], expected: float) -> Weighed:
    finest = min(laid.levels)
    rows, columns = laid.levels[finest].windows.correlation.shape
    evidence, values = np.zeros((rows, columns), np.float32), np.zeros((rows, columns), np.float32)
    for level, found in laid.levels.items():
        nats, new = _level(picture, level, found, common.get(level), expected)
        if nats.size:
            area = rows * columns / nats.size
            evidence += cv2.resize(nats, (columns, rows), interpolation=cv2.INTER_LINEAR) / area
            values += cv2.resize(new, (columns, rows), interpolation=cv2.INTER_LINEAR) / area
    return _best_area(evidence, values, seen(laid.levels[finest].windows.own))


def _level(picture: Prepared, level: int, found: Level, common: Plane | None, expected: float) -> tuple[Plane, Plane]:
    """Return the evidence of each window of a level, and the independent values in it."""
    windows = found.windows
    there = windows.inside > INSIDE
    noise = _noise(windows, there)
    clear = np.sqrt(1 - noise)
    weight = shown(windows) * (1 - noise)
    good = there & (windows.correlation > GOOD * clear) & (weight > 0.2)
    expect = np.full(windows.correlation.shape, expected, np.float32)
    if good.sum() >= 3:
        quality = np.quantile(_certain(windows.correlation[good] / clear[good]), GOOD_QUANTILE)
        expect = np.maximum(expect, np.tanh(quality - BELOW))
    if common is not None:
        expect = np.maximum(expect, np.tanh(_certain(common / clear) + BEYOND))
    expect = np.minimum(expect, 0.99) * clear
    correlation = np.clip(windows.correlation, 0, HIGHEST)
    # Enlarged pictures have no more to say than they had before.
    new = min(1.0, picture.sharpness(level), found.sharpness) ** 2
    values = VALUES / 2 * new * weight * (1 - STRIPED * picture.stripes(level) ** 2)
    nats = values * (np.log1p(-(expect**2)) - np.log1p(-(correlation**2)))
    return nats.astype(np.float32), values.astype(np.float32)


def _side(picture: Prepared) -> float:
    """Return the side of a square with as many pixels as are compared of a picture and were its own."""
    return float(np.sqrt(picture.width * picture.height) * min(1.0, picture.resolution))


def _best_area(evidence: Plane, values: Plane, there: Plane) -> Weighed:
    """Find the connected area with the most evidence; what speaks against, in its holes, counts too.

    values: independent values that both pictures show; there: how much the picture shows; (rows, columns) each.
    """
    speaks, around = cv2.blur(evidence, (GAPS, GAPS)), cv2.blur(values, (GAPS, GAPS))
    labels, count = scipy.ndimage.label((speaks > -ALMOST * around) & (around > 0.02))
    if count == 0:
        return Weighed(0.0, evidence, np.zeros(evidence.shape, bool), 0.0)
    sums = np.bincount(labels.reshape(-1), evidence.reshape(-1))
    sums[0] = -np.inf
    area = labels == int(sums.argmax())
    closed = scipy.ndimage.binary_closing(np.pad(area, HOLES), np.ones((HOLES, HOLES), bool))[
        HOLES:-HOLES, HOLES:-HOLES
    ]
    statistic = max(0.0, float(evidence[area | closed].sum()))
    return Weighed(statistic, evidence, area, float(there[area].sum() / max(float(there.sum()), 1e-6)))


def _noise(windows: Windows, there: Mask) -> Plane:
    """Return the share of noise in what the picture shows in each window: read off where the reference is flat."""
    flat = there & (windows.other <= FLAT)
    noise = float(np.median(windows.own[flat])) if flat.sum() >= NOISY_WINDOWS else 0.0
    share: Plane = np.clip(noise / np.maximum(windows.own, 1e-3), 0, MOST_NOISE)
    return share


def _certain(correlation: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    certain: NDArray[np.floating[Any]] = np.arctanh(np.clip(correlation, -0.2, HIGHEST))
    return certain
