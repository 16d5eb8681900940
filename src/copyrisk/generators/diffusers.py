"""Any pipeline that `diffusers` loads: a folder written by `save_pretrained`, or a hub id.

The noise of each image comes from a generator of its own on the CPU, seeded with that image's seed, so an image does
not depend on its batch, nor its noise on the device. Batches are filled up to a multiple of eight with throw-away
images: matrix products of such sizes give the same bits for a row whatever the other rows are (odd sizes do not).
"""

import inspect
import json
from collections.abc import Sequence
from functools import cached_property, lru_cache
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

from copyrisk.errors import UserError
from copyrisk.generators import Made
from copyrisk.generators.memory import choose_batch_size, free_memory, measured_peak
from copyrisk.generators.python import where
from copyrisk.options import Options, flag
from copyrisk.run import log

CALL_OPTIONS = {
    "steps": "num_inference_steps",
    "guidance_scale": "guidance_scale",
    "height": "height",
    "width": "width",
}
ROW_MULTIPLE = 8


class DiffusersPipeline:
    """A pipeline folder; the weights are loaded when the first image is asked for."""

    def __init__(self, specifier: str, folder: Path, options: Options):
        """Read the folder's `model_index.json`, and its weights only to identify them."""
        self.specifier = specifier
        self.folder = folder
        self.options = options
        self.listing: list[tuple[str, int]] | None = None
        self.parameters = inspect.signature(_pipeline_class(specifier, folder, options).__call__).parameters
        if "generator" not in self.parameters:
            raise UserError(f"--model {specifier}: its pipeline takes no generator, so no image could be made again.")
        self.conditional = "prompt" in self.parameters
        if not self.conditional and "batch_size" not in self.parameters:
            raise UserError(
                f"--model {specifier}: its pipeline takes neither prompts nor a batch size. Wrap it in a function of "
                "your own and give --model python:MODULE:FUNCTION."
            )
        self.fingerprint = _fingerprint(folder)
        self.settings = self._settings()

    def batch_size(self) -> int:
        """Return `--batch-size`, or as many images as fit half of the free memory, measured with one image."""
        if self.options.batch_size:
            return self.options.batch_size
        pipeline = self._pipeline
        quick = {"num_inference_steps": 2} if "num_inference_steps" in self.parameters else {}
        peak = measured_peak(self._device, lambda: self._call(pipeline, [""], [0], **quick))
        return choose_batch_size(peak, free_memory(self._device))

    def generate(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Made]:
        """Make one image for each prompt and seed; a batch that does not fit the memory is halved."""
        import torch

        size = self.options.batch_size or len(prompts)
        filled = max(len(prompts), min(size, -(-len(prompts) // ROW_MULTIPLE) * ROW_MULTIPLE))
        extra = filled - len(prompts)
        try:
            images = self._call(self._pipeline, [*prompts, *[prompts[-1]] * extra], [*seeds, *[seeds[-1]] * extra])
        except (torch.OutOfMemoryError, MemoryError):
            if len(prompts) == 1:
                raise UserError(
                    f"--model {self.specifier}: too little memory on {self._device} for a single image. Try --dtype "
                    "float16, a smaller --height and --width, or another --device."
                ) from None
            half = len(prompts) // 2
            log.warning("generate: %d images do not fit the memory; trying %d at a time", len(prompts), half)
            return self.generate(prompts[:half], seeds[:half]) + self.generate(prompts[half:], seeds[half:])
        except UserError:
            raise
        # What a pipeline's own code raises is anybody's guess; it must not look like a fault of the audit.
        except Exception as error:
            raise UserError(f"--model {self.specifier}: the pipeline failed: {where(error)}") from error
        return list(images[: len(prompts)])

    def _call(self, pipeline: Any, prompts: Sequence[str], seeds: Sequence[int], **extra: Any) -> list[Made]:
        import torch

        what: dict[str, Any] = {"prompt": list(prompts)} if self.conditional else {"batch_size": len(seeds)}
        noise = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
        result = pipeline(**what, **{**self._given(), **extra}, generator=noise, output_type="pil")
        images: list[Made] = result.images
        return images

    def _given(self) -> dict[str, Any]:
        given = {name: getattr(self.options, option) for option, name in CALL_OPTIONS.items()}
        return {name: value for name, value in given.items() if value is not None}

    def _settings(self) -> dict[str, Any]:
        for option, name in CALL_OPTIONS.items():
            if getattr(self.options, option) is not None and name not in self.parameters:
                raise UserError(f"--model {self.specifier}: its pipeline has no {name}; leave out {flag(option)}.")
        defaults = {name: self.parameters[name].default for name in CALL_OPTIONS.values() if name in self.parameters}
        # Part of what made the images only where there is code to trust.
        trust = {"trust_remote_code": True} if self.options.trust_remote_code and _has_code(self.folder) else {}
        return {**defaults, **self._given(), "dtype": str(self._dtype).removeprefix("torch."), **trust}

    @cached_property
    def _device(self) -> str:
        import torch

        if self.options.device != "auto":
            try:
                torch.empty(1, device=self.options.device)
            except (RuntimeError, AssertionError, NotImplementedError):
                raise UserError(f"--device {self.options.device} is not there. Give cpu, or auto.") from None
            return self.options.device
        return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"

    @cached_property
    def _dtype(self) -> Any:
        import torch

        known = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
        name = self.options.dtype
        if name == "auto":
            name = "float16" if self._device.startswith("cuda") else "float32"
        if name not in known:
            raise UserError(f"--dtype {name} is not known. Give auto, {', '.join(known)}.")
        return known[name]

    @cached_property
    def _pipeline(self) -> Any:
        from diffusers import DiffusionPipeline

        needed = sum(path.stat().st_size for path in _weights(self.folder))
        free = free_memory(self._device)
        if needed > free:
            raise UserError(
                f"--model {self.specifier}: its weights take {needed / 1e9:.1f} GB and {free / 1e9:.1f} GB are free on "
                f"{self._device}. Close other programs, or use a machine with more memory."
            )
        try:
            pipeline = DiffusionPipeline.from_pretrained(
                self.folder, dtype=self._dtype, trust_remote_code=self.options.trust_remote_code
            ).to(self._device)
        # Damaged weights and missing packages end in nearly any exception.
        except Exception as error:
            raise UserError(f"--model {self.specifier}: cannot be loaded: {_first_line(error)}") from error
        pipeline.set_progress_bar_config(disable=True)
        return pipeline


def open_diffusers(argument: str, options: Options) -> DiffusersPipeline:
    """Open `diffusers:FOLDER` or `diffusers:ORGANISATION/NAME`; raise UserError where it is neither."""
    _require_diffusers()
    specifier = f"diffusers:{argument}"
    folder = Path(argument).expanduser()
    if not folder.exists():
        folder = _download(specifier, argument, options)
    if not (folder / "model_index.json").is_file():
        hint = (
            " It is a single file: load it with from_single_file and save_pretrained first." if folder.is_file() else ""
        )
        raise UserError(f"--model {specifier}: {folder} is no pipeline folder, it has no model_index.json.{hint}")
    return DiffusersPipeline(specifier, folder, options)


def _require_diffusers() -> None:
    try:
        import diffusers
        import torch  # noqa: F401 - only whether it is there
    except ImportError as error:
        raise UserError(f"diffusers cannot be used ({error}). Install it: pip install 'copyrisk[diffusers]'") from None
    diffusers.utils.logging.set_verbosity_error()
    diffusers.utils.logging.disable_progress_bar()


def _download(specifier: str, name: str, options: Options) -> Path:
    if name.count("/") != 1 or name.startswith((".", "/", "~")):
        raise UserError(
            f"--model {specifier}: there is no folder {name}, and it is no hub id (organisation/name) either."
        )
    from diffusers import DiffusionPipeline

    log.info("fetching %s", name)
    try:
        return Path(DiffusionPipeline.download(name, trust_remote_code=options.trust_remote_code))
    # The hub's errors come from three libraries; the message is what a person needs.
    except Exception as error:
        raise UserError(
            f"--model {specifier}: there is no folder {name}, and the hub does not give it: {_first_line(error)}"
        ) from error


def _pipeline_class(specifier: str, folder: Path, options: Options) -> Any:
    import diffusers

    try:
        name = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))["_class_name"]
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise UserError(f"--model {specifier}: {folder / 'model_index.json'} is damaged ({error!r}).") from None
    if isinstance(name, str):
        found = getattr(diffusers, name, None)
        if found is None:
            raise UserError(
                f"--model {specifier}: diffusers {diffusers.__version__} has no pipeline '{name}'. Install the version "
                "that the model was made with."
            )
        return found
    if not options.trust_remote_code:
        raise UserError(
            f"--model {specifier}: it brings Python code of its own ({name[0]}.py). Read that code, and if you trust "
            "it add --trust-remote-code."
        )
    from diffusers.utils.dynamic_modules_utils import get_class_from_dynamic_module

    try:
        return get_class_from_dynamic_module(
            str(folder), module_file=f"{name[0]}.py", class_name=name[1], trust_remote_code=True
        )
    except Exception as error:
        raise UserError(f"--model {specifier}: its code cannot be loaded: {_first_line(error)}") from error


def _has_code(folder: Path) -> bool:
    return any(not _hidden(path.relative_to(folder)) for path in folder.rglob("*.py"))


def _weights(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.suffix in (".safetensors", ".bin")]


def _fingerprint(folder: Path) -> str:
    """Hash the contents of all files that say what the model is; read-me files and pictures may change."""
    suffixes = (".safetensors", ".bin", ".json", ".txt", ".py", ".model")
    files = [
        (path.relative_to(folder).as_posix(), path, path.stat().st_size, path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.suffix in suffixes and path.is_file() and not _hidden(path.relative_to(folder))
    ]
    return _hash_files(tuple(files))


# Gigabytes of weights are read once a process, as long as sizes and times stay the same.
@lru_cache(maxsize=4)
def _hash_files(files: tuple[tuple[str, Path, int, int], ...]) -> str:
    total = sha256()
    for name, path, _, _ in files:
        with path.open("rb") as file:
            total.update(f"{name} {file_digest(file, 'sha256').hexdigest()}\n".encode())
    return total.hexdigest()


def _hidden(path: Path) -> bool:
    return any(part.startswith((".", "__")) for part in path.parts)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
