from pathlib import Path

import numpy as np
import pytest

from copyrisk.errors import UserError
from copyrisk.generators import measure_pace, open_generator
from copyrisk.options import Options

MODULE = """
import numpy as np

def plain(prompts, seeds):
    return [np.full((4, 4, 3), seed, np.uint8) for seed in seeds]

def factory():
    def generate(prompts, seeds):
        return [np.zeros((4, 4, 3), np.uint8) for _ in seeds]
    generate.batch_size = 3
    generate.conditional = False
    return generate

def failing(prompts, seeds):
    raise ValueError("no such prompt")

def too_few(prompts, seeds):
    return []

def text(prompts, seeds):
    return prompts
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    # A module is imported once a process, so each test has a name of its own.
    name = f"made_{abs(hash(request.node.name))}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return name


def test_a_function_of_prompts_and_seeds_is_a_generator(module: str) -> None:
    generator = open_generator(Options(model=f"python:{module}:plain"))
    assert [np.asarray(image)[0, 0, 0] for image in generator.generate(["a", "b"], [3, 4])] == [3, 4]
    assert generator.conditional
    assert generator.batch_size() == 8


def test_a_function_without_parameters_makes_the_generator(module: str) -> None:
    generator = open_generator(Options(model=f"python:{module}:factory"))
    assert len(generator.generate(["", ""], [0, 1])) == 2
    assert not generator.conditional
    assert generator.batch_size() == 3


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("failing", r"ValueError: no such prompt \(.*line 15\)"),
        ("too_few", "no list of 1 images"),
        ("text", "expected PIL images or uint8 arrays"),
    ],
)
def test_what_a_function_does_wrong_is_said(module: str, name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        open_generator(Options(model=f"python:{module}:{name}")).generate(["a"], [0])


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("no_such_module:f", "no module 'no_such_module'"),
        ("{}:nothing", "no function 'nothing'"),
        ("{}", "MODULE:FUNCTION"),
    ],
)
def test_a_function_that_is_not_there_is_named(module: str, argument: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        open_generator(Options(model=f"python:{argument.format(module)}"))


@pytest.mark.parametrize("option", ["steps", "guidance_scale", "height", "width"])
def test_settings_of_pipelines_are_refused(module: str, option: str) -> None:
    with pytest.raises(UserError, match=f"^--{option.replace('_', '-')} is a setting of diffusers .* Leave it out"):
        open_generator(Options(model=f"python:{module}:plain", **{option: 8}))  # type: ignore[arg-type]


def test_the_pace_is_measured_with_a_batch_but_no_more_than_will_be_asked_for() -> None:
    asked: list[int] = []

    class Counting:
        def batch_size(self) -> int:
            return 8

        def generate(self, prompts: list[str], seeds: list[int]) -> list[str]:
            asked.append(len(seeds))
            return prompts

    for most in (None, 3, 100):
        assert measure_pace(Counting(), "a cat", most) > 0  # type: ignore[arg-type]
    assert asked == [1, 8, 1, 3, 1, 8]
