"""Work on many images at once, in threads: decoders release the interpreter's lock."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, islice
from os import cpu_count
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

TASK_ITEMS = 32
"""Items in one task: handing over a small image costs as much as decoding it."""


def thread_pool(workers: int) -> ThreadPoolExecutor:
    """Return a pool with the threads that `--workers` asks for; 0 takes one a processor."""
    return ThreadPoolExecutor(workers or cpu_count() or 1)


def in_threads(pool: ThreadPoolExecutor, function: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Return `function` of each item, in order."""
    tasks = pool.map(lambda task: [function(item) for item in task], batched(items, TASK_ITEMS))
    return list(chain.from_iterable(tasks))


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield lists of `size` items, the last one maybe shorter."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
