"""The command line as a person uses it, in a process of its own where that matters."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from copyrisk import cli
from copyrisk.commands.shared import Sections
from copyrisk.options import STAGES, Options, flag, of_stage

COPIER = """
from pathlib import Path
from click.testing import CliRunner
from PIL import Image

def copy(prompts, seeds):
    return [Image.open(Path(__file__).parent / "references" / f"{prompt}.png") for prompt in prompts]
"""


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for folder, first in (("references", 0), ("controls", 100)):
        (tmp_path / folder).mkdir()
        for number in range(first, first + 20):
            pixels = np.random.default_rng(number).integers(0, 256, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / folder / f"{number}.png")
            (tmp_path / folder / f"{number}.txt").write_text(str(number))
    (tmp_path / f"copier_{tmp_path.name}.py").write_text(COPIER)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words: str, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", ["copyrisk", *words])
    try:
        cli.main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def audit_words(world: Path) -> list[str]:
    return [
        *("audit", "--model", f"python:copier_{world.name}:copy", "--references", "references", "--out", "run"),
        *("--control-images", "0", "--generations", "2", "--test", "tile"),
    ]


def test_help_imports_nothing_heavy() -> None:
    code = "import sys; from copyrisk import cli; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"numpy", "pandas", "pyarrow", "scipy", "PIL", "torch", "diffusers", "jinja2"} & set(loaded)


def test_help_has_examples_and_exit_codes(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("--help", monkeypatch=monkeypatch) == 0
    text = capsys.readouterr().out
    assert "copyrisk audit --model diffusers:./model" in text
    assert "Exit codes:" in text


def test_help_lists_every_command_once_under_a_heading(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("--help", monkeypatch=monkeypatch) == 0
    text = capsys.readouterr().out.partition("Examples:")[0]
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.endswith(":") and not line.startswith(" "):
            heading = found.setdefault(line[:-1], [])
        elif found and line.strip():
            heading.append(line.split()[0])
    assert found.pop("Options") == ["--version", "-h,"]
    assert found == {heading: list(names) for heading, names in cli.SECTIONS.items()}
    assert sorted(name for names in found.values() for name in names) == sorted(cli.cli.commands)
    # What each is for can be read to the end.
    assert "..." not in text.replace("[ARGS]...", "")


def test_a_command_without_a_heading_is_listed_last() -> None:
    group = Sections("tool", sections={"First": ("one",)})
    for name in ("other", "one"):
        group.command(name, help=f"It is {name}.")(lambda: None)
    text = CliRunner().invoke(group, ["--help"]).output
    assert text.endswith("First:\n  one    It is one.\n\nOther commands:\n  other  It is other.\n")


@pytest.mark.parametrize("stage", ["audit", *STAGES])
def test_every_stage_offers_its_options(
    stage: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(stage, "--help", monkeypatch=monkeypatch) == 0
    text = capsys.readouterr().out
    assert all(flag(each.name) in text for each in of_stage(stage))


def test_every_option_belongs_to_a_stage() -> None:
    assert {each.name for stage in STAGES for each in of_stage(stage)} == set(Options.__dataclass_fields__)


def test_an_audit_prints_the_answer_and_where_the_report_is(
    world: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(*audit_words(world), monkeypatch=monkeypatch) == 0
    text = capsys.readouterr().out
    assert "100\u00a0% of the images that this model makes are copies" in " ".join(text.split("\n"))
    assert "Report: run/report.html" in text


def test_json_gives_the_facts(world: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(*audit_words(world), "--json", monkeypatch=monkeypatch) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["answer"]["regurgitation"]["successes"] == 40
    assert run("report", "--out", "run", "--json", monkeypatch=monkeypatch) == 0
    assert json.loads(capsys.readouterr().out) == facts


@pytest.mark.parametrize(("limit", "code"), [("0.5", 1), ("0.99", 0), ("1", 0)])
def test_fail_above_compares_the_lower_end(world: Path, limit: str, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # 20 of 20 pictures come back: the interval begins at 83 %.
    assert run(*audit_words(world), "--fail-above", limit, monkeypatch=monkeypatch) == code


def test_the_command_in_the_report_repeats_the_run(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(*audit_words(world), "--test", "ratio", monkeypatch=monkeypatch) == 0
    facts = json.loads((world / "run" / "report.json").read_text())
    words = shlex.split(facts["command"])
    assert words[0] == "copyrisk"
    assert run(*words[1:], "--out", "again", monkeypatch=monkeypatch) == 0
    again = json.loads((world / "again" / "report.json").read_text())
    assert again["answer"] == facts["answer"]
    assert again["options"] == facts["options"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("audit", "--model is missing"),
        ("audit --model folder:references", "--references is missing"),
        ("audit --model diffuser:x --references references", "Did you mean 'diffusers'?"),
        ("audit --model ./references --references references", "folder:./references"),
        ("audit --model folder:nothing --references references", "there is no folder nothing"),
        ("audit --model folder:references --references nothing", "--references: there is nothing at"),
        (
            "audit --model folder:references --references references --controls nothing",
            "--controls: there is nothing at",
        ),
        ("audit --model folder:references --references empty", "--references: no image found in empty"),
        ("audit --model folder:references --references junk", "none of the 1 images can be read"),
        ("audit --model folder:references --references references --test til", "Did you mean 'tile'?"),
        ("audit --model folder:references --references references --generations 0", "--generations is 0"),
        ("audit --model folder:references --references references --fail-above 2", "--fail-above is 2.0"),
        ("audit --model folder:references --references references --out references", "holds no run"),
        ("audit --model {maker} --references references --prompts none.txt", "--prompts: there is no file none.txt"),
        ("audit --model {maker} --references references --prompts blank.txt", "blank.txt holds no prompt"),
        ("audit --model {maker} --references one --test ratio", "at least two different references"),
        ("audit --model folder:references --references references --steps 5", "--steps is a setting of diffusers"),
        ("audit --model {maker} --references references --height 64", "--height is a setting of diffusers pipelines"),
        ("audit --model folder:references --references references --budget 5", "--budget: the images"),
        ("audit --model {maker} --references references --budget 5 --generations 2", "--generations says how many"),
        ("audit --model {maker} --references references --budget 0", "--budget is 0"),
        ("audit --model {maker} --references references --precision 0.6", "--precision is 0.6"),
        ("match --out nowhere", "Run `copyrisk index` on it first"),
        ("testbed train --out t --images one --ladder 1,2 --held-out 0", "There are 1 images"),
        ("testbed train --out t --ladder 1,x", "--ladder is '1,x'"),
        ("testbed train --out references", "holds no testbed"),
    ],
)
def test_bad_input_gives_one_message_and_exit_code_2(
    world: Path, words: str, message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (world / "empty").mkdir()
    (world / "junk").mkdir()
    (world / "junk" / "a.png").write_text("not a picture")
    (world / "one").mkdir()
    (world / "one" / "1.png").write_bytes((world / "references" / "1.png").read_bytes())
    (world / "one" / "1.txt").write_text("1")
    (world / "blank.txt").write_text("\n\n")
    given = words.format(maker=f"python:copier_{world.name}:copy").split()
    assert run(*given, monkeypatch=monkeypatch) == 2
    errors = capsys.readouterr().err
    assert message in errors
    assert "Traceback" not in errors
    assert errors.strip().splitlines()[-1].startswith("copyrisk: ")


def test_a_budget_is_repeated_by_the_command_in_the_report(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = [*audit_words(world)[:-4], "--test", "tile", "--budget", "40", "--precision", "0.01"]
    assert run(*words, monkeypatch=monkeypatch) == 0
    facts = json.loads((world / "run" / "report.json").read_text())
    assert facts["counts"]["generations"] == 40
    again = shlex.split(facts["command"])[1:]
    assert {"--budget", "--precision"} < set(again)
    assert run(*again, "--out", "again", monkeypatch=monkeypatch) == 0
    assert json.loads((world / "again" / "report.json").read_text())["answer"] == facts["answer"]


def test_a_fault_of_copyrisk_itself_shows_where_and_has_an_exit_code_of_its_own(
    world: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(**_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("copyrisk.stages.audit", broken)
    assert run(*audit_words(world), monkeypatch=monkeypatch) == 3
    errors = capsys.readouterr().err
    assert "RuntimeError: a bug" in errors
    assert errors.strip().splitlines()[-1].startswith("copyrisk: This is a fault in copyrisk")


def test_an_unknown_option_names_the_nearest(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("audit", "--generation", "3", monkeypatch=monkeypatch) == 2
    assert "--generations" in capsys.readouterr().err
