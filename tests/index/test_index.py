import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from copyrisk import index as room
from copyrisk.chosen import Chosen
from copyrisk.collections.decode import decode, decode_reduced
from copyrisk.descriptors.pixels import Pixels
from copyrisk.errors import UserError
from copyrisk.index import descriptors_of, index, read_collection, readable, unreadable
from copyrisk.index import rows as row_room
from copyrisk.options import Options
from copyrisk.run import Run

Picture = Callable[[int], bytes]
Write = Callable[[str, list[tuple[int, str]]], Path]


def indexed(out: Path, references: Path | None, name: str = "references", **options: Any) -> pa.Table:
    """Do the stage and return the table of references or controls."""
    given = {"references": str(references) if references else None, "descriptor": "pixels:8", **options}
    with Run.open(out) as run:
        index(run, Chosen(Options(out=out, **given)))
        return read_collection(run, name)


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "SHARD_ROWS", 4)
    monkeypatch.setattr(row_room, "BATCH_ROWS", 2)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Note what is decoded."""
    seen: list[bytes] = []

    def spy(data: bytes, least_side: int | None) -> Any:
        seen.append(data)
        return decode_reduced(data, least_side)

    monkeypatch.setattr(row_room, "decode_reduced", spy)
    return seen


def test_each_image_is_a_row_in_the_order_of_the_collection(
    tmp_path: Path, collection: Write, picture: Picture
) -> None:
    rows = indexed(tmp_path / "run", collection("train", [(7, "a cat"), (8, "")])).to_pylist()
    assert [(row["id"], row["position"], row["caption"]) for row in rows] == [("0", 0, "a cat"), ("1", 1, "")]
    assert [(row["width"], row["height"], row["error"]) for row in rows] == [(16, 16, None)] * 2
    assert rows[0]["descriptor"] == Pixels("8").describe(decode(picture(7))).tolist()
    assert rows[0]["sha256"] != rows[1]["sha256"]


def test_an_image_that_cannot_be_read_is_a_row_with_the_reason(
    tmp_path: Path, picture: Picture, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "train"
    folder.mkdir()
    for name, data in (("a.png", picture(1)), ("b.png", b""), ("c.png", b"junk"), ("d.png", picture(2)[:300])):
        (folder / name).write_bytes(data)
    (folder / "metadata.csv").write_text("file_name,caption\ne.png,a cat\n")
    table = indexed(tmp_path / "run", folder)
    assert {row["id"]: row["error"] for row in unreadable(table).to_pylist()} == {
        "b.png": "the file is empty",
        "c.png": "not an image in a known format",
        "d.png": "damaged: image file is truncated",
        "e.png": "there is no such file",
    }
    assert table["descriptor"].null_count == 4
    assert readable(table)["id"].to_pylist() == ["a.png"]
    assert descriptors_of(readable(table)).shape == (1, 8 * 8 * 3)
    assert "references: 4 of 5 images cannot be read" in caplog.text


def test_references_of_which_none_can_be_read_are_an_error_the_second_time_too(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"junk")
    for _ in range(2):
        with pytest.raises(
            UserError, match=r"^--references: none of the 1 images can be read; the first: not an image"
        ):
            indexed(tmp_path / "run", tmp_path / "a.png")


def test_references_must_be_given(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--references is missing"):
        indexed(tmp_path / "run", None)


def test_without_controls_their_table_is_empty(tmp_path: Path, collection: Write) -> None:
    controls = indexed(tmp_path / "run", collection("train", [(0, "")]), "controls")
    assert controls.num_rows == 0
    assert descriptors_of(readable(controls)).shape == (0, 8 * 8 * 3)


def test_controls_are_described_like_references(tmp_path: Path, collection: Write) -> None:
    train = collection("train", [(0, "a cat")])
    controls = indexed(tmp_path / "run", train, "controls", controls=str(train))
    assert controls == indexed(tmp_path / "run", train, controls=str(train))


def test_controls_that_are_no_longer_given_are_gone(tmp_path: Path, collection: Write) -> None:
    train = collection("train", [(0, "a cat")])
    indexed(tmp_path / "run", train, controls=str(train))
    assert indexed(tmp_path / "run", train, "controls").num_rows == 0


@pytest.mark.usefixtures("small_shards")
@pytest.mark.parametrize("count", [1, 4, 8, 11])
def test_shards_hold_all_rows_in_order(tmp_path: Path, collection: Write, count: int) -> None:
    table = indexed(tmp_path / "run", collection("train", [(seed, str(seed)) for seed in range(count)]))
    assert table["position"].to_pylist() == list(range(count))
    assert len(list((tmp_path / "run/references").iterdir())) == -(-count // 4)


@pytest.mark.usefixtures("small_shards")
def test_one_worker_and_eight_give_the_same_table(tmp_path: Path, collection: Write) -> None:
    train = collection("train", [(seed % 5, str(seed)) for seed in range(30)])
    assert indexed(tmp_path / "one", train, workers=1) == indexed(tmp_path / "eight", train, workers=8)


@pytest.mark.usefixtures("small_shards")
def test_an_interrupted_index_goes_on_where_it_was(
    tmp_path: Path, collection: Write, decoded: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    train = collection("train", [(seed, str(seed)) for seed in range(11)])
    whole = indexed(tmp_path / "whole", train)
    decoded.clear()

    def stop(path: Path, table: pa.Table) -> None:
        if path.name == "part-000002.parquet":
            raise KeyboardInterrupt
        pq.write_table(table, path)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        (tmp_path / "run/references").mkdir(parents=True)
        (tmp_path / "run/.lock").touch()
        patch.setattr(room, "write_table", stop)
        indexed(tmp_path / "run", train)
    decoded.clear()
    assert indexed(tmp_path / "run", train) == whole
    assert len(decoded) == 3


@pytest.mark.usefixtures("small_shards")
@pytest.mark.parametrize("lost", [0, 1, 2])
def test_a_lost_shard_is_made_again(tmp_path: Path, collection: Write, lost: int) -> None:
    train = collection("train", [(seed, "") for seed in range(11)])
    whole = indexed(tmp_path / "run", train)
    (tmp_path / f"run/references/part-{lost:06d}.parquet").unlink()
    assert indexed(tmp_path / "run", train) == whole


def test_a_finished_index_decodes_nothing_again(tmp_path: Path, collection: Write, decoded: list[bytes]) -> None:
    train = collection("train", [(0, ""), (1, "")])
    indexed(tmp_path / "run", train)
    indexed(tmp_path / "run", train)
    assert len(decoded) == 2


def test_a_collection_that_was_moved_is_the_same(tmp_path: Path, collection: Write, decoded: list[bytes]) -> None:
    train = collection("train", [(0, "")])
    indexed(tmp_path / "run", train)
    (tmp_path / "elsewhere").mkdir()
    indexed(tmp_path / "run", train.rename(tmp_path / "elsewhere/train.parquet"))
    assert len(decoded) == 1


def test_another_descriptor_describes_all_again(tmp_path: Path, collection: Write) -> None:
    train = collection("train", [(0, "")])
    indexed(tmp_path / "run", train)
    table = indexed(tmp_path / "run", train, descriptor="pixels:4")
    assert table["descriptor"].type.list_size == 4 * 4 * 3


def test_other_weights_describe_all_again(
    tmp_path: Path, collection: Write, decoded: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    train = collection("train", [(0, "")])
    for fingerprint, count in (("a1b2", 1), ("a1b2", 1), ("c3d4", 2)):
        monkeypatch.setattr(Pixels, "fingerprint", fingerprint, raising=False)
        indexed(tmp_path / "run", train)
        assert len(decoded) == count


def repeated_ids(path: Path, picture: Picture, ids: list[str]) -> Path:
    pq.write_table(pa.table({"id": ids, "image": [picture(seed) for seed in range(len(ids))]}), path)
    return path


@pytest.mark.parametrize(
    ("ids", "unique"),
    [
        (["a", "b", "a", "a"], ["a", "b", "a#2", "a#3"]),
        (["a", "a", "a#1"], ["a", "a#1", "a#1#2"]),
        (["a#1", "a", "a"], ["a#1", "a", "a#2"]),
    ],
)
def test_ids_are_made_unique_with_the_position(
    tmp_path: Path, picture: Picture, ids: list[str], unique: list[str]
) -> None:
    table = indexed(tmp_path / "run", repeated_ids(tmp_path / "train.parquet", picture, ids))
    assert table["id"].to_pylist() == unique


@pytest.mark.usefixtures("small_shards")
def test_ids_are_unique_over_shards_also_after_an_interruption(tmp_path: Path, picture: Picture) -> None:
    train = repeated_ids(tmp_path / "train.parquet", picture, ["a"] * 9)
    whole = indexed(tmp_path / "run", train)
    assert len(set(whole["id"].to_pylist())) == 9
    (tmp_path / "run/references/part-000002.parquet").unlink()
    assert indexed(tmp_path / "run", train) == whole


@pytest.mark.usefixtures("small_shards")
def test_a_file_damaged_in_the_middle_stops_with_its_name_and_keeps_what_was_done(
    tmp_path: Path, picture: Picture
) -> None:
    path = tmp_path / "train.parquet"
    pq.write_table(pa.table({"image": [picture(seed) for seed in range(8)]}), path, row_group_size=4)
    data = bytearray(path.read_bytes())
    start = pq.read_metadata(path).row_group(1).column(0).dictionary_page_offset
    data[start : start + 40] = b"\xff" * 40
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"train\.parquet cannot be read as Parquet"):
        indexed(tmp_path / "run", path)
    assert [part.name for part in (tmp_path / "run/references").iterdir()] == ["part-000000.parquet"]


def test_descriptors_are_one_array_in_the_order_of_the_rows(tmp_path: Path, collection: Write) -> None:
    table = indexed(tmp_path / "run", collection("train", [(seed, "") for seed in range(5)]))
    assert np.array_equal(descriptors_of(table), np.array(table["descriptor"].to_pylist(), np.uint8))
    assert np.array_equal(descriptors_of(table.slice(2, 2)), descriptors_of(table)[2:4])


@pytest.mark.usefixtures("small_shards")
def test_the_log_counts_all_unreadable_images_after_an_interruption_too(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, picture: Picture
) -> None:
    path = tmp_path / "train.parquet"
    pq.write_table(pa.table({"image": [b"junk"] * 5 + [picture(1)]}), path)
    indexed(tmp_path / "run", path)
    (tmp_path / "run/references/part-000001.parquet").unlink()
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        indexed(tmp_path / "run", path)
    assert "references: 5 of 6 images cannot be read" in caplog.text
