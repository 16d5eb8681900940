import tarfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from copyrisk.collections import Item, open_collection
from copyrisk.collections.folder import Folder
from copyrisk.collections.parquet import Parquet
from copyrisk.collections.webdataset import WebDataset
from copyrisk.errors import UnreadableImage, UserError

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


def tar(path: Path, *names: str) -> None:
    with tarfile.open(path, "w") as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(name))


def test_a_tar_file_and_a_folder_of_them_are_webdataset(tmp_path: Path) -> None:
    (tmp_path / "all/sub").mkdir(parents=True)
    tar(tmp_path / "all/sub/0.tar", "a.jpg", "b.jpg")
    for path in (tmp_path / "all/sub/0.tar", tmp_path / "all"):
        collection = open_collection(str(path), "--references")
        assert isinstance(collection, WebDataset)
        assert len(collection) == 2


def test_the_output_of_img2dataset_is_recognised_in_each_of_its_formats(tmp_path: Path, parquet: Path) -> None:
    tables = {"key": ["000"], "caption": ["a cat"], "url": ["https://a.b/c.jpg"], "status": ["success"]}
    for form in ("webdataset", "files", "parquet"):
        (tmp_path / form / "00000").mkdir(parents=True)
        (tmp_path / form / "00000_stats.json").write_text("{}")
        image = {"jpg": [b"one"], "txt": ["a cat"]} if form == "parquet" else {}
        pq.write_table(pa.table({**tables, **image}), tmp_path / form / "00000.parquet")
    tar(tmp_path / "webdataset/00000.tar", "000.jpg", "000.json")
    (tmp_path / "files/00000/000.jpg").write_bytes(b"one")
    (tmp_path / "files/00000/000.txt").write_text("a cat")
    for form, kind in (("webdataset", WebDataset), ("files", Folder), ("parquet", Parquet)):
        collection = open_collection(str(tmp_path / form), "--references")
        assert isinstance(collection, kind)
        assert [item.caption for item in collection.items()] == ["a cat"]


def test_compressed_shards_are_refused_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "0.tar.gz").touch()
    with pytest.raises(UserError, match=r"^--references: .*0\.tar\.gz is compressed"):
        open_collection(str(tmp_path), "--references")


def test_a_folder_whose_metadata_list_images_that_are_not_there_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "metadata.csv").write_text("file_name,caption\ngone.dat,a cat\n")
    assert isinstance(open_collection(str(tmp_path), "--references"), Folder)


def test_columns_may_be_given_without_the_reader_s_name(tmp_path: Path, picture: Callable[[int], bytes]) -> None:
    pq.write_table(pa.table({"image": [b"thumb"], "photo": [b"one"], "alt": ["a cat"]}), tmp_path / "a.parquet")
    for specifier in (f"{tmp_path}/a.parquet", f"parquet:{tmp_path}"):
        (item,) = open_collection(f"{specifier}?image=photo&caption=alt", "--references").items()
        assert (item.read(), item.caption) == (b"one", "a cat")


def test_a_question_mark_in_a_name_is_part_of_it(tmp_path: Path, parquet: Path) -> None:
    renamed = parquet.rename(tmp_path / "what?image=.parquet")
    assert len(open_collection(str(renamed), "--references")) == 2


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("image=gone", "has no column 'gone'.*it has id"),
        ("image=caption&caption=image", r"column 'image' \(given as caption\) holds no text"),
        ("id=gone", r"has no column 'gone' \(given as id\)"),
        ("picture=image", "'\\?picture=image' is not understood.*known names: image, caption, id"),
        ("", "is not understood"),
    ],
)
def test_a_column_that_is_not_there_is_named(parquet: Path, query: str, message: str) -> None:
    with pytest.raises(UserError, match=f"^--references: .*{message}"):
        open_collection(f"{parquet}?{query}", "--references")


def test_a_given_column_without_images_is_named(tmp_path: Path) -> None:
    pq.write_table(pa.table({"image": [b"one"], "label": [1]}), tmp_path / "a.parquet")
    with pytest.raises(UserError, match=r"column 'label' holds no images .*label \(int64\)"):
        open_collection(f"{tmp_path}/a.parquet?image=label", "--references")


@pytest.mark.parametrize("size", [100, 101])
def test_an_encoded_image_of_more_bytes_than_the_limit_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr("copyrisk.collections.MAX_BYTES", 100)
    (tmp_path / "a.png").write_bytes(bytes(size))
    items = [Item("", "", 0, bytes(size)), Item("", "", 0, None, tmp_path / "a.png")]
    for item in [*items, Item("", "", 0, None, tmp_path / "a.png", 0, size)]:
        if size == 100:
            assert item.read() == bytes(100)
        else:
            with pytest.raises(UnreadableImage, match="too large: 101 bytes, the limit is 100 bytes"):
                item.read()


def test_a_file_of_a_terabyte_takes_no_memory(tmp_path: Path) -> None:
    with (tmp_path / "a.png").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(UnreadableImage, match="too large"):
        Item("", "", 0, None, tmp_path / "a.png").read()
