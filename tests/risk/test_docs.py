"""The examples in docs/estimate.md work as they stand."""

import json
import re
from pathlib import Path

import pytest

from copyrisk.risk import parse_scenario
from copyrisk.risk.document import Document
from copyrisk.risk.factors import KEYS

TEXT = (Path(__file__).parents[2] / "docs" / "estimate.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def test_the_complete_scenario_and_the_pace_are_read(tmp_path: Path) -> None:
    rate = {"estimate": 0.1, "low": 0.05, "high": 0.2, "confidence": 0.95, "successes": 10, "trials": 100}
    rate |= {"unit": "prompts", "units": 50}
    (tmp_path / "copyrisk-run").mkdir()
    facts = {"answer": {"regurgitation": rate, "verdict": "copies"}, "strata": []}
    (tmp_path / "copyrisk-run" / "report.json").write_text(json.dumps(facts))
    complete, pace = blocks("toml")
    assert len(parse_scenario(complete, folder=tmp_path).factors) == 3
    found = parse_scenario('title = "x"\n[factors.a]\nvalue = 0.1\nsource = "x"\n' + pace).campaign.pace
    assert found is not None
    assert found.at(0.5) == pytest.approx(50_000 / 86_400, rel=0.1)


def test_the_python_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from copyrisk.risk import shipped_text

    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text(shipped_text("template"), encoding="utf-8")
    names: dict[str, object] = {}
    for block in blocks("python"):
        exec(block, names)
    assert Path("mine.html").exists()


def test_every_key_is_described() -> None:
    for key in KEYS:
        assert f"`{key}`" in TEXT, key


def test_the_scenario_in_the_docs_is_toml() -> None:
    for block in blocks("toml"):
        Document.parse(block, "docs")
