"""Any combination of options is refused at once or works to the end."""

import importlib
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import copyrisk
from copyrisk import attacks, stages
from copyrisk.collections import Item
from copyrisk.errors import UserError
from copyrisk.generators.python import UserFunction
from copyrisk.verdicts import references

MODELS = """
import numpy as np

loaded = []

def make():
    loaded.append(None)
    return lambda prompts, seeds: [picture(seed) for seed in seeds]

def unconditional():
    def make(prompts, seeds):
        return [picture(seed) for seed in seeds]
    make.conditional = False
    return make

def picture(seed):
    return np.random.default_rng(seed % 9).integers(0, 256, (16, 16, 3), dtype=np.uint8)
"""

CHOICES: dict[str, list[Any]] = {
    "model": ["python:models_of_combinations:unconditional", "folder:made", "folder:made_without_prompts"],
    "controls": ["controls"],
    "descriptor": ["photo"],
    "prompts": ["prompts.txt"],
    "strata": ["rules"],
    "max_prompts": [2],
    "control_images": [0, 3],
    "generations": [2],
    "budget": [7],
    "precision": [0.4],
    "test": ["ratio", "similarity", "verdict"],
    "threshold": [0.2],
    "false_positive_rate": [0.3],
    "sensitivity": ["3/4", "all"],
    "guidance_scale": [2.0],
}
"""What is chosen in place of the defaults below."""
DEFAULTS = {"model": "python:models_of_combinations:make", "references": "references", "test": "tile"}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folders = {"references": range(6), "controls": range(6, 11), "made": range(3, 8), "made_without_prompts": range(5)}
    for folder, seeds in folders.items():
        (tmp_path / folder).mkdir()
        for seed in seeds:
            pixels = np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / folder / f"{seed}.png")
            if folder != "made_without_prompts":
                (tmp_path / folder / f"{seed}.txt").write_text(f"picture {seed}")
    (tmp_path / "prompts.txt").write_text("picture 1\na photo of Batman\nsomething else\n")
    (tmp_path / "models_of_combinations.py").write_text(MODELS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("GENERATIONS", "UNCONDITIONAL_GENERATIONS"):
        monkeypatch.setattr(attacks, name, 3)
    # Pictures of noise have no candidates that would be worth more.
    for name in ("MOST", "MOST_ALIKE"):
        monkeypatch.setattr(references, name, 1)
    yield tmp_path
    sys.modules.pop("models_of_combinations", None)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note which images are read."""
    seen: list[str] = []
    real = Item.read

    def spy(self: Item) -> bytes:
        seen.append(self.id)
        return real(self)

    monkeypatch.setattr(Item, "read", spy)
    return seen


def cases() -> list[dict[str, Any]]:
    """Every option by itself and with every other, and all at once that what a copy is depends on."""
    single = [(name, value) for name, values in CHOICES.items() for value in values]
    pairs = [dict(pair) for pair in combinations(single, 2) if pair[0][0] != pair[1][0]]
    names = ("test", "descriptor", "false_positive_rate", "budget", "controls")
    heart = product(*([None, *CHOICES[name]] for name in names))
    found = [{}, *({name: value} for name, value in single), *pairs]
    found += [{name: value for name, value in zip(names, values, strict=True) if value is not None} for values in heart]
    return list({repr(sorted(case.items())): case for case in found}.values())


def test_any_combination_is_refused_before_an_image_is_read_or_audited_to_the_end(world: Path, read: list[str]) -> None:
    audited = Counter[tuple[str, Any]]()
    for number, case in enumerate(cases()):
        out = world / f"run{number}"
        read.clear()
        try:
            result = copyrisk.audit(**DEFAULTS | case, out=out, pairs=0, workers=1)  # type: ignore[arg-type]
        except UserError:
            assert not read and not out.exists(), case
        else:
            assert result.regurgitation.trials and result.report.exists(), case
            audited.update(case.items())
    never = {(name, value) for name, values in CHOICES.items() for value in values} - audited.keys()
    # A network's rows, a pipeline's setting and a count that is none: there is nothing here to use them on.
    assert never == {("test", "similarity"), ("guidance_scale", 2.0), ("sensitivity", "all")}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"false_positive_rate": 0.01, "threshold": 0.1}, "leave one of them out"),
        ({"false_positive_rate": 0.01, "budget": 100}, "in a run of its own"),
        ({"generations": 3, "precision": 0.1}, "Leave one of them out"),
        ({"budget": 10, "control_images": 6, "controls": "controls"}, "more than half of --budget 10"),
        ({"control_images": 6}, r"^--control-images: there are no controls to ask for\. Give --controls"),
        ({"strata": "rules"}, r"^--strata rules divides --prompts, which is not given"),
        ({"sensitivity": "most"}, r"^--sensitivity is 'most'"),
        ({"test": "similarity"}, "--test similarity compares the rows of a network"),
        (
            {"test": "verdict", "descriptor": "pixels:32"},
            "--test verdict finds its candidates by photo; .* is pixels:32",
        ),
        ({"descriptor": "photo"}, "--test tile compares pixels; --descriptor is photo"),
        ({"model": "folder:made", "prompts": "prompts.txt"}, r"^--prompts: the images of folder:made exist already"),
        (
            {"model": "folder:made", "generations": 4, "max_prompts": 2},
            r"^--max-prompts, --generations: the images .* with their prompts\. Leave them out\.$",
        ),
        ({"model": "folder:made", "budget": 9}, r"^--budget: the images of folder:made exist .* Leave it out\.$"),
        (
            {"model": "python:models_of_combinations:unconditional", "prompts": "prompts.txt"},
            r"^--prompts: the model python:models_of_combinations:unconditional takes no prompts\. Leave it out\.$",
        ),
        ({"prompts": "gone.txt"}, "there is no file gone.txt"),
        ({"references": None}, r"^--references is missing"),
        ({"controls": "gone"}, r"^--controls: there is nothing at 'gone'"),
    ],
)
def test_a_refusal_says_what_does_not_go_together(world: Path, given: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        copyrisk.audit(**DEFAULTS | given, out=world / "run")
    assert not (world / "run").exists()


@pytest.mark.parametrize(
    ("kept", "given", "message"),
    [
        (1, {"test": "ratio"}, "at least two different references"),
        (3, {"false_positive_rate": 0.3}, "needs --controls, or at least four different references"),
    ],
)
def test_too_few_references_are_noticed_before_an_image_is_made(
    world: Path, kept: int, given: dict[str, Any], message: str
) -> None:
    for path in sorted((world / "references").glob("*.png"))[kept:]:
        path.unlink()
    with pytest.raises(UserError, match=message):
        copyrisk.audit(**DEFAULTS | given, out=world / "run")
    assert not (world / "run" / "generations").exists()


def test_a_stage_on_its_own_refuses_too_and_knows_what_the_run_was_given(world: Path) -> None:
    model, out = "python:models_of_combinations:make", Path("run")
    stages.index(references="references", controls="controls", descriptor="pixels:8", out=out)
    stages.duplicates(out=out)
    assert stages.plan(model=model, out=out, control_images=2).num_rows == 6 + 2
    with pytest.raises(UserError, match=r"^--prompts: the model .* takes no prompts"):
        stages.plan(model="python:models_of_combinations:unconditional", prompts="prompts.txt", out=out)
    stages.generate(model=model, out=out)
    with pytest.raises(UserError, match=r"--test similarity compares .* --descriptor is pixels:8"):
        stages.match(test="similarity", out=out)
    with pytest.raises(UserError, match=r"--test verdict finds its candidates by photo; --descriptor is pixels:8"):
        stages.match(out=out)
    assert stages.match(test="tile", out=out).num_rows == 6 * 3 + 2


@pytest.mark.parametrize("given", [{}, {"budget": 200, "prompts": "prompts.txt"}])
def test_what_was_chosen_is_opened_once(world: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, Any]) -> None:
    opened = Counter[str]()

    def counting(module: str, name: str) -> None:
        function = getattr(importlib.import_module(module), name)

        def call(*args: Any) -> Any:
            opened[f"{name}({args[-1]})" if name == "open_collection" else name] += 1
            return function(*args)

        monkeypatch.setattr(f"{module}.{name}", call)

    for module, name in (
        ("copyrisk.generators", "open_generator"),
        ("copyrisk.descriptors", "open_descriptor"),
        ("copyrisk.matching.tests", "open_test"),
        ("copyrisk.collections", "open_collection"),
        ("copyrisk.attacks.prompt_log", "read_prompts"),
    ):
        counting(module, name)
    copyrisk.audit(**DEFAULTS | given, controls="controls", out=world / "run")
    expected = ["open_generator", "open_descriptor", "open_test", "read_prompts"][: 4 if "prompts" in given else 3]
    collections = ["open_collection(--references)", "open_collection(--controls)"]
    assert opened == dict.fromkeys([*expected, *collections], 1)
    assert len(sys.modules["models_of_combinations"].loaded) == 1


@pytest.mark.parametrize("given", [{}, {"budget": 200}])
def test_the_model_is_let_go_of_once_its_images_are_made(
    world: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, Any]
) -> None:
    closed: list[bool] = []
    monkeypatch.setattr(UserFunction, "close", lambda self: closed.append(True), raising=False)
    copyrisk.audit(**DEFAULTS | given, out=world / "run")
    assert closed == [True]
