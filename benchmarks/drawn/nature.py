"""Textures of nature, each made of noise of its own."""

import numpy as np
from PIL import Image

from . import ink
from .ink import Random

Values = np.ndarray


def clouds(random: Random, height: int, width: int, slope: float, stretch: float = 1.0) -> Values:
    """Noise whose amplitude falls as 1 / frequency ** slope, mean 0, deviation 1; stretch > 1 draws it out sideways."""
    down = np.fft.fftfreq(height)[:, None] * height
    across = np.fft.rfftfreq(width)[None] * width * stretch
    frequency = np.hypot(down, across)
    frequency[0, 0] = np.inf
    waves = np.fft.rfft2(random.standard_normal((height, width))) / frequency**slope
    values = np.fft.irfft2(waves, (height, width))
    return (values - values.mean()) / values.std()


def mixed(share: Values, one: tuple[float, ...], other: tuple[float, ...]) -> Values:
    share = np.clip(share, 0, 1)[..., None]
    return (1 - share) * np.array(one, float) + share * np.array(other, float)


def picture(values: Values) -> Image.Image:
    return Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8))


def sky(random: Random) -> Image.Image:
    """Clouds in a sky that is lighter towards the horizon."""
    height, width = 480, 640
    down = np.broadcast_to(np.linspace(0, 1, height)[:, None], (height, width))
    blue = mixed(down, (60, 120, 200), (180, 210, 240))
    cover = clouds(random, height, width, random.uniform(1.4, 1.9), random.uniform(1.0, 2.5))
    share = np.clip((cover + random.uniform(-0.8, 0.6)) * 0.8, 0, 1)[..., None]
    light = 235 + 15 * clouds(random, height, width, 1.6)[..., None]
    return picture(blue * (1 - share) + light * share)


def water(random: Random) -> Image.Image:
    """Waves seen from a shore, smaller towards the horizon."""
    height, width = 480, 640
    near = clouds(random, 2 * height, 2 * width, 1.3, 4)
    far = np.linspace(0, 1, height) ** 0.6
    rows = (far * (2 * height - 1)).astype(int)
    waves = np.empty((height, width))
    for row in range(height):
        scale = 0.5 + 1.5 * (1 - row / height)
        columns = (width + (np.arange(width) - width / 2) * scale).astype(int) % (2 * width)
        waves[row] = near[rows[row], columns]
    ripples = clouds(random, height, width, 0.9, 3)
    values = 0.5 + 0.22 * waves + 0.1 * ripples
    image = mixed(values, (20, 60, 90), (150, 195, 215))
    glitter = (waves + 0.8 * ripples) > 2.4
    image[glitter] = (245, 250, 252)
    return picture(image)


def foliage(random: Random) -> Image.Image:
    """A hedge: thousands of leaves, the upper ones lighter."""
    image, draw = ink.canvas(640, 480, (16, 30, 14))
    light = clouds(random, 480, 640, 1.2)
    count = 5000
    places, turns = random.uniform((0, 0), (640, 480), (count, 2)), random.uniform(0, np.pi, count)
    sizes, hues, kinds = random.uniform(5, 14, count), random.normal(0.29, 0.03, count), random.normal(0, 0.1, count)
    for each in range(count):
        x, y = places[each]
        value = 0.25 + 0.45 * each / count + 0.1 * light[int(y), int(x)] + kinds[each]
        along = sizes[each] * np.array([np.cos(turns[each]), np.sin(turns[each])])
        aside = 0.4 * np.array([-along[1], along[0]])
        leaf = places[each] + np.stack([-along, aside - 0.3 * along, along, -aside - 0.3 * along])
        colour = ink.shade(hues[each], 0.7, float(np.clip(value, 0.05, 1)))
        draw.polygon([tuple(point) for point in leaf.tolist()], colour)
    return image


def brick_wall(random: Random) -> Image.Image:
    """Bricks of 64 × 24 pixels in running bond, each of its own colour."""
    height, width = 480, 640
    image = np.empty((height, width, 3))
    image[:] = (188, 180, 170)
    for row in range(20):
        for column in range(-1, 10):
            left = 64 * column + (32 if row % 2 else 0)
            colour = np.array([150, 70, 52]) * random.uniform(0.7, 1.25) + random.normal(0, 7, 3)
            top, edge = 24 * row + random.integers(0, 3), left + random.integers(0, 4)
            image[top : 24 * row + 21, max(edge, 0) : max(left + 60, 0)] = colour
    grain = 10 * random.standard_normal((height, width)) + 12 * clouds(random, height, width, 1.0)
    return picture(image + grain[..., None])


def wood(random: Random) -> Image.Image:
    """Planks of wood."""
    height, width = 480, 640
    image = np.empty((height, width, 3))
    for plank in range(5):
        part = clouds(random, 96, width, 1.5, 14)
        lines = np.sin(6 * part + 0.4 * clouds(random, 96, width, 1.0, 30)) * 0.35 + 0.5
        tone = random.uniform(0.85, 1.1)
        rows = slice(96 * plank, 96 * plank + 96)
        image[rows] = tone * mixed(lines, (96, 58, 32), (214, 164, 110))
        image[96 * plank : 96 * plank + 3] *= 0.4
    return picture(image + random.normal(0, 4, (height, width, 1)))


def marble(random: Random) -> Image.Image:
    """White marble with dark veins."""
    height, width = 480, 640
    bent = clouds(random, height, width, 1.6)
    veins = np.exp(-np.abs(np.sin(2.2 * bent + 0.5 * clouds(random, height, width, 1.3))) * 9)
    veins *= np.clip(0.6 + 0.5 * clouds(random, height, width, 1.6), 0, 1)
    return picture(mixed(veins, (236, 234, 230), (92, 94, 102)) + 6 * clouds(random, height, width, 1.2)[..., None])


def sand(random: Random) -> Image.Image:
    """Ripples in sand."""
    height, width = 480, 640
    down = np.arange(height)[:, None] / random.uniform(3.5, 5.5)
    ripples = np.sin(down + 2.4 * clouds(random, height, width, 1.7, 1.4))
    grain = random.normal(0, 9, (height, width)) + 10 * clouds(random, height, width, 1.5)
    return picture(np.array([206, 178, 134]) + (24 * ripples + grain)[..., None])


def night_sky(random: Random) -> Image.Image:
    """Stars, and a band of mist."""
    height, width = 480, 640
    mist = np.clip(clouds(random, height, width, 1.7), 0, 3)
    image = mixed(mist / 4, (8, 10, 24), (70, 66, 96))
    for _ in range(900):
        row, column = random.integers(1, height - 1), random.integers(1, width - 1)
        bright = min(255.0, 30 + 40 * random.pareto(1.3))
        image[row, column] += bright
        if bright > 120:
            image[row - 1 : row + 2, column - 1 : column + 2] += bright / 2
    return picture(image)


def mountains(random: Random) -> Image.Image:
    """Ranges of mountains, one behind another, in the mist."""
    height, width = 480, 640
    image = mixed(np.broadcast_to(np.linspace(0, 1, height)[:, None], (height, width)), (90, 140, 200), (240, 220, 200))
    image = image + 6 * clouds(random, height, width, 1.6)[..., None]
    for near in range(5):
        ridge = clouds(random, 1, width, 1.2)[0]
        top = 150 + 65 * near + 45 * ridge
        inside = np.arange(height)[:, None] > top[None]
        rock = mixed(np.full((height, width), near / 4), (150, 165, 190), (34, 52, 44))
        image = np.where(
            inside[..., None], rock + (2 + 2 * near) * clouds(random, height, width, 0.9)[..., None], image
        )
    return picture(image)
