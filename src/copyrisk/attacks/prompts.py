"""Prompts from a user's file: a list, or a log of what people really typed."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from copyrisk.attacks.features import strata_by_rules
from copyrisk.errors import UserError

COLUMNS = ("prompt", "caption", "text")
"""Names of the column of prompts, in capitals or not; the first that is there counts."""
DELIMITERS = ",;\t"
UNSORTED = "prompts"
"""The stratum of a prompt of which the file names none."""
RESERVED = ("all", "control", "controls")
"""Names in the tables of rates that are no stratum of the prompts."""
STRATA = ("column", "rules")


def read_prompts(path: Path, strata: str = "column") -> pa.Table:
    """Read a file of prompts: .txt, one a line; .csv (also with ; or tabs), .tsv, .jsonl, .parquet with a column.

    The column is called `prompt`, else `caption` or `text`. Returns one row a different prompt, in the order of the
    file: `prompt`, `stratum` (of the column `stratum`, or by the rules of `features`) and `lines`, how many lines of
    the file it is. Empty lines are passed over, white space around a prompt too. Raises UserError naming the file where
    it is missing, damaged, holds no prompt or one in two strata.
    """
    if strata not in STRATA:
        raise UserError(f"--strata is '{strata}'; it must be one of {', '.join(STRATA)}.")
    if not path.is_file():
        raise UserError(f"--prompts: there is no file {path}.")
    try:
        lines = _clean(_read_lines(path))
    except UnicodeDecodeError:
        raise UserError(f"--prompts: {path} is not UTF-8 text. Save it as UTF-8.") from None
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"--prompts: {path} cannot be read: {str(error).rstrip('.')}.") from None
    if not len(lines):
        raise UserError(f"--prompts: {path} holds no prompt. Write one a line, or a column named 'prompt'.")
    keys = ["prompt", "stratum"] if strata == "column" else ["prompt"]
    # One thread, so that the prompts stay in the order of the file.
    counted = pa.TableGroupBy(lines, keys, use_threads=False).aggregate([([], "count_all")])
    counted = counted.combine_chunks().rename_columns([*keys, "lines"])
    if strata == "rules":
        return counted.add_column(1, "stratum", strata_by_rules(counted["prompt"]))
    _check(path, counted)
    return counted


def _check(path: Path, counted: pa.Table) -> None:
    for stratum in pc.unique(counted["stratum"]).to_pylist():
        if stratum in RESERVED:
            raise UserError(f"--prompts: {path} has a stratum '{stratum}', a name of the report's. Call it otherwise.")
    several = counted.group_by("prompt").aggregate([("stratum", "list")])
    several = several.filter(pc.greater(pc.list_value_length(several["stratum_list"]), 1))
    if len(several):
        row = several.slice(0, 1).to_pylist()[0]
        first, second, *_ = row["stratum_list"]
        raise UserError(
            f"--prompts: {path} has the prompt '{row['prompt']}' in two strata, '{first}' and '{second}'. Strata must "
            "not overlap: leave it in one, or audit each stratum in a run of its own."
        )


def _clean(lines: pa.Table) -> pa.Table:
    """Strip both columns, drop rows without a prompt, and name the stratum of those that have none."""
    prompt, stratum = (pc.fill_null(pc.utf8_trim_whitespace(lines[name]), "") for name in ("prompt", "stratum"))
    stratum = pc.if_else(pc.equal(stratum, ""), UNSORTED, stratum)
    table = pa.table({"prompt": prompt, "stratum": stratum})
    return table.filter(pc.not_equal(table["prompt"], ""))


def _read_lines(path: Path) -> pa.Table:
    """Read every line of a file: `prompt` and `stratum`, strings or null."""
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        return _read_parquet(path)
    if suffix in (".csv", ".tsv", ".jsonl"):
        text = path.read_text(encoding="utf-8-sig")
        rows = list(_jsonl_rows(path, text) if suffix == ".jsonl" else _csv_rows(path, text))
        return _lines([prompt for prompt, _ in rows], [stratum for _, stratum in rows])
    # Not `splitlines`: a prompt may hold U+2028 and other characters that it takes for the end of a line.
    prompts = path.read_text(encoding="utf-8-sig").split("\n")
    return _lines(prompts, [None] * len(prompts))


def _lines(prompts: Sequence[str | None], strata: Sequence[str | None]) -> pa.Table:
    return pa.table({"prompt": pa.array(prompts, pa.string()), "stratum": pa.array(strata, pa.string())})


def _read_parquet(path: Path) -> pa.Table:
    with pq.ParquetFile(path) as file:
        prompt, stratum = _columns(path, file.schema_arrow.names)
        table = file.read(columns=[prompt] if stratum is None else [prompt, stratum])
    texts = [table[name].cast(pa.string()) if name else pa.nulls(len(table), pa.string()) for name in (prompt, stratum)]
    return pa.table(dict(zip(("prompt", "stratum"), texts, strict=True)))


def _columns(path: Path, names: list[str]) -> tuple[str, str | None]:
    """Return the names of the columns of prompts and of strata (None where there is none)."""
    known = {name.strip().lower(): name for name in reversed(names)}
    prompt = next((known[name] for name in COLUMNS if name in known), None)
    if prompt is None:
        raise UserError(f"--prompts: {path} has no column 'prompt'; it has {', '.join(names)}.")
    return prompt, known.get("stratum")


def _csv_rows(path: Path, text: str) -> Iterator[tuple[str, str | None]]:
    header = text.partition("\n")[0]
    if not header.strip():
        return
    # The sign that cuts the header into most columns; a comma where none does.
    delimiter = max(DELIMITERS, key=lambda sign: (len(next(csv.reader([header], delimiter=sign))), sign == ","))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True)
    try:
        names = next(reader)
        prompt, stratum = (names.index(name) if name else None for name in _columns(path, names))
        for row in reader:
            # Cells beyond the header: most often a prompt with a comma in it and no quotes around it.
            if len(row) > len(names) and any(row[len(names) :]):
                raise UserError(
                    f"--prompts: {path}, line {reader.line_num}: more columns than the header has. Put double quotes "
                    f"around text with a '{delimiter}' in it."
                )
            yield _cell(row, prompt), _cell(row, stratum)
    except csv.Error as error:
        raise UserError(f"--prompts: {path}, line {reader.line_num + 1}: {error}. Is a double quote missing?") from None


def _cell(row: list[str], column: int | None) -> str:
    return row[column] if column is not None and column < len(row) else ""


def _jsonl_rows(path: Path, text: str) -> Iterator[tuple[str | None, str | None]]:
    prompt = stratum = None
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if not isinstance(row, dict):
            raise UserError(f"--prompts: {path}, line {number}: expected one JSON object a line.")
        if prompt is None:
            prompt, stratum = _columns(path, list(row))
        yield _text(row.get(prompt)), _text(row.get(stratum or "stratum"))


def _text(value: Any) -> str | None:
    r"""Return a value as text; halves of characters, which JSON can write (`\ud83d`) and UTF-8 cannot, are replaced."""
    return None if value is None else str(value).encode("utf-8", "replace").decode()
