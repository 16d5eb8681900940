"""What kind of pipeline it is, read off its class: what its call wants for a prompt, or why it cannot be audited."""

import inspect
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from copyrisk.errors import UserError
from copyrisk.generators.diffusers.source import Source

WRAP = "wrap it in a function of your own and give --model python:MODULE:FUNCTION"
PICTURE_FIRST = re.compile(
    "Img2Img|ControlNet|Upscale|SuperResolution|Variation|Pix2Pix|Adapter|Refiner|Edit|Depth2Img"
)
HALF = {"image_embeds", "image_embeddings", "negative_image_embeds"}


@dataclass(frozen=True)
class Family:
    """How a pipeline is asked: `prompt` (text), `class_labels` (a prompt names a class) or `batch_size` (no prompt)."""

    wants: str
    parameters: dict[str, inspect.Parameter]
    """Those of the pipeline's call."""
    labels: dict[str, int] = field(default_factory=dict)
    classes: int = 0

    @property
    def conditional(self) -> bool:
        """Whether it takes prompts."""
        return self.wants != "batch_size"

    def label(self, prompt: str) -> int | str:
        """Return the class that a prompt means, by name or number, or in words why it means none."""
        text = prompt.strip()
        if text.isdigit() and int(text) < self.classes:
            return int(text)
        lowered = {name.lower(): number for name, number in self.labels.items()}
        if text.lower() in lowered:
            return lowered[text.lower()]
        near = get_close_matches(text.lower(), lowered, n=1)
        hint = f"; the nearest is '{near[0]}'" if near else ""
        return f"'{text}' is no class of this model (its numbers are 0 to {self.classes - 1}{hint})"

    def request(self, prompts: Sequence[str]) -> dict[str, Any]:
        """Return the argument of the call that asks for these; of classes all prompts must mean one."""
        size = {"batch_size": len(prompts)} if "batch_size" in self.parameters and self.wants != "prompt" else {}
        if self.wants == "class_labels":
            return {"class_labels": [self.label(prompt) for prompt in prompts], **size}
        return {"prompt": list(prompts)} if self.conditional else size


def family_of(source: Source) -> Family:
    """Say how to ask a pipeline for images; raise UserError with what to do where it makes none from prompts."""
    kind = source.pipeline_class
    parameters = {
        name: each for name, each in inspect.signature(kind.__call__).parameters.items() if name not in ("self", "args")
    }
    _refuse(source, kind.__name__, parameters)
    if "prompt" in parameters:
        return Family("prompt", parameters)
    classes = _classes(source)
    if "class_labels" in parameters and classes:
        names = source.index.get("id2label")
        # One number can have several names, as 'goldfish, Carassius auratus'.
        pairs = [(name.strip(), int(number)) for number, text in (names or {}).items() for name in text.split(",")]
        return Family("class_labels", parameters, dict(pairs), classes)
    return Family("batch_size", parameters)


def _refuse(source: Source, name: str, parameters: dict[str, inspect.Parameter]) -> None:
    what = f"--model {source.specifier}: {name}"
    if "num_frames" in parameters or "video" in parameters:
        raise UserError(f"{what} makes videos, and images are audited here. To audit its frames, {WRAP}.")
    if name in _classes_of("AUTO_TEXT2AUDIO_PIPELINES_MAPPING") or any(
        each.startswith("audio_") for each in parameters
    ):
        raise UserError(f"{what} makes sound, and images are audited here.")
    required = {
        each.name
        for each in parameters.values()
        if each.default is each.empty and each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
    } - {"prompt", "class_labels", "batch_size", "generator"}
    if required & HALF:
        raise UserError(
            f"{what} is the second half of a model: it makes images of what a prior made of the prompt. Save both as "
            f"the combined pipeline (AutoPipelineForText2Image loads that), or {WRAP}."
        )
    known = name in _classes_of("AUTO_TEXT2IMAGE_PIPELINES_MAPPING") and "Control" not in name
    from_mask = "mask_image" in parameters or "Inpaint" in name
    from_picture = PICTURE_FIRST.search(name) or name in _classes_of("AUTO_IMAGE2IMAGE_PIPELINES_MAPPING")
    if from_mask or "image" in required or "control_image" in parameters or (from_picture and not known):
        does = "fills a hole in a picture" if from_mask else "makes a picture from a picture"
        raise UserError(
            f"{what} {does}, and an audit has only prompts to give. {_text_twin(name)}Or {WRAP}, with the pictures to "
            "start from."
        )
    if required:
        raise UserError(f"{what} cannot be called without {', '.join(sorted(required))}: {WRAP}.")
    if "generator" not in parameters:
        raise UserError(f"{what} takes no generator, so no image could be made again: {WRAP}.")
    if not {"prompt", "class_labels", "batch_size"} & parameters.keys():
        raise UserError(f"{what} takes neither prompts nor classes nor a batch size: {WRAP}.")


def _text_twin(name: str) -> str:
    """Name the pipeline that makes images from prompts with the same parts, where diffusers has one."""
    from diffusers.pipelines import auto_pipeline

    for table in ("AUTO_IMAGE2IMAGE_PIPELINES_MAPPING", "AUTO_INPAINT_PIPELINES_MAPPING"):
        for key, found in getattr(auto_pipeline, table).items():
            twin = auto_pipeline.AUTO_TEXT2IMAGE_PIPELINES_MAPPING.get(key)
            if found.__name__ == name and twin is not None:
                return (
                    f"The same weights make images from prompts as {twin.__name__}: load them with its from_pretrained "
                    "and write it with save_pretrained. "
                )
    return "Give the pipeline that makes images from prompts with these weights, if there is one. "


def _classes_of(table: str) -> set[str]:
    from diffusers.pipelines import auto_pipeline

    return {found.__name__ for found in getattr(auto_pipeline, table).values()}


def _classes(source: Source) -> int:
    """Return how many classes the denoiser knows; 0 where it has none."""
    path = source.folder / source.denoiser / "config.json"
    if not path.is_file():
        return 0
    config = json.loads(path.read_text(encoding="utf-8"))
    return int(config.get("num_class_embeds") or config.get("num_embeds_ada_norm") or 0)
