from itertools import pairwise
from random import Random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from copyrisk.duplicates.clusters import star_clusters
from copyrisk.index.search import Floats, Integers

Points = list[tuple[int, int]]
POINTS = st.lists(st.tuples(st.integers(0, 6), st.integers(1, 3)), max_size=20)
"""Places on a line and how many images there are at each."""


def clusters(points: Points, limit: int) -> tuple[Integers, Floats]:
    places, weights = np.array(points, np.int64).reshape(-1, 2).T
    distances = np.abs(places[:, None] - places).astype(float)
    i, j = np.nonzero(np.triu(distances <= limit, k=1))
    centre, tie = star_clusters(len(places), weights, i, j)
    return centre, np.where(tie < 0, 0, np.append(distances[i, j], 0)[tie])


@settings(deadline=None)
@given(POINTS, st.integers(0, 3))
def test_every_row_is_in_one_cluster_and_within_the_limit_of_its_centre(points: Points, limit: int) -> None:
    centre, distance = clusters(points, limit)
    assert len(centre) == len(distance) == len(points)
    for row, (place, _) in enumerate(points):
        assert distance[row] == abs(place - points[centre[row]][0]) <= limit
        assert centre[centre[row]] == centre[row], "a centre is in its own cluster"


@settings(deadline=None)
@given(POINTS, st.integers(0, 3))
def test_two_centres_are_never_within_the_limit(points: Points, limit: int) -> None:
    centres = sorted({points[centre][0] for centre in clusters(points, limit)[0]})
    assert len(centres) == len(set(clusters(points, limit)[0].tolist()))
    assert all(high - low > limit for low, high in pairwise(centres))


@settings(deadline=None)
@given(POINTS, st.integers(0, 3), st.randoms())
def test_the_order_of_the_pairs_changes_nothing(points: Points, limit: int, random: Random) -> None:
    places, weights = np.array(points, np.int64).reshape(-1, 2).T
    i, j = np.nonzero(np.triu(np.abs(places[:, None] - places) <= limit, k=1))
    order = np.array(random.sample(range(len(i)), len(i)), np.int64)
    centre, tie = star_clusters(len(places), weights, i[order], j[order])
    expected = star_clusters(len(places), weights, i, j)
    assert centre.tolist() == expected[0].tolist()
    assert np.append(order, -1)[tie].tolist() == expected[1].tolist()


def test_a_chain_is_not_glued_together() -> None:
    assert clusters([(0, 1), (1, 1), (2, 1), (3, 1), (4, 1)], 1)[0].tolist() == [1, 1, 1, 3, 3]


def test_the_heaviest_neighbourhood_comes_first_and_of_equal_ones_the_lower_row() -> None:
    assert clusters([(0, 1), (1, 1), (2, 1), (3, 5)], 1)[0].tolist() == [0, 2, 2, 2]
    assert clusters([(0, 1), (1, 1)], 1)[0].tolist() == [0, 0]
