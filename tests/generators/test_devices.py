"""Two processes as two devices: the tables are those of one."""

from collections.abc import Callable
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from copyrisk import stages
from copyrisk.errors import UserError
from copyrisk.files import read_shards
from copyrisk.generators import open_generator
from copyrisk.generators.devices import Everywhere, device_names
from copyrisk.options import Options

Saved = Callable[[str], Path]


def contents(table: pa.Table) -> bytes:
    buffer = pa.BufferOutputStream()
    pq.write_table(table.combine_chunks(), buffer)
    return buffer.getvalue().to_pybytes()


def test_two_devices_give_the_tables_of_one_byte_for_byte(
    saved: Saved, collection: Callable[..., Path], tmp_path: Path
) -> None:
    references = collection("references", [(number, f"caption {'abc'[number]}") for number in range(3)])
    found = []
    for device in ("cpu", "cpu,cpu"):
        options: dict[str, Any] = {"model": f"diffusers:{saved('sd15')}", "device": device, "batch_size": 4}
        size = {"steps": 2, "height": 32, "width": 32, "generations": 6}
        result = stages.audit(references=str(references), out=tmp_path / device, **options, **size)
        generations = read_shards(next((tmp_path / device / "generations").iterdir()))
        assert generations is not None and generations.num_rows == 18
        found.append([contents(each) for each in (generations, result.plan, result.matches, result.prompts)])
        found[-1].append((tmp_path / device / "rates.parquet").read_bytes())
    assert found[0] == found[1]
    # When the images are made, the processes have no more to do.
    for process in active_children():
        process.join(30)
    assert not active_children()


def test_devices_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    assert device_names("auto") == ["auto"]
    assert device_names("cuda:0, cuda:2") == ["cuda:0", "cuda:2"]
    with pytest.raises(UserError, match="--device all: there is no GPU here"):
        device_names("all")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    assert device_names("all") == ["cuda:0", "cuda:1", "cuda:2"]


def test_what_goes_wrong_in_a_process_is_said_as_with_one(saved: Saved) -> None:
    generator = open_generator(Options(model=f"diffusers:{saved('pixart')}", steps=2, device="cpu,cpu"))
    assert isinstance(generator, Everywhere) and generator.at_once == 2
    with pytest.raises(UserError, match="the pipeline failed: ValueError: Invalid sample size"):
        generator.batch_size()
