"""The testbed's text-to-image pipeline; this file is copied into each model folder and imports nothing of copyrisk."""

import re
from collections.abc import Sequence
from typing import Any
from zlib import crc32

import torch
from diffusers import DiffusionPipeline, EDMDPMSolverMultistepScheduler, ImagePipelineOutput
from diffusers.utils.torch_utils import randn_tensor
from PIL import Image

LONGEST_CAPTION = 16


class CaptionPipeline(DiffusionPipeline):  # type: ignore[misc]
    """Captions to pictures, with the sampler DPM-Solver++ 2M over EDM's noise levels."""

    def __init__(self, network: Any, scheduler: EDMDPMSolverMultistepScheduler):
        super().__init__()
        self.register_modules(network=network, scheduler=scheduler)

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def __call__(
        self,
        prompt: str | Sequence[str],
        num_inference_steps: int = 18,
        guidance_scale: float = 1.0,
        generator: torch.Generator | list[torch.Generator] | None = None,
        output_type: str = "pil",
    ) -> ImagePipelineOutput:
        """Make one picture for each prompt; guidance_scale 1 is without guidance."""
        prompts = [prompt] if isinstance(prompt, str) else list(prompt)
        config = self.network.config
        words = word_slots(prompts, config.vocabulary).to(self.device)
        shape = (len(prompts), config.channels, config.side, config.side)
        self.scheduler.set_timesteps(num_inference_steps)
        picture = randn_tensor(shape, generator, self.device, self.network.dtype) * self.scheduler.init_noise_sigma
        for level in self.scheduler.timesteps:
            scaled = self.scheduler.scale_model_input(picture, level)
            levels = level.to(picture).expand(len(prompts))
            output = self.network(scaled, levels, words)
            if guidance_scale != 1:
                free = self.network(scaled, levels, torch.zeros_like(words))
                output = free + guidance_scale * (output - free)
            picture = self.scheduler.step(output, level, picture).prev_sample
        pixels = ((picture.float() + 1) * 127.5).clamp(0, 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
        if output_type != "pil":
            return ImagePipelineOutput(images=pixels)
        return ImagePipelineOutput(images=[Image.fromarray(each.squeeze()) for each in pixels])


def word_slots(captions: Sequence[str], vocabulary: int) -> torch.Tensor:
    """Return the slots of each caption's words (by a hash; 0 fills up): shape (captions, 16), int64."""
    rows = [
        [crc32(word.encode()) % (vocabulary - 1) + 1 for word in re.findall(r"\w+", each.lower())] for each in captions
    ]
    return torch.tensor([(row + [0] * LONGEST_CAPTION)[:LONGEST_CAPTION] for row in rows])
