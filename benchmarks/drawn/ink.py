"""Words, letters and colours that drawn pictures are made of."""

import colorsys
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

Random = np.random.Generator
Colour = tuple[int, int, int]
Box = tuple[float, float, float, float]
"""Left, top, right, bottom, in pixels."""

BLACK, WHITE, GREY = (25, 25, 28), (255, 255, 255), (130, 134, 140)

WORDS = """
the of and to in a is that it was for on are as with his they at be this from have or by one had not but what all were
when we there can an your which their said if do will each about how up out them then she many some so these would other
into has more her two like him see time could no make than first been its who now people my made over did down only way
find use may water long little very after words called just where most know get through back much before go good new
write our used me man too any day same right look think also around another came come work three word must because does
part even place well such here take why things help put years different away again off went old number great tell men
say small every found still between name should home big give air line set own under read last never us left end along
while might next sound below saw something thought both few those always looked show large often together asked house
world going want school important until form food keep children feet land side without boy once animals life enough took
sometimes four head above kind began almost live page got earth need far hand high year mother light parts country
father let night following picture being study second eyes soon times story boys since white days ever paper hard near
sentence better best across during today others however sure means knew try told young miles sun ways thing whole hear
example heard several change answer room sea against top turned learn point city play toward five using himself usually
""".split()

SYLLABLES = (
    "ba bel bo bra ca cor da del do fa fen ga gor ha hel ja ka kel la lor ma mar mo na nor o pa per ra ro sa sel \
sha ta tel to va ver wa wil zo".split()
)
ENDINGS = "n r s th ton ley den rick ford lin by don well man".split()


@lru_cache
def font(size: float) -> ImageFont.FreeTypeFont:
    """Pillow's own font: no file to look for, the same everywhere."""
    found = ImageFont.load_default(size)
    assert isinstance(found, ImageFont.FreeTypeFont), "Pillow was built without FreeType"
    return found


@lru_cache(maxsize=50_000)
def width(text: str, size: float) -> float:
    return float(font(size).getlength(text))


def words(random: Random, count: int) -> str:
    return " ".join(WORDS[each] for each in random.integers(len(WORDS), size=count))


def title(random: Random, count: int) -> str:
    return words(random, count).capitalize()


def name(random: Random) -> str:
    """A name that nobody has."""
    parts = [SYLLABLES[each] for each in random.integers(len(SYLLABLES), size=random.integers(1, 3))]
    return ("".join(parts) + str(random.choice(ENDINGS))).capitalize()


def hue(random: Random, saturation: float = 0.7, value: float = 0.8) -> Colour:
    """A colour of any hue."""
    return shade(random.random(), saturation, value)


def shade(hue_: float, saturation: float, value: float) -> Colour:
    red, green, blue = (round(255 * each) for each in colorsys.hsv_to_rgb(hue_ % 1, saturation, value))
    return red, green, blue


def canvas(width_: int, height: int, colour: Colour = WHITE) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.new("RGB", (width_, height), colour)
    return image, ImageDraw.Draw(image)


def write(draw: ImageDraw.ImageDraw, random: Random, box: Box, size: float, colour: Colour = BLACK) -> None:
    """Fill a box with paragraphs of random words."""
    left, top, right, bottom = box
    line = 1.4 * size
    while top + line <= bottom:
        x, wanted, capital = left + 1.5 * size, int(random.integers(30, 90)), True
        for _ in range(wanted):
            word = WORDS[int(random.integers(len(WORDS)))]
            word, ends = word.capitalize() if capital else word, random.random() < 0.09
            capital, word = ends, f"{word}{'.' if ends else ''}"
            if x + width(word, size) > right:
                x, top = left, top + line
                if top + line > bottom:
                    return
            draw.text((x, top), word, colour, font(size))
            x += width(f"{word} ", size)
        top += 1.4 * line


def centred(draw: ImageDraw.ImageDraw, x: float, y: float, text: str, size: float, colour: Colour = BLACK) -> None:
    draw.text((x, y), text, colour, font(size), anchor="mm")


def smooth(random: Random, points: int, roughness: float = 1.0) -> np.ndarray:
    """A random walk of so many points, between 0 and 1."""
    steps = np.cumsum(random.normal(0, roughness, points))
    return (steps - steps.min()) / max(float(np.ptp(steps)), 1e-9)
