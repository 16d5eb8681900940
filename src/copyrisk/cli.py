"""The command line: parse, call the library, print; nothing else.

Heavy modules are imported inside the commands, so that `copyrisk --help` answers at once.
"""

import json
import logging
import sys
import textwrap
import traceback
from pathlib import Path
from typing import Any

import click

from copyrisk import __version__
from copyrisk.chatter import ScreenHandler
from copyrisk.commands import check, cliques, duplicates, index
from copyrisk.commands.shared import Sections, with_options
from copyrisk.errors import UserError
from copyrisk.options import (
    STAGES,
    DemoOptions,
    FadeOptions,
    Options,
    TestbedOptions,
    of,
    of_stage,
)

EPILOG = """\b
Examples:
  copyrisk demo                                  the whole of it on a small model, in three minutes
  copyrisk audit --model diffusers:./model \\
      --references ./train --controls ./held_out  audit your own model
  copyrisk audit --model folder:./generated \\
      --references train.parquet                 images that were made elsewhere
  copyrisk report --out copyrisk-run --pairs 200 more picture pairs in the report of a run
  copyrisk duplicates ./train                    which images are the same picture, and how often each occurs
  copyrisk duplicates ./delivery --against ./all which of these images are there already
  copyrisk check new.png --index CATALOGUE        is this image, or a part of it, a copy of one of these
  copyrisk cliques ./generated                   which prompts are memorized, without any reference
  copyrisk estimate --example                    a published estimate of the risk, and the same corrected
  copyrisk estimate --template > mine.toml       your own: fill it in, then copyrisk estimate mine.toml

\b
Exit codes:
  0    done
  1    `audit --fail-above RATE`: the rate is surely above RATE; `check`: there is a copy
  2    bad input; the message says what and how to mend it
  3    a fault in copyrisk itself
  130  interrupted; the same command goes on where it stopped
"""


SECTIONS = {
    "Main commands": ("demo", "audit", "check", "estimate"),
    "Collections of images": ("index", "duplicates", "cliques"),
    "Stages of an audit, one by one (index and duplicates come first)": STAGES[2:],
    "Models whose copies are known": ("testbed",),
}


@click.group(cls=Sections, sections=SECTIONS, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="copyrisk")
def cli() -> None:
    """Tell how likely an image generator is to give back an image it was trained on."""


def main() -> None:
    """Run the command line and exit; every error becomes one message."""
    ours = logging.getLogger("copyrisk")
    ours.addHandler(ScreenHandler())
    ours.setLevel(logging.INFO)
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


@cli.command(epilog=EPILOG, short_help="Audit a generator: all stages, one report.")
@with_options(of_stage("audit"), Options)
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
    "plan": "Choose the prompts, and how many images of each.",
    "generate": "Make the images that the plan asks for.",
    "match": "Compare the generations with the references and controls.",
    "rates": "Count copies; estimate rates with intervals.",
    "report": "Write report.html and report.json.",
}


def _stage_command(stage: str) -> None:
    @cli.command(stage, help=f"{STAGE_HELP[stage]} One stage of an audit, on the run folder --out.")
    @with_options(of_stage(stage), Options)
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


cli.add_command(index.group)
cli.add_command(duplicates.command)
cli.add_command(check.command)
cli.add_command(cliques.command)
for _stage in STAGES[2:]:
    _stage_command(_stage)


@cli.command(short_help="Estimate a risk from factors: '1 in N', with an interval.")
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
@with_options(of(DemoOptions), DemoOptions)
def demo(**options: Any) -> None:
    """Show the whole of it on a model whose copies are known.

    Trains a small diffusion model on OpenMoji's pictures, with some of them planted 2, 4, ... 128 times and some held
    out, audits it like any other model, and sets the answer beside the planted truth.
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
@with_options(of(TestbedOptions), TestbedOptions)
def train(**options: Any) -> None:
    """Train a small diffusion model with a planted ladder of multiplicities.

    Writes a diffusers pipeline folder (model), the training set with its duplicates (train.parquet), the pictures held
    out of training (controls) and which picture was planted how often (planted.parquet).
    """
    from copyrisk.testbed import train_testbed

    made = train_testbed(TestbedOptions(**options))
    click.echo(f"Model: {made.model}\nAudit it: {made.audit_command}")


@testbed.command("fade")
@with_options(of(FadeOptions), FadeOptions)
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
