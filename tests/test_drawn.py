"""Drawn pictures: of one kind, all different, and the same on each run."""

from itertools import combinations

import numpy as np
import pytest
from benchmarks.drawn import CHANGES, CLASSES, drawn, picture

DIFFERENT = 0.01
"""Share of pixels that differ by more than an eighth of the range of values, at least."""


@pytest.mark.parametrize("name", CLASSES)
def test_a_picture_is_the_same_each_time(name):
    assert np.array_equal(picture(name, 3), picture(name, 3))
    assert not np.array_equal(picture(name, 3), picture(name, 3, seed=1))


@pytest.mark.parametrize("name", CLASSES)
def test_pictures_of_a_class_are_as_large_and_visibly_different(name):
    pictures = [np.asarray(picture(name, number), dtype=int) for number in range(3)]
    assert pictures[0].shape[2] == 3 and 400 <= max(pictures[0].shape) <= 1000
    for one, other in combinations(pictures, 2):
        assert one.shape == other.shape
        assert (np.abs(one - other).max(axis=2) > 32).mean() > DIFFERENT


@pytest.mark.parametrize("change", CHANGES)
def test_a_copy_is_changed_and_the_same_each_time(change):
    references = drawn("chess", 2).references
    copies, again = drawn("chess", 2).copies(change), drawn("chess", 2).copies(change)
    for reference, one, other in zip(references, copies, again, strict=True):
        assert np.array_equal(one, other) and not np.array_equal(one, reference)


def test_others_are_no_references():
    kind = drawn("flag", 24)
    pictures = {image.tobytes() for image in kind.references + kind.others}
    assert len(pictures) == 48
