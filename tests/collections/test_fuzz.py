"""The benchmark that looks for crashes, hangs and blow-ups: a short run of it, and whether it would notice one."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from copyrisk.collections.decode import decode
from copyrisk.errors import UnreadableImage

SCRIPT = Path(__file__).parents[2] / "benchmarks/fuzz_decoding.py"


@pytest.fixture(scope="module")
def fuzz() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fuzz_decoding", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def decoding(definition: str) -> list[str]:
    """Return the command of a child whose decoder is another one."""
    replaced = f"import os, time, copyrisk.collections.decode as room\n{definition}\nroom.decode = decode\n"
    run = f"import runpy, sys; sys.argv = ['', 'child', '0', '3']; runpy.run_path({str(SCRIPT)!r}, run_name='__main__')"
    return [sys.executable, "-c", replaced + run]


def test_300_mutated_files_do_not_crash_hang_or_blow_up() -> None:
    done = subprocess.run([sys.executable, str(SCRIPT), "300"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "300 mutated files" in done.stdout
    assert "failures: 0" in done.stdout


def test_every_seed_is_a_valid_image(fuzz: ModuleType) -> None:
    for name, data in fuzz.seeds().items():
        if name == "TIFF float":
            with pytest.raises(UnreadableImage, match="floating-point"):
                decode(data)
        else:
            assert decode(data).mode == "RGB", name


def test_a_mutated_file_is_the_same_in_every_run(fuzz: ModuleType) -> None:
    assert [fuzz.mutant(number) for number in range(20)] == [fuzz.mutant(number) for number in range(20)]
    assert len({fuzz.mutant(number)[1] for number in range(200)}) > 150


@pytest.mark.parametrize(
    ("definition", "outcome", "reason"),
    [
        ("def decode(data): os.abort()", "crash", "SIGABRT"),
        ("def decode(data): os._exit(3)", "crash", "exit code 3"),
        ("def decode(data): raise KeyError('x')", "escaped", "KeyError"),
        ("def decode(data): raise room.UnreadableImage('too little memory to decode it')", "memory", "too little"),
    ],
)
def test_a_failure_of_the_decoder_is_noticed(fuzz: ModuleType, definition: str, outcome: str, reason: str) -> None:
    results = fuzz.watch(lambda first: decoding(definition), 1, 20.0)
    assert (results[0]["outcome"], reason in results[0]["reason"]) == (outcome, True)
    assert fuzz.report(results) == 1


def test_a_hang_is_ended_and_the_next_file_is_tried(fuzz: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz, "STARTING", 0)
    results = fuzz.watch(lambda first: [sys.executable, "-c", "import time; time.sleep(60)"], 2, 0.2)
    assert [(result["number"], result["outcome"]) for result in results] == [(0, "hang"), (1, "hang")]
