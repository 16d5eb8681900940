"""Prompts drawn in rounds, with `--budget` or `--precision`: each round learns from the verdicts of those before.

Table `draws`, one row an image in the order of drawing: `round`, `prompt_id`, `seed`, `role` (a control is drawn in its
turn, whatever came out before), `stratum`; and for the rates, what turns its verdict into a value (see
`copyrisk.rates.allocation`): `guess`, and `ratio`, `centre`, `bottom`, `top` over all prompts and, with the prefix
`stratum_`, within its stratum (null for controls).

Nothing is remembered between rounds but the verdicts: the draws are computed anew from the first one, and are the same
each time, until a round comes whose images are not all there.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
import pyarrow as pa

from copyrisk.attacks.controls import images_of_controls, in_turn, turns_of_controls
from copyrisk.errors import UserError
from copyrisk.run import digest, log

FIRST_ROUND = 64
GROWTH = 0.5
"""Images of the first round, and of each later one as a share of all before it."""
TERMS = ("ratio", "centre", "bottom", "top")
SCHEMA = pa.schema(
    [
        ("round", pa.int32()),
        ("prompt_id", pa.string()),
        ("seed", pa.int64()),
        ("role", pa.string()),
        ("stratum", pa.string()),
        *((name, pa.float64()) for name in ("guess", *TERMS, *(f"stratum_{term}" for term in TERMS))),
    ]
)

Rows = list[dict[str, Any]]
Verdicts = Mapping[tuple[str, int], bool | None]
"""Whether each (prompt_id, seed) is a copy; None where its image failed."""


@dataclass(frozen=True)
class Goal:
    """When to stop: after `budget` images, or when the interval reaches no further than `precision` to either side.

    controls: how many of the images are of controls at most; where it is None, as many as controls need.
    """

    budget: int | None
    precision: float | None
    confidence: float
    controls: int | None = None

    def reached(self, images: int, interval: tuple[float, float]) -> bool:
        """Say whether to stop after so many images."""
        spent = self.budget is not None and images >= self.budget
        # The interval from 0 to 1 before the first image is ± 0.5, and says nothing.
        narrow = self.precision is not None and interval[1] - interval[0] <= 2 * self.precision
        return spent or (narrow and images > 0)


@dataclass(frozen=True)
class Draws:
    """The table of draws so far; `complete` says that the goal is reached and no round comes after these."""

    table: pa.Table
    complete: bool
    interval: tuple[float, float]
    """Of the rate, from the rounds whose verdicts are known."""

    def extent(self, budget: int | None, precision: float | None) -> dict[str, Any]:
        """Return what the manifest keeps of them; other verdicts give other draws, even where they are as many."""
        drawn = digest(self.table.select(["prompt_id", "seed", "ratio", "centre"]).to_pydict())
        return {
            "budget": budget,
            "precision": precision,
            "draws": len(self.table),
            "digest": drawn,
            "complete": self.complete,
        }


def draw_rounds(
    rows: Rows, verdicts: Verdicts, goal: Goal, seed: int, seed_of: Callable[[int, str, int], int]
) -> Draws:
    """Draw round after round from the rows of the plan, as far as the verdicts go, or up to the goal.

    rows: all prompts that can be asked, with their weights; those of the role `control`, one row a picture, take turns
    beside the others.
    """
    # The stage `rates` comes after this one, so its package cannot be imported before this one is complete.
    from copyrisk.rates.allocation import Population, Tally, propose, stream
    from copyrisk.rates.anytime import anytime_interval

    asked = [row for row in rows if row["role"] != "control"]
    controls = [row for row in rows if row["role"] == "control"]
    strata = {name: number for number, name in enumerate(sorted({row["stratum"] for row in asked}))}
    weights = np.array([row["weight"] for row in asked])
    population = Population(weights / weights.sum(), np.array([strata[row["stratum"]] for row in asked]))
    tally, numbers, tables, values = Tally.empty(population), Counter[str](), [SCHEMA.empty_table()], []
    images = turned = 0
    interval = (0.0, 1.0)
    for number in count():
        if goal.reached(images, interval):
            return Draws(pa.concat_tables(tables), True, interval)
        size = max(FIRST_ROUND, int(GROWTH * images))
        size = size if goal.budget is None else min(size, goal.budget - images)
        # One stream of random numbers a round: a round that the budget cut short begins like the whole one.
        uniforms = np.random.default_rng([seed, number]).random((size, 2))
        turns = turns_of_controls(images, size, len(controls), goal.controls)
        proposal = propose(population, tally)
        prompts = proposal.draw(uniforms[~turns])
        chosen = np.empty(size, object)
        chosen[~turns] = [asked[prompt] for prompt in prompts]
        chosen[turns] = in_turn(controls, int(turns.sum()), turned)
        turned += int(turns.sum())
        keys = []
        for row in chosen:
            keys.append((row["prompt_id"], seed_of(seed, row["prompt"], numbers[row["prompt_id"]])))
            numbers[row["prompt_id"]] += 1
        terms = {"guess": proposal.guesses[prompts]}
        for prefix, group in (("", proposal.overall()), ("stratum_", proposal.by_stratum())):
            terms |= {prefix + name: getattr(group, name)[prompts] for name in TERMS}
        tables.append(_table(number, chosen, keys, ~turns, terms))
        images += size
        outcomes = [verdicts.get(key, "missing") for key in keys]
        if "missing" in outcomes:
            return Draws(pa.concat_tables(tables), False, interval)
        seen = np.array([outcome is not None for outcome in outcomes])[~turns]
        if not seen.any() and goal.budget is None:
            raise UserError(
                f"--precision: none of the {len(seen)} images of the last round could be read, so that more of them "
                "would say nothing. Look at the warnings above; what was done is kept."
            )
        copies = np.array([bool(outcome) for outcome in outcomes], float)[~turns]
        tally.add(prompts[seen], copies[seen])
        values.append(np.stack([*(terms[name] for name in ("ratio", "guess", *TERMS[1:])), copies])[:, seen])
        interval = anytime_interval(stream(*np.concatenate(values, axis=1)), goal.confidence)
    raise AssertionError("unreachable: the loop above has no end of its own")


def announce(goal: Goal, pace: float, pictures: int = 0) -> None:
    """Say before the first image how many the goal takes, and how long that is at a pace in images a second.

    pictures: how many different ones the controls show; the images of theirs are counted too.
    """
    from copyrisk.rates.allocation import images_needed

    if goal.precision is not None:
        own = {rate: images_needed(goal.precision, rate, goal.confidence) for rate in (0.0, 0.01, 0.1)}
        wanted = {
            rate: images + min(images_of_controls(images, pictures) if goal.controls is None else goal.controls, images)
            for rate, images in own.items()
        }
        log.info(
            "plan: ±%g %% takes at most about %s images if none is a copy (%s), %s if 1 %% are (%s), %s if 10 %% are "
            "(%s); fewer where few prompts make all the copies",
            100 * goal.precision,
            *(text for images in wanted.values() for text in (f"{images:,}", duration(images / pace))),
        )
    if goal.budget is not None:
        log.info("plan: at most %s images (%s)", f"{goal.budget:,}", duration(goal.budget / pace))


def duration(seconds: float) -> str:
    """Return a time in the largest unit of which there are at least two: `90 s`, `25 min`, `14 h`, `3 days`."""
    for size, unit in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _table(number: int, chosen: Any, keys: list[tuple[str, int]], asked: Any, terms: Mapping[str, Any]) -> pa.Table:
    columns: dict[str, Any] = {
        "round": np.full(len(keys), number, np.int32),
        "prompt_id": [name for name, _ in keys],
        "seed": [seed for _, seed in keys],
        "role": [row["role"] for row in chosen],
        "stratum": [row["stratum"] for row in chosen],
    }
    for name, values in terms.items():
        column = np.full(len(keys), np.nan)
        column[asked] = values
        columns[name] = pa.array(column, from_pandas=True)
    return pa.table(columns, schema=SCHEMA)
