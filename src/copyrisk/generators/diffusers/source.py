"""Where a pipeline comes from: a folder written by `save_pretrained`, a hub id, or a single file of weights."""

import json
from dataclasses import dataclass, field
from functools import cached_property, lru_cache, partial
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

from copyrisk.errors import UserError
from copyrisk.options import Options
from copyrisk.run import log

SINGLE_FILES = (".safetensors", ".ckpt", ".pt", ".pth", ".bin", ".gguf")
WHOLE = ("first_stage_model.", "vae.", "cond_stage_model.", "conditioner.", "text_encoders.")
"""How the names of weights begin in a file that holds all parts, and not the denoiser alone."""
DENOISERS = ("transformer", "unet", "prior")
CONFIGURATION = (".json", ".txt", ".py", ".model")


@dataclass(frozen=True)
class Source:
    """A pipeline on disk that nothing has been loaded of."""

    specifier: str
    folder: Path
    """Holds `model_index.json` and the parts, or of a whole single file their configuration alone."""
    file: Path | None = None
    """The single file whose weights take the place of those in `folder`."""
    variant: str | None = None
    trust: bool = False
    loras: tuple["Lora", ...] = ()
    index: dict[str, Any] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        path = self.folder / "model_index.json"
        try:
            index = json.loads(path.read_text(encoding="utf-8"))
            index["_class_name"]
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise UserError(f"--model {self.specifier}: {path} is damaged ({error!r}).") from None
        object.__setattr__(self, "index", index)

    @cached_property
    def pipeline_class(self) -> Any:
        """The class of the pipeline; raise UserError where it is not known, not trusted, or lacks a package."""
        import diffusers
        from diffusers.utils import requires_backends

        name = self.index["_class_name"]
        if not isinstance(name, str):
            return self._own_class(*name)
        found = getattr(diffusers, name, None)
        if found is None:
            raise UserError(
                f"--model {self.specifier}: diffusers {diffusers.__version__} has no pipeline '{name}'. Install the "
                "version that the model was made with."
            )
        # What stands for a class whose packages are missing.
        if hasattr(found, "_backends"):
            try:
                requires_backends(found, found._backends)
            except ImportError as error:
                raise UserError(f"--model {self.specifier}: {' '.join(str(error).split())}") from None
        return found

    @cached_property
    def whole(self) -> bool:
        """Whether the single file holds all parts with weights."""
        return self.file is not None and any(name.startswith(WHOLE) for name in weight_names(self.file))

    @cached_property
    def denoiser(self) -> str:
        """The name of the part that denoises."""
        return next((name for name in DENOISERS if name in self.index), DENOISERS[0])

    def weights(self) -> list[Path]:
        """List the files of weights that loading reads."""
        found = [] if self.whole else _weights(self.folder, self.variant)
        if self.file is not None:
            found = [self.file, *(path for path in found if path.parent != self.folder / self.denoiser)]
        return found

    def denoising_weights(self) -> list[Path]:
        """List the files of weights of the denoiser; of a pipeline in which no part is called so, all."""
        if self.file is not None:
            return [self.file]
        return [path for path in self.weights() if path.parent.name == self.denoiser] or self.weights()

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the contents of all files that say what the model is; read-me files and pictures may change."""
        files = {path: path.relative_to(self.folder).as_posix() for path in _configuration(self.folder)}
        for path in self.weights():
            files[path] = "weights" if path == self.file else path.relative_to(self.folder).as_posix()
        files |= {lora.file: f"lora {number}" for number, lora in enumerate(self.loras)}
        stamps = [(name, path, path.stat().st_size, path.stat().st_mtime_ns) for path, name in files.items()]
        return _hash_files(tuple(sorted(stamps)))

    @property
    def has_code(self) -> bool:
        """Whether it brings Python code of its own."""
        return any(path.suffix == ".py" for path in _configuration(self.folder))

    def _own_class(self, module: str, name: str) -> Any:
        if not self.trust:
            raise UserError(
                f"--model {self.specifier}: it brings Python code of its own ({module}.py). Read that code, and if you "
                "trust it add --trust-remote-code."
            )
        from diffusers.utils.dynamic_modules_utils import get_class_from_dynamic_module

        try:
            return get_class_from_dynamic_module(
                str(self.folder), module_file=f"{module}.py", class_name=name, trust_remote_code=True
            )
        except Exception as error:
            raise UserError(f"--model {self.specifier}: its code cannot be loaded: {first_line(error)}") from error


@dataclass(frozen=True)
class Lora:
    """A file of low-rank changes to the weights, and how strongly they are applied."""

    file: Path
    scale: float


def find_source(argument: str, options: Options) -> Source:
    """Find what `diffusers:ARGUMENT` means; raise UserError where there is no pipeline.

    What is not there is taken for a hub id and fetched.
    """
    specifier, path = f"diffusers:{argument}", Path(argument).expanduser()
    make = partial(
        Source,
        specifier,
        variant=options.variant,
        trust=options.trust_remote_code,
        loras=tuple(_lora(text) for text in options.lora),
    )
    if path.is_file():
        if path.suffix not in SINGLE_FILES:
            raise UserError(
                f"--model {specifier}: {path} is neither a pipeline folder nor a file of weights "
                f"({', '.join(SINGLE_FILES)})."
            )
        return make(_configuration_of(specifier, path, options), path)
    if options.config is not None:
        raise UserError(f"--config is for a single file of weights, and {specifier} is none. Leave it out.")
    folder = path if path.exists() else _download(f"--model {specifier}", argument, options)
    if not (folder / "model_index.json").is_file():
        raise UserError(f"--model {specifier}: {folder} is no pipeline folder, it has no model_index.json.")
    source = make(folder)
    _require_variant(source)
    return source


def weight_names(file: Path) -> list[str]:
    """List the names of the weights in a file; raise UserError where it is damaged."""
    try:
        if file.suffix == ".safetensors":
            return list(safetensors_header(file))
        if file.suffix == ".gguf":
            return [tensor.name for tensor in _gguf(file).tensors]
        import torch

        found = torch.load(file, map_location="cpu", mmap=True, weights_only=True)
        return list(found.get("state_dict", found))
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{file} cannot be read as weights: {first_line(error)}") from None


def safetensors_header(file: Path) -> dict[str, dict[str, Any]]:
    """Return dtype, shape and place of each tensor of a safetensors file, by name."""
    with file.open("rb") as opened:
        header = json.loads(opened.read(int.from_bytes(opened.read(8), "little")))
    header.pop("__metadata__", None)
    found: dict[str, dict[str, Any]] = header
    return found


def first_line(error: Exception) -> str:
    """Return the first line of an exception's message, or its type."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _gguf(file: Path) -> Any:
    try:
        import gguf
    except ImportError:
        raise UserError(f"{file}: GGUF files need the package gguf: pip install 'copyrisk[gguf]'") from None
    return gguf.GGUFReader(file)


def _configuration_of(specifier: str, file: Path, options: Options) -> Path:
    """Find the pipeline whose configuration, and whose other parts, a single file is loaded with."""
    whole = any(name.startswith(WHOLE) for name in weight_names(file))
    name = options.config
    if name is None:
        try:
            from diffusers.loaders.single_file_utils import fetch_diffusers_config, load_single_file_checkpoint

            name = fetch_diffusers_config(load_single_file_checkpoint(str(file)))["pretrained_model_name_or_path"]
            folder = _download_configuration(str(name)) if whole else _download("--config", str(name), options)
        except Exception as error:
            raise UserError(
                f"--model {specifier}: a single file needs the configuration of its pipeline, and it cannot be fetched "
                f"({first_line(error)}). Give --config FOLDER_OR_ID, a pipeline of the same kind."
            ) from None
        log.info("%s is loaded as %s", file.name, name)
        return folder
    folder = Path(name).expanduser()
    if not folder.exists():
        folder = _download("--config", name, options)
    if not (folder / "model_index.json").is_file():
        raise UserError(f"--config {name} is no pipeline folder, it has no model_index.json.")
    return folder


def _download(option: str, name: str, options: Options) -> Path:
    if name.count("/") != 1 or name.startswith((".", "/", "~")):
        raise UserError(f"{option}: there is no folder {name}, and it is no hub id (organisation/name) either.")
    from diffusers import DiffusionPipeline

    log.info("fetching %s", name)
    try:
        return Path(
            DiffusionPipeline.download(name, variant=options.variant, trust_remote_code=options.trust_remote_code)
        )
    # The hub's errors come from three libraries; the message is what a person needs.
    except Exception as error:
        raise UserError(
            f"{option}: there is no folder {name}, and the hub does not give it: {first_line(error)}"
        ) from error


def _download_configuration(name: str) -> Path:
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(name, allow_patterns=[f"*{suffix}" for suffix in CONFIGURATION]))


def _lora(text: str) -> Lora:
    name, sign, scale = text.rpartition("=")
    if not sign:
        name, scale = text, "1"
    try:
        strength = float(scale)
    except ValueError:
        # The path itself holds the sign.
        name, strength = text, 1.0
    path = Path(name).expanduser()
    if not path.exists():
        path = _download_lora(name)
    return Lora(path if path.is_file() else _lora_in(path), strength)


def _download_lora(name: str) -> Path:
    if name.count("/") != 1 or name.startswith((".", "/", "~")):
        raise UserError(f"--lora: there is no file or folder {name}, and it is no hub id (organisation/name) either.")
    from huggingface_hub import snapshot_download

    log.info("fetching %s", name)
    try:
        return Path(snapshot_download(name, allow_patterns=["*.safetensors"]))
    except Exception as error:
        raise UserError(
            f"--lora: there is no file or folder {name}, and the hub does not give it: {first_line(error)}"
        ) from error


def _lora_in(folder: Path) -> Path:
    files = sorted(folder.glob("*.safetensors"))
    named = [file for file in files if file.name == "pytorch_lora_weights.safetensors"]
    if len(named or files) != 1:
        listed = ", ".join(file.name for file in files) or "none"
        raise UserError(f"--lora {folder}: one .safetensors file is expected there, found: {listed}. Name the file.")
    return (named or files)[0]


def _require_variant(source: Source) -> None:
    if source.weights():
        return
    others = sorted({path.name.split(".")[1] for path in _all_weights(source.folder) if path.name.count(".") > 1})
    if others:
        asked = f"no variant '{source.variant}'" if source.variant else "only variants of its weights"
        raise UserError(f"--model {source.specifier} holds {asked}. Give --variant {' or '.join(others)}.")


def _all_weights(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.suffix in (".safetensors", ".bin") and _shown(folder, path)]


def _weights(folder: Path, variant: str | None) -> list[Path]:
    """List for each part the files that diffusers reads: of the variant where there is one, safetensors before bin."""
    found: list[Path] = []
    by_part: dict[Path, list[Path]] = {}
    for path in sorted(_all_weights(folder)):
        by_part.setdefault(path.parent, []).append(path)
    for paths in by_part.values():
        plain = [path for path in paths if path.name.count(".") == 1]
        of_variant = [path for path in paths if f".{variant}." in path.name or f".{variant}-" in path.name]
        chosen = of_variant or plain if variant else plain
        safe = [path for path in chosen if path.suffix == ".safetensors"]
        found += safe or chosen
    return found


def _configuration(folder: Path) -> list[Path]:
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix in CONFIGURATION and path.is_file() and _shown(folder, path)
    ]


# Gigabytes of weights are read once a process, as long as sizes and times stay the same.
@lru_cache(maxsize=4)
def _hash_files(files: tuple[tuple[str, Path, int, int], ...]) -> str:
    total = sha256()
    for name, path, _, _ in files:
        with path.open("rb") as file:
            total.update(f"{name} {file_digest(file, 'sha256').hexdigest()}\n".encode())
    return total.hexdigest()


def _shown(folder: Path, path: Path) -> bool:
    return not any(part.startswith((".", "__")) for part in path.relative_to(folder).parts)
