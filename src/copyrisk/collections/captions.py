"""What is known of each file in a folder: `metadata.csv`, `metadata.jsonl` and side-car text files.

The Hugging Face imagefolder convention: a metadata file lies in any folder, its column `file_name` is relative to it.
"""

import csv
import io
import json
import os
from pathlib import Path
from typing import Any

from copyrisk.errors import UserError

METADATA_NAMES = ("metadata.csv", "metadata.jsonl")
CAPTION_COLUMNS = ("caption", "text", "prompt", "TEXT", "captions", "description", "txt")


def read_metadata(path: Path) -> list[dict[str, Any]]:
    """Read a .csv or .jsonl file into one dict a row; raise UserError naming the file and line where it is damaged."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"{path} is not UTF-8 text. Save it as UTF-8.") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from None
    return _read_csv(path, text) if path.suffix.lower() == ".csv" else _read_jsonl(path, text)


def _read_csv(path: Path, text: str) -> list[dict[str, Any]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), skipinitialspace=True, strict=True)
    rows = []
    try:
        for row in reader:
            # Cells beyond the header: most often a caption with a comma in it and no quotes around it.
            if any(row.pop(None, [])):
                raise UserError(
                    f"{path}, line {reader.line_num}: more columns than the header has. Put double quotes around text "
                    "with a comma in it."
                )
            rows.append(row)
    except csv.Error as error:
        raise UserError(f"{path}, line {reader.line_num + 1}: {error}. Is a double quote missing?") from None
    return rows


def _read_jsonl(path: Path, text: str) -> list[dict[str, Any]]:
    rows = []
    # Not `splitlines`: a caption may hold U+2028 and other characters that it takes for the end of a line.
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                row = json.loads(line)
            except ValueError:
                row = None
            if not isinstance(row, dict):
                raise UserError(f"{path}, line {number}: expected one JSON object a line.")
            rows.append({key: _valid(value) for key, value in row.items()})
    return rows


def _valid(value: Any) -> Any:
    r"""Replace the halves of characters that JSON can write (`\ud83d`) and UTF-8 cannot; in lists too."""
    if isinstance(value, list):
        return [_valid(each) for each in value]
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def folder_metadata(root: Path, tables: list[Path]) -> dict[Path, dict[str, Any]]:
    """Collect the rows of the metadata files below `root` by image path."""
    found: dict[Path, dict[str, Any]] = {}
    base = root if root.is_dir() else root.parent
    for path in tables:
        for number, row in enumerate(read_metadata(path), start=1):
            name = row.get("file_name")
            if not isinstance(name, str) or not name:
                raise UserError(
                    f"{path}, row {number}: no 'file_name' (the path of the image, relative to {path.parent})."
                )
            # `./a.png`, `b/../a.png` and the whole path of `a.png` are all the same file.
            image = Path(_place(path.parent / name))
            inside = image.is_relative_to(_place(base))
            found[base / image.relative_to(_place(base)) if inside else path.parent / name] = row
    return found


def _place(path: Path) -> str:
    return os.path.normpath(path.absolute())


def caption_of(row: dict[str, Any]) -> str:
    """Return the caption in a metadata row: the first of the known columns that has one, else ''."""
    return next((text for text in map(caption_in, map(row.get, CAPTION_COLUMNS)) if text), "")


def caption_in(value: Any) -> str:
    """Return the caption in a cell: text, or the first of a list of texts; '' where there is none."""
    if isinstance(value, list) and value:
        value = value[0]
    return value.strip() if isinstance(value, str) else ""


def sidecar_caption(image: Path) -> str:
    """Return the text of `IMAGE.txt` beside an image, '' where there is none."""
    try:
        return image.with_suffix(".txt").read_text(encoding="utf-8-sig", errors="replace").strip()
    except OSError:
        return ""
