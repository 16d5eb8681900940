import numpy as np
import pytest

from copyrisk.descriptors.pixels import Pixels
from copyrisk.errors import UserError
from copyrisk.matching.tests import RatioTest, SecondTest, SimilarityTest, TileTest, open_test

PIXELS = Pixels("8")
NONE = np.empty((0, PIXELS.dimensions), np.uint8)


def grey(value: int) -> np.ndarray:
    return np.full(PIXELS.dimensions, value, np.uint8)


def with_tile(row: np.ndarray, tile: int, value: int) -> np.ndarray:
    changed = row.copy()
    changed[PIXELS.tiles()[tile]] = value
    return changed


def test_tile_takes_the_worst_tile_and_not_the_average() -> None:
    reference = grey(100)
    one_tile_off = with_tile(reference, 5, 151)
    scores = TileTest(None, PIXELS).score(one_tile_off[None], reference[None], NONE)
    assert scores.reference_statistic == pytest.approx([51 / 255])
    assert scores.reference_statistic[0] > 0.15
    # The same difference over the whole picture would pass as a distance of 0.05.
    assert np.sqrt(np.mean(((one_tile_off - 100.0) / 255) ** 2)) == pytest.approx(0.05)


def test_tile_finds_the_reference_whose_worst_tile_is_best() -> None:
    everywhere_a_little, one_tile_a_lot = grey(120), with_tile(grey(100), 0, 180)
    scores = TileTest(None, PIXELS).score(grey(100)[None], np.stack([one_tile_a_lot, everywhere_a_little]), NONE)
    assert scores.reference.tolist() == [1]


def test_tile_has_the_published_threshold() -> None:
    assert TileTest(None, PIXELS).threshold == 0.15
    assert TileTest(0.1, PIXELS).threshold == 0.1


def test_ratio_is_the_distance_over_half_the_mean_of_the_fifty_nearest() -> None:
    generator = np.random.default_rng(0)
    references = generator.integers(0, 256, (80, PIXELS.dimensions), dtype=np.uint8)
    generation = generator.integers(0, 256, (1, PIXELS.dimensions), dtype=np.uint8)
    distances = np.sort(np.sqrt(np.mean(((references - generation.astype(float)) / 255) ** 2, axis=1)))
    scores = RatioTest(None, PIXELS).score(generation, references, NONE)
    assert scores.reference_statistic == pytest.approx([distances[0] / (0.5 * distances[:50].mean())])


def test_with_two_references_ratio_asks_for_a_third_of_the_second_distance() -> None:
    references = np.stack([grey(100), grey(160)])
    near = RatioTest(None, PIXELS).score(grey(115)[None], references, NONE)
    assert near.reference_statistic == pytest.approx([1.0])


def test_a_control_takes_the_place_of_the_reference_in_the_same_neighbourhood() -> None:
    references = np.stack([grey(value) for value in range(0, 250, 5)])
    generation = grey(101)[None]
    as_reference = RatioTest(None, PIXELS).score(generation, references, NONE)
    as_control = RatioTest(None, PIXELS).score(generation, references, references)
    assert as_control.control_statistic == pytest.approx(as_reference.reference_statistic)
    assert as_control.control.tolist() == as_reference.reference.tolist()


def test_a_generation_equal_to_all_references_is_a_copy() -> None:
    same = np.stack([grey(7), grey(7)])
    assert RatioTest(None, PIXELS).score(grey(7)[None], same, NONE).reference_statistic.tolist() == [0.0]


def test_ratio_needs_two_different_references() -> None:
    with pytest.raises(UserError, match="at least two different references. Use --test tile"):
        RatioTest(None, PIXELS).check(1)


def test_an_unknown_test_names_the_nearest() -> None:
    with pytest.raises(UserError, match="Did you mean 'ratio'"):
        open_test("ration", None, PIXELS)


def test_second_divides_by_the_distance_to_the_second_nearest() -> None:
    references = np.stack([grey(100), grey(130), grey(200)])
    scores = SecondTest(None, PIXELS).score(grey(107)[None], references, references[2:])
    assert scores.reference.tolist() == [0]
    assert scores.reference_statistic == pytest.approx([7 / 23])
    assert scores.control_statistic == pytest.approx([93 / 23])
    assert SecondTest(None, PIXELS).threshold == pytest.approx(1 / 3)


def test_second_needs_two_different_references() -> None:
    with pytest.raises(UserError, match="at least two different references"):
        SecondTest(None, PIXELS).check(1)


class Network:
    specifier, dimensions, dtype, metric = "network", 2, "float32", "cosine"


def test_similarity_is_one_minus_the_cosine() -> None:
    references = np.array([[3, 0], [1, 1]], np.float32)
    scores = SimilarityTest(None, Network()).score(np.array([[0, 2]], np.float32), references, references[:1])  # type: ignore[arg-type]
    assert scores.reference.tolist() == [1]
    assert scores.reference_statistic == pytest.approx([1 - np.sqrt(0.5)])
    assert scores.control_statistic == pytest.approx([1.0])


def test_similarity_wants_a_network() -> None:
    with pytest.raises(UserError, match="rows of a network; --descriptor is pixels:8"):
        SimilarityTest(None, PIXELS)
