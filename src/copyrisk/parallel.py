"""Work on many images at once, in threads: decoders release the interpreter's lock."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from os import cpu_count
from threading import Lock
from typing import TypeVar

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

T = TypeVar("T")
R = TypeVar("R")

AHEAD = 2
"""Tasks for each thread that are begun, or done and waiting, while an earlier one is still at work."""


_limits: list[threadpool_limits] = []
_users = 0
_lock = Lock()


@contextmanager
def small_products() -> Iterator[None]:
    """Let matrix products use one thread each inside: small ones wait longer for a second than it saves.

    It holds for the whole process while any thread is inside.
    """
    global _users
    with _lock:
        if _users == 0:
            _limits.append(threadpool_limits(1, user_api="blas"))
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                _limits.pop().restore_original_limits()


def thread_pool(workers: int) -> ThreadPoolExecutor:
    """Return a pool with the threads that `--workers` asks for; 0 takes one a processor."""
    return ThreadPoolExecutor(thread_count(workers))


def thread_count(workers: int) -> int:
    """Return how many threads `--workers` asks for."""
    return workers or cpu_count() or 1


def in_threads(workers: int, function: Callable[[T], R], tasks: Iterable[T]) -> Iterator[R]:
    """Yield `function` of each task, in order, while the threads go on with the tasks that follow.

    Tasks are taken as they are needed; where one cannot be had, those before it come first, then the error. A task
    should be worth some milliseconds: handing it over costs a tenth of one. Matrix products have one thread each.
    """
    threads = thread_count(workers)
    remaining = iter(tasks)
    more, failure = True, None
    waiting: deque[Future[R]] = deque()
    with small_products(), ThreadPoolExecutor(threads) as pool:
        try:
            while more or waiting:
                while more and len(waiting) <= AHEAD * threads:
                    try:
                        waiting.append(pool.submit(function, next(remaining)))
                    except StopIteration:
                        more = False
                    except Exception as error:
                        more, failure = False, error
                if waiting:
                    yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
    if failure is not None:
        raise failure


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield lists of `size` items, the last one maybe shorter."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
