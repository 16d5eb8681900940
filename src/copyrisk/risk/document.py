"""A TOML file whose errors name the line."""

import re
import tomllib
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn

from copyrisk.errors import UserError

Key = tuple[str | int, ...]
"""Where a value stands: `("factors", "memorized", "source")`, `("claims", 0)`."""


@dataclass(frozen=True)
class Document:
    """A parsed TOML file; decimals are kept as they were written (Decimal)."""

    name: str
    text: str
    data: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> "Document":
        """Read a TOML file; raise UserError where there is none or it is no TOML."""
        try:
            return cls.parse(path.read_text(encoding="utf-8"), str(path))
        except FileNotFoundError:
            raise UserError(
                f"There is no file {path}. `copyrisk estimate --template > {path}` writes one to fill in."
            ) from None
        except UnicodeDecodeError:
            raise UserError(f"{path} is no text in UTF-8; a scenario is a TOML file.") from None

    @classmethod
    def parse(cls, text: str, name: str) -> "Document":
        """Parse TOML text; `name` is what errors call it."""
        text = text.replace("\r\n", "\n")
        try:
            return cls(name, text, tomllib.loads(text, parse_float=Decimal))
        except tomllib.TOMLDecodeError as error:
            message = str(error)
            where = re.search(r"\(at line (\d+), column \d+\)", message)
            line = int(where[1]) if where else text.count("\n") + 1
            reason = message.split(" (at ")[0]
            raise UserError(f"{name}, line {line}: this is not TOML: {reason}.") from None

    def line(self, key: Key) -> int:
        """Return the line on which the statement that defines a key begins; of its nearest parent where it is absent.

        The parser is asked, not the text: the line is the first at which the file, cut there and completed to the end
        of a statement, holds the key.
        """
        while key and not _holds(self.data, key):
            key = key[:-1]
        lines = self.text.split("\n")

        def holds(count: int) -> bool:
            for end in range(count, len(lines) + 1):
                try:
                    return _holds(tomllib.loads("\n".join(lines[:end])), key)
                except tomllib.TOMLDecodeError:
                    continue
            return True

        return bisect_left(range(1, len(lines)), True, key=holds) + 1

    def fail(self, key: Key, message: str) -> NoReturn:
        """Raise UserError with the file, the line of a key, and the message."""
        raise UserError(f"{self.name}, line {self.line(key)}: {message}")

    def table(self, key: Key, known: Iterable[str], required: Iterable[str] = ()) -> dict[str, Any]:
        """Return the table at a key; raise UserError where it is none, lacks a key or has an unknown one."""
        found = self.value(key)
        title = called(key)
        if not isinstance(found, dict):
            self.fail(key, f"{title} must be a table with keys of its own, not {_kind(found)}.")
        known = list(known)
        for name in found:
            if name not in known:
                near = get_close_matches(name, known, n=1)
                remedy = f"Did you mean '{near[0]}'?" if near else f"Known are: {', '.join(known)}."
                self.fail((*key, name), f"{title} has an unknown key '{name}'. {remedy}")
        for name in required:
            if name not in found:
                self.fail(key, f"{title} has no '{name}'. Add: {name} = …")
        return found

    def text_of(self, key: Key) -> str:
        """Return the text at a key, on one line; raise UserError where it is none or blank."""
        found = self.value(key)
        if not isinstance(found, str) or not found.strip():
            self.fail(key, f"'{key[-1]}' must be text that says something, in quotation marks.")
        return " ".join(found.split())

    def value(self, key: Key) -> Any:
        """Return the value at a key that exists."""
        found: Any = self.data
        for step in key:
            found = found[step]
        return found


def called(key: Key) -> str:
    """Return how an error calls a place: `factor 'memorized'`, `claim 2`, `the scenario`."""
    match key:
        case ():
            return "the scenario"
        case (str() as group, int() as index):
            return f"{group.removesuffix('s')} {index + 1}"
        case ("factors", name):
            return f"factor '{name}'"
    return f"'{'.'.join(map(str, key))}'"


def _holds(data: Any, key: Key) -> bool:
    for step in key:
        if not isinstance(data, dict | list) or step not in (data if isinstance(data, dict) else range(len(data))):
            return False
        data = data[step]  # type: ignore[index]
    return True


def _kind(value: Any) -> str:
    return {str: "text", list: "a list", bool: "a truth value"}.get(type(value), "a number")
