"""From a source to a pipeline that is ready to be called: dtype, parts, weights, LoRAs, scheduler, device."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from copyrisk.errors import UserError
from copyrisk.generators.diffusers.parts import left_out
from copyrisk.generators.diffusers.source import DENOISERS, Source, first_line, safetensors_header
from copyrisk.generators.diffusers.texts import remember_texts
from copyrisk.generators.memory import free_memory
from copyrisk.options import Options
from copyrisk.run import log

DTYPES = ("float32", "float16", "bfloat16")
STORED = {"F64": "float32", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
"""What safetensors call the types of numbers; weights of eight bits and less are computed with as bfloat16."""


@dataclass(frozen=True)
class Choices:
    """What is chosen about loading; images of one prompt and seed can differ by each of them but device and offload."""

    dtype: str
    device: str
    scheduler: str | None
    quantize: str | None
    offload: str | None
    compile: bool


def choices_of(source: Source, options: Options) -> Choices:
    """Read the options of loading; raise UserError where one of them cannot be had here."""
    device = _device(options.device)
    if options.offload and not device.startswith("cuda"):
        raise UserError(f"--offload moves weights between a GPU and main memory; on {device} leave it out.")
    if options.quantize:
        _require_quantization(source, device)
    if source.loras and not hasattr(source.pipeline_class, "load_lora_weights"):
        raise UserError(f"--lora: {source.pipeline_class.__name__} takes no LoRA. Leave the option out.")
    if options.scheduler:
        _scheduler_class(source, options.scheduler)
    return Choices(
        _dtype(source, options.dtype),
        device,
        options.scheduler,
        options.quantize,
        options.offload,
        options.compile,
    )


def stored_dtype(files: list[Path]) -> str:
    """Return the type of number that most bytes of the weights are stored in, as torch calls it."""
    sizes: dict[str, int] = {}
    for file in files:
        for dtype, size in _stored(file):
            sizes[dtype] = sizes.get(dtype, 0) + size
    return max(sizes, key=lambda dtype: sizes[dtype]) if sizes else "float32"


def load(source: Source, choices: Choices) -> Any:
    """Load a pipeline; raise UserError where it does not fit the memory or cannot be loaded."""
    _require_memory(source, choices)
    try:
        pipeline = _read(source, choices)
        _apply_loras(pipeline, source, choices)
        if choices.scheduler:
            kind = _scheduler_class(source, choices.scheduler)
            pipeline.scheduler = kind.from_config(pipeline.scheduler.config)
        _place(pipeline, choices)
    except UserError:
        raise
    # Damaged weights and missing packages end in nearly any exception.
    except Exception as error:
        raise UserError(f"--model {source.specifier}: cannot be loaded: {first_line(error)}") from error
    pipeline.set_progress_bar_config(disable=True)
    remember_texts(pipeline)
    return pipeline


def _read(source: Source, choices: Choices) -> Any:
    import torch

    dtype = getattr(torch, choices.dtype)
    more: dict[str, Any] = dict.fromkeys(left_out(source))
    if source.whole:
        return source.pipeline_class.from_single_file(str(source.file), config=str(source.folder), dtype=dtype, **more)
    if source.variant:
        more["variant"] = source.variant
    if choices.quantize:
        more["quantization_config"] = _quantization(source, choices.quantize, dtype)
    if source.file is not None:
        more[source.denoiser] = _denoiser(source, dtype)
    from diffusers import DiffusionPipeline

    return DiffusionPipeline.from_pretrained(source.folder, dtype=dtype, trust_remote_code=source.trust, **more)


def _denoiser(source: Source, dtype: Any) -> Any:
    """Load the single file that holds the denoiser alone."""
    import diffusers

    kind = getattr(diffusers, source.index[source.denoiser][1])
    more: dict[str, Any] = {}
    if source.file is not None and source.file.suffix == ".gguf":
        more["quantization_config"] = diffusers.GGUFQuantizationConfig(compute_dtype=dtype)
    return kind.from_single_file(
        str(source.file), config=str(source.folder), subfolder=source.denoiser, dtype=dtype, **more
    )


def _apply_loras(pipeline: Any, source: Source, choices: Choices) -> None:
    if not source.loras:
        return
    names = []
    for number, lora in enumerate(source.loras):
        name = f"lora{number}"
        pipeline.load_lora_weights(str(lora.file.parent), weight_name=lora.file.name, adapter_name=name)
        loaded = {each for adapters in pipeline.get_list_adapters().values() for each in adapters}
        if name not in loaded:
            raise UserError(f"--lora {lora.file}: none of it fits this pipeline. Was it trained for another model?")
        names.append(name)
    pipeline.set_adapters(names, [lora.scale for lora in source.loras])
    # Weights of a few bits would lose what is added to them.
    if not choices.quantize and not (source.file is not None and source.file.suffix == ".gguf"):
        pipeline.fuse_lora(adapter_names=names)


def _place(pipeline: Any, choices: Choices) -> None:
    import torch

    if choices.offload == "group":
        pipeline.enable_group_offload(
            onload_device=torch.device(choices.device), offload_type="leaf_level", use_stream=True
        )
    elif choices.offload:
        offload: Callable[..., None] = getattr(pipeline, f"enable_{choices.offload}_cpu_offload")
        offload(device=choices.device)
    else:
        pipeline.to(choices.device)
    if choices.compile:
        for name in DENOISERS:
            part = getattr(pipeline, name, None)
            if isinstance(part, torch.nn.Module):
                part.compile()


def _require_memory(source: Source, choices: Choices) -> None:
    needed = sum(path.stat().st_size for path in source.weights())
    if choices.quantize:
        needed = needed * int(choices.quantize.removesuffix("bit")) // 16
    place = "cpu" if choices.offload else choices.device
    free = free_memory(place)
    if needed > free:
        raise UserError(
            f"--model {source.specifier}: its weights take {needed / 1e9:.1f} GB and {free / 1e9:.1f} GB are free on "
            f"{place}. Close other programs, try --offload model or --quantize 8bit on a GPU, or use a machine with "
            "more memory."
        )


def _device(name: str) -> str:
    import torch

    if name != "auto":
        first = name.partition(",")[0]
        try:
            torch.empty(1, device="cuda:0" if first == "all" else first)
        except (RuntimeError, AssertionError, NotImplementedError):
            raise UserError(f"--device {first} is not there. Give cpu, or auto.") from None
        return first
    return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"


def _dtype(source: Source, name: str) -> str:
    if name == "auto":
        # Weights are looked at before they are loaded; damaged ones are found when they are.
        try:
            return stored_dtype(source.denoising_weights())
        except (ValueError, OSError, AttributeError):
            return "float32"
    if name not in DTYPES:
        raise UserError(f"--dtype {name} is not known. Give auto, {', '.join(DTYPES)}.")
    return name


def _stored(file: Path) -> list[tuple[str, int]]:
    if file.suffix == ".gguf":
        return [("bfloat16", file.stat().st_size)]
    if file.suffix == ".safetensors":
        return [
            (STORED.get(each["dtype"], "bfloat16"), each["data_offsets"][1] - each["data_offsets"][0])
            for each in safetensors_header(file).values()
            if each["dtype"].startswith(("F", "BF"))
        ]
    import torch

    try:
        found = torch.load(file, map_location="cpu", mmap=True, weights_only=True)
        tensors = [each for each in found.get("state_dict", found).values() if isinstance(each, torch.Tensor)]
    # Old files cannot be looked into without being read whole.
    except Exception:
        log.info("%s: the type of its numbers is not seen from outside; taken for float32", file)
        return [("float32", file.stat().st_size)]
    names = {torch.float64: "float32", torch.float32: "float32", torch.float16: "float16", torch.bfloat16: "bfloat16"}
    return [(names[each.dtype], each.nbytes) for each in tensors if each.dtype in names]


def _scheduler_class(source: Source, name: str) -> Any:
    """Return the scheduler class of a name, where it can take the place of the pipeline's own."""
    import diffusers

    path = source.folder / "scheduler" / "scheduler_config.json"
    if not path.is_file():
        raise UserError(f"--scheduler: the pipeline of {source.specifier} has no scheduler to replace.")
    own = getattr(diffusers, json.loads(path.read_text(encoding="utf-8")).get("_class_name", ""), None)
    known = sorted({each.__name__ for each in _compatible(own)} | ({own.__name__} if own else set()))
    if name in known:
        return getattr(diffusers, name)
    near = get_close_matches(name, known, n=1, cutoff=0.3)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise UserError(f"--scheduler {name} does not fit this pipeline.{hint} Known for it: {', '.join(known) or 'none'}.")


def _compatible(own: Any) -> list[Any]:
    import diffusers

    names = [each.name if hasattr(each, "name") else str(each) for each in getattr(own, "_compatibles", [])]
    found = [getattr(diffusers, name, None) for name in names]
    return [each for each in found if each is not None and not hasattr(each, "_backends")]


def _require_quantization(source: Source, device: str) -> None:
    from importlib.util import find_spec

    if not device.startswith("cuda"):
        raise UserError(f"--quantize needs a GPU (CUDA); on {device} leave it out.")
    if source.file is not None:
        raise UserError("--quantize: a single file is loaded as it is. Leave the option out, or give a GGUF file.")
    if find_spec("bitsandbytes") is None:
        raise UserError("--quantize needs the package bitsandbytes: pip install 'copyrisk[quantize]'")


def _quantization(source: Source, bits: str, dtype: Any) -> Any:
    from diffusers.quantizers import PipelineQuantizationConfig

    parts = [name for name in source.index if name in DENOISERS or name.startswith("text_encoder")]
    kwargs = {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_compute_dtype": dtype}
    return PipelineQuantizationConfig(
        quant_backend=f"bitsandbytes_{bits}",
        quant_kwargs=kwargs if bits == "4bit" else {"load_in_8bit": True},
        components_to_quantize=[name for name in parts if name not in left_out(source)],
    )
