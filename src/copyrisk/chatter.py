"""What libraries print, also from C past Python, goes to a file; what copyrisk says still reaches the screen."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TextIO

_screen: TextIO | None = None


def screen() -> TextIO:
    """Return the stream on which people read: standard error, as it was before chatter was sent to a file."""
    return _screen or sys.stderr


class ScreenHandler(logging.StreamHandler[TextIO]):
    """A log handler that writes where people read, wherever that is at the moment."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        """The stream of the moment."""
        return screen()


@contextmanager
def chatter_to(path: Path) -> Iterator[None]:
    """Send all that is printed meanwhile to the end of a file, but not what is written to `screen()`.

    Both standard streams are meant, of Python and of the process (file descriptors 1 and 2), as C libraries write to
    them, and those of child processes. Nothing printed leaves no file.
    """
    global _screen
    if _screen is not None:
        yield
        return
    with ExitStack() as undo:
        file = undo.enter_context(path.open("a", encoding="utf-8", errors="backslashreplace", buffering=1))
        undo.callback(_remove_if_empty, path)
        shown = sys.stderr
        if _descriptor(shown) == 2:
            # The old stream would follow its descriptor into the file.
            copy = os.fdopen(os.dup(2), "w", buffering=1, encoding=shown.encoding, errors=shown.errors)
            shown = undo.enter_context(copy)
        for descriptor, stream in ((1, sys.stdout), (2, sys.stderr)):
            stream.flush()
            saved = os.dup(descriptor)
            undo.callback(os.close, saved)
            undo.callback(os.dup2, saved, descriptor)
            # What the old stream still holds belongs to the file.
            undo.callback(stream.flush)
            os.dup2(file.fileno(), descriptor)
        undo.enter_context(redirect_stdout(file))
        undo.enter_context(redirect_stderr(file))
        undo.callback(_forget)
        _screen = shown
        yield


def _forget() -> None:
    global _screen
    _screen = None


def _remove_if_empty(path: Path) -> None:
    if path.exists() and path.stat().st_size == 0:
        path.unlink()


def _descriptor(stream: TextIO) -> int:
    try:
        return stream.fileno()
    except (OSError, AttributeError, ValueError):
        return -1
