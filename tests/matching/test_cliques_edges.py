"""Near-identical pictures: exactly those that comparing all pixels would find."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from copyrisk.matching.cliques import edges
from copyrisk.matching.cliques.blocks import Grid, Picture, square_sum, tile_distance
from copyrisk.matching.cliques.edges import exact_squares, near_pairs


def by_hand(first: Picture, second: Picture) -> float:
    """The largest root mean square over 16 tiles, written down as it is defined."""
    squares = ((first.astype(np.float64) - second) / 255) ** 2
    rows, columns = (np.arange(5) * side // 4 for side in first.shape[:2])
    tiles = [squares[rows[i] : rows[i + 1], columns[j] : columns[j + 1]] for i in range(4) for j in range(4)]
    return max(float(np.sqrt(tile.mean())) for tile in tiles)


def brute(pictures: NDArray[np.uint8], threshold: float) -> NDArray[np.bool_]:
    near = [[tile_distance(one, other) <= threshold for other in pictures] for one in pictures]
    return np.array(near) & ~np.eye(len(pictures), dtype=bool)


def smooth(generator: np.random.Generator, height: int, width: int, strength: float) -> NDArray[np.float64]:
    coarse = generator.normal(0, strength, (4, 4, 3))
    return np.kron(coarse, np.ones((-(-height // 4), -(-width // 4), 1)))[:height, :width]


def varied(seed: int, count: int, height: int, width: int, noise: float, soft: float) -> NDArray[np.uint8]:
    """Pictures in four groups, each of one picture with noise and soft changes."""
    generator = np.random.default_rng(seed)
    bases = generator.integers(0, 256, (4, height, width, 3))
    made = [
        bases[number % 4] * 0.6
        + 50
        + smooth(generator, height, width, soft)
        + generator.normal(0, noise, bases[0].shape)
        for number in range(count)
    ]
    return np.clip(np.rint(made), 0, 255).astype(np.uint8)


@pytest.mark.parametrize(("height", "width"), [(16, 16), (37, 50), (130, 66)])
def test_the_distance_is_that_of_the_worst_tile(height: int, width: int) -> None:
    one, other = varied(1, 2, height, width, 5, 10)
    assert tile_distance(one, other) == pytest.approx(by_hand(one, other), rel=1e-12)
    spot = one.copy()
    spot[: height // 4, : width // 4] = 255 - spot[: height // 4, : width // 4]
    assert tile_distance(one, spot) == pytest.approx(by_hand(one, spot), rel=1e-12)
    assert tile_distance(one, one) == 0
    assert tile_distance(np.zeros_like(one), np.full_like(one, 255)) == 1


def test_sums_of_squares_are_exact_whatever_the_pixels() -> None:
    black, white = np.zeros((70, 33, 3), np.uint8), np.full((70, 33, 3), 255, np.uint8)
    assert square_sum(black, white) == black.size * 255**2
    tiles = np.random.default_rng(2).integers(0, 256, (5, 70, 33, 3), dtype=np.uint8)
    expected = [[square_sum(one, other) for other in tiles] for one in tiles]
    assert np.array_equal(exact_squares(tiles), expected)
    assert np.array_equal(exact_squares(np.stack([black, white])), [[0, black.size * 255**2], [black.size * 255**2, 0]])


@pytest.mark.parametrize(("height", "width"), [(16, 16), (37, 50), (64, 96), (261, 140)])
def test_sums_of_blocks_are_those_of_the_pixels(height: int, width: int) -> None:
    grid = Grid(height, width)
    picture = np.random.default_rng(3).integers(0, 256, (height, width, 3), dtype=np.uint8)
    sums, (rows, columns) = grid.sums(picture), grid.blocks
    for (down, across), number in zip(grid.tiles, range(16), strict=True):
        tile = picture[down, across][: rows * grid.block, : columns * grid.block].astype(int)
        expected = tile.reshape(rows, grid.block, columns, grid.block, 3).sum(axis=(1, 3))
        i, j = divmod(number, 4)
        assert np.array_equal(sums[i * rows : (i + 1) * rows, j * columns : (j + 1) * columns], expected)


@given(
    seed=st.integers(0, 1000),
    size=st.tuples(st.integers(16, 40), st.integers(16, 40)),
    noise=st.sampled_from([0, 3, 20]),
    soft=st.sampled_from([0, 5, 25]),
    quantile=st.floats(0, 1),
    few=st.sampled_from([0, 3, 24]),
    rows=st.sampled_from([5, 512]),
    gain=st.sampled_from([0, 12, 10**6]),
)
@settings(max_examples=30, deadline=None)
def test_the_edges_are_those_of_brute_force(
    seed: int, size: tuple[int, int], noise: int, soft: int, quantile: float, few: int, rows: int, gain: int
) -> None:
    pictures = varied(seed, 14, *size, noise, soft)
    distances = sorted(tile_distance(one, other) for one in pictures for other in pictures)
    # A threshold that is the distance of some pair, to the last bit.
    threshold = distances[int(quantile * (len(distances) - 1))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(edges, "FEW", few)
        patch.setattr(edges, "ROWS", rows)
        patch.setattr(edges, "PRODUCT_GAIN", gain)
        assert np.array_equal(near_pairs(pictures, threshold), brute(pictures, threshold))


@pytest.mark.parametrize(("noise", "soft"), [(2, 0), (38, 0), (3, 22), (20, 10)])
def test_pictures_that_are_all_alike_or_nearly_edges_are_told_apart_exactly(noise: float, soft: float) -> None:
    generator = np.random.default_rng(5)
    base = generator.integers(60, 196, (48, 64, 3))
    made = [base + smooth(generator, 48, 64, soft) + generator.normal(0, noise, base.shape) for _ in range(60)]
    pictures = np.clip(np.rint(made), 0, 255).astype(np.uint8)
    assert np.array_equal(near_pairs(pictures, 0.15), brute(pictures, 0.15))


def test_one_pivot_settles_pictures_that_are_all_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(6)
    base = generator.integers(20, 236, (64, 64, 3))
    pictures = np.array([base + generator.integers(-9, 10, base.shape) for _ in range(80)], np.uint8)
    calls: list[int] = []
    monkeypatch.setattr(edges, "exact_squares", lambda tiles: calls.append(1))
    monkeypatch.setattr(edges, "square_sum", counted(calls))
    assert near_pairs(pictures, 0.15).sum() == 80 * 79
    assert len(calls) == 79 * 16


def counted(calls: list[int]) -> Callable[[Picture, Picture], int]:
    def call(first: Picture, second: Picture) -> int:
        calls.append(1)
        return square_sum(first, second)

    return call


def test_nothing_and_one_picture_have_no_edges() -> None:
    assert near_pairs([], 0.15).shape == (0, 0)
    assert not near_pairs(np.zeros((1, 16, 16, 3), np.uint8), 0.15).any()
    assert near_pairs(np.zeros((3, 16, 16, 3), np.uint8), 0).sum() == 6
