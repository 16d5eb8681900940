"""The testbed's denoiser; this file is copied into each model folder and imports nothing of copyrisk.

A residual multi-layer perceptron on flattened pixels that is told the noise level and the words of the caption.
"""

import math

import torch
from diffusers import ModelMixin
from diffusers.configuration_utils import ConfigMixin, register_to_config
from torch import Tensor, nn


class ResidualMLP(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """The raw network F of EDM's preconditioning (Karras et al. 2022, equation 7); the scheduler does the rest.

    side, channels: of the pictures. width, depth: of the network. vocabulary: number of word slots; slot 0 is empty.
    """

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(self, side: int = 8, channels: int = 1, width: int = 512, depth: int = 3, vocabulary: int = 8192):
        super().__init__()
        pixels = side * side * channels
        self.words = nn.EmbeddingBag(vocabulary, width // 8, mode="sum", padding_idx=0)
        # Words never seen in training should say nothing, so they start near zero.
        nn.init.normal_(self.words.weight, std=0.02)
        self.register_buffer("frequencies", torch.randn(width // 4) * 2 * math.pi)
        self.condition = nn.Sequential(nn.Linear(width // 2 + width // 8, width), nn.SiLU())
        self.enter = nn.Linear(pixels, width)
        self.blocks = nn.ModuleList(_Block(width) for _ in range(depth))
        self.leave = nn.Linear(width, pixels)
        nn.init.zeros_(self.leave.weight)

    def forward(self, noisy: Tensor, noise_level: Tensor, words: Tensor) -> Tensor:
        """Return F for scaled noisy pictures (b, channels, side, side), noise levels (b,) and word slots (b, n)."""
        angle = noise_level[:, None] * self.frequencies
        told = self.condition(torch.cat([angle.cos(), angle.sin(), self.words(words)], dim=1))
        hidden = self.enter(noisy.flatten(1))
        for block in self.blocks:
            hidden = block(hidden, told)
        result: Tensor = self.leave(nn.functional.silu(hidden)).view_as(noisy)
        return result


class _Block(nn.Module):  # type: ignore[misc]
    def __init__(self, width: int):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.first = nn.Linear(width, width)
        self.told = nn.Linear(width, width)
        self.second = nn.Linear(width, width)

    def forward(self, hidden: Tensor, told: Tensor) -> Tensor:
        inner = nn.functional.silu(self.first(self.norm(hidden)) + self.told(told))
        result: Tensor = hidden + self.second(inner)
        return result
