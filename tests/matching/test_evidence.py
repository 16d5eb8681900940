"""Evidence grows with what agrees and is distinctive; places are made exact."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from copyrisk.descriptors.thumbnails import gaussian
from copyrisk.matching.alignment import Place
from copyrisk.matching.evidence import OPPONENTS, details_of, examine, largest, refined, warped

HERE = Place(False, (1.0, 1.0), (0.0, 0.0), 0.0)
EVERYWHERE = np.ones((48, 48), bool)


def texture(seed: int, side: int = 48, blur: float = 1.0) -> np.ndarray:
    matrix = gaussian(side, blur)
    plane = matrix @ np.random.default_rng(seed).standard_normal((side, side)).astype(np.float32) @ matrix.T
    return 128 + 40 * plane / plane.std()


def coloured(grey: np.ndarray) -> np.ndarray:
    return np.tensordot(OPPONENTS, np.stack([grey, grey, grey]), 1).astype(np.float32)


def evidence_of(one: np.ndarray, other: np.ndarray) -> float:
    return examine(details_of(coloured(one)), details_of(coloured(other)), EVERYWHERE, HERE).total


def test_noise_takes_evidence_away_and_another_picture_has_next_to_none():
    same = evidence_of(texture(1), texture(1))
    noisy = evidence_of(texture(1) + 15 * (texture(2, blur=0.3) - 128) / 40, texture(1))
    assert same > noisy > 20 * evidence_of(texture(3), texture(1))


def test_stripes_say_less_than_a_texture_of_the_same_contrast():
    stripes = 128 + 40 * np.sqrt(2) * np.sin(np.arange(48) * 2 * np.pi / 6)[None].repeat(48, 0).astype(np.float32)
    assert evidence_of(stripes, stripes) < 0.6 * evidence_of(texture(1), texture(1))


def test_only_connected_evidence_counts():
    mask = np.zeros((9, 9), bool)
    mask[0:3, 0:3] = mask[5:9, 5:9] = True
    area, total = largest(mask, np.ones((9, 9), np.float32))
    assert total == 16 and area[5:9, 5:9].all() and area.sum() == 16
    assert largest(np.zeros((3, 3), bool), np.ones((3, 3), np.float32))[1] == 0


def test_a_picture_laid_where_it_is_stays_as_it_is():
    laid, inside = warped(texture(5), HERE, (48, 48))
    np.testing.assert_allclose(laid, texture(5), atol=1e-3)
    assert inside.min() == 1


def test_what_is_beside_the_reference_is_outside():
    _, inside = warped(texture(5), Place(False, (1.0, 1.0), (0.0, -10.0), 0.0), (48, 48))
    assert (inside[:, :10] == 0).all() and (inside[:, 10:] == 1).all()


@settings(max_examples=20, deadline=None)
@given(
    scale=st.floats(0.7, 1.4),
    down=st.floats(0, 6),
    across=st.floats(0, 6),
    error=st.sampled_from([(0.04, 0.7, -0.7), (-0.04, -0.5, 0.8)]),
)
def test_a_place_that_is_nearly_right_becomes_exact(scale, down, across, error):
    reference = texture(7, side=96, blur=1.5)
    true = Place(False, (scale, scale), (down, across), 0.0)
    generation, _ = warped(reference, true, (48, 48))
    change, *shift = error
    # A stretch about the middle of the generation.
    start = [s - scale * change * 24 + e for s, e in zip((down, across), shift, strict=True)]
    found = refined(generation, reference, Place(False, (scale * (1 + change),) * 2, (start[0], start[1]), 0.0))
    assert found.scale == pytest.approx(true.scale, rel=0.01)
    assert found.shift == pytest.approx(true.shift, abs=0.3)
