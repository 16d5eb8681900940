import numpy as np
import pytest

from copyrisk.generators.memory import choose_batch_size, free_memory, measured_peak


@pytest.mark.parametrize(
    ("an_image", "free", "expected"),
    [(100 << 20, 1 << 30, 4), (100 << 20, 200 << 20, 1), (100 << 20, 4 << 30, 16), (0, 64 << 30, 256), (1 << 30, 0, 1)],
)
def test_half_of_the_free_memory_is_filled(an_image: int, free: int, expected: int) -> None:
    assert choose_batch_size(an_image, free) == expected


def test_the_peak_of_a_call_is_seen() -> None:
    seen = measured_peak("cpu", lambda: np.ones(64 << 20, np.uint8).sum())
    assert seen >= 48 << 20


def test_free_memory_is_positive() -> None:
    assert free_memory("cpu") > 1 << 20
