import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from copyrisk.errors import UserError
from copyrisk.generators import diffusers as room
from copyrisk.generators import open_generator
from copyrisk.generators.diffusers import loading
from copyrisk.options import Options


def make(folder: Path, prompts: list[str], seeds: list[int], **options: object) -> list[np.ndarray]:
    generator = open_generator(Options(model=f"diffusers:{folder}", **options))  # type: ignore[arg-type]
    return [np.asarray(image) for image in generator.generate(prompts, seeds)]


def test_a_stable_diffusion_folder_takes_prompts_and_gives_pictures(text_pipeline: Path) -> None:
    generator = open_generator(Options(model=f"diffusers:{text_pipeline}", steps=2, height=16, width=16))
    assert generator.conditional
    images = generator.generate(["a red fox", "a blue hat"], [1, 2])
    assert [image.size for image in images if isinstance(image, Image.Image)] == [(16, 16), (16, 16)]


def test_an_unconditional_folder_takes_no_prompt(unconditional_pipeline: Path) -> None:
    generator = open_generator(Options(model=f"diffusers:{unconditional_pipeline}", steps=2))
    assert not generator.conditional
    assert len(generator.generate(["", "", ""], [1, 2, 3])) == 3


def test_seed_and_prompt_decide_the_picture(text_pipeline: Path) -> None:
    first, again, other_seed, other_prompt = make(
        text_pipeline, ["fox", "fox", "fox", "hat"], [1, 1, 2, 1], steps=2, height=16, width=16, guidance_scale=9.0
    )
    assert (first == again).all()
    assert (first != other_seed).any()
    assert (first != other_prompt).any()


def test_a_picture_does_not_depend_on_its_batch(text_pipeline: Path) -> None:
    options = {"steps": 2, "height": 16, "width": 16}
    together = make(text_pipeline, ["fox"] * 11, list(range(11)), **options)
    alone = [make(text_pipeline, ["fox"], [seed], **options)[0] for seed in range(11)]
    # Convolutions may round differently in another batch: the last bit of a pixel, never the picture.
    assert max(np.abs(a.astype(int) - b).max() for a, b in zip(together, alone, strict=True)) <= 1


def test_settings_record_defaults_and_choices(text_pipeline: Path) -> None:
    generator = open_generator(Options(model=f"diffusers:{text_pipeline}", steps=7))
    assert generator.settings["num_inference_steps"] == 7
    assert generator.settings["guidance_scale"] == 7.5
    assert generator.settings["dtype"] == "float32"


def test_the_fingerprint_follows_the_weights_and_not_the_place(text_pipeline: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(text_pipeline, tmp_path / "moved")
    (moved / "README.md").write_text("notes change nothing")
    original = open_generator(Options(model=f"diffusers:{text_pipeline}")).fingerprint
    assert open_generator(Options(model=f"diffusers:{moved}")).fingerprint == original
    weights = next((moved / "unet").glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    assert open_generator(Options(model=f"diffusers:{moved}")).fingerprint != original


def test_the_batch_size_is_given_or_fits_the_memory(
    unconditional_pipeline: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert open_generator(Options(model=f"diffusers:{unconditional_pipeline}", batch_size=5)).batch_size() == 5
    generator = open_generator(Options(model=f"diffusers:{unconditional_pipeline}"))
    assert generator.batch_size() % 8 == 0
    monkeypatch.setattr(room, "free_memory", lambda device: 6 << 20)
    monkeypatch.setattr(room, "measured_peak", lambda device, call: 1 << 20)
    assert generator.batch_size() == 2


def test_a_batch_that_does_not_fit_is_halved(unconditional_pipeline: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = open_generator(Options(model=f"diffusers:{unconditional_pipeline}", steps=2))
    expected = [np.asarray(image) for image in generator.generate([""] * 8, list(range(8)))]
    call, sizes = room.DiffusersPipeline._call, []

    def small(self: object, pipeline: object, prompts: list[str], seeds: list[int], **extra: object) -> object:
        sizes.append(len(seeds))
        if len(seeds) > 4:
            raise MemoryError
        return call(self, pipeline, prompts, seeds, **extra)  # type: ignore[arg-type]

    monkeypatch.setattr(room.DiffusersPipeline, "_call", small)
    images = [np.asarray(image) for image in generator.generate([""] * 8, list(range(8)))]
    assert sizes[0] == 8
    assert max(np.abs(a.astype(int) - b).max() for a, b in zip(images, expected, strict=True)) <= 1


def test_no_memory_for_one_picture_is_an_error_with_a_remedy(
    unconditional_pipeline: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> object:
        raise MemoryError

    monkeypatch.setattr(room.DiffusersPipeline, "_call", full)
    with pytest.raises(UserError, match=r"too little memory on cpu.*--dtype"):
        make(unconditional_pipeline, [""], [0])


def test_weights_larger_than_the_memory_are_refused_before_loading(
    unconditional_pipeline: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "free_memory", lambda device: 10)
    with pytest.raises(UserError, match="weights take .* GB are free on cpu"):
        make(unconditional_pipeline, [""], [0])


def test_what_a_pipeline_raises_is_its_own_fault_and_not_the_audit_s(
    text_pipeline: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from diffusers import StableDiffusionPipeline

    def broken(self: object, prompt: object, generator: object, **_: object) -> None:
        raise IndexError("no such timestep")

    monkeypatch.setattr(StableDiffusionPipeline, "__call__", broken)
    with pytest.raises(UserError, match=r"the pipeline failed: IndexError: no such timestep \(.*test_diffusers\.py"):
        make(text_pipeline, ["fox"], [1])


def test_trust_shapes_images_only_where_there_is_code_to_trust(text_pipeline: Path, tmp_path: Path) -> None:
    plain, trusted = (
        open_generator(Options(model=f"diffusers:{text_pipeline}", trust_remote_code=trust)) for trust in (False, True)
    )
    assert plain.settings == trusted.settings
    folder = shutil.copytree(text_pipeline, tmp_path / "with-code")
    (folder / "unet" / "mine.py").write_text("")
    coded = open_generator(Options(model=f"diffusers:{folder}", trust_remote_code=True))
    assert coded.settings == plain.settings | {"trust_remote_code": True}


def test_a_folder_with_code_of_its_own_needs_trust(text_pipeline: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(text_pipeline, tmp_path / "custom")
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps({**index, "_class_name": ["pipeline", "Mine"]}))
    (folder / "pipeline.py").write_text(
        "from diffusers import StableDiffusionPipeline\nclass Mine(StableDiffusionPipeline): pass\n"
    )
    with pytest.raises(UserError, match=r"pipeline\.py.*--trust-remote-code"):
        open_generator(Options(model=f"diffusers:{folder}"))
    options = {"trust_remote_code": True, "steps": 2, "height": 16, "width": 16}
    assert len(make(folder, ["fox"], [1], **options)) == 1


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "model_index.json").unlink(), "no pipeline folder"),
        (lambda folder: (folder / "model_index.json").write_text("{"), "model_index.json is damaged"),
        (
            lambda folder: (folder / "model_index.json").write_text('{"_class_name": "NoSuchPipeline"}'),
            "no pipeline 'NoSuch",
        ),
    ],
)
def test_a_damaged_folder_is_named(text_pipeline: Path, tmp_path: Path, spoil: object, message: str) -> None:
    folder = shutil.copytree(text_pipeline, tmp_path / "damaged")
    spoil(folder)  # type: ignore[operator]
    with pytest.raises(UserError, match=message):
        open_generator(Options(model=f"diffusers:{folder}"))


def test_damaged_weights_are_named(unconditional_pipeline: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(unconditional_pipeline, tmp_path / "damaged")
    next((folder / "unet").glob("*.safetensors")).write_bytes(b"junk")
    with pytest.raises(UserError, match="cannot be loaded"):
        make(folder, [""], [0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "cuda:9"}, "--device cuda:9 is not there"),
        ({"dtype": "float3"}, "--dtype float3 is not known"),
        ({"guidance_scale": 3.0}, "no guidance_scale; leave out --guidance-scale"),
    ],
)
def test_a_bad_option_is_named(unconditional_pipeline: Path, options: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        open_generator(Options(model=f"diffusers:{unconditional_pipeline}", **options))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["./no-such-model", "a/b/c", "no-such-model"])
def test_a_path_that_is_not_there_is_not_looked_up_in_the_hub(name: str) -> None:
    with pytest.raises(UserError, match="there is no folder"):
        open_generator(Options(model=f"diffusers:{name}"))
