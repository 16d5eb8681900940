"""Describing images in batches: the rows of an index."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageDraw

from copyrisk.collections import Item
from copyrisk.collections.decode import decode, decode_reduced
from copyrisk.descriptors import Descriptor
from copyrisk.descriptors.pixels import Pixels
from copyrisk.errors import UserError
from copyrisk.index import rows as room
from copyrisk.index.rows import batch_rows, contrast_of, describe, image_fields, table_of


class Corner(Descriptor):
    """The upper left pixel. It notes what it is given, and fails on pictures that begin with one of the greys."""

    specifier = "corner:1"
    dimensions = 3

    def __init__(self, fails_on: Sequence[int] = (), error: type[Exception] = ZeroDivisionError, **attributes: Any):
        self.fails_on, self.error = fails_on, error
        self.sizes: list[list[tuple[int, int]]] = []
        for name, value in attributes.items():
            setattr(self, name, value)

    def describe(self, image: Image.Image) -> Any:
        return self.describe_many([image])[0]

    def describe_many(self, images: Sequence[Image.Image]) -> Any:
        self.sizes.append([image.size for image in images])
        found = np.array([np.asarray(image)[0, 0] for image in images])
        if np.isin(found[:, 0], self.fails_on).any():
            raise self.error("grey")
        return found


class Alone:
    """A descriptor of another package, which knows only what descriptors once had to know."""

    specifier = "alone"
    dimensions = 2

    def describe(self, image: Image.Image) -> Any:
        return np.array(image.size, np.uint8)


def item(grey: int, size: tuple[int, int] = (8, 8), form: str = "PNG") -> Item:
    buffer = io.BytesIO()
    Image.new("RGB", size, (grey,) * 3).save(buffer, form)
    return Item(str(grey), "", grey, buffer.getvalue())


def test_readable_images_are_described_in_one_call_and_the_others_have_a_reason() -> None:
    descriptor = Corner()
    junk = Item("junk", "", 1, b"junk")
    rows = describe([item(10), junk, item(20)], descriptor)
    assert [row["id"] for row in rows] == ["10", "junk", "20"]
    assert [len(sizes) for sizes in descriptor.sizes] == [2]
    assert [row["descriptor"][0] for row in (rows[0], rows[2])] == [10, 20]
    assert rows[1] == {"id": "junk", "position": 1, "caption": "", "error": "not an image in a known format"}


def test_a_descriptor_that_knows_nothing_of_batches_describes_one_by_one() -> None:
    rows = describe([item(1), item(2, (7, 5))], Alone())  # type: ignore[arg-type]
    assert [row["descriptor"].tolist() for row in rows] == [[8, 8], [7, 5]]


@pytest.mark.parametrize("error", [ZeroDivisionError, UserError])
def test_a_picture_that_the_descriptor_fails_on_does_not_lose_the_others(error: type[Exception]) -> None:
    rows = describe([item(1), item(2), item(3)], Corner(fails_on=[2], error=error))
    assert [row.get("error") for row in rows] == [None, "corner fails on it: grey", None]
    assert [row["descriptor"][0] for row in (rows[0], rows[2])] == [1, 3]
    assert "sha256" not in rows[1], "what could not be described is tried again"


def test_a_descriptor_that_has_a_complaint_about_all_pictures_stops_with_it() -> None:
    with pytest.raises(UserError, match="^grey$"):
        describe([item(1), item(2)], Corner(fails_on=[1, 2], error=UserError))


def test_rows_of_another_length_than_promised_are_refused() -> None:
    with pytest.raises(UserError, match=r"corner:1: it gives rows of shape \(3,\) instead of \(4,\)"):
        describe([item(1)], Corner(dimensions=4))


def test_few_pixels_are_held_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "BATCH_PIXELS", 250)
    descriptor = Corner()
    rows = describe([item(grey, (10, 10)) for grey in range(7)], descriptor)
    assert [len(sizes) for sizes in descriptor.sizes] == [3, 3, 1]
    assert [row["descriptor"][0] for row in rows] == list(range(7))


def test_pictures_are_decoded_at_the_size_that_the_descriptor_needs() -> None:
    small = Corner(needs=16)
    rows = describe([item(100, (256, 128), "JPEG"), item(100, (256, 128))], small)
    assert small.sizes == [[(32, 16), (64, 32)]]
    assert [(row["width"], row["height"]) for row in rows] == [(256, 128)] * 2
    whole = Corner()
    describe([item(100, (256, 128), "JPEG")], whole)
    assert whole.sizes == [[(256, 128)]]


def test_what_is_known_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[bytes] = []

    def spy(data: bytes, least_side: int | None) -> Any:
        decoded.append(data)
        return decode_reduced(data, least_side)

    monkeypatch.setattr(room, "decode_reduced", spy)
    first, second = item(1), item(2)
    rows = describe([first, second], Corner(), known=lambda each, digest: each.id == "1" and len(digest) == 32)
    assert decoded == [second.data]
    assert rows[0].keys() == {"id", "position", "caption", "sha256"}
    assert rows[1].keys() >= {"descriptor", "width", "informative"}


def test_only_a_network_on_a_gpu_gets_large_batches() -> None:
    assert batch_rows(Corner()) == batch_rows(Alone()) == batch_rows(Corner(device="cpu")) == room.BATCH_ROWS  # type: ignore[arg-type]
    assert batch_rows(Corner(device="cuda:0")) == room.GPU_ROWS > room.BATCH_ROWS


def noise(seed: int = 0, side: int = 64) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8))


def framed(image: Image.Image, border: int) -> Image.Image:
    whole = Image.new("RGB", (image.width + 2 * border, image.height + 2 * border), "black")
    whole.paste(image, (border, border))
    return whole


def line_of_text() -> Image.Image:
    page = Image.new("RGB", (256, 256), "white")
    ImageDraw.Draw(page).text((10, 100), "a single line of text", "black", font_size=20)
    return page


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        (noise(), True),
        (framed(noise(), 20), True),
        (Image.new("RGB", (64, 64), "red"), False),
        (framed(Image.new("RGB", (64, 64), "red"), 6), False),
        (line_of_text(), False),
    ],
)
@pytest.mark.parametrize("descriptor", [Corner(), Pixels("8"), Pixels("32")])
def test_pictures_with_too_little_in_them_are_marked(
    picture: Image.Image, expected: bool, descriptor: Descriptor
) -> None:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    (row,) = describe([Item("a", "", 0, buffer.getvalue())], descriptor)
    assert row["informative"] is expected


def test_a_descriptor_that_knows_the_content_of_its_rows_is_asked() -> None:
    class Sure(Corner):
        def content_of_rows(self, rows: Any) -> Any:
            return np.where(rows[:, 0] > 5, 32.0, 0.0)

    assert [row["informative"] for row in describe([item(1), item(9)], Sure())] == [False, True]


def test_a_row_does_not_depend_on_the_others_of_its_batch() -> None:
    items = []
    for seed in range(5):
        buffer = io.BytesIO()
        noise(seed).save(buffer, "PNG")
        items.append(Item(str(seed), "", seed, buffer.getvalue()))
    for descriptor in (Corner(), Pixels("8")):
        together, alone = describe(items, descriptor), [describe([each], descriptor)[0] for each in items]
        schema = pa.schema([*image_fields(descriptor), ("contrast", pa.float64())])
        assert table_of(together, schema).equals(table_of(alone, schema))


@given(arrays(np.uint8, (3, 50, 3)))
def test_contrast_is_the_root_mean_square_away_from_the_mean_colour(colours: Any) -> None:
    expected = np.sqrt(colours.astype(float).var(axis=1).mean(axis=1)) / 255
    assert contrast_of(colours) == pytest.approx(expected, abs=1e-9)
    assert contrast_of(colours)[1] == contrast_of(colours[1])


def test_a_table_has_the_columns_of_its_schema_and_null_where_a_row_has_nothing() -> None:
    rows = describe([item(1), Item("b", "", 1, b""), item(2)], Corner())
    table = table_of(rows, pa.schema(image_fields(Corner())))
    assert table["descriptor"].to_pylist() == [[1, 1, 1], None, [2, 2, 2]]
    assert table["error"].to_pylist() == [None, "the file is empty", None]
    assert "contrast" not in table.column_names
    assert np.array_equal(room.descriptors_of(room.readable(table)), [[1, 1, 1], [2, 2, 2]])


def test_pixels_of_a_picture_are_the_same_described_here_or_by_hand() -> None:
    one = item(77, (64, 64), "JPEG")
    assert one.data is not None
    (row,) = describe([one], Pixels("8"))
    assert np.abs(row["descriptor"].astype(int) - Pixels("8").describe(decode(one.data))).max() <= 1
