"""A picture turned by any angle is most like the reference that it was."""

import numpy as np
import pytest
from PIL import Image
from tests.verdicts.landscapes import landscape

from copyrisk.verdicts.turned import likeness, rows_of

COUNT = 30


def small(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("L").resize((32, 32), Image.Resampling.BOX))


@pytest.fixture(scope="module")
def references() -> np.ndarray:
    return rows_of(np.stack([small(landscape(seed)) for seed in range(COUNT)]), np.ones(COUNT))


@pytest.mark.parametrize("angle", [25, 90, 140, 180])
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_turned_picture_is_most_like_its_reference(references: np.ndarray, angle: int, mirrored: bool) -> None:
    for seed in range(4):
        image = landscape(seed)
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if mirrored else image
        alike = likeness(small(image.rotate(angle, Image.Resampling.BICUBIC)), 1.0, references)
        assert alike.argmax() == seed


def test_a_frame_that_grew_with_it_is_looked_into(references: np.ndarray) -> None:
    for seed in range(4):
        turned = landscape(seed).rotate(45, Image.Resampling.BICUBIC, expand=True)
        assert likeness(small(turned), 1.0, references).argmax() == seed


def test_proportions_are_undone() -> None:
    wide = [landscape(seed, (192, 128)) for seed in range(COUNT)]
    rows = rows_of(np.stack([small(image) for image in wide]), np.full(COUNT, 1.5))
    for seed in range(4):
        upright = wide[seed].transpose(Image.Transpose.ROTATE_90)
        assert likeness(small(upright), 128 / 192, rows).argmax() == seed


def test_a_quarter_turn_changes_nothing_and_rows_have_the_length_1() -> None:
    grey = small(landscape(5))
    rows = rows_of(np.stack([grey, np.rot90(grey), grey[:, ::-1]]), np.ones(3))
    assert np.linalg.norm(rows, axis=1) == pytest.approx(1, abs=1e-5)
    assert rows @ rows.T == pytest.approx(1, abs=1e-3)
