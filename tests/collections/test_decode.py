import io
import re
import struct
import sys
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageFile, ImageOps

from copyrisk.collections import decode as room
from copyrisk.collections.decode import decode, decode_reduced
from copyrisk.errors import UnreadableImage

RED, BLUE, WHITE = [255, 0, 0], [0, 0, 255], [255, 255, 255]


def encode(image: Image.Image, form: str, **settings: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **settings)
    return buffer.getvalue()


def pixels(data: bytes) -> list[Any]:
    image = decode(data)
    assert image.mode == "RGB"
    return np.asarray(image).tolist()  # type: ignore[no-any-return]


def noise(width: int = 24, height: int = 16, channels: tuple[int, ...] = (3,)) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, *channels), dtype=np.uint8))


def orientation(value: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = value
    return exif


def png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_that_claims(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(100))), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)


@pytest.mark.parametrize("form", ["PNG", "TIFF", "BMP", "PPM", "GIF"])
def test_lossless_formats_give_the_pixels_that_were_written(form: str) -> None:
    image = noise().quantize(16).convert("RGB") if form == "GIF" else noise()
    assert np.array_equal(np.asarray(decode(encode(image, form))), np.asarray(image))


@pytest.mark.parametrize("form", ["JPEG", "WEBP", "AVIF", "JPEG2000", "ICO"])
def test_lossy_formats_give_nearly_the_colour_that_was_written(form: str) -> None:
    assert (
        np.abs(np.asarray(decode(encode(Image.new("RGB", (16, 16), (200, 50, 100)), form))) - [200, 50, 100]).max() < 4
    )


@pytest.mark.parametrize("value", range(1, 10))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_the_exif_orientation_is_applied(form: str, value: int) -> None:
    data = encode(noise(), form, exif=orientation(value))
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    assert np.array_equal(np.asarray(decode(data)), np.asarray(upright))
    assert decode(data).size == ((16, 24) if 5 <= value <= 8 else (24, 16))


def test_damaged_exif_leaves_the_pixels_as_they_are_stored() -> None:
    data = encode(noise(), "WEBP", lossless=True, exif=b"XX\0*\0\0\0\x08" + orientation(6).tobytes())
    with pytest.raises(SyntaxError):
        ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    assert np.array_equal(np.asarray(decode(data)), np.asarray(noise()))


def test_cmyk_becomes_rgb() -> None:
    assert pixels(encode(Image.new("CMYK", (1, 1), (0, 0, 0, 0)), "TIFF")) == [[WHITE]]
    assert pixels(encode(Image.new("CMYK", (1, 1), (0, 255, 255, 0)), "TIFF")) == [[RED]]
    assert pixels(encode(Image.new("CMYK", (8, 8), (0, 0, 0, 255)), "JPEG"))[0][0] == [0, 0, 0]


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled_to_8_bits(form: str) -> None:
    eight = np.arange(256, dtype=np.uint16).reshape(16, 16)
    assert np.array_equal(np.asarray(decode(encode(Image.fromarray(eight * 257), form)))[..., 0], eight)


def test_16_bit_grey_is_rounded_to_the_nearest() -> None:
    grey = Image.fromarray(np.array([[0, 128, 129, 65407, 65535]], np.uint16))
    assert [pixel[0] for pixel in pixels(encode(grey, "PNG"))[0]] == [0, 0, 1, 255, 255]


def test_16_bit_pgm_is_scaled_too() -> None:
    assert pixels(b"P5 2 1 65535\n\xff\xff\x80\x80") == [[WHITE, [128] * 3]]


def test_floating_point_pixels_are_refused_since_their_white_is_not_known() -> None:
    with pytest.raises(UnreadableImage, match="floating-point"):
        decode(encode(Image.fromarray(np.array([[0.0, 1.0]], np.float32)), "TIFF"))


@pytest.mark.parametrize("form", ["PNG", "GIF"])
def test_the_transparent_colour_of_a_palette_is_laid_on_white(form: str) -> None:
    image = Image.new("P", (2, 1), 0)
    image.putpalette([*RED, *BLUE])
    image.putpixel((1, 0), 1)
    assert pixels(encode(image, form, transparency=0)) == [[WHITE, BLUE]]


@pytest.mark.parametrize(
    ("image", "settings"),
    [
        (Image.new("RGBA", (1, 1), (255, 0, 0, 0)), {}),
        (Image.new("LA", (1, 1), (7, 0)), {}),
        (Image.new("L", (1, 1), 7), {"transparency": 7}),
        (Image.new("1", (1, 1), 0), {"transparency": 0}),
        (Image.new("RGB", (1, 1), (1, 2, 3)), {"transparency": (1, 2, 3)}),
    ],
    ids=["RGBA", "LA", "L", "1", "RGB"],
)
def test_what_is_transparent_is_white(image: Image.Image, settings: dict[str, Any]) -> None:
    assert pixels(encode(image, "PNG", **settings)) == [[WHITE]]


def test_half_transparent_red_is_pink() -> None:
    assert pixels(encode(Image.new("RGBA", (1, 1), (255, 0, 0, 128)), "PNG")) == [[[255, 127, 127]]]


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "TIFF"])
def test_the_first_frame_of_an_animation_counts(form: str) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    data = encode(frames[0], form, save_all=True, append_images=frames[1:])
    assert np.abs(np.asarray(decode(data))[0, 0] - RED).max() < 4


def test_an_empty_file_says_so() -> None:
    with pytest.raises(UnreadableImage, match=r"^the file is empty$"):
        decode(b"")


@pytest.mark.parametrize("data", [b"<html>404 Not Found</html>", b"\x89PNG\r\n\x1a\n", bytes(1000)])
def test_what_is_no_image_is_not_in_a_known_format(data: bytes) -> None:
    with pytest.raises(UnreadableImage, match=r"^not an image in a known format$"):
        decode(data)


def test_postscript_is_no_image_since_it_is_a_program() -> None:
    with pytest.raises(UnreadableImage, match="not an image"):
        decode(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n%%EOF")


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "BMP"])
def test_a_truncated_image_is_damaged(form: str) -> None:
    data = encode(noise(64, 64), form)
    with pytest.raises(UnreadableImage, match=r"^damaged: .*truncated"):
        decode(data[: len(data) // 2])


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("size", [(60_000, 60_000), (12_000, 10_000), (10_001, 10_000), (2**31 - 1, 1)])
def test_a_bomb_is_refused_before_it_is_decoded(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda image: pytest.fail("decoded"))
    with pytest.raises(UnreadableImage, match=r"^too large: .*100,000,000 pixels"):
        decode(png_that_claims(*size))


def test_the_limit_itself_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MAX_PIXELS", 24 * 16)
    assert decode(encode(noise(24, 16), "PNG")).size == (24, 16)
    with pytest.raises(UnreadableImage, match="too large: 25×16 pixels, the limit is 384 pixels"):
        decode(encode(noise(25, 16), "PNG"))


def test_too_little_memory_is_the_image_s_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(image: Image.Image, mode: str) -> None:
        raise MemoryError

    monkeypatch.setattr(Image.Image, "convert", fail)
    with pytest.raises(UnreadableImage, match="memory"):
        decode(encode(noise(channels=()), "PNG"))


def test_warnings_are_as_strict_after_decoding_in_threads_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encode(noise(200, 200), "JPEG")
    before = list(warnings.filters)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(decode, [data] * 100))
    finally:
        sys.setswitchinterval(interval)
    assert list(warnings.filters) == before


SEEDS = [
    encode(noise(channels=()) if form in ("PNG", "TIFF") else noise(), form, **settings)
    for form, settings in [
        ("PNG", {}),
        ("JPEG", {"exif": orientation(6)}),
        ("GIF", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("WEBP", {"exif": orientation(6)}),
        ("BMP", {}),
        ("ICO", {"sizes": [(16, 16)]}),
        ("PPM", {}),
    ]
]


@st.composite
def mutations(draw: st.DrawFn) -> bytes:
    data = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 4))):
        # Headers are small and matter most.
        place = draw(st.integers(0, 63) | st.integers(0, len(data)))
        data[place : place + draw(st.integers(0, 4))] = draw(st.binary(max_size=4))
    return bytes(data)


@pytest.mark.filterwarnings("ignore::UserWarning")
@settings(max_examples=300, deadline=timedelta(seconds=20))
@given(mutations())
def test_of_damaged_bytes_only_an_unreadable_image_comes(data: bytes) -> None:
    try:
        image = decode(data)
    except UnreadableImage as error:
        assert str(error)
        assert " at 0x" not in str(error), "the reason is the same in every run"
        with pytest.raises(UnreadableImage, match=f"^{re.escape(str(error))}$"):
            decode_reduced(data, 2)
    else:
        assert image.mode == "RGB"
        assert min(image.size) > 0
        reduced = decode_reduced(data, 2)
        assert reduced.image.mode == "RGB"
        assert (reduced.width, reduced.height) == image.size


@pytest.mark.parametrize("marked", [True, False])
def test_cmyk_in_jpeg_is_inverted_as_adobe_writes_it(marked: bool) -> None:
    data = encode(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=100)
    start = data.index(b"\xff\xee")
    end = start + 2 + int.from_bytes(data[start + 2 : start + 4], "big")
    assert b"Adobe" in data[start:end]
    assert pixels(data if marked else data[:start] + data[end:])[0][0] == RED


def png(colour: int, *values: int, depth: int = 16) -> bytes:
    """Return a PNG of one pixel; Pillow cannot write colours of 16 bits."""
    header = struct.pack(">IIBBBBB", 1, 1, depth, colour, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" + struct.pack(f">{len(values)}H", *values)))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in [*chunks, (b"IEND", b"")])


def test_16_bit_colours_count_by_their_high_byte() -> None:
    assert pixels(png(2, 0xFFFF, 0x00FF, 0x0100)) == [[[255, 0, 1]]]
    assert pixels(png(6, 0xFFFF, 0x00FF, 0x0100, 0xFFFF)) == [[[255, 0, 1]]]
    assert pixels(png(6, 0, 0, 0, 0)) == [[WHITE]]
    assert pixels(png(4, 0x1234, 0)) == [[WHITE]]


def test_integers_beyond_16_bits_are_refused_since_their_white_is_not_known() -> None:
    assert pixels(encode(Image.fromarray(np.array([[0xFFFF]], np.int32)), "TIFF")) == [[WHITE]]
    for value in (0x10000, -1):
        with pytest.raises(UnreadableImage, match="integers of unknown range"):
            decode(encode(Image.fromarray(np.array([[value, 0]], np.int32)), "TIFF"))


def test_one_bit_is_black_and_white() -> None:
    assert pixels(encode(Image.fromarray(np.array([[True, False]])), "PNG")) == [[WHITE, [0, 0, 0]]]


def test_a_colour_profile_is_ignored() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    assert pixels(encode(Image.new("RGB", (1, 1), (200, 50, 100)), "PNG", icc_profile=profile)) == [[[200, 50, 100]]]


def test_a_progressive_jpeg_is_decoded_as_a_sequential_one() -> None:
    sequential, progressive = (encode(noise(), "JPEG", progressive=progressive) for progressive in (False, True))
    assert pixels(sequential) == pixels(progressive)


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_without_its_tail_is_refused_and_what_follows_its_end_is_ignored(progressive: bool) -> None:
    data = encode(noise(64, 64), "JPEG", progressive=progressive)
    with pytest.raises(UnreadableImage, match=r"^damaged: .*truncated"):
        decode(data[:-20])
    assert pixels(data + b"appended") == pixels(data)


def test_the_still_picture_of_an_animated_png_counts() -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    data = encode(frames[0], "PNG", save_all=True, default_image=True, append_images=[frames[1]] * 2)
    assert pixels(data)[0][0] == RED


@pytest.mark.parametrize("value", range(1, 9))
def test_the_orientation_of_avif_is_applied(value: int) -> None:
    corner = Image.new("RGB", (32, 16), "white")
    corner.paste((255, 0, 0), (0, 0, 16, 8))
    shown = np.asarray(decode(encode(corner, "AVIF", quality=100, exif=orientation(value)))).astype(int)
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(encode(corner, "PNG", exif=orientation(value)))))
    assert shown.shape == np.asarray(expected).shape
    assert np.abs(shown - np.asarray(expected)).mean() < 8


def progressive_bomb(scans: int) -> bytes:
    """Return a progressive JPEG of 1,000 × 1,000 pixels with one of its shorter passes many times over."""
    data = encode(Image.new("RGB", (1000, 1000), "red"), "JPEG", progressive=True)
    starts = [place for place in range(len(data)) if data.startswith(b"\xff\xda", place)]
    start, end = min(pairwise(starts), key=lambda pair: pair[1] - pair[0])
    return data[:start] + data[start:end] * scans + data[start:]


def test_a_progressive_jpeg_of_too_many_passes_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert decode(progressive_bomb(100)).size == (1000, 1000)
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda image: pytest.fail("decoded"))
    with pytest.raises(UnreadableImage, match=r"^too many passes: 10,0\d\d over 1000×1000 pixels$"):
        decode(progressive_bomb(10_000))


@pytest.mark.parametrize(
    ("form", "place", "piece"),
    [
        ("JPEG", 2, b"\xff\xe1\0\x0cExif\0\0aaaa"),
        ("JPEG", 2, b"\xff\xfe\0\x02"),
        ("PNG", 33, png_chunk(b"prVt", b"")),
        ("GIF", 13 + 3 * 256, b"\x21\xfe\x01a\0"),
    ],
)
def test_a_header_in_too_many_pieces_is_refused(form: str, place: int, piece: bytes) -> None:
    data = encode(noise().quantize(256) if form == "GIF" else noise(), form)
    assert decode(data[:place] + piece * 100 + data[place:]).size == (24, 16)
    with pytest.raises(UnreadableImage, match="too many pieces"):
        decode(data[:place] + piece * 50_000 + data[place:])


def test_text_that_unpacks_to_very_much_is_refused() -> None:
    text = png_chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(900_000)))
    data = encode(noise(), "PNG")
    with pytest.raises(UnreadableImage, match="Too much memory"):
        decode(data[:33] + text * 100 + data[33:])


def scene(width: int, height: int) -> Image.Image:
    """Return a picture with detail at all scales, as photographs have it: amplitudes fall as one over frequency."""
    generator = np.random.default_rng(3)
    down, across = np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)
    amplitudes = 1 / np.maximum(np.hypot(down * height, across * width), 1)
    colours = [np.fft.ifft2(amplitudes * np.fft.fft2(generator.standard_normal((height, width)))).real for _ in "RGB"]
    picture = np.stack(colours, axis=-1)
    return Image.fromarray(np.clip(128 + 50 * picture / picture.std(), 0, 255).astype(np.uint8))


@pytest.mark.parametrize(
    ("form", "size", "least_side", "reduced"),
    [
        ("JPEG", (512, 512), 128, (128, 128)),
        ("JPEG", (512, 512), 129, (256, 256)),
        ("JPEG", (512, 512), 257, (512, 512)),
        ("JPEG", (640, 480), 64, (160, 120)),
        # Only in halves, since an eighth of 513 would end 7 pixels behind the picture; then averaged.
        ("JPEG", (513, 512), 64, (128, 128)),
        ("JPEG", (500, 333), 128, (500, 333)),
        ("PNG", (512, 512), 256, (512, 512)),
        ("PNG", (512, 512), 128, (256, 256)),
        ("PNG", (520, 390), 32, (87, 65)),
    ],
)
def test_a_picture_is_made_as_small_as_is_needed_and_its_size_is_still_known(
    form: str, size: tuple[int, int], least_side: int, reduced: tuple[int, int]
) -> None:
    found = decode_reduced(encode(scene(*size), form), least_side)
    assert (found.image.size, found.width, found.height) == (reduced, *size)
    assert found.image.mode == "RGB"


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("value", range(1, 9))
def test_a_picture_made_smaller_is_upright_and_so_is_its_size(form: str, value: int) -> None:
    data = encode(scene(256, 128), form, exif=orientation(value))
    whole, found = decode(data), decode_reduced(data, 16)
    assert (found.width, found.height) == whole.size == ((128, 256) if value >= 5 else (256, 128))
    expected = whole.resize(found.image.size, Image.Resampling.BOX)
    assert np.abs(np.asarray(expected).astype(int) - np.asarray(found.image)).mean() < 4


@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 80), st.sampled_from(["JPEG", "PPM"]))
@settings(max_examples=100, deadline=None)
def test_made_smaller_a_picture_keeps_its_shape_and_as_many_pixels_as_are_needed(
    width: int, height: int, least_side: int, form: str
) -> None:
    found = decode_reduced(encode(Image.new("RGB", (width, height), "red"), form), least_side).image
    assert found.width >= min(width, least_side)
    assert found.height >= min(height, least_side)
    assert abs(found.width / width - found.height / height) < 1 / min(width, height)
    assert min(found.size) < 4 * least_side


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
@pytest.mark.parametrize("size", [(512, 512), (500, 333), (641, 427), (765, 765), (1023, 767)])
def test_averages_of_a_picture_made_smaller_are_those_of_the_whole(form: str, size: tuple[int, int]) -> None:
    data = encode(scene(*size), form)
    whole, reduced = (
        np.asarray(image.resize((32, 32), Image.Resampling.BOX)).astype(int)
        for image in (decode(data), decode_reduced(data, 128).image)
    )
    # A fifth of the distance of duplicates, 0.05.
    assert np.sqrt(((whole - reduced) ** 2).mean()) / 255 < 0.01


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_is_refused_for_the_same_reason_at_every_size(progressive: bool) -> None:
    data = encode(scene(256, 256), "JPEG", progressive=progressive)
    for cut in range(100, len(data), 997):
        with pytest.raises(UnreadableImage) as whole:
            decode(data[:cut])
        with pytest.raises(UnreadableImage, match=f"^{re.escape(str(whole.value))}$"):
            decode_reduced(data[:cut], 16)
