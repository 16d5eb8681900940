"""Several devices at once: a process for each, which is handed whole batches; the images are those of one device."""

import os
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from functools import cached_property
from multiprocessing import connection, get_context, parent_process
from typing import TYPE_CHECKING, Any

from copyrisk.errors import UserError
from copyrisk.generators.writing import Made
from copyrisk.options import Options

if TYPE_CHECKING:
    from copyrisk.generators import Generator

AHEAD = 2
"""Batches for each device that are made, or done and waiting, while an earlier one is still at work."""

Asked = tuple[Sequence[str], Sequence[int]]


def device_names(option: str) -> list[str]:
    """List the devices that `--device` means: `all` the GPUs of the machine, else those between its commas.

    Raises UserError where `all` finds none.
    """
    if option != "all":
        return [name.strip() for name in option.split(",") if name.strip()]
    import torch

    if not torch.cuda.is_available():
        raise UserError("--device all: there is no GPU here. Leave the option out, or give cpu.")
    return [f"cuda:{number}" for number in range(torch.cuda.device_count())]


class Everywhere:
    """A generator on several devices. What it says of itself is what `first`, opened for the first of them, says."""

    def __init__(self, first: "Generator", options: Options, devices: list[str]):
        """Open nothing yet: processes start when the first image is asked for."""
        self.first = first
        self.options = options
        self.devices = devices
        self.specifier, self.fingerprint, self.settings = first.specifier, first.fingerprint, first.settings
        self.conditional, self.listing = first.conditional, first.listing
        self.at_once = len(devices)
        self.observed: list[str] = []

    def batch_size(self) -> int:
        """Return the batch size that one of the devices chooses."""
        return int(self._answer(self._pool.submit(_batch_size)))

    def generate(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Made]:
        """Make one image for each prompt and seed, on any of the devices."""
        return next(self.each([(prompts, seeds)]))

    def each(self, batches: Iterable[Asked]) -> Iterator[list[Made]]:
        """Yield the images of each batch, in order, while the devices go on with the batches that follow."""
        pool, waiting = self._pool, deque[Future[Any]]()
        try:
            for prompts, seeds in batches:
                waiting.append(pool.submit(_generate, list(prompts), list(seeds)))
                if len(waiting) >= AHEAD * len(self.devices):
                    yield self._made(waiting.popleft())
            while waiting:
                yield self._made(waiting.popleft())
        finally:
            for future in waiting:
                future.cancel()

    def remarks(self, prompts: list[str]) -> list[str]:
        """Return what `first` says of how images of these prompts are made."""
        found: list[str] = getattr(self.first, "remarks", lambda _: [])(prompts)
        return found

    def close(self) -> None:
        """End the processes; they start again when an image is asked for."""
        pool = self.__dict__.pop("_pool", None)
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)

    @cached_property
    def _pool(self) -> ProcessPoolExecutor:
        # A process that was forked could not use CUDA.
        context = get_context("spawn")
        names = context.SimpleQueue()
        for name in self.devices:
            names.put(name)
        return ProcessPoolExecutor(len(self.devices), context, _start, (self.options, names))

    def _made(self, future: "Future[Any]") -> list[Made]:
        images, observed = self._answer(future)
        self.observed += [each for each in observed if each not in self.observed]
        made: list[Made] = images
        return made

    def _answer(self, future: "Future[Any]") -> Any:
        try:
            return future.result()
        except BrokenProcessPool:
            self.close()
            raise UserError(
                f"--device {self.options.device}: one of its processes was ended from outside, or ran out of memory. "
                "What was done is kept; the same command goes on."
            ) from None


_choice: Options
_opened: "list[Generator]" = []


def _start(options: Options, names: Any) -> None:
    """Begin a process: it takes the next device of the queue."""
    global _choice
    # The process that was interrupted tells the others; they end with it, whatever ended it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _choice = replace(options, device=names.get())


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _mine() -> "Generator":
    """Open the generator of this process with its first task, so that what goes wrong is the answer to a task."""
    from copyrisk.generators import open_generator

    if not _opened:
        _opened.append(open_generator(_choice))
    return _opened[0]


def _batch_size() -> int:
    return _mine().batch_size()


def _generate(prompts: list[str], seeds: list[int]) -> tuple[list[Made], list[str]]:
    generator = _mine()
    return generator.generate(prompts, seeds), list(getattr(generator, "observed", []))
