"""Stage `generate`: (prompt, seed) to image, and the generators that do it.

Table `generations`, one row an image: `generation_id`, `prompt_id`, `prompt`, `seed`, `image` (the struct of bytes and
path that `datasets` calls Image), `settings` (JSON: everything else that shaped it) and `error` (why there is none).
"""

import io
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
from PIL import Image

from copyrisk import registry
from copyrisk.collections import Item
from copyrisk.errors import UnreadableImage, UserError
from copyrisk.files import read_table, shard_paths, write_table
from copyrisk.options import Options, flag
from copyrisk.parallel import batched
from copyrisk.progress import bar
from copyrisk.run import Run, log

Made = Image.Image | Path | str
"""What a generator gives for one request: a picture, the path of one, or the reason why there is none."""

SHARD_SECONDS = 10.0
SHARD_ROWS = 4096
"""A shard is written when it is this old or this long: what a sudden end can cost."""

SCHEMA = pa.schema(
    [
        ("generation_id", pa.string()),
        ("prompt_id", pa.string()),
        ("prompt", pa.string()),
        ("seed", pa.int64()),
        ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        ("settings", pa.string()),
        ("error", pa.string()),
    ]
)


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
        """Make one image for each prompt and seed."""


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
    return generator


def refuse_settings(specifier: str, options: Options) -> None:
    """Raise UserError where a setting of pipelines is given for a generator that has none."""
    for name in ("steps", "guidance_scale", "height", "width"):
        if getattr(options, name) is not None:
            raise UserError(f"{flag(name)} is a setting of diffusers pipelines; {specifier} has none. Leave it out.")


def generate(run: Run, options: Options) -> pa.Table:
    """Make the images that the plan asks for and that are not there yet; return (generation_id, prompt_id, seed).

    Raises UserError where the model cannot be loaded or runs out of memory at one image.
    """
    generator = open_generator(options)
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
        there = {(row["prompt_id"], row["seed"]) for row in _requests(folder)}
        requests = [
            Request(row["prompt_id"], row["prompt"], seed)
            for row in read_table(run.folder / "plan.parquet", ["prompt_id", "prompt", "seeds"]).to_pylist()
            for seed in row["seeds"]
        ]
        missing = [each for each in requests if (each.prompt_id, each.seed) not in there]
        seconds = _make(generator, missing, len(there), folder) if missing else 0.0
        stage.finish(
            len(requests),
            shard_paths(folder),
            folder=folder.name,
            model_seconds=round(seconds, 3),
        )
    return pa.Table.from_pylist(list(_requests(folder)))


@dataclass(frozen=True)
class Request:
    """One image that the plan asks for."""

    prompt_id: str
    prompt: str
    seed: int

    @property
    def generation_id(self) -> str:
        """The id of the generation: 16 hex digits that depend on prompt and seed."""
        return blake2b(f"{self.prompt_id}/{self.seed}".encode(), digest_size=8).hexdigest()


def generation_shards(run: Run) -> list[Path]:
    """List the shards of the current generations, in the order in which they were written."""
    return shard_paths(run.folder / "generations" / run.record("generate")["folder"])


def measure_pace(generator: Generator, prompt: str, most: int | None = None) -> float:
    """Return images a second, those of a batch of at most `most`, after an image to warm up."""
    size = min(generator.batch_size(), most or SHARD_ROWS)
    generator.generate([prompt], [0])
    began = time.monotonic()
    generator.generate([prompt] * size, list(range(size)))
    return size / max(time.monotonic() - began, 1e-9)


def read_image(image: dict[str, Any] | None) -> bytes:
    """Return the encoded bytes of a generation's image; raise UnreadableImage where there is none."""
    if image is None:
        raise UnreadableImage("the generator gave no image")
    return Item("", "", 0, image["bytes"], Path(image["path"]) if image["path"] else None).read()


def _requests(folder: Path) -> Iterator[dict[str, Any]]:
    for path in shard_paths(folder):
        yield from read_table(path, ["generation_id", "prompt_id", "seed"]).to_pylist()


@dataclass
class _Writer:
    """Collects rows and writes a shard now and then, whole batches at a time."""

    folder: Path
    number: int
    settings: str
    rows: list[dict[str, Any]] = field(default_factory=list)
    since: float = field(default_factory=time.monotonic)

    def add(self, requests: Sequence[Request], made: Sequence[Made]) -> None:
        self.rows += [_row(request, image, self.settings) for request, image in zip(requests, made, strict=True)]
        if len(self.rows) >= SHARD_ROWS or time.monotonic() - self.since >= SHARD_SECONDS:
            self.write()

    def write(self) -> None:
        if self.rows:
            path = self.folder / f"part-{self.number:06d}.parquet"
            write_table(path, pa.Table.from_pylist(self.rows, schema=SCHEMA))
            self.number += 1
        self.rows, self.since = [], time.monotonic()


def _make(generator: Generator, requests: list[Request], done: int, folder: Path) -> float:
    """Make what is missing beside the `done` images that are there; return the seconds spent in the generator."""
    size = generator.batch_size()
    parts = shard_paths(folder)
    number = int(parts[-1].stem.removeprefix("part-")) + 1 if parts else 0
    writer = _Writer(folder, number, json.dumps(generator.settings, sort_keys=True))
    seconds = 0.0
    with bar("generate", done + len(requests), "image", initial=done) as progress:
        try:
            # Shards hold whole batches, so that a run that was interrupted goes on with the same ones.
            for batch in batched(requests, size):
                began = time.monotonic()
                made = generator.generate([each.prompt for each in batch], [each.seed for each in batch])
                seconds += time.monotonic() - began
                writer.add(batch, made)
                progress.update(len(batch))
        finally:
            writer.write()
    return seconds


def _row(request: Request, made: Made, settings: str) -> dict[str, Any]:
    row: dict[str, Any] = {
        "generation_id": request.generation_id,
        "prompt_id": request.prompt_id,
        "prompt": request.prompt,
        "seed": request.seed,
        "settings": settings,
    }
    if isinstance(made, Image.Image):
        buffer = io.BytesIO()
        made.convert("RGB").save(buffer, "PNG", compress_level=1)
        return row | {"image": {"bytes": buffer.getvalue(), "path": None}}
    if isinstance(made, Path):
        return row | {"image": {"bytes": None, "path": str(made)}}
    log.warning("no image for prompt %r, seed %d: %s", request.prompt, request.seed, made)
    return row | {"error": made}
