"""The command line: parse, call the library, print; nothing else.

Heavy modules are imported inside the commands, so that `copyrisk --help` answers at once.
"""

import json
import logging
import sys
import textwrap
import traceback
from collections.abc import Callable
from dataclasses import Field
from pathlib import Path
from typing import Any, get_args, get_type_hints

import click

from copyrisk import __version__
from copyrisk.errors import UserError
from copyrisk.options import (
    STAGES,
    DemoOptions,
    DuplicatesOptions,
    FadeOptions,
    Options,
    TestbedOptions,
    flag,
    of,
    of_stage,
)

EPILOG = """\b
Examples:
  copyrisk demo                                  the whole of it on a small model, in two minutes
  copyrisk audit --model diffusers:./model \\
      --references ./train --controls ./held_out  audit your own model
  copyrisk audit --model folder:./generated \\
      --references train.parquet                 images that were made elsewhere
  copyrisk report --out copyrisk-run --pairs 200 more picture pairs in the report of a run
  copyrisk duplicates ./train                    which images are the same picture, and how often each occurs
  copyrisk duplicates ./delivery --against ./all which of these images are there already
  copyrisk estimate --example                    a published estimate of the risk, and the same corrected
  copyrisk estimate --template > mine.toml       your own: fill it in, then copyrisk estimate mine.toml

\b
Exit codes:
  0    done
  1    `audit --fail-above RATE`: the rate is surely above RATE
  2    bad input; the message says what and how to mend it
  3    a fault in copyrisk itself
  130  interrupted; the same command goes on where it stopped
"""


HELP = {"help_option_names": ["-h", "--help"]}


@click.group(epilog=EPILOG, context_settings=HELP)
@click.version_option(__version__, prog_name="copyrisk")
def cli() -> None:
    """Tell how likely an image generator is to give back an image it was trained on."""


def main() -> None:
    """Run the command line and exit; every error becomes one message."""
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    logging.getLogger("copyrisk").setLevel(logging.INFO)
    try:
        cli.main(prog_name="copyrisk", standalone_mode=False)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except UserError as error:
        _stop(str(error), 2)
    except (KeyboardInterrupt, click.Abort):
        _stop("Interrupted. The same command goes on where it stopped.", 130)
    except MemoryError:
        _stop("Out of memory. What was done is kept; give --batch-size 1 or use a machine with more memory.", 2)
    except OSError as error:
        _stop(f"{error.filename or 'A file'}: {error.strerror or error}. What was done is kept.", 2)
    except Exception:
        traceback.print_exc()
        _stop("This is a fault in copyrisk; please report the lines above. What was done is kept.", 3)


def _stop(message: str, code: int) -> None:
    click.echo(f"copyrisk: {message}", err=True)
    sys.exit(code)


def _options(chosen: list["Field[Any]"], cls: type) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make click options of dataclass fields."""
    hints = get_type_hints(cls)

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for each in reversed(chosen):
            kinds = [kind for kind in get_args(hints[each.name]) or (hints[each.name],) if kind is not type(None)]
            command = click.option(
                *{each.metadata.get("spelled", flag(each.name)): 0, flag(each.name): 0},
                each.name,
                default=each.default,
                show_default=each.default not in (None, False),
                help=each.metadata["help"],
                **(
                    {"is_flag": True}
                    if kinds[0] is bool
                    else {"type": click.Path(path_type=Path) if kinds[0] is Path else kinds[0]}
                ),
            )(command)
        return command

    return decorate


@cli.command(epilog=EPILOG)
@_options(of_stage("audit"), Options)
@click.option(
    "--fail-above", type=float, help="Exit with 1 when the lower end of the rate's interval is above this (0 to 1)."
)
@click.option("--json", "as_json", is_flag=True, help="Print the facts of the report as JSON.")
def audit(fail_above: float | None, as_json: bool, **options: Any) -> None:
    """Audit a generator against reference images: all stages, one report.

    Finds which references are near-duplicates, prompts the model with their captions (or with --prompts), compares what
    comes out with the references and the controls, and writes report.html into the run folder. The same command goes on
    where it was interrupted.
    """
    from copyrisk import stages

    if fail_above is not None and not 0 <= fail_above <= 1:
        raise UserError(f"--fail-above is {fail_above}; it must be between 0 and 1.")
    result = stages.audit(**options)
    _print_answer(result, as_json)
    if fail_above is not None and result.regurgitation.low > fail_above:
        click.echo(
            f"The rate is surely above {fail_above:g}: its interval begins at {result.regurgitation.low:.4g}.", err=True
        )
        sys.exit(1)


def _print_answer(result: Any, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(result.facts, ensure_ascii=False))
        return
    from copyrisk.report.meaning import even_odds

    click.echo(textwrap.fill(result.sentence, 100))
    if result.regurgitation.trials:
        click.echo(textwrap.fill(even_odds(result.facts), 100))
    for note in result.facts["notes"]:
        click.echo(textwrap.fill(f"Note: {note}", 100))
    click.echo(f"Report: {result.report}")


STAGE_HELP = {
    "index": "Describe every reference and control once.",
    "duplicates": "Find which references are the same picture, and how often each occurs.",
    "plan": "Choose the prompts, and how many images of each.",
    "generate": "Make the images that the plan asks for.",
    "match": "Compare the generations with the references and controls.",
    "rates": "Count copies; estimate rates with intervals.",
    "report": "Write report.html and report.json.",
}


def _stage_command(stage: str) -> None:
    @cli.command(stage, help=f"{STAGE_HELP[stage]} One stage of an audit, on the run folder --out.")
    @_options(of_stage(stage), Options)
    @click.option("--json", "as_json", is_flag=True, hidden=stage != "report", help="Print the facts as JSON.")
    def command(as_json: bool, **options: Any) -> None:
        from copyrisk import stages

        result = getattr(stages, stage)(**options)
        if stage != "report":
            click.echo(f"{stage}: {result.num_rows:,} rows in {options['out']}")
        elif as_json:
            click.echo((options["out"] / "report.json").read_text(encoding="utf-8"))
        else:
            click.echo(f"Report: {result}")


for _stage in STAGES[2:]:
    _stage_command(_stage)


class _IndexGroup(click.Group):
    """`copyrisk index info|add|remove`; whatever else follows `index` is for the command named `[IMAGES]`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, args if args and args[0] in self.commands else ["[IMAGES]", *args])


INDEX_EPILOG = """\b
An index for itself:
  copyrisk index ./train --out INDEX       make it, or go on where that was interrupted
  copyrisk index info INDEX [--verify]     what is in it; compare all contents with their hashes
  copyrisk index add INDEX ./more          add what it does not have, repair what was damaged
  copyrisk index remove INDEX ID...        forget images (their files are not touched)

\b
A stage of an audit, on the run folder --out:
  copyrisk index --references ./train --controls ./held_out --out RUN
"""


@cli.group("index", cls=_IndexGroup, help=STAGE_HELP["index"])
def index_group() -> None:  # noqa: D103 - its help is that of the command below
    pass


@index_group.command("[IMAGES]", help=STAGE_HELP["index"], epilog=INDEX_EPILOG)
@click.argument("images", required=False, metavar="")
@_options(of_stage("index"), Options)
@click.pass_context
def index(ctx: click.Context, /, images: str | None, **options: Any) -> None:  # noqa: D103
    if images is None:
        from copyrisk import stages

        click.echo(f"index: {stages.index(**options).num_rows:,} rows in {options['out']}")
        return
    if given := _given(ctx) & {"references", "controls"}:
        raise UserError(f"{flag(given.pop())} belongs to a stage of an audit, '{images}' to an index of its own.")
    if "out" not in _given(ctx):
        raise UserError(f"say where the index is to be: copyrisk index {images} --out INDEX")
    from copyrisk.index.update import build

    _print_added(build(images, options["out"], options["descriptor"], options["workers"]), options["out"])


@index_group.command("info")
@click.argument("index", type=click.Path(path_type=Path))
@click.option("--verify", is_flag=True, help="Compare the contents of all shards with their hashes.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def index_info(index: Path, verify: bool, as_json: bool) -> None:
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


@index_group.command("add")
@click.argument("index", type=click.Path(path_type=Path))
@click.argument("images")
@click.option("--workers", default=0, type=click.IntRange(0), help="Threads that decode; 0 takes one a processor.")
def index_add(index: Path, images: str, workers: int) -> None:
    """Add the images of a collection that an index does not have yet; describe again what was damaged."""
    from copyrisk.index.update import add

    _print_added(add(index, images, workers), index)


@index_group.command("remove")
@click.argument("index", type=click.Path(path_type=Path))
@click.argument("ids", nargs=-1)
@click.option("--damaged", is_flag=True, help="Remove all images whose rows were damaged.")
def index_remove(index: Path, ids: tuple[str, ...], damaged: bool) -> None:
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


def _given(ctx: click.Context) -> set[str]:
    """Return the names of the parameters that stood on the command line."""
    sources = {name: ctx.get_parameter_source(name) for name in ctx.params}
    return {name for name, source in sources.items() if source is click.core.ParameterSource.COMMANDLINE}


@cli.command("duplicates")
@click.argument("collection", required=False)
@_options(of(DuplicatesOptions), DuplicatesOptions)
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
@click.pass_context
def duplicates(ctx: click.Context, /, collection: str | None, as_json: bool, **options: Any) -> None:
    """Find the duplicates in COLLECTION (images or an index), or of --against in it.

    Writes pairs.parquet, images.parquet, clusters.parquet and gallery.html into --out. Without COLLECTION it is a stage
    of an audit, on the run folder --out.
    """
    if collection is None:
        _duplicates_stage({name: value for name, value in options.items() if name in _given(ctx)})
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


def _duplicates_stage(options: dict[str, Any]) -> None:
    from copyrisk import stages

    if other := options.keys() - {"out", "duplicate_distance"}:
        names = ", ".join(sorted(flag(name) for name in other))
        raise UserError(f"{names}: say of which images, as in: copyrisk duplicates ./train {names.split(',')[0]} ...")
    result = stages.duplicates(**options)
    click.echo(f"duplicates: {result.num_rows:,} rows in {options.get('out', Options().out)}")


@cli.command()
@click.argument("scenario", required=False)
@click.option("--confidence", default=0.95, show_default=True, help="Coverage of the intervals.")
@click.option("--html", type=click.Path(path_type=Path), help="Write a page with sliders that recompute the result.")
@click.option("--json", "as_json", is_flag=True, help="Print the estimate as JSON.")
@click.option("--example", is_flag=True, help="Show a published estimate as stated beside the same corrected.")
@click.option("--template", is_flag=True, help="Print a scenario to fill in.")
def estimate(
    scenario: str | None, confidence: float, html: Path | None, as_json: bool, example: bool, template: bool
) -> None:
    """Estimate a risk from factors: '1 in N', copies to expect, where the uncertainty comes from.

    SCENARIO is a TOML file of factors with what is known of them and their sources, or the name of one that comes with
    copyrisk: published, corrected, template.
    """
    from copyrisk import risk
    from copyrisk.risk import terminal

    if (scenario is not None) + example + template != 1:
        raise UserError("Give one scenario file, or --example, or --template.")
    if template:
        click.echo(risk.shipped_text("template"), nl=False)
        return
    if example and html:
        raise UserError("--html needs one scenario, as in: copyrisk estimate corrected --html corrected.html")
    names = ["published", "corrected"] if example else [str(scenario)]
    facts = [risk.estimate(name, confidence).facts for name in names]
    if as_json:
        click.echo(json.dumps(facts if example else facts[0], ensure_ascii=False))
    else:
        click.echo(terminal.side_by_side(facts[0], facts[1], *names) if example else terminal.show(facts[0]))
    if html:
        from copyrisk.risk.page import write_page

        write_page(facts[0], html)
        click.echo(f"Page: {html}", err=as_json)


@cli.command()
@_options(of(DemoOptions), DemoOptions)
def demo(**options: Any) -> None:
    """Show the whole of it on a model whose copies are known.

    Trains a small diffusion model on scikit-learn's handwritten digits, with some of them planted 2, 4, ... 128 times
    and some held out, audits it like any other model, and sets the answer beside the planted truth.
    """
    from copyrisk.testbed.demo import run_demo

    result, truth = run_demo(DemoOptions(**options))
    _print_answer(result, as_json=False)
    click.echo("\n" + textwrap.fill(f"{truth['title']}: {truth['sentence']}", 100) + "\n")
    click.echo(_table(truth["columns"], truth["rows"]))


@cli.group()
def testbed() -> None:
    """Train small models whose copies are known."""


@testbed.command("train")
@_options(of(TestbedOptions), TestbedOptions)
def train(**options: Any) -> None:
    """Train a small diffusion model with a planted ladder of multiplicities.

    Writes a diffusers pipeline folder (model), the training set with its duplicates (train.parquet), the pictures held
    out of training (controls) and which picture was planted how often (planted.parquet).
    """
    from copyrisk.testbed import train_testbed

    made = train_testbed(TestbedOptions(**options))
    click.echo(f"Model: {made.model}\nAudit it: {made.audit_command}")


@testbed.command("fade")
@_options(of(FadeOptions), FadeOptions)
def fade(**options: Any) -> None:
    """Show how copying fades as the training set grows.

    A model trained on one picture gives back that picture. Trains one model for each of --sizes, with the same steps,
    and audits each.
    """
    from copyrisk.testbed.fade import COLUMNS, run_fade

    click.echo(_table(COLUMNS, run_fade(FadeOptions(**options))))


def _table(columns: list[str], rows: list[list[Any]]) -> str:
    cells = [columns, *([str(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in cells)
