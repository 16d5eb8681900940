"""Stage `generate`: (prompt, seed) to image, and the generators that do it.

Table `generations`, one row an image: `generation_id`, `prompt_id`, `prompt`, `seed`, `image` (the struct of bytes and
path that `datasets` calls Image), `settings` (JSON: everything else that shaped it), `withheld` (who held the image
back: a safety checker, a content policy) and `error` (why there is none).
"""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from copyrisk import registry
from copyrisk.chosen import Chosen
from copyrisk.collections import Item
from copyrisk.errors import UnreadableImage, UserError
from copyrisk.files import read_json, read_table, shard_paths, write_json
from copyrisk.generators.devices import Everywhere, device_names
from copyrisk.generators.writing import SCHEMA, SHARD_ROWS, Made, Request, Withheld, Writer
from copyrisk.options import Options, flag
from copyrisk.parallel import batched
from copyrisk.progress import bar
from copyrisk.run import Run

__all__ = ["Generator", "Made", "Request", "Withheld"]

REMARKS = "remarks.json"
"""In a folder of generations: what the pipeline showed of itself while it made them."""


class Generator(Protocol):
    """Makes images from prompts and seeds; an image depends on its own prompt and seed and the settings alone."""

    specifier: str
    fingerprint: str
    """The identity of the model: the same for the same weights, wherever they are."""
    conditional: bool
    """Whether it takes prompts."""
    settings: dict[str, Any]
    """Everything but prompt and seed that shapes an image."""
    listing: list[tuple[str, int]] | None
    """(prompt, seed) of all there is, where the images exist already; None where any can be made."""

    def batch_size(self) -> int:
        """Return how many images to ask for at a time; may load the model to find out."""

    def generate(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Made]:
        """Make one image for each prompt and seed.

        It may also have `remarks(prompts)`: sentences about how images of these prompts are made that a reader of the
        report must know; `observed`, a list of those that it learned while it made them; and `close()`, which lets go
        of the model until the next image is asked for.
        """


PIPELINE_OPTIONS = (
    *("steps", "guidance_scale", "height", "width", "set", "scheduler", "lora", "config", "variant", "quantize"),
    *("offload", "compile"),
)
"""Options that say how a pipeline makes its images."""


def open_generator(options: Options) -> Generator:
    """Open the generator that `--model` names; weights are not loaded before they are needed.

    Raises UserError where the specifier is unknown or nothing usable is there.
    """
    if options.model is None:
        raise UserError("--model is missing. Give diffusers:FOLDER_OR_ID, folder:DIR or python:MODULE:FUNCTION.")
    name, argument = registry.split(options.model)
    make = registry.load("generators", name)
    if not argument:
        raise UserError(f"--model {options.model}: say which, as in '{name}:./my-model'.")
    generator: Generator = make(argument, options)
    # Other models run where they please.
    devices = device_names(options.device) if name == "diffusers" else []
    return Everywhere(generator, options, devices) if len(devices) > 1 else generator


def refuse_settings(specifier: str, options: Options) -> None:
    """Raise UserError where a setting of pipelines is given for a generator that has none."""
    for name in PIPELINE_OPTIONS:
        if getattr(options, name):
            raise UserError(f"{flag(name)} is a setting of diffusers pipelines; {specifier} has none. Leave it out.")


def generate(run: Run, chosen: Chosen) -> pa.Table:
    """Make the images that the plan asks for and that are not there yet; return (generation_id, prompt_id, seed).

    Raises UserError where the model cannot be loaded or runs out of memory at one image.
    """
    generator = chosen.generator
    run.claim_model(generator.specifier, generator.fingerprint, generator.conditional)
    run.record("plan")
    stage = run.begin(
        "generate",
        options=generator.settings,
        inputs={"model": generator.fingerprint},
        adding=("plan",),
    )
    # Images cost too much to be thrown away: those made with other settings stay in a folder of their own.
    folder = run.folder / "generations" / stage.identity[:12]
    if not stage.done:
        remarks = folder / REMARKS
        observed: list[str] = read_json(remarks) if remarks.exists() else []
        there = {(row["prompt_id"], row["seed"]) for row in _requests(folder)}
        requests = [
            Request(row["prompt_id"], row["prompt"], seed)
            for row in read_table(run.folder / "plan.parquet", ["prompt_id", "prompt", "seeds"]).to_pylist()
            for seed in row["seeds"]
        ]
        missing = [each for each in requests if (each.prompt_id, each.seed) not in there]
        seconds = 0.0
        if missing:
            try:
                seconds = _make(generator, missing, len(there), folder)
            finally:
                new = [each for each in getattr(generator, "observed", []) if each not in observed]
                if new:
                    observed += new
                    write_json(remarks, observed)
        stage.finish(
            len(requests),
            shard_paths(folder),
            folder=folder.name,
            model_seconds=round(seconds, 3),
            remarks=[*_remarks(generator, requests), *observed],
        )
    return pa.Table.from_pylist(list(_requests(folder)))


def _remarks(generator: Generator, requests: list[Request]) -> list[str]:
    if not hasattr(generator, "remarks"):
        return []
    found: list[str] = generator.remarks(list(dict.fromkeys(each.prompt for each in requests)))
    return found


def generation_shards(run: Run) -> list[Path]:
    """List the shards of the current generations, in the order in which they were written."""
    return shard_paths(run.folder / "generations" / run.record("generate")["folder"])


def read_withheld(run: Run) -> pa.Table:
    """Return the generations that were held back: `prompt_id`, `seed` and `withheld` (by whom)."""
    columns = ["prompt_id", "seed", "withheld"]
    parts = [read_table(path, columns) for path in generation_shards(run)]
    found = pa.concat_tables(parts) if parts else SCHEMA.empty_table().select(columns)
    return found.filter(pc.is_valid(found["withheld"]))


def failures(run: Run) -> dict[str, int]:
    """Return why generations gave no image, with how many did so, the most frequent reason first."""
    counts = Counter[str]()
    for path in generation_shards(run):
        counts.update(each for each in read_table(path, ["error"])["error"].to_pylist() if each is not None)
    return dict(counts.most_common())


def measure_pace(generator: Generator, prompt: str, most: int | None = None) -> float:
    """Return images a second, those of a batch of at most `most`, after an image to warm up."""
    size = min(generator.batch_size(), most or SHARD_ROWS)
    generator.generate([prompt], [0])
    began = time.monotonic()
    generator.generate([prompt] * size, list(range(size)))
    return size * getattr(generator, "at_once", 1) / max(time.monotonic() - began, 1e-9)


def read_image(image: dict[str, Any] | None) -> bytes:
    """Return the encoded bytes of a generation's image; raise UnreadableImage where there is none."""
    if image is None:
        raise UnreadableImage("the generator gave no image")
    return Item("", "", 0, image["bytes"], Path(image["path"]) if image["path"] else None).read()


def _requests(folder: Path) -> Iterator[dict[str, Any]]:
    for path in shard_paths(folder):
        yield from read_table(path, ["generation_id", "prompt_id", "seed"]).to_pylist()


def _make(generator: Generator, requests: list[Request], done: int, folder: Path) -> float:
    """Make what is missing beside the `done` images that are there; return the seconds spent waiting for the model."""
    # Shards hold whole batches, so that a run that was interrupted goes on with the same ones.
    batches = list(batched(requests, generator.batch_size()))
    seconds = 0.0
    with (
        bar("generate", done + len(requests), "image", initial=done) as progress,
        Writer(folder, generator.settings) as writer,
    ):
        made = _each_batch(generator, batches)
        for batch in batches:
            began = time.monotonic()
            images = next(made)
            seconds += time.monotonic() - began
            writer.add(batch, images)
            progress.update(len(batch))
    return seconds


def _each_batch(generator: Generator, batches: list[list[Request]]) -> Iterator[list[Made]]:
    asked = (([each.prompt for each in batch], [each.seed for each in batch]) for batch in batches)
    if isinstance(generator, Everywhere):
        yield from generator.each(asked)
    else:
        for prompts, seeds in asked:
            yield generator.generate(prompts, seeds)
