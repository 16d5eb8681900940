"""A reference is found where it was laid: the place is known beforehand in each example."""

import numpy as np
import pytest
from PIL import Image
from tests.verdicts.landscapes import landscape

from copyrisk.verdicts.alignment import closer, lay, placed
from copyrisk.verdicts.places import Place, by_features, frames
from copyrisk.verdicts.prepared import Prepared

REFERENCE = landscape(40, (192, 160))
MIDDLE = np.array([96.0, 80.0])


def turned(angle: float) -> Place:
    """The place of a reference in its picture, turned clockwise about the middle."""
    cosine, sine = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    matrix = np.array([[cosine, sine], [-sine, cosine]])
    return np.column_stack([matrix, MIDDLE - matrix @ MIDDLE])


def off_by(place: Place, expected: Place) -> float:
    """By how many pixels a place is off, at the worst of four points about the middle."""
    points = np.array([[48, 144, 48, 144], [40, 40, 120, 120], [1, 1, 1, 1]], float)
    return float(np.linalg.norm((place - expected) @ points, axis=0).max())


def test_a_reference_laid_by_a_shift_shows_its_pixels_there() -> None:
    reference = Prepared(REFERENCE)
    laid, inside, sharpness = lay(reference, 0, reference, np.array([[1.0, 0, 30], [0, 1, -20]]))
    np.testing.assert_allclose(laid[20:, :-30], reference.levels[0][:-20, 30:], atol=0.01)
    assert inside[20:, :-30].all() and not inside[:20].any() and not inside[:, -30:].any()
    assert sharpness == pytest.approx(1)


def test_half_the_size_is_laid_without_a_shift() -> None:
    reference = Prepared(REFERENCE)
    laid, inside, _ = lay(reference, 1, reference, np.array([[1.0, 0, 0], [0, 1, 0]]))
    np.testing.assert_allclose(laid, reference.levels[1], atol=0.01)
    assert inside.all()


def test_frames_are_the_eight_ways_to_lay_a_picture_on_another() -> None:
    found = frames(Prepared(landscape(1, (200, 100))), Prepared(landscape(2, (150, 300))))
    corners = np.array([[0, 200, 0, 200], [0, 0, 100, 100], [1, 1, 1, 1]], float)
    there = {tuple(map(tuple, np.round((place @ corners).T).astype(int))) for place in found}
    assert len(there) == 8
    assert all(set(points) == {(0, 0), (150, 0), (0, 300), (150, 300)} for points in there)
    assert np.round(found[0] @ corners).T.tolist() == [[0, 0], [150, 0], [0, 300], [150, 300]]


@pytest.mark.parametrize("angle", [-75, 20, 140])
def test_features_say_by_how_much_a_picture_was_turned(angle: float) -> None:
    picture = Prepared(REFERENCE.rotate(-angle, Image.Resampling.BICUBIC))
    assert off_by(by_features(picture, Prepared(REFERENCE))[0], turned(angle)) < 2.5


def test_features_of_a_mirrored_part_say_its_place() -> None:
    part = REFERENCE.crop((40, 30, 150, 140)).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    found = by_features(Prepared(part), Prepared(REFERENCE))[0]
    points = np.array([[0, 110, 55], [0, 110, 20], [1, 1, 1]], float)
    # The mirror image's left edge is the part's right one.
    assert found @ points == pytest.approx(np.array([[150, 40, 95], [30, 140, 50]]), abs=2.5)


def test_features_of_other_pictures_agree_on_no_place_or_on_few() -> None:
    same = len(by_features(Prepared(REFERENCE), Prepared(REFERENCE)))
    none = [len(by_features(Prepared(REFERENCE), Prepared(landscape(seed, (192, 160))))) for seed in range(50, 56)]
    assert same and sum(none) <= 2


@pytest.mark.parametrize("angle", [0, 20, 90, 140])
def test_a_reference_is_placed_where_its_picture_was_turned_to(angle: float) -> None:
    found = placed(Prepared(REFERENCE.rotate(-angle, Image.Resampling.BICUBIC)), Prepared(REFERENCE))
    assert found is not None
    assert off_by(found.place, turned(angle)) < 0.5


def test_what_was_moved_and_enlarged_is_placed_to_the_pixel() -> None:
    picture = REFERENCE.crop((24, 12, 168, 132)).resize((192, 160), Image.Resampling.BICUBIC)
    found = placed(Prepared(picture), Prepared(REFERENCE))
    assert found is not None
    assert off_by(found.place, np.array([[0.75, 0, 24], [0, 0.75, 12]])) < 0.5


def test_nothing_is_placed_where_there_is_nothing_to_see() -> None:
    flat = Prepared(Image.new("RGB", (192, 160), (90, 90, 90)))
    assert placed(flat, Prepared(REFERENCE)) is None
    assert placed(Prepared(REFERENCE), flat) is None


def test_looking_closer_adds_the_larger_sizes() -> None:
    large = landscape(41, (384, 320))
    picture, reference = Prepared(large.rotate(-10, Image.Resampling.BICUBIC)), Prepared(large)
    laid = placed(picture, reference)
    assert laid is not None and picture.whole == 1
    assert 0 not in laid.levels
    closer(picture, laid)
    finest = laid.levels[0].windows
    assert np.median(finest.correlation[finest.inside > 0.99]) > 0.8
