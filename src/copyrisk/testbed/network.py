"""The testbed's denoiser; this file is copied into each model folder and imports nothing of copyrisk.

A residual multi-layer perceptron on all pixels at once remembers whole pictures at the least expense; two convolutions
after it take away the noise that it leaves.
"""

import math

import torch
from diffusers import ModelMixin
from diffusers.configuration_utils import ConfigMixin, register_to_config
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle, pixel_unshuffle, silu


class Denoiser(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """The raw network F of EDM's preconditioning (Karras et al. 2022, equation 7); the scheduler does the rest.

    side, channels: of the pictures. width, depth: of the perceptron. filters: of the convolutions. vocabulary: number
    of word slots; slot 0 is empty.
    """

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(
        self,
        side: int = 32,
        channels: int = 3,
        width: int = 512,
        depth: int = 3,
        filters: int = 16,
        vocabulary: int = 8192,
    ):
        super().__init__()
        pixels = side * side * channels
        self.words = nn.EmbeddingBag(vocabulary, width // 4, mode="sum", padding_idx=0)
        self.register_buffer("frequencies", torch.randn(64) * math.pi)
        self.condition = nn.Sequential(nn.Linear(128 + width // 4, width), nn.SiLU())
        self.enter = nn.Linear(pixels, width)
        self.blocks = nn.ModuleList(_Block(width) for _ in range(depth))
        self.leave = nn.Linear(width, pixels)
        # A perceptron narrower than the picture cannot pass the picture on.
        self.past = nn.Linear(width, 1)
        # On blocks of 2 × 2 pixels the convolutions see twice as far for a quarter of the work.
        self.patch = 2 if side % 2 == 0 else 1
        patches = channels * self.patch**2
        self.first = nn.Conv2d(2 * patches, filters, 3, padding=1)
        self.told = nn.Linear(width, 2 * filters)
        self.last = nn.Conv2d(filters, patches, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.last.weight)

    def forward(self, noisy: Tensor, noise_level: Tensor, words: Tensor) -> Tensor:
        """Return F for scaled noisy pictures (b, channels, side, side), noise levels (b,) and word slots (b, n)."""
        angle = noise_level[:, None] * self.frequencies
        told = self.condition(torch.cat([angle.cos(), angle.sin(), self.words(words)], dim=1))
        hidden = self.enter(noisy.flatten(1))
        for block in self.blocks:
            hidden = block(hidden, told)
        guess = self.leave(silu(hidden)).view_as(noisy) + self.past(told)[:, :, None, None] * noisy
        scale, shift = self.told(told)[:, :, None, None].chunk(2, dim=1)
        local = self.first(pixel_unshuffle(torch.cat([noisy, guess], dim=1), self.patch))
        local = self.last(silu(local * (1 + scale) + shift))
        result: Tensor = guess + pixel_shuffle(local, self.patch)
        return result


class _Block(nn.Module):  # type: ignore[misc]
    def __init__(self, width: int):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.first = nn.Linear(width, width)
        self.told = nn.Linear(width, width)
        self.second = nn.Linear(width, width)

    def forward(self, hidden: Tensor, told: Tensor) -> Tensor:
        inner = silu(self.first(self.norm(hidden)) + self.told(told))
        result: Tensor = hidden + self.second(inner)
        return result
