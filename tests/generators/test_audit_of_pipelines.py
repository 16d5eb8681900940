"""Whole audits: what is withheld all the way to the report, and errors of a pipeline as the user sees them."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from copyrisk import stages
from copyrisk.files import read_table

CENSOR = """
import numpy as np
from copyrisk.generators import Withheld

def make(prompts, seeds):
    pictures = [np.random.default_rng(seed).integers(0, 256, (16, 16, 3), np.uint8) for seed in seeds]
    return [Withheld("a policy") if "secret" in prompt else each for prompt, each in zip(prompts, pictures)]
"""

Collection = Callable[..., Path]


def test_what_is_withheld_reaches_the_report(
    collection: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "censor.py").write_text(CENSOR)
    monkeypatch.chdir(tmp_path)
    captions = [(number, f"{'secret' if number < 3 else 'open'} {number}") for number in range(12)]
    result = stages.audit(
        model="python:censor:make",
        references=str(collection("references", captions)),
        test="tile",
        generations=4,
        out=tmp_path / "run",
    )
    assert result.facts["counts"]["withheld"] == 12
    assert result.facts["counts"]["failed_generations"] == 0
    assert result.facts["counts"]["generations"] == result.regurgitation.trials == 36
    assert result.facts["answer"]["withheld"]["rate"]["estimate"] == 0.25
    assert result.facts["answer"]["withheld"]["regurgitation_if_all"]["successes"] == 12
    assert result.facts["answer"]["extraction"]["trials"] == 9
    page = (tmp_path / "run" / "report.html").read_text()
    assert "Held back by a policy" in page and "if all of them were" in page
    assert result.generations()["withheld"].to_pylist().count("a policy") == 12
    assert result.generations()["error"].null_count == 48
    names = {(row["name"], row["measure"]) for row in read_table(tmp_path / "run" / "rates.parquet").to_pylist()}
    assert ("all", "withheld") in names and ("1", "withheld") in names


def test_an_error_of_a_pipeline_is_its_own_and_the_run_is_kept(
    saved: Callable[[str], Path], collection: Collection, tmp_path: Path
) -> None:
    references = collection("references", [(0, "a fox"), (1, "a hat")])
    command = [
        "audit",
        "--model",
        f"diffusers:{saved('pixart')}",
        "--references",
        references,
        "--out",
        tmp_path / "run",
    ]
    done = subprocess.run([sys.executable, "-m", "copyrisk", *command], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "the pipeline failed: ValueError: Invalid sample size" in done.stderr
    assert "Traceback" not in done.stderr and "Loading" not in done.stderr and "fault in copyrisk" not in done.stderr
    assert (tmp_path / "run" / "plan.parquet").exists() and (tmp_path / "run" / "log.txt").exists()
