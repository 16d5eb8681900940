"""Which options go together; what does not is refused here, before anything is read.

What a component alone knows (a test, which descriptors it compares; a generator, which settings it has) it refuses
itself when it is opened, which is done here too.
"""

from collections.abc import Collection
from typing import TYPE_CHECKING

from copyrisk.errors import UserError

if TYPE_CHECKING:
    from copyrisk.chosen import Chosen
    from copyrisk.options import Options

LEAST_PICTURES = 4
"""Different references that a threshold can be read off, where there are no controls."""


def refuse_options(options: "Options") -> None:
    """Raise UserError where options contradict each other, whatever they name."""
    if options.false_positive_rate is not None and options.threshold is not None:
        raise UserError("--false-positive-rate finds the threshold and --threshold gives it: leave one of them out.")
    if options.adaptive and options.false_positive_rate is not None:
        raise UserError(
            "--false-positive-rate needs all images before the first verdict, and --budget and --precision choose "
            "images by verdicts. Find the threshold in a run of its own and give it as --threshold."
        )
    if options.adaptive and options.generations is not None:
        raise UserError(
            "--generations says how many images each prompt gets, and --budget and --precision let the "
            "results decide. Leave one of them out."
        )
    if options.budget is not None and 2 * (options.control_images or 0) > options.budget:
        raise UserError(
            f"--control-images {options.control_images} is more than half of --budget {options.budget}, of which every "
            "second image at most is of a control. Raise the budget, or give fewer."
        )
    if options.strata != "column" and options.prompts is None:
        raise UserError(f"--strata {options.strata} divides --prompts, which is not given. Captions have strata.")


def refuse(chosen: "Chosen", stages: Collection[str]) -> None:
    """Open what the stages need and raise UserError where it is not there or does not go together.

    No image is read.
    """
    if "plan" in stages or "generate" in stages:
        chosen.generator  # noqa: B018 - only whether it can be opened, as below
    if "match" in stages:
        chosen.test  # noqa: B018
    if "plan" in stages:
        _refuse_plan(chosen)
    if "index" in stages:
        chosen.references, chosen.controls, chosen.descriptor  # noqa: B018


def refuse_pictures(chosen: "Chosen", pictures: int, controls: int) -> None:
    """Raise UserError where there are too few different references or controls for what was chosen."""
    chosen.test.check(pictures)
    if chosen.options.false_positive_rate is not None and not controls and pictures < LEAST_PICTURES:
        raise UserError("--false-positive-rate needs --controls, or at least four different references.")


def _refuse_plan(chosen: "Chosen") -> None:
    options, generator = chosen.options, chosen.generator
    if generator.listing is not None:
        numbers = ("prompts", "max_prompts", "generations", "control_images", "budget", "precision")
        _refuse_given(options, numbers, f"the images of {generator.specifier} exist already, with their prompts")
    elif not generator.conditional:
        about = ("prompts", "max_prompts", "control_images")
        _refuse_given(options, about, f"the model {generator.specifier} takes no prompts")
    if options.control_images and options.controls is None:
        raise UserError("--control-images: there are no controls to ask for. Give --controls, or leave it out.")
    chosen.prompts  # noqa: B018


def _refuse_given(options: "Options", names: tuple[str, ...], why: str) -> None:
    from copyrisk.options import flag

    given = [flag(name) for name in names if getattr(options, name)]
    if given:
        raise UserError(f"{', '.join(given)}: {why}. Leave {'it' if len(given) == 1 else 'them'} out.")
