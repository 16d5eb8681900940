"""Each family with a tiny pipeline: the table in docs/models.md lists what is tried here."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from copyrisk.errors import UserError
from copyrisk.generators import open_generator
from copyrisk.options import Options

Saved = Callable[[str], Path]
SMALL = {"height": 32, "width": 32}
PLAIN = {"set": ("use_resolution_binning=false",)}
"""Without it the image is as large as those that the network was trained on."""

TEXT: dict[str, dict[str, Any]] = {
    "sd15": SMALL,
    "sd15_checked": SMALL,
    "lcm": SMALL,
    "sdxl": SMALL,
    "sd3": SMALL,
    "flux": SMALL,
    "chroma": SMALL,
    "pixart": SMALL | PLAIN,
    "pixart_sigma": SMALL | PLAIN,
    "hunyuan": SMALL | PLAIN,
    "auraflow": SMALL,
    "sana": SMALL | PLAIN,
    "lumina2": SMALL,
    "cogview4": SMALL,
    "qwen_image": SMALL,
    "z_image": SMALL,
}


def open_tiny(folder: Path, **options: Any) -> Any:
    return open_generator(Options(model=f"diffusers:{folder}", **{"steps": 2, **options}))


def pixels(made: Any) -> Any:
    assert isinstance(made, Image.Image), made
    return np.asarray(made, np.int16)


@pytest.mark.parametrize("name", TEXT)
def test_a_family_takes_prompts_and_gives_the_same_picture_in_any_batch(name: str, saved: Saved) -> None:
    generator = open_tiny(saved(name), batch_size=4, **TEXT[name])
    assert generator.conditional
    first, other, again, seeded = (
        pixels(made) for made in generator.generate(["fox", "blue hat", "fox", "fox"], [1, 2, 1, 2])
    )
    alone = pixels(generator.generate(["blue hat"], [2])[0])
    assert first.shape == (32, 32, 3)
    assert (first == again).all() and (first != seeded).any()
    assert np.abs(other - alone).max() <= 1


@pytest.mark.parametrize("name", ["ddpm", "ddim", "consistency"])
def test_a_family_without_prompts(name: str, saved: Saved) -> None:
    generator = open_tiny(saved(name))
    assert not generator.conditional
    first, other, again = (pixels(made) for made in generator.generate(["", "", ""], [1, 2, 1]))
    assert (first == again).all() and (first != other).any()


@pytest.mark.parametrize("name", ["dit", "consistency_classes"])
def test_a_class_is_asked_for_by_its_number(name: str, saved: Saved) -> None:
    generator = open_tiny(saved(name))
    assert generator.conditional
    one, two, unknown = generator.generate(["1", " 2 ", "fox"], [1, 1, 1])
    assert (pixels(one) != pixels(two)).any()
    assert isinstance(unknown, str) and unknown.startswith("'fox' is no class of this model (its numbers are 0 to ")


def test_a_class_is_asked_for_by_its_name(saved: Saved, with_index: Callable[..., Path]) -> None:
    folder = with_index(saved("dit"), id2label={"1": "goldfish, Carassius auratus", "2": "tabby"})
    generator = open_tiny(folder)
    by_number, by_name, synonym, misspelt = generator.generate(["1", "Goldfish", "carassius auratus", "taby"], [3] * 4)
    assert (pixels(by_number) == pixels(by_name)).all() and (pixels(by_number) == pixels(synonym)).all()
    assert "the nearest is 'tabby'" in str(misspelt)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("sd15_img2img", "makes a picture from a picture.*StableDiffusionPipeline.*python:MODULE:FUNCTION"),
        ("sd15_inpaint", "fills a hole in a picture.*StableDiffusionPipeline"),
    ],
)
def test_a_pipeline_that_wants_a_picture_is_refused_with_what_to_do(name: str, message: str, saved: Saved) -> None:
    with pytest.raises(UserError, match=message):
        open_tiny(saved(name))


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("StableDiffusionUpscalePipeline", "makes a picture from a picture"),
        ("StableDiffusionXLControlNetPipeline", "makes a picture from a picture"),
        ("WanPipeline", "makes videos.*its frames"),
        ("StableAudioPipeline", "makes sound"),
        ("KandinskyV22Pipeline", "second half of a model.*combined"),
    ],
)
def test_other_kinds_are_refused_by_their_class(
    kind: str, message: str, saved: Saved, with_index: Callable[..., Path]
) -> None:
    with pytest.raises(UserError, match=message):
        open_tiny(with_index(saved("sd15"), _class_name=kind))
