"""`copyrisk duplicates`: of a collection, between two, or a stage of an audit."""

import json
import textwrap
from typing import Any

import click

from copyrisk.commands.shared import given, with_options
from copyrisk.errors import UserError
from copyrisk.options import DuplicatesOptions, Options, flag, of


@click.command("duplicates", short_help="Find which images are the same, in one collection or two.")
@click.argument("collection", required=False)
@with_options(of(DuplicatesOptions), DuplicatesOptions)
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
@click.pass_context
def command(ctx: click.Context, /, collection: str | None, as_json: bool, **options: Any) -> None:
    """Find the duplicates in COLLECTION (images or an index), or of --against in it.

    Writes pairs.parquet, images.parquet, clusters.parquet and gallery.html into --out. Without COLLECTION it is a stage
    of an audit, on the run folder --out.
    """
    if collection is None:
        _stage({name: value for name, value in options.items() if name in given(ctx)})
        return
    from copyrisk.duplicates.find import find_duplicates
    from copyrisk.duplicates.page import summary

    found = find_duplicates(collection, DuplicatesOptions(**options))
    if as_json:
        click.echo(json.dumps(found.facts, ensure_ascii=False))
        return
    for line in summary(found.facts):
        click.echo(textwrap.fill(line, 100))
    if found.keep is not None:
        click.echo(f"What to keep: {options['list'] or options['out'] / 'keep.csv'}")
    click.echo(f"Pairs: {options['out'] / 'pairs.parquet'}\nGallery: {found.page}")


def _stage(options: dict[str, Any]) -> None:
    from copyrisk import stages

    if other := options.keys() - {"out", "duplicate_distance"}:
        names = ", ".join(sorted(flag(name) for name in other))
        raise UserError(f"{names}: say of which images, as in: copyrisk duplicates ./train {names.split(',')[0]} ...")
    result = stages.duplicates(**options)
    click.echo(f"duplicates: {result.num_rows:,} rows in {options.get('out', Options().out)}")
