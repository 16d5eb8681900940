import csv
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from copyrisk.collections import Item
from copyrisk.collections.folder import Folder
from copyrisk.errors import UnreadableImage, UserError


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())


def write_csv(path: Path, rows: Iterable[Mapping[str, str]]) -> None:
    rows = list(rows)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def write_jsonl(path: Path, *rows: object) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def ids(folder: Path) -> list[str]:
    return [item.id for item in Folder(folder).items()]


def captions(folder: Path) -> dict[str, str]:
    return {item.id: item.caption for item in Folder(folder).items()}


def test_images_in_all_sub_folders_are_listed_in_the_order_of_their_paths(tmp_path: Path) -> None:
    touch(tmp_path, "b.png", "a/z.jpg", "a/b/c.webp")
    assert ids(tmp_path) == ["a/b/c.webp", "a/z.jpg", "b.png"]


def test_suffixes_may_be_in_capitals(tmp_path: Path) -> None:
    touch(tmp_path, "A.JPG", "b.Png")
    assert ids(tmp_path) == ["A.JPG", "b.Png"]


def test_hidden_files_and_folders_are_passed_over(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "._a.png", ".cache/b.png")
    assert ids(tmp_path) == ["a.png"]


def test_other_files_are_passed_over(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "README.md", "a.json", "Thumbs.db", "train.parquet")
    assert ids(tmp_path) == ["a.png"]


def test_linked_folders_are_passed_over_so_that_no_circle_is_walked(tmp_path: Path) -> None:
    touch(tmp_path, "a.png")
    (tmp_path / "again").symlink_to(tmp_path, target_is_directory=True)
    assert ids(tmp_path) == ["a.png"]


def test_a_linked_file_is_read(tmp_path: Path) -> None:
    touch(tmp_path, "blobs/123", "images/b.png")
    (tmp_path / "images/a.png").symlink_to(tmp_path / "blobs/123")
    assert [item.read() for item in Folder(tmp_path / "images").items()] == [b"blobs/123", b"images/b.png"]


def test_a_folder_that_cannot_be_listed_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "a.png", "closed/b.png")
    scandir = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(PermissionError, match="closed"):
        Folder(tmp_path)


def test_one_file_is_a_collection_of_one(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "b.png")
    assert ids(tmp_path / "a.png") == ["a.png"]


def test_a_file_name_that_is_not_utf_8_gives_a_readable_id(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.png")).write_bytes(b"image")
    (item,) = Folder(tmp_path).items()
    assert item.id == r"caf\xe9.png"
    assert item.read() == b"image"


def test_text_beside_an_image_is_its_caption(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "b.png")
    (tmp_path / "a.txt").write_text("  a cat\n", encoding="utf-8-sig")
    assert captions(tmp_path) == {"a.png": "a cat", "b.png": ""}


def test_text_beside_an_image_that_is_not_utf_8_is_read_all_the_same(tmp_path: Path) -> None:
    touch(tmp_path, "a.png")
    (tmp_path / "a.txt").write_bytes(b"caf\xe9")
    assert captions(tmp_path) == {"a.png": "caf�"}


AWKWARD = [
    "plain",
    'he said "no", twice',
    "two\nlines",
    "line\u2028separator and next\x85line and form\x0cfeed",
    "emoji 🐈‍⬛ and umlaut ü",
    '"',
    "5' 3\" tall",
]


@pytest.mark.parametrize("caption", AWKWARD)
def test_metadata_csv_gives_captions_as_they_were_written(tmp_path: Path, caption: str) -> None:
    touch(tmp_path, "a.png", "b.png")
    write_csv(
        tmp_path / "metadata.csv",
        [{"file_name": "a.png", "caption": caption}, {"file_name": "b.png", "caption": "next"}],
    )
    assert captions(tmp_path) == {"a.png": caption, "b.png": "next"}


@pytest.mark.parametrize("caption", AWKWARD)
def test_metadata_jsonl_gives_captions_as_they_were_written(tmp_path: Path, caption: str) -> None:
    touch(tmp_path, "a.png", "b.png")
    rows = [{"file_name": "a.png", "text": caption}, {"file_name": "b.png", "text": "next"}]
    write_jsonl(tmp_path / "metadata.jsonl", *rows)
    assert captions(tmp_path) == {"a.png": caption, "b.png": "next"}


def test_metadata_written_on_windows_is_read(tmp_path: Path) -> None:
    touch(tmp_path, "a.png")
    (tmp_path / "metadata.csv").write_bytes('\ufefffile_name, caption\r\na.png, "a cat, sitting"\r\n\r\n'.encode())
    assert captions(tmp_path) == {"a.png": "a cat, sitting"}


def test_blank_lines_in_jsonl_are_passed_over(tmp_path: Path) -> None:
    touch(tmp_path, "a.png")
    (tmp_path / "metadata.jsonl").write_text('\n{"file_name": "a.png", "text": "a cat"}\n\n  \n')
    assert captions(tmp_path) == {"a.png": "a cat"}


def test_half_an_emoji_in_json_does_no_harm(tmp_path: Path) -> None:
    touch(tmp_path, "a.png")
    (tmp_path / "metadata.jsonl").write_text(r'{"file_name": "a.png", "text": "cat \ud83d", "captions": ["\ud83d"]}')
    assert captions(tmp_path) == {"a.png": "cat ?"}


def test_a_list_of_captions_counts_with_its_first(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "b.png")
    rows = [{"file_name": "a.png", "captions": ["one", "two"]}, {"file_name": "b.png", "captions": []}]
    write_jsonl(tmp_path / "metadata.jsonl", *rows)
    assert captions(tmp_path) == {"a.png": "one", "b.png": ""}


def test_metadata_in_a_sub_folder_names_files_from_there(tmp_path: Path) -> None:
    touch(tmp_path, "cats/1.png", "dogs/1.png")
    write_csv(tmp_path / "cats/metadata.csv", [{"file_name": "1.png", "caption": "a cat"}])
    assert captions(tmp_path) == {"cats/1.png": "a cat", "dogs/1.png": ""}


@pytest.mark.parametrize("spelling", ["a.png", "./a.png", "sub/../a.png", "{folder}/a.png"])
def test_each_spelling_of_a_path_is_the_same_image(
    tmp_path: Path, spelling: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path / "train", "a.png")
    name = spelling.format(folder=tmp_path / "train")
    write_csv(tmp_path / "train/metadata.csv", [{"file_name": name, "caption": "a cat"}])
    monkeypatch.chdir(tmp_path)
    assert captions(Path("train")) == captions(tmp_path / "train") == {"a.png": "a cat"}


@pytest.mark.parametrize("name", ["gone.png", "../gone.png", "/gone/gone.png", "null\0.png", "."])
def test_a_file_that_metadata_lists_but_that_is_not_there_is_unreadable(tmp_path: Path, name: str) -> None:
    touch(tmp_path, "train/a.png")
    write_jsonl(tmp_path / "train/metadata.jsonl", {"file_name": name, "text": "a cat"})
    folder = Folder(tmp_path / "train")
    (item,) = (item for item in folder.items() if item.caption)
    assert len(folder) == 2
    with pytest.raises(UnreadableImage, match="there is no such file"):
        item.read()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("metadata.csv", "name,caption\na.png,a cat\n", r"metadata\.csv, row 1: no 'file_name'"),
        ("metadata.csv", "file_name,caption\na.png,a cat, sitting\n", r"metadata\.csv, line 2: more columns"),
        ("metadata.csv", 'file_name,caption\na.png,"a cat\nb.png,a dog\n', r"metadata\.csv, line 2: .* double quote"),
        ("metadata.jsonl", '{"file_name": "a.png"}\n{"file_name": "b', r"metadata\.jsonl, line 2: expected one JSON"),
        ("metadata.jsonl", "[1, 2]", r"metadata\.jsonl, line 1: expected one JSON object"),
        ("metadata.jsonl", '{"file_name": 7}', r"metadata\.jsonl, row 1: no 'file_name'"),
    ],
)
def test_damaged_metadata_is_named_with_its_place(tmp_path: Path, name: str, text: str, message: str) -> None:
    touch(tmp_path, "a.png", "b.png")
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=message):
        Folder(tmp_path)


def test_metadata_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    (tmp_path / "metadata.csv").write_bytes(b"file_name,caption\na.png,caf\xe9\n")
    with pytest.raises(UserError, match=r"metadata\.csv is not UTF-8"):
        Folder(tmp_path)


def test_empty_cells_beyond_the_header_do_no_harm(tmp_path: Path) -> None:
    touch(tmp_path, "a.png")
    (tmp_path / "metadata.csv").write_text("file_name,caption\na.png,a cat,,\n")
    assert captions(tmp_path) == {"a.png": "a cat"}


def test_items_from_any_start_are_the_tail_of_all_items(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{number}.png" for number in range(5)))
    folder = Folder(tmp_path)
    everything = list(folder.items())
    assert [item.position for item in everything] == list(range(len(folder)))
    for start in range(len(folder) + 2):
        assert list(folder.items(start)) == everything[start:]
    assert [folder.item(position) for position in range(5)] == everything


def test_the_fingerprint_is_the_same_wherever_the_folder_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path / "train", "a.png", "a.txt")
    before = Folder(tmp_path / "train").fingerprint
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train").rename("moved")
    assert Folder(Path("moved")).fingerprint == before


@pytest.mark.parametrize("name", ["a.png", "a.txt", "metadata.csv", "new.png", "listed.dat"])
def test_the_fingerprint_changes_with_the_images_and_what_is_known_of_them(tmp_path: Path, name: str) -> None:
    touch(tmp_path, "a.png", "a.txt")
    write_csv(tmp_path / "metadata.csv", [{"file_name": "listed.dat", "caption": ""}])
    before = Folder(tmp_path).fingerprint
    with (tmp_path / name).open("a") as file:
        file.write("\n")
    assert Folder(tmp_path).fingerprint != before


def test_the_fingerprint_is_not_touched_by_a_run_folder_inside(tmp_path: Path) -> None:
    touch(tmp_path, "a.png")
    before = Folder(tmp_path).fingerprint
    touch(tmp_path, "copyrisk-run/manifest.json", "copyrisk-run/plan.parquet", "copyrisk-run/report.html")
    assert Folder(tmp_path).fingerprint == before


def test_a_pipe_in_place_of_an_image_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    (item,) = Folder(tmp_path).items()
    with pytest.raises(UnreadableImage, match="there is no such file"):
        item.read()


def test_an_item_without_bytes_or_path_is_unreadable() -> None:
    with pytest.raises(UnreadableImage, match="no bytes and no path"):
        Item("a", "", 0).read()
