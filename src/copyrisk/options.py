"""Every option of every stage, written once.

The command line and the Python functions are both made from `Options`: a field's name is the option's name, its default
the option's default, its help the option's help. `stages` names the stages that use it. This module imports nothing
heavy, since `copyrisk --help` reads it.
"""

from collections.abc import Callable
from dataclasses import Field, dataclass, field, fields
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from copyrisk.combinations import refuse_options
from copyrisk.errors import UserError

DESCRIPTOR = "photo"
"""What images are described by in an index and to find their duplicates, where nothing else is asked for."""

STAGES = ("index", "duplicates", "plan", "generate", "match", "rates", "report")

P = ParamSpec("P")
R = TypeVar("R")


def _option(default: Any, stages: str, help: str, **extra: Any) -> Any:
    return field(default=default, metadata={"help": help, "stages": tuple(stages.split()), **extra})


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of an audit and of its stages; see `copyrisk audit --help` for each."""

    out: Path = _option(Path("copyrisk-run"), " ".join(STAGES), "The run folder: all tables and the report.")
    model: str | None = _option(
        None,
        "plan generate",
        "What makes the images: diffusers:FOLDER_OR_ID, folder:DIR (images made elsewhere) or python:MODULE:FUNCTION.",
    )
    references: str | None = _option(
        None, "index", "Images that must not come back: a folder, a Parquet file or a folder of Parquet files."
    )
    controls: str | None = _option(
        None, "index", "Images that the model certainly did not see; they show how often the test fires by accident."
    )
    descriptor: str | None = _option(
        None,
        "index",
        "How an image is described, by default as --test needs it: photo for verdict, pixels:32 for published tests. "
        "Others: pixels:SIDE, pdq, sscd, onnx:FILE, torchscript:FILE or transformers:FOLDER_OR_ID.",
    )
    workers: int = _option(0, "index match", "Threads that decode images; 0 takes one a processor.", minimum=0)
    duplicate_distance: float | None = _option(
        None,
        "duplicates",
        "Two references at most this far apart (root mean square, 0 to 1) count as the same picture, 0.05 by default; "
        "described by photo, they are compared as `copyrisk duplicates` does.",
        minimum=0,
    )
    prompts: Path | None = _option(
        None,
        "plan",
        "Prompts to use instead of the references' captions: .txt (one a line), .csv, .jsonl or .parquet with a column "
        "'prompt' and, if wanted, 'stratum'.",
    )
    strata: str = _option(
        "column",
        "plan",
        "How --prompts is divided: column (its column 'stratum') or rules (named, styled, abstract, short, other).",
    )
    max_prompts: int | None = _option(
        None,
        "plan",
        "Prompts at most, 1000 by default (with --budget or --precision all); the most duplicated references come "
        "first, and of --prompts a random sample is taken.",
        minimum=1,
    )
    control_images: int | None = _option(
        None,
        "plan",
        "Images of the controls' captions in all, one of each before a second of any; by default 400 or a quarter of "
        "the audit's own, whichever is more, but no more than these, nor than 4 of each.",
        minimum=0,
    )
    generations: int | None = _option(
        None, "plan", "Images a prompt, 16 by default; of a model without prompts images in all, 1000.", minimum=1
    )
    budget: int | None = _option(
        None,
        "plan",
        "Images in all: prompts are drawn one by one, more of them where the answer is still open. In place of "
        "--generations.",
        minimum=1,
    )
    precision: float | None = _option(
        None,
        "plan",
        "Draw prompts as with --budget until the interval is at most this wide to either side (0.001: ± 0.1 %).",
        minimum=1e-7,
        maximum=0.5,
    )
    seed: int = _option(0, "plan", "The seed from which all others are derived.", minimum=0)
    device: str = _option(
        "auto",
        "plan generate",
        "Where the model runs: auto, cpu, cuda, cuda:1, mps, several as cuda:0,cuda:2, or all GPUs.",
    )
    dtype: str = _option("auto", "plan generate", "auto (that of the stored weights), float32, float16 or bfloat16.")
    batch_size: int = _option(0, "generate", "Images at a time; 0 chooses by the memory that is free.", minimum=0)
    steps: int | None = _option(None, "plan generate", "num_inference_steps of the pipeline.", minimum=1)
    guidance_scale: float | None = _option(None, "plan generate", "guidance_scale of the pipeline.")
    height: int | None = _option(None, "plan generate", "Height of the generated images in pixels.", minimum=1)
    width: int | None = _option(None, "plan generate", "Width of the generated images in pixels.", minimum=1)
    set: tuple[str, ...] = _option(
        (),
        "plan generate",
        "KEY=VALUE, any other argument of the pipeline's call, as negative_prompt=blurry. Repeatable.",
    )
    scheduler: str | None = _option(
        None, "plan generate", "Another scheduler (sampler) of diffusers, as EulerDiscreteScheduler."
    )
    lora: tuple[str, ...] = _option(
        (), "plan generate", "PATH_OR_ID or PATH_OR_ID=SCALE, a LoRA to apply to the pipeline. Repeatable."
    )
    config: str | None = _option(
        None,
        "plan generate",
        "FOLDER_OR_ID, the pipeline that a single file of weights takes its configuration and other parts from.",
    )
    variant: str | None = _option(None, "plan generate", "The variant of the stored weights, as fp16.")
    quantize: str | None = _option(
        None, "plan generate", "Load the large parts in fewer bits: 4bit or 8bit.", choices=("4bit", "8bit")
    )
    offload: str | None = _option(
        None,
        "plan generate",
        "Keep weights in main memory and move to the GPU what works: model, sequential or group (ever less memory).",
        choices=("model", "sequential", "group"),
    )
    compile: bool = _option(False, "plan generate", "Compile the denoiser: slow to begin, then faster.")
    trust_remote_code: bool = _option(
        False, "plan generate", "Run the Python code that comes inside the model folder, if there is any."
    )
    test: str = _option(
        "verdict",
        "index match",
        "What counts as a copy: verdict (of the whole or a part, aligned, down to the details) or a published test: "
        "tile (no part differs by more than the threshold), ratio (much nearer than to other references), second "
        "(than to the second nearest) or similarity (of a network's rows).",
    )
    threshold: float | None = _option(
        None,
        "match",
        "The test's threshold; where not given, tile 0.15, ratio 1, second 1/3, similarity 0.5 (as published); of "
        "verdict read off the controls where there are any, else 1/7.5.",
        minimum=0,
    )
    false_positive_rate: float | None = _option(
        None,
        "plan match",
        "Read the threshold off the controls: at most this share of generations passes by accident (0.001).",
        minimum=1e-9,
        maximum=0.5,
    )
    confidence: float = _option(0.95, "plan rates", "Coverage of the intervals.", minimum=0.5, maximum=0.9999)
    sensitivity: str | None = _option(
        None, "rates", "How many of known copies the test found, as in 188/200 (see the testbed); all where not given."
    )
    pairs: int = _option(60, "report", "Picture pairs in the report's gallery.", minimum=0)

    def __post_init__(self) -> None:
        if self.prompts is not None:
            object.__setattr__(self, "prompts", Path(self.prompts))
        for name in ("references", "controls"):
            if isinstance(getattr(self, name), Path):
                object.__setattr__(self, name, str(getattr(self, name)))
        for name in ("set", "lora"):
            given = getattr(self, name)
            object.__setattr__(self, name, (given,) if isinstance(given, str) else tuple(given))
        _check(self)
        if self.sensitivity is not None:
            read_count(self.sensitivity, "--sensitivity")
        refuse_options(self)

    @property
    def adaptive(self) -> bool:
        """Whether prompts are drawn one by one in the light of the results."""
        return self.budget is not None or self.precision is not None


@dataclass(frozen=True, kw_only=True)
class DuplicatesOptions:
    """The options of `copyrisk duplicates COLLECTION`."""

    against: str | None = _option(None, "", "Another collection or index: find the images of COLLECTION in it.")
    duplicate_distance: float | None = _option(
        None,
        "",
        "Two images at most this far apart can be the same picture; by default what suits the descriptor, as 0.05 "
        "(root mean square, 0 to 1) for pixels.",
        minimum=0,
        spelled="--distance",
    )
    score: float | None = _option(
        None,
        "",
        "The same picture has at least this score (0.5 by default); more is surer. For descriptors as photo.",
        minimum=0.01,
        maximum=1,
    )
    likeness: float | None = _option(
        None,
        "",
        "Of pixels, the same picture must also be at least so much alike (0.9 by default): 1 equal, 0 no more than two "
        "of the same mean colour.",
        minimum=0,
        maximum=0.999,
    )
    approximate: float | None = _option(
        None,
        "",
        "Find about this share of the pairs (0.99), many times faster in large collections; the share is measured.",
        minimum=0.5,
        maximum=1,
    )
    nearest: int | None = _option(
        None, "", "List the so many best of each image in pairs.parquet, duplicates or not.", minimum=1
    )
    keep: int | None = _option(None, "", "List what to keep for no picture to occur more often than this.", minimum=1)
    list: Path | None = _option(None, "", "Where to write this list (.csv or .parquet); keep.csv in --out by default.")
    out: Path = _option(Path("copyrisk-duplicates"), "", "The folder for tables, page and indexes; of a stage the run.")
    clusters: int = _option(24, "", "Clusters on the page.", minimum=0)
    descriptor: str | None = _option(None, "", "How images are described, by default photo, or as an index is.")
    workers: int = _option(0, "", "Threads that decode images; 0 takes one a processor.", minimum=0)

    def __post_init__(self) -> None:
        if self.list is not None:
            object.__setattr__(self, "list", Path(self.list))
        _check(self)


@dataclass(frozen=True, kw_only=True)
class CliquesOptions:
    """The options of `copyrisk cliques FOLDER`."""

    threshold: float = _option(
        0.15,
        "",
        "Two images at most this far apart are near-identical (the worst of 16 tiles, root mean square, 0 to 1).",
        minimum=0,
        maximum=1,
    )
    least: int = _option(
        10, "", "So many images of a prompt that are all near-identical mark it as memorized.", minimum=2
    )
    out: Path = _option(Path("copyrisk-cliques"), "", "The folder for the table and the page.")
    prompts: int = _option(24, "", "Prompts on the page.", minimum=0)
    workers: int = _option(0, "", "Threads that decode images; 0 takes one a processor.", minimum=0)

    def __post_init__(self) -> None:
        _check(self)


@dataclass(frozen=True, kw_only=True)
class TestbedOptions:
    """The options of `copyrisk testbed train`."""

    __test__ = False  # pytest takes a class called Test... for tests

    out: Path = _option(Path("testbed"), "", "The folder for the model, its training set and the truth.")
    images: str = _option(
        "openmoji",
        "",
        "openmoji (the pictures of the demo), digits (scikit-learn's handwritten digits), or your own: a folder or "
        "Parquet file.",
    )
    limit: int | None = _option(None, "", "Take this many of the images, chosen at random.", minimum=1)
    side: int = _option(32, "", "The pictures are made this many pixels wide and high.", minimum=4, maximum=64)
    ladder: str = _option("1,2,4,8,16,32,64,128", "", "Multiplicities to plant.")
    per_step: int = _option(10, "", "Images on each step of the ladder above 1; all others occur once.", minimum=1)
    cap: int | None = _option(
        None, "", "No image more often than this: the same training set after its duplicates were removed.", minimum=1
    )
    held_out: int = _option(400, "", "Images kept out of training, as controls.", minimum=0)
    steps: int = _option(1000, "", "Training steps.", minimum=1)
    batch_size: int = _option(128, "", "Pictures in a training step.", minimum=1)
    width: int = _option(512, "", "Width of the network.", minimum=8)
    seed: int = _option(0, "", "The seed for the choice of images and for training.", minimum=0)

    def __post_init__(self) -> None:
        _check(self)


@dataclass(frozen=True, kw_only=True)
class DemoOptions:
    """The options of `copyrisk demo`."""

    out: Path = _option(Path("copyrisk-demo"), "", "The folder for the model, the run and the report.")
    seed: int = _option(0, "", "The seed from which all others are derived.", minimum=0)

    def __post_init__(self) -> None:
        _check(self)


@dataclass(frozen=True, kw_only=True)
class FadeOptions:
    """The options of `copyrisk testbed fade`."""

    out: Path = _option(Path("testbed-fade"), "", "The folder for the models and their audits.")
    images: str = _option("openmoji", "", "The pictures, as for `copyrisk testbed train`.")
    side: int = _option(32, "", "The pictures are made this many pixels wide and high.", minimum=4, maximum=64)
    sizes: str = _option("1,10,100,500", "", "Sizes of the training sets.")
    held_out: int = _option(150, "", "Images kept out of training, as controls.", minimum=1)
    steps: int = _option(600, "", "Training steps, the same for each size.", minimum=1)
    seed: int = _option(0, "", "The seed from which all others are derived.", minimum=0)

    def __post_init__(self) -> None:
        _check(self)


def of(cls: type) -> list["Field[Any]"]:
    """List the option fields of an options class in order."""
    return list(fields(cls))


def numbers(text: str, option: str) -> list[int]:
    """Read a comma-separated list of whole numbers, at least one, each at least 1; raise UserError otherwise."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdigit() and int(part) > 0 for part in parts):
        raise UserError(f"{option} is '{text}'; give whole numbers from 1 up, separated by commas, as in 1,2,4.")
    return sorted({int(part) for part in parts})


def read_count(text: str, option: str) -> tuple[int, int]:
    """Read `K/N`, as in 188/200; raise UserError otherwise."""
    found = [part.strip() for part in text.split("/")]
    if len(found) != 2 or not all(part.isdigit() for part in found) or not 0 <= int(found[0]) <= int(found[1]) > 0:
        raise UserError(f"{option} is '{text}'; give what was found of what there was, as in 188/200.")
    return int(found[0]), int(found[1])


def of_stage(stage: str) -> list["Field[Any]"]:
    """List the option fields that a stage uses, in the order of `Options`; `audit` uses all."""
    return [each for each in fields(Options) if stage == "audit" or stage in each.metadata["stages"]]


def flag(name: str) -> str:
    """Return the command-line spelling of an option: `max_prompts` is `--max-prompts`."""
    return "--" + name.replace("_", "-")


def flat(function: Callable[[Options], R], options: Callable[P, Options]) -> Callable[P, R]:
    """Return `function` with the options' fields as keyword arguments of its own."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            chosen = options(*args, **kwargs)
        except TypeError as error:
            raise UserError(f"{function.__name__.lstrip('_')}: {error}".replace("Options.__init__() ", "")) from None
        return function(chosen)

    return call


def _check(options: Any) -> None:
    """Make `out` a path and compare each option with its bounds."""
    object.__setattr__(options, "out", Path(options.out))
    for each in fields(options):
        value, low, high = getattr(options, each.name), each.metadata.get("minimum"), each.metadata.get("maximum")
        known = each.metadata.get("choices")
        if known and value is not None and value not in known:
            raise UserError(f"{flag(each.name)} is {value}; give {' or '.join(known)}.")
        if value is None or (low is None and high is None):
            continue
        # Written so that NaN, which is above and below nothing, is refused too.
        if not ((low is None or value >= low) and (high is None or value <= high)):
            bounds = f"at least {low}" if high is None else f"between {low} and {high}"
            raise UserError(f"{flag(each.name)} is {value}; it must be {bounds}.")
