"""Work in threads: in order, no further ahead than needed, and what goes wrong comes at its place."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest
from threadpoolctl import threadpool_info

from copyrisk.parallel import AHEAD, batched, in_threads, small_products


def test_results_come_in_the_order_of_the_tasks() -> None:
    def slow_first(task: int) -> int:
        time.sleep(0.02 if task % 4 == 0 else 0)
        return task * 10

    assert list(in_threads(3, slow_first, range(20))) == [task * 10 for task in range(20)]


def test_tasks_are_taken_as_they_are_needed() -> None:
    taken = 0

    def tasks() -> Iterator[int]:
        nonlocal taken
        for number in range(1000):
            taken = number + 1
            yield number

    results = in_threads(2, str, tasks())
    assert next(results) == "0"
    assert taken <= AHEAD * 2 + 1
    results.close()


def test_threads_work_at_the_same_time() -> None:
    meeting = threading.Barrier(3, timeout=10)
    assert len(set(in_threads(3, lambda _: meeting.wait(), range(3)))) == 3


def test_an_error_comes_after_the_results_before_it() -> None:
    def invert(task: int) -> float:
        return 1 / (task - 2)

    results = in_threads(2, invert, range(10))
    assert [next(results), next(results)] == [-0.5, -1]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_what_was_begun_comes_before_the_error_of_a_task_that_cannot_be_had() -> None:
    def tasks() -> Iterator[int]:
        yield from range(3)
        raise OSError("no more")

    results = in_threads(4, str, tasks())
    assert [next(results) for _ in range(3)] == ["0", "1", "2"]
    with pytest.raises(OSError, match="no more"):
        next(results)


def test_batches_hold_all_items_in_order() -> None:
    assert list(batched(range(7), 3)) == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(batched([], 3)) == []


def test_ctrl_c_is_not_lost_while_threads_are_set_up() -> None:
    code = """
import signal, time
from copyrisk.parallel import small_products
signal.signal(signal.SIGINT, signal.default_int_handler)
print("begun", flush=True)
stop = time.monotonic() + 20
while time.monotonic() < stop:
    with small_products():
        pass
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "begun\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGINT, errors
    assert errors.rstrip().endswith("KeyboardInterrupt")


def test_products_have_one_thread_inside_and_as_many_as_before_after() -> None:
    def threads() -> list[int]:
        return [each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"]

    before = threads()
    with small_products(), small_products():
        assert set(threads()) == {1}
    assert threads() == before
