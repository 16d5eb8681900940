"""The prompts file of a run, read and sampled."""

from dataclasses import dataclass
from typing import Any

import pyarrow.compute as pc

from copyrisk.attacks.prompts import read_prompts
from copyrisk.attacks.sample import draw_prompts
from copyrisk.options import Options
from copyrisk.run import log

MAX_PROMPTS = 1000
"""Prompts at most, where `--max-prompts` is not given and each gets the same number of images."""


@dataclass(frozen=True)
class PromptLog:
    """Prompts that were drawn from a file: `rows` with `prompt`, `stratum` and `weight`.

    counts: `lines` and different `prompts` of the file, and how many were `drawn`.
    """

    rows: list[dict[str, Any]]
    counts: dict[str, int]


def most_prompts(options: Options) -> int | None:
    """Return how many prompts there are at most; None for all."""
    return options.max_prompts or (None if options.adaptive else MAX_PROMPTS)


def read_log(options: Options) -> PromptLog | None:
    """Read the file `--prompts` and draw at most `--max-prompts` from it; None where it is not given.

    Raises UserError as `read_prompts` and `draw_prompts` do.
    """
    if options.prompts is None:
        return None
    prompts = read_prompts(options.prompts, options.strata)
    drawn = draw_prompts(prompts, most_prompts(options) or len(prompts), options.seed)
    counts = {"lines": int(pc.sum(prompts["lines"]).as_py()), "prompts": len(prompts), "drawn": len(drawn)}
    if len(drawn) < len(prompts):
        log.info(
            "plan: %d of the %d different prompts in %d lines, drawn at random (--max-prompts)",
            counts["drawn"],
            counts["prompts"],
            counts["lines"],
        )
    return PromptLog(drawn.to_pylist(), counts)
