import io
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps

from copyrisk.descriptors import open_descriptor
from copyrisk.descriptors.content import content
from copyrisk.descriptors.photo import CONTENT, GREY, SEARCH, Photo
from copyrisk.descriptors.thumbnails import grey_of, thumbnail
from copyrisk.errors import UserError
from copyrisk.index.search import distance_between


def scene(seed: int, width: int = 320, height: int = 240) -> Image.Image:
    """Return a picture of a sky, a ground and things of all sizes and colours."""
    generator = np.random.default_rng(seed)
    texture = generator.integers(60, 200, (height // 16, width // 16, 3), dtype=np.uint8)
    image = Image.fromarray(texture).resize((width, height), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    for size in (0.5, 0.4, 0.3, *[0.2] * 8, *[0.1] * 30):
        x, y = generator.uniform(-0.1, 1, 2) * (width, height)
        across, down = generator.uniform(0.5, 1, 2) * size * height
        shape = draw.ellipse if generator.random() < 0.5 else draw.rectangle
        shape((x, y, x + across, y + down), tuple(int(value) for value in generator.integers(0, 256, 3)))
    return image.filter(ImageFilter.GaussianBlur(4))


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    data = io.BytesIO()
    image.save(data, "JPEG", quality=quality)
    return Image.open(data).convert("RGB")


def cropped(image: Image.Image, share: float) -> Image.Image:
    width, height = image.size
    return image.crop((round(width * share), round(height * share / 2), width, round(height * (1 - share / 2))))


def captioned(image: Image.Image) -> Image.Image:
    image = image.copy()
    width, height = image.size
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0.8 * height, width, height), fill="white")
    draw.text((width / 2, 0.9 * height), "when you see it", "black", ImageFont.load_default(20), anchor="mm")
    return image


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "saved badly": lambda image: jpeg(image, 15),
    "smaller": lambda image: image.resize((96, 72)),
    "larger": lambda image: image.resize((700, 500)),
    "stretched": lambda image: image.resize((400, 240)),
    "cropped": lambda image: cropped(image, 0.07),
    "mirrored": ImageOps.mirror,
    "grey": lambda image: image.convert("L").convert("RGB"),
    "pale": lambda image: ImageEnhance.Color(image).enhance(0.4),
    "bright": lambda image: ImageEnhance.Brightness(image).enhance(1.3),
    "dark": lambda image: ImageEnhance.Brightness(image).enhance(0.5),
    "hard": lambda image: ImageEnhance.Contrast(image).enhance(1.5),
    "blurred": lambda image: image.filter(ImageFilter.GaussianBlur(3)),
    "turned a little": lambda image: image.rotate(2, Image.Resampling.BICUBIC),
    "captioned": captioned,
    "framed": lambda image: ImageOps.expand(image, 40, "black"),
    "all together": lambda image: jpeg(ImageEnhance.Color(ImageOps.mirror(cropped(image, 0.05))).enhance(0.6), 50),
}
SAID = {"cropped": "cropped", "mirrored": "mirrored", "bright": "recoloured", "captioned": "covered", "smaller": ""}

PHOTO = Photo()
ROWS = PHOTO.describe_many([scene(seed) for seed in range(12)])


def may_be_the_same(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Say which rows are candidates: a view of one is near the whole of the other."""
    near = [
        distance_between(view, other[:, SEARCH]) <= PHOTO.candidate_distance
        for one, other in ((first, second), (second, first))
        for view in PHOTO.views(one)
    ]
    return np.any(near, axis=0)


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_picture_is_found(change: str) -> None:
    rows = PHOTO.describe_many([CHANGES[change](scene(seed)) for seed in range(12)])
    scores, kinds = PHOTO.verify(ROWS, rows)
    assert may_be_the_same(ROWS, rows).all()
    assert scores.min() >= 0.5
    assert all(SAID.get(change, "") in kind for kind in kinds)


def test_different_pictures_are_not_the_same() -> None:
    i, j = np.triu_indices(12, 1)
    scores, _ = PHOTO.verify(ROWS[i], ROWS[j])
    assert scores.max() < 0.5
    assert may_be_the_same(ROWS[i], ROWS[j]).mean() < 0.05


def test_only_equal_rows_score_1() -> None:
    nearly = ROWS.copy()
    nearly[:, -1] ^= 1
    scores, kinds = PHOTO.verify(ROWS, ROWS)
    assert scores.tolist() == [1] * 12
    assert kinds == ["exact"] * 12
    scores, kinds = PHOTO.verify(ROWS, nearly)
    assert scores.max() < 1
    assert kinds == ["re-encoded"] * 12


def test_plain_pictures_are_not_even_the_same_as_themselves() -> None:
    plain = PHOTO.describe_many([Image.new("RGB", (300, 200), colour) for colour in ("white", "red")])
    assert PHOTO.verify(plain, plain) == (pytest.approx([0, 0]), ["too plain"] * 2)
    assert PHOTO.verify(ROWS[:2], plain) == (pytest.approx([0, 0]), ["too plain"] * 2)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(sorted(CHANGES)))
def test_a_pair_has_the_same_score_either_way_round(seed: int, change: str) -> None:
    rows = PHOTO.describe_many([scene(seed), CHANGES[change](scene(seed)), scene(seed + 1)])
    first, second = rows[[0, 0, 1]], rows[[1, 2, 2]]
    scores, kinds = PHOTO.verify(first, second)
    assert ((scores >= 0) & (scores <= 1)).all()
    assert PHOTO.verify(second, first) == (pytest.approx(scores, abs=0), kinds)


def test_a_row_holds_the_parts_that_are_written_down() -> None:
    image = scene(0)
    row = PHOTO.describe(image)
    assert row.shape == (PHOTO.dimensions,)
    assert row.dtype == np.uint8
    assert np.array_equal(row, PHOTO.describe_many([scene(1), image])[1])
    assert row[CONTENT] == round(content(image) * 7)
    assert np.array_equal(row[GREY].reshape(32, 32), grey_of(thumbnail(image)))
    waves = (row[SEARCH].astype(float) - 128) / 254
    assert np.linalg.norm(waves) == pytest.approx(1, abs=0.02)


def test_the_views_are_the_parts_and_the_mirrored_parts() -> None:
    views = PHOTO.views(ROWS)
    assert views.shape == (16, 12, 63)
    assert views.dtype == np.uint8
    assert np.array_equal(views[0], ROWS[:, SEARCH])
    grey = Image.fromarray(ROWS[0, GREY].reshape(32, 32)).convert("RGB")
    assert np.array_equal(views[8, 0], PHOTO.describe(ImageOps.mirror(grey))[SEARCH])
    # The last of the whole pictures' parts: the corner at the bottom right.
    corner = grey.resize((32, 32), Image.Resampling.BOX, (4.8, 4.8, 32, 32))
    assert distance_between(views[5:6, 0], PHOTO.describe(corner)[None, SEARCH])[0] < 0.03


def test_no_pictures_have_no_rows_views_or_scores() -> None:
    rows = PHOTO.describe_many([])
    assert rows.shape == (0, 1136)
    assert PHOTO.views(rows).shape == (16, 0, 63)
    scores, kinds = PHOTO.verify(rows, rows)
    assert scores.shape == (0,)
    assert kinds == []


def test_it_is_found_by_name_and_takes_no_argument() -> None:
    assert isinstance(open_descriptor("photo"), Photo)
    with pytest.raises(UserError, match=r"^--descriptor photo:64: photo takes no argument"):
        open_descriptor("photo:64")
