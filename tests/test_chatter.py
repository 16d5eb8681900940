import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from copyrisk.chatter import ScreenHandler, chatter_to, screen

SCRIPT = """
import os, subprocess, sys
from copyrisk.chatter import chatter_to, screen
from pathlib import Path
print("before", file=sys.stderr)
with chatter_to(Path(sys.argv[1])):
    os.write(2, b"from C\\n")
    os.write(1, b"from C to standard output\\n")
    print("a library")
    print("a warning", file=sys.stderr)
    subprocess.run([sys.executable, "-c", "print('a child')"], check=True)
    print("ours", file=screen())
print("after", file=sys.stderr)
print("the answer")
"""


def test_what_libraries_print_goes_to_the_file_and_what_we_say_to_the_screen(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, tmp_path / "log.txt"], capture_output=True, text=True, check=True
    )
    assert done.stderr == "before\nours\nafter\n"
    assert done.stdout == "the answer\n"
    lines = (tmp_path / "log.txt").read_text().splitlines()
    assert sorted(lines) == ["a child", "a library", "a warning", "from C", "from C to standard output"]


def test_nothing_printed_leaves_no_file(tmp_path: Path) -> None:
    with chatter_to(tmp_path / "log.txt"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_chatter_is_added_and_all_is_as_before_after_an_error(tmp_path: Path) -> None:
    streams = sys.stdout, sys.stderr
    for number in range(2):
        with pytest.raises(KeyError), chatter_to(tmp_path / "log.txt"), chatter_to(tmp_path / "inner.txt"):
            os.write(2, f"{number}\n".encode())
            raise KeyError
    assert (tmp_path / "log.txt").read_text() == "0\n1\n"
    assert (sys.stdout, sys.stderr) == streams
    assert screen() is sys.stderr


def test_our_log_follows_the_screen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = logging.Logger("copyrisk.test")
    log.addHandler(ScreenHandler())
    with chatter_to(tmp_path / "log.txt"):
        log.warning("something to know")
        print("chatter", file=sys.stderr)
    assert capsys.readouterr().err == "something to know\n"
    assert (tmp_path / "log.txt").read_text() == "chatter\n"
