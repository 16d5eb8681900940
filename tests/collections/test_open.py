from collections.abc import Callable
from pathlib import Path

import pytest

from copyrisk.collections import open_collection
from copyrisk.collections.folder import Folder
from copyrisk.collections.parquet import Parquet
from copyrisk.errors import UserError

Write = Callable[[str, list[tuple[int, str]]], Path]


@pytest.fixture
def parquet(collection: Write) -> Path:
    return collection("train", [(0, "a cat"), (1, "a dog")])


def test_a_folder_of_images_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    assert isinstance(open_collection(str(tmp_path), "--references"), Folder)


def test_one_image_is_a_folder_of_one(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    assert len(open_collection(str(tmp_path / "a.png"), "--references")) == 1


def test_a_parquet_file_is_parquet_whatever_it_is_called(parquet: Path) -> None:
    renamed = parquet.rename(parquet.with_suffix(".pq"))
    assert isinstance(open_collection(str(renamed), "--references"), Parquet)


@pytest.mark.parametrize("beside", ["README.md", "_SUCCESS", "dataset_infos.json", ".gitattributes"])
def test_a_folder_of_parquet_is_parquet_whatever_lies_beside(parquet: Path, beside: str) -> None:
    (parquet.parent / beside).write_text("text")
    assert len(open_collection(str(parquet.parent), "--references")) == 2


def test_parquet_in_a_sub_folder_is_found(tmp_path: Path, parquet: Path) -> None:
    (tmp_path / "data/train").mkdir(parents=True)
    parquet.rename(tmp_path / "data/train/0.parquet")
    assert isinstance(open_collection(str(tmp_path / "data"), "--references"), Parquet)


def test_a_folder_of_both_is_a_folder_of_images_unless_told_otherwise(parquet: Path) -> None:
    folder = parquet.parent
    (folder / "a.png").touch()
    assert isinstance(open_collection(str(folder), "--references"), Folder)
    assert isinstance(open_collection(f"parquet:{folder}", "--references"), Parquet)


def test_a_name_with_a_colon_in_it_is_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "12:30").mkdir()
    (tmp_path / "12:30/a.png").touch()
    monkeypatch.chdir(tmp_path)
    assert len(open_collection("12:30", "--references")) == 1


def test_the_home_folder_may_be_written_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a.png").touch()
    assert len(open_collection("folder:~", "--references")) == 1


@pytest.mark.parametrize("specifier", ["", "gone", "folder:gone", "parquet:", "null\0"])
def test_nothing_there_names_the_option(specifier: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.png").touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"^--controls: there is nothing at '.*'\. Give"):
        open_collection(specifier, "--controls")


@pytest.mark.parametrize("name", [None, "README.md"])
def test_a_folder_without_images_names_the_option(tmp_path: Path, name: str | None) -> None:
    (tmp_path / (name or "sub")).mkdir()
    with pytest.raises(UserError, match=r"^--references: no image found in "):
        open_collection(str(tmp_path), "--references")


def test_a_file_that_is_neither_is_named(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("text")
    with pytest.raises(UserError, match=r"notes\.md cannot be read as Parquet"):
        open_collection(str(tmp_path / "notes.md"), "--references")


def test_what_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_file", refuse)
    with pytest.raises(UserError, match=r"^--references: .* cannot be read: Permission denied\.$"):
        open_collection(str(tmp_path), "--references")
