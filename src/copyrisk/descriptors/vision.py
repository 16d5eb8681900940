"""Any vision model that `transformers` loads, with its own image processor: DINOv2, CLIP, SigLIP, plain ViT.

Models of images and text give their image features (the vector that is compared with text); others the output of their
pooling layer, or where they have none, or one that was not trained, their first token. `pool=cls`, `pool=mean` or
`pool=pooler` says otherwise.

Pictures are prepared by Pillow and NumPy, never by torchvision, so that rows do not depend on what is installed.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from copyrisk.descriptors import pytorch
from copyrisk.descriptors.network import Floats, Loaded, Network, Place, hash_of, reason, require, split
from copyrisk.errors import UserError

OPTIONS = ("pool", "revision", *pytorch.OPTIONS)
POOLS = ("pooler", "cls", "mean")
PROCESSORS = ("preprocessor_config.json", "processor_config.json")
CONFIGURATION = ("config.json", *PROCESSORS)
UNUSED = ("pooler", "mask_token")
"""Weights that may be missing: they are not used then, or only in training."""


def open_transformers(argument: str) -> Network:
    """Open `transformers:FOLDER?OPTIONS` or `transformers:ORGANISATION/NAME?OPTIONS`.

    Raises UserError where it is neither, or no model with an image processor.
    """
    place = split("transformers", argument, OPTIONS)
    require(place, "networks", "torch", "transformers")
    if place.options.get("pool", "cls") not in POOLS:
        raise UserError(f"{place}: pool={place.options['pool']} is not known. Give {', '.join(POOLS)}.")
    folder = Path(place.where).expanduser()
    local = folder.is_dir()
    if not local:
        folder = _download(place, folder)
    where = str(folder.resolve()) if local else place.where

    def load(device: str) -> Loaded:
        return _load(place, folder, device)

    return Network(place, where, hash_of(_files(place, folder)), load, pytorch.find_device)


def _files(place: Place, folder: Path) -> list[Path]:
    """List the files that make the model what it is."""
    weights = sorted(folder.glob("*.safetensors")) or sorted(folder.glob("*.bin"))
    if not (folder / "config.json").is_file() or not weights:
        raise UserError(f"{place}: {folder} is no model folder, it has no config.json or no weights (*.safetensors).")
    if not any((folder / name).is_file() for name in PROCESSORS):
        raise UserError(
            f"{place}: it has no image processor ({PROCESSORS[0]}), so it is no vision model, or it was saved without. "
            "For a model of your own: AutoImageProcessor.from_pretrained(ID).save_pretrained(FOLDER), with the ID of "
            "the model that yours was made from."
        )
    return [*weights, *(path for name in CONFIGURATION if (path := folder / name).is_file())]


def _download(place: Place, folder: Path) -> Path:
    name = place.where
    if folder.exists() or name.count("/") != 1 or name.startswith((".", "/", "~")):
        raise UserError(f"{place}: there is no folder {name}, and it is no hub id (organisation/name) either.")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    def fetch(*patterns: str) -> Path:
        return Path(snapshot_download(name, revision=place.options.get("revision"), allow_patterns=list(patterns)))

    try:
        found = fetch(*CONFIGURATION, "*.safetensors", "*.safetensors.index.json")
        return found if any(found.glob("*.safetensors")) else fetch(*CONFIGURATION, "*.bin", "*.bin.index.json")
    except GatedRepoError:
        raise UserError(
            f"{place}: its owners want to know who uses it. Accept their terms on the page of {name}, then log in by "
            "'hf auth login'."
        ) from None
    except RevisionNotFoundError:
        raise UserError(f"{place}: {name} has no revision {place.options.get('revision')}.") from None
    except RepositoryNotFoundError:
        raise UserError(
            f"{place}: there is no folder {name}, and no such model on the hub, or it is private: 'hf auth login'."
        ) from None
    # The hub's other errors come from three libraries; the message is what a person needs.
    except Exception as error:
        raise UserError(
            f"{place}: there is no folder {name}, and the hub cannot be reached ({reason(error)}). Copy the model's "
            "folder here and give its path."
        ) from error


def _load(place: Place, folder: Path, device: str) -> Loaded:
    import torch
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    try:
        processor = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil", local_files_only=True)
        model, info = transformers.AutoModel.from_pretrained(
            folder, dtype=torch.float32, output_loading_info=True, local_files_only=True
        )
    # Damaged weights, missing packages and models with code of their own end in nearly any exception.
    except Exception as error:
        raise UserError(f"{place} cannot be loaded: {reason(error)}") from error
    if not hasattr(model, "get_image_features") and model.main_input_name != "pixel_values":
        raise UserError(f"{place}: {type(model).__name__} sees no images. Give a vision model, such as DINOv2 or CLIP.")
    missing = {*info["missing_keys"], *(str(key) for key in info["mismatched_keys"])}
    if lost := sorted(key for key in missing if not any(part in key for part in UNUSED)):
        raise UserError(
            f"{place}: its weights are incomplete: {len(lost)} are missing or of another shape, the first {lost[0]}."
        )

    def prepare(image: Image.Image) -> Floats:
        return np.asarray(processor(images=image, return_tensors="np")["pixel_values"][0], np.float32)

    trained = not any("pooler" in key for key in missing)
    return pytorch.ready(prepare, _forward(model.to(device).eval(), place.options.get("pool"), trained), device)


def _forward(model: Any, pool: str | None, trained: bool) -> Callable[[Any], Any]:
    """Return the function from prepared pictures to rows; `trained`: its pooling layer, if any, has weights."""

    def forward(pictures: Any) -> Any:
        if pool is None and hasattr(model, "get_image_features"):
            features = model.get_image_features(pixel_values=pictures)
            return getattr(features, "pooler_output", features)
        output = getattr(model, "vision_model", model)(pixel_values=pictures)
        pooled = getattr(output, "pooler_output", None)
        if pool == "pooler" or (pool is None and trained and pooled is not None):
            return pooled
        hidden = output.last_hidden_state
        if pool == "mean" or hidden.ndim == 4:
            return hidden.mean(dim=(2, 3) if hidden.ndim == 4 else 1)
        return hidden[:, 0]

    return forward
