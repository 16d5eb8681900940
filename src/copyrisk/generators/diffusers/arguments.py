"""The arguments of a pipeline's call that people choose: options of their own, and `--set KEY=VALUE` for all others."""

import json
from difflib import get_close_matches
from typing import Any

from copyrisk.errors import UserError
from copyrisk.generators.diffusers.families import Family
from copyrisk.options import Options, flag

CALL_OPTIONS = {
    "steps": "num_inference_steps",
    "guidance_scale": "guidance_scale",
    "height": "height",
    "width": "width",
}
OURS = {
    **dict.fromkeys(("prompt", "class_labels", "prompt_embeds"), "the prompts are those of the plan"),
    **dict.fromkeys(("generator", "latents"), "each image has a seed of its own; see --seed"),
    **dict.fromkeys(("batch_size", "num_images_per_prompt"), "see --batch-size and --generations"),
    **dict.fromkeys(("output_type", "return_dict", "callback"), "the audit needs the pictures as they come"),
    "callback_on_step_end": "the audit needs the pictures as they come",
}
"""Arguments that the audit fills in itself, and why."""


def chosen_arguments(specifier: str, family: Family, options: Options) -> dict[str, Any]:
    """Return the arguments that the options choose, by name; raise UserError where the call has no such argument."""
    found: dict[str, Any] = {}
    for option, name in CALL_OPTIONS.items():
        if getattr(options, option) is not None:
            if name not in family.parameters:
                raise UserError(f"--model {specifier}: its pipeline has no {name}; leave out {flag(option)}.")
            found[name] = getattr(options, option)
    for text in options.set:
        name, value = _split(specifier, text, family)
        if name in found:
            raise UserError(f"--set {name}: it is given twice. Leave one of them out.")
        found[name] = value
    return found


def default_arguments(family: Family) -> dict[str, Any]:
    """Return what the arguments with options of their own are where they are not chosen."""
    return {name: family.parameters[name].default for name in CALL_OPTIONS.values() if name in family.parameters}


def for_batch(arguments: dict[str, Any], size: int) -> dict[str, Any]:
    """Return the arguments for so many images: texts beside the prompt are wanted once for each."""
    return {
        name: [value] * size if isinstance(value, str) and "prompt" in name else value
        for name, value in arguments.items()
    }


def _split(specifier: str, text: str, family: Family) -> tuple[str, Any]:
    name, sign, value = text.partition("=")
    name = name.strip()
    if not sign or not name:
        raise UserError(f"--set is '{text}'; write KEY=VALUE, as in --set 'negative_prompt=blurry'.")
    if name in OURS:
        raise UserError(f"--set {name} cannot be chosen: {OURS[name]}.")
    if name not in family.parameters:
        free = [each for each in family.parameters if each not in OURS and each != "kwargs"]
        near = get_close_matches(name, free, n=1, cutoff=0.4)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        raise UserError(
            f"--set {name}: the pipeline of {specifier} has no such argument.{hint} Known: {', '.join(free)}."
        )
    try:
        return name, json.loads(value)
    # What is no JSON is a text, which nobody wants to put in two kinds of quotes.
    except ValueError:
        return name, {"True": True, "False": False, "None": None}.get(value, value)
