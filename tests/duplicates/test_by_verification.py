"""Candidates by any view, and what a descriptor says when it looks at a pair again."""

from collections.abc import Iterator
from hashlib import sha256

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from copyrisk.descriptors import Descriptor
from copyrisk.duplicates import by_verification
from copyrisk.duplicates.by_verification import ByVerification
from copyrisk.duplicates.images import Images
from copyrisk.duplicates.members import add_cohesion, cluster_images, describe_clusters
from copyrisk.duplicates.pairs import Pairs, nearest_table, pairs_across, pairs_in
from copyrisk.index.search import distance_between

Rows = NDArray[np.uint8]


class Line(Descriptor):
    """A line of four grey values, and a fifth that `verify` looks at: the same within 10, maybe turned or cut."""

    specifier, dimensions, search, candidate_distance = "line", 5, slice(0, 4), 0.1

    def describe(self, image: object) -> Rows:
        raise NotImplementedError

    def views(self, rows: Rows) -> Rows:
        return np.stack([rows[:, :4], rows[:, 3::-1], rows[:, [0, 0, 1, 1]]])

    def verify(self, first: Rows, second: Rows) -> tuple[NDArray[np.float64], list[str]]:
        away = np.abs(first[:, 4].astype(int) - second[:, 4])
        turned = (first[:, :4] != second[:, :4]).any(axis=1)
        equal = (first == second).all(axis=1)
        return np.where(equal, 1.0, np.minimum(0.99, 10 / (10 + away))), [
            "turned" if each else "re-encoded" for each in turned
        ]


LINE = Line()
RULE = ByVerification(LINE, LINE.candidate_distance)


def images(rows: object, plain: set[int] = frozenset(), files: list[str] | None = None) -> Images:  # type: ignore[assignment]
    """Images as an index gives them; ids are 0, 1, 2, ..."""
    given = np.array(rows, np.uint8).reshape(-1, 5)
    names = [str(number) for number in range(len(given))]
    table = pa.table(
        {
            "id": names,
            "caption": [""] * len(given),
            "sha256": [sha256(text.encode()).hexdigest() for text in files or names],
            "informative": pa.array([number not in plain for number in range(len(given))], pa.bool_()),
        }
    )
    return Images(table, given, LINE)


def test_a_part_is_found_in_the_whole_whichever_is_on_which_side() -> None:
    whole, part = images([[0, 200, 90, 30, 0]], files=["x"]), images([[0, 0, 200, 200, 0]], files=["y"])
    assert couples(RULE.between(whole, part)) == couples(RULE.between(part, whole)) == {(0, 0)}
    assert couples(RULE.within(images([[0, 200, 90, 30, 0], [0, 0, 200, 200, 0]]))) == {(0, 1)}
    assert couples(RULE.within(images([[0, 0, 200, 200, 0], [0, 200, 90, 30, 0]]))) == {(0, 1)}


def test_more_can_be_asked_of_the_score() -> None:
    given = images([[0, 80, 160, 240, last] for last in (100, 102, 105)])
    assert couples(RULE.within(given)) == {(0, 1), (0, 2), (1, 2)}
    assert couples(ByVerification(LINE, LINE.candidate_distance, score=0.7).within(given)) == {(0, 1), (1, 2)}


def by_hand(a: Images, b: Images) -> Iterator[tuple[int, int]]:
    """All pairs of different rows that are candidates by either one's views and that `verify` takes for the same."""
    for i, first in enumerate(a.rows):
        for j, second in enumerate(b.rows):
            sides = (first, second), (second, first)
            ways = [(view[0], other[:4]) for one, other in sides for view in LINE.views(one[None])]
            near = min(distance_between(view[None], whole[None])[0] for view, whole in ways) <= 0.1
            if near and LINE.verify(first[None], second[None])[0][0] >= 0.5:
                yield i, j


def couples(pairs: Pairs) -> set[tuple[int, int]]:
    found = list(zip(pairs.i.tolist(), pairs.j.tolist(), strict=True))
    assert len(found) == len(set(found)), "each pair once"
    return set(found)


VALUES = st.sampled_from([0, 20, 200])
LINES = st.lists(st.tuples(VALUES, VALUES, VALUES, VALUES, st.sampled_from([0, 8, 30])), max_size=9, unique=True)


@settings(deadline=None, max_examples=40)
@given(LINES, LINES, st.integers(1, 5), st.integers(1, 4))
def test_pairs_are_those_of_a_comparison_one_by_one_whatever_the_blocks(
    one: list[tuple[int, ...]], other: list[tuple[int, ...]], viewed: int, verified: int
) -> None:
    a, b = images(one), images(other, files=[f"b{number}" for number in range(len(other))])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(by_verification, "VIEWED_ROWS", viewed)
        patch.setattr(by_verification, "VERIFIED_PAIRS", verified)
        assert couples(RULE.between(a, b)) == set(by_hand(a, b))
        assert couples(RULE.within(a)) == {(i, j) for i, j in by_hand(a, a) if i < j}


def test_the_table_says_what_was_done_and_how_far_the_whole_pictures_are() -> None:
    line = [0, 80, 160, 240, 100]
    turned = [240, 160, 80, 0, 105]
    given = images([line, line, line, turned, [0, 80, 160, 240, 102], [0, 80, 160, 240, 150]], files=[*"xxyabc"])
    table = {(row["id"], row["other_id"]): row for row in pairs_in(given, RULE.within(given)).to_pylist()}
    assert {pair: row["kind"] for pair, row in table.items()} == {
        ("0", "1"): "exact",
        ("0", "2"): "same pixels",
        ("0", "3"): "near-duplicate",
        ("0", "4"): "near-duplicate",
        ("3", "4"): "near-duplicate",
    }
    assert table["0", "3"]["changes"] == "turned"
    assert table["0", "4"]["changes"] == "re-encoded"
    assert table["0", "1"]["changes"] is None
    assert table["0", "3"]["distance"] > LINE.candidate_distance > table["0", "4"]["distance"] == 0
    assert table["0", "4"]["score"] == pytest.approx(10 / 12)
    assert {row["likeness"] for row in table.values()} == {None}


def test_of_plain_pictures_only_copies_of_the_file_are_duplicates() -> None:
    white = [255, 255, 255, 255, 0]
    given = images([white, white, white, [255, 255, 255, 254, 0]], plain={0, 1, 2}, files=[*"xyxz"])
    assert [(row["id"], row["other_id"], row["kind"]) for row in pairs_in(given, RULE.within(given)).to_pylist()] == [
        ("0", "2", "exact")
    ]
    found = nearest_table(given, given, RULE.nearest(given, given, RULE.within(given), 3)).to_pylist()
    kinds = {(row["id"], row["other_id"]): (row["kind"], row["score"]) for row in found}
    assert kinds["0", "1"] == ("too little in it", 0)
    assert kinds["0", "2"] == ("exact", 1)


def test_every_image_of_one_collection_is_paired_with_the_pictures_of_the_other() -> None:
    line, turned = [0, 80, 160, 240, 100], [240, 160, 80, 0, 105]
    a, b = images([line, line], files=["p", "q"]), images([turned, line, line], files=["r", "s", "q"])
    table = pairs_across(a, b, RULE.between(a, b)).to_pylist()
    assert {(row["id"], row["other_id"]): (row["kind"], row["changes"]) for row in table} == {
        ("1", "2"): ("exact", None),
        ("0", "1"): ("same pixels", None),
        ("0", "0"): ("near-duplicate", "turned"),
        ("1", "0"): ("near-duplicate", "turned"),
    }


def test_the_best_of_each_image_are_its_duplicates_then_the_nearest() -> None:
    line, turned, other = [0, 80, 160, 240, 100], [240, 160, 80, 0, 105], [0, 80, 160, 255, 200]
    given = images([line, turned, turned, other, [250, 0, 250, 0, 0]], files=[*"abcde"])
    near = RULE.within(given)
    table = nearest_table(given, given, RULE.nearest(given, given, near, 3)).to_pandas()
    assert table["id"].tolist() == [name for name in "01234" for _ in range(3)]
    assert table[table["id"] == "0"]["other_id"].tolist() == ["1", "2", "3"]
    assert table[table["id"] == "0"]["kind"].tolist() == ["near-duplicate", "near-duplicate", "nearest"]
    assert table[table["id"] == "1"]["other_id"].tolist()[:2] == ["2", "0"]
    assert (table["id"] != table["other_id"]).all()
    across = nearest_table(given, given, RULE.nearest(given, images(given.rows), RULE.between(given, given), 1))
    assert across["other_id"].to_pylist() == ["0", "1", "1", "3", "4"]


def test_a_cluster_says_how_sure_its_least_sure_two_members_are(monkeypatch: pytest.MonkeyPatch) -> None:
    # All within 10 of the centre, two of them 20 apart.
    given = images([[0, 80, 160, 240, last] for last in (90, 100, 110, 100, 95)])
    clustered = cluster_images(given, RULE.within(given))
    assert set(clustered["cluster"].to_pylist()) == {"1"}
    assert clustered["score"].to_pylist() == pytest.approx([1 / 2, 1, 1 / 2, 1, 2 / 3])
    described = describe_clusters(clustered, least=2)
    row = add_cohesion(described, clustered, given, RULE).to_pylist()[0]
    assert (row["multiplicity"], row["widest"]) == (5, None)
    assert row["lowest_score"] == pytest.approx(1 / 3)
    # Only the least sure are compared: here the centre alone and nothing with it.
    monkeypatch.setattr(by_verification, "COHESION_MEMBERS", 1)
    assert add_cohesion(described, clustered, given, RULE)["lowest_score"].to_pylist() == pytest.approx([1 / 2])
