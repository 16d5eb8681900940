"""Memorized, a template, or neither: on sets of pictures whose truth is known."""

import numpy as np
import pytest
import scipy.ndimage
from numpy.typing import NDArray

from copyrisk.errors import UserError
from copyrisk.matching.cliques import find_clique

SIDE = 96
Pixels = NDArray[np.float64]


def scene(seed: int) -> Pixels:
    """A picture with shapes and textures of all sizes, as photographs have."""
    generator = np.random.default_rng(seed)
    picture = np.full((SIDE, SIDE, 3), 128.0)
    for spread, strength in ((12, 500), (5, 250), (2, 90), (0.8, 30)):
        noise = generator.normal(0, 1, (SIDE, SIDE, 3))
        picture += strength * scipy.ndimage.gaussian_filter(noise, (spread, spread, 0)) * np.sqrt(spread)
    return np.clip(picture, 0, 255)


def finished(pictures: list[Pixels], noise: float = 3) -> NDArray[np.uint8]:
    generator = np.random.default_rng(99)
    return np.array([np.clip(each + generator.normal(0, noise, each.shape), 0, 255) for each in pictures], np.uint8)


def independent(count: int, first: int = 100) -> list[Pixels]:
    return [scene(first + number) for number in range(count)]


def with_varying_centre(count: int, inside: slice = slice(SIDE // 4, 3 * SIDE // 4)) -> list[Pixels]:
    frame = scene(1)
    pictures = independent(count)
    for number, picture in enumerate(pictures):
        whole = frame.copy()
        whole[inside, inside] = picture[inside, inside]
        pictures[number] = whole
    return pictures


def on_white(pictures: list[Pixels]) -> list[Pixels]:
    """Each picture small, somewhere on a white page."""
    generator = np.random.default_rng(5)
    pages = []
    for picture in pictures:
        page = np.full((SIDE, SIDE, 3), 255.0)
        top, left = generator.integers(0, SIDE - 32, 2)
        page[top : top + 32, left : left + 32] = picture[:32, :32]
        pages.append(page)
    return pages


def test_independent_pictures_are_not_memorized() -> None:
    found = find_clique(finished(independent(60)))
    assert (found.verdict, found.size, len(found.edges)) == ("not memorized", 1, 0)
    assert not found.mask.any() and found.share == 0 and found.centre is None


def test_the_same_picture_again_and_again_is_memorized() -> None:
    found = find_clique(finished([scene(1)] * 30))
    assert (found.verdict, found.size, found.at_most) == ("memorized", 30, 30)
    assert found.members == list(range(30))
    assert len(found.edges) == 30 * 29 / 2
    assert found.detail_share > 0.95
    assert find_clique(finished([scene(1)] * 30, noise=20)).verdict == "memorized"


def test_ten_of_many_are_enough_and_nine_are_not() -> None:
    copies, others = [scene(1)] * 10, independent(50)
    found = find_clique(finished([*others[:25], *copies, *others[25:]]))
    assert (found.verdict, found.members) == ("memorized", list(range(25, 35)))
    found = find_clique(finished([*others, *copies[:9]]))
    assert (found.verdict, found.size, found.members) == ("not memorized", 9, list(range(50, 59)))
    assert find_clique(finished([*others, *copies[:9]]), least=9).verdict == "memorized"


def test_a_frame_around_a_varying_centre_is_a_template_and_the_mask_is_the_frame() -> None:
    found = find_clique(finished([*with_varying_centre(20), *independent(40, first=500)]))
    assert (found.verdict, found.members) == ("template", list(range(20)))
    assert found.size < 10
    rows, columns = found.mask.shape
    frame = np.ones((rows, columns), bool)
    frame[rows // 4 : -(rows // 4), columns // 4 : -(columns // 4)] = False
    assert not found.mask[rows // 4 + 2 : -(rows // 4) - 2, columns // 4 + 2 : -(columns // 4) - 2].any()
    assert found.mask[frame].mean() > 0.8
    assert 0.4 < found.share < 0.85


def test_a_varying_place_around_a_copied_centre_is_a_template_too() -> None:
    pictures = independent(25)
    for picture in pictures:
        picture[24:72, 24:72] = scene(1)[24:72, 24:72]
    found = find_clique(finished(pictures))
    assert (found.verdict, len(found.members)) == ("template", 25)
    assert 0.1 < found.share < 0.45
    assert found.mask[found.mask.shape[0] // 2, found.mask.shape[1] // 2]


def test_of_two_templates_the_one_with_more_pictures_is_shown() -> None:
    one, other = with_varying_centre(12), independent(16, first=700)
    for picture in other:
        picture[:48] = scene(2)[:48]
    assert find_clique(finished([*one, *other])).members == list(range(12, 28))


@pytest.mark.parametrize("noise", [0, 1])
@pytest.mark.parametrize("background", [255, 0])
def test_what_is_flat_counts_for_nothing(background: int, noise: float) -> None:
    pages = on_white(independent(40))
    pages = pages if background else [255 - page for page in pages]
    assert find_clique(finished(pages, noise)).verdict == "not memorized"


def test_gradients_that_all_have_count_for_nothing() -> None:
    light = np.linspace(60, 255, SIDE)[:, None, None] * np.ones((1, SIDE, 3))
    pages = [np.where(page < 255, page, light) for page in on_white(independent(40))]
    assert find_clique(finished(pages, noise=1)).verdict == "not memorized"


def test_blank_pictures_take_no_part() -> None:
    blank = [np.full((SIDE, SIDE, 3), 0.0)] * 20
    found = find_clique(finished([*blank, *independent(12)], noise=0.3))
    assert (found.verdict, found.size, found.even) == ("not memorized", 1, list(range(20)))


@pytest.mark.parametrize("darkest", [255, 120])
def test_near_identical_pages_that_differ_in_the_little_there_is_on_them_are_not_memorized(darkest: int) -> None:
    generator = np.random.default_rng(8)
    page = np.linspace(darkest, 255, SIDE)[:, None, None] * np.ones((1, SIDE, 3))
    pages = [page.copy() for _ in range(20)]
    for page in pages:
        for row, column in generator.integers(0, SIDE - 3, (12, 2)):
            page[row : row + 3, column : column + 3] = 60
    found = find_clique(finished(pages, noise=1), threshold=0.4)
    assert found.size == 20
    assert found.verdict == "not memorized"


def test_fewer_pictures_than_asked_for_and_none() -> None:
    assert find_clique(finished([scene(1)] * 5)).verdict == "not memorized"
    none = find_clique([])
    assert (none.verdict, none.size, none.members) == ("not memorized", 0, [])


def test_the_result_does_not_depend_on_threads_or_on_how_pictures_are_given() -> None:
    pictures = finished([*with_varying_centre(12), *independent(20, first=300)])
    one, other = find_clique(pictures), find_clique(list(pictures))
    assert one.members == other.members and np.array_equal(one.mask, other.mask)


def test_pictures_that_cannot_be_compared_are_refused() -> None:
    with pytest.raises(UserError, match="one size"):
        find_clique([np.zeros((32, 32, 3), np.uint8), np.zeros((32, 48, 3), np.uint8)])
    with pytest.raises(UserError, match="uint8"):
        find_clique([np.zeros((32, 32, 3), np.float32)])  # type: ignore[list-item]
    with pytest.raises(UserError, match="at least 16"):
        find_clique([np.zeros((8, 32, 3), np.uint8)])
