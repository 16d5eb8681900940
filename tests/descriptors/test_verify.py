import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from copyrisk.descriptors.thumbnails import Planes, averaging, gaussian, resampled, smoothed
from copyrisk.descriptors.verify import compare
from copyrisk.index.measure import Floats

SMOOTH = gaussian(48, 1.2)


def wide_scenes(count: int, seed: int = 0) -> Planes:
    """Return pictures (count, 48, 48) with things of several sizes in them."""
    generator = np.random.default_rng(seed)
    fine = smoothed(generator.normal(0, 1, (count, 48, 48)).astype(np.float32), SMOOTH)
    coarse = smoothed(generator.normal(0, 1, (count, 48, 48)).astype(np.float32), gaussian(48, 4))
    scenes = sum(plane / plane.std(axis=(1, 2), keepdims=True) for plane in (fine, coarse))
    return np.clip(128 + 35 * scenes, 0, 255).astype(np.float32)


def scenes(count: int, seed: int = 0) -> Planes:
    return np.rint(wide_scenes(count, seed)[:, 8:40, 8:40])


def scored(first: Planes, second: Planes) -> tuple[Floats, list[str]]:
    colour = np.zeros((len(first), 4, 4, 3))
    return compare(first, second, colour, colour)


def test_different_pictures_are_not_the_same() -> None:
    scores, _ = scored(np.repeat(scenes(20), 20, axis=0), np.tile(scenes(20, seed=1), (20, 1, 1)))
    assert scores.max() < 0.5


def test_the_same_picture_scores_nearly_1_and_never_1() -> None:
    scores, kinds = scored(scenes(20), scenes(20))
    assert scores.min() > 0.9
    assert scores.max() < 1
    assert set(kinds) == {"re-encoded"}


def test_a_mirrored_picture_is_found() -> None:
    scores, kinds = scored(scenes(20), scenes(20)[:, :, ::-1])
    assert scores.min() > 0.9
    assert set(kinds) == {"mirrored"}


@pytest.mark.parametrize("mirror", [1, -1])
def test_a_picture_that_has_lost_its_details_is_found(mirror: int) -> None:
    lost = scenes(20) + np.random.default_rng(0).normal(0, 35, (20, 32, 32))
    scores, kinds = scored(scenes(20), lost[:, :, ::mirror].astype(np.float32))
    assert scores.min() >= 0.5
    assert {"mirrored" in kind for kind in kinds} == {mirror == -1}
    assert not any("cropped" in kind for kind in kinds)


@pytest.mark.parametrize("down", [-5, 0, 4])
@pytest.mark.parametrize("across", [-4, 3])
def test_a_shifted_picture_is_found(down: int, across: int) -> None:
    wide = wide_scenes(20)
    scores, kinds = scored(wide[:, 8:40, 8:40], wide[:, 8 + down : 40 + down, 8 + across : 40 + across])
    assert scores.min() > 0.5
    assert set(kinds) == {"cropped"}


@pytest.mark.parametrize("share", [0.1, 0.2, 0.3])
@pytest.mark.parametrize("corner", [0.0, 0.5, 1.0])
def test_a_part_of_a_picture_is_found_in_it(share: float, corner: float) -> None:
    side = 48 * (1 - share)
    start = corner * (48 - side)
    whole, part = (
        resampled(wide_scenes(20), matrix, matrix)
        for matrix in (averaging(48, 0, 48, 32), averaging(48, start, start + side, 32))
    )
    scores, kinds = scored(whole, part)
    assert (scores >= 0.5).mean() >= 0.95
    assert {kind for kind, score in zip(kinds, scores, strict=True) if score >= 0.5} <= {"cropped", "cropped+covered"}


def test_a_caption_over_a_third_is_seen_through() -> None:
    covered = scenes(20).copy()
    covered[:, 22:] = 250
    covered[:, 25:28, ::2] = 0
    scores, kinds = scored(scenes(20), covered)
    assert scores.min() >= 0.5
    assert all("covered" in kind for kind in kinds)


def test_another_colour_is_named() -> None:
    colour = np.full((1, 4, 4, 3), 100.0)
    _, kinds = compare(scenes(1), scenes(1), colour, colour + np.array([20, 0, -20]))
    assert kinds == ["recoloured"]


def test_of_a_mirrored_picture_the_colours_are_mirrored_too() -> None:
    colour = np.random.default_rng(0).uniform(0, 255, (1, 4, 4, 3))
    _, kinds = compare(scenes(1), scenes(1)[:, :, ::-1], colour, colour[:, :, ::-1])
    assert kinds == ["mirrored"]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["noise", "mirror", "part", "other"]), st.integers(1, 300))
def test_scores_are_the_same_either_way_round_and_however_pairs_are_grouped(seed: int, change: str, size: int) -> None:
    wide = wide_scenes(5, seed)
    first = np.rint(wide[:, 8:40, 8:40])
    second = {
        "noise": first + np.random.default_rng(seed).normal(0, 20, first.shape).astype(np.float32),
        "mirror": np.rint(first[:, :, ::-1]),
        "part": np.rint(resampled(wide, averaging(48, 5, 40, 32), averaging(48, 9, 44, 32))),
        "other": scenes(5, seed + 1),
    }[change]
    scores, kinds = scored(first, second)
    assert scored(second, first) == (pytest.approx(scores, abs=0), kinds)
    many = np.arange(size) % 5
    grouped, _ = scored(first[many], second[many])
    assert np.array_equal(grouped, scores[many])


def test_no_pairs_have_no_scores() -> None:
    scores, kinds = scored(scenes(0), scenes(0))
    assert scores.shape == (0,)
    assert kinds == []
