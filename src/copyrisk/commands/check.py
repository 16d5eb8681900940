"""`copyrisk check`: are these images copies of what is in an index?"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from copyrisk.errors import UserError

EPILOG = """\b
Examples:
  copyrisk check new.png --index CATALOGUE                 one image
  copyrisk check ./generated --index CATALOGUE --json      a folder, a line of JSON for each image
  find . -name '*.png' | copyrisk check - --index CATALOGUE  paths from another program, as they come

\b
Exit codes: 0 no copy, 1 a copy or a partial copy, 2 an image that cannot be read (and no copy).
"""


@click.command("check", short_help="Check whether images, or parts of them, are copies.", epilog=EPILOG)
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...")
@click.option("--index", "index", required=True, type=click.Path(path_type=Path), help="What must not be copied.")
@click.option("--evidence", type=click.Path(path_type=Path), help="A folder for pictures that show the copies found.")
@click.option("--json", "as_json", is_flag=True, help="Print a line of JSON for each image.")
@click.option(
    "--least-evidence",
    type=click.FloatRange(min=0),
    help="From how much evidence on it is a copy; 7.5 by default (see docs/verdicts.md).",
)
@click.option("--workers", default=0, show_default=True, help="Threads that check images; 0 takes one a processor.")
def command(
    images: tuple[str, ...],
    index: Path,
    evidence: Path | None,
    as_json: bool,
    least_evidence: float | None,
    workers: int,
) -> None:
    """Check whether images, or parts of them, are copies of references in an index.

    IMAGE is a file, a folder or another collection, or - for paths on standard input, one a line. Answers come in the
    order of the images, each as soon as it is known.
    """
    from copyrisk.matching.checker import Checker
    from copyrisk.verdicts.verdict import THRESHOLD

    checker = Checker(index, THRESHOLD if least_evidence is None else least_evidence)
    if evidence is not None:
        evidence.mkdir(parents=True, exist_ok=True)
    copies = unreadable = 0
    for checked in checker.check_many(_items(images), workers):
        copies += bool(checked.matches)
        unreadable += not checked.readable
        click.echo(json.dumps(checked.facts(), ensure_ascii=False) if as_json else _line(checked))
        sys.stdout.flush()
        for number, match in enumerate(checked.matches if evidence is not None else ()):
            _save(checker.picture(checked, match), evidence, checked.name, number)  # type: ignore[arg-type]
    if copies or unreadable:
        raise SystemExit(1 if copies else 2)


def _items(images: tuple[str, ...]) -> Iterator[Any]:
    from copyrisk.collections import open_collection

    for image in images:
        if image == "-":
            yield from (line.rstrip("\n") for line in sys.stdin if line.strip())
        elif Path(image).is_file() and Path(image).suffix.lower() not in (".parquet", ".tar", ".tgz", ".gz", ".arrow"):
            yield image
        elif not Path(image).exists() and ":" not in image and "?" not in image:
            raise UserError(f"there is no image '{image}'.")
        else:
            yield from open_collection(image, "IMAGE").items()


def _line(checked: Any) -> str:
    if checked.problem:
        return f"{checked.name}: {'no copy' if checked.readable else 'not checked'}: {checked.problem}"
    if not checked.matches:
        gone = f" ({checked.unavailable} candidates are not there any more)" if checked.unavailable else ""
        return f"{checked.name}: no copy{gone}"
    return "\n".join(f"{checked.name}: {match.verdict} of {match.id}{_details(match)}" for match in checked.matches)


def _details(match: Any) -> str:
    if match.evidence is None:
        return f" ({match.changes}; its picture is not there any more, so this is by the descriptor alone)"
    words = [f"{match.share:.0%} of the picture", match.changes, f"evidence {match.statistic:.0f}"]
    return f" ({', '.join(word for word in words if word)})"


def _save(picture: Any, folder: Path, name: str, number: int) -> None:
    if picture is not None:
        from copyrisk.files import replacing

        path = folder / f"{Path(name).stem}-{number + 1}.png"
        with replacing(path) as temporary:
            picture.save(temporary, "PNG")
