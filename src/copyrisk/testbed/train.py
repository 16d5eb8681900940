"""Training with EDM's preconditioning and loss (Karras et al. 2022, section 5 and table 1)."""

import copy
import json
import math
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import EDMDPMSolverMultistepScheduler
from numpy.typing import NDArray

from copyrisk.files import replacing, write_json
from copyrisk.options import TestbedOptions
from copyrisk.progress import bar
from copyrisk.testbed import network, pipeline

SIGMA_DATA = 0.7
# Pictures that each have a caption of their own are told apart at far more noise than the source's −1.2 and 1.2 reach:
# a network trained so hardly listens to the caption.
P_MEAN, P_STD = 0.7, 1.6
LEARNING_RATE, WARM_UP, CAPTION_DROPOUT = 1.5e-3, 100, 0.1
AVERAGED_SHARE = 0.05
"""The weights that are kept are averages over about this share of the steps."""
CHECKPOINT_SECONDS = 30.0


def train(
    pixels: NDArray[np.uint8],
    captions: Sequence[str],
    rows: NDArray[np.int64],
    options: TestbedOptions,
    checkpoint: Path,
) -> network.Denoiser:
    """Train a model on pictures (n, side, side, channels) as often as `rows` lists them.

    The state is saved in `checkpoint` now and then; from there an interrupted training goes on to the same weights,
    since the randomness of each step depends on the seed and the step alone.
    """
    torch.manual_seed(options.seed)
    side, channels = pixels.shape[1], pixels.shape[3]
    model: network.Denoiser = network.Denoiser(side=side, channels=channels, width=options.width)
    averaged = copy.deepcopy(model)
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, fused=True)
    pictures = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1
    words = pipeline.word_slots(captions, model.config.vocabulary)
    training = torch.from_numpy(rows)
    start = _load(checkpoint, model, averaged, optimizer)
    saved = time.monotonic()
    with bar("train", options.steps, "step", initial=start) as progress:
        for step in range(start, options.steps):
            for group in optimizer.param_groups:
                group["lr"] = (
                    LEARNING_RATE * min(1, (step + 1) / WARM_UP) * 0.5 * (1 + math.cos(math.pi * step / options.steps))
                )
            noise = torch.Generator().manual_seed(options.seed * 1_000_003 + step)
            chosen = training[torch.randint(len(training), (options.batch_size,), generator=noise)]
            loss = edm_loss(model, pictures[chosen], words[chosen], noise)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            _average(averaged, model, step, options.steps)
            progress.update()
            if time.monotonic() - saved > CHECKPOINT_SECONDS:
                _save(checkpoint, model, averaged, optimizer, step + 1)
                saved = time.monotonic()
    averaged.eval()
    return averaged


def edm_loss(model: Any, pictures: torch.Tensor, words: torch.Tensor, noise: torch.Generator) -> torch.Tensor:
    """Return the loss of a batch, λ(σ)·‖D(y + n; σ) − y‖² written for the raw network F (equation 8)."""
    count = len(pictures)
    told = words.masked_fill(torch.rand(count, 1, generator=noise) < CAPTION_DROPOUT, 0)
    sigma = (torch.randn(count, 1, 1, 1, generator=noise) * P_STD + P_MEAN).exp()
    noisy = pictures + sigma * torch.randn(pictures.shape, generator=noise)
    scale = (sigma**2 + SIGMA_DATA**2).sqrt()
    c_in, c_skip, c_out = 1 / scale, SIGMA_DATA**2 / scale**2, sigma * SIGMA_DATA / scale
    target = (pictures - c_skip * noisy) / c_out
    loss: torch.Tensor = ((model(c_in * noisy, sigma.flatten().log() / 4, told) - target) ** 2).mean()
    return loss


def save_pipeline(model: network.Denoiser, folder: Path) -> None:
    """Write a pipeline folder that `DiffusionPipeline.from_pretrained(..., trust_remote_code=True)` loads anywhere.

    It brings its own code, as hub models with new architectures do.
    """
    temporary = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    scheduler = EDMDPMSolverMultistepScheduler(sigma_data=SIGMA_DATA)
    pipeline.CaptionPipeline(model, scheduler).save_pretrained(temporary)
    index = json.loads((temporary / "model_index.json").read_text())
    index["_class_name"] = ["pipeline", "CaptionPipeline"]
    index["network"] = ["network", "Denoiser"]
    write_json(temporary / "model_index.json", index)
    shutil.copy(str(pipeline.__file__), temporary / "pipeline.py")
    shutil.copy(str(network.__file__), temporary / "network" / "network.py")
    temporary.replace(folder)


def _average(averaged: Any, model: Any, step: int, steps: int) -> None:
    """Move the averaged weights a little towards the model's; at the beginning, when they are nothing yet, more."""
    share = max(1 / (AVERAGED_SHARE * steps + 1), 9 / (step + 10))
    with torch.no_grad():
        for kept, now in zip(averaged.parameters(), model.parameters(), strict=True):
            kept.lerp_(now, share)


def _save(path: Path, model: Any, averaged: Any, optimizer: Any, step: int) -> None:
    states = {"model": model.state_dict(), "averaged": averaged.state_dict(), "optimizer": optimizer.state_dict()}
    with replacing(path) as temporary:
        torch.save({**states, "step": step}, temporary)


def _load(path: Path, model: Any, averaged: Any, optimizer: Any) -> int:
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
    model.load_state_dict(state["model"])
    averaged.load_state_dict(state["averaged"])
    optimizer.load_state_dict(state["optimizer"])
    step: int = state["step"]
    return step
