import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pytest

from copyrisk.collections import arrow as room
from copyrisk.collections import open_collection
from copyrisk.collections.arrow import open_arrow
from copyrisk.errors import UserError

datasets.disable_progress_bars()

Picture = Callable[[int], bytes]


def dataset(picture: Picture, count: int) -> datasets.Dataset:
    rows = {"image": [{"bytes": picture(seed), "path": None} for seed in range(count)]}
    kinds = datasets.Features({"image": datasets.Image(), "text": datasets.Value("string")})
    return datasets.Dataset.from_dict({**rows, "text": [f"picture {seed}" for seed in range(count)]}, features=kinds)


def rows(path: Path | str) -> list[tuple[str, str]]:
    return [(item.id, item.caption) for item in open_collection(str(path), "--references").items()]


def test_a_saved_dataset_is_recognised_and_read(tmp_path: Path, picture: Picture) -> None:
    dataset(picture, 5).save_to_disk(tmp_path / "saved", num_shards=2)
    items = list(open_collection(str(tmp_path / "saved"), "--references").items())
    assert [(item.id, item.caption, item.position) for item in items] == [
        (str(row), f"picture {row}", row) for row in range(5)
    ]
    assert [item.read() for item in items] == [picture(seed) for seed in range(5)]


def test_a_selection_is_saved_in_its_own_order(tmp_path: Path, picture: Picture) -> None:
    dataset(picture, 5).select([3, 1]).save_to_disk(tmp_path / "saved")
    assert [caption for _, caption in rows(tmp_path / "saved")] == ["picture 3", "picture 1"]


def test_of_several_splits_one_is_to_be_named(tmp_path: Path, picture: Picture) -> None:
    splits = datasets.DatasetDict({"train": dataset(picture, 3), "test": dataset(picture, 1)})
    splits.save_to_disk(tmp_path / "saved")
    with pytest.raises(
        UserError, match=r"^--references: .* holds the splits train, test: choose one, as .*saved/train"
    ):
        rows(tmp_path / "saved")
    assert len(rows(tmp_path / "saved/train")) == 3
    assert len(rows(f"arrow:{tmp_path / 'saved/test'}")) == 1


def test_an_arrow_file_of_the_cache_is_read(tmp_path: Path, picture: Picture) -> None:
    dataset(picture, 3).save_to_disk(tmp_path / "saved")
    (file,) = (tmp_path / "saved").glob("*.arrow")
    assert len(rows(file)) == 3


def test_items_from_any_start_are_the_tail_of_all_items(
    tmp_path: Path, picture: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "BATCH_ROWS", 3)
    dataset(picture, 10).save_to_disk(tmp_path / "saved", num_shards=3)
    collection = open_arrow(str(tmp_path / "saved"))
    everything = list(collection.items())
    for start in range(12):
        assert list(collection.items(start)) == everything[start:]
    assert [collection.item(position) for position in range(10)] == everything


def test_columns_may_be_given(tmp_path: Path, picture: Picture) -> None:
    dataset(picture, 2).rename_columns({"image": "photo", "text": "words"}).save_to_disk(tmp_path / "saved")
    assert rows(tmp_path / "saved") == [("0", ""), ("1", "")]
    assert rows(f"{tmp_path / 'saved'}?caption=words&id=words") == [
        ("picture 0", "picture 0"),
        ("picture 1", "picture 1"),
    ]


def test_a_missing_or_cut_off_file_is_named(tmp_path: Path, picture: Picture) -> None:
    dataset(picture, 50).save_to_disk(tmp_path / "saved", num_shards=2)
    first, second = sorted((tmp_path / "saved").glob("*.arrow"))
    second.write_bytes(second.read_bytes()[:-2000])
    with pytest.raises(UserError, match=r"data-00001-of-00002\.arrow cannot be read as Arrow; it may be damaged"):
        rows(tmp_path / "saved")
    first.unlink()
    with pytest.raises(UserError, match=r"data-00000-of-00002\.arrow cannot be read"):
        rows(tmp_path / "saved")


def test_offsets_that_point_outside_the_file_are_damage_and_no_crash(tmp_path: Path) -> None:
    table = pa.table({"image": [b"thirteen byte"]})
    with pa.OSFile(str(tmp_path / "a.arrow"), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    data = (tmp_path / "a.arrow").read_bytes()
    offsets = struct.pack("<ii", 0, 13) + b"thirteen"
    assert data.count(offsets) == 1
    (tmp_path / "a.arrow").write_bytes(data.replace(offsets, struct.pack("<ii", 0, 2**31 - 1) + b"thirteen"))
    with pytest.raises(UserError, match=r"a\.arrow cannot be read as Arrow; it may be damaged"):
        rows(tmp_path / "a.arrow")


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"_data_files": 7}', '{"_data_files": [{}]}'])
def test_a_damaged_state_file_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "state.json").write_text(content)
    with pytest.raises(UserError, match=r"state\.json .*it may be damaged"):
        rows(tmp_path)


def test_a_dataset_of_old_versions_whose_rows_are_in_another_order_is_refused(tmp_path: Path, picture: Picture) -> None:
    dataset(picture, 2).save_to_disk(tmp_path)
    state: dict[str, Any] = json.loads((tmp_path / "state.json").read_text())
    (tmp_path / "state.json").write_text(json.dumps(state | {"_indices_data_files": [{"filename": "indices.arrow"}]}))
    with pytest.raises(UserError, match="old version of datasets"):
        rows(tmp_path)


def test_a_dataset_without_images_is_named_with_its_columns(tmp_path: Path) -> None:
    datasets.Dataset.from_dict({"label": [1]}).save_to_disk(tmp_path / "saved")
    with pytest.raises(UserError, match=r"has no image column.*label \(int64\).*\?image=COLUMN"):
        rows(tmp_path / "saved")


def test_the_fingerprint_changes_with_a_file_and_not_with_the_place(tmp_path: Path, picture: Picture) -> None:
    dataset(picture, 2).save_to_disk(tmp_path / "saved")
    before = open_arrow(str(tmp_path / "saved")).fingerprint
    (tmp_path / "saved").rename(tmp_path / "moved")
    assert open_arrow(str(tmp_path / "moved")).fingerprint == before
    dataset(picture, 3).save_to_disk(tmp_path / "moved")
    assert open_arrow(str(tmp_path / "moved")).fingerprint != before
