import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageOps

from copyrisk.descriptors.thumbnails import averaging, flattened, gaussian, inside_frame, thumbnail

Colour = tuple[int, int, int]


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize("colour", [(255, 255, 255), (0, 0, 0), (128, 20, 200)])
@pytest.mark.parametrize("sides", [(10, 10, 10, 10), (0, 25, 0, 25), (12, 0, 30, 0), (30, 5, 2, 9)])
def test_a_frame_is_cut_off(colour: Colour, sides: tuple[int, int, int, int]) -> None:
    left, top = sides[:2]
    framed = ImageOps.expand(noise(120, 90), sides, colour)
    assert inside_frame(framed) == (left, top, left + 120, top + 90)
    assert np.array_equal(thumbnail(framed), thumbnail(noise(120, 90)))


def test_of_a_large_picture_the_frame_is_cut_off_to_a_few_pixels() -> None:
    box = inside_frame(ImageOps.expand(noise(1000, 700), 100, "white"))
    assert np.abs(np.array(box) - [100, 100, 1100, 800]).max() <= 5


def test_the_ground_that_a_thing_stands_on_is_no_frame() -> None:
    image = Image.new("RGB", (100, 80), "white")
    ImageDraw.Draw(image).ellipse((30, 25, 70, 55), "red")
    assert inside_frame(image) == (0, 0, 100, 80)


def test_a_plain_side_is_no_frame() -> None:
    assert inside_frame(ImageOps.expand(noise(100, 80), (0, 20, 0, 0), "lightblue")) == (0, 0, 100, 100)


def test_a_frame_of_more_than_a_third_is_left() -> None:
    assert inside_frame(ImageOps.expand(noise(30, 100), (35, 0, 5, 0), "black")) == (0, 0, 70, 100)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 9), st.integers(0, 3))
def test_something_is_left_of_every_picture(width: int, height: int, seed: int, colours: int) -> None:
    values = np.random.default_rng(seed).integers(0, 1 + colours, (height, width, 3)) * 80
    image = Image.fromarray(values.astype(np.uint8))
    left, top, right, bottom = inside_frame(image)
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height
    assert thumbnail(image).shape == (32, 32, 3)


@given(st.integers(1, 40), st.floats(0.1, 6))
def test_a_blur_leaves_an_even_line_as_it_is(side: int, radius: float) -> None:
    assert np.allclose(gaussian(side, radius).sum(axis=1), 1, atol=1e-5)


def test_areas_are_averaged_with_their_parts_of_pixels() -> None:
    assert averaging(4, 1, 4, 2).tolist() == [pytest.approx([0, 2 / 3, 1 / 3, 0]), pytest.approx([0, 0, 1 / 3, 2 / 3])]


@given(st.integers(0, 99), st.floats(0.5, 1.5), st.floats(-60, 60))
def test_details_do_not_change_with_brightness_and_hardly_with_contrast(seed: int, factor: float, light: float) -> None:
    grey = np.random.default_rng(seed).normal(128, 40, (1, 32, 32)).astype(np.float32)
    details, changed = flattened(grey, 3, 3), flattened(grey * np.float32(factor) + np.float32(light), 3, 3)
    assert np.abs(changed - flattened(grey * np.float32(factor), 3, 3)).max() < 1e-3
    assert np.corrcoef(details.ravel(), changed.ravel())[0, 1] > 0.99
