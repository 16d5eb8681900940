"""What comes out of a pipeline, and what is made of it: pictures, withheld ones, black ones, errors."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from copyrisk.errors import UserError
from copyrisk.generators import Withheld, open_generator
from copyrisk.options import Options

Saved = Callable[[str], Path]


def open_tiny(model: Path, **options: Any) -> Any:
    return open_generator(Options(model=f"diffusers:{model}", **{"steps": 2, "height": 32, "width": 32, **options}))


def test_what_the_safety_checker_flags_is_withheld(saved: Saved, monkeypatch: pytest.MonkeyPatch) -> None:
    from diffusers.pipelines.stable_diffusion import StableDiffusionSafetyChecker

    def second(self: Any, clip_input: Any, images: Any) -> Any:
        flags = [number == 1 for number in range(len(images))]
        for number in np.flatnonzero(flags):
            images[number] = 0
        return images, flags

    monkeypatch.setattr(StableDiffusionSafetyChecker, "forward", second)
    first, held, third = open_tiny(saved("sd15_checked")).generate(["a", "b", "c"], [1, 2, 3])
    assert held == Withheld("the pipeline's safety checker")
    assert isinstance(first, Image.Image) and isinstance(third, Image.Image)


def test_numbers_that_overflowed_are_told_from_pictures(saved: Saved, monkeypatch: pytest.MonkeyPatch) -> None:
    from diffusers import AutoencoderKL

    decode = AutoencoderKL.decode

    def overflowing(self: Any, latents: Any, **more: Any) -> Any:
        found = decode(self, latents, **more)
        found[0][0] = torch.nan
        return found

    monkeypatch.setattr(AutoencoderKL, "decode", overflowing)
    black, fine = open_tiny(saved("sd15")).generate(["a", "b"], [1, 2])
    assert isinstance(black, str) and "overflowed in float32 (NaN)" in black and "try --dtype bfloat16" in black
    assert isinstance(fine, Image.Image)


def test_a_black_picture_that_nobody_flagged_is_none(saved: Saved, monkeypatch: pytest.MonkeyPatch) -> None:
    from diffusers import AutoencoderKL

    monkeypatch.setattr(AutoencoderKL, "decode", lambda self, latents, **_: (-torch.ones(len(latents), 3, 32, 32),))
    (black,) = open_tiny(saved("sd15")).generate(["a"], [1])
    assert isinstance(black, str) and black.startswith("the picture is entirely black")


def test_a_text_is_encoded_once(saved: Saved, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import CLIPTextModel

    forward, rows = CLIPTextModel.forward, []

    def counted(self: Any, input_ids: Any, *args: Any, **kwargs: Any) -> Any:
        rows.append(len(input_ids))
        return forward(self, input_ids, *args, **kwargs)

    monkeypatch.setattr(CLIPTextModel, "forward", counted)
    generator = open_tiny(saved("sd15"))
    generator.generate(["fox"] * 8, list(range(8)))
    generator.generate(["fox", "fox", "hat"], [9, 10, 11])
    # fox, hat and the empty text that guidance is away from.
    assert rows == [1, 1, 1]


def test_remembered_texts_give_the_pictures_of_the_bare_pipeline(saved: Saved) -> None:
    from diffusers import DiffusionPipeline

    bare = DiffusionPipeline.from_pretrained(saved("sdxl"))
    noise = [torch.Generator("cpu").manual_seed(seed) for seed in (1, 2)]
    size = {"num_inference_steps": 2, "height": 32, "width": 32}
    expected = bare(["fox", "blue hat"], generator=noise, **size).images
    made = open_tiny(saved("sdxl")).generate(["fox", "blue hat"], [1, 2])
    for one, other in zip(made, expected, strict=True):
        assert np.abs(np.asarray(one, np.int16) - np.asarray(other, np.int16)).max() <= 1


def test_prompts_that_are_cut_are_counted_and_shown(saved: Saved) -> None:
    generator = open_tiny(saved("sd15"))
    assert generator.remarks(["fox", "x" * 75]) == []
    (remark,) = generator.remarks(["fox", "x" * 76, *(letter * 90 for letter in "abcd")])
    assert remark.startswith("5 of 6 prompts are longer than the text encoder reads (77 tokens)")
    assert "'" + "x" * 76 + "'" in remark and "'" + "b" * 80 + "…'" in remark
    assert remark.endswith("and 2 more.")


def test_a_prompt_that_one_of_several_encoders_reads_to_the_end_is_not_cut(saved: Saved) -> None:
    assert open_tiny(saved("sd3")).remarks(["x" * 200]) == []
    assert "(256 tokens)" in open_tiny(saved("sd3")).remarks(["x" * 300])[0]
    assert "(77 tokens)" in open_tiny(saved("sd3"), set=("max_sequence_length=64",)).remarks(["x" * 200])[0]


def test_a_pipeline_that_fails_while_the_batch_size_is_measured_fails_by_its_own_fault(saved: Saved) -> None:
    generator = open_generator(Options(model=f"diffusers:{saved('pixart')}", steps=2))
    with pytest.raises(UserError, match="the pipeline failed: ValueError: Invalid sample size"):
        generator.batch_size()


def test_memory_that_is_too_short_for_one_image_is_tried_in_tiles(
    saved: Saved, monkeypatch: pytest.MonkeyPatch
) -> None:
    from diffusers import AutoencoderKL

    generator = open_tiny(saved("sd15"))
    decode = AutoencoderKL.decode

    def short(self: Any, latents: Any, **more: Any) -> Any:
        if not self.use_tiling:
            raise torch.OutOfMemoryError("none left")
        return decode(self, latents, **more)

    monkeypatch.setattr(AutoencoderKL, "decode", short)
    assert generator.batch_size() == 1
    first, second = generator.generate(["a", "b"], [1, 2])
    assert isinstance(first, Image.Image) and isinstance(second, Image.Image)
    assert generator._pipeline.vae.use_slicing and generator._pipeline.vae.use_tiling
    assert "decoded in tiles" in generator.observed[0]


def test_a_result_without_images_is_named(saved: Saved, with_index: Callable[..., Path]) -> None:
    folder = with_index(saved("sd15"), _class_name=["pipeline", "Mine"])
    (folder / "pipeline.py").write_text(
        "from diffusers import StableDiffusionPipeline\n"
        "class Mine(StableDiffusionPipeline):\n"
        "    def __call__(self, prompt, generator=None, output_type='pil'):\n"
        "        return (1, 2)\n"
    )
    generator = open_generator(Options(model=f"diffusers:{folder}", trust_remote_code=True))
    with pytest.raises(UserError, match="gave no 1 images, but tuple"):
        generator.generate(["a"], [1])
    assert json.loads((folder / "model_index.json").read_text())
