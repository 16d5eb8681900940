"""Grids: QR and bar codes, crosswords, sudokus, boards."""

import numpy as np
from PIL import Image, ImageDraw

from . import ink
from .ink import BLACK, GREY, WHITE, Random


def qr_code(random: Random) -> Image.Image:
    """A QR code (version 3, level M) of one address with another ending."""
    import segno

    ending = "".join(random.choice(list("abcdefghijklmnopqrstuvwxyz0123456789"), 12))
    code = segno.make(f"https://example.org/ticket/{ending}", version=3, error="m", boost_error=False)
    modules = np.pad(np.array(code.matrix, dtype=bool), 4)
    return Image.fromarray(np.where(modules, 0, 255).astype(np.uint8)).resize((555, 555), 0).convert("RGB")


LEFT = ("0001101", "0011001", "0010011", "0111101", "0100011", "0110001", "0101111", "0111011", "0110111", "0001011")
PARITY = ("LLLLLL", "LLGLGG", "LLGGLG", "LLGGGL", "LGLLGG", "LGGLLG", "LGGGLL", "LGLGLG", "LGLGGL", "LGGLGL")


def bar_code(random: Random) -> Image.Image:
    """An EAN-13 bar code with its digits beneath; country and maker are the same (first five digits)."""
    digits = [4, 0, 1, 2, 3, *random.integers(0, 10, 7).tolist()]
    digits.append(-(sum(digits[::2]) + 3 * sum(digits[1::2])) % 10)
    right = ["".join("10"[int(bit)] for bit in code) for code in LEFT]
    gap = [code[::-1] for code in right]
    bars = "101"
    bars += "".join((LEFT if kind == "L" else gap)[digit] for kind, digit in zip(PARITY[4], digits[1:7], strict=True))
    bars += "01010" + "".join(right[digit] for digit in digits[7:]) + "101"
    image, draw = ink.canvas(565, 400)
    for each, bit in enumerate(bars):
        if bit == "1":
            guard = each < 3 or 45 <= each < 50 or each >= 92
            draw.rectangle((50 + 5 * each, 40, 54 + 5 * each, 345 if guard else 325), (0, 0, 0))
    draw.text((20, 332), str(digits[0]), BLACK, ink.font(38))
    for each, digit in enumerate(digits[1:]):
        draw.text((68 + 35 * each + (25 if each >= 6 else 0), 332), str(digit), BLACK, ink.font(38))
    return image


def crossword(random: Random) -> Image.Image:
    """A crossword of 15 × 15 cells, the same if turned upside down, partly solved."""
    image, draw = ink.canvas(630, 630)
    black = random.random((15, 15)) < 0.11
    black |= black[::-1, ::-1]
    letters = random.random((15, 15)) < 0.3 * random.integers(0, 3)
    number = 0
    for row in range(15):
        for column in range(15):
            left, top = 15 + 40 * column, 15 + 40 * row
            draw.rectangle((left, top, left + 40, top + 40), BLACK if black[row, column] else WHITE, BLACK)
            if black[row, column]:
                continue
            across = (column == 0 or black[row, column - 1]) and column < 14 and not black[row, column + 1]
            down = (row == 0 or black[row - 1, column]) and row < 14 and not black[row + 1, column]
            if across or down:
                number += 1
                draw.text((left + 3, top + 1), str(number), BLACK, ink.font(11))
            if letters[row, column]:
                letter = "ABCDEFGHILMNOPRSTUVW"[random.integers(20)]
                ink.centred(draw, left + 22, top + 23, letter, 24, (30, 50, 140))
    return image


def sudoku(random: Random) -> Image.Image:
    """Some of the numbers of a solved sudoku."""
    image, draw = ink.canvas(560, 560)
    rows, columns = (
        np.concatenate([3 * band + random.permutation(3) for band in random.permutation(3)]) for _ in range(2)
    )
    digits = random.permutation(9) + 1
    shown = random.permutation(81)[: random.integers(24, 36)]
    for line in range(10):
        thick = 4 if line % 3 == 0 else 1
        draw.line((10 + 60 * line, 10, 10 + 60 * line, 550), BLACK, thick)
        draw.line((10, 10 + 60 * line, 550, 10 + 60 * line), BLACK, thick)
    for cell in shown.tolist():
        row, column = int(rows[cell // 9]), int(columns[cell % 9])
        digit = digits[(3 * (row % 3) + row // 3 + column) % 9]
        ink.centred(draw, 40 + 60 * (cell % 9), 40 + 60 * (cell // 9), str(digit), 34)
    return image


def chess(random: Random) -> Image.Image:
    """A chess diagram: the board with its letters, and a position."""
    image, draw = ink.canvas(1200, 1200)
    for row in range(8):
        for column in range(8):
            box = (60 + 135 * column, 60 + 135 * row, 194 + 135 * column, 194 + 135 * row)
            draw.rectangle(box, (181, 136, 99) if (row + column) % 2 else (240, 217, 181))
        ink.centred(draw, 30, 127 + 135 * row, str(8 - row), 36, GREY)
        ink.centred(draw, 127 + 135 * row, 1170, "abcdefgh"[row], 36, GREY)
    pieces = list("KQRRBBNNPPPPPPPP")
    squares = random.permutation(64).tolist()
    for fill, line in ((WHITE, BLACK), ((40, 40, 44), WHITE)):
        kept = ["K", *(piece for piece in pieces[1:] if random.random() < 0.6)]
        for piece in kept:
            square = squares.pop()
            chessman(draw, piece, 127 + 135 * (square % 8), 127 + 135 * (square // 8), fill, line)
    return image.reduce(2)


def chessman(draw: ImageDraw.ImageDraw, piece: str, x: float, y: float, fill: ink.Colour, line: ink.Colour) -> None:
    """A piece in outline, 110 pixels high."""

    def shape(*points: tuple[float, float]) -> None:
        draw.polygon([(x + across, y + down) for across, down in points], fill, BLACK, 4)

    def ball(across: float, down: float, size: float) -> None:
        draw.ellipse((x + across - size, y + down - size, x + across + size, y + down + size), fill, BLACK, 4)

    shape((-40, 54), (40, 54), (34, 38), (-34, 38))
    if piece == "P":
        shape((-24, 38), (24, 38), (9, -6), (-9, -6))
        ball(0, -18, 18)
    elif piece == "R":
        shape((-28, 38), (28, 38), (22, -18), (-22, -18))
        shape((-34, -18), (34, -18), (34, -50), (18, -50), (18, -38), (8, -38), (8, -50), (-8, -50), (-8, -38),
              (-18, -38), (-18, -50), (-34, -50))  # fmt: skip
    elif piece == "N":
        shape((-26, 38), (30, 38), (28, -14), (6, -52), (-2, -40), (-36, -4), (-30, 8), (-4, -2), (-18, 18))
        ball(-6, -24, 4)
    elif piece == "B":
        shape((-24, 38), (24, 38), (10, 10), (26, -12), (0, -46), (-26, -12), (-10, 10))
        ball(0, -48, 7)
        draw.line((x - 10, y - 14, x + 10, y - 14), line, 4)
    elif piece == "Q":
        shape((-28, 38), (28, 38), (44, -36), (20, -4), (14, -46), (0, -8), (-14, -46), (-20, -4), (-44, -36))
        for across, down in ((-44, -38), (-14, -48), (14, -48), (44, -38)):
            ball(across, down, 7)
    else:
        shape((-28, 38), (28, 38), (42, -6), (26, -24), (0, -10), (-26, -24), (-42, -6))
        draw.line((x, y - 54, x, y - 12), BLACK, 8)
        draw.line((x - 14, y - 42, x + 14, y - 42), BLACK, 8)


def go_board(random: Random) -> Image.Image:
    """A go board in the middle of a game."""
    image, draw = ink.canvas(1200, 1200, (220, 179, 92))
    for line in range(19):
        at = 60 + 60 * line
        draw.line((60, at, 1140, at), BLACK, 3)
        draw.line((at, 60, at, 1140), BLACK, 3)
    for x in (240, 600, 960):
        for y in (240, 600, 960):
            draw.ellipse((x - 9, y - 9, x + 9, y + 9), BLACK)
    # Stones come in groups: each next to an old one, or at a new place.
    taken: dict[tuple[int, int], int] = {}
    for move in range(random.integers(60, 160)):
        near = list(taken)
        row, column = (int(each) for each in random.integers(0, 19, 2))
        if near and random.random() < 0.7:
            base = near[random.integers(len(near))]
            row, column = (int(np.clip(each + random.integers(-1, 2), 0, 18)) for each in base)
        taken.setdefault((row, column), move % 2)
    for (row, column), white in taken.items():
        x, y = 60 + 60 * column, 60 + 60 * row
        draw.ellipse((x - 28, y - 28, x + 28, y + 28), (245, 245, 240) if white else (20, 20, 20), BLACK, 2)
    return image.reduce(2)
