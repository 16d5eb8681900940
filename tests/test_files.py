import json
import os
from pathlib import Path

import pyarrow as pa
import pytest

from copyrisk.files import (
    read_json,
    read_shards,
    read_table,
    replacing,
    shard_paths,
    write_bytes,
    write_json,
    write_table,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_replaced_as_a_whole_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    write_bytes(tmp_path / "a", b"old and long")
    write_bytes(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"new"
    assert names(tmp_path) == ["a"]


def test_folders_on_the_way_are_made(tmp_path: Path) -> None:
    write_bytes(tmp_path / "x/y/a", b"new")
    assert (tmp_path / "x/y/a").read_bytes() == b"new"


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_an_interrupted_write_leaves_the_old_content_and_nothing_else(
    tmp_path: Path, error: type[BaseException]
) -> None:
    write_bytes(tmp_path / "a", b"old")
    with pytest.raises(error), replacing(tmp_path / "a") as temporary:
        temporary.write_bytes(b"half of the n")
        raise error
    assert (tmp_path / "a").read_bytes() == b"old"
    assert names(tmp_path) == ["a"]


def test_the_content_is_on_disk_before_it_takes_the_place_of_the_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_bytes(tmp_path / "a", b"old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_bytes(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"old"


def test_a_file_being_written_is_hidden_and_marked_as_temporary(tmp_path: Path) -> None:
    with replacing(tmp_path / "part-000000.parquet") as temporary:
        temporary.write_bytes(b"half")
        assert list(tmp_path.glob(".*.tmp")) == [temporary]
        assert shard_paths(tmp_path) == []


def test_json_comes_back_as_it_was_in_utf_8(tmp_path: Path) -> None:
    value = {"caption": "a cat 🐈\n\u2028", "none": None, "list": [1, 0.1, True]}
    write_json(tmp_path / "a.json", value)
    assert read_json(tmp_path / "a.json") == value
    assert "🐈" in (tmp_path / "a.json").read_text(encoding="utf-8")


def test_what_json_cannot_say_leaves_the_old_file(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", 1)
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", {"path": object()})
    assert json.loads((tmp_path / "a.json").read_text()) == 1


def test_a_table_comes_back_as_it_was(tmp_path: Path) -> None:
    table = pa.table({"id": ["a", None], "row": pa.array([[1, 2], [3, 4]], pa.list_(pa.uint8(), 2))})
    write_table(tmp_path / "a.parquet", table)
    assert read_table(tmp_path / "a.parquet") == table
    assert read_table(tmp_path / "a.parquet", ["id"]) == table.select(["id"])


def test_shards_are_one_table_in_the_order_of_their_names(tmp_path: Path) -> None:
    for number in (10, 2, 1):
        write_table(tmp_path / f"part-{number:06d}.parquet", pa.table({"n": [number], "m": [0]}))
    (tmp_path / "other.parquet").write_bytes(b"no part of it")
    table = read_shards(tmp_path)
    assert table is not None
    assert table["n"].to_pylist() == [1, 2, 10]
    assert read_shards(tmp_path, ["m"]).column_names == ["m"]  # type: ignore[union-attr]


@pytest.mark.parametrize("folder", [".", "gone"])
def test_without_shards_there_is_no_table(tmp_path: Path, folder: str) -> None:
    assert read_shards(tmp_path / folder) is None
