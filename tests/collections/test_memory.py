"""Reading a collection takes as much memory as a part of it, not as the whole."""

import io
import os
import subprocess
import sys
import tarfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from copyrisk.collections.folder import Folder

COUNT = 10_000
SIZE = 4_000
MIB = 2**20


def image(number: int) -> bytes:
    return np.random.default_rng(number).bytes(SIZE)


def table() -> pa.Table:
    return pa.table({"image": [image(number) for number in range(COUNT)], "caption": ["a cat"] * COUNT})


def write_tar(path: Path) -> None:
    with tarfile.open(path / "a.tar", "w", format=tarfile.USTAR_FORMAT) as archive:
        for number in range(COUNT):
            member = tarfile.TarInfo(f"{number:09d}.jpg")
            member.size = SIZE
            archive.addfile(member, io.BytesIO(image(number)))


def write_parquet(path: Path) -> None:
    pq.write_table(table(), path / "a.parquet", row_group_size=COUNT, write_batch_size=100, use_dictionary=False)


def write_arrow(path: Path) -> None:
    whole = table()
    with pa.OSFile(str(path / "a.arrow"), "wb") as sink, pa.ipc.new_stream(sink, whole.schema) as stream:
        stream.write_table(whole, 1000)


READ = """
import re, sys
from pathlib import Path
from copyrisk.collections import open_collection

def memory():
    # What is mapped from a file can be dropped at any time and does not count.
    return int(re.search(r"RssAnon:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024

import pyarrow.parquet, copyrisk.collections.webdataset, copyrisk.collections.arrow
before = most = memory()
collection = open_collection(sys.argv[1], "--references")
for item in collection.items():
    item.read()
    if item.position % 50 == 0:
        most = max(most, memory())
print(len(collection), most - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(("write", "limit"), [(write_tar, 4 * MIB), (write_parquet, 16 * MIB), (write_arrow, 16 * MIB)])
def test_memory_does_not_grow_with_the_collection(tmp_path: Path, write: Callable[[Path], None], limit: int) -> None:
    write(tmp_path)
    # Arrow's usual allocator keeps some 50 MB for later, whatever the size of the file.
    settings = {**os.environ, "ARROW_DEFAULT_MEMORY_POOL": "system"}
    command = [sys.executable, "-c", READ, str(tmp_path)]
    output = subprocess.run(command, capture_output=True, text=True, check=True, env=settings)
    count, grown = map(int, output.stdout.split())
    assert count == COUNT
    assert grown < limit, f"{grown / MIB:.0f} MiB of the 40 that the images have"


def test_a_folder_holds_no_more_than_the_names_of_its_files(tmp_path: Path) -> None:
    for number in range(500):
        (tmp_path / f"{number:09d}.jpg").touch()
    tracemalloc.start()
    try:
        collection = Folder(tmp_path)
        for item in collection.items():
            item.read()
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held / 500 < 100 + len(str(tmp_path / "000000000.jpg"))
