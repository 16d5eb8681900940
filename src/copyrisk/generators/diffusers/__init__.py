"""Any pipeline that `diffusers` loads and that makes images from prompts, from classes or from nothing.

The noise of each image comes from a generator of its own on the CPU, seeded with that image's seed, so an image does
not depend on its batch, nor its noise on the device. Batches are filled up to a multiple of eight with throw-away
images: matrix products of such sizes give the same bits for a row whatever the other rows are (odd sizes do not).
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from PIL import Image

from copyrisk.errors import UserError
from copyrisk.generators.diffusers.arguments import chosen_arguments, default_arguments, for_batch
from copyrisk.generators.diffusers.families import family_of
from copyrisk.generators.diffusers.loading import choices_of, load
from copyrisk.generators.diffusers.parts import left_out
from copyrisk.generators.diffusers.results import noticing_overflow, sorted_out
from copyrisk.generators.diffusers.source import Source, find_source
from copyrisk.generators.diffusers.texts import cut_remark
from copyrisk.generators.memory import choose_batch_size, free_memory, measured_peak
from copyrisk.generators.python import where
from copyrisk.generators.writing import Made
from copyrisk.options import Options
from copyrisk.run import log

ROW_MULTIPLE = 8
TILED = (
    "Memory was too short to decode a picture at once, so that it was decoded in tiles: pictures can differ a little "
    "from those of a machine with more memory."
)
UNREPEATABLE = (
    "The same prompt and seed gave two different pictures on this machine: this pipeline draws random numbers that no "
    "seed decides. The rates hold, but its pictures cannot be made again."
)


class DiffusersPipeline:
    """A pipeline; its weights are loaded when the first image is asked for."""

    def __init__(self, source: Source, options: Options):
        """Look at the pipeline's class and configuration, and at its weights only to identify them."""
        self.source = source
        self.specifier = source.specifier
        self.options = options
        self.listing: list[tuple[str, int]] | None = None
        self.observed: list[str] = []
        self.family = family_of(source)
        self.conditional = self.family.conditional
        self.arguments = chosen_arguments(self.specifier, self.family, options)
        self.missing = left_out(source)
        self.fingerprint = source.fingerprint
        self.choices = choices_of(source, options)
        self.settings = self._settings()

    def batch_size(self) -> int:
        """Return `--batch-size`, or as many images as fit half of the free memory, measured with one image."""
        import torch

        pipeline, device = self._pipeline, self.choices.device
        made: list[Made] = []
        try:
            peak = measured_peak(device, lambda: made.append(self._try(pipeline)))
            self._compare([*made, self._try(pipeline)])
        # What helps against it is tried when the images are made.
        except (torch.OutOfMemoryError, MemoryError):
            return 1
        return self.options.batch_size or choose_batch_size(peak, free_memory(device))

    def generate(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Made]:
        """Make one image for each prompt and seed; a batch that does not fit the memory is halved."""
        made: list[Made] = [""] * len(prompts)
        asked = []
        for position, prompt in enumerate(prompts):
            label = self.family.label(prompt) if self.family.wants == "class_labels" else 0
            if isinstance(label, str):
                made[position] = label
            else:
                asked.append(position)
        if asked:
            images = self._generate([prompts[each] for each in asked], [seeds[each] for each in asked], len(prompts))
            for position, image in zip(asked, images, strict=True):
                made[position] = image
        return made

    def close(self) -> None:
        """Let go of the weights; they are loaded again when an image is asked for."""
        self.__dict__.pop("_pipeline", None)

    def remarks(self, prompts: list[str]) -> list[str]:
        """Say what a reader must know: parts that were left out, prompts that the text encoder cuts."""
        found = []
        if self.missing:
            found.append(
                f"The pipeline's folder lacks {_listed(self.missing)}: its images were made without. With all its "
                "parts the model may give other images."
            )
        if self.family.wants == "prompt":
            defaults = {name: each.default for name, each in self.family.parameters.items()}
            found += cut_remark(self.source, {**defaults, **self.arguments}, prompts)
        return found

    def _generate(self, prompts: Sequence[str], seeds: Sequence[int], asked: int) -> list[Made]:
        import torch

        size = self.options.batch_size or asked
        filled = max(len(prompts), min(size, -(-len(prompts) // ROW_MULTIPLE) * ROW_MULTIPLE))
        extra = filled - len(prompts)
        try:
            images = self._call(self._pipeline, [*prompts, *[prompts[-1]] * extra], [*seeds, *[seeds[-1]] * extra])
            return images[: len(prompts)]
        except (torch.OutOfMemoryError, MemoryError):
            pass
        # The failed call's memory is free only here, where its exception is gone.
        if self.choices.device.startswith("cuda"):
            torch.cuda.empty_cache()
        if len(prompts) > 1:
            half = len(prompts) // 2
            log.warning("generate: %d images do not fit the memory; trying %d at a time", len(prompts), half)
            self._decode_with_less("slicing")
            parts = ((prompts[:half], seeds[:half]), (prompts[half:], seeds[half:]))
            return [image for part in parts for image in self._generate(*part, len(part[0]))]
        if self._decode_with_less("tiling"):
            log.warning("generate: one image does not fit the memory; decoding it in tiles")
            self.observed.append(TILED)
            return self._generate(prompts, seeds, 1)
        raise UserError(
            f"--model {self.specifier}: too little memory on {self.choices.device} for a single image. Try --dtype "
            "bfloat16, a smaller --height and --width, another --device, or on a GPU --offload model."
        )

    def _decode_with_less(self, way: str) -> bool:
        """Let the autoencoder decode by `slicing` or `tiling`; say whether it can and did not already."""
        decoder = getattr(self._pipeline, "vae", None)
        if not hasattr(decoder, f"enable_{way}") or getattr(decoder, f"use_{way}", True):
            return False
        getattr(decoder, f"enable_{way}")()
        return True

    def _compare(self, made: list[Made]) -> None:
        """Notice where the same prompt and seed do not give the same picture."""
        pictures = [np.asarray(each, np.int16) for each in made if isinstance(each, Image.Image)]
        # Some GPU kernels add in an order that changes; that moves a pixel by little.
        if len(pictures) == 2 and np.abs(pictures[0] - pictures[1]).mean() > 2 and UNREPEATABLE not in self.observed:
            log.warning("generate: %s", UNREPEATABLE)
            self.observed.append(UNREPEATABLE)

    def _try(self, pipeline: Any) -> Made:
        """Make one image in few steps."""
        quick = {"num_inference_steps": 2} if "num_inference_steps" in self.family.parameters else {}
        prompt = "0" if self.family.wants == "class_labels" else "a"
        return self._call(pipeline, [prompt], [0], **quick)[0]

    def _call(self, pipeline: Any, prompts: Sequence[str], seeds: Sequence[int], **extra: Any) -> list[Made]:
        """Call the pipeline; what it raises is a UserError with its own words, except where memory is short."""
        import torch

        given = for_batch({**self.arguments, **extra}, len(prompts))
        noise = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
        try:
            with noticing_overflow() as overflow:
                result = pipeline(**self.family.request(prompts), **given, generator=noise, output_type="pil")
            return sorted_out(self.specifier, result, len(prompts), overflow(), self.choices.dtype)
        except (UserError, torch.OutOfMemoryError, MemoryError):
            raise
        # What a pipeline's own code raises is anybody's guess; it must not look like a fault of the audit.
        except Exception as error:
            lacking = f" Its folder lacks {_listed(self.missing)}." if self.missing else ""
            raise UserError(f"--model {self.specifier}: the pipeline failed: {where(error)}{lacking}") from error

    def _settings(self) -> dict[str, Any]:
        options, choices = self.options, self.choices
        own = {name: value for name, value in self.arguments.items() if name in default_arguments(self.family)}
        chosen = {
            "set": sorted(options.set),
            "lora": list(options.lora),
            "scheduler": choices.scheduler,
            "variant": options.variant,
            "config": options.config,
            "quantize": choices.quantize,
            "compile": choices.compile,
            "left_out": self.missing,
            # Part of what made the images only where there is code to trust.
            "trust_remote_code": options.trust_remote_code and self.source.has_code,
        }
        shaping = {name: value for name, value in chosen.items() if value}
        return {**default_arguments(self.family), **own, "dtype": choices.dtype, **shaping}

    @cached_property
    def _pipeline(self) -> Any:
        return load(self.source, self.choices)


def open_diffusers(argument: str, options: Options) -> DiffusersPipeline:
    """Open `diffusers:FOLDER`, `diffusers:FILE` or `diffusers:ORGANISATION/NAME`; raise UserError for anything else."""
    _require_diffusers()
    return DiffusersPipeline(find_source(argument, options), options)


def _require_diffusers() -> None:
    try:
        import diffusers
        import torch  # noqa: F401 - only whether it is there
    except ImportError as error:
        raise UserError(f"diffusers cannot be used ({error}). Install it: pip install 'copyrisk[diffusers]'") from None
    diffusers.utils.logging.disable_progress_bar()


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
