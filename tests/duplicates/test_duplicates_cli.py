"""`copyrisk index` and `copyrisk duplicates` as a person types them."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from copyrisk import cli

Write = Callable[[str, list[tuple[int, str]]], Path]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, collection: Write, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command line beside `train.parquet` and `more.parquet`; give exit code, output and errors."""
    collection("train", [(1, "one"), (2, "two"), (1, "one")])
    collection("more", [(2, "two"), (3, "three")])
    monkeypatch.chdir(tmp_path)

    def call(line: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["copyrisk", *line.split()])
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = int(end.code or 0)
        return code, *capsys.readouterr()

    return call


def test_an_index_is_made_added_to_looked_at_and_taken_from(run: Run) -> None:
    assert run("index train.parquet --out INDEX --descriptor pixels:8")[:2] == (
        0,
        "3 images described (0 in place of older ones), 0 were there; 3 images in INDEX\n",
    )
    assert run("index add INDEX more.parquet")[1].startswith("2 images described")
    assert run("index remove INDEX 0#0")[1] == "1 images removed from INDEX\n"
    code, out, _ = run("index info INDEX --verify --json")
    facts = json.loads(out)
    assert (code, facts["images"], facts["descriptor"]) == (0, 4, "pixels:8")
    assert [source["images"] for source in facts["sources"]] == [3, 1]
    assert "contents verified" in run("index info INDEX --verify")[1]


def test_duplicates_prints_what_it_found_and_where_it_is(run: Run) -> None:
    code, out, _ = run("duplicates train.parquet --keep 1 --out found")
    assert code == 0
    assert out.startswith("2 of 3 images are in 1 cluster of the same picture; the largest holds 2.")
    assert "1 exact" in out
    assert "Gallery: found/gallery.html" in out
    assert json.loads(run("duplicates more.parquet --against train.parquet --json --out other")[1])["copies"] == 1


def test_without_a_collection_both_are_stages_of_a_run(run: Run) -> None:
    assert run("index --references train.parquet --out RUN --descriptor pixels:8")[1] == "index: 3 rows in RUN\n"
    assert run("duplicates --out RUN --duplicate-distance 0.01")[1] == "duplicates: 3 rows in RUN\n"
    assert run("index --references train.parquet")[1] == "index: 3 rows in copyrisk-run\n"
    assert run("duplicates")[1] == "duplicates: 3 rows in copyrisk-run\n"


@pytest.mark.parametrize("line", ["index --help", "index -h"])
def test_the_help_of_index_names_its_commands(run: Run, line: str) -> None:
    code, out, _ = run(line)
    assert code == 0
    assert out.startswith("Usage: copyrisk index [IMAGES] [OPTIONS]")
    assert "copyrisk index remove INDEX ID..." in out


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("index nothing --out INDEX", "there is nothing at 'nothing'"),
        ("index train.parquet", "copyrisk index train.parquet --out INDEX"),
        ("index train.parquet --controls more.parquet --out INDEX", "--controls belongs to a stage of an audit"),
        ("index", "--references is missing"),
        ("index info train.parquet", "there is no index at train.parquet"),
        ("index info nothing", "Make one: copyrisk index IMAGES --out nothing"),
        ("index add nothing train.parquet", "there is no index at nothing"),
        ("index remove nothing 1", "there is no index at nothing"),
        ("index remove nothing", "say which images"),
        ("duplicates --nearest 3", "--nearest: say of which images"),
        ("duplicates train.parquet --likeness 1", "--likeness is 1.0"),
        ("duplicates train.parquet --distance -1", "is -1.0"),
        ("duplicates train.parquet --descriptor pixel:8", "Did you mean 'pixels'?"),
        ("duplicates train.parquet --out .", "holds no earlier result"),
    ],
)
def test_bad_input_gives_one_message_and_exit_code_2(run: Run, line: str, message: str) -> None:
    code, _, errors = run(line)
    assert (code, "Traceback" in errors) == (2, False)
    assert message in errors
