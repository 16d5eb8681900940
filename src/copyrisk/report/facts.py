"""Everything that the report says, gathered from the tables of a run; `report.schema.json` documents it."""

import platform
import shlex
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import pandas as pd

from copyrisk import __version__
from copyrisk.attacks.strata import stratum_bounds
from copyrisk.duplicates import read_pictures
from copyrisk.files import read_table
from copyrisk.generators import failures, read_withheld
from copyrisk.index import read_collection, readable, unreadable
from copyrisk.matching import COPIES, read_matches
from copyrisk.options import STAGES, flag, of_stage
from copyrisk.rates import read_prompt_counts, read_rates, wanted
from copyrisk.rates.intervals import Rate, binomial_rate, exceeds
from copyrisk.rates.withheld import ASSUMED, HELD
from copyrisk.report import consequences
from copyrisk.report.answer import notes, sentence
from copyrisk.run import Run

SHOWN_PROMPTS = 2000
SHOWN_REASONS = 5
NO_STRATA = ("all", "controls", "corrected")
PACKAGES = ("numpy", "pillow", "pyarrow", "scipy", "torch", "diffusers", "transformers")


def gather(run: Run, pairs: int) -> dict[str, Any]:
    """Collect the facts of a run whose rates are done, with at most `pairs` picture pairs."""
    found = read_rates(run)
    prompts = read_prompt_counts(run)
    matches = wanted(read_matches(run).to_pandas(), read_table(run.folder / "plan.parquet").to_pandas())
    pictures = read_pictures(run).to_pandas()
    references, controls = read_collection(run, "references"), read_collection(run, "controls")
    matched = run.record("match")
    confidence, extent = run.record("rates")["options"]["confidence"], run.record("plan").get("extent")
    regurgitation, control = found["all", "regurgitation"], found.get(("controls", "regurgitation"))
    asked = matches[~matches["prompt_id"].isin(prompts.loc[prompts["role"] == "control", "prompt_id"])]
    # Beside captions, prompts that belong to no picture stand for nothing: they are shown, and count in no rate.
    counted = prompts["role"] == "reference" if (prompts["role"] == "reference").any() else prompts["role"] != "control"
    in_rate = asked[asked["prompt_id"].isin(prompts.loc[counted, "prompt_id"])]
    withheld = wanted(read_withheld(run).to_pandas(), read_table(run.folder / "plan.parquet").to_pandas())
    bad = [*unreadable(references).to_pylist(), *unreadable(controls).to_pylist()]
    counts = {
        "references": readable(references).num_rows,
        "pictures": len(pictures),
        "controls": matched["controls"],
        "control_pictures_dropped": matched["control_pictures_dropped"],
        "unreadable": len(bad),
        "prompts": int(counted.sum()),
        "generations": len(in_rate),
        "copies": int((in_rate["verdict"].isin(COPIES)).sum()),
        "other_generations": len(asked) - len(in_rate),
        "withheld": int(prompts.loc[counted, "withheld"].sum()),
        "failed_generations": run.record("generate")["rows"] - len(matches) - len(withheld),
    }
    # The more pictures there are to hit, the more are hit by accident: controls are scaled to the references' number.
    scale = max(1.0, counts["pictures"] / counts["controls"]) if counts["controls"] else 1.0
    verdict = verdict_of(regurgitation, control, scale)
    facts = {
        "schema_version": 1,
        "copyrisk_version": __version__,
        "created": run.manifest["created"],
        "model": run.manifest["model"],
        "answer": {
            "verdict": verdict,
            "regurgitation": _rate(regurgitation),
            "extraction": _rate(found["all", "extraction"]),
            "controls": _rate(control) if control else None,
            "corrected": _rate(found["corrected", "regurgitation"])
            if ("corrected", "regurgitation") in found
            else None,
            "withheld": _withheld(found, withheld) if counts["withheld"] else None,
        },
        "test": {
            "name": matched["options"]["test"],
            **{name: matched[name] for name in ("threshold", "calibration", "statistic", "source")},
            "descriptor": run.record("index")["options"]["descriptor"],
        },
        "counts": counts,
        "strata": _strata(found, prompts, pictures, asked, run),
        "design": _design(run),
        "use": consequences.use(regurgitation),
        "tries": [] if extent else consequences.tries(prompts, pictures, confidence),
        "law": consequences.law(prompts, pictures, asked, confidence),
        "advice": [] if extent else consequences.advice(prompts, confidence),
        "pairs": _pairs(asked, prompts, pictures, pairs),
        "prompts": _prompts(prompts, confidence),
        "prompts_omitted": max(0, len(prompts) - SHOWN_PROMPTS),
        "failures": [{"reason": reason, "count": count} for reason, count in failures(run).items()][:SHOWN_REASONS],
        "remarks": run.record("generate")["remarks"],
        "unreadable": [{"source": row["id"], "reason": row["error"]} for row in bad],
        "options": _options(run),
        "command": _command(run),
        "stages": [
            {"stage": name, **{key: run.record(name)[key] for key in ("seconds", "rows", "key")}}
            for name in STAGES[:-1]
        ],
        "versions": _versions(),
    }
    facts["answer"]["sentence"] = sentence(facts, prompts["role"].unique().tolist())
    facts["notes"] = notes(facts, scale)
    return facts


def _design(run: Run) -> dict[str, Any]:
    """How many images each prompt got: the same number, or as the results asked for."""
    record = run.record("plan")
    extent = record.get("extent")
    return {
        "generations": record["options"]["generations"],
        "budget": extent["budget"] if extent else None,
        "precision": extent["precision"] if extent else None,
        "complete": extent["complete"] if extent else True,
        "prompts_file": record.get("prompts_file"),
    }


def verdict_of(rate: Rate, control: Rate | None, scale: float) -> str:
    """Return `none` (no copy seen), `unproven` (no controls), `copies` (surely above the controls) or `noise`."""
    if rate.successes == 0:
        return "none"
    if control is None:
        return "unproven"
    return "copies" if exceeds(rate, control, scale) else "noise"


def _rate(rate: Rate) -> dict[str, Any]:
    names = ("estimate", "low", "high", "confidence", "successes", "trials", "unit", "units")
    return {name: getattr(rate, name) for name in names}


def _withheld(found: dict[tuple[str, str], Rate], withheld: pd.DataFrame) -> dict[str, Any]:
    """The rate of what was held back, and what the other rates would be if none or all of it were copies."""
    cases = (f"{measure}_if_{case}" for measure in ("regurgitation", "extraction") for case in ASSUMED)
    return {
        "rate": _rate(found["all", HELD]),
        "by": sorted(withheld["withheld"].unique().tolist()),
        **{case: _rate(found["all", case]) if ("all", case) in found else None for case in cases},
    }


def _strata(
    found: dict[tuple[str, str], Rate], prompts: pd.DataFrame, pictures: pd.DataFrame, asked: pd.DataFrame, run: Run
) -> list[dict[str, Any]]:
    names = [name for name, measure in found if measure == "regurgitation" and name not in NO_STRATA]
    weights = {
        row["name"]: row["weight"] for row in read_table(run.folder / "rates.parquet", ["name", "weight"]).to_pylist()
    }
    total = sum(weights[name] for name in names) or 1.0
    numeric = set(prompts["role"]) <= {"reference", "control", "unconditional"}
    rows = []
    for name in names:
        regurgitation, extraction = found[name, "regurgitation"], found[name, "extraction"]
        low, high = stratum_bounds(name) if numeric else (None, None)
        of_pictures = extraction.unit == "pictures"
        rows.append(
            {
                "stratum": name,
                "multiplicity_low": low,
                "multiplicity_high": high,
                "weight": weights[name] / total,
                "pictures": extraction.trials if of_pictures else 0,
                "pictures_extracted": extraction.successes if of_pictures else 0,
                "prompts": int((prompts["stratum"] == name).sum()),
                "generations": regurgitation.trials,
                "copies": regurgitation.successes,
                "regurgitation": _rate(regurgitation),
                "extraction": _rate(extraction),
            }
        )
    return sorted(rows, key=lambda row: (row["multiplicity_low"] or 0, "" if numeric else row["stratum"]))


def _pairs(matches: pd.DataFrame, prompts: pd.DataFrame, pictures: pd.DataFrame, count: int) -> list[dict[str, Any]]:
    """The worst pairs, the worst first, those of one reference together.

    Each reference has one before any has a second, so that one picture does not fill the gallery.
    """
    texts = prompts.set_index("prompt_id")["prompt"]
    multiplicities = pictures.set_index("cluster")["multiplicity"]
    severity = matches["verdict"].map({"copy": 0, "partial copy": 1, "no copy": 2})
    by_severity = ["severity", "statistic", "distance", "generation_id"]
    ordered = matches.assign(severity=severity).sort_values(by_severity, kind="stable")
    copies_of = ordered[ordered["verdict"].isin(COPIES)].groupby("reference").size()
    again = ordered.groupby("reference").cumcount()
    ordered = ordered.assign(again=again, innocent=ordered["severity"] == 2)
    worst = (
        ordered.sort_values(["innocent", "again"], kind="stable").head(count).sort_values(by_severity, kind="stable")
    )
    place = {reference: number for number, reference in enumerate(worst["reference"].unique())}
    worst = worst.assign(place=worst["reference"].map(place)).sort_values("place", kind="stable")
    return [
        {
            "generation_id": row["generation_id"],
            "prompt": texts[row["prompt_id"]],
            "seed": row["seed"],
            "reference": row["reference"],
            "multiplicity": int(multiplicities[row["reference"]]),
            "distance": row["distance"],
            "statistic": row["statistic"],
            "verdict": row["verdict"],
            "share": None if pd.isna(row["share"]) else row["share"],
            "changes": row["changes"] if isinstance(row["changes"], str) else None,
            "copies_of_this": int(copies_of.get(row["reference"], 0)),
        }
        for row in worst.to_dict("records")
    ]


def _prompts(prompts: pd.DataFrame, confidence: float) -> list[dict[str, Any]]:
    worst = prompts.sort_values(["rate", "nearest_statistic"], ascending=[False, True], kind="stable").head(
        SHOWN_PROMPTS
    )
    return [
        {
            "prompt": row["prompt"],
            "role": row["role"],
            "stratum": row["stratum"],
            "multiplicity": None if pd.isna(row["multiplicity"]) else int(row["multiplicity"]),
            "generations": row["generations"],
            "withheld": row["withheld"],
            "copies": row["copies"],
            "regurgitation": _rate(binomial_rate(row["copies"], row["generations"], "generations", confidence)),
            "nearest_statistic": None if pd.isna(row["nearest_statistic"]) else row["nearest_statistic"],
            "nearest_reference": None if pd.isna(row["nearest_reference"]) else row["nearest_reference"],
        }
        for row in worst.to_dict("records")
    ]


def _options(run: Run) -> dict[str, Any]:
    options: dict[str, Any] = {"model": run.manifest["model"]["specifier"], **run.manifest["collections"]}
    for stage in STAGES[:-1]:
        options |= run.record(stage)["options"]
    return options


def _command(run: Run) -> str:
    known = {field.name for field in of_stage("audit")}
    words = ["copyrisk", "audit", "--model", run.manifest["model"]["specifier"]]
    for name, path in run.manifest["collections"].items():
        words += [flag(name), path]
    # An option that two stages use stands in the records of both.
    given: dict[str, Any] = {}
    for stage in STAGES[:-1]:
        record = run.record(stage)
        given |= {**record["options"], **record.get("extent", {})}
    for name, value in given.items():
        option = "steps" if name == "num_inference_steps" else name
        # A generator's settings can hold more than what is an option here.
        if value is not None and value is not False and option in known:
            for each in value if isinstance(value, list) else [value]:
                words += [flag(option)] if each is True else [flag(option), str(each)]
    return shlex.join(words)


def _versions() -> dict[str, str]:
    found = {"copyrisk": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
