from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from copyrisk.attacks.controls import EACH, LEAST, images_of_controls, in_turn, turns_of_controls, weights_of


def rows(*captions: str) -> list[dict[str, str]]:
    return [{"prompt_id": caption} for caption in captions]


@pytest.mark.parametrize(
    ("images", "pictures", "expected"),
    [
        (16_000, 10_000, 4_000),  # a fifth of all
        (1_000, 400, 400),  # enough to say something
        (200_000, 400, 1_600),  # not more than four of each
        (160, 400, 160),  # not more than the audit's own
        (1_000, 10, 40),
        (1_000, 0, 0),
    ],
)
def test_controls_cost_as_much_as_they_say(images: int, pictures: int, expected: int) -> None:
    assert images_of_controls(images, pictures) == expected


def test_a_false_positive_rate_takes_as_many_as_show_it() -> None:
    assert images_of_controls(16_000, 50) == 200
    assert images_of_controls(16_000, 50, rate=0.001) == 1_000
    assert images_of_controls(16_000, 50, rate=0.001, scale=3) == 3_000
    assert images_of_controls(500, 50, rate=0.001) == 500
    assert images_of_controls(16_000, 0, rate=0.001) == 0


@given(st.integers(0, 10_000), st.integers(0, 2_000))
def test_a_run_without_a_known_end_has_as_many(images: int, pictures: int) -> None:
    """Of so many images of an adaptive run, as many are of controls as a plain run of the others would have."""
    turns = turns_of_controls(0, images, pictures, None)
    controls = int(turns.sum())
    own = images - controls
    assert images_of_controls(own, pictures) in (controls, controls + 1)


@given(st.integers(0, 3_000), st.integers(0, 300), st.integers(0, 500), st.one_of(st.none(), st.integers(0, 900)))
def test_turns_do_not_depend_on_how_a_run_is_cut_into_rounds(
    first: int, count: int, pictures: int, most: int | None
) -> None:
    whole = turns_of_controls(0, first + count, pictures, most)
    assert turns_of_controls(first, count, pictures, most).tolist() == whole[first:].tolist()
    assert whole.sum() <= (first + count) // 2
    assert most is None or whole.sum() <= most


def test_the_turns_of_controls() -> None:
    turns = turns_of_controls(0, 4_000, 1_000, None)
    assert turns[:6].tolist() == [False, True] * 3
    assert np.cumsum(turns)[[799, 1_999, 3_999]].tolist() == [LEAST, LEAST, 800]
    assert turns_of_controls(0, 4_000, 20, None).sum() == 20 * EACH
    assert turns_of_controls(0, 4_000, 20, 900).sum() == 900
    assert not turns_of_controls(0, 4_000, 0, 900).any()


def test_each_picture_has_a_turn_before_any_has_a_second() -> None:
    names = [row["prompt_id"] for row in in_turn(rows("a", "b", "a", "c"), 6)]
    assert names == ["a", "b", "a", "c", "a", "b"]
    assert in_turn(rows("a", "b", "c"), 2, first=2) == rows("c", "a")
    assert in_turn([], 3) == []


def test_a_caption_weighs_as_many_pictures_as_were_asked_for() -> None:
    controls = rows("a", "b", "a", "c")
    weights = {
        images: weights_of(controls, Counter(row["prompt_id"] for row in in_turn(controls, images)))
        for images in (2, 4, 7)
    }
    assert weights == {
        2: {"a": 1, "b": 1, "c": 0},
        4: {"a": 2, "b": 1, "c": 1},
        7: {"a": 2, "b": 1, "c": 1},
    }
