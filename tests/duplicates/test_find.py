"""The duplicates of real files, from the images to the tables, the list and the page."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from copyrisk.duplicates.find import find_duplicates
from copyrisk.errors import UserError
from copyrisk.index.store import open_index
from copyrisk.index.update import build
from copyrisk.options import DuplicatesOptions

Save = Callable[..., Path]


def photograph(seed: int) -> Image.Image:
    """A picture with large and small shapes, as photographs have."""
    small = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((160, 120), Image.Resampling.BICUBIC)


def jpeg(image: Image.Image, quality: int) -> bytes:
    data = io.BytesIO()
    image.save(data, "JPEG", quality=quality)
    return data.getvalue()


@pytest.fixture
def train(tmp_path: Path) -> Path:
    """Three copies of one photograph, one of them small; two of another; one alone; two blank pages; one unreadable."""
    folder = tmp_path / "train"
    folder.mkdir()
    one, two = photograph(1), photograph(2)
    files = {
        "a.jpg": jpeg(one.resize((80, 60)), 90),
        "b.jpg": jpeg(one, 90),
        "c.jpg": jpeg(one, 40),
        "d.jpg": jpeg(two, 90),
        "e.jpg": jpeg(two, 90),
        "f.jpg": jpeg(photograph(3), 90),
        "g.png": b"not a picture",
        "w1.jpg": jpeg(Image.new("RGB", (64, 64), "white"), 90),
        "w2.jpg": jpeg(Image.new("RGB", (80, 64), "white"), 90),
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    (folder / "b.txt").write_text("a <b>hill</b> & a lake")
    return folder


@pytest.fixture
def options(tmp_path: Path) -> Callable[..., DuplicatesOptions]:
    return lambda **given: DuplicatesOptions(**{"out": tmp_path / "out", **given})


Given = Callable[..., DuplicatesOptions]


def test_copies_are_found_counted_and_shown(train: Path, options: Given) -> None:
    found = find_duplicates(str(train), options())
    assert found.facts["pairs"] == {"exact": 1, "same pixels": 0, "near-duplicate": 3, "too little in it": 0}
    counts = {name: found.facts[name] for name in ("images", "unreadable", "plain", "clusters", "largest", "copies")}
    assert counts == {"images": 8, "unreadable": 1, "plain": 2, "clusters": 2, "largest": 3, "copies": 3}
    pairs = pd.read_parquet(options().out / "pairs.parquet")
    assert list(pairs.columns) == ["id", "other_id", "distance", "score", "likeness", "kind", "changes"]
    assert pairs.iloc[0].dropna().to_dict() == {
        **{"id": "d.jpg", "other_id": "e.jpg", "distance": 0.0, "score": 1.0, "kind": "exact"}
    }
    assert pairs["likeness"].isna().all()
    assert set(pairs["changes"].iloc[1:]) == {"re-encoded"}
    clusters = pd.read_parquet(options().out / "clusters.parquet")
    assert clusters["multiplicity"].tolist() == [3, 2]
    assert clusters["captions"][0].tolist() == ["a <b>hill</b> & a lake"]
    assert json.loads((options().out / "duplicates.json").read_text()) == found.facts
    images = pd.read_parquet(options().out / "images.parquet").set_index("id")
    assert images["multiplicity"].to_dict() == {
        **{"a.jpg": 3, "b.jpg": 3, "c.jpg": 3, "d.jpg": 2, "e.jpg": 2, "f.jpg": 1, "w1.jpg": 1, "w2.jpg": 1}
    }
    assert images.index[~images["informative"]].tolist() == ["w1.jpg", "w2.jpg"]


def test_what_was_done_to_a_copy_is_found_and_shown(tmp_path: Path, options: Given) -> None:
    one = photograph(1).resize((320, 240))
    changed = {
        "mirrored": one.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        "cropped": one.crop((32, 24, 304, 228)),
        "re-encoded": one.resize((100, 75)),
    }
    (tmp_path / "images").mkdir()
    for name, image in {"a": one, "b": photograph(2), **changed}.items():
        (tmp_path / "images" / f"{name}.jpg").write_bytes(jpeg(image, 80))
    found = find_duplicates(str(tmp_path / "images"), options())
    done = {row["other_id"]: row["changes"] for row in found.pairs.to_pylist() if row["id"] == "a.jpg"}
    assert done == {f"{name}.jpg": name for name in changed}
    assert found.facts["changes"].keys() >= set(changed)
    assert found.clusters["multiplicity"].to_pylist() == [4]
    assert found.clusters["lowest_score"][0].as_py() == min(found.pairs["score"].to_pylist())
    page = found.page.read_text()
    assert all(f"<br>{name}</p>" in page for name in changed)
    stricter = find_duplicates(str(tmp_path / "images"), options(score=0.9999))
    assert (stricter.pairs.num_rows, stricter.facts["score"]) == (0, 0.9999)


def test_an_index_gives_what_its_collection_gives_and_is_not_written(
    train: Path, tmp_path: Path, options: Given
) -> None:
    expected = find_duplicates(str(train), options())
    build(str(train), tmp_path / "index", "photo")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "index").rglob("*")}
    found = find_duplicates(str(tmp_path / "index"), options(out=tmp_path / "other"))
    assert found.pairs.equals(expected.pairs)
    assert found.clusters.equals(expected.clusters)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "index").rglob("*")} == before


def test_a_second_time_nothing_is_described_again(train: Path, options: Given) -> None:
    first = find_duplicates(str(train), options())
    written = {path: path.stat().st_mtime_ns for path in (options().out / "index" / "images").iterdir()}
    again = find_duplicates(str(train), options(duplicate_distance=0.02))
    assert again.images.num_rows == first.images.num_rows
    assert {path: path.stat().st_mtime_ns for path in (options().out / "index" / "images").iterdir()} == written


def test_a_delivery_is_compared_with_what_is_there(train: Path, tmp_path: Path, options: Given) -> None:
    delivery = tmp_path / "delivery"
    delivery.mkdir()
    for name, image in (("new.jpg", photograph(9)), ("old.jpg", photograph(2)), ("old too.jpg", photograph(2))):
        (delivery / name).write_bytes(jpeg(image, 60))
    (delivery / "same.jpg").write_bytes((train / "f.jpg").read_bytes())
    found = find_duplicates(str(delivery), options(against=str(train)))
    rows = {(row["id"], row["other_id"]): row["kind"] for row in found.pairs.to_pylist()}
    assert rows == {
        ("same.jpg", "f.jpg"): "exact",
        ("old.jpg", "d.jpg"): "near-duplicate",
        ("old too.jpg", "d.jpg"): "near-duplicate",
    }
    assert (found.facts["images_in_clusters"], found.facts["clusters"]) == (3, 2)
    clusters = found.clusters.select(["cluster", "multiplicity"]).to_pylist()
    assert clusters == [{"cluster": "d.jpg", "multiplicity": 2}, {"cluster": "f.jpg", "multiplicity": 1}]


def test_the_nearest_are_listed_for_every_image(train: Path, options: Given) -> None:
    table = find_duplicates(str(train), options(nearest=2)).pairs.to_pandas()
    assert (table.groupby("id").size() == 2).all()
    assert table["id"].nunique() == 8
    assert set(table[table["id"] == "f.jpg"]["kind"]) == {"nearest"}
    assert table[table["id"] == "b.jpg"]["other_id"].tolist() == ["c.jpg", "a.jpg"]


@pytest.mark.parametrize(("most", "removed"), [(1, {"a.jpg", "c.jpg", "e.jpg"}), (2, {"a.jpg"}), (3, set())])
def test_the_list_keeps_the_largest_of_each_picture(
    train: Path, tmp_path: Path, options: Given, most: int, removed: set[str]
) -> None:
    found = find_duplicates(str(train), options(keep=most, list=tmp_path / "list.csv"))
    table = pd.read_csv(tmp_path / "list.csv")
    assert set(table["id"][table["action"] == "remove"]) == removed
    assert table["id"].tolist() == ["a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg", "f.jpg", "w1.jpg", "w2.jpg"]
    assert set(table["source"]) == {str(train)}
    assert found.facts["removed"] == len(removed)
    kept = table[table["action"] == "keep"]
    assert kept.groupby("cluster").size().max() <= most


def test_a_list_can_be_parquet_and_has_a_place_of_its_own(train: Path, tmp_path: Path, options: Given) -> None:
    find_duplicates(str(train), options(keep=1))
    find_duplicates(str(train), options(keep=1, list=tmp_path / "list.parquet"))
    expected = pd.read_csv(options().out / "keep.csv")
    assert pd.read_parquet(tmp_path / "list.parquet")["action"].tolist() == expected["action"].tolist()


def test_the_page_is_complete_in_itself_and_escapes_what_comes_from_outside(train: Path, options: Given) -> None:
    found = find_duplicates(str(train), options())
    html = found.page.read_text()
    assert html.count("<img") == 5
    assert "a &lt;b&gt;hill&lt;/b&gt; &amp; a lake" in html
    assert "<b>hill" not in html
    assert "default-src &#39;none&#39;" in html
    assert "http:" not in html and "https:" not in html and "<script" not in html
    assert html.index('cluster-1">3 images') < html.index('cluster-2">2 images')


def test_a_picture_that_is_gone_is_said_to_be(train: Path, tmp_path: Path, options: Given) -> None:
    build(str(train), tmp_path / "index", "photo")
    (train / "d.jpg").write_bytes((train / "f.jpg").read_bytes())
    html = find_duplicates(str(tmp_path / "index"), options()).page.read_text()
    assert html.count("can no longer be read") == 1
    assert html.count("<img") == 4


def test_pictures_are_found_again_where_images_were_added_before_them(
    train: Path, tmp_path: Path, options: Given
) -> None:
    build(str(train), tmp_path / "index", "photo")
    (train / "0.jpg").write_bytes(jpeg(photograph(50), 90))
    html = find_duplicates(str(tmp_path / "index"), options()).page.read_text()
    assert html.count("<img") == 5


def test_a_collection_without_duplicates_has_a_page_too(tmp_path: Path, options: Given) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "a.jpg").write_bytes(jpeg(photograph(1), 90))
    found = find_duplicates(str(tmp_path / "one"), options())
    assert (found.pairs.num_rows, found.clusters.num_rows, found.facts["copies"]) == (0, 0, 0)
    assert "1 image, and no two are the same picture" in found.page.read_text()
    assert find_duplicates(str(tmp_path / "one"), options(nearest=3)).pairs.num_rows == 0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"keep": 1, "against": "x"}, "--keep is for one collection"),
        ({"list": "x.csv"}, "give --keep"),
        ({"keep": 1, "list": "x.txt"}, "ends in .csv or .parquet"),
        ({"against": "nothing"}, "there is nothing at 'nothing'"),
        ({"descriptor": "pixels:16"}, "photo and pixels:16"),
        ({"likeness": 0.5}, "--likeness is for pixels"),
        ({"score": 2}, "--score is 2"),
    ],
)
def test_what_does_not_fit_is_said(
    train: Path, tmp_path: Path, options: Given, given: dict[str, object], message: str
) -> None:
    build(str(train), tmp_path / "index", "photo")
    with pytest.raises(UserError, match=message):
        find_duplicates(str(tmp_path / "index"), options(**given))


def test_a_collection_that_cannot_be_read_at_all_is_refused(tmp_path: Path, options: Given) -> None:
    (tmp_path / "junk").mkdir()
    (tmp_path / "junk" / "a.png").write_bytes(b"junk")
    with pytest.raises(UserError, match="none of the 1 images can be read"):
        find_duplicates(str(tmp_path / "junk"), options())
    assert open_index(tmp_path / "out" / "index").unreadable == 1
