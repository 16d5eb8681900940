"""The stages as Python functions with the options as keyword arguments, one by one or all as an audit.

result = copyrisk.audit(model="diffusers:./model", references="train", controls="held_out", out="run")
print(result.sentence)
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa

from copyrisk import attacks, generators, matching
from copyrisk import duplicates as duplicates_room
from copyrisk import index as index_room
from copyrisk import rates as rates_room
from copyrisk import report as report_room
from copyrisk.chatter import chatter_to
from copyrisk.chosen import Chosen
from copyrisk.combinations import refuse, refuse_pictures
from copyrisk.files import read_table
from copyrisk.options import STAGES, Options, flat
from copyrisk.rates.intervals import Rate
from copyrisk.run import Run

R = TypeVar("R")


@dataclass(frozen=True)
class Audit:
    """A finished audit: the answer, the tables (Arrow; `.to_pandas()` gives data frames) and the report."""

    folder: Path
    facts: dict[str, Any]
    """What the report says, as documented in `report.schema.json`."""
    rates: dict[tuple[str, str], Rate]
    """Rates by name (a stratum, `all`, `controls`) and measure (`regurgitation`, `extraction`)."""
    references: pa.Table
    controls: pa.Table
    duplicates: pa.Table
    pictures: pa.Table
    plan: pa.Table
    matches: pa.Table
    prompts: pa.Table

    @property
    def sentence(self) -> str:
        """The answer in words."""
        sentence: str = self.facts["answer"]["sentence"]
        return sentence

    @property
    def regurgitation(self) -> Rate:
        """The share of generations that are copies, over all strata."""
        return self.rates["all", "regurgitation"]

    @property
    def report(self) -> Path:
        """The page for people."""
        return self.folder / "report.html"

    def generations(self) -> pa.Table:
        """Read the generations with their images; this can be large."""
        with Run.open(self.folder) as run:
            return pa.concat_tables([read_table(path) for path in generators.generation_shards(run)])


def _audit(options: Options) -> Audit:
    """Audit a generator against reference images: run all stages that are not done yet, and return the result.

    Raises UserError where an input is bad; what was done before stays in the run folder, and the same call goes on from
    there.
    """
    chosen = Chosen(options)
    refuse(chosen, STAGES)
    with Run.open(options.out) as run, chatter_to(run.chatter):
        index_room.index(run, chosen)
        duplicates_room.duplicates(run, chosen)
        pictures, controls = duplicates_room.read_pictures(run), duplicates_room.read_control_pictures(run)
        refuse_pictures(chosen, len(pictures), len(controls))
        _plan_and_match(run, chosen)
        rates_room.rates(run, chosen)
        report_room.report(run, chosen)
        return Audit(
            folder=run.folder,
            facts=report_room.read_facts(run),
            rates=rates_room.read_rates(run),
            references=index_room.read_collection(run, "references"),
            controls=index_room.read_collection(run, "controls"),
            duplicates=read_table(run.folder / "duplicates.parquet"),
            pictures=pictures,
            plan=attacks.read_plan(run),
            matches=matching.read_matches(run),
            prompts=read_table(run.folder / "prompts.parquet"),
        )


def _plan_and_match(run: Run, chosen: Chosen) -> None:
    """Plan, generate and match; where the results decide what to draw next, until they ask for nothing more."""
    planned = None
    try:
        attacks.plan(run, chosen)
        while planned != (planned := run.record("plan")["key"]):
            generators.generate(run, chosen)
            matching.match(run, chosen)
            if chosen.options.adaptive:
                attacks.plan(run, chosen)
    finally:
        chosen.close()


def _in_run(stage: Callable[[Run, Chosen], R]) -> Callable[[Options], R]:
    @wraps(stage)
    def call(options: Options) -> R:
        with Run.open(options.out) as run, chatter_to(run.chatter):
            chosen = Chosen(options) if stage.__name__ == "index" else Chosen.of_run(options, run)
            refuse(chosen, [stage.__name__])
            try:
                return stage(run, chosen)
            finally:
                chosen.close()

    return call


index = flat(_in_run(index_room.index), Options)
duplicates = flat(_in_run(duplicates_room.duplicates), Options)
plan = flat(_in_run(attacks.plan), Options)
generate = flat(_in_run(generators.generate), Options)
match = flat(_in_run(matching.match), Options)
rates = flat(_in_run(rates_room.rates), Options)
report = flat(_in_run(report_room.report), Options)
audit = flat(_audit, Options)
