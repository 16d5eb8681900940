import numpy as np
import pytest
from PIL import Image

from copyrisk.descriptors import open_descriptor
from copyrisk.descriptors.pixels import Pixels
from copyrisk.errors import UserError


def noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


def test_a_descriptor_is_the_mean_over_equal_areas() -> None:
    # Pillow rounds twice, along rows and along columns.
    image = noise(64, 32)
    means = np.asarray(image, dtype=np.float64).reshape(8, 4, 8, 8, 3).mean(axis=(1, 3))
    assert np.abs(Pixels("8").describe(image).reshape(8, 8, 3) - means).max() <= 1


def test_a_picture_of_the_grid_s_size_is_its_own_descriptor() -> None:
    image = noise(32, 32)
    assert np.array_equal(Pixels().describe(image), np.asarray(image).reshape(-1))


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (33, 31)])
def test_any_picture_has_a_descriptor_of_the_same_length(size: tuple[int, int]) -> None:
    row = Pixels("16").describe(Image.new("RGB", size, (10, 20, 30)))
    assert row.dtype == np.uint8
    assert row.reshape(-1, 3).tolist() == [[10, 20, 30]] * 256


def test_the_tiles_are_the_16_squares_of_the_picture() -> None:
    pixels = Pixels("8")
    tiles = pixels.tiles()
    assert sorted(tiles.reshape(-1)) == list(range(pixels.dimensions))
    picture = np.arange(pixels.dimensions).reshape(8, 8, 3)
    assert sorted(tiles[0]) == sorted(picture[:2, :2].reshape(-1))
    assert sorted(tiles[7]) == sorted(picture[2:4, 6:8].reshape(-1))


@pytest.mark.parametrize(("specifier", "side"), [("pixels", 32), ("pixels:", 32), ("pixels:4", 4), ("pixels:256", 256)])
def test_the_side_is_the_argument_and_32_without(specifier: str, side: int) -> None:
    descriptor = open_descriptor(specifier)
    assert descriptor.specifier == f"pixels:{side}"
    assert descriptor.dimensions == side * side * 3


@pytest.mark.parametrize("argument", ["0", "2", "30", "260", "-8", "8.0", "large", "²", "8 "])
def test_another_side_is_refused(argument: str) -> None:
    with pytest.raises(UserError, match=r"^--descriptor pixels:.*multiple of 4 from 4 to 256"):
        open_descriptor(f"pixels:{argument}")


def test_an_unknown_descriptor_is_named_with_the_nearest() -> None:
    with pytest.raises(UserError, match=r"no descriptor 'pixel'\. Did you mean 'pixels'"):
        open_descriptor("pixel:32")
