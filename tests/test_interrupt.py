"""`kill -9` at any moment, then the same command: the result of a run that was not interrupted."""

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from copyrisk.generators.writing import BATCHES_WAITING

GENERATOR = """
import numpy as np

def make(prompts, seeds):
    with open("made.log", "a") as log:
        log.writelines(f"{prompt}/{seed}\\n" for prompt, seed in zip(prompts, seeds))
    return [np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8) for seed in seeds]
"""

# Small shards, so that there are many moments; the process ends itself at the given write, before the file is in place
# (`fsync`) or just after (`replace`).
COMMAND = """
import os, pathlib, signal, sys
import copyrisk.generators, copyrisk.index
from copyrisk import cli

copyrisk.generators.writing.SHARD_SECONDS = 0.0
copyrisk.index.SHARD_ROWS = copyrisk.index.BATCH_ROWS = 4
moment, left = sys.argv[1], int(sys.argv[2])
# A shell starts what runs in the background deaf to Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)

def counted(call, after):
    def wrapped(*arguments):
        global left
        result = call(*arguments) if after else None
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return result if after else call(*arguments)
    return wrapped

if moment == "fsync":
    os.fsync = counted(os.fsync, after=False)
elif moment == "replace":
    pathlib.Path.replace = counted(pathlib.Path.replace, after=True)
sys.argv = ["copyrisk", "audit", *sys.argv[3:]]
cli.main()
"""

# Gives back the reference that the prompt names in two of three images, so that rounds have something to learn.
COPIER = GENERATOR.replace(
    "    return [", "    return [given(prompt) if seed % 3 and 'references' in prompt else "
).replace(
    "for seed in seeds]",
    """for prompt, seed in zip(prompts, seeds)]

def given(prompt):
    from PIL import Image
    return Image.open("references/" + prompt.split()[1] + ".png")
""",
)

OPTIONS = (
    "--model python:maker:make --references references --controls controls --test tile --descriptor pixels:8 "
    "--generations 3 --batch-size 6 --out run"
).split()
ADAPTIVE = [*"--budget 110".split(), *(word for word in OPTIONS if word not in ("--generations", "3"))]


@pytest.fixture
def world(tmp_path: Path) -> Path:
    for folder, count in (("references", 10), ("controls", 6)):
        (tmp_path / folder).mkdir()
        for number in range(count):
            pixels = np.random.default_rng([number, count]).integers(0, 256, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / folder / f"{number}.png")
            (tmp_path / folder / f"{number}.txt").write_text(f"{folder} {number}")
    (tmp_path / "maker.py").write_text(GENERATOR)
    return tmp_path


def audit(world: Path, moment: str = "never", after: int = 0, options: list[str] = OPTIONS) -> int:
    command = [sys.executable, "-c", COMMAND, moment, str(after), *options]
    return subprocess.run(command, cwd=world, capture_output=True, timeout=120, check=False).returncode


def tables(run: Path) -> dict[str, list[dict[str, object]]]:
    shards = {name: sorted((run / name).glob("**/part-*.parquet")) for name in ("references", "generations", "matches")}
    single = {path.stem: [path] for path in run.glob("*.parquet")}
    return {
        name: [row for path in paths for row in pq.ParquetFile(path).read().to_pylist()]
        for name, paths in (shards | single).items()
    }


@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_a_run_that_is_killed_again_and_again_ends_like_one_that_was_not(world: Path, moment: str) -> None:
    assert audit(world) == 0
    expected = tables(world / "run")
    (world / "run").rename(world / "whole")
    (world / "made.log").unlink()
    kills = 0
    # The moments are spread over all stages: each try goes on from the last and is let live a little longer.
    while audit(world, moment, 3 + 2 * kills) == -signal.SIGKILL:
        kills += 1
        assert kills < 20, "no progress is made"
    assert kills >= 5
    assert tables(world / "run") == expected
    # What is in a finished shard is not made again: each kill costs the batch at work and those that wait for the disk.
    made = (world / "made.log").read_text().splitlines()
    assert len(made) - len(set(made)) <= 6 * (1 + BATCHES_WAITING) * kills
    assert len(set(made)) == len(expected["generations"])


def test_rounds_that_are_killed_again_and_again_draw_what_they_would_have_drawn(world: Path) -> None:
    (world / "maker.py").write_text(COPIER)
    assert audit(world, options=ADAPTIVE) == 0
    expected = tables(world / "run")
    assert max(row["round"] for row in expected["draws"]) == 1  # type: ignore[type-var]
    assert len(expected["generations"]) == len(expected["draws"]) == 110
    (world / "run").rename(world / "whole")
    (world / "made.log").unlink()
    kills = 0
    while audit(world, "replace", 10 + 8 * kills, ADAPTIVE) == -signal.SIGKILL:
        kills += 1
        assert kills < 12, "no progress is made"
    assert kills >= 3
    assert tables(world / "run") == expected
    # Those of the seeds 0 to 5 were made to measure the pace; of the others each kill costs as much as above.
    made = [line for line in (world / "made.log").read_text().splitlines() if int(line.split("/")[1]) > 5]
    assert len(made) - len(set(made)) <= 6 * (1 + BATCHES_WAITING) * kills
    assert len(set(made)) == 110


def test_ctrl_c_says_how_to_go_on_and_loses_nothing(world: Path) -> None:
    (world / "maker.py").write_text(GENERATOR.replace("    return [", "    import time; time.sleep(0.3)\n    return ["))
    command = [sys.executable, "-c", COMMAND, "never", "0", *OPTIONS]
    process = subprocess.Popen(command, cwd=world, stderr=subprocess.PIPE, text=True)
    while not list((world / "run").glob("generations/*/part-*.parquet")):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "The same command goes on where it stopped" in errors
    assert "Traceback" not in errors
    finished = (world / "made.log").read_text().splitlines()
    assert audit(world) == 0
    again = (world / "made.log").read_text().splitlines()
    assert len(again) - len(set(again)) <= 6
    assert len(again) > len(finished)
