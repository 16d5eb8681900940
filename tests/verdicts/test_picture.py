"""The picture of a verdict shows what was copied, and nothing where there is nothing."""

import numpy as np
from PIL import Image

from copyrisk.verdicts.picture import GAP, HEIGHT, OUTLINE, picture
from copyrisk.verdicts.verdict import compare

RANDOM = np.random.default_rng(3)


def noise(width: int, height: int) -> Image.Image:
    cells = RANDOM.integers(0, 255, (height // 4, width // 4, 3), dtype=np.uint8)
    return Image.fromarray(cells).resize((width, height), Image.Resampling.BICUBIC)


def outlined(image: Image.Image) -> np.ndarray:
    return (np.asarray(image) == OUTLINE).all(axis=2)


def test_a_partial_copy_is_shown_in_three_pictures_with_its_outline():
    reference, generation = noise(160, 120), noise(120, 120)
    generation.paste(reference.crop((70, 20, 140, 90)), (30, 40))
    evidence = compare(generation, reference)
    assert evidence.verdict == "partial copy"
    shown = picture(generation, reference, evidence)
    wide = round(160 * HEIGHT / 120)
    assert shown.size == (HEIGHT + GAP + HEIGHT + GAP + wide, HEIGHT)
    box = outlined(shown)[:, 2 * (HEIGHT + GAP) :]
    columns, rows = np.flatnonzero(box.any(axis=0)), np.flatnonzero(box.any(axis=1))
    expected = np.array([70, 139, 20, 89]) * HEIGHT / 120
    assert np.abs([columns[0], columns[-1], rows[0], rows[-1]] - expected).max() < 35
    # What lies under the generation in the outlined area looks like it.
    inside = (slice(50 * 2, 100 * 2), slice(40 * 2, 90 * 2))
    first, second = (np.asarray(shown, float)[:, start : start + HEIGHT] for start in (0, HEIGHT + GAP))
    assert np.abs(first[inside] - second[inside]).mean() < 15


def test_no_copy_is_shown_as_the_two_pictures():
    generation, reference = noise(120, 120), noise(120, 120)
    shown = picture(generation, reference, compare(generation, reference))
    assert shown.size == (2 * HEIGHT + GAP, HEIGHT)
    assert not outlined(shown).any()
