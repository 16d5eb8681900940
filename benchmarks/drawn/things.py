"""Things on a plain ground: products, houses, faces, icons, logos, flags."""

import numpy as np
from PIL import Image, ImageDraw

from . import ink
from .ink import BLACK, WHITE, Colour, Random


def bottle(random: Random) -> Image.Image:
    """A product picture of a bottle."""
    image, draw = ink.canvas(1000, 1400, (244, 244, 246))
    draw.ellipse((250, 1250, 750, 1330), (222, 222, 226))
    glass, half = ink.hue(random, random.uniform(0.3, 0.9), random.uniform(0.3, 0.8)), random.uniform(120, 230)
    neck, shoulder = random.uniform(38, 70), random.uniform(420, 620)
    draw.polygon([(500 - neck, 180), (500 + neck, 180), (500 + neck, shoulder - 150), (500 + half, shoulder),
                  (500 + half, 1290), (500 - half, 1290), (500 - half, shoulder), (500 - neck, shoulder - 150)],
                 glass)  # fmt: skip
    draw.rectangle((500 - neck - 8, 110, 500 + neck + 8, 220), ink.hue(random, 0.6, 0.5))
    top = shoulder + random.uniform(60, 160)
    bottom = top + random.uniform(250, 420)
    paper = ink.hue(random, random.uniform(0, 0.5), 0.95)
    draw.rectangle((500 - half, top, 500 + half, bottom), paper)
    emblem(draw, random, 500, top + 110, 70, ink.hue(random, 0.8, 0.6), paper)
    ink.centred(draw, 500, top + 220, ink.name(random), 48)
    draw.line((500 - half + 28, shoulder + 20, 500 - half + 28, 1260), tuple(min(255, c + 60) for c in glass), 16)
    return image.reduce(2)


def watch(random: Random) -> Image.Image:
    """A product picture of a wrist watch: the same view, another watch and another time."""
    image, draw = ink.canvas(1000, 1400, WHITE)
    strap, case = ink.hue(random, random.uniform(0.2, 0.8), random.uniform(0.2, 0.7)), random.uniform(260, 340)
    half = random.uniform(110, 170)
    draw.polygon([(500 - half, 60), (500 + half, 60), (500 + half + 20, 1340), (500 - half - 20, 1340)], strap)
    metal = ((200, 202, 206), (212, 175, 85), (70, 72, 78), (190, 130, 100))[random.integers(4)]
    face = ink.hue(random, random.uniform(0, 0.6), random.uniform(0.2, 1.0))
    ring(draw, 500, 700, case, metal)
    ring(draw, 500, 700, case - random.uniform(20, 60), face)
    pale = WHITE if sum(face) < 380 else BLACK
    marks = int(random.choice([4, 12, 12, 60]))
    for angle in np.arange(marks) * 2 * np.pi / marks:
        outward = np.array([np.sin(angle), -np.cos(angle)])
        draw.line([tuple((500, 700) + outward * case * each) for each in (0.66, 0.76)], pale, 10)
    ink.centred(draw, 500, 700 - case / 3, ink.name(random), 40, pale)
    time = random.uniform(0, 12)
    for turns, length, thick in ((time / 12, 0.4, 22), (time, 0.62, 12), (random.random(), 0.66, 4)):
        angle = 2 * np.pi * turns
        draw.line((500, 700, 500 + case * length * np.sin(angle), 700 - case * length * np.cos(angle)), pale, thick)
    ring(draw, 500, 700, 18, metal)
    return image.reduce(2)


def house(random: Random) -> Image.Image:
    """A house as estate agents draw it."""
    image, draw = ink.canvas(1400, 1000, (206, 226, 244))
    draw.rectangle((0, 780, 1400, 1000), (140, 180, 100))
    wall, roof = ink.hue(random, random.uniform(0.1, 0.5), 0.9), ink.hue(random, 0.6, random.uniform(0.3, 0.7))
    half, eaves = random.uniform(330, 520), random.uniform(350, 480)
    draw.rectangle((700 - half, eaves, 700 + half, 830), wall)
    top = eaves - random.uniform(140, 280)
    inset = random.choice([0.0, 0.45, 0.8]) * half
    draw.polygon([(640 - half, eaves), (700 - inset, top), (700 + inset, top), (760 + half, eaves)], roof)
    frame = ink.hue(random, 0.3, random.uniform(0.3, 1))
    columns, rows = int(random.integers(2, 6)), int(random.integers(1, 3))
    door = int(random.integers(columns))
    for row in range(rows):
        for column in range(columns):
            x, step = 700 + half * (2 * (column + 0.5) / columns - 1), (830 - eaves) / rows
            y, w = eaves + step * (row + 0.5), min(0.55 * half / columns, 75)
            if row == rows - 1 and column == door:
                draw.rectangle((x - w, 830 - 0.75 * step, x + w, 830), ink.hue(random, 0.7, 0.5), BLACK, 4)
            else:
                draw.rectangle((x - w, y - 0.3 * step, x + w, y + 0.3 * step), (120, 150, 180), frame, 10)
                draw.line((x, y - 0.3 * step, x, y + 0.3 * step), frame, 6)
    for side in (-1, 1):
        if random.random() < 0.7:
            x, size = 700 + side * random.uniform(560, 660), random.uniform(70, 150)
            draw.rectangle((x - 14, 600, x + 14, 840), (110, 80, 50))
            ring(draw, x, 600, size, ink.shade(random.uniform(0.22, 0.4), 0.6, 0.55))
    return image.reduce(2)


def face(random: Random) -> Image.Image:
    """A portrait in the flat style of account pictures."""
    image, draw = ink.canvas(1000, 1000, ink.hue(random, 0.35, 0.9))
    skin, hair = ink.shade(random.uniform(0.04, 0.09), random.uniform(0.2, 0.65), random.uniform(0.35, 1.0)), ink.shade(
        random.uniform(0, 0.13), random.uniform(0.1, 0.8), random.uniform(0.05, 0.85))  # fmt: skip
    wide, long = random.uniform(170, 230), random.uniform(215, 270)
    locks = random.integers(3)
    if locks == 2:
        draw.rounded_rectangle((480 - wide - 40, 300, 520 + wide + 40, 450 + long), 120, hair)
    draw.polygon([(430, 620), (570, 620), (580, 800), (420, 800)], tuple(int(0.85 * each) for each in skin))
    draw.ellipse((160, 760, 840, 1400), ink.hue(random, 0.6, 0.7))
    draw.ellipse((500 - wide, 480 - long, 500 + wide, 480 + long), skin)
    draw.chord((490 - wide, 450 - long, 510 + wide, 480 + random.uniform(0, 80)), 180, 360, hair)
    if locks == 1:
        ring(draw, 500, 480 - long, 110, hair)
    apart, high = random.uniform(70, 100), random.uniform(440, 490)
    for side in (-1, 1):
        ring(draw, 500 + side * apart, high, 26, WHITE)
        ring(draw, 500 + side * apart, high, 15, ink.shade(random.uniform(0.05, 0.6), 0.5, 0.3))
        draw.line((500 + side * (apart - 40), high - 50, 500 + side * (apart + 40), high - 56), hair, 14)
    draw.line((500, high + 20, 500 - random.uniform(10, 40), high + 90, 505, high + 95), tuple(
        int(0.75 * each) for each in skin), 10)  # fmt: skip
    draw.chord((430, high + 110, 570, high + random.uniform(160, 220)), 0, 180, (170, 50, 60))
    if random.random() < 0.35:
        for side in (-1, 1):
            draw.ellipse(
                (500 + side * apart - 56, high - 50, 500 + side * apart + 56, high + 50), outline=BLACK, width=9
            )
    if random.random() < 0.3:
        draw.chord((500 - wide, 480, 500 + wide, 480 + long + 30), 20, 160, hair)
    return image.reduce(2)


def icon(random: Random) -> Image.Image:
    """An icon of one set: a sign in white on a rounded square."""
    image, draw = ink.canvas(800, 800, (250, 250, 250))
    ground = ink.hue(random, 0.75, 0.8)
    draw.rounded_rectangle((80, 80, 720, 720), 140, ground)
    emblem(draw, random, 400, 400, 220, WHITE, ground)
    return image.reduce(2)


def logo(random: Random) -> Image.Image:
    """A sign with a name beneath."""
    image, draw = ink.canvas(1000, 800)
    colour = ink.hue(random, random.uniform(0.4, 1), random.uniform(0.3, 0.9))
    ring(draw, 500, 310, 230, colour)
    ring(draw, 500, 310, 205, WHITE)
    emblem(draw, random, 500, 310, 160, colour, WHITE)
    ink.centred(draw, 500, 640, f"{ink.name(random)} & {ink.name(random)}".upper(), 72, colour)
    return image.reduce(2)


PALETTE = ((206, 17, 38), (0, 56, 147), (0, 122, 61), (252, 209, 22), WHITE, BLACK, (255, 130, 0), (90, 190, 230),
           (120, 20, 50), (30, 160, 150))  # fmt: skip


def flag(random: Random) -> Image.Image:
    """A flag of stripes; some have a triangle at the hoist, a canton or an emblem."""
    image, draw = ink.canvas(1200, 800)
    colours = [PALETTE[each] for each in random.permutation(len(PALETTE))]
    shares = np.cumsum(random.choice([1, 1, 1, 2], random.integers(2, 6)))
    upright = random.random() < 0.35
    for start, stop, colour in zip([0, *shares[:-1]], shares, colours, strict=False):
        low, high = start / shares[-1], stop / shares[-1]
        draw.rectangle((1200 * low, 0, 1200 * high, 800) if upright else (0, 800 * low, 1200, 800 * high), colour)
    x, y = centre = [(600, 400), (190, 400), (220, 200), (0, 0)][random.integers(4)]
    if centre == (190, 400):
        draw.polygon([(0, 0), (random.uniform(400, 640), 400), (0, 800)], colours[6])
    elif centre == (220, 200):
        draw.rectangle((0, 0, 440, 400), colours[6])
    if x:
        emblem(draw, random, x, y, 120, colours[7], colours[8])
    return image.reduce(2)


def ring(draw: ImageDraw.ImageDraw, x: float, y: float, radius: float, colour: Colour) -> None:
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), colour)


def emblem(
    draw: ImageDraw.ImageDraw, random: Random, x: float, y: float, size: float, colour: Colour, ground: Colour
) -> None:
    """A random figure with another cut out of it."""
    figure(draw, random, x, y, size, colour)
    figure(draw, random, x, y, size * random.uniform(0.35, 0.6), ground)
    if random.random() < 0.5:
        figure(draw, random, x, y, size * random.uniform(0.15, 0.3), colour)


def figure(draw: ImageDraw.ImageDraw, random: Random, x: float, y: float, size: float, colour: Colour) -> None:
    """A star, a polygon, a ring of balls, a tangle of lines or a vase, turned at random."""
    kind, turn = random.integers(5), random.uniform(0, 2 * np.pi)

    def around(count: int, *radii: float) -> list[tuple[float, float]]:
        angles = turn + np.arange(count) * 2 * np.pi / count
        lengths = size * np.resize(radii, count)
        places = np.stack([x + lengths * np.cos(angles), y + lengths * np.sin(angles)], axis=1)
        return [(float(across), float(down)) for across, down in places]

    if kind == 0:
        draw.polygon(around(2 * int(random.integers(3, 9)), 1, random.uniform(0.3, 0.7)), colour)
    elif kind == 1:
        draw.polygon(around(int(random.integers(3, 7)), 1), colour)
    elif kind == 2:
        count = int(random.integers(3, 8))
        radius = size * random.uniform(0.2, 0.35)
        for place in around(count, 0.65):
            ring(draw, *place, radius, colour)
    elif kind == 3:
        ends = around(12, random.uniform(0.2, 1))
        for start, end in zip(around(12, 1), random.permutation(12), strict=True):
            draw.line((start, ends[end]), colour, max(4, int(size / 12)))
    else:
        outline = [(random.uniform(0.1, 1), down) for down in np.linspace(-1, 1, int(random.integers(4, 8)))]
        whole = [*outline, *((-out, down) for out, down in reversed(outline))]
        draw.polygon([(x + size * out, y + size * down) for out, down in whole], colour)
