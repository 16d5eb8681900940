"""Stage `plan`: which prompts to give the model, and how often.

Table `plan`, one row a prompt: `prompt_id`, `prompt`, `role` (`reference` or `control`: the prompt is the caption of
one; `user`: it comes from a prompts file; `unconditional`: the model takes no prompt), `stratum`, `multiplicity` (of
the most duplicated picture with this caption, null where there is none), `weight` (how many pictures or lines of the
prompts file it stands for) and `seeds` (one a generation). Of a prompts file with more than `--max-prompts` different
prompts a random sample is taken (see `sample`); of the controls, see `controls`.
"""

from collections import Counter
from hashlib import blake2b
from typing import Any

import numpy as np
import pyarrow as pa

from copyrisk.attacks.adaptive import Draws, Goal, Verdicts, announce, draw_rounds
from copyrisk.attacks.controls import images_of_controls, in_turn, weights_of
from copyrisk.attacks.prompt_log import most_prompts
from copyrisk.attacks.strata import stratum_of
from copyrisk.chosen import Chosen
from copyrisk.duplicates import read_control_pictures, read_pictures
from copyrisk.errors import UserError
from copyrisk.files import read_shards, read_table, write_table
from copyrisk.generators import generation_shards, measure_pace
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


def plan(run: Run, chosen: Chosen) -> pa.Table:
    """Choose the prompts and seeds of a run; return the table `plan`.

    Raises UserError where there is nothing to prompt the model with.
    """
    options, generator, prompts = chosen.options, chosen.generator, chosen.prompts
    run.claim_model(generator.specifier, generator.fingerprint, generator.conditional)
    generations = options.generations or (GENERATIONS if generator.conditional else UNCONDITIONAL_GENERATIONS)
    drawn = _draw(run, chosen) if options.adaptive else None
    stage = run.begin(
        "plan",
        options={
            "prompts": str(options.prompts) if options.prompts else None,
            "strata": options.strata,
            "max_prompts": most_prompts(options),
            "control_images": options.control_images,
            # A rate that the threshold is to be read off at takes so many controls, unless somebody says how many.
            "false_positive_rate": options.false_positive_rate if options.control_images is None else None,
            "generations": None if drawn or generator.listing is not None else generations,
            "seed": options.seed,
        },
        inputs={"prompts": digest(prompts.rows if prompts else None)},
        after=("index", "duplicates"),
        extent=drawn[1].extent(options.budget, options.precision) if drawn else None,
        outputs=("plan.parquet", "draws.parquet"),
    )
    path, draws_path = run.folder / "plan.parquet", run.folder / "draws.parquet"
    if not stage.done:
        rows = drawn[0] if drawn else _choose(run, chosen)
        if drawn:
            draws = drawn[1].table.select(["prompt_id", "seed"]).to_pylist()
            rows = _with_seeds(rows, [(row["prompt_id"], row["seed"]) for row in draws])
            write_table(draws_path, drawn[1].table)
        elif generator.listing is None:
            rows = _with_seeds(rows, _equally(run, rows, generations, options))
        table = pa.Table.from_pylist(rows, schema=SCHEMA)
        write_table(path, table)
        paths = [path, draws_path] if drawn else [path]
        stage.finish(len(table), paths, prompts_file=prompts.counts if prompts else None)
    return read_table(path)


def read_plan(run: Run) -> pa.Table:
    """Return the table `plan` of a run."""
    run.record("plan")
    return read_table(run.folder / "plan.parquet")


def read_draws(run: Run) -> pa.Table | None:
    """Return the table `draws` of a run; None where each prompt has the same number of images."""
    extent = run.record("plan").get("extent")
    return read_table(run.folder / "draws.parquet") if extent else None


def prompt_id(prompt: str) -> str:
    """Return the id of a prompt: 16 hex digits that depend on its text alone."""
    return blake2b(prompt.encode(), digest_size=8).hexdigest()


def seed_of(seed: int, prompt: str, number: int) -> int:
    """Return the seed of a prompt's generation `number`: below 2^53, so that JSON and JavaScript keep it exactly.

    Prompts have seeds of their own: with the same noise for all, generations of two prompts would not be independent.
    """
    text = f"{seed}/{number}/{prompt}".encode()
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big") >> 11


def _draw(run: Run, chosen: Chosen) -> tuple[list[dict[str, Any]], Draws]:
    """Choose all prompts that can be asked, and draw as many rounds as the verdicts so far allow."""
    options, generator = chosen.options, chosen.generator
    goal = Goal(options.budget, options.precision, options.confidence, options.control_images)
    rows = _choose(run, chosen)
    # Images of other settings say nothing of what these give back.
    begun = digest(run.manifest["stages"].get("generate", {}).get("options")) == digest(generator.settings)
    verdicts = _verdicts(run, rows) if begun else {}
    if not begun:
        pictures = sum(row["role"] == "control" for row in rows)
        announce(goal, measure_pace(generator, rows[0]["prompt"], options.budget), pictures)
    drawn = draw_rounds(rows, verdicts, goal, options.seed, seed_of)
    if verdicts:
        low, high = drawn.interval
        log.info(
            "plan: %d images drawn so far; the rate is between %.3g %% and %.3g %%",
            len(drawn.table),
            100 * low,
            100 * high,
        )
    return rows, drawn


def _verdicts(run: Run, rows: list[dict[str, Any]]) -> Verdicts:
    """What is known of the images so far; those that were made but not matched yet are left out."""
    # The stage `match` comes after this one.
    from copyrisk.matching import COPIES

    if not (run.intact("generate") and run.intact("match")):
        return {}
    if run.record("match")["inputs"]["generations"] != run.record("generate")["identity"]:
        return {}
    folder = run.folder / "matches"
    controls = {row["prompt_id"] for row in rows if row["role"] == "control"}
    found: dict[tuple[str, int], bool | None] = {}
    for shard in generation_shards(run):
        if (folder / shard.name).exists():
            made = read_table(shard, ["prompt_id", "seed"])
            found |= dict.fromkeys(zip(made["prompt_id"].to_pylist(), made["seed"].to_pylist(), strict=True))
    matches = read_shards(folder, ["prompt_id", "seed", "verdict", "control_verdict"])
    for row in matches.to_pylist() if matches is not None else []:
        verdict = row["control_verdict" if row["prompt_id"] in controls else "verdict"]
        found[row["prompt_id"], row["seed"]] = verdict in COPIES
    return found


def _equally(run: Run, rows: list[dict[str, Any]], generations: int, options: Options) -> list[tuple[str, int]]:
    """List (prompt_id, seed) of as many images for each prompt, and of as many of the controls as they need."""
    asked, controls = ([row for row in rows if (row["role"] == "control") == control] for control in (False, True))
    images = options.control_images
    if images is None:
        scale = max(1.0, len(read_pictures(run)) / max(1, len(read_control_pictures(run))))
        images = images_of_controls(generations * len(asked), len(controls), options.false_positive_rate, scale)
    numbers = Counter[str]()
    draws = []
    for row in [row for row in asked for _ in range(generations)] + in_turn(controls, images):
        draws.append((row["prompt_id"], seed_of(options.seed, row["prompt"], numbers[row["prompt_id"]])))
        numbers[row["prompt_id"]] += 1
    return draws


def _with_seeds(rows: list[dict[str, Any]], draws: list[tuple[str, int]]) -> list[dict[str, Any]]:
    """Return one row for each prompt of which images were drawn, in the order of their first, with their seeds."""
    by_id = {row["prompt_id"]: row for row in rows}
    weights = weights_of([row for row in rows if row["role"] == "control"], Counter(name for name, _ in draws))
    found: dict[str, dict[str, Any]] = {}
    for name, seed in draws:
        if name not in found:
            found[name] = by_id[name] | {"seeds": [], "weight": weights.get(name, by_id[name]["weight"])}
        found[name]["seeds"].append(seed)
    return list(found.values())


def _choose(run: Run, chosen: Chosen) -> list[dict[str, Any]]:
    options, generator, prompts = chosen.options, chosen.generator, chosen.prompts
    if not generator.conditional:
        seeds = [seed for _, seed in generator.listing or []]
        return [_row("", "unconditional", "all", None, 1.0) | {"seeds": seeds}]
    pictures = read_pictures(run).to_pylist()
    references = _by_caption(pictures)
    known = {caption for picture in pictures for caption in picture["captions"]}
    captions = [caption for texts in read_control_pictures(run)["captions"].to_pylist() for caption in texts[:1]]
    controls = [caption for caption in captions if caption not in known]
    if generator.listing is not None:
        return _listed(generator.listing, references, Counter(controls))
    if prompts is not None:
        rows = [_user_row(each, references) for each in prompts.rows]
    else:
        rows = [_reference_row(caption, references) for caption in _most_duplicated(references, options)]
        if options.adaptive:
            _weigh_strata(rows, pictures)
    if not rows:
        raise UserError(
            "The references have no captions and the model needs prompts. Give --prompts FILE, or captions "
            "(metadata.csv, NAME.txt beside NAME.png, or a Parquet column 'caption')."
        )
    if len(rows) < len(references) and prompts is None:
        log.info("plan: %d of %d captions, the most duplicated first (--max-prompts)", len(rows), len(references))
    asked = {row["prompt"] for row in rows}
    # A row a picture: they take turns, and a caption of several is asked for as often as it has pictures.
    others = sorted(caption for caption in controls if caption not in asked)
    rows += [_row(caption, "control", "control", None, 1.0) for caption in _sample(others, len(others), options.seed)]
    return rows


def _weigh_strata(rows: list[dict[str, Any]], pictures: list[dict[str, Any]]) -> None:
    """Let each stratum weigh as many pictures as it has, with or without a prompt: so does the stage `rates`."""
    wanted = Counter(stratum_of(picture["multiplicity"]) for picture in pictures)
    total = Counter[str]()
    for row in rows:
        total[row["stratum"]] += row["weight"]
    for row in rows:
        row["weight"] *= wanted[row["stratum"]] / total[row["stratum"]]


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
    return sorted(captions, key=lambda caption: -max(references[caption]))[: most_prompts(options)]


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


def _user_row(prompt: dict[str, Any], references: dict[str, list[int]]) -> dict[str, Any]:
    multiplicity = max(references.get(prompt["prompt"], []), default=None)
    return _row(prompt["prompt"], "user", prompt["stratum"], multiplicity, prompt["weight"])


def _row(prompt: str, role: str, stratum: str, multiplicity: int | None, weight: float) -> dict[str, Any]:
    return {
        "prompt_id": prompt_id(prompt),
        "prompt": prompt,
        "role": role,
        "stratum": stratum,
        "multiplicity": multiplicity,
        "weight": weight,
    }


def _sample(names: list[str], count: int, seed: int) -> list[str]:
    order = np.random.default_rng(seed).permutation(len(names))[:count]
    return [names[position] for position in order]
