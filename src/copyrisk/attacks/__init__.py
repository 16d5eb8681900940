"""Stage `plan`: which prompts to give the model, and how often.

Table `plan`, one row a prompt: `prompt_id`, `prompt`, `role` (`reference` or `control`: the prompt is the caption of
one; `user`: it comes from a prompts file; `unconditional`: the model takes no prompt), `stratum`, `multiplicity` (of
the most duplicated picture with this caption, null where there is none), `weight` (how many pictures or lines of the
prompts file it stands for) and `seeds` (one a generation).
"""

from collections import Counter
from hashlib import blake2b
from typing import Any

import numpy as np
import pyarrow as pa

from copyrisk.attacks.prompts import Prompt, read_prompts
from copyrisk.attacks.strata import stratum_of
from copyrisk.duplicates import read_pictures
from copyrisk.errors import UserError
from copyrisk.files import read_table, write_table
from copyrisk.generators import Generator, open_generator
from copyrisk.index import read_collection, readable
from copyrisk.options import Options
from copyrisk.run import Run, digest, log

GENERATIONS = 16
"""Images a prompt, where `--generations` is not given."""
UNCONDITIONAL_GENERATIONS = 1000
"""Images from a model that takes no prompt, where `--generations` is not given."""

SCHEMA = pa.schema(
    [
        ("prompt_id", pa.string()),
        ("prompt", pa.string()),
        ("role", pa.string()),
        ("stratum", pa.string()),
        ("multiplicity", pa.int64()),
        ("weight", pa.float64()),
        ("seeds", pa.list_(pa.int64())),
    ]
)


def plan(run: Run, options: Options) -> pa.Table:
    """Choose the prompts and seeds of a run; return the table `plan`.

    Raises UserError where there is nothing to prompt the model with, or it takes no prompts and some are given.
    """
    generator = open_generator(options)
    run.claim_model(generator.specifier, generator.fingerprint, generator.conditional)
    if options.prompts is not None and not generator.conditional:
        raise UserError(f"--prompts: the model {generator.specifier} takes no prompts. Leave the option out.")
    prompts = read_prompts(options.prompts) if options.prompts else None
    generations = options.generations or (GENERATIONS if generator.conditional else UNCONDITIONAL_GENERATIONS)
    stage = run.begin(
        "plan",
        options={
            "prompts": str(options.prompts) if options.prompts else None,
            "max_prompts": options.max_prompts,
            "max_control_prompts": options.max_control_prompts,
            "generations": generations,
            "seed": options.seed,
        },
        inputs={"prompts": digest([vars(each) for each in prompts or []])},
        after=("index", "duplicates"),
        outputs=("plan.parquet",),
    )
    path = run.folder / "plan.parquet"
    if not stage.done:
        rows = _choose(run, generator, prompts, options)
        if generator.listing is None:
            for row in rows:
                row["seeds"] = [seed_of(options.seed, row["prompt"], number) for number in range(generations)]
        table = pa.Table.from_pylist(rows, schema=SCHEMA)
        write_table(path, table)
        stage.finish(len(table), [path])
    return read_table(path)


def read_plan(run: Run) -> pa.Table:
    """Return the table `plan` of a run."""
    run.record("plan")
    return read_table(run.folder / "plan.parquet")


def prompt_id(prompt: str) -> str:
    """Return the id of a prompt: 16 hex digits that depend on its text alone."""
    return blake2b(prompt.encode(), digest_size=8).hexdigest()


def seed_of(seed: int, prompt: str, number: int) -> int:
    """Return the seed of a prompt's generation `number`: below 2^53, so that JSON and JavaScript keep it exactly.

    Prompts have seeds of their own: with the same noise for all, generations of two prompts would not be independent.
    """
    text = f"{seed}/{number}/{prompt}".encode()
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big") >> 11


def _choose(run: Run, generator: Generator, prompts: list[Prompt] | None, options: Options) -> list[dict[str, Any]]:
    if not generator.conditional:
        seeds = [seed for _, seed in generator.listing or []]
        return [_row("", "unconditional", "all", None, 1.0) | {"seeds": seeds}]
    pictures = read_pictures(run).to_pylist()
    references = _by_caption(pictures)
    known = {caption for picture in pictures for caption in picture["captions"]}
    controls = readable(read_collection(run, "controls"))["caption"].to_pylist()
    control_weights = Counter(caption for caption in controls if caption and caption not in known)
    if generator.listing is not None:
        return _listed(generator.listing, references, control_weights)
    if prompts is not None:
        rows = [
            _row(each.text, "user", each.stratum, _multiplicity(references, each.text), each.weight) for each in prompts
        ]
    else:
        rows = [_reference_row(caption, references) for caption in _most_duplicated(references, options)]
    if not rows:
        raise UserError(
            "The references have no captions and the model needs prompts. Give --prompts FILE, or captions "
            "(metadata.csv, NAME.txt beside NAME.png, or a Parquet column 'caption')."
        )
    if len(rows) < len(references) and prompts is None:
        log.info("plan: %d of %d captions, the most duplicated first (--max-prompts)", len(rows), len(references))
    chosen = {row["prompt"] for row in rows}
    others = sorted(caption for caption in control_weights if caption not in chosen)
    for caption in _sample(others, options.max_control_prompts, options.seed):
        rows.append(_row(caption, "control", "control", None, float(control_weights[caption])))
    return rows


def _by_caption(pictures: list[dict[str, Any]]) -> dict[str, list[int]]:
    """Map each caption to the multiplicities of the pictures that it is the most frequent caption of."""
    found: dict[str, list[int]] = {}
    for picture in pictures:
        for caption in picture["captions"][:1]:
            found.setdefault(caption, []).append(picture["multiplicity"])
    return found


def _most_duplicated(references: dict[str, list[int]], options: Options) -> list[str]:
    # Among equals the order is random, so that a stratum which --max-prompts cuts is still a fair sample of itself.
    captions = _sample(sorted(references), len(references), options.seed)
    return sorted(captions, key=lambda caption: -max(references[caption]))[: options.max_prompts]


def _listed(
    listing: list[tuple[str, int]], references: dict[str, list[int]], controls: Counter[str]
) -> list[dict[str, Any]]:
    seeds: dict[str, list[int]] = {}
    for prompt, seed in listing:
        seeds.setdefault(prompt, []).append(seed)
    rows = []
    for prompt, numbers in seeds.items():
        if prompt in references:
            row = _reference_row(prompt, references)
        elif prompt in controls:
            row = _row(prompt, "control", "control", None, float(controls[prompt]))
        else:
            row = _row(prompt, "user", "prompts", None, 1.0)
        rows.append(row | {"seeds": numbers})
    return rows


def _reference_row(caption: str, references: dict[str, list[int]]) -> dict[str, Any]:
    multiplicity = max(references[caption])
    return _row(caption, "reference", stratum_of(multiplicity), multiplicity, float(len(references[caption])))


def _row(prompt: str, role: str, stratum: str, multiplicity: int | None, weight: float) -> dict[str, Any]:
    return {
        "prompt_id": prompt_id(prompt),
        "prompt": prompt,
        "role": role,
        "stratum": stratum,
        "multiplicity": multiplicity,
        "weight": weight,
    }


def _multiplicity(references: dict[str, list[int]], caption: str) -> int | None:
    return max(references[caption]) if caption in references else None


def _sample(names: list[str], count: int, seed: int) -> list[str]:
    order = np.random.default_rng(seed).permutation(len(names))[:count]
    return [names[position] for position in order]
