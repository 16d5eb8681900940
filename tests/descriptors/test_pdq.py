import sys

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from copyrisk.descriptors.pdq import Pdq
from copyrisk.errors import UserError
from copyrisk.index.search import distance_between

pdqhash = pytest.importorskip("pdqhash", reason="needs copyrisk[pdq]")


def picture(width: int, height: int, seed: int = 0) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def test_the_bits_are_those_of_the_library_for_the_picture_averaged_to_64_pixels() -> None:
    image = picture(200, 150)
    bits, _ = pdqhash.compute(np.asarray(image.resize((64, 64), Image.Resampling.BOX)))
    row = Pdq().describe(image)
    assert row.shape == (256,)
    assert row.dtype == np.uint8
    assert row.tolist() == [255 * int(bit) for bit in bits]


@pytest.mark.parametrize("seed", range(5))
def test_hashes_from_elsewhere_match(seed: int) -> None:
    image = picture(600, 450, seed)
    bits, _ = pdqhash.compute(np.asarray(image))
    assert np.count_nonzero(Pdq().describe(image) != 255 * bits) <= 31


def test_the_distance_is_the_root_of_the_share_of_different_bits() -> None:
    rows = Pdq().describe_many([picture(200, 150, seed) for seed in range(2)])
    different = np.count_nonzero(rows[0] != rows[1])
    assert distance_between(rows[:1], rows[1:]) == pytest.approx(np.sqrt(different / 256))


def test_a_smaller_brighter_picture_is_within_the_advised_31_bits() -> None:
    image = picture(900, 700)
    other = ImageEnhance.Brightness(image.resize((450, 350))).enhance(1.1)
    rows = Pdq().describe_many([image, other, picture(900, 700, seed=1)])
    assert distance_between(rows[:1], rows[1:2])[0] <= np.sqrt(31 / 256)
    assert distance_between(rows[:1], rows[2:])[0] > np.sqrt(31 / 256)


def test_a_large_picture_is_left_as_it_was() -> None:
    image = picture(900, 700)
    Pdq().describe(image)
    assert image.size == (900, 700)


def test_an_argument_is_refused() -> None:
    with pytest.raises(UserError, match=r"^--descriptor pdq:31: pdq takes no argument"):
        Pdq("31")


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pdqhash", None)
    with pytest.raises(UserError, match=r"pip install 'copyrisk\[pdq\]'"):
        Pdq()
