import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from copyrisk.descriptors.content import LEAST_CONTENT, content, content_of, informative


def grey(values: np.ndarray) -> Image.Image:
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8)).convert("RGB")


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    data = io.BytesIO()
    image.save(data, "JPEG", quality=quality)
    return Image.open(data).convert("RGB")


def text(line: str, size: int, lines: int = 1) -> Image.Image:
    image = Image.new("RGB", (512, 512), "white")
    for number in range(lines):
        place = (256, 512 * (number + 1) / (lines + 1))
        ImageDraw.Draw(image).text(place, line, "black", ImageFont.load_default(size), anchor="mm")
    return image


down, across = np.mgrid[:256, :256]
PLAIN = {
    "white": Image.new("RGB", (300, 200), "white"),
    "one colour, saved badly": jpeg(Image.new("RGB", (300, 200), (200, 30, 90)), 30),
    "one pixel": Image.new("RGB", (1, 1)),
    "grain": grey(np.random.default_rng(0).normal(128, 4, (256, 256))),
    "gradient": grey(across),
    "gradient from corner to corner": grey((down + across) / 2),
    "gradient around": grey(255 - 1.4 * np.hypot(down - 128, across - 128)),
    "horizon": grey(np.where(down < 140, 230, 90)),
    "a line of text": text("Image not available", 40),
    "a large line of text": text("Image not available", 60),
    "a line of text, saved badly": jpeg(text("Image not available", 40), 30),
    "a line of text, turned": text("Image not available", 40).rotate(90),
    "a word": text("SALE", 80),
}


@pytest.mark.parametrize("name", PLAIN)
def test_plain_pictures_are_recognised(name: str) -> None:
    assert not informative(PLAIN[name])


def test_a_page_of_text_is_not_plain() -> None:
    assert informative(text("The quick brown fox jumps", 30, lines=9))


def test_a_thing_before_an_even_ground_is_not_plain() -> None:
    image = Image.new("RGB", (256, 256), "white")
    ImageDraw.Draw(image).ellipse((60, 60, 190, 190), "blue")
    assert informative(image)


@given(st.integers(0, 99), st.floats(0, 80))
def test_content_is_a_number_of_rows(seed: int, contrast: float) -> None:
    picture = grey(np.random.default_rng(seed).normal(128, contrast, (32, 32)))
    assert 0 <= content(picture) <= 32


def test_content_counts_the_rows_or_columns_that_hold_something() -> None:
    planes = np.full((3, 32, 32), 128, np.uint8)
    planes[1, 8:16] = np.random.default_rng(0).integers(0, 256, (8, 32))
    planes[2, :, 8:16] = planes[1, 8:16].T
    blank, wide, high = content_of(planes)
    assert blank == 0
    assert wide == pytest.approx(high)
    # Eight rows, and what their detail gives to those above and below.
    assert 8 <= wide <= 12
    assert wide > LEAST_CONTENT
