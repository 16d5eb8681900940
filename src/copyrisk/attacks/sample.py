"""A random sample of a log of prompts, so that the rate of the sample is the rate of the use that was logged.

The sampling unit is a line of the log: a prompt that people typed ten times as often is drawn ten times as often. Each
stratum is sampled on its own, so that a rare one gets a rate too, and what is drawn from it stands for all its lines.
"""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from copyrisk.errors import UserError

Integers = NDArray[np.int64]


def draw_prompts(log: pa.Table, count: int, seed: int) -> pa.Table:
    """Draw at most `count` different prompts of a log: `prompt`, `stratum`, `weight`, in the order of the log.

    log: `prompt`, `stratum`, `lines`, one row a different prompt. A stratum whose different prompts fit its part of
    `count` is taken whole. Of any other, as many lines as its part are drawn at random without replacement; equal lines
    are one prompt. weight: the lines of the log that a prompt stands for, its drawn lines times N / n where n of the
    stratum's N lines were drawn; weights sum to the lines of the log, and weighted means are unbiased (Horvitz and
    Thompson 1952). A larger `count` with the same seed keeps the prompts of a smaller one.

    Raises UserError where there are more strata than `count`.
    """
    names, code = np.unique(log["stratum"].to_numpy(), return_inverse=True)
    if len(names) > count:
        raise UserError(
            f"--prompts has {len(names):,} strata and --max-prompts is {count:,}. Raise it, or join strata."
        )
    lines = log["lines"].to_numpy().astype(np.int64)
    parts = allocate(np.bincount(code, lines).astype(np.int64), np.bincount(code), count)
    weight = np.zeros(len(lines))
    for number, part in enumerate(parts):
        rows = np.flatnonzero(code == number)
        total = int(lines[rows].sum())
        if part >= len(rows):
            weight[rows] = lines[rows]
            continue
        # A permutation rather than a choice: more lines then keep those that fewer had.
        drawn = np.random.default_rng([seed, number]).permutation(total)[:part]
        owner = np.searchsorted(np.cumsum(lines[rows]), drawn, side="right")
        weight[rows] = np.bincount(owner, minlength=len(rows)) * (total / part)
    chosen = np.flatnonzero(weight)
    return log.take(chosen).drop_columns("lines").append_column("weight", pa.array(weight[chosen]))


def allocate(lines: Integers, prompts: Integers, count: int) -> Integers:
    """Divide `count` among strata: half of it evenly, half by their lines, and no stratum more than its prompts.

    lines, prompts: (strata,), how many lines and different prompts each has. What a small stratum leaves over goes to
    the others. Every stratum gets at least 1, which takes count ≥ strata.
    """
    parts = np.zeros(len(lines), np.int64)
    open_ = np.ones(len(lines), bool)
    while open_.any():
        free = count - parts[~open_].sum() - open_.sum()
        share = 0.5 / open_.sum() + 0.5 * lines / lines[open_].sum()
        wanted = 1 + np.floor(free * share).astype(np.int64)
        small = open_ & (prompts <= wanted)
        if not small.any():
            return np.where(open_, wanted, parts)
        parts[small] = prompts[small]
        open_ &= ~small
    return parts
