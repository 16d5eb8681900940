"""Stage `report`: the run folder as one page for people (`report.html`) and as facts for machines (`report.json`)."""

from pathlib import Path
from typing import Any

from copyrisk.chosen import Chosen
from copyrisk.files import read_json, write_bytes, write_json
from copyrisk.report.facts import gather
from copyrisk.report.gallery import load_pairs
from copyrisk.report.page import render
from copyrisk.run import Run, digest


def report(run: Run, chosen: Chosen) -> Path:
    """Write `report.html` and `report.json` into the run folder; return the path of the page.

    A file `truth.json` in the run folder (title, sentence, columns, rows) is shown as a section of its own.
    """
    truth, pairs = run.folder / "truth.json", chosen.options.pairs
    stage = run.begin(
        "report",
        options={"pairs": pairs},
        inputs={"truth": digest(read_json(truth)) if truth.exists() else None},
        after=("index", "duplicates", "plan", "generate", "match", "rates"),
        outputs=("report.html", "report.json"),
    )
    page = run.folder / "report.html"
    if not stage.done:
        facts = gather(run, pairs)
        if truth.exists():
            facts["truth"] = read_json(truth)
        write_json(run.folder / "report.json", facts)
        write_bytes(page, render(facts, load_pairs(run, chosen, facts["pairs"])).encode())
        stage.finish(len(facts["pairs"]), [page, run.folder / "report.json"])
    return page


def read_facts(run: Run) -> dict[str, Any]:
    """Return the facts of a finished report, as documented in `report.schema.json`."""
    run.record("report")
    facts: dict[str, Any] = read_json(run.folder / "report.json")
    return facts
