import logging
from pathlib import Path

import pytest

from copyrisk.errors import UserError
from copyrisk.files import write_json
from copyrisk.run import Run


def do(run: Run, option: int = 1, source: str = "a", after: tuple[str, ...] = (), name: str = "index") -> bool:
    """Do a stage that writes one file; say whether there was anything to do."""
    stage = run.begin(name, {"option": option}, {"source": source}, after, outputs=(f"{name}.json",))
    if not stage.done:
        path = run.folder / f"{name}.json"
        assert not path.exists(), "the outputs of another option are removed before a stage is done again"
        write_json(path, option)
        stage.finish(1, [path])
        return True
    return False


def test_a_finished_stage_is_not_done_again(tmp_path: Path) -> None:
    with Run.open(tmp_path / "run") as run:
        assert do(run)
    with Run.open(tmp_path / "run") as run:
        assert not do(run)


def test_another_option_redoes_a_stage_and_says_why(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Run.open(tmp_path) as run, caplog.at_level(logging.INFO):
        do(run)
        assert do(run, option=2)
    assert "index: done again, since --option changed from 1 to 2" in caplog.text


def test_another_input_redoes_a_stage(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Run.open(tmp_path) as run, caplog.at_level(logging.INFO):
        do(run)
        assert do(run, source="b")
    assert "its input changed" in caplog.text


def test_what_comes_after_a_changed_stage_is_redone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Run.open(tmp_path) as run, caplog.at_level(logging.INFO):
        do(run)
        do(run, name="match", after=("index",))
        assert not do(run, name="match", after=("index",))
        do(run, option=2)
        assert do(run, name="match", after=("index",))
    assert "match: done again, since index changed" in caplog.text


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_text("")])
def test_a_missing_or_damaged_file_is_made_again(tmp_path: Path, spoil: object) -> None:
    with Run.open(tmp_path) as run:
        do(run)
        spoil(tmp_path / "index.json")  # type: ignore[operator]
        assert do(run)


def test_a_stage_that_only_adds_keeps_what_is_there(tmp_path: Path) -> None:
    with Run.open(tmp_path) as run:
        do(run, name="plan")
        for option in (1, 2):
            do(run, option=option, name="plan")
            stage = run.begin("generate", {}, {}, adding=("plan",), outputs=("generate.json",))
            assert not stage.done
            assert (tmp_path / "generate.json").exists() == (option == 2)
            write_json(tmp_path / "generate.json", option)
            stage.finish(1, [tmp_path / "generate.json"])


def test_a_stage_needs_those_before_it(tmp_path: Path) -> None:
    with Run.open(tmp_path) as run, pytest.raises(UserError, match="Run `copyrisk index` on it first"):
        do(run, name="match", after=("index",))


def test_a_run_belongs_to_one_model(tmp_path: Path) -> None:
    with Run.open(tmp_path) as run:
        run.claim_model("diffusers:a", "1" * 64, True)
        run.claim_model("diffusers:moved/a", "1" * 64, True)
    with Run.open(tmp_path) as run, pytest.raises(UserError, match="diffusers:b is a different model.*another folder"):
        run.claim_model("diffusers:b", "2" * 64, True)


def test_a_folder_with_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("do not touch")
    with pytest.raises(UserError, match="not empty and holds no run"):
        Run.open(tmp_path)


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    with pytest.raises(UserError, match="cannot be used"):
        Run.open(tmp_path / "run")


def test_a_damaged_manifest_is_named(tmp_path: Path) -> None:
    Run.open(tmp_path).save()
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(UserError, match=r"manifest\.json is damaged"):
        Run.open(tmp_path)


def test_two_processes_cannot_use_a_run_at_once(tmp_path: Path) -> None:
    with Run.open(tmp_path), pytest.raises(UserError, match="used by another copyrisk process"):
        Run.open(tmp_path)


def test_half_written_files_are_removed(tmp_path: Path) -> None:
    Run.open(tmp_path).save()
    left = tmp_path / "matches" / ".part-000000.parquet.123.tmp"
    left.parent.mkdir()
    left.write_text("half")
    Run.open(tmp_path)
    assert not left.exists()


def test_all_damaged_files_are_removed_also_where_more_rows_are_wanted(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("whole", "short", "long", "gone")]
    with Run.open(tmp_path) as run:
        do(run, name="plan")
        stage = run.begin("generate", {}, {}, adding=("plan",))
        for path in paths:
            path.write_text("content")
        stage.finish(1, paths)
        assert run.intact("generate")
        (tmp_path / "short").write_text("cont")
        (tmp_path / "long").write_text("contents")
        (tmp_path / "gone").unlink()
        assert not run.intact("generate")
        do(run, option=2, name="plan")
        assert not run.begin("generate", {}, {}, adding=("plan",)).done
        assert [path.exists() for path in paths] == [True, False, False, False]


def test_a_stage_that_has_not_been_done_or_not_ended_is_not_intact(tmp_path: Path) -> None:
    with Run.open(tmp_path) as run:
        assert not run.intact("index")
        run.begin("index", {})
        assert not run.intact("index")


def test_another_extent_redoes_a_stage_and_keeps_what_is_there(tmp_path: Path) -> None:
    with Run.open(tmp_path) as run:
        for extent, done in ((1, False), (1, True), (2, False)):
            stage = run.begin("plan", {}, extent={"draws": extent}, outputs=("plan.json",))
            assert stage.done == done
            assert (tmp_path / "plan.json").exists() == (extent == 2 or done)
            if not done:
                write_json(tmp_path / "plan.json", extent)
                stage.finish(1, [tmp_path / "plan.json"])
