"""Prompts from a user's file."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from copyrisk.collections.captions import read_metadata
from copyrisk.errors import UserError
from copyrisk.files import read_table

COLUMNS = ("prompt", "caption", "text", "TEXT")
RESERVED = ("all", "control", "controls")
"""Names in the tables of rates that are no stratum of the prompts."""


@dataclass(frozen=True)
class Prompt:
    """One different prompt of a file: its text, its stratum and how many lines of the file it stands for."""

    text: str
    stratum: str
    weight: float


def read_prompts(path: Path) -> list[Prompt]:
    """Read a prompts file: .txt, one prompt a line; .csv, .jsonl or .parquet with a column `prompt` (and `stratum`).

    A prompt that occurs several times is listed once, with its number as weight; empty lines are passed over. Raises
    UserError naming the file where it is missing, damaged, holds no prompt or one in two strata.
    """
    if not path.is_file():
        raise UserError(f"--prompts: there is no file {path}.")
    try:
        counts = Counter(row for row in _read_rows(path) if row[0])
    except UnicodeDecodeError:
        raise UserError(f"--prompts: {path} is not UTF-8 text. Save it as UTF-8.") from None
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"--prompts: {path} cannot be read: {str(error).rstrip('.')}.") from None
    if not counts:
        raise UserError(f"--prompts: {path} holds no prompt. Write one a line, or a column named 'prompt'.")
    _check(path, list(counts))
    return [Prompt(text, stratum, float(count)) for (text, stratum), count in counts.items()]


def _check(path: Path, rows: list[tuple[str, str]]) -> None:
    strata: dict[str, str] = {}
    for text, stratum in rows:
        if stratum in RESERVED:
            raise UserError(f"--prompts: {path} has a stratum '{stratum}', a name of the report's. Call it otherwise.")
        if strata.setdefault(text, stratum) != stratum:
            raise UserError(
                f"--prompts: {path} has the prompt '{text}' in two strata, '{strata[text]}' and '{stratum}'. Strata "
                "must not overlap: leave it in one, or audit each stratum in a run of its own."
            )


def _read_rows(path: Path) -> list[tuple[str, str]]:
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        rows = read_table(path).to_pylist()
    elif suffix in (".csv", ".jsonl"):
        rows = read_metadata(path)
    else:
        return [(line.strip(), "prompts") for line in path.read_text(encoding="utf-8-sig").split("\n")]
    column = next((name for name in COLUMNS if rows and name in rows[0]), None)
    if rows and column is None:
        raise UserError(f"--prompts: {path} has no column 'prompt'; it has {', '.join(rows[0])}.")
    return [(_text(row.get(column)), _text(row.get("stratum")) or "prompts") for row in rows if column is not None]


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()
