"""What people have beside a plain folder: LoRAs, single files, variants, missing parts, other schedulers."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from copyrisk.errors import UserError
from copyrisk.generators import open_generator
from copyrisk.options import Options

Saved = Callable[[str], Path]


def open_tiny(model: Path, **options: Any) -> Any:
    return open_generator(Options(model=f"diffusers:{model}", **{"steps": 2, "height": 32, "width": 32, **options}))


def pictures(generator: Any, prompts: list[str] | None = None) -> Any:
    made = generator.generate(prompts or ["fox", "hat"], [1, 2])
    assert all(isinstance(each, Image.Image) for each in made), made
    return np.stack([np.asarray(each, np.int16) for each in made])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_the_dtype_is_that_of_the_stored_weights(tiny: Any, tmp_path: Path, dtype: torch.dtype) -> None:
    folder = tiny.save("sd15", tmp_path / "model", dtype)
    assert open_tiny(folder).settings["dtype"] == str(dtype).removeprefix("torch.")
    assert open_tiny(folder, dtype="float32").settings["dtype"] == "float32"


def test_the_dtype_is_seen_in_bin_files_too(tiny: Any, tmp_path: Path) -> None:
    tiny.MAKERS["sd15"]().to(torch.bfloat16).save_pretrained(tmp_path / "model", safe_serialization=False)
    for file in (tmp_path / "model" / "text_encoder").glob("*.safetensors"):
        file.unlink()
    assert list((tmp_path / "model" / "unet").glob("*.bin"))
    assert open_tiny(tmp_path / "model").settings["dtype"] == "bfloat16"


@pytest.mark.parametrize("listed", [True, False])
def test_sd3_without_its_third_text_encoder_is_audited_and_the_report_says_so(
    saved: Saved, with_index: Callable[..., Path], listed: bool
) -> None:
    parts = {"text_encoder_3": [None, None] if listed else None, "tokenizer_3": [None, None] if listed else None}
    folder = with_index(saved("sd3"), **parts)
    for name in parts:
        shutil.rmtree(folder / name)
    generator = open_tiny(folder)
    assert pictures(generator).shape == (2, 32, 32, 3)
    assert generator.settings["left_out"] == ["text_encoder_3", "tokenizer_3"]
    (remark,) = generator.remarks(["fox"])
    assert "lacks text_encoder_3 and tokenizer_3" in remark


def test_a_part_that_every_image_needs_is_named(saved: Saved, with_index: Callable[..., Path]) -> None:
    folder = with_index(saved("sd15"))
    shutil.rmtree(folder / "vae")
    with pytest.raises(UserError, match="its vae is missing"):
        open_tiny(folder)


def test_a_part_that_is_lacking_is_named_where_the_pipeline_fails_without_it(
    saved: Saved, with_index: Callable[..., Path]
) -> None:
    folder = with_index(saved("sd15"))
    shutil.rmtree(folder / "tokenizer")
    with pytest.raises(UserError, match="the pipeline failed: .* Its folder lacks tokenizer"):
        pictures(open_tiny(folder))


def test_an_argument_of_the_call_shapes_the_image_and_the_settings(saved: Saved) -> None:
    plain = open_tiny(saved("sd15"))
    chosen = open_tiny(saved("sd15"), set=("negative_prompt=blue hat", "guidance_rescale=0.7"))
    assert (pictures(plain) != pictures(chosen)).any()
    assert chosen.settings["set"] == ["guidance_rescale=0.7", "negative_prompt=blue hat"]
    assert "set" not in plain.settings


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("negative_promt=x", "no such argument. Did you mean 'negative_prompt'"),
        ("prompt=x", "cannot be chosen: the prompts are those of the plan"),
        ("generator=1", "see --seed"),
        ("steps", "write KEY=VALUE"),
    ],
)
def test_an_argument_that_cannot_be_set_is_named(saved: Saved, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        open_tiny(saved("sd15"), set=(text,))


def test_another_scheduler_makes_other_images(saved: Saved) -> None:
    chosen = open_tiny(saved("sd15"), scheduler="EulerAncestralDiscreteScheduler")
    assert chosen.settings["scheduler"] == "EulerAncestralDiscreteScheduler"
    assert (pictures(chosen) != pictures(open_tiny(saved("sd15")))).any()


def test_a_scheduler_that_does_not_fit_is_refused_with_the_nearest(saved: Saved) -> None:
    with pytest.raises(UserError, match="does not fit.*Did you mean EulerDiscreteScheduler"):
        open_tiny(saved("sd15"), scheduler="EulerDiscretScheduler")
    with pytest.raises(UserError, match="--scheduler FlowMatchEulerDiscreteScheduler does not fit"):
        open_tiny(saved("sd15"), scheduler="FlowMatchEulerDiscreteScheduler")


def test_a_scheduler_whose_noise_no_seed_decides_is_noticed(saved: Saved, monkeypatch: pytest.MonkeyPatch) -> None:
    from diffusers import DDIMScheduler

    step = DDIMScheduler.step

    def unseeded(self: Any, *args: Any, **kwargs: Any) -> Any:
        found = step(self, *args, **kwargs)
        noise = torch.randn(found[0].shape)
        return (found[0] + noise, *found[1:])

    calm = open_tiny(saved("sd15"))
    calm.batch_size()
    assert calm.observed == []
    monkeypatch.setattr(DDIMScheduler, "step", unseeded)
    generator = open_tiny(saved("sd15"))
    generator.batch_size()
    assert "cannot be made again" in generator.observed[0]


def lora_file(folder: Path, path: Path) -> Path:
    """Write a LoRA of the denoiser as diffusers' training scripts do."""
    peft = pytest.importorskip("peft")
    from diffusers import StableDiffusionPipeline
    from diffusers.utils import convert_state_dict_to_diffusers

    torch.manual_seed(1)
    pipeline = StableDiffusionPipeline.from_pretrained(folder)
    pipeline.unet.add_adapter(peft.LoraConfig(r=4, init_lora_weights=False, target_modules=["to_q", "to_v"]))
    layers = convert_state_dict_to_diffusers(peft.get_peft_model_state_dict(pipeline.unet))
    StableDiffusionPipeline.save_lora_weights(path.parent, layers, weight_name=path.name)
    return path


def test_a_lora_changes_the_images_as_strongly_as_asked(saved: Saved, tmp_path: Path) -> None:
    lora = lora_file(saved("sd15"), tmp_path / "style.safetensors")
    plain, with_lora = open_tiny(saved("sd15")), open_tiny(saved("sd15"), lora=(str(lora),))
    off = open_tiny(saved("sd15"), lora=(f"{lora}=0",))
    assert (pictures(plain) != pictures(with_lora)).any()
    assert np.abs(pictures(plain) - pictures(off)).max() <= 1
    assert plain.fingerprint != with_lora.fingerprint
    assert off.settings["lora"] == [f"{lora}=0"]
    assert (pictures(open_tiny(saved("sd15"), lora=(str(lora), f"{lora}=0.5"))) != pictures(with_lora)).any()


@pytest.mark.parametrize(
    ("name", "message"),
    [("none.safetensors", "no file or folder"), ("a/b/c", "no file or folder"), ("", "one .safetensors file")],
)
def test_a_lora_that_is_not_there_is_named(saved: Saved, tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        open_tiny(saved("sd15"), lora=(str(tmp_path / name) if "/" not in name else name,))


def test_a_lora_for_another_model_is_refused(saved: Saved, tmp_path: Path) -> None:
    pytest.importorskip("peft")
    save_file({"transformer.blocks.0.lora_A.weight": torch.ones(2, 2)}, tmp_path / "other.safetensors")
    with pytest.raises(UserError, match="--lora|cannot be loaded"):
        pictures(open_tiny(saved("sd15"), lora=(str(tmp_path / "other.safetensors"),)))


def test_a_pipeline_without_loras_refuses_one(saved: Saved, tmp_path: Path) -> None:
    save_file({"x": torch.ones(1)}, tmp_path / "x.safetensors")
    with pytest.raises(UserError, match="DDPMPipeline takes no LoRA"):
        open_generator(Options(model=f"diffusers:{saved('ddpm')}", lora=(str(tmp_path / "x.safetensors"),)))


def denoiser_file(folder: Path, part: str, path: Path) -> Path:
    weights = load_file(next((folder / part).glob("*.safetensors")))
    save_file({name: each + 0.01 for name, each in weights.items()}, path)
    return path


def test_a_single_file_takes_the_denoisers_place(saved: Saved, tmp_path: Path) -> None:
    file = denoiser_file(saved("flux"), "transformer", tmp_path / "tuned.safetensors")
    generator = open_tiny(file, config=str(saved("flux")))
    assert generator.settings["config"] == str(saved("flux"))
    assert (pictures(generator) != pictures(open_tiny(saved("flux")))).any()
    assert generator.fingerprint != open_tiny(saved("flux")).fingerprint


def test_a_single_file_without_the_network_asks_for_the_configuration(saved: Saved, tmp_path: Path) -> None:
    file = denoiser_file(saved("flux"), "transformer", tmp_path / "tuned.safetensors")
    with pytest.raises(UserError, match="Give --config FOLDER_OR_ID"):
        open_tiny(file)
    with pytest.raises(UserError, match="--config is for a single file"):
        open_tiny(saved("flux"), config=str(saved("flux")))
    (tmp_path / "junk.safetensors").write_bytes(b"junk")
    with pytest.raises(UserError, match="junk.safetensors cannot be read as weights"):
        open_tiny(tmp_path / "junk.safetensors", config=str(saved("flux")))


def test_gguf_is_read(saved: Saved, tmp_path: Path) -> None:
    gguf = pytest.importorskip("gguf")
    weights = load_file(next((saved("flux") / "transformer").glob("*.safetensors")))
    writer = gguf.GGUFWriter(tmp_path / "model.gguf", "flux")
    for name, each in weights.items():
        array = each.numpy()
        rows = array.ndim == 2 and array.shape[1] % 32 == 0
        kind = gguf.GGMLQuantizationType.Q8_0 if rows else gguf.GGMLQuantizationType.F32
        writer.add_tensor(name, gguf.quants.quantize(array, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    generator = open_tiny(tmp_path / "model.gguf", config=str(saved("flux")), dtype="float32")
    assert open_tiny(tmp_path / "model.gguf", config=str(saved("flux"))).settings["dtype"] == "bfloat16"
    assert np.abs(pictures(generator) - pictures(open_tiny(saved("flux")))).mean() < 8


def test_a_variant_is_loaded_by_its_name(tiny: Any, tmp_path: Path) -> None:
    torch.manual_seed(0)
    tiny.MAKERS["sd15"]().to(torch.float16).save_pretrained(tmp_path / "model", variant="fp16")
    with pytest.raises(UserError, match="holds only variants of its weights. Give --variant fp16"):
        open_tiny(tmp_path / "model")
    generator = open_tiny(tmp_path / "model", variant="fp16")
    assert generator.settings["dtype"] == "float16"
    assert generator.settings["variant"] == "fp16"
    assert pictures(generator).shape == (2, 32, 32, 3)


def test_offloading_needs_a_gpu(saved: Saved) -> None:
    with pytest.raises(UserError, match="--offload moves weights between a GPU and main memory; on cpu leave it out"):
        open_tiny(saved("sd15"), offload="model", device="cpu")


def test_fewer_bits_need_a_gpu_and_known_numbers_of_them(saved: Saved) -> None:
    with pytest.raises(UserError, match="--quantize needs a GPU"):
        open_tiny(saved("sd15"), quantize="4bit", device="cpu")
    with pytest.raises(UserError, match="--quantize is 3bit; give 4bit or 8bit"):
        open_tiny(saved("sd15"), quantize="3bit")


def test_a_missing_package_of_a_class_is_named(
    saved: Saved, with_index: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    import diffusers

    class Lacking:
        _backends = ("note_seq",)

    monkeypatch.setattr(diffusers, "LackingPipeline", Lacking, raising=False)
    with pytest.raises(UserError, match="note_seq|note-seq"):
        open_tiny(with_index(saved("sd15"), _class_name="LackingPipeline"))


def test_the_weights_of_other_variants_are_no_part_of_the_model(saved: Saved, with_index: Callable[..., Path]) -> None:
    folder = with_index(saved("sd15"))
    before = open_tiny(folder).fingerprint
    shutil.copy(next((folder / "unet").glob("*.safetensors")), folder / "unet" / "x.fp16.safetensors")
    assert open_tiny(folder).fingerprint == before
    assert json.loads((folder / "model_index.json").read_text())
