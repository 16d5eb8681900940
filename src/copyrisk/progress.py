"""Progress bars with rate and time left; silent where nobody watches."""

from typing import Any

from tqdm import tqdm

from copyrisk.chatter import screen


def bar(label: str, total: int | None, unit: str, initial: int = 0) -> "tqdm[Any]":
    """Return a bar on standard error; it prints nothing when standard error is not a terminal."""
    return tqdm(
        desc=label, total=total, initial=initial, unit=f" {unit}", file=screen(), disable=None, dynamic_ncols=True
    )
