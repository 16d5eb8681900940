"""Windows are described alike in mirrored pictures, and those that were copied vote for their place."""

import numpy as np
import pytest

from copyrisk.verdicts.votes import WINDOW, levels_of, places_of

RANDOM = np.random.default_rng(4)
TEXTURE = 128 + 40 * RANDOM.standard_normal((40, 48)).astype(np.float32)


def test_windows_of_a_mirrored_picture_are_those_of_the_picture_mirrored():
    asked, mirrored = levels_of(TEXTURE)[0].asked, levels_of(np.ascontiguousarray(TEXTURE[:, ::-1]))[0]
    turned = asked.mirrored
    places = asked.rows[turned] * mirrored.places[1] + asked.columns[turned]
    np.testing.assert_allclose(asked.descriptors[turned], mirrored.descriptors[places], atol=1e-5)


def test_descriptors_do_not_depend_on_brightness_and_hardly_on_contrast():
    once, changed = levels_of(TEXTURE)[0].descriptors, levels_of(0.6 * TEXTURE + 70)[0].descriptors
    assert np.einsum("ij,ij->i", once, changed).min() > 0.98


def test_an_edge_says_less_than_a_texture():
    edge = np.where(np.arange(40) < 20, 50, 200).astype(np.float32)[None].repeat(40, axis=0)
    across_it = levels_of(edge)[0].worth.reshape(33, 33)[:, 16]
    assert across_it.max() < 0.3 * np.median(levels_of(TEXTURE)[0].worth)


def test_sizes_are_those_at_which_a_window_fits():
    assert [level.size for level in levels_of(TEXTURE[:12, :12])] == [(12, 12), (10, 10), (9, 9)]
    assert levels_of(TEXTURE[: WINDOW - 1]) == []


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_copied_part_has_the_most_votes(mirrored):
    reference = 128 + 40 * RANDOM.standard_normal((48, 48)).astype(np.float32)
    generation = TEXTURE.copy()
    part = reference[10:34, 20:44]
    generation[8:32, 4:28] = part[:, ::-1] if mirrored else part
    first = places_of(levels_of(generation), levels_of(reference), generation.shape, reference.shape, 3)[0]
    assert first.mirrored == mirrored
    assert first.scale == pytest.approx((1, 1))
    start = 48 - 28 if mirrored else 4
    assert first.shift == pytest.approx((10 - 8, 20 - start), abs=0.6)
