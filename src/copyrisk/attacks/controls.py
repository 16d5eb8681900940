"""How many images are spent on controls, and of which.

Of the prompts that could be asked, one image each says most of their mean rate: n prompts with m images each have the
variance σ²/n · (ρ + (1 − ρ)/m), ρ being the correlation within a prompt, and n·m is what it costs. So controls take
turns: each different picture among them is asked for by its caption once, in random order, before any is asked for
again. See docs/decisions/0015.
"""

from collections import Counter
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEAST = 400
"""Images of controls that say something: without a hit, each of another prompt, they allow a rate of 0.9 %."""
SHARE = 5
"""Beyond LEAST one image in so many is of a control."""
EACH = 4
"""Images of one control, unless more are asked for: at a correlation of 0.5, more take off a fifth of the variance."""

Rows = list[dict[str, Any]]


def images_of_controls(images: int, pictures: int, rate: float | None = None, scale: float = 1.0) -> int:
    """Return how many images of controls go with `images` of the audit's own, where nobody says.

    Up to LEAST as many as of its own; beyond that a fifth of all images; at most EACH of each of the `pictures` that
    the controls show. A false-positive `rate` that the threshold is to be read off at takes 1 / rate images, `scale`
    times as many where there are so many more references than controls. Never more than the audit's own.
    """
    wanted = min(max(LEAST, images // (SHARE - 1)), EACH * pictures)
    if rate is not None and pictures:
        wanted = max(wanted, ceil(scale / rate))
    return min(images, wanted)


def turns_of_controls(first: int, count: int, pictures: int, most: int | None) -> NDArray[np.bool_]:
    """Say of the images number `first` to `first + count` of a run whether they are of controls: (count,).

    The same numbers as those of `images_of_controls`, for a run of which nobody knows where it ends; `most` takes the
    place of LEAST, SHARE and EACH.
    """
    images = np.arange(first, first + count + 1)
    wanted = np.minimum(np.maximum(LEAST, images // SHARE), EACH * pictures)
    due = np.minimum(images // 2, wanted if most is None else most if pictures else 0)
    turns: NDArray[np.bool_] = np.diff(due) > 0
    return turns


def in_turn(controls: Rows, images: int, first: int = 0) -> Rows:
    """Return whose turn it is at each of so many images, `first` images after the beginning."""
    return [controls[number % len(controls)] for number in range(first, first + images)] if controls else []


def weights_of(controls: Rows, images: Counter[str]) -> dict[str, float]:
    """Return by prompt_id how many pictures each caption stands for: those of which there is an image.

    controls: one row a picture; images: how many of each prompt there are. As each picture weighs the same, so does
    each image as long as none has had two.
    """
    pictures = Counter(row["prompt_id"] for row in controls)
    return {name: float(min(count, images[name])) for name, count in pictures.items()}
