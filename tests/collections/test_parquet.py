from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from copyrisk.collections.parquet import Parquet
from copyrisk.errors import UnreadableImage, UserError

STRUCT = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def write(path: Path, /, row_group_size: int | None = None, **columns: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path, row_group_size=row_group_size)
    return path


def numbered(path: Path, count: int, first: int = 0, **settings: Any) -> Path:
    return write(path, image=[f"image {first + number}".encode() for number in range(count)], **settings)


def captions(path: Path) -> list[str]:
    return [item.caption for item in Parquet(path).items()]


def ids(path: Path) -> list[str]:
    return [item.id for item in Parquet(path).items()]


def contents(path: Path) -> list[bytes]:
    return [item.read() for item in Parquet(path).items()]


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.binary_view()])
@pytest.mark.parametrize("name", ["image", "jpg", "bytes"])
def test_a_column_of_encoded_bytes_is_read(tmp_path: Path, name: str, kind: pa.DataType) -> None:
    assert contents(write(tmp_path / "a.parquet", **{name: pa.array([b"one", b"two"], kind)})) == [b"one", b"two"]


def test_the_struct_that_datasets_writes_is_read_bytes_first_then_path(tmp_path: Path) -> None:
    (tmp_path / "b.png").write_bytes(b"two")
    rows = [{"bytes": b"one", "path": "gone.png"}, {"bytes": None, "path": "b.png"}]
    assert contents(write(tmp_path / "a.parquet", picture=pa.array(rows, STRUCT))) == [b"one", b"two"]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
def test_a_column_of_paths_is_read_relative_to_the_file(tmp_path: Path, kind: pa.DataType) -> None:
    (tmp_path / "b.png").write_bytes(b"two")
    assert (
        contents(write(tmp_path / "a.parquet", path=pa.array(["b.png", str(tmp_path / "b.png")], kind))) == [b"two"] * 2
    )


@pytest.mark.parametrize(
    "name", ["gone.png", "../../gone.png", "/gone/gone.png", "https://a.b/c.png", "null\0.png", "."]
)
def test_a_path_to_nothing_is_an_unreadable_image(tmp_path: Path, name: str) -> None:
    (item,) = Parquet(write(tmp_path / "a.parquet", path=[name])).items()
    with pytest.raises(UnreadableImage, match="there is no such file"):
        item.read()


@pytest.mark.parametrize(
    "column", [pa.array([None], pa.binary()), pa.array([None], STRUCT), pa.array([{}], STRUCT), pa.array([""])]
)
def test_a_null_image_is_an_unreadable_image(tmp_path: Path, column: pa.Array) -> None:
    (item,) = Parquet(write(tmp_path / "a.parquet", image=column)).items()
    with pytest.raises(UnreadableImage, match="no bytes and no path"):
        item.read()


def test_a_struct_is_an_image_before_a_column_is_that_is_called_so(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", file_name=["a.png"], image=pa.array([{"bytes": b"one"}], STRUCT))
    assert contents(path) == [b"one"]


def test_columns_that_cannot_hold_an_image_are_passed_over(tmp_path: Path) -> None:
    assert contents(write(tmp_path / "a.parquet", image=[[1, 2, 3]], img=[7], bytes=[b"one"])) == [b"one"]


def test_a_file_without_images_is_named_with_its_columns(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"a\.parquet has no image column: .* it has label \(int64\), text \(string\)"):
        Parquet(write(tmp_path / "a.parquet", label=[1], text=["a cat"]))


def test_captions_are_found_by_name_and_null_is_none(tmp_path: Path) -> None:
    assert captions(write(tmp_path / "a.parquet", image=[b"", b""], text=[" a cat\n", None])) == ["a cat", ""]


def test_a_list_of_captions_counts_with_its_first(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", image=[b""] * 3, captions=[["one", "two"], [], [None]])
    assert captions(path) == ["one", "", ""]


def test_rows_without_captions_have_empty_ones(tmp_path: Path) -> None:
    assert captions(numbered(tmp_path / "a.parquet", 2)) == ["", ""]


def test_ids_are_file_and_row_where_there_is_no_id_column(tmp_path: Path) -> None:
    numbered(tmp_path / "all/a.parquet", 2)
    numbered(tmp_path / "all/b.parquet", 1)
    assert ids(tmp_path / "all") == ["a.parquet#0", "a.parquet#1", "b.parquet#0"]


def test_files_of_the_same_name_in_two_folders_have_different_ids(tmp_path: Path) -> None:
    numbered(tmp_path / "all/train/0.parquet", 1)
    numbered(tmp_path / "all/test/0.parquet", 1)
    assert ids(tmp_path / "all") == ["test/0.parquet#0", "train/0.parquet#0"]


def test_ids_may_be_numbers_and_null_is_file_and_row(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", image=[b"", b""], id=pa.array([7, None]))
    assert ids(path) == ["7", "a.parquet#1"]


def test_a_folder_is_all_its_files_in_order_hidden_ones_left_out(tmp_path: Path) -> None:
    numbered(tmp_path / "all/b.parquet", 1, first=2)
    numbered(tmp_path / "all/a.PARQUET", 2)
    (tmp_path / "all/._a.parquet").write_bytes(b"left by a file manager")
    (tmp_path / "all/_SUCCESS").touch()
    assert contents(tmp_path / "all") == [b"image 0", b"image 1", b"image 2"]


def test_columns_that_a_later_file_lacks_are_empty_there(tmp_path: Path) -> None:
    write(tmp_path / "all/a.parquet", image=[b"one"], text=["a cat"], id=["x"])
    write(tmp_path / "all/b.parquet", image=[b"two"])
    items = list(Parquet(tmp_path / "all").items())
    assert [(item.id, item.caption) for item in items] == [("x", "a cat"), ("b.parquet#0", "")]


def test_a_file_that_lacks_the_image_column_is_named(tmp_path: Path) -> None:
    numbered(tmp_path / "all/a.parquet", 1)
    write(tmp_path / "all/b.parquet", label=[1])
    with pytest.raises(UserError, match=r"b\.parquet has no column 'image'"):
        Parquet(tmp_path / "all")


def test_items_from_any_start_are_the_tail_of_all_items(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("copyrisk.collections.parquet.BATCH_ROWS", 2)
    for name, count in (("a", 0), ("b", 7), ("c", 0), ("d", 4), ("e", 0)):
        numbered(tmp_path / f"all/{name}.parquet", count, row_group_size=3) if count else write(
            tmp_path / f"all/{name}.parquet", image=pa.array([], pa.binary())
        )
    collection = Parquet(tmp_path / "all")
    everything = list(collection.items())
    assert len(everything) == len(collection) == 11
    assert [item.position for item in everything] == list(range(11))
    for start in range(13):
        assert list(collection.items(start)) == everything[start:]
    assert [collection.item(position) for position in range(11)] == everything


def test_a_start_in_a_later_row_group_reads_none_of_the_earlier_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    batches = pq.ParquetFile.iter_batches

    def spy(file: pq.ParquetFile, *args: Any, row_groups: list[int], **kwargs: Any) -> Any:
        read.extend(row_groups)
        return batches(file, *args, row_groups=row_groups, **kwargs)

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", spy)
    collection = Parquet(numbered(tmp_path / "a.parquet", 10, row_group_size=3))
    list(collection.items(7))
    assert read == [2, 3]


@pytest.mark.parametrize("data", [b"", b"not parquet at all", b"PAR1" + bytes(100) + b"PAR1"])
def test_what_is_not_parquet_is_named(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.parquet").write_bytes(data)
    with pytest.raises(UserError, match=r"a\.parquet cannot be read as Parquet"):
        Parquet(tmp_path / "a.parquet")


def test_a_page_damaged_in_the_middle_of_a_file_is_named_when_it_is_reached(tmp_path: Path) -> None:
    path = numbered(tmp_path / "a.parquet", 200, row_group_size=100)
    data = bytearray(path.read_bytes())
    start = pq.read_metadata(path).row_group(1).column(0).dictionary_page_offset
    data[start : start + 40] = b"\xff" * 40
    path.write_bytes(data)
    items = Parquet(path).items()
    assert [next(items).position for _ in range(100)] == list(range(100))
    with pytest.raises(UserError, match=r"a\.parquet cannot be read as Parquet; it may be damaged"):
        next(items)


def test_text_that_is_not_utf_8_is_damage(tmp_path: Path) -> None:
    buffers = [None, pa.py_buffer(bytes([0, 0, 0, 0, 2, 0, 0, 0])), pa.py_buffer(b"\xff\xfe")]
    path = write(tmp_path / "a.parquet", image=[b"one"], caption=pa.Array.from_buffers(pa.string(), 1, buffers))
    with pytest.raises(UserError, match=r"a\.parquet cannot be read"):
        list(Parquet(path).items())


def test_the_fingerprint_changes_with_a_file_and_not_with_the_place(tmp_path: Path) -> None:
    numbered(tmp_path / "all/a.parquet", 3)
    before = Parquet(tmp_path / "all").fingerprint
    (tmp_path / "all").rename(tmp_path / "moved")
    assert Parquet(tmp_path / "moved").fingerprint == before
    numbered(tmp_path / "moved/b.parquet", 1)
    assert Parquet(tmp_path / "moved").fingerprint != before
