"""Adding to an index and removing from it."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from copyrisk.errors import UserError
from copyrisk.index import rows as row_room
from copyrisk.index import store
from copyrisk.index.store import open_index
from copyrisk.index.update import absolute, add, build, remove

Picture = Callable[[int], bytes]
Write = Callable[[str, list[tuple[int, str]]], Path]

# The process ends itself at the given write, before the file is in place (`fsync`) or just after (`replace`).
COMMAND = """
import os, pathlib, signal, sys
from copyrisk.index import rows, store, update

store.SHARD_ROWS = rows.BATCH_ROWS = 3
moment, left = sys.argv[1], int(sys.argv[2])

def counted(call, after):
    def wrapped(*arguments):
        global left
        result = call(*arguments) if after else None
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return result if after else call(*arguments)
    return wrapped

if moment == "fsync":
    os.fsync = counted(os.fsync, after=False)
else:
    pathlib.Path.replace = counted(pathlib.Path.replace, after=True)
print(update.build("train", pathlib.Path("index"), "pixels:8"))
"""


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "SHARD_ROWS", 3)
    monkeypatch.setattr(row_room, "BATCH_ROWS", 2)


@pytest.fixture
def train(tmp_path: Path, picture: Picture) -> Path:
    """A folder of eight pictures."""
    (tmp_path / "train").mkdir()
    for seed in range(8):
        (tmp_path / "train" / f"{seed}.png").write_bytes(picture(seed))
    return tmp_path / "train"


@pytest.fixture
def folder(tmp_path: Path, train: Path) -> Path:
    build(str(train), tmp_path / "index", "pixels:8")
    return tmp_path / "index"


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Note what is decoded."""
    seen: list[bytes] = []
    decode = row_room.decode_reduced

    def spy(data: bytes, least_side: int | None) -> object:
        seen.append(data)
        return decode(data, least_side)

    monkeypatch.setattr(row_room, "decode_reduced", spy)
    return seen


def ids(folder: Path) -> list[str]:
    found: list[str] = open_index(folder).table(["id"])["id"].to_pylist()
    return found


def test_a_second_visit_decodes_nothing(folder: Path, train: Path, decoded: list[bytes]) -> None:
    done = add(folder, str(train))
    assert (done.described, done.present, done.total) == (0, 8, 8)
    assert decoded == []


def test_only_what_is_new_is_described(folder: Path, train: Path, picture: Picture, decoded: list[bytes]) -> None:
    (train / "00.png").write_bytes(picture(100))
    done = add(folder, str(train))
    assert (done.described, done.present, done.total) == (1, 8, 9)
    assert decoded == [picture(100)]
    assert ids(folder)[-1] == "00.png"
    assert add(folder, str(train)).described == 0


def test_an_image_that_changed_takes_the_place_of_the_old_one(folder: Path, train: Path, picture: Picture) -> None:
    (train / "4.png").write_bytes(picture(100))
    done = add(folder, str(train))
    assert (done.described, done.replaced, done.present, done.total) == (1, 1, 7, 8)
    assert sorted(ids(folder)) == [f"{seed}.png" for seed in range(8)]
    fresh = open_index(folder).rows()[ids(folder).index("4.png")]
    build(str(train), folder.parent / "again", "pixels:8")
    assert np.array_equal(fresh, open_index(folder.parent / "again").rows()[4])


def test_an_image_that_can_be_read_now_is_no_longer_unreadable(folder: Path, train: Path, picture: Picture) -> None:
    (train / "9.png").write_bytes(picture(9)[:200])
    assert add(folder, str(train)).unreadable == 1
    assert add(folder, str(train)).described == 0
    (train / "9.png").write_bytes(picture(9))
    assert add(folder, str(train)).unreadable == 0
    assert len(ids(folder)) == 9


def test_a_moved_collection_is_there_already(folder: Path, train: Path, decoded: list[bytes]) -> None:
    train.rename(train.with_name("moved"))
    done = add(folder, str(train.with_name("moved")))
    assert (done.described, done.present) == (0, 8)
    assert decoded == []


def test_another_image_with_the_same_id_gets_its_position_appended(
    folder: Path, picture: Picture, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    for name, seed in (("0.png", 0), ("1.png", 50)):
        (tmp_path / "other" / name).write_bytes(picture(seed))
    for described in (1, 0):
        done = add(folder, str(tmp_path / "other"))
        assert (done.described, done.total) == (described, 9)
    assert ids(folder)[-1] == "1.png#1"


def test_an_id_that_a_collection_has_twice_is_two_images_however_alike(
    tmp_path: Path, picture: Picture, decoded: list[bytes]
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    images = [picture(1), picture(1), picture(2), picture(1)]
    pq.write_table(pa.table({"id": ["x", "x", "x", "y"], "image": images}), tmp_path / "twice.parquet")
    for described in (4, 0):
        assert build(str(tmp_path / "twice.parquet"), tmp_path / "index", "pixels:8").described == described
    assert ids(tmp_path / "index") == ["x", "x#1", "x#2", "y"]
    # The same when only the bytes can tell.
    (tmp_path / "twice.parquet").touch()
    decoded.clear()
    assert build(str(tmp_path / "twice.parquet"), tmp_path / "index", "pixels:8").present == 4
    assert decoded == []


def test_removing_rewrites_only_the_shards_concerned(folder: Path) -> None:
    before = {path.name for path in (folder / "images").iterdir()}
    assert remove(folder, ["1.png", "2.png"]) == 2
    assert ids(folder) == [f"{seed}.png" for seed in (0, 3, 4, 5, 6, 7)]
    after = {path.name for path in (folder / "images").iterdir()}
    assert len(before & after) == 2
    assert remove(folder, ["0.png"]) == 1
    assert len(list((folder / "images").iterdir())) == 2


def test_removing_what_is_not_there_removes_nothing(folder: Path) -> None:
    with pytest.raises(UserError, match=r"no image a.png, b.png. Nothing was removed"):
        remove(folder, ["1.png", "b.png", "a.png"])
    assert len(ids(folder)) == 8


def test_a_folder_that_holds_another_index_is_refused(folder: Path, train: Path, collection: Write) -> None:
    with pytest.raises(UserError, match="holds an index by pixels:8"):
        build(str(train), folder, "pixels:16")
    other = collection("other", [(1, "")])
    with pytest.raises(UserError, match=f"holds an index of {train}.*copyrisk index add {folder} {other}"):
        build(str(other), folder, "pixels:8")


def test_going_on_after_an_interruption_reads_only_what_is_left(
    tmp_path: Path, train: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits = 0

    def interrupted(index: store.IndexFolder, *arguments: Any) -> None:
        nonlocal commits
        commits += 1
        if commits == 2:
            raise KeyboardInterrupt
        commit(index, *arguments)

    commit = store.IndexFolder.commit
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(store.IndexFolder, "commit", interrupted)
        build(str(train), tmp_path / "index", "pixels:8")
    assert ids(tmp_path / "index") == ["0.png", "1.png", "2.png"]
    for name in ("0.png", "1.png", "2.png"):
        # What is read again would be unreadable now; size and time are as they were.
        path = train / name
        status = path.stat()
        path.write_bytes(b"x" * status.st_size)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    done = build(str(train), tmp_path / "index", "pixels:8")
    assert (done.described, done.present, done.unreadable) == (5, 3, 0)


@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_an_index_that_is_killed_again_and_again_ends_like_one_that_was_not(
    tmp_path: Path, train: Path, moment: str
) -> None:
    build(str(train), tmp_path / "whole", "pixels:8")
    kills = 0
    while True:
        command = [sys.executable, "-c", COMMAND, moment, str(2 + kills)]
        process = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
        if (tmp_path / "index" / "manifest.json").exists():
            # Half an index is a whole index of what was done.
            kept = len(open_index(tmp_path / "index", verify=True))
            assert kept % 3 == 0 or kept == 8
        if process.returncode == 0:
            break
        assert process.returncode == -signal.SIGKILL, process.stderr
        kills += 1
        assert kills < 10, "no progress is made"
    assert kills >= 3
    whole, resumed = open_index(tmp_path / "whole"), open_index(tmp_path / "index")
    assert resumed.table().equals(whole.table())
    assert [shard.sha256 for shard in resumed.shards] == [shard.sha256 for shard in whole.shards]


def test_a_specifier_is_made_to_open_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").mkdir()
    assert absolute("a") == str(tmp_path / "a")
    assert absolute("parquet:a?image=picture") == f"parquet:{tmp_path}/a?image=picture"
    assert absolute("hub:owner/name") == "hub:owner/name"


def test_a_wrong_path_is_said_before_the_index_that_is_there(
    tmp_path: Path, collection: Callable[[str, Any], Path]
) -> None:
    build(str(collection("images", [(1, "one")])), tmp_path / "index", "pixels:8")
    with pytest.raises(UserError, match="there is nothing at"):
        build(str(tmp_path / "nowhere"), tmp_path / "index", "pixels:8")
