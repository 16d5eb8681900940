import logging
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from copyrisk.descriptors import cache, open_descriptor
from copyrisk.descriptors.network import Network

Script = Callable[..., Path]
Pictures = Callable[..., list[Image.Image]]

SIZES = [(30, 20), (20, 30), (9, 9)]


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the pictures that go through a network, apart from the trial when it is opened."""
    counts: list[int] = []
    whole = Network._rows

    def counting(self: Network, images: list[Image.Image], pool: Any) -> Any:
        counts.append(len(images))
        return whole(self, images, pool)

    monkeypatch.setattr(Network, "_rows", counting)
    return counts


def rows(*values: float) -> dict[bytes, Any]:
    return {f"key {value}".encode(): np.full(8, value, np.float32) for value in values}


def test_a_picture_goes_through_a_network_once(script: Script, pictures: Pictures, computed: list[int]) -> None:
    file, images = script(), pictures(*SIZES)
    first = open_descriptor(f"sscd:{file}").describe_many(images)
    second = open_descriptor(f"sscd:{file}").describe_many([*images[::-1], images[0].copy()])
    assert computed == [3, 0]
    assert np.array_equal(second, first[[2, 1, 0, 0]])
    open_descriptor(f"sscd:{file}").describe_many([images[1], images[1].rotate(180)])
    assert computed == [3, 0, 1]


def test_equal_pictures_go_through_a_network_once(
    script: Script, pictures: Pictures, computed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COPYRISK_CACHE", "")
    found = open_descriptor(f"sscd:{script()}").describe_many(pictures((9, 9)) * 3)
    assert computed == [1]
    assert len(np.unique(found, axis=0)) == 1


def test_another_network_or_preparation_has_rows_of_its_own(
    script: Script, pictures: Pictures, computed: list[int]
) -> None:
    images = pictures(*SIZES)
    one, other = script(name="one.pt"), script(name="other.pt", seed=1)
    for specifier in (f"sscd:{one}", f"sscd:{other}", f"sscd:{one}?square=64", f"sscd:{one}?dtype=bfloat16"):
        open_descriptor(specifier).describe_many(images)
    assert computed == [3, 3, 3, 3]


def test_the_same_weights_elsewhere_are_the_same_network(
    script: Script, pictures: Pictures, computed: list[int], tmp_path: Path
) -> None:
    file, images = script(), pictures(*SIZES)
    open_descriptor(f"sscd:{file}").describe_many(images)
    open_descriptor(f"sscd:{file.rename(tmp_path / 'moved.pt')}").describe_many(images)
    assert computed == [3, 0]


@pytest.mark.parametrize("damage", [b"not a database", None])
def test_a_damaged_file_is_begun_anew(
    script: Script,
    pictures: Pictures,
    computed: list[int],
    own_cache: Path,
    caplog: pytest.LogCaptureFixture,
    damage: bytes | None,
) -> None:
    file, images = script(), pictures(*SIZES)
    expected = open_descriptor(f"sscd:{file}").describe_many(images)
    database = own_cache / "networks.sqlite"
    whole = database.read_bytes()
    database.write_bytes(damage or whole[:100] + b"\xff" * (len(whole) - 100))
    with caplog.at_level(logging.WARNING, "copyrisk"):
        assert np.array_equal(open_descriptor(f"sscd:{file}").describe_many(images), expected)
    assert "was damaged" in caplog.text
    assert np.array_equal(open_descriptor(f"sscd:{file}").describe_many(images), expected)
    assert computed == [3, 3, 0]


def test_a_row_whose_bits_have_changed_is_not_used(own_cache: Path) -> None:
    cache.write(rows(1, 2))
    with sqlite3.connect(own_cache / "networks.sqlite") as database:
        data = database.execute("SELECT row FROM rows WHERE key = ?", (b"key 1",)).fetchone()[0]
        database.execute("UPDATE rows SET row = ? WHERE key = ?", (b"\x01" + data[1:], b"key 1"))
    database.close()
    assert cache.read([b"key 1", b"key 2", b"key 3"]).keys() == {b"key 2"}


def test_many_rows_come_back_as_they_were() -> None:
    written = rows(*range(1200))
    cache.write(written)
    found = cache.read(list(written))
    assert all(np.array_equal(found[key], row) for key, row in written.items())
    cache.write({b"key 7": np.full(3, 0.5, np.float32)})
    assert cache.read([b"key 7"])[b"key 7"].tolist() == [0.5, 0.5, 0.5]


def test_the_oldest_rows_go_when_it_is_full(monkeypatch: pytest.MonkeyPatch, own_cache: Path) -> None:
    monkeypatch.setattr(cache, "LARGEST", 100_000)
    for start in range(0, 5000, 100):
        cache.write(rows(*range(start, start + 100)))
    assert (own_cache / "networks.sqlite").stat().st_size < 200_000
    kept = cache.read(list(rows(*range(5000))))
    assert 500 < len(kept) < 2500
    assert kept.keys() == set(list(rows(*range(5000)))[-len(kept) :])


def test_several_processes_write_at_a_time(own_cache: Path) -> None:
    program = (
        "import sys, numpy as np\nfrom copyrisk.descriptors import cache\n"
        "for n in range(50): cache.write({f'{sys.argv[1]} {n}'.encode(): np.full(8, n, np.float32)})"
    )
    processes = [subprocess.Popen([sys.executable, "-c", program, name]) for name in "abc"]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert len(cache.read([f"{name} {number}".encode() for name in "abc" for number in range(50)])) == 150


def test_where_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COPYRISK_CACHE", str(tmp_path / "here"))
    assert cache.path() == tmp_path / "here" / "networks.sqlite"
    monkeypatch.setenv("COPYRISK_CACHE", "")
    assert cache.path() is None
    cache.write(rows(1))
    assert cache.read([b"key 1"]) == {}
    monkeypatch.delenv("COPYRISK_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "there"))
    assert cache.path() == tmp_path / "there" / "copyrisk" / "networks.sqlite"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache.path() == tmp_path / ".cache" / "copyrisk" / "networks.sqlite"


def test_where_it_cannot_be_written_the_work_goes_on(
    script: Script,
    pictures: Pictures,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("COPYRISK_CACHE", str(tmp_path / "file"))
    with caplog.at_level(logging.WARNING, "copyrisk"):
        assert len(open_descriptor(f"sscd:{script()}").describe_many(pictures(*SIZES))) == 3
    assert [record.message.split(" (")[0] for record in caplog.records] == [
        f"the cache {tmp_path}/file/networks.sqlite cannot be used"
    ]
