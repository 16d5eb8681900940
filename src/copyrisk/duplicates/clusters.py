"""Clusters whose members all resemble one picture at the centre: no chain of weak links can glue them together."""

import numpy as np

from copyrisk.index.search import Integers


def star_clusters(count: int, weights: Integers, i: Integers, j: Integers) -> tuple[Integers, Integers]:
    """Cut a graph of near pairs into stars.

    The row with the heaviest neighbourhood becomes the centre of a cluster and takes its neighbours that no earlier
    centre has taken; then the next heaviest that is left, and so on (ties: the lower row). weights: (count,), how many
    images each row stands for. i, j: the pairs, each once.

    Returns each row's centre, and which pair ties it to that (-1: it is the centre), both of shape (count,).
    """
    degree = weights.astype(np.int64)
    np.add.at(degree, i, weights[j])
    np.add.at(degree, j, weights[i])
    source, target = np.concatenate([i, j]), np.concatenate([j, i])
    order = np.lexsort((target, source))
    target, pair = target[order], np.tile(np.arange(len(i)), 2)[order]
    starts = np.searchsorted(source[order], np.arange(count + 1))
    centre, tie = np.full(count, -1, dtype=np.int64), np.full(count, -1, dtype=np.int64)
    for row in np.lexsort((np.arange(count), -degree)):
        if centre[row] < 0:
            centre[row] = row
            neighbours = slice(starts[row], starts[row + 1])
            free = centre[target[neighbours]] < 0
            centre[target[neighbours][free]] = row
            tie[target[neighbours][free]] = pair[neighbours][free]
    return centre, tie
