"""Stage `rates`: counts of copies to rates with intervals.

Table `prompts`, one row a prompt of the plan: `prompt_id`, `prompt`, `role`, `stratum`, `multiplicity`, `weight`,
`generations` (that could be compared), `copies` (of references; for a control's caption, of controls), `withheld`
(images that were held back: they count in no rate of copies), `own_copies` (those of a picture with this caption),
`nearest_reference` and `nearest_statistic` (its best match), `rate`, `low`, `high`.

Table `rates`, one row a stratum and measure: `name` (a stratum, `all`, `controls`, or `corrected`: `all` less the
accidental hits, over the test's sensitivity), `measure` (`regurgitation` or `extraction`), `weight`, and the fields of
`Rate`. Where images were held back also the measures `withheld` (the share of all images), and for `all`
`regurgitation_if_none`, `regurgitation_if_all` and the same of `extraction`: of all images, if none or all of the
withheld were copies.
"""

from collections.abc import Generator, Iterator
from dataclasses import asdict, dataclass, replace

import numpy as np
import pandas as pd
import pyarrow as pa

from copyrisk.attacks import read_draws, read_plan
from copyrisk.attacks.strata import stratum_bounds, stratum_of
from copyrisk.chosen import Chosen
from copyrisk.duplicates import read_pictures
from copyrisk.files import read_table, write_table
from copyrisk.generators import read_withheld
from copyrisk.matching import COPIES, read_matches
from copyrisk.options import read_count
from copyrisk.rates.drawn import (
    ends_of_draws,
    rate_of_hits,
    rates_of_draws,
    shown_ends,
    shown_rate,
)
from copyrisk.rates.ends import Ends, corrected, known, of_binomial, of_sample, scaled, weighted
from copyrisk.rates.intervals import Rate, Sample, binomial_rate, clustered_rate, rate_of
from copyrisk.rates.withheld import ASSUMED, HELD, as_outcomes, assume, held_back
from copyrisk.run import Run

ACCIDENTS, FOUND = 1001, 1002
"""Seeds of the draws for the controls and the sensitivity, apart from those of the strata."""

Named = tuple[str, str, float, Rate]
"""Name, measure, weight and rate: a row of the table `rates`."""


def rates(run: Run, chosen: Chosen) -> pa.Table:
    """Count the copies of a run and estimate its rates; return the table `rates`."""
    options = chosen.options
    sensitivity = read_count(options.sensitivity, "--sensitivity") if options.sensitivity else None
    stage = run.begin(
        "rates",
        options={"confidence": options.confidence, "sensitivity": options.sensitivity},
        after=("duplicates", "plan", "generate", "match"),
        outputs=("rates.parquet", "prompts.parquet"),
    )
    path = run.folder / "rates.parquet"
    if not stage.done:
        plan = read_plan(run).to_pandas()
        matches = wanted(read_matches(run).to_pandas(), plan)
        pictures = read_pictures(run).to_pandas()
        withheld = wanted(read_withheld(run).to_pandas(), plan)
        prompts = count_prompts(plan, matches, pictures, options.confidence, withheld)
        draws = read_draws(run)
        counted = Counted(
            prompts,
            matches,
            pictures,
            None if draws is None else draws.to_pandas(),
            run.record("match")["controls"],
            options.confidence,
        )
        if len(withheld):
            counted = replace(counted, assumed=counted.assuming(withheld, plan))
        found = list(counted.rates(sensitivity))
        write_table(run.folder / "prompts.parquet", pa.Table.from_pandas(prompts, preserve_index=False))
        rows = [
            {"name": name, "measure": measure, "weight": weight, **asdict(rate)}
            for name, measure, weight, rate in found
        ]
        write_table(path, pa.Table.from_pylist(rows))
        stage.finish(len(rows), [path, run.folder / "prompts.parquet"])
    return read_table(path)


def read_rates(run: Run) -> dict[tuple[str, str], Rate]:
    """Return the rates of a run by (name, measure)."""
    run.record("rates")
    rows = read_table(run.folder / "rates.parquet").drop_columns("weight").to_pylist()
    return {(row.pop("name"), row.pop("measure")): Rate(**row) for row in rows}


def read_prompt_counts(run: Run) -> pd.DataFrame:
    """Return the table `prompts` of a run."""
    run.record("rates")
    frame: pd.DataFrame = read_table(run.folder / "prompts.parquet").to_pandas()
    return frame


def wanted(matches: pd.DataFrame, plan: pd.DataFrame) -> pd.DataFrame:
    """Return the matches of the generations that the plan asks for, in its order.

    The run may hold more, from an earlier plan, and in another order.
    """
    order = plan[["prompt_id", "seeds"]].explode("seeds").rename(columns={"seeds": "seed"})
    order = order.dropna().astype({"seed": "int64"})
    return order.merge(matches, on=["prompt_id", "seed"], how="inner")


def count_prompts(
    plan: pd.DataFrame,
    matches: pd.DataFrame,
    pictures: pd.DataFrame,
    confidence: float,
    withheld: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Count the generations and copies of each prompt of the plan: one row a prompt, in the plan's order.

    withheld: `prompt_id` and `seed` of the images that were held back.
    """
    frame = plan.drop(columns="seeds")
    best = matches.loc[matches.groupby("prompt_id")["statistic"].idxmin()] if len(matches) else matches
    frame = tally(frame, matches)
    frame["withheld"] = 0 if withheld is None else held_back(withheld, frame)
    own = of_own_picture(matches, plan, pictures).groupby(matches["prompt_id"]).sum()
    frame["own_copies"] = frame["prompt_id"].map(own).fillna(0).astype("int64")
    best = best.set_index("prompt_id")
    frame["nearest_reference"] = frame["prompt_id"].map(best["reference"])
    frame["nearest_statistic"] = frame["prompt_id"].map(best["statistic"])
    each = [
        binomial_rate(int(copies), int(trials), "generations", confidence)
        for copies, trials in zip(frame["copies"], frame["generations"], strict=True)
    ]
    frame["rate"] = [rate.estimate for rate in each]
    frame["low"], frame["high"] = [rate.low for rate in each], [rate.high for rate in each]
    return frame


def tally(prompts: pd.DataFrame, matches: pd.DataFrame) -> pd.DataFrame:
    """Return the prompts with their `generations` and `copies` (of references; of controls for a control's caption)."""
    of_control = matches["prompt_id"].isin(prompts.loc[prompts["role"] == "control", "prompt_id"])
    copies = matches["verdict"].isin(COPIES).where(~of_control, matches["control_verdict"].eq("copy"))
    grouped = copies.groupby(matches["prompt_id"])
    return prompts.assign(
        generations=prompts["prompt_id"].map(grouped.size()).fillna(0).astype("int64"),
        copies=prompts["prompt_id"].map(grouped.sum()).fillna(0).astype("int64"),
    )


def of_own_picture(matches: pd.DataFrame, plan: pd.DataFrame, pictures: pd.DataFrame) -> "pd.Series[bool]":
    """Say of each match whether it is a copy of a picture whose caption was the prompt."""
    captions = pictures[["cluster", "captions"]].explode("captions").dropna()
    own = set(zip(captions["cluster"], captions["captions"], strict=True))
    prompts = matches["prompt_id"].map(plan.set_index("prompt_id")["prompt"])
    of_own = [pair in own for pair in zip(matches["reference"], prompts, strict=True)]
    return matches["verdict"].isin(COPIES) & pd.Series(of_own, index=matches.index, dtype=bool)


@dataclass(frozen=True)
class Counted:
    """What the rates are computed from: the tables `prompts`, `matches`, `pictures` and `draws` (None without)."""

    prompts: pd.DataFrame
    matches: pd.DataFrame
    pictures: pd.DataFrame
    draws: pd.DataFrame | None
    controls: int
    confidence: float
    assumed: "dict[str, Counted] | None" = None
    """The same, if images that were held back are put in: `withheld`, if they alone were copies; `none`, `all`."""

    def assuming(self, withheld: pd.DataFrame, plan: pd.DataFrame) -> "dict[str, Counted]":
        """Return what `assumed` says, for the images of the plan that were held back."""
        found = {}
        cases = {name: (self.matches, verdict) for name, verdict in ASSUMED.items()}
        for name, (matches, verdict) in {**cases, HELD: (as_outcomes(self.matches), "copy")}.items():
            put_in = assume(matches, withheld, plan, self.pictures, verdict)
            found[name] = replace(self, prompts=tally(self.prompts, put_in).assign(withheld=0), matches=put_in)
        return found

    def rates(self, sensitivity: tuple[int, int] | None) -> Iterator[Named]:
        """Yield all rows of the table `rates`."""
        control = self.control_rate()
        if control is not None:
            yield "controls", "regurgitation", 0.0, control
        if (self.prompts["role"] == "unconditional").any():
            overall = yield from self._unconditional()
        else:
            overall = yield from self._of_prompts()
        yield from self._withheld()
        if overall is None or (control is None and sensitivity is None):
            return
        ends, rate = overall
        # The more pictures there are to hit, the more are hit by accident.
        scale = max(1.0, len(self.pictures) / self.controls) if self.controls else 1.0
        accidents = known(0.0) if control is None else scaled(self._control_ends(control), scale)
        found = known(1.0) if sensitivity is None else of_binomial(*sensitivity, seed=FOUND)
        true = corrected(ends, found, accidents)
        low, high = true.interval(self.confidence)
        yield "corrected", "regurgitation", 0.0, replace(rate, estimate=true.estimate, low=low, high=high)

    def _withheld(self) -> Iterator[Named]:
        unconditional = (self.prompts["role"] == "unconditional").any()
        for case, counted in (self.assumed or {}).items():
            for name, measure, weight, rate in counted._unconditional() if unconditional else counted._of_prompts():
                if case == HELD and measure == "regurgitation":
                    yield name, HELD, weight, rate
                # Of which pictures a model without prompts would have given copies, nobody can assume.
                elif case != HELD and name == "all" and not (unconditional and measure == "extraction"):
                    yield name, f"{measure}_if_{case}", weight, rate

    def _of_prompts(self) -> Generator[Named, None, tuple[Ends, Rate] | None]:
        asked = self.prompts[self.prompts["role"] != "control"]
        # Strata of multiplicity are weighted by pictures; where there are none, all prompts count as they are.
        by_multiplicity = bool((asked["role"] == "reference").any())
        drawn = {} if self.draws is None else self._drawn(self.draws)
        captions = self.pictures["captions"].map(lambda texts: texts[0] if len(texts) else "")
        copied = set(self.matches.loc[self.matches["verdict"].isin(COPIES), "reference"])
        samples: dict[str, list[tuple[float, Sample]]] = {"regurgitation": [], "extraction": []}
        for stratum, rows in asked.groupby("stratum", sort=True):
            # Of a prompt whose images were all held back nobody knows whether one of them was a copy.
            seen = rows[(rows["generations"] > 0) | (rows["withheld"] == 0)]
            of_stratum = self.pictures["multiplicity"].map(stratum_of) == stratum
            found = {"regurgitation": Sample.of(rows["copies"], rows["generations"], rows["weight"])}
            if (rows["role"] == "reference").all():
                # Pictures that were not prompted for can still be given back, but say nothing about their captions.
                prompted = self.pictures.loc[of_stratum & captions.isin(seen["prompt"]), "cluster"]
                found["extraction"] = Sample.of(prompted.isin(copied), unit="pictures")
                weight = float(of_stratum.sum())
            else:
                found["extraction"] = Sample.of(seen["copies"] > 0, weights=seen["weight"])
                weight = 0.0 if by_multiplicity else float(rows["weight"].sum())
            for measure, sample in found.items():
                rate = drawn.get(str(stratum)) if measure == "regurgitation" else None
                yield str(stratum), measure, weight, rate or clustered_rate(sample, self.confidence)
                if weight > 0:
                    samples[measure].append((weight, sample))
        overall = None
        for measure, pairs in samples.items():
            parts, weights = [sample for _, sample in pairs], [weight for weight, _ in pairs]
            # A log of prompts is itself a sample of the use it comes from.
            ends = weighted([of_sample(part, h) for h, part in enumerate(parts)], weights, counted=not by_multiplicity)
            rate = rate_of(ends, parts, self.confidence)
            if measure == "regurgitation":
                if self.draws is not None:
                    ends, rate = self._ends_of_draws(self.draws), drawn["all"]
                overall = ends, rate
            yield "all", measure, sum(weights), rate
        return overall

    def _drawn(self, draws: pd.DataFrame) -> dict[str, Rate]:
        """Rates where the results decided what was drawn: of each stratum, and of `all`."""
        found = rates_of_draws(draws, self.matches, self.confidence)
        if self.assumed is None:
            return found
        none, all_ = (self.assumed[case]._drawn(draws) for case in ASSUMED)
        seen = {name: (rate.successes, rate.trials) for name, rate in found.items()}
        return {name: shown_rate(none[name], all_[name], *seen.get(name, (0, 0))) for name in none}

    def _ends_of_draws(self, draws: pd.DataFrame) -> Ends:
        if self.assumed is None:
            return ends_of_draws(draws, self.matches)
        return shown_ends(*(self.assumed[case]._ends_of_draws(draws) for case in ASSUMED))

    def _unconditional(self) -> Generator[Named, None, tuple[Ends, Rate] | None]:
        """Rates of a model that takes no prompt: its generations are independent, and all pictures were asked for."""
        matches, pictures = self.matches, self.pictures
        hits = matches["reference"].map(pictures.set_index("cluster")["multiplicity"])
        hits = hits.map(stratum_of, na_action="ignore").where(matches["verdict"].isin(COPIES))
        copied = set(matches.loc[matches["verdict"].isin(COPIES), "reference"])
        strata = pictures["multiplicity"].map(stratum_of)
        for stratum in sorted(strata.unique(), key=lambda name: stratum_bounds(name)[0]):
            members = pictures.loc[strata == stratum, "cluster"]
            yield stratum, "regurgitation", float(len(members)), self._share(hits == stratum)
            extracted = int(members.isin(copied).sum())
            rate = binomial_rate(extracted, len(members), "pictures", self.confidence)
            yield stratum, "extraction", float(len(members)), rate
        total, overall = float(len(pictures)), self._share(matches["verdict"].isin(COPIES))
        yield "all", "regurgitation", total, overall
        given = int(pictures["cluster"].isin(copied).sum())
        yield "all", "extraction", total, binomial_rate(given, len(pictures), "pictures", self.confidence)
        if self.draws is not None:
            return ends_of_draws(self.draws, matches), overall
        return of_binomial(overall.successes, overall.trials), overall

    def _share(self, here: "pd.Series[bool]") -> Rate:
        if self.draws is not None:
            return rate_of_hits(np.asarray(here, np.float64), self.confidence)
        return binomial_rate(int(here.sum()), len(here), "generations", self.confidence)

    def control_rate(self) -> Rate | None:
        """Return the share of generations that count as copies of a control; None without controls.

        Generations from the controls' own captions are the sharpest case; where there are none, all generations count.
        """
        if not len(self.matches) or self.matches["control"].isna().all():
            return None
        alone = self.draws is not None or (self.prompts["role"] == "unconditional").all()
        if alone and not (self.prompts["role"] == "control").any():
            hits = self.matches["control_verdict"].eq("copy")
            return binomial_rate(int(hits.sum()), len(hits), "generations", self.confidence)
        return clustered_rate(self._control_sample(), self.confidence)

    def _control_sample(self) -> Sample:
        rows = self.prompts[self.prompts["role"] == "control"]
        if len(rows):
            return Sample.of(rows["copies"], rows["generations"], rows["weight"])
        grouped = self.matches["control_verdict"].eq("copy").groupby(self.matches["prompt_id"])
        return Sample.of(grouped.sum(), grouped.size())

    def _control_ends(self, control: Rate) -> Ends:
        if control.unit == "generations":
            return of_binomial(control.successes, control.trials, seed=ACCIDENTS)
        return of_sample(self._control_sample(), seed=ACCIDENTS)
