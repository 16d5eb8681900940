"""Screens: windows, conversations, charts."""

import numpy as np
from PIL import Image, ImageDraw

from . import ink
from .ink import BLACK, GREY, WHITE, Random


def screenshot(random: Random) -> Image.Image:
    """The window of one program: title bar, tool bar, side bar; other documents are open."""
    image, draw = ink.canvas(920, 600)
    draw.rectangle((0, 0, 920, 34), (222, 224, 228))
    for each, colour in enumerate(((236, 106, 94), (245, 191, 79), (98, 197, 84))):
        draw.ellipse((14 + 22 * each, 11, 26 + 22 * each, 23), colour)
    ink.centred(draw, 460, 17, "Notebook", 14, GREY)
    draw.rectangle((0, 34, 920, 76), (240, 241, 243))
    for each in range(9):
        draw.rounded_rectangle((16 + 44 * each, 42, 48 + 44 * each, 68), 5, outline=GREY)
        draw.line((24 + 44 * each, 50 + each, 40 + 44 * each, 62 - each), GREY, 2)
    draw.rectangle((0, 76, 200, 600), (247, 246, 243))
    entries = ("Inbox", "Today", "Upcoming", "Projects", "  Garden", "  Kitchen", "  Boat", "Archive", "Shared", "Bin")
    chosen = int(random.integers(len(entries)))
    draw.rectangle((8, 90 + 36 * chosen, 192, 122 + 36 * chosen), (214, 226, 246))
    for row, entry in enumerate(entries):
        draw.text((24, 97 + 36 * row), entry, BLACK, ink.font(16))
    draw.text((240, 100), ink.title(random, int(random.integers(2, 5))), BLACK, ink.font(28))
    top = 150.0
    while top < 560:
        kind = random.integers(3)
        if kind == 0:
            bottom = min(top + random.uniform(60, 160), 580)
            ink.write(draw, random, (240, top, 880, bottom), 15)
        elif kind == 1:
            bottom = min(top + random.uniform(80, 170), 580)
            panel(draw, random, (240, top, 240 + random.uniform(200, 640), bottom))
        else:
            count = int(random.integers(2, 6))
            bottom = top + 26 * count
            for row in range(count):
                draw.rectangle((244, top + 26 * row + 2, 258, top + 26 * row + 16), outline=GREY)
                draw.text((270, top + 26 * row), ink.title(random, int(random.integers(2, 8))), BLACK, ink.font(15))
        top = bottom + 18
    return image


def panel(draw: ImageDraw.ImageDraw, random: Random, box: ink.Box) -> None:
    """A picture in a document: hills under a sky."""
    left, top, right, bottom = box
    draw.rectangle(box, ink.hue(random, 0.3, 0.95))
    for level in (0.35, 0.6):
        heights = bottom - (bottom - top) * (level * ink.smooth(random, 12) + 0.1)
        points = list(zip(np.linspace(left, right, 12).tolist(), heights.tolist(), strict=True))
        draw.polygon([(left, bottom), *points, (right, bottom)], ink.hue(random, 0.5, 0.6))


def conversation(random: Random) -> Image.Image:
    """A conversation on a telephone."""
    image, draw = ink.canvas(420, 800, (236, 229, 221))
    draw.rectangle((0, 0, 420, 64), (18, 110, 98))
    draw.ellipse((16, 10, 60, 54), ink.hue(random, 0.4, 0.9))
    draw.text((74, 20), ink.name(random), WHITE, ink.font(20))
    draw.rounded_rectangle((12, 748, 350, 790), 20, WHITE)
    draw.text((30, 760), "Message", GREY, ink.font(16))
    draw.ellipse((362, 746, 408, 792), (18, 140, 120))
    top = 80.0
    while top < 690:
        mine, lines = random.random() < 0.5, int(random.integers(1, 5))
        texts = [words[:30] for words in (ink.words(random, int(random.integers(3, 7))) for _ in range(lines))]
        width = max(ink.width(text, 16) for text in texts) + 28
        height = 22 * lines + 18
        if top + height > 740:
            break
        left = 408 - width if mine else 12
        draw.rounded_rectangle((left, top, left + width, top + height), 10, (220, 248, 198) if mine else WHITE)
        for row, text in enumerate(texts):
            draw.text((left + 14, top + 8 + 22 * row), text, BLACK, ink.font(16))
        top += height + 12
    return image


def axes(title: str, across: str, along: str) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """Axes from (80, 60) to (700, 420), 0 to 100."""
    image, draw = ink.canvas(740, 490)
    ink.centred(draw, 390, 30, title, 22)
    for value in range(0, 101, 20):
        y = 420 - 3.6 * value
        draw.line((80, y, 700, y), (222, 222, 222))
        draw.text((70, y), str(value), BLACK, ink.font(14), anchor="rm")
    draw.line((80, 60, 80, 420, 700, 420), BLACK, 2)
    ink.centred(draw, 390, 470, across, 15)
    draw.text((14, 22), along, BLACK, ink.font(13))
    return image, draw


def bar_chart(random: Random) -> Image.Image:
    image, draw = axes("Visitors by weekday", "Weekday", "Visitors (thousands)")
    for each, (day, value) in enumerate(zip(("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"), random.uniform(3, 98, 7),
                                            strict=True)):  # fmt: skip
        left = 100 + 86 * each
        draw.rectangle((left, 420 - 3.6 * value, left + 56, 419), (66, 114, 176))
        ink.centred(draw, left + 28, 436, day, 15)
    return image


def line_chart(random: Random) -> Image.Image:
    image, draw = axes("Two stations compared", "Day of the year", "Level (cm)")
    for day in range(0, 361, 60):
        ink.centred(draw, 80 + 620 * day / 365, 436, str(day), 14)
    for colour in ((31, 119, 180), (214, 90, 20)):
        low = random.uniform(2, 60)
        high = low + random.uniform(25, 98 - low)
        values = low + (high - low) * ink.smooth(random, 160)
        draw.line(list(zip(np.linspace(80, 700, 160).tolist(), (420 - 3.6 * values).tolist(), strict=True)), colour, 3)
    return image


def scatter_plot(random: Random) -> Image.Image:
    image, draw = axes("Height and weight of the samples", "Height", "Weight")
    for value in range(0, 101, 20):
        ink.centred(draw, 80 + 6.2 * value, 436, str(value), 14)
    for colour in ((31, 119, 180), (44, 150, 70)):
        middle, spread = random.uniform(20, 80, 2), random.uniform(4, 22, 2)
        tilt = random.uniform(-0.9, 0.9)
        points = random.standard_normal((int(random.integers(25, 70)), 2))
        points[:, 1] = tilt * points[:, 0] + (1 - tilt**2) ** 0.5 * points[:, 1]
        for x, y in np.clip(middle + spread * points, 1, 99):
            x, y = 80 + 6.2 * x, 420 - 3.6 * y
            draw.ellipse((x - 5, y - 5, x + 5, y + 5), colour)
    return image


def pie_chart(random: Random) -> Image.Image:
    image, draw = ink.canvas(640, 460)
    ink.centred(draw, 320, 30, "Where the money goes", 22)
    shares = random.dirichlet(np.full(6, 1.5))
    start = -90.0
    for row, (share, label) in enumerate(zip(shares, ("Rent", "Food", "Travel", "Books", "Heating", "Other"),
                                             strict=True)):  # fmt: skip
        colour = ink.shade(row / 6, 0.6, 0.85)
        draw.pieslice((50, 70, 410, 430), start, start + 360 * share, colour, WHITE, 2)
        start += 360 * share
        draw.rectangle((460, 120 + 44 * row, 484, 144 + 44 * row), colour)
        draw.text((496, 122 + 44 * row), f"{label}  {share:.0%}", BLACK, ink.font(18))
    return image
