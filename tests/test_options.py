import math
import subprocess
import sys
from dataclasses import FrozenInstanceError, fields
from pathlib import Path
from typing import Any

import pytest

from copyrisk.errors import UserError
from copyrisk.options import (
    STAGES,
    DemoOptions,
    FadeOptions,
    Options,
    TestbedOptions,
    flag,
    flat,
    numbers,
    of,
    of_stage,
)


def used(options: Options) -> Options:
    """Give back the options that a stage is given."""
    return options


def test_options_can_be_left_out() -> None:
    options = Options()
    assert options.out == Path("copyrisk-run")
    assert options.model is options.references is options.generations is None
    # The descriptor is what the test needs.
    assert (options.test, options.descriptor) == ("verdict", None)


def test_paths_may_be_text() -> None:
    options = Options(out="run", prompts="prompts.txt")  # type: ignore[arg-type]
    assert (options.out, options.prompts) == (Path("run"), Path("prompts.txt"))


def test_options_do_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        Options().seed = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"max_prompts": 0}, r"^--max-prompts is 0; it must be at least 1\.$"),
        ({"generations": 0}, r"^--generations is 0; it must be at least 1\.$"),
        ({"control_images": -1}, r"^--control-images is -1; it must be at least 0\.$"),
        ({"workers": -1}, r"^--workers is -1;"),
        ({"duplicate_distance": -0.1}, r"^--duplicate-distance is -0\.1;"),
        ({"threshold": math.nan}, r"^--threshold is nan; it must be at least 0\.$"),
        ({"confidence": 1}, r"^--confidence is 1; it must be between 0\.5 and 0\.9999\.$"),
        ({"confidence": 95}, r"^--confidence is 95;"),
        ({"confidence": math.nan}, r"^--confidence is nan;"),
    ],
)
def test_a_value_out_of_bounds_is_named_as_on_the_command_line(given: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Options(**given)


@pytest.mark.parametrize("given", [{"workers": 0}, {"control_images": 0}, {"threshold": None}, {"confidence": 0.5}])
def test_bounds_are_within_bounds(given: dict[str, Any]) -> None:
    Options(**given)


@pytest.mark.parametrize("cls", [Options, TestbedOptions, DemoOptions, FadeOptions])
def test_every_option_has_a_help_that_is_a_sentence(cls: type) -> None:
    cls()
    for each in of(cls):
        assert each.metadata["help"].endswith("."), each.name


def test_every_option_is_used_by_a_stage_and_audit_uses_all() -> None:
    for each in fields(Options):
        assert each.metadata["stages"], each.name
        assert set(each.metadata["stages"]) <= set(STAGES), each.name
    assert of_stage("audit") == of(Options)


def test_a_stage_has_the_run_folder_and_its_own_options() -> None:
    assert [each.name for each in of_stage("duplicates")] == ["out", "duplicate_distance"]


def test_an_option_is_written_with_dashes_on_the_command_line() -> None:
    assert flag("control_images") == "--control-images"


def test_a_stage_takes_its_options_as_keywords() -> None:
    assert flat(used, Options)(seed=3) == Options(seed=3)


def test_an_unknown_keyword_is_a_user_s_error_with_the_name_of_the_function() -> None:
    with pytest.raises(UserError, match=r"^used: got an unexpected keyword argument 'sede'"):
        flat(used, Options)(sede=3)  # type: ignore[call-arg]


@pytest.mark.parametrize(("text", "expected"), [("1", [1]), ("4, 2,1", [1, 2, 4]), ("2,2", [2])])
def test_numbers_are_read_in_order_and_once(text: str, expected: list[int]) -> None:
    assert numbers(text, "--ladder") == expected


@pytest.mark.parametrize("text", ["", "1,", "0", "-1", "1.5", "1;2", "one"])
def test_what_are_no_numbers_names_the_option(text: str) -> None:
    with pytest.raises(UserError, match=f"^--ladder is '{text}'; give whole numbers from 1 up"):
        numbers(text, "--ladder")


def test_options_import_nothing_heavy() -> None:
    check = "import sys, copyrisk.options; print(*{'numpy', 'pyarrow', 'PIL', 'scipy', 'torch'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
