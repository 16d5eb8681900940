"""What the adaptive audit saves: images for the same interval, and images for each picture found.

Run: python benchmarks/rare_events.py [RUN_FOLDER]. The rate of each prompt is known, so the truth is computed:
- worlds made up here: 2,000 captions, of which a few always copy, or copy by a duplication law, or none does;
- with RUN_FOLDER, a finished audit of a testbed with the same number of images for each caption (500, as in Carlini et
  al. 2023): a draw takes one of those images at random, and the share of copies among them is the true rate.

Rivals: drawing prompts at random, one image each, with Clopper and Pearson's interval (how many images give it the
adaptive interval's width?), and 500 images a prompt, the most duplicated first (how many until as many pictures are
found?).
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.special import betaincinv, expit

from copyrisk.attacks import seed_of
from copyrisk.attacks.adaptive import Goal, draw_rounds
from copyrisk.attacks.strata import stratum_of
from copyrisk.files import read_table
from copyrisk.rates.drawn import rates_of_draws

REPEATS, FIXED = 20, 500


def main() -> None:
    for name, rows, rates, outcome in worlds():
        theta = float(np.average(rates, weights=[row["weight"] for row in rows]))
        order = np.argsort([-row["multiplicity"] for row in rows], kind="stable")
        print(f"\n{name}: {len(rows):,} captions, true rate {theta:.5g}")
        print(" images  covered  mean interval       error  random draws for it  found  images a find  500 each  times")
        for budget in (500, 2000, 10_000):
            report(budget, theta, rows, rates, outcome, order)


def report(budget: int, theta: float, rows: Any, rates: Any, outcome: Any, order: Any) -> None:
    intervals, errors, finds, fixed = [], [], [], []
    began = time.monotonic()
    for repeat in range(REPEATS):
        verdicts = Verdicts(rows, outcome, repeat)
        draws = draw_rounds(rows, verdicts, Goal(budget, None, 0.95), repeat, seed_of).table.to_pandas()
        matches = draws[["prompt_id", "seed"]].copy()
        matches["verdict"] = [
            "copy" if verdicts.get(key) else "no copy" for key in zip(draws["prompt_id"], draws["seed"], strict=True)
        ]
        rate = rates_of_draws(draws, matches, 0.95)["all"]
        intervals.append((rate.low, rate.high))
        errors.append(abs(rate.estimate - theta))
        found = matches.loc[matches["verdict"] == "copy", "prompt_id"].nunique()
        finds.append(found)
        # Of 500 images a prompt of rate p finds at least one copy with probability 1 − (1 − p)^500.
        generator = np.random.default_rng(repeat)
        hits = np.cumsum(generator.random(len(rates)) < -np.expm1(FIXED * np.log1p(-rates[order] * (1 - 1e-12))))
        fixed.append(FIXED * (int(np.searchsorted(hits, found)) + 1) if found else 0)
    low, high = np.mean(intervals, axis=0)
    covered = sum(a <= theta <= b for a, b in intervals)
    needed = random_draws(theta, high - low)
    per_find = budget / np.mean(finds) if np.mean(finds) else np.inf
    rival = np.mean(fixed) / np.mean(finds) if np.mean(finds) else np.inf
    times = f"{rival / per_find:6.0f}" if np.mean(finds) else "     –"
    print(
        f"{budget:7,d}  {covered:3d}/{REPEATS}  {low:.5f}–{high:.5f}  {np.mean(errors):.2e}  {needed:11,.0f} "
        f"({needed / budget:4.1f} ×)  {np.mean(finds):5.0f}  {per_find:13.1f}  {rival:12.0f} {times}"
        f"  [{(time.monotonic() - began) / REPEATS:.2f} s]",
        flush=True,
    )


def random_draws(rate: float, width: float) -> float:
    """How many random draws give Clopper and Pearson's interval this width, at the expected number of copies."""

    def excess(log_count: float) -> float:
        count = np.exp(log_count)
        copies = rate * count
        low = betaincinv(copies, count - copies + 1, 0.025) if copies > 0 else 0.0
        return float(betaincinv(copies + 1, count - copies, 0.975) - low - width)

    return float(np.exp(brentq(excess, 0, 25)))


class Verdicts:
    """What each image would be, found out when asked."""

    def __init__(self, rows: Any, outcome: Callable[[int, float], bool], repeat: int):
        self.place = {row["prompt_id"]: position for position, row in enumerate(rows)}
        self.outcome, self.repeat = outcome, repeat

    def get(self, key: tuple[str, int], default: Any = None) -> bool:
        # A seed is below 2^53: together with the repeat it gives a number in [0, 1).
        uniform = np.random.default_rng([key[1], self.repeat, self.place[key[0]]]).random()
        return self.outcome(self.place[key[0]], uniform)


def worlds() -> Any:
    multiplicity = np.concatenate([np.ones(1860, int), np.repeat([2, 4, 8, 16, 32, 64, 128], 20)])
    generator = np.random.default_rng(0)
    always = np.where(multiplicity >= 64, 1.0, 0.0)
    mean = 0.0005 + 0.9995 * expit(1.8 * np.log(multiplicity / 40))
    law = generator.beta(0.5 * mean, 0.5 * (1 - mean))
    for name, rates in (
        ("few captions, always copied", always),
        ("a duplication law, prompts all or nothing", law),
        ("the same law, prompts of one multiplicity alike", mean),
        ("no copy at all", np.zeros(len(multiplicity))),
    ):
        yield name, rows_of(multiplicity), rates, lambda place, uniform, rates=rates: uniform < rates[place]
    if len(sys.argv) > 1:
        yield of_run(Path(sys.argv[1]))


def of_run(folder: Path) -> Any:
    prompts = read_table(folder / "prompts.parquet").to_pandas()
    prompts = prompts[prompts["role"] == "reference"]
    copied = (prompts["copies"] / prompts["generations"]).to_numpy()
    rows = rows_of(prompts["multiplicity"].to_numpy(int))
    name = f"testbed, {int(prompts['generations'].sum()):,} images"
    return name, rows, copied, lambda place, uniform: uniform < copied[place]


def rows_of(multiplicity: Any) -> list[dict[str, Any]]:
    return [
        {
            "prompt_id": f"p{position}",
            "prompt": f"caption {position}",
            "role": "reference",
            "stratum": stratum_of(int(number)),
            "multiplicity": int(number),
            "weight": 1.0,
        }
        for position, number in enumerate(multiplicity)
    ]


if __name__ == "__main__":
    main()
