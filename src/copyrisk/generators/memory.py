"""How many images fit the memory."""

import re
import resource
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

LARGEST_BATCH = 256
SMALLEST_SHARE = 2**20
"""Bytes an image is taken to need at least: below a megabyte the measurement is mostly noise."""


def choose_batch_size(bytes_an_image: int, free: int) -> int:
    """Return how many images fit half of the free memory: a multiple of 8 up to 256, or 4, 2, 1."""
    fitting = free // 2 // max(bytes_an_image, SMALLEST_SHARE)
    if fitting >= 8:
        return int(min(fitting // 8 * 8, LARGEST_BATCH))
    return 4 if fitting >= 4 else 2 if fitting >= 2 else 1


def free_memory(device: str) -> int:
    """Return the bytes that can still be had on a torch device."""
    if device.startswith("cuda"):
        import torch

        return int(torch.cuda.mem_get_info(device)[0])
    import psutil

    return int(psutil.virtual_memory().available)


def measured_peak(device: str, call: Callable[[], Any]) -> int:
    """Run `call` and return how many bytes more than before it needed at its peak (0 where that cannot be seen)."""
    if device.startswith("cuda"):
        import torch

        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        call()
        return int(torch.cuda.max_memory_allocated(device) - before)
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    before = _peak_resident()
    call()
    return max(0, _peak_resident() - before)


def _peak_resident() -> int:
    with suppress(OSError):
        found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
        if found:
            return int(found[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
