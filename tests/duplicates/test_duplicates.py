from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from copyrisk.chosen import Chosen
from copyrisk.duplicates import duplicates, group, pictures, read_control_pictures, read_pictures
from copyrisk.errors import UserError
from copyrisk.index import index
from copyrisk.options import Options
from copyrisk.run import Run

Write = Callable[[str, list[tuple[int, str]]], Path]


def references(greys: list[int], captions: list[str] | None = None) -> pa.Table:
    """Rows of an index table of even grey pictures; ids are a, b, c, ..."""
    descriptors = pa.FixedSizeListArray.from_arrays(pa.array(np.repeat(np.array(greys, np.uint8), 12)), 12)
    ids = [chr(ord("a") + position) for position in range(len(greys))]
    return pa.table({"id": ids, "caption": captions or [""] * len(greys), "descriptor": descriptors})


def clusters(table: pa.Table) -> dict[str, str]:
    return dict(zip(table["id"].to_pylist(), table["cluster"].to_pylist(), strict=True))


def test_equal_pictures_are_one_and_the_first_stands_for_it() -> None:
    table = group(references([9, 50, 9, 9]), 0.0)
    assert clusters(table) == {"a": "a", "b": "b", "c": "a", "d": "a"}
    assert table["multiplicity"].to_pylist() == [3, 1, 3, 3]
    assert table["distance"].to_pylist() == [0.0] * 4


def test_pictures_within_the_limit_are_one_and_the_limit_is_within() -> None:
    table = group(references([0, 51, 102]), 51 / 255)
    assert clusters(table) == {"a": "b", "b": "b", "c": "b"}
    assert table["distance"].to_pylist() == [0.2, 0.0, 0.2]


def test_copies_add_to_the_weight_of_a_centre() -> None:
    chain = [0, 51, 102, 153]
    assert clusters(group(references(chain), 51 / 255)) == {"a": "b", "b": "b", "c": "b", "d": "d"}
    assert clusters(group(references([*chain, 153]), 51 / 255)) == {"a": "a", "b": "c", "c": "c", "d": "c", "e": "c"}


def test_of_pictures_with_as_many_near_ones_the_lowest_row_is_the_centre() -> None:
    assert clusters(group(references([50, 9]), 1.0)) == {"a": "b", "b": "b"}
    assert clusters(group(references([200, 9, 200, 9]), 1.0)) == dict.fromkeys("abcd", "b")


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 40).map(lambda number: 5 * number), min_size=1, max_size=25), st.sampled_from([0, 5, 12])
)
def test_all_members_are_within_the_limit_and_counted_once(greys: list[int], limit: int) -> None:
    table = group(references(greys), limit / 255)
    grey_of = dict(zip(table["id"].to_pylist(), greys, strict=True))
    for row in table.to_pylist():
        assert row["distance"] <= limit / 255
        assert row["distance"] == pytest.approx(abs(grey_of[row["id"]] - grey_of[row["cluster"]]) / 255)
        assert row["multiplicity"] == table["cluster"].to_pylist().count(row["cluster"])
    assert sum(pictures(table)["multiplicity"].to_pylist()) == len(greys)


@settings(deadline=None)
@given(st.lists(st.integers(0, 20), min_size=1, max_size=20), st.randoms())
def test_the_order_of_the_references_does_not_change_who_belongs_together(greys: list[int], random: Random) -> None:
    order = list(range(len(greys)))
    random.shuffle(order)

    def together(table: pa.Table) -> set[tuple[str, ...]]:
        members: dict[str, list[str]] = {}
        for name, cluster in clusters(table).items():
            members.setdefault(cluster, []).append(name)
        return {tuple(sorted(names)) for names in members.values()}

    table = references(greys)
    assert together(group(table, 2 / 255)) == together(group(table.take(order), 2 / 255))


def test_pictures_are_the_most_duplicated_first_with_their_captions_by_frequency() -> None:
    table = group(references([7, 99, 99, 99, 7, 3], ["x", "y", "z", "z", "", ""]), 2 / 255)
    assert pictures(table).to_pylist() == [
        {"cluster": "b", "multiplicity": 3, "captions": ["z", "y"], "radius": 0.0},
        {"cluster": "a", "multiplicity": 2, "captions": ["x"], "radius": 0.0},
        {"cluster": "f", "multiplicity": 1, "captions": [], "radius": 0.0},
    ]


def test_the_stage_leaves_out_what_cannot_be_read(tmp_path: Path, picture: Callable[[int], bytes]) -> None:
    for name, data in (("a.png", picture(0)), ("b.png", picture(0)), ("c.png", b"junk"), ("d.png", picture(1))):
        (tmp_path / name).write_bytes(data)
    with Run.open(tmp_path / "run") as run:
        index(run, Chosen(Options(references=str(tmp_path))))
        assert clusters(duplicates(run, Chosen(Options()))) == {"a.png": "a.png", "b.png": "a.png", "d.png": "d.png"}
        assert read_pictures(run)["multiplicity"].to_pylist() == [2, 1]


def test_another_distance_groups_anew(tmp_path: Path, collection: Write) -> None:
    train = str(collection("train", [(0, ""), (1, "")]))
    with Run.open(tmp_path / "run") as run:
        index(run, Chosen(Options(references=train)))
        assert duplicates(run, Chosen(Options(duplicate_distance=0.0)))["multiplicity"].to_pylist() == [1, 1]
        assert duplicates(run, Chosen(Options(duplicate_distance=1.0)))["multiplicity"].to_pylist() == [2, 2]
        assert read_pictures(run)["multiplicity"].to_pylist() == [2]


def grey(path: Path, *levels: int) -> str:
    for number, level in enumerate(levels):
        path.mkdir(exist_ok=True)
        Image.new("L", (8, 8), level).save(path / f"{number}.png")
    return str(path)


def test_controls_are_grouped_too_and_those_like_a_reference_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Run.open(tmp_path / "run") as run:
        references, controls = grey(tmp_path / "r", 0, 100), grey(tmp_path / "c", 2, 50, 99, 51, 200)
        index(run, Chosen(Options(references=references, controls=controls, descriptor="pixels:32")))
        duplicates(run, Chosen(Options(duplicate_distance=2 / 255)))
        found = read_control_pictures(run)
        assert run.record("duplicates")["control_pictures_dropped"] == 2
    assert list(zip(found["cluster"].to_pylist(), found["multiplicity"].to_pylist(), strict=True)) == [
        ("1.png", 2),
        ("4.png", 1),
    ]
    assert "2 controls are near-duplicates of references" in caplog.text


def test_without_controls_their_table_is_empty(tmp_path: Path) -> None:
    with Run.open(tmp_path / "run") as run:
        index(run, Chosen(Options(references=grey(tmp_path / "r", 0, 100))))
        duplicates(run, Chosen(Options()))
        assert read_control_pictures(run).num_rows == 0
        assert read_control_pictures(run).schema == read_pictures(run).schema


def test_the_stage_comes_after_index(tmp_path: Path) -> None:
    with Run.open(tmp_path / "run") as run, pytest.raises(UserError, match="no finished 'index' yet"):
        duplicates(run, Chosen(Options()))
