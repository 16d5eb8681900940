"""Paper: pages of text, forms, receipts, slides, tables, calendars."""

import numpy as np
from PIL import Image

from . import ink
from .ink import BLACK, GREY, WHITE, Random


def page(random: Random) -> Image.Image:
    """A page of one book: the running head, the number, and a column of text."""
    image, draw = ink.canvas(620, 860, (252, 250, 244))
    ink.centred(draw, 310, 52, "THE HOUSE BY THE HARBOUR", 14, GREY)
    ink.write(draw, random, (75, 90, 550, 785), 16)
    ink.centred(draw, 310, 815, str(random.integers(2, 400)), 14)
    return image


def two_columns(random: Random) -> Image.Image:
    """A page of one journal: header, two columns, page number."""
    image, draw = ink.canvas(720, 960)
    draw.text((60, 40), "Proceedings of the Coastal Society", GREY, ink.font(13))
    draw.text((660, 40), f"Vol. 12, {random.integers(100, 999)}", GREY, ink.font(13), anchor="ra")
    draw.line((60, 64, 660, 64), BLACK, 1)
    for left in (60, 370):
        cut = int(random.integers(250, 750))
        ink.write(draw, random, (left, 84, left + 290, cut), 12)
        draw.text((left, cut + 4), ink.title(random, 3), BLACK, ink.font(15))
        ink.write(draw, random, (left, cut + 28, left + 290, 890), 12)
    ink.centred(draw, 360, 922, str(random.integers(2, 900)), 12)
    return image


FIELDS = ("Family name", "Given names", "Date of birth", "Street and number", "Town", "Telephone", "Occupation")


def form(random: Random) -> Image.Image:
    """One printed form, filled in by hand."""
    image, draw = ink.canvas(680, 900)
    draw.rectangle((40, 30, 640, 90), (214, 224, 236))
    draw.text((56, 45), "Application for a permit", BLACK, ink.font(24))
    draw.text((630, 52), "Form 7-B", GREY, ink.font(14), anchor="ra")
    values = [
        ink.name(random),
        f"{ink.name(random)} {ink.name(random)}",
        f"{random.integers(1, 29)} / {random.integers(1, 13)} / {random.integers(1940, 2005)}",
        f"{ink.name(random)} Street {random.integers(1, 200)}",
        f"{random.integers(10000, 99999)} {ink.name(random)}",
        f"{random.integers(100, 999)} {random.integers(1000000, 9999999)}",
        ink.title(random, 2),
    ]
    pen = ((20, 40, 150), (30, 30, 40), (20, 20, 90))[random.integers(3)]
    for row, (label, value) in enumerate(zip(FIELDS, values, strict=True)):
        top = 115 + 62 * row
        draw.text((45, top), label, GREY, ink.font(12))
        draw.rectangle((40, top + 16, 640, top + 50), outline=BLACK)
        draw.text((52 + random.integers(30), top + 19), value, pen, ink.font(int(random.integers(20, 27))))
    for column in range(2):
        for row in range(4):
            left, top = 45 + 300 * column, 560 + 32 * row
            draw.rectangle((left, top, left + 18, top + 18), outline=BLACK)
            draw.text((left + 28, top + 1), f"{'ABCDEFGH'[4 * column + row]}. As stated in section {row + 2}", BLACK,
                      ink.font(13))  # fmt: skip
            if random.random() < 0.5:
                draw.line((left + 2, top + 8, left + 8, top + 17, left + 20, top - 4), pen, 3)
    draw.text((45, 700), "Remarks", GREY, ink.font(12))
    draw.rectangle((40, 716, 640, 800), outline=BLACK)
    for row in range(random.integers(0, 4)):
        draw.text((52, 722 + 24 * row), ink.title(random, int(random.integers(4, 9))), pen, ink.font(18))
    draw.line((380, 866, 640, 866), BLACK)
    draw.text((380, 870), "Signature", GREY, ink.font(12))
    across = np.linspace(390, 390 + random.integers(120, 240), 40)
    along = 850 - 40 * (ink.smooth(random, 40) - 0.3)
    draw.line(list(zip(across.tolist(), along.tolist(), strict=True)), pen, 2)
    return image


def receipt(random: Random) -> Image.Image:
    """A receipt of one shop."""
    image, draw = ink.canvas(380, 760, (250, 250, 248))
    ink.centred(draw, 190, 40, "CORNER MARKET", 28)
    ink.centred(draw, 190, 70, "12 Quay Road   Open 8 to 20", 14)
    draw.text((30, 95), f"{random.integers(1, 29):02d}.{random.integers(1, 13):02d}.2023", BLACK, ink.font(15))
    draw.text((350, 95), f"No. {random.integers(1000, 9999)}", BLACK, ink.font(15), anchor="ra")
    draw.line((30, 122, 350, 122), BLACK)
    total, top = 0.0, 132
    for _ in range(random.integers(9, 20)):
        price = float(random.integers(49, 2500)) / 100
        total += price
        draw.text((30, top), ink.title(random, int(random.integers(1, 3))), BLACK, ink.font(17))
        draw.text((350, top), f"{price:.2f}", BLACK, ink.font(17), anchor="ra")
        top += 25
    draw.line((30, 640, 350, 640), BLACK)
    draw.text((30, 652), "TOTAL", BLACK, ink.font(24))
    draw.text((350, 652), f"{total:.2f}", BLACK, ink.font(24), anchor="ra")
    ink.centred(draw, 190, 715, "Thank you for your visit", 15)
    return image


def slide(random: Random) -> Image.Image:
    """A slide of one deck: title, points, a small chart or none."""
    image, draw = ink.canvas(800, 450)
    draw.rectangle((0, 0, 800, 78), (28, 62, 110))
    draw.rectangle((0, 420, 800, 450), (230, 234, 240))
    draw.text((20, 427), "Northern Logistics    Quarterly review", GREY, ink.font(13))
    draw.text((780, 427), str(random.integers(2, 60)), GREY, ink.font(13), anchor="ra")
    draw.polygon(((740, 60), (760, 20), (780, 60)), (240, 170, 40))
    draw.text((30, 20), ink.title(random, int(random.integers(3, 6))), WHITE, ink.font(30))
    charted = random.random() < 0.6
    for row in range(random.integers(3, 6)):
        top = 105 + 58 * row
        draw.ellipse((34, top + 8, 44, top + 18), (240, 170, 40))
        longest = 5 if charted else 9
        draw.text((60, top), ink.title(random, int(random.integers(3, longest))), BLACK, ink.font(21))
    if charted:
        count = int(random.integers(3, 7))
        for each, value in enumerate(random.uniform(0.15, 1, count)):
            left = 500 + each * 260 / count
            draw.rectangle((left, 390 - 260 * value, left + 190 / count, 390), ink.hue(random, 0.6, 0.75))
        draw.line((490, 390, 770, 390), BLACK, 2)
    return image


def spreadsheet(random: Random) -> Image.Image:
    """A table with the same heads, other rows."""
    image, draw = ink.canvas(820, 560)
    columns = (0, 40, 200, 320, 440, 560, 680, 819)
    draw.rectangle((0, 0, 820, 28), (226, 230, 226))
    draw.rectangle((0, 0, 40, 560), (226, 230, 226))
    draw.rectangle((40, 28, 820, 56), (200, 224, 204))
    for letter, left, right in zip("ABCDEF", columns[1:-1], columns[2:], strict=True):
        ink.centred(draw, (left + right) / 2, 14, letter, 14, GREY)
    for left, head in zip(columns[1:], ("Customer", "January", "February", "March", "April", "Total"), strict=False):
        draw.text((left + 6, 33), head, BLACK, ink.font(15))
    for row in range(1, 20):
        draw.line((0, 28 * row, 820, 28 * row), (196, 196, 196))
        ink.centred(draw, 20, 28 * row + 14, str(row), 13, GREY)
    for left in columns:
        draw.line((left, 0, left, 560), (196, 196, 196))
    scale = 10 ** random.uniform(1.5, 4)
    for row in range(2, 2 + random.integers(12, 18)):
        values = scale * random.uniform(0.1, 1, 4)
        draw.text((46, 28 * row + 5), f"{ink.name(random)} {ink.name(random)}", BLACK, ink.font(15))
        for right, value in zip(columns[3:], [*values, values.sum()], strict=True):
            colour = (190, 30, 30) if value < 0.2 * scale else BLACK
            draw.text((right - 6, 28 * row + 5), f"{value:,.2f}", colour, ink.font(15), anchor="ra")
    return image


MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
          "December")  # fmt: skip


def calendar(random: Random) -> Image.Image:
    """A month on a wall calendar with its entries."""
    image, draw = ink.canvas(770, 620)
    month, first = int(random.integers(12)), int(random.integers(7))
    draw.rectangle((0, 0, 770, 70), (170, 40, 50))
    draw.text((24, 16), f"{MONTHS[month]} {random.integers(2015, 2030)}", WHITE, ink.font(34))
    for column, day in enumerate(("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")):
        ink.centred(draw, 110 * column + 55, 88, day, 16, GREY)
    for each in range(42):
        left, top = 110 * (each % 7), 106 + 85 * (each // 7)
        draw.rectangle((left, top, left + 110, top + 85), outline=(190, 190, 190))
        day = each - first + 1
        if not 1 <= day <= (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)[month]:
            draw.rectangle((left + 1, top + 1, left + 109, top + 84), (240, 240, 240))
            continue
        draw.text((left + 6, top + 4), str(day), BLACK, ink.font(17))
        for row in range(random.choice([0, 0, 0, 1, 1, 2])):
            draw.rectangle(
                (left + 4, top + 28 + 26 * row, left + 106, top + 50 + 26 * row), ink.hue(random, 0.35, 0.95)
            )
            draw.text((left + 8, top + 31 + 26 * row), ink.title(random, 2)[:14], BLACK, ink.font(13))
    return image
