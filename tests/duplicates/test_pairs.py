"""Which pairs count as the same picture, and how sure that is."""

from hashlib import sha256

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from copyrisk.descriptors import Descriptor
from copyrisk.descriptors.pixels import Pixels
from copyrisk.duplicates.by_distance import ByDistance
from copyrisk.duplicates.images import Images
from copyrisk.duplicates.members import add_cohesion, assign_images, cluster_images, describe_clusters
from copyrisk.duplicates.pairs import DUPLICATES, nearest_table, pairs_across, pairs_in
from copyrisk.index.rows import contrast_of
from copyrisk.index.search import distance_between

Rows = NDArray[np.uint8]
RULE = ByDistance(distance=0.1, likeness=0.9)
SIDE = 8


def images(rows: Rows, files: list[str] | None = None, captions: list[str] | None = None) -> Images:
    """Images as an index gives them; ids are a, b, c, ...; each file is another one unless `files` says otherwise."""
    files = files or [f"{number}" for number in range(len(rows))]
    contrast = contrast_of(np.array(rows).reshape(len(rows), -1, 3))
    table = pa.table(
        {
            "id": [chr(ord("a") + number) for number in range(len(rows))],
            "caption": captions or [""] * len(rows),
            "sha256": [sha256(text.encode()).hexdigest() for text in files],
            "contrast": pa.array(contrast, pa.float32()),
            "informative": contrast >= 0.01,
        }
    )
    return Images(table, np.array(rows, np.uint8), Pixels(str(SIDE)))


def noise(seed: int, spread: int = 100, middle: int = 128) -> Rows:
    drawn = np.random.default_rng(seed).integers(-spread, spread + 1, SIDE * SIDE * 3)
    return (middle + drawn).astype(np.uint8)


def shifted(row: Rows, by: int) -> Rows:
    return (row.astype(int) + by).clip(0, 255).astype(np.uint8)


def within(given: Images, rule: ByDistance = RULE) -> dict[tuple[str, str], str]:
    table = pairs_in(given, rule.within(given))
    return {(row["id"], row["other_id"]): row["kind"] for row in table.to_pylist()}


def across(a: Images, b: Images) -> pa.Table:
    return pairs_across(a, b, RULE.between(a, b))


def nearest(a: Images, b: Images, k: int, rule: ByDistance = RULE) -> pa.Table:
    near = rule.within(a) if a is b else rule.between(a, b)
    return nearest_table(a, b, rule.nearest(a, b, near, k))


def clusters(given: Images, rule: ByDistance = RULE) -> dict[str, str]:
    table = cluster_images(given, rule.within(given))
    return dict(zip(table["id"].to_pylist(), table["cluster"].to_pylist(), strict=True))


def test_each_kind_of_pair_has_its_name() -> None:
    one = noise(1)
    rows = np.stack([one, one, one, shifted(one, 10), noise(2), noise(3, spread=9), noise(4, spread=9)])
    assert within(images(rows, ["x", "x", "y", "z", "other", "plain", "plain too"])) == {
        ("a", "b"): "exact",
        ("a", "c"): "same pixels",
        ("a", "d"): "near-duplicate",
        ("f", "g"): "too little in it",
    }


def test_two_faint_pictures_are_near_and_not_alike_but_a_faint_one_and_its_copy_are() -> None:
    faint, other = noise(1, spread=9), noise(2, spread=9)
    given = images(np.stack([faint, other, shifted(faint, 1)]))
    assert within(given) == {
        ("a", "b"): "too little in it",
        ("a", "c"): "near-duplicate",
        ("b", "c"): "too little in it",
    }
    assert clusters(given) == {"a": "a", "b": "b", "c": "a"}


def test_of_pictures_of_one_colour_only_copies_of_the_file_are_duplicates() -> None:
    white = np.full(SIDE * SIDE * 3, 255, np.uint8)
    given = images(np.stack([white, white, white, shifted(white, -2)]), ["x", "y", "x", "z"])
    assert given.plain.all()
    assert within(given) == {("a", "c"): "exact"}
    assert clusters(given) == {"a": "a", "b": "b", "c": "a", "d": "d"}


def test_blank_pictures_do_not_glue_what_is_near_them() -> None:
    grey = np.full(SIDE * SIDE * 3, 128, np.uint8)
    rows = np.stack([noise(1, spread=12), noise(2, spread=12), *[grey] * 20])
    given = images(rows)
    assert max(cluster_images(given, RULE.within(given))["multiplicity"].to_pylist()) == 1


def test_the_score_is_one_for_equal_pictures_and_half_at_the_limit() -> None:
    one = noise(1)
    given = images(np.stack([one, one, shifted(one, 10), shifted(one, 20)]))
    rule = ByDistance(distance=float(distance_between(given.rows[:1], given.rows[2:3])[0]), likeness=0.5)
    table = nearest(given, given, 3, rule).to_pandas()
    score = table[table["id"] == "a"].set_index("other_id")["score"]
    assert score["b"] == 1
    assert score["c"] == pytest.approx(0.5)
    assert 0 < score["d"] < 0.5


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.03, 0.1, 0.3]), st.sampled_from([0.0, 0.5, 0.9]))
def test_a_score_of_half_and_more_means_duplicate_and_it_falls_with_the_distance(
    seed: int, distance: float, likeness: float
) -> None:
    draw = np.random.default_rng(seed)
    base = noise(seed, spread=int(draw.integers(5, 100)))
    rows = np.stack([base, *(shifted(base, int(by)) for by in draw.integers(-30, 30, 6)), noise(seed + 1)])
    rule = ByDistance(distance, likeness)
    given = images(rows)
    table = nearest(given, given, len(rows) - 1, rule).to_pandas()
    assert table["score"].between(0, 1).all()
    duplicate = table["kind"].isin(DUPLICATES)
    assert (table["score"][duplicate] >= 0.5).all()
    assert (table["score"][~duplicate] < 0.5).all()
    ordered = table[(table["id"] == "a") & ~table["other_id"].isin(["h"])].sort_values("distance")
    far = np.exp2(-(ordered["distance"] / distance)) if distance else (ordered["distance"] == 0).astype(float)
    assert (ordered["score"] <= far + 1e-9).all()


def test_a_picture_that_occurs_often_makes_a_row_for_each_copy_not_for_each_pair() -> None:
    rows = np.stack([noise(1)] * 20 + [shifted(noise(1), 5)] * 3)
    found = within(images(rows))
    assert len(found) == 22
    assert sum(kind == "near-duplicate" for kind in found.values()) == 1
    assert set(clusters(images(rows)).values()) == {"a"}


def test_between_two_collections_every_image_is_paired_with_the_picture_it_is() -> None:
    one, two = noise(1), noise(2)
    a = images(np.stack([one, one, two, noise(3)]), ["x", "y", "two", "three"])
    b = images(np.stack([shifted(one, 4), one, one, shifted(two, 4)]), ["p", "q", "x", "r"])
    table = across(a, b)
    assert {(row["id"], row["other_id"]): row["kind"] for row in table.to_pylist()} == {
        ("a", "c"): "exact",
        ("b", "b"): "same pixels",
        ("a", "a"): "near-duplicate",
        ("b", "a"): "near-duplicate",
        ("c", "d"): "near-duplicate",
    }
    assert table["score"].to_pylist() == sorted(table["score"].to_pylist(), reverse=True)
    best = assign_images(a, table).to_pylist()
    assert [row["cluster"] for row in best] == ["c", "b", "d", None]
    assert [row["multiplicity"] for row in best] == [1, 1, 1, 0]


def test_blank_pictures_of_two_collections_match_only_as_copies_of_the_file() -> None:
    white = np.full((2, SIDE * SIDE * 3), 255, np.uint8)
    a, b = images(white, ["x", "y"]), images(white, ["z", "x"])
    table = across(a, b)
    assert [(row["id"], row["other_id"], row["kind"], row["score"]) for row in table.to_pylist()] == [
        ("a", "b", "exact", 1.0)
    ]


def test_the_nearest_are_listed_image_by_image_without_the_image_itself() -> None:
    one = noise(1)
    given = images(np.stack([one, one, one, shifted(one, 3), noise(2)]))
    table = nearest(given, given, 2).to_pandas()
    assert table["id"].tolist() == [name for name in "abcde" for _ in range(2)]
    assert (table["id"] != table["other_id"]).all()
    assert table[table["id"] == "c"]["other_id"].tolist() == ["a", "b"]
    assert set(table[table["id"] == "e"]["kind"]) == {"nearest"}
    across = nearest(given, images(np.stack([noise(2), one])), 1).to_pandas()
    assert across["other_id"].tolist() == ["b", "b", "b", "b", "a"]


def test_an_image_with_more_equals_than_are_asked_for_lists_that_many_others() -> None:
    given = images(np.stack([noise(1)] * 5 + [noise(2)]))
    table = nearest(given, given, 2).to_pandas()
    assert (table.groupby("id").size() == 2).all()
    assert (table["id"] != table["other_id"]).all()
    assert table[table["id"] == "e"]["other_id"].tolist() == ["a", "b"]


def test_two_blank_pictures_are_nearest_and_not_surely_the_same() -> None:
    white = np.full(SIDE * SIDE * 3, 255, np.uint8)
    given = images(np.stack([white, white]))
    table = nearest(given, given, 1).to_pylist()
    assert [(row["distance"], row["likeness"], row["kind"]) for row in table] == [(0, 0, "too little in it")] * 2
    assert all(row["score"] < 0.01 for row in table)


class Network(Descriptor):
    specifier, dimensions, dtype, metric = "network", 16, "float32", "cosine"

    def describe(self, image: object) -> Rows:
        raise NotImplementedError


def test_a_descriptor_of_a_network_has_no_likeness() -> None:
    rows = np.random.default_rng(0).standard_normal((3, 16)).astype(np.float32)
    rows[1] = rows[0] * 1.001
    base = images(np.stack([noise(seed) for seed in range(3)]))
    given = Images(base.table, rows, Network())
    table = pairs_in(given, RULE.within(given))
    assert table.select(["id", "other_id", "likeness", "kind"]).to_pylist() == [
        {"id": "a", "other_id": "b", "likeness": None, "kind": "near-duplicate"}
    ]


def test_clusters_say_how_well_their_members_belong_together() -> None:
    one = noise(1)
    given = images(np.stack([shifted(one, -20), one, shifted(one, 20), one]), captions=["x", "y", "y", ""])
    clustered = cluster_images(given, RULE.within(given))
    row = add_cohesion(describe_clusters(clustered, least=2), clustered, given, RULE).to_pylist()[0]
    apart = float(distance_between(given.rows[:1], given.rows[2:3])[0])
    assert (row["cluster"], row["multiplicity"], row["captions"]) == ("b", 4, ["y", "x"])
    assert row["radius"] < RULE.distance < row["widest"]
    assert row["widest"] == pytest.approx(apart)
    assert 0 < row["lowest_score"] < 0.5


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 12), min_size=2, max_size=12))
def test_the_widest_distance_is_that_of_all_pairs_of_members(steps: list[int]) -> None:
    one = noise(7, spread=60)
    given = images(np.stack([shifted(one, 4 * step) for step in steps]))
    clustered = cluster_images(given, RULE.within(given))
    members = clustered["cluster"].to_pylist()
    for row in add_cohesion(describe_clusters(clustered, least=2), clustered, given, RULE).to_pylist():
        here = np.array([number for number, name in enumerate(members) if name == row["cluster"]])
        i, j = np.triu_indices(len(here), k=1)
        expected = distance_between(given.rows[here[i]], given.rows[here[j]]).max()
        assert row["widest"] == pytest.approx(expected, abs=1e-12)
        assert row["radius"] <= row["widest"] <= 2 * RULE.distance
