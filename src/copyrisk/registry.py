"""Components found by name.

A specifier is `name` or `name:argument`, as in `diffusers:./my-model` or `pixels:16`. The names are entry points in the
groups `copyrisk.readers`, `copyrisk.descriptors`, `copyrisk.generators` and `copyrisk.tests`; another package adds a
component by declaring one there.
"""

from collections.abc import Callable
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from copyrisk.errors import UserError

OPTIONS = {"generators": "--model", "tests": "--test", "descriptors": "--descriptor", "readers": "--references"}


def names(kind: str) -> list[str]:
    """List the known component names of a kind (`generators`, `readers`, ...), sorted."""
    return sorted(_entries(kind))


def split(specifier: str) -> tuple[str, str]:
    """Split `name:argument` into its two parts; the argument is empty where there is none."""
    name, _, argument = specifier.partition(":")
    return name, argument


def load(kind: str, name: str) -> Callable[..., Any]:
    """Return the component called `name` of a kind; raise UserError with the nearest known name otherwise."""
    entries = _entries(kind)
    if name not in entries:
        near = get_close_matches(name, entries, n=1, cutoff=0.5)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        if kind == "generators" and Path(name).exists():
            hint = f" For a pipeline folder write diffusers:{name}, for a folder of images folder:{name}."
        known = ", ".join(sorted(entries))
        raise UserError(f"{OPTIONS[kind]}: there is no {kind.removesuffix('s')} '{name}'.{hint} Known: {known}.")
    component: Callable[..., Any] = entries[name].load()
    return component


def _entries(kind: str) -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=f"copyrisk.{kind}")}
