import sys
from collections.abc import Callable
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from copyrisk.collections import Collection, open_collection
from copyrisk.errors import UserError

datasets.disable_progress_bars()

Picture = Callable[[int], bytes]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)


@pytest.fixture
def repository(tmp_path: Path, picture: Picture) -> Path:
    """Give a dataset repository as the hub holds it: Parquet files by split, no script."""
    folder = tmp_path / "repository"
    (folder / "data").mkdir(parents=True)
    for split, count in (("train", 5), ("test", 2)):
        images = [{"bytes": picture(seed), "path": None} for seed in range(count)]
        table = {"image": images, "caption": [f"{split} {row}" for row in range(count)]}
        pq.write_table(pa.table(table), folder / f"data/{split}-00000-of-00001.parquet")
    return folder


def opened(specifier: str) -> Collection:
    return open_collection(specifier, "--references")


def test_a_split_of_a_repository_is_read(repository: Path, picture: Picture) -> None:
    items = list(opened(f"hub:{repository}:train").items())
    assert [(item.id, item.caption) for item in items] == [(str(row), f"train {row}") for row in range(5)]
    assert [item.read() for item in items] == [picture(seed) for seed in range(5)]


def test_a_part_of_a_split_is_read(repository: Path) -> None:
    collection = opened(f"hub:{repository}:train[2:4]")
    assert [item.caption for item in collection.items()] == ["train 2", "train 3"]
    assert collection.item(1).caption == "train 3"


def test_of_several_splits_one_is_to_be_named(repository: Path) -> None:
    with pytest.raises(UserError, match=r"holds the splits train, test: choose one, as hub:.*:train\."):
        opened(f"hub:{repository}")


def test_a_folder_of_images_with_one_split_needs_no_name(tmp_path: Path, picture: Picture) -> None:
    folder = tmp_path / "images/train"
    folder.mkdir(parents=True)
    (folder / "a.png").write_bytes(picture(0))
    (folder / "metadata.csv").write_text("file_name,text\na.png,a cat\n")
    (item,) = opened(f"hub:{tmp_path / 'images'}").items()
    assert (item.caption, item.read()) == ("a cat", picture(0))


def test_columns_may_be_given(repository: Path) -> None:
    assert next(opened(f"hub:{repository}:test?id=caption").items()).id == "test 0"


@pytest.mark.parametrize("rest", [":validation", ":train?config=other", "/gone"])
def test_what_is_not_there_is_said_in_one_line(repository: Path, rest: str) -> None:
    with pytest.raises(UserError, match=r"^--references: hub:.* cannot be loaded: .*") as caught:
        opened(f"hub:{repository}{rest}")
    assert "\n" not in str(caught.value)


def test_a_dataset_with_a_script_is_refused_and_not_run(tmp_path: Path) -> None:
    (tmp_path / "scripted").mkdir()
    (tmp_path / "scripted/scripted.py").write_text("raise SystemExit('it ran')")
    with pytest.raises(UserError, match="scripts are no longer supported"):
        opened(f"hub:{tmp_path / 'scripted'}")


def test_a_setting_that_is_not_known_is_named_with_those_that_are(repository: Path) -> None:
    with pytest.raises(UserError, match=r"'\?picture=x' is not understood.*image, caption, id, config, revision"):
        opened(f"hub:{repository}:train?picture=x")


def test_without_the_package_the_remedy_is_named(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(UserError, match=r"pip install 'copyrisk\[datasets\]'"):
        opened(f"hub:{repository}:train")


def test_the_fingerprint_tells_splits_and_contents_apart(repository: Path) -> None:
    prints = {opened(f"hub:{repository}:{split}").fingerprint for split in ("train", "test", "train[:2]", "train")}
    assert len(prints) == 3
    table = pa.table({"image": [{"bytes": b"x", "path": None}], "caption": ["new"]})
    pq.write_table(table, repository / "data/train-00000-of-00001.parquet")
    assert opened(f"hub:{repository}:train").fingerprint not in prints
