"""The index folder: what is in it, who can read it, and what happens when it was damaged."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from copyrisk.collections.decode import decode
from copyrisk.descriptors.pixels import Pixels
from copyrisk.errors import UserError
from copyrisk.index import store, update
from copyrisk.index.rows import contrast_of
from copyrisk.index.store import IndexFolder, is_index, open_index, writing
from copyrisk.index.update import add, build, remove

Picture = Callable[[int], bytes]
Write = Callable[[str, list[tuple[int, str]]], Path]


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "SHARD_ROWS", 4)


@pytest.fixture
def train(collection: Write) -> Path:
    return collection("train", [(seed, f"picture {seed}") for seed in range(10)])


@pytest.fixture
def folder(tmp_path: Path, train: Path) -> Path:
    """An index of ten images in three shards."""
    build(str(train), tmp_path / "index", "pixels:8")
    return tmp_path / "index"


def shards(folder: Path) -> list[Path]:
    return sorted((folder / "images").iterdir())


def ids(index: IndexFolder) -> list[str]:
    found: list[str] = index.table(["id"])["id"].to_pylist()
    return found


def test_each_image_is_a_row_in_the_order_of_the_collection(folder: Path, train: Path, picture: Picture) -> None:
    index = open_index(folder)
    assert (len(index), index.unreadable, index.sources.keys()) == (10, 0, {str(train)})
    row = index.table().to_pylist()[7]
    assert row | {"sha256": "", "contrast": 0} == {
        **{"id": "7", "source": str(train), "position": 7, "caption": "picture 7", "width": 16, "height": 16},
        **{"sha256": "", "contrast": 0, "informative": True, "error": None},
    }
    described = Pixels("8").describe(decode(picture(7)))
    assert np.array_equal(index.rows()[7], described)
    assert row["contrast"] == pytest.approx(contrast_of(described.reshape(-1, 3)))


def test_the_name_of_a_shard_holds_the_hash_of_its_contents(folder: Path) -> None:
    from hashlib import sha256

    assert len(shards(folder)) == 3
    for number, path in enumerate(shards(folder)):
        assert path.name == f"part-{number:06d}-{sha256(path.read_bytes()).hexdigest()[:16]}.parquet"
    assert pq.read_schema(shards(folder)[0]).metadata[b"descriptor"] == b"pixels:8"


def test_pandas_datasets_and_duckdb_read_the_shards(folder: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    expected = [str(number) for number in range(10)]
    frame = pd.read_parquet(folder / "images")
    assert frame["id"].tolist() == expected
    assert np.array_equal(np.stack(frame["descriptor"].tolist()), open_index(folder).rows())
    files = [str(path) for path in shards(folder)]
    loaded = datasets.load_dataset("parquet", data_files=files, split="train", cache_dir=str(tmp_path / "cache"))
    assert loaded["id"][:] == expected
    assert loaded[7]["descriptor"] == frame["descriptor"][7].tolist()
    duckdb = pytest.importorskip("duckdb")
    query = f"select count(*), count(distinct sha256) from '{folder}/images/*.parquet' where error is null"
    assert duckdb.sql(query).fetchall() == [(10, 10)]


def test_an_image_that_cannot_be_read_is_a_row_with_the_reason(tmp_path: Path, picture: Picture) -> None:
    (tmp_path / "train").mkdir()
    for name, data in (("a.png", picture(1)), ("b.png", b"junk"), ("c.png", picture(2))):
        (tmp_path / "train" / name).write_bytes(data)
    build(str(tmp_path / "train"), tmp_path / "index", "pixels:8")
    index = open_index(tmp_path / "index")
    assert index.table(["error"])["error"].to_pylist() == [None, "not an image in a known format", None]
    assert (len(index), index.unreadable, len(index.rows())) == (3, 1, 2)


def test_contrast_is_zero_for_one_colour_and_half_for_black_and_white() -> None:
    red = np.tile(np.array([200, 30, 40], np.uint8), (64, 1))
    assert contrast_of(red) == 0
    assert contrast_of(np.repeat(np.array([[0], [255]], np.uint8), 3, axis=1)) == 0.5


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("harm", "what"),
    [(Path.unlink, "is missing"), (truncate, "bytes instead of"), (flip, "holds other contents than were written")],
)
def test_a_damaged_shard_is_named_and_adding_the_collection_again_repairs_it(
    folder: Path, train: Path, harm: Callable[[Path], None], what: str
) -> None:
    expected = open_index(folder).rows()
    harm(shards(folder)[1])
    with pytest.raises(UserError, match=f"part-000001-.* {what}.*copyrisk index add {folder} {train}"):
        open_index(folder)
    done = add(folder, str(train))
    assert (done.described, done.present) == (4, 6)
    index = open_index(folder)
    assert sorted(ids(index)) == [str(number) for number in range(10)]
    assert np.array_equal(index.rows()[np.argsort(index.table(["position"])["position"])], expected)


def test_a_change_that_keeps_size_and_time_is_found_by_verifying(folder: Path) -> None:
    path = shards(folder)[1]
    time = path.stat().st_mtime_ns
    flip(path)
    os.utime(path, ns=(time, time))
    open_index(folder)
    with pytest.raises(UserError, match="part-000001-.*other contents"):
        open_index(folder, verify=True)


def test_a_copied_index_with_other_times_is_whole(folder: Path) -> None:
    for path in shards(folder):
        os.utime(path, (1, 1))
    assert len(open_index(folder)) == 10


def test_damage_to_another_collection_is_refused_with_the_remedy(folder: Path, train: Path, collection: Write) -> None:
    shards(folder)[0].unlink()
    other = collection("other", [(50, "")])
    with pytest.raises(UserError, match=f"part-000000-.*copyrisk index add {folder} {train}"):
        add(folder, str(other))
    with pytest.raises(UserError, match="--damaged"):
        remove(folder, ["9"])


def test_damaged_shards_can_be_given_up(folder: Path) -> None:
    shards(folder)[0].unlink()
    assert remove(folder, damaged=True) == 4
    assert ids(open_index(folder)) == [str(number) for number in range(4, 10)]


@pytest.mark.parametrize("text", ['{"kind": "copyrisk index", "form', '{"kind": "copyrisk index", "format": 1}'])
def test_a_damaged_manifest_is_refused(folder: Path, text: str) -> None:
    (folder / "manifest.json").write_text(text)
    with pytest.raises(UserError, match=r"manifest.json is damaged .*copyrisk index IMAGES --out"):
        open_index(folder)


def test_a_shard_name_that_leads_elsewhere_is_refused(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["shards"][0]["name"] = "../../elsewhere.parquet"
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(UserError, match="leads elsewhere"):
        open_index(folder)


def test_an_index_of_a_later_form_is_not_guessed_at(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"format": 99}))
    with pytest.raises(UserError, match="Index the images again"):
        open_index(folder)


class Weighted(Pixels):
    """A descriptor with weights, as a network has them."""

    fingerprint = "a1b2"


def test_an_index_belongs_to_the_weights_that_it_was_made_with(
    tmp_path: Path, train: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for room in (store, update):
        monkeypatch.setattr(room, "open_descriptor", lambda specifier: Weighted("8"))
    build(str(train), tmp_path / "index", "pixels:8")
    assert json.loads((tmp_path / "index/manifest.json").read_text())["fingerprint"] == "a1b2"
    assert len(open_index(tmp_path / "index")) == 10
    monkeypatch.setattr(Weighted, "fingerprint", "c3d4")
    for action in (open_index, lambda folder: build(str(train), folder, "pixels:8")):
        with pytest.raises(UserError, match=r"other weights of pixels:8 \(fingerprint a1b2\).*\(c3d4\).*new folder"):
            action(tmp_path / "index")


def test_an_index_of_an_earlier_form_has_to_be_made_anew(folder: Path, train: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"format": 1, "copyrisk": "0.1"}))
    for action in (open_index, lambda folder: build(str(train), folder, "pixels:8")):
        with pytest.raises(UserError, match=r"written by copyrisk 0\.1 in a form .* Index the images again"):
            action(folder)


def test_what_is_no_index_is_refused(tmp_path: Path, train: Path) -> None:
    assert not is_index(tmp_path)
    with pytest.raises(UserError, match="there is no index at"):
        open_index(tmp_path / "nothing")
    with pytest.raises(UserError, match="there is no index at"):
        add(tmp_path / "nothing", str(train))
    assert not (tmp_path / "nothing").exists()
    with pytest.raises(UserError, match="not empty and holds no index"):
        build(str(train), tmp_path, "pixels:8")


def test_only_one_process_writes_an_index_at_a_time(folder: Path, train: Path) -> None:
    with writing(folder), pytest.raises(UserError, match="being written by another"):
        add(folder, str(train))


def test_the_next_writer_removes_what_a_killed_one_left(folder: Path, train: Path) -> None:
    for name in ("part-000003-0123456789abcdef.parquet", ".part-000003.1.tmp"):
        (folder / "images" / name).write_bytes(b"half a shard")
    assert len(open_index(folder)) == 10
    add(folder, str(train))
    assert len(list((folder / "images").iterdir())) == 3
