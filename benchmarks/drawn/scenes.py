"""Sheets of signs: music, maps, comics."""

import numpy as np
from PIL import Image, ImageDraw

from . import ink
from .ink import BLACK, WHITE, Random


def sheet_music(random: Random) -> Image.Image:
    """A page of music for one instrument: clefs, bars, notes."""
    image, draw = ink.canvas(1300, 1700)
    ink.centred(draw, 650, 70, f"Study No. {random.integers(1, 99)}", 54)
    for staff in range(8):
        top = 180 + 185 * staff
        for line in range(5):
            draw.line((80, top + 20 * line, 1220, top + 20 * line), BLACK, 2)
        draw.arc((92, top - 2, 138, top + 62), 300, 250, BLACK, 6)
        draw.line((116, top - 34, 122, top + 100), BLACK, 5)
        draw.arc((100, top - 40, 132, top + 12), 150, 60, BLACK, 5)
        draw.ellipse((98, top + 92, 116, top + 110), BLACK)
        for bar in range(4):
            left = 170 + 262 * bar
            draw.line((left + 262, top, left + 262, top + 80), BLACK, 3)
            measure(draw, random, left, top)
    return image.reduce(2)


def measure(draw: ImageDraw.ImageDraw, random: Random, left: float, top: float) -> None:
    """Four beats, some of them beamed quavers; heights in half steps between the lines."""
    height, x = int(random.integers(0, 9)), left + 26
    for _ in range(4):
        beamed = random.random() < 0.45
        ends = []
        for _ in range(2 if beamed else 1):
            height = int(np.clip(height + random.integers(-3, 4), -2, 10))
            y = top + 80 - 10 * height
            hollow = not beamed and random.random() < 0.25
            draw.ellipse((x - 12, y - 9, x + 12, y + 9), WHITE if hollow else BLACK, BLACK, 3)
            for ledger in (top + 100, top - 20):
                if abs(y - ledger) < 5:
                    draw.line((x - 18, ledger, x + 18, ledger), BLACK, 2)
            side, tip = (11, y - 66) if height < 5 or beamed else (-11, y + 66)
            draw.line((x + side, y, x + side, tip), BLACK, 3)
            ends.append((x + side, tip))
            x += 29 if beamed else 58
        if beamed:
            draw.line(ends, BLACK, 9)


def street_map(random: Random) -> Image.Image:
    """A piece of a town in the style of one map."""
    image, draw = ink.canvas(1400, 1100, (242, 239, 233))
    cells = 9
    grid = np.stack(np.meshgrid(np.linspace(-150, 1550, cells), np.linspace(-150, 1250, cells)), -1)
    turn = random.uniform(-0.5, 0.5)
    grid = (grid - (700, 550)) @ np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) + (700, 550)
    grid += random.normal(0, 38, grid.shape)
    at = [[(float(x), float(y)) for x, y in row] for row in grid]
    for _ in range(random.integers(2, 5)):
        row, column = random.integers(0, cells - 1, 2)
        corners = [at[row][column], at[row][column + 1], at[row + 1][column + 1], at[row + 1][column]]
        draw.polygon(corners, (200, 226, 178))
    for row in range(cells - 1):
        for column in range(cells - 1):
            for _ in range(random.integers(0, 7)):
                weights = random.dirichlet(np.ones(4))
                x, y = sum(weight * np.array(point) for weight, point in zip(weights, (
                    at[row][column], at[row][column + 1], at[row + 1][column + 1], at[row + 1][column]),
                    strict=True))  # fmt: skip
                w, h = random.uniform(14, 40, 2)
                draw.rectangle((x - w, y - h, x + w, y + h), (222, 214, 204), (200, 190, 180))
    river = np.linspace(-50, 1450, 60)
    bed = random.uniform(100, 600) + random.uniform(100, 400) * ink.smooth(random, 60)
    bed = np.convolve(np.pad(bed, 6, "edge"), np.ones(13) / 13, "valid")
    line = list(zip(river.tolist(), bed.tolist(), strict=True))
    draw.line(line if random.random() < 0.5 else [(y, x) for x, y in line], (170, 211, 223), 56, joint="curve")
    streets = []
    for row in range(cells):
        for column in range(cells):
            for end in ((row, column + 1), (row + 1, column)):
                if max(end) < cells and random.random() < 0.82:
                    streets.append((at[row][column], at[end[0]][end[1]]))
    main = [[at[row][column] for column in range(cells)] for row in random.integers(0, cells, 2).tolist()]
    main += [[at[row][column] for row in range(cells)] for column in random.integers(0, cells, 2).tolist()]
    for width, street, road in ((20, (206, 200, 192), (220, 150, 60)), (14, WHITE, (252, 214, 120))):
        for ends in streets:
            draw.line(ends, street, width)
        for points in main:
            draw.line(points, road, int(1.7 * width), joint="curve")
    for _ in range(9):
        x, y = random.uniform(80, 1200), random.uniform(60, 1040)
        draw.text((x, y), f"{ink.name(random)} {random.choice(['Street', 'Road', 'Lane', 'Park'])}", (90, 80, 80),
                  ink.font(26), stroke_width=3, stroke_fill=WHITE)  # fmt: skip
    return image.reduce(2)


def comic(random: Random) -> Image.Image:
    """A page of one comic: six panels, two people who talk."""
    image, draw = ink.canvas(1280, 1800)
    people = [(ink.shade(hue, 0.7, 0.7), ink.shade(0.07, 0.35, 0.95)) for hue in (0.6, 0.02)]
    for each in range(6):
        left, top = 40 + 610 * (each % 2), 40 + 580 * (each // 2)
        part, pen = ink.canvas(590, 560, ink.hue(random, 0.3, 0.95))
        panel(part, pen, random, people)
        image.paste(part, (left, top))
        draw.rectangle((left, top, left + 590, top + 560), outline=BLACK, width=6)
    return image.reduce(2)


def panel(image: Image.Image, draw: ImageDraw.ImageDraw, random: Random, people: list) -> None:
    ground = random.uniform(380, 500)
    draw.rectangle((0, ground, 590, 560), ink.hue(random, 0.4, 0.7))
    for _ in range(random.integers(1, 5)):
        x, w, h = random.uniform(0, 590), random.uniform(40, 120), random.uniform(80, 300)
        if random.random() < 0.5:
            draw.rectangle((x - w, ground - h, x + w, ground), ink.hue(random, 0.35, 0.8), BLACK, 4)
        else:
            draw.rectangle((x - 10, ground - h, x + 10, ground), (120, 80, 50), BLACK, 3)
            draw.ellipse((x - w, ground - h - w, x + w, ground - h + w), ink.shade(0.3, 0.6, 0.7), BLACK, 4)
    shown = people if random.random() < 0.6 else [people[random.integers(2)]]
    for place, (shirt, skin) in enumerate(shown):
        x = random.uniform(100, 260) + 230 * place
        size, bottom = random.uniform(0.8, 1.7), 560
        head = bottom - 190 * size
        draw.polygon([(x - 70 * size, bottom), (x - 50 * size, head + 60 * size), (x + 50 * size, head + 60 * size),
                      (x + 70 * size, bottom)], shirt, BLACK, 5)  # fmt: skip
        for side in (-1, 1):
            hand = (x + side * random.uniform(60, 150) * size, head + random.uniform(0, 170) * size)
            draw.line(((x + side * 46 * size, head + 72 * size), hand), BLACK, int(26 * size))
            draw.line(((x + side * 46 * size, head + 72 * size), hand), shirt, int(18 * size))
        draw.ellipse((x - 52 * size, head - 58 * size, x + 52 * size, head + 58 * size), skin, BLACK, 5)
        hair = (60, 40, 30) if shirt == people[0][0] else (220, 160, 40)
        draw.chord((x - 54 * size, head - 64 * size, x + 54 * size, head + 40 * size), 180, 360, hair, BLACK, 4)
        look = random.uniform(-8, 8) * size
        for side in (-20, 20):
            eye = x + side * size + look
            draw.ellipse((eye - 6 * size, head - 4 * size, eye + 6 * size, head + 12 * size), BLACK)
        mouth = random.uniform(4, 20) * size
        draw.chord((x - 22 * size + look, head + 30 * size - mouth, x + 22 * size + look, head + 30 * size + mouth),
                   *((0, 180) if random.random() < 0.7 else (180, 360)), (150, 30, 40), BLACK, 3)  # fmt: skip
    if random.random() < 0.85:
        lines = [ink.words(random, int(random.integers(2, 5))).upper() for _ in range(random.integers(1, 4))]
        width = max(ink.width(line, 26) for line in lines) + 50
        height, left = 34 * len(lines) + 30, random.uniform(10, max(11, 570 - width))
        middle = left + width / 2
        draw.polygon([(middle, height), (middle + 40, height), (middle + 10, height + 60)], WHITE, BLACK, 4)
        draw.rounded_rectangle((left, 12, left + width, 12 + height), 30, WHITE, BLACK, 4)
        for row, line in enumerate(lines):
            ink.centred(draw, left + width / 2, 44 + 34 * row, line, 26)
