"""`copyrisk demo`: train the testbed, audit it as any model is audited, and set the answer beside the truth."""

from pathlib import Path
from typing import Any

import pandas as pd

from copyrisk.files import read_table, write_json
from copyrisk.matching import COPIES
from copyrisk.options import DemoOptions, TestbedOptions
from copyrisk.rates import wanted
from copyrisk.run import log
from copyrisk.stages import Audit, audit, report
from copyrisk.testbed import Testbed, train_testbed

COLUMNS = ["planted", "pictures", "found so", "prompted", "given back", "images", "copies", "of the picture asked for"]


def run_demo(options: DemoOptions) -> tuple[Audit, dict[str, Any]]:
    """Train, audit and compare: the audit and the truth. An interrupted demo goes on where it stopped."""
    log.info("Training a small diffusion model on OpenMoji's pictures ...")
    testbed = train_testbed(TestbedOptions(out=options.out / "testbed", seed=options.seed))
    log.info("Auditing it ...")
    run = options.out / "run"
    result = audit_testbed(testbed, run, options.seed)
    truth = compare(result, testbed)
    write_json(run / "truth.json", truth)
    report(out=run)
    return result, truth


def audit_testbed(testbed: Testbed, run: Path, seed: int) -> Audit:
    """Audit a testbed through the function that audits any model."""
    return audit(
        model=f"diffusers:{testbed.model}",
        trust_remote_code=True,
        references=str(testbed.references),
        controls=str(testbed.controls),
        max_prompts=100,
        generations=4,
        control_images=200,
        seed=seed,
        out=run,
    )


def compare(result: Audit, testbed: Testbed) -> dict[str, Any]:
    """Set an audit of the testbed beside the planted truth: title, sentence, columns and rows of `truth.json`."""
    planted = read_table(testbed.planted).to_pandas()
    multiplicity = planted.set_index("name")["multiplicity"]
    pictures = result.pictures.to_pandas()
    pictures["name"] = pictures["cluster"].str.partition("/")[0]
    pictures["planted"] = pictures["name"].map(multiplicity)
    matches = wanted(result.matches.to_pandas(), result.plan.to_pandas())
    prompts = result.prompts.to_pandas()
    prompts = prompts[prompts["role"] == "reference"].merge(planted, left_on="prompt", right_on="caption")
    asked = matches.merge(prompts[["prompt_id", "name", "multiplicity_y"]], on="prompt_id")
    asked["copy"] = asked["verdict"].isin(COPIES)
    asked["own"] = asked["copy"] & (asked["reference"].str.partition("/")[0] == asked["name"])
    rows = []
    for step in sorted(pictures["planted"].unique()):
        here, made = pictures[pictures["planted"] == step], asked[asked["multiplicity_y"] == step]
        given_back = made.groupby("name")["own"].any()
        rows.append(
            [
                f"{step} ×",
                len(here),
                int((here["multiplicity"] == step).sum()),
                len(given_back),
                int(given_back.sum()),
                len(made),
                int(made["copy"].sum()),
                int(made["own"].sum()),
            ]
        )
    return {
        "title": "The planted truth",
        "sentence": f"{_sentence(rows, pictures, asked, result)} {testbed.credit}".strip(),
        "columns": COLUMNS,
        "rows": rows,
    }


def _sentence(rows: list[list[Any]], pictures: pd.DataFrame, asked: pd.DataFrame, result: Audit) -> str:
    right = int((pictures["multiplicity"] == pictures["planted"]).sum())
    others = asked[asked["copy"] & ~asked["own"]]
    frequent = int((others["reference"].str.partition("/")[0].map(pictures.set_index("name")["planted"]) >= 8).sum())
    often = [row for row in rows if int(row[0].split()[0]) >= 16]
    text = (
        f"The audit found the planted multiplicity of {right:,} of {len(pictures):,} pictures. It got back "
        f"{sum(row[4] for row in often)} of {sum(row[3] for row in often)} pictures planted 16 times or more, and "
        f"{rows[0][4]} of {rows[0][3]} planted once. Of the {int(asked['copy'].sum()):,} images that it calls copies, "
        f"{int(asked['own'].sum()):,} are of the very picture whose caption was the prompt; of the other "
        f"{len(others):,}, {frequent:,} are of a picture planted 8 times or more."
    )
    control = result.rates.get(("controls", "regurgitation"))
    if control is not None:
        text += (
            f" On pictures held out of training the test fired in {control.successes} of {control.trials:,} images, "
            "each of which is a false alarm."
        )
    return text
