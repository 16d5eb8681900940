"""What is done to a picture before it is seen again."""

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageFilter

from .ink import Random

Change = Callable[[Image.Image, Random], Image.Image]


def saved(image: Image.Image, random: Random, quality: int = 50) -> Image.Image:
    held = io.BytesIO()
    image.save(held, "JPEG", quality=quality)
    return Image.open(held).convert("RGB")


def resized(image: Image.Image, random: Random, factor: float = 0.7) -> Image.Image:
    return image.resize((round(factor * image.width), round(factor * image.height)), Image.Resampling.BICUBIC)


def cropped(image: Image.Image, random: Random, share: float = 0.08) -> Image.Image:
    """Take away a share of the width and of the height, somewhere at the edges."""
    away = round(share * image.width), round(share * image.height)
    left, top = (int(random.integers(each + 1)) for each in away)
    return image.crop((left, top, left + image.width - away[0], top + image.height - away[1]))


def mirrored(image: Image.Image, random: Random) -> Image.Image:
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def recoloured(image: Image.Image, random: Random, strength: float = 1.0) -> Image.Image:
    """Change gamma by up to a third, the contrast of each colour by 15 %, its level by 20 of 255."""
    values = np.asarray(image, float) / 255
    values = values ** float(np.exp(strength * random.uniform(-0.3, 0.3)))
    values = values * np.exp(strength * random.uniform(-0.15, 0.15, 3)) + strength * random.uniform(-20, 20, 3) / 255
    return Image.fromarray(np.clip(np.rint(255 * values), 0, 255).astype(np.uint8))


def everything(image: Image.Image, random: Random) -> Image.Image:
    """All of these, mildly: half are mirrored."""
    image = cropped(image, random, 0.05)
    image = mirrored(image, random) if random.random() < 0.5 else image
    return saved(recoloured(resized(image, random, 0.85), random, 0.5), random, 70)


def turned(image: Image.Image, random: Random) -> Image.Image:
    """Turn by 3 to 10 degrees either way; the corners are filled with grey."""
    return image.rotate(_angle(random), Image.Resampling.BICUBIC, fillcolor=(128, 128, 128))


def turned_cropped(image: Image.Image, random: Random) -> Image.Image:
    """Turn by 3 to 10 degrees either way and keep the largest rectangle of the same shape without corners."""
    angle = _angle(random)
    sine, cosine = abs(np.sin(np.radians(angle))), np.cos(np.radians(angle))
    wide, high = image.size
    scale = min(wide / (wide * cosine + high * sine), high / (wide * sine + high * cosine))
    left, top = (1 - scale) / 2 * wide, (1 - scale) / 2 * high
    box = tuple(round(each) for each in (left, top, wide - left, high - top))
    return image.rotate(angle, Image.Resampling.BICUBIC).crop(box)


def _angle(random: Random) -> float:
    return float(random.uniform(3, 10) * random.choice([-1, 1]))


def noised(image: Image.Image, random: Random, deviation: float = 60) -> Image.Image:
    """Reduce to a long side of 32 pixels and add normal noise."""
    factor = 32 / max(image.size)
    small = image.resize(
        (max(1, round(factor * image.width)), max(1, round(factor * image.height))), Image.Resampling.BOX
    )
    values = np.asarray(small, float)
    values = values + deviation * random.standard_normal(values.shape)
    return Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8))


def blurred(image: Image.Image, random: Random) -> Image.Image:
    """Blur with a deviation of 1 % of the long side."""
    return image.filter(ImageFilter.GaussianBlur(max(image.size) / 100))


CHANGES: dict[str, Change] = {
    "saved": saved,
    "resized": resized,
    "cropped": cropped,
    "mirrored": mirrored,
    "recoloured": recoloured,
    "everything": everything,
    "turned": turned,
    "turned, cropped": turned_cropped,
    "noised": noised,
    "blurred": blurred,
}
"""All changes, by name."""

EVERYDAY = tuple(CHANGES)[:6]
"""What happens to every picture; the others are harder."""
