"""`copyrisk estimate` as a person uses it."""

import json
import sys
from pathlib import Path

import pytest

from copyrisk import cli
from copyrisk.risk import shipped_text


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)

    def call(*words: str) -> int:
        monkeypatch.setattr(sys, "argv", ["copyrisk", "estimate", *words])
        try:
            cli.main()
        except SystemExit as end:
            return int(end.code or 0)
        return 0

    return call


def test_the_template_is_a_scenario(run, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run("--template") == 0
    text = capsys.readouterr().out
    assert text == shipped_text("template")
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    assert run("mine.toml") == 0
    shown = capsys.readouterr().out
    assert "1 in " in shown
    assert "Placeholder: our own trial." in shown


def test_the_example_stands_side_by_side(run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--example") == 0
    text = capsys.readouterr().out.replace("\u00a0", " ")
    head = next(line for line in text.splitlines() if line.startswith("Result"))
    assert head.split() == ["Result", "published", "corrected"]
    assert "1 in 3.33 trillion    1 in 301 million" in text
    assert "recomputed: 0.000731 %; 121,905 times the stated figure" in text
    assert "recomputed: 106 years; 106 times the stated figure" in text
    assert "recomputed: 0.219 %; the stated figure is 11.4 times that" in text
    assert "The 1,280 belong to another experiment" in text


@pytest.mark.parametrize("words", [["--example"], ["published"], ["corrected"], ["template"]])
def test_no_line_is_wider_than_100_columns(run, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*words) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 100


def test_json_holds_the_facts(run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("published", "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["result"]["probability"]["median"] == pytest.approx(3e-13)
    assert [claim["holds"] for claim in facts["claims"]] == [True, False, True, False, False]
    assert run("--example", "--json") == 0
    assert json.loads(capsys.readouterr().out)[0] == facts


def test_the_confidence_is_that_of_the_intervals(run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("corrected", "--confidence", "0.8") == 0
    assert "80\u00a0% interval" in capsys.readouterr().out


def test_the_page_is_written_beside_the_answer(run, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run("corrected", "--html", "out/page.html", "--json") == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["title"] == "The published estimate, corrected"
    assert printed.err.strip() == "Page: out/page.html"
    assert (tmp_path / "out" / "page.html").read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "Give one scenario file, or --example, or --template."),
        ("published --example", "Give one scenario file"),
        ("none.toml", "There is no file none.toml. `copyrisk estimate --template > none.toml`"),
        ("bad.toml", "bad.toml, line 4: factor 'a': value is 2, and a probability cannot be above 1."),
        ("published --confidence 95", "--confidence is 95.0; it must be between 0.5 and 0.9999."),
        ("--example --html x.html", "--html needs one scenario"),
    ],
)
def test_bad_input_gives_one_message_and_exit_code_2(
    run, words: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.toml").write_text('title = "x"\n\n[factors.a]\nvalue = 2\nsource = "x"\n')
    assert run(*words.split()) == 2
    errors = capsys.readouterr().err
    assert errors.startswith("copyrisk: ")
    assert message in errors
    assert "Traceback" not in errors
