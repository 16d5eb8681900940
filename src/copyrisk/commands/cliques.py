"""`copyrisk cliques`: which prompts are memorized, by their generations alone."""

import json
import textwrap
from typing import Any

import click

from copyrisk.commands.shared import with_options
from copyrisk.options import CliquesOptions, of


@click.command("cliques", short_help="Find memorized prompts without any reference.")
@click.argument("folder")
@with_options(of(CliquesOptions), CliquesOptions)
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
def command(folder: str, as_json: bool, **options: Any) -> None:
    """Find memorized prompts among the images in FOLDER, without references.

    FOLDER has a sub-folder of images for each prompt (or metadata.csv says what belongs together), with many seeds of
    each. Looks for images of a prompt that are all near-identical, and for those that agree in a part of the picture.
    Writes cliques.parquet, cliques.json and cliques.html into --out; the same command goes on where it was interrupted.
    """
    from copyrisk.matching.cliques.page import summary
    from copyrisk.matching.cliques.prompts import cliques

    found = cliques(folder, CliquesOptions(**options))
    if as_json:
        click.echo(json.dumps(found.facts, ensure_ascii=False))
        return
    for line in summary(found.facts):
        click.echo(textwrap.fill(line, 100))
    for row in [row for row in found.facts["prompts"] if row["verdict"] != "not memorized"][: options["prompts"]]:
        sides = f"{len(row['members'])} of {row['compared']}, agreeing in {row['share']:.0%} of the picture"
        click.echo(f"  {row['verdict']}: {row['prompt']!r}: {sides}")
    click.echo(f"Page: {found.page}")
