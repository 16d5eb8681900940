"""Stage `rates`: counts of copies to rates with intervals.

Table `prompts`, one row a prompt of the plan: `prompt_id`, `prompt`, `role`, `stratum`, `multiplicity`, `weight`,
`generations`, `copies` (of references; for a control's caption, of controls), `nearest_reference` and
`nearest_statistic` (its best match), `rate`, `low`, `high`. Table `rates`, one row a stratum and measure: `name`
(a stratum, `all` or `controls`), `measure` (`regurgitation` or `extraction`), `weight`, and the fields of `Rate`.
"""

from collections.abc import Iterable
from dataclasses import asdict

import pandas as pd
import pyarrow as pa

from copyrisk.attacks import read_plan
from copyrisk.attacks.strata import stratum_bounds, stratum_of
from copyrisk.duplicates import read_pictures
from copyrisk.files import read_table, write_table
from copyrisk.matching import read_matches
from copyrisk.options import Options
from copyrisk.rates.intervals import Rate, Sample, binomial_rate, clustered_rate, weighted_rate
from copyrisk.run import Run

Named = tuple[str, str, float, Rate]
"""Name, measure, weight and rate: a row of the table `rates`."""


def rates(run: Run, options: Options) -> pa.Table:
    """Count the copies of a run and estimate its rates; return the table `rates`."""
    stage = run.begin(
        "rates",
        options={"confidence": options.confidence},
        after=("duplicates", "plan", "generate", "match"),
        outputs=("rates.parquet", "prompts.parquet"),
    )
    path = run.folder / "rates.parquet"
    if not stage.done:
        plan = read_plan(run).to_pandas()
        matches = wanted(read_matches(run).to_pandas(), plan)
        pictures = read_pictures(run).to_pandas()
        prompts = count_prompts(plan, matches, options.confidence)
        found = list(_rates(prompts, matches, pictures, options.confidence))
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


def count_prompts(plan: pd.DataFrame, matches: pd.DataFrame, confidence: float) -> pd.DataFrame:
    """Count the generations and copies of each prompt of the plan: one row a prompt, in the plan's order."""
    frame = plan.drop(columns="seeds")
    of_control = matches["prompt_id"].isin(frame.loc[frame["role"] == "control", "prompt_id"])
    copies = matches["verdict"].eq("copy").where(~of_control, matches["control_verdict"].eq("copy"))
    best = matches.loc[matches.groupby("prompt_id")["statistic"].idxmin()] if len(matches) else matches
    grouped = copies.groupby(matches["prompt_id"])
    frame["generations"] = frame["prompt_id"].map(grouped.size()).fillna(0).astype("int64")
    frame["copies"] = frame["prompt_id"].map(grouped.sum()).fillna(0).astype("int64")
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


def _rates(prompts: pd.DataFrame, matches: pd.DataFrame, pictures: pd.DataFrame, confidence: float) -> Iterable[Named]:
    controls = _control_rate(prompts, matches, confidence)
    if controls is not None:
        yield "controls", "regurgitation", 0.0, controls
    copied = set(matches.loc[matches["verdict"] == "copy", "reference"])
    if (prompts["role"] == "unconditional").any():
        yield from _unconditional(matches, pictures, copied, confidence)
        return
    asked = prompts[prompts["role"] != "control"]
    # Strata of multiplicity are weighted by pictures; where there are none, all prompts count as they are.
    by_multiplicity = bool((asked["role"] == "reference").any())
    captions = pictures["captions"].map(lambda texts: texts[0] if len(texts) else "")
    samples: dict[str, list[tuple[float, Sample]]] = {"regurgitation": [], "extraction": []}
    for stratum, rows in asked.groupby("stratum", sort=True):
        of_stratum = pictures["multiplicity"].map(stratum_of) == stratum
        found = {"regurgitation": Sample.of(rows["copies"], rows["generations"], rows["weight"])}
        if (rows["role"] == "reference").all():
            # Pictures that were not prompted for can still be given back, but say nothing about their captions.
            prompted = pictures.loc[of_stratum & captions.isin(rows["prompt"]), "cluster"]
            found["extraction"] = Sample.of(prompted.isin(copied), unit="pictures")
            weight = float(of_stratum.sum())
        else:
            found["extraction"] = Sample.of(rows["copies"] > 0, weights=rows["weight"])
            weight = 0.0 if by_multiplicity else float(rows["weight"].sum())
        for measure, sample in found.items():
            yield str(stratum), measure, weight, clustered_rate(sample, confidence)
            if weight > 0:
                samples[measure].append((weight, sample))
    for measure, weighted in samples.items():
        weights = [weight for weight, _ in weighted]
        total = weighted_rate([sample for _, sample in weighted], weights, confidence)
        yield "all", measure, sum(weights), total


def _unconditional(
    matches: pd.DataFrame, pictures: pd.DataFrame, copied: set[str], confidence: float
) -> Iterable[Named]:
    """Rates of a model that takes no prompt: its generations are independent, and all pictures were asked for."""
    hits = matches[matches["verdict"] == "copy"]["reference"].map(pictures.set_index("cluster")["multiplicity"])
    strata = pictures["multiplicity"].map(stratum_of)
    for stratum in sorted(strata.unique(), key=lambda name: stratum_bounds(name)[0]):
        members = pictures.loc[strata == stratum, "cluster"]
        count = int((hits.map(stratum_of) == stratum).sum())
        yield (
            stratum,
            "regurgitation",
            float(len(members)),
            binomial_rate(count, len(matches), "generations", confidence),
        )
        extracted = int(members.isin(copied).sum())
        yield (
            stratum,
            "extraction",
            float(len(members)),
            binomial_rate(extracted, len(members), "pictures", confidence),
        )
    total = float(len(pictures))
    yield "all", "regurgitation", total, binomial_rate(len(hits), len(matches), "generations", confidence)
    given = int(pictures["cluster"].isin(copied).sum())
    yield "all", "extraction", total, binomial_rate(given, len(pictures), "pictures", confidence)


def _control_rate(prompts: pd.DataFrame, matches: pd.DataFrame, confidence: float) -> Rate | None:
    """The share of generations that count as copies of a control.

    Generations from the controls' own captions are the sharpest case; where there are none, all generations count.
    """
    if not len(matches) or matches["control"].isna().all():
        return None
    rows = prompts[prompts["role"] == "control"]
    if len(rows):
        return clustered_rate(Sample.of(rows["copies"], rows["generations"], rows["weight"]), confidence)
    hits = matches["control_verdict"].eq("copy")
    if (prompts["role"] == "unconditional").all():
        return binomial_rate(int(hits.sum()), len(hits), "generations", confidence)
    grouped = hits.groupby(matches["prompt_id"])
    return clustered_rate(Sample.of(grouped.sum(), grouped.size()), confidence)
