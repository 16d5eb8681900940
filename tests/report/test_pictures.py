from PIL import Image

from copyrisk.report.pictures import OUTLINE, boxed, outlined


def test_what_was_copied_is_outlined_and_the_rest_is_pale() -> None:
    image = Image.new("RGB", (200, 200), (0, 0, 0))
    mask = Image.new("1", (20, 20))
    mask.paste(1, (0, 0, 10, 20))
    shown = outlined(image, mask)
    assert shown.getpixel((50, 100)) == (0, 0, 0)
    assert shown.getpixel((150, 100)) == (153, 153, 153)
    assert shown.getpixel((100, 100)) == OUTLINE
    assert image.getpixel((150, 100)) == (0, 0, 0)


def test_a_frame_shows_where_in_the_reference_it_is_from() -> None:
    shown = boxed(Image.new("RGB", (32, 32), "white"), (0.5, 0.25, 1.0, 0.75))
    assert shown.size == (160, 160)
    assert shown.getpixel((80, 80)) == OUTLINE and shown.getpixel((159, 119)) == OUTLINE
    assert shown.getpixel((40, 80)) == shown.getpixel((120, 80)) == (255, 255, 255)
