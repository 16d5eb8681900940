import io
import json
import pickle
import tarfile
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from copyrisk.collections import webdataset as room
from copyrisk.collections.webdataset import WebDataset
from copyrisk.errors import UnreadableImage, UserError

BLOCK = tarfile.BLOCKSIZE


def shard(path: Path, files: Iterable[tuple[str, bytes | str]], form: int = tarfile.PAX_FORMAT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=form) as archive:
        for name, content in files:
            data = content.encode() if isinstance(content, str) else content
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def numbered(path: Path, count: int, first: int = 0) -> Path:
    files = ((f"{number:09d}.{kind}", f"{kind} {number}") for number in range(first, first + count) for kind in KINDS)
    return shard(path, files)


KINDS = ("jpg", "txt")


def captions(path: Path) -> list[str]:
    return [item.caption for item in WebDataset(path).items()]


def reason(item: room.Item) -> str:
    with pytest.raises(UnreadableImage) as caught:
        item.read()
    return str(caught.value)


def test_images_and_captions_of_all_shards_are_read_in_order(tmp_path: Path) -> None:
    numbered(tmp_path / "b.tar", 1, first=2)
    numbered(tmp_path / "a.tar", 2)
    items = list(WebDataset(tmp_path).items())
    assert [(item.id, item.caption, item.read()) for item in items] == [
        ("a.tar/000000000.jpg", "txt 0", b"jpg 0"),
        ("a.tar/000000001.jpg", "txt 1", b"jpg 1"),
        ("b.tar/000000002.jpg", "txt 2", b"jpg 2"),
    ]


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_long_names_and_names_that_are_no_ascii_are_read(tmp_path: Path, form: int) -> None:
    name = f"{'ordner/' * 10}größe{'x' * 80}"
    shard(tmp_path / "a.tar", [(f"{name}.jpg", "one"), (f"{name}.txt", "a cat")], form)
    (item,) = WebDataset(tmp_path).items()
    assert (item.id, item.caption, item.read()) == (f"a.tar/{name}.jpg", "a cat", b"one")


def test_an_item_is_small_and_can_be_sent_to_another_process(tmp_path: Path) -> None:
    shard(tmp_path / "a.tar", [("a.jpg", bytes(100_000))])
    (item,) = WebDataset(tmp_path).items()
    assert len(pickle.dumps(item)) < 1000
    assert pickle.loads(pickle.dumps(item)).read() == bytes(100_000)


@pytest.mark.parametrize("place", ["", "folder/", "./", "../"])
def test_the_name_up_to_its_first_dot_is_what_files_of_a_sample_share(tmp_path: Path, place: str) -> None:
    files = [("a.cls", "3"), ("a.image.jpg", "one"), ("a.mask.png", "two"), ("a.txt", "a cat"), ("b.jpg", "three")]
    shard(tmp_path / "a.tar", [(place + name, content) for name, content in files])
    assert captions(tmp_path) == ["a cat", "a cat", ""]


def test_the_text_of_the_very_name_comes_first(tmp_path: Path) -> None:
    shard(tmp_path / "a.tar", [("a.1.jpg", ""), ("a.1.txt", "one"), ("a.2.jpg", ""), ("a.2.txt", "two"), ("a.txt", "")])
    assert captions(tmp_path) == ["one", "two"]


def test_the_caption_may_stand_before_the_image(tmp_path: Path) -> None:
    assert captions(shard(tmp_path / "a.tar", [("a.TXT", "no"), ("a.txt", "a cat"), ("a.webp", "")])) == ["a cat"]


@pytest.mark.parametrize("content", [{"caption": "a cat"}, {"text": ["a cat", "a dog"], "url": "x"}])
def test_the_caption_may_be_in_json(tmp_path: Path, content: object) -> None:
    assert captions(shard(tmp_path / "a.tar", [("a.jpg", ""), ("a.json", json.dumps(content))])) == ["a cat"]


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "[" * 100_000, '{"caption": 7}'])
def test_json_without_a_caption_is_none(tmp_path: Path, content: str) -> None:
    assert captions(shard(tmp_path / "a.tar", [("a.jpg", ""), ("a.json", content)])) == [""]


def test_the_text_comes_before_json_where_it_is_not_empty(tmp_path: Path) -> None:
    files = [(f"{name}.{kind}", text) for name in "ab" for kind, text in (("jpg", ""), ("json", '{"caption": "json"}'))]
    shard(tmp_path / "a.tar", [*files[:2], ("a.txt", "text"), *files[2:], ("b.txt", "  ")])
    assert captions(tmp_path) == ["text", "json"]


def test_the_metadata_of_img2dataset_beside_a_shard_give_captions_that_it_lacks(tmp_path: Path) -> None:
    shard(tmp_path / "0.tar", [("000.jpg", ""), ("001.jpg", ""), ("001.txt", "in the shard"), ("002.jpg", "")])
    table = {"key": ["000", "001", "003"], "caption": ["beside", "beside", "failed"], "status": ["success"] * 3}
    pq.write_table(pa.table(table), tmp_path / "0.parquet")
    assert captions(tmp_path) == ["beside", "in the shard", ""]


def test_metadata_without_captions_do_not_matter(tmp_path: Path) -> None:
    numbered(tmp_path / "0.tar", 1)
    pq.write_table(pa.table({"url": ["x"]}), tmp_path / "0.parquet")
    assert captions(tmp_path) == ["txt 0"]


def test_damaged_metadata_are_named_at_once(tmp_path: Path) -> None:
    numbered(tmp_path / "0.tar", 1)
    (tmp_path / "0.parquet").write_bytes(b"junk")
    with pytest.raises(UserError, match=r"0\.parquet cannot be read as Parquet"):
        WebDataset(tmp_path)


def test_hidden_files_folders_and_samples_without_an_image_are_passed_over(tmp_path: Path) -> None:
    shard(tmp_path / "a.tar", [("._a.jpg", "x"), ("a.jpg", "one"), ("b.txt", "no image"), ("c.npy", "x")])
    with tarfile.open(tmp_path / "a.tar", "a") as archive:
        folder = tarfile.TarInfo("folder.jpg")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
    assert [item.id for item in WebDataset(tmp_path).items()] == ["a.tar/a.jpg"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_a_link_is_not_followed_and_listed(tmp_path: Path, kind: bytes) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        link = tarfile.TarInfo("a.jpg")
        link.type, link.linkname = kind, "/etc/passwd"
        archive.addfile(link)
    (item,) = WebDataset(tmp_path).items()
    assert "a link" in reason(item)


@pytest.mark.parametrize("every", [1, 3, 1000])
def test_items_from_any_start_are_the_tail_of_all_items(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every: int
) -> None:
    monkeypatch.setattr(room, "MARK_EVERY", every)
    shard(tmp_path / "a.tar", [])
    numbered(tmp_path / "b.tar", 7)
    shard(tmp_path / "c.tar", [("a.1.jpg", ""), ("a.2.jpg", ""), ("a.3.jpg", ""), ("b.txt", ""), ("c.jpg", "")])
    shard(tmp_path / "d.tar", [])
    (tmp_path / "e.tar").write_bytes(b"junk")
    collection = WebDataset(tmp_path)
    everything = list(collection.items())
    assert len(everything) == len(collection) == 12
    assert [item.position for item in everything] == list(range(12))
    for start in range(14):
        assert list(collection.items(start)) == everything[start:]
    assert [collection.item(position) for position in range(12)] == everything


def test_reading_in_the_middle_starts_near_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MARK_EVERY", 10)
    collection = WebDataset(numbered(tmp_path / "a.tar", 100))
    read = 0
    following = tarfile.TarFile.next

    def spy(archive: tarfile.TarFile) -> tarfile.TarInfo | None:
        nonlocal read
        read += 1
        return following(archive)

    monkeypatch.setattr(tarfile.TarFile, "next", spy)
    assert collection.item(57).read() == b"jpg 57"
    assert read <= 2 * 10 + 3


def test_what_a_cut_off_shard_still_holds_is_read_and_the_rest_is_listed(tmp_path: Path) -> None:
    path = shard(tmp_path / "a.tar", [("a.jpg", "one"), ("b.jpg", bytes(2000)), ("c.jpg", "three")])
    path.write_bytes(path.read_bytes()[: 2 * BLOCK + BLOCK + 1000])
    numbered(tmp_path / "b.tar", 1)
    first, second, rest, behind = WebDataset(tmp_path).items()
    assert first.read() == b"one"
    assert reason(second) == "a.tar ends in the middle of it"
    assert reason(rest).endswith("on: unexpected end of data")
    assert behind.read() == b"jpg 0"


@pytest.mark.parametrize(
    ("end", "why"), [(2 * BLOCK, "byte 1,024 on: it is cut off"), (2 * BLOCK + 9, "byte 1,024 on: it is cut off")]
)
def test_a_shard_cut_off_between_two_files_is_noticed(tmp_path: Path, end: int, why: str) -> None:
    path = shard(tmp_path / "a.tar", [("a.jpg", "one"), ("b.jpg", "two")])
    path.write_bytes(path.read_bytes()[:end])
    first, rest = WebDataset(tmp_path).items()
    assert (first.read(), rest.id) == (b"one", "a.tar#1024")
    assert reason(rest).endswith(why)


def test_a_damaged_header_is_listed_with_its_place(tmp_path: Path) -> None:
    path = shard(tmp_path / "a.tar", [("a.jpg", "one"), ("b.jpg", "two")])
    data = bytearray(path.read_bytes())
    data[2 * BLOCK + 3] ^= 255
    path.write_bytes(data)
    first, rest = WebDataset(tmp_path).items()
    assert first.read() == b"one"
    assert reason(rest) == "the archive cannot be read from byte 1,024 on: a header is damaged"


@pytest.mark.parametrize("content", [b"", b"<html>404</html>", b"\x1f\x8b" + bytes(5000)])
def test_what_is_no_archive_is_one_unreadable_image(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.tar").write_bytes(content)
    numbered(tmp_path / "b.tar", 1)
    bad, good = WebDataset(tmp_path).items()
    assert reason(bad).startswith("the archive cannot be read from byte 0 on: ")
    assert good.read() == b"jpg 0"


def test_a_negative_size_does_not_go_in_circles(tmp_path: Path) -> None:
    path = shard(tmp_path / "a.tar", [("a.jpg", "one"), ("b.jpg", "two")])
    data = bytearray(path.read_bytes())
    data[2 * BLOCK + 124 : 2 * BLOCK + 136] = (-2 * BLOCK).to_bytes(12, "big", signed=True)
    data[2 * BLOCK + 148 : 2 * BLOCK + 156] = b" " * 8
    data[2 * BLOCK + 148 : 2 * BLOCK + 156] = b"%06o\0 " % sum(data[2 * BLOCK : 3 * BLOCK])
    path.write_bytes(data)
    _, rest = WebDataset(tmp_path).items()
    assert reason(rest).startswith("the archive cannot be read from byte 1,024 on: ")


def test_a_shard_that_is_gone_when_it_is_reached_is_unreadable(tmp_path: Path) -> None:
    numbered(tmp_path / "a.tar", 2)
    collection = WebDataset(tmp_path)
    (tmp_path / "a.tar").unlink()
    (rest,) = collection.items()
    assert "cannot be read: No such file" in reason(rest)


@pytest.mark.parametrize("name", ["a.tar.gz", "a.TGZ", "a.tar.zst"])
def test_a_compressed_shard_is_refused_with_the_remedy(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(UserError, match=r"is compressed.*Unpack it to a \.tar first"):
        WebDataset(tmp_path)


def test_other_compressed_files_do_not_matter(tmp_path: Path) -> None:
    numbered(tmp_path / "a.tar", 1)
    (tmp_path / "log.json.gz").touch()
    assert len(WebDataset(tmp_path)) == 1


@pytest.mark.parametrize("name", ["a.tar", "b.tar", "a.parquet"])
def test_the_fingerprint_changes_with_shards_and_metadata_and_not_with_the_place(tmp_path: Path, name: str) -> None:
    numbered(tmp_path / "all/a.tar", 1)
    pq.write_table(pa.table({"key": ["0"], "caption": ["one"]}), tmp_path / "all/a.parquet")
    before = WebDataset(tmp_path / "all").fingerprint
    (tmp_path / "all").rename(tmp_path / "moved")
    assert WebDataset(tmp_path / "moved").fingerprint == before
    if name.endswith(".tar"):
        numbered(tmp_path / "moved" / name, 2)
    else:
        pq.write_table(pa.table({"key": ["0"], "caption": ["another"]}), tmp_path / "moved" / name)
    assert WebDataset(tmp_path / "moved").fingerprint != before
