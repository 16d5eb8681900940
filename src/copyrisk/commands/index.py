"""`copyrisk index`: a stage of an audit, or an index for itself."""

import json
from pathlib import Path
from typing import Any

import click

from copyrisk.commands.shared import given, with_options
from copyrisk.errors import UserError
from copyrisk.options import DESCRIPTOR, Options, flag, of_stage

HELP = "Describe every reference and control once."

AUDITED = Options.descriptor
"""What the stage of an audit describes images by."""


class _Group(click.Group):
    """`copyrisk index info|add|remove`; whatever else follows `index` is for the command named `[IMAGES]`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, args if args and args[0] in self.commands else ["[IMAGES]", *args])


EPILOG = """\b
An index for itself:
  copyrisk index ./train --out INDEX       make it, or go on where that was interrupted
  copyrisk index info INDEX [--verify]     what is in it; compare all contents with their hashes
  copyrisk index add INDEX ./more          add what it does not have, repair what was damaged
  copyrisk index remove INDEX ID...        forget images (their files are not touched)

\b
A stage of an audit, on the run folder --out:
  copyrisk index --references ./train --controls ./held_out --out RUN
"""


@click.group("index", cls=_Group, help=HELP, short_help="Describe images once, to search them from then on.")
def group() -> None:  # noqa: D103 - its help is that of the command below
    pass


@group.command("[IMAGES]", help=HELP, epilog=EPILOG)
@click.argument("images", required=False, metavar="")
@with_options([each for each in of_stage("index") if each.name != "descriptor"], Options)
@click.option("--descriptor", help=f"How images are described; by default {DESCRIPTOR}, in an audit {AUDITED}.")
@click.pass_context
def make(ctx: click.Context, /, images: str | None, descriptor: str | None, **options: Any) -> None:  # noqa: D103
    if images is None:
        from copyrisk import stages

        options["descriptor"] = descriptor or AUDITED
        click.echo(f"index: {stages.index(**options).num_rows:,} rows in {options['out']}")
        return
    if others := given(ctx) & {"references", "controls"}:
        raise UserError(f"{flag(others.pop())} belongs to a stage of an audit, '{images}' to an index of its own.")
    if "out" not in given(ctx):
        raise UserError(f"say where the index is to be: copyrisk index {images} --out INDEX")
    from copyrisk.index.update import build

    _print_added(build(images, options["out"], descriptor or DESCRIPTOR, options["workers"]), options["out"])


@group.command("info")
@click.argument("index", type=click.Path(path_type=Path))
@click.option("--verify", is_flag=True, help="Compare the contents of all shards with their hashes.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def show(index: Path, verify: bool, as_json: bool) -> None:
    """Say what is in an index, whether it is whole, and which images could not be read."""
    from copyrisk.index.store import open_index
    from copyrisk.index.update import info

    facts = info(open_index(index, verify))
    if as_json:
        click.echo(json.dumps(facts, ensure_ascii=False))
        return
    click.echo(
        f"{facts['images']:,} images, described by {facts['descriptor']}; {facts['shards']} shards, "
        f"{facts['bytes']:,} bytes, {'contents verified' if verify else 'sizes verified'}"
    )
    for source in facts["sources"]:
        click.echo(f"  {source['images']:,} from {source['source']}")
    for each in facts["unreadable"]:
        click.echo(f"  cannot be read: {each['id']}: {each['error']}")


@group.command("add")
@click.argument("index", type=click.Path(path_type=Path))
@click.argument("images")
@click.option("--workers", default=0, type=click.IntRange(0), help="Threads that decode; 0 takes one a processor.")
def add_images(index: Path, images: str, workers: int) -> None:
    """Add the images of a collection that an index does not have yet; describe again what was damaged."""
    from copyrisk.index.update import add

    _print_added(add(index, images, workers), index)


@group.command("remove")
@click.argument("index", type=click.Path(path_type=Path))
@click.argument("ids", nargs=-1)
@click.option("--damaged", is_flag=True, help="Remove all images whose rows were damaged.")
def remove_images(index: Path, ids: tuple[str, ...], damaged: bool) -> None:
    """Remove images from an index by their ids; the files are not touched."""
    from copyrisk.index.update import remove

    if not ids and not damaged:
        raise UserError("say which images: copyrisk index remove INDEX ID..., or --damaged.")
    click.echo(f"{remove(index, ids, damaged):,} images removed from {index}")


def _print_added(done: Any, index: Path) -> None:
    click.echo(
        f"{done.described:,} images described ({done.replaced:,} in place of older ones), {done.present:,} were there; "
        f"{done.total:,} images in {index}" + (f", {done.unreadable:,} cannot be read" if done.unreadable else "")
    )
