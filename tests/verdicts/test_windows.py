"""Windows find where details went, and movements are read off them; known answers throughout."""

import numpy as np
import pytest

from copyrisk.verdicts.windows import BLOCK, Windows, agreement, movement, stripes

RANDOM = np.random.default_rng(3)
DETAILS = (40 * RANDOM.standard_normal((64, 80))).astype(np.float32)
EVERYWHERE = np.ones_like(DETAILS)


@pytest.mark.parametrize(("down", "across"), [(0, 0), (2, -1), (-2, 2)])
def test_a_known_shift_is_found_and_what_is_equal_correlates_fully(down: int, across: int) -> None:
    found = agreement(DETAILS, np.roll(DETAILS, (down, across), axis=(0, 1)), EVERYWHERE, 3)
    assert found.correlation.shape == (64 // BLOCK - 1, 80 // BLOCK - 1)
    within = (slice(1, -1), slice(1, -1))
    assert found.correlation[within] == pytest.approx(1, abs=0.01)
    assert found.down[within] == pytest.approx(down, abs=0.1)
    assert found.across[within] == pytest.approx(across, abs=0.1)
    assert found.own == pytest.approx(1600, rel=0.35)
    assert found.other[within] == pytest.approx(found.own[within], rel=1e-4)


def test_half_a_pixel_is_found() -> None:
    across = np.arange(96)[None] * np.ones((64, 1))
    waves = [(40 * np.sin((across - moved) / 2.5)).astype(np.float32) for moved in (0, 0.5)]
    found = agreement(waves[0], waves[1], np.ones((64, 96), np.float32), 2)
    assert found.across[1:-1, 1:-1] == pytest.approx(0.5, abs=0.1)


def test_other_details_do_not_correlate_and_negatives_do_so_the_other_way() -> None:
    other = (40 * RANDOM.standard_normal(DETAILS.shape)).astype(np.float32)
    assert np.abs(agreement(DETAILS, other, EVERYWHERE, 0).correlation).mean() < 0.15
    assert agreement(DETAILS, -DETAILS, EVERYWHERE, 0).correlation == pytest.approx(-1, abs=0.01)


def test_what_is_faint_correlates_faintly() -> None:
    faint = DETAILS / 80
    assert agreement(faint, faint, EVERYWHERE, 0).correlation.max() < 0.25


def test_windows_know_how_much_of_them_lies_in_both() -> None:
    inside = EVERYWHERE.copy()
    inside[:, : 3 * BLOCK] = 0
    found = agreement(DETAILS, DETAILS * inside, inside, 1).inside
    assert found[0].tolist() == [0, 0, 0.5, 1, 1, 1, 1, 1, 1]


def moved(matrix: np.ndarray, shift: np.ndarray, shape: tuple[int, int] = (12, 15)) -> Windows:
    """Windows that all agree fully, moved as is said."""
    row, column = np.indices(shape)
    points = np.stack([(column + 1) * BLOCK, (row + 1) * BLOCK]).astype(float)
    across, down = np.einsum("ij,jrc->irc", matrix, points) + shift[:, None, None]
    full, varied = np.ones(shape, np.float32), np.full(shape, 1000, np.float32)
    return Windows(full, down.astype(np.float32), across.astype(np.float32), varied, varied, full)


MATRIX, SHIFT = np.array([[0.02, -0.01], [0.015, -0.005]]), np.array([-1.5, 0.75])


def off_by(windows: Windows) -> float:
    """By how many pixels the fitted movement is off, at the worst corner of the windows."""
    matrix, shift = movement(*windows, 0.0)
    corners = np.array([[0, 120, 0, 120], [0, 0, 96, 96]])
    there = [each @ corners + move[:, None] for each, move in ((matrix, shift), (MATRIX, SHIFT))]
    return float(np.abs(there[0] - there[1]).max())


def test_a_known_affine_movement_is_recovered() -> None:
    assert off_by(moved(MATRIX, SHIFT)) < 0.01


def test_some_windows_that_went_elsewhere_do_not_matter() -> None:
    windows = moved(MATRIX, SHIFT)
    wrong = RANDOM.random(windows.down.shape) < 0.2
    windows.down[wrong] += 4
    windows.across[wrong] -= 4
    assert off_by(windows) < 0.2


def test_windows_outside_or_without_agreement_do_not_count() -> None:
    windows = moved(MATRIX, SHIFT)
    windows.down[:, :5] += 9
    windows.inside[:, :3] = 0.5
    windows.correlation[:, 3:5] = 0
    assert off_by(windows) < 0.01


def test_a_stiff_fit_keeps_the_shape() -> None:
    matrix, _ = movement(*moved(MATRIX, SHIFT), 1e6)
    assert matrix == pytest.approx(np.zeros((2, 2)), abs=1e-5)


def test_two_windows_say_no_place() -> None:
    windows = moved(MATRIX, SHIFT)
    windows.correlation[:] = 0
    windows.correlation[3, 3:5] = 1
    matrix, shift = movement(*windows, 0.02)
    assert not matrix.any() and not shift.any()
    windows.correlation[5, 3] = 1
    assert movement(*windows, 0.02)[1].any()


@pytest.mark.parametrize("turned", [0.0, 30.0, 45.0, 90.0])
def test_stripes_of_any_direction_are_stripes(turned: float) -> None:
    down, across = np.indices((64, 80))
    along = across * np.cos(np.deg2rad(turned)) + down * np.sin(np.deg2rad(turned))
    assert stripes((60 * np.sin(along / 2)).astype(np.float32)).min() > 0.9


def test_noise_and_nothing_are_no_stripes() -> None:
    assert stripes(DETAILS).mean() < 0.3
    assert not stripes(np.zeros((64, 80), np.float32)).any()
