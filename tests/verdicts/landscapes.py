"""Pictures with the statistics of photographs, which nobody has seen."""

import numpy as np
from PIL import Image


def landscape(seed: int, size: tuple[int, int] = (128, 128)) -> Image.Image:
    """A picture whose amplitudes fall as one over frequency, like those of photographs, in three related colours."""
    random = np.random.default_rng(seed)
    width, height = size
    down, across = np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None]
    amplitude = 1 / np.maximum(np.hypot(down, across), 1 / max(size))
    planes = [np.fft.ifft2(np.fft.fft2(random.standard_normal((height, width))) * amplitude).real for _ in range(3)]
    planes = [plane / (plane.std() + 1e-9) for plane in planes]
    colours = [45 * planes[0] + 15 * planes[number] + 128 for number in (0, 1, 2)]
    return Image.fromarray(np.clip(np.stack(colours, axis=2), 0, 255).astype(np.uint8))
