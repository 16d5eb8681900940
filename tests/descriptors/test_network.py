import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from copyrisk.descriptors import network, open_descriptor, pytorch
from copyrisk.descriptors.network import TOLERANCE, Network
from copyrisk.errors import UserError

Script = Callable[..., Path]
Pictures = Callable[..., list[Image.Image]]

SIZES = [(30, 20), (20, 30), (30, 20), (9, 9), (64, 9), (30, 20), (1, 1), (30, 20), (20, 30), (41, 20), (30, 20)]


def opened(specifier: str) -> Network:
    descriptor = open_descriptor(specifier)
    assert isinstance(descriptor, Network)
    return descriptor


@pytest.fixture(autouse=True)
def no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every row is computed."""
    monkeypatch.setenv("COPYRISK_CACHE", "")


@pytest.mark.parametrize("batch", [1, 4, 8])
def test_a_row_is_the_same_bits_whatever_it_is_computed_with(script: Script, pictures: Pictures, batch: int) -> None:
    descriptor = opened(f"torchscript:{script()}?side=40")
    assert (descriptor.device, descriptor.dimensions) == ("cpu", 24)
    # On a GPU, batches are filled up; the same code runs here.
    descriptor._batch = batch
    images = pictures(*SIZES)
    rows = descriptor.describe_many(images)
    assert rows.dtype == np.float32
    assert np.array_equal(rows, [descriptor.describe(image) for image in images])
    assert np.array_equal(rows[::-2], descriptor.describe_many(images[::-2]))
    assert len(np.unique(rows, axis=0)) == len(images)


def test_on_the_cpu_each_picture_is_alone(script: Script, pictures: Pictures) -> None:
    # A network that looks at its whole batch would show it.
    descriptor = opened(f"torchscript:{script('return self.first(x - x.mean()).mean((2, 3))')}?square=32")
    images = pictures(*SIZES)
    assert np.array_equal(descriptor.describe_many(images), [descriptor.describe(image) for image in images])


def test_no_pictures_have_no_rows(script: Script) -> None:
    rows = opened(f"torchscript:{script()}").describe_many([])
    assert (rows.shape, rows.dtype) == ((0, 24), np.float32)


def test_a_batch_that_does_not_fit_the_memory_is_halved(
    script: Script, pictures: Pictures, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    descriptor = opened(f"torchscript:{script()}?square=32")
    images = pictures(*SIZES)
    expected = descriptor.describe_many(images)
    whole = torch.jit.load(script())

    def small(batch: Any) -> Any:
        if len(batch) > 2:
            raise torch.OutOfMemoryError
        return whole(batch)

    monkeypatch.setitem(descriptor.__dict__, "_loaded", pytorch.ready(descriptor._loaded.prepare, small, "cpu"))
    descriptor._batch = 8
    with caplog.at_level(logging.WARNING, "copyrisk"):
        assert np.allclose(descriptor.describe_many(images), expected, atol=1e-6)
    assert [record.message.split("; ")[1] for record in caplog.records] == [
        "4 pictures at a time",
        "2 pictures at a time",
    ]


def test_one_picture_that_does_not_fit_the_memory_is_an_error(
    script: Script, pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    descriptor = opened(f"torchscript:{script()}")

    def none(batch: Any) -> Any:
        raise torch.OutOfMemoryError

    loaded = pytorch.ready(lambda image: np.zeros((3, 9, 9), np.float32), none, "cpu")
    monkeypatch.setitem(descriptor.__dict__, "_loaded", loaded)
    descriptor._batch = 1
    with pytest.raises(UserError, match="too little memory on cpu"):
        descriptor.describe_many(pictures((9, 9)))


def test_bfloat16_is_another_descriptor_with_nearly_the_same_rows(script: Script, pictures: Pictures) -> None:
    file, images = script(), pictures(*SIZES)
    full, short = opened(f"sscd:{file}"), opened(f"sscd:{file}?dtype=bfloat16")
    assert (full.computes_in, short.computes_in, short.dtype) == ("float32", "bfloat16", "float32")
    rows, other = full.describe_many(images), short.describe_many(images)
    assert not np.array_equal(rows, other)
    assert (1 - (rows * other).sum(axis=1)).max() < TOLERANCE
    assert "dtype=bfloat16" in short.specifier
    assert full.specifier != short.specifier


def test_a_specifier_opens_the_same_from_anywhere(
    script: Script, pictures: Pictures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(name="weights.pt")
    monkeypatch.chdir(tmp_path)
    descriptor = opened("sscd:weights.pt?square=64&device=cpu")
    assert descriptor.specifier == f"sscd:{tmp_path}/weights.pt?square=64&sha256={descriptor.fingerprint[:16]}"
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    again = opened(descriptor.specifier)
    assert again.specifier == descriptor.specifier
    [image] = pictures((30, 20))
    assert np.array_equal(again.describe(image), descriptor.describe(image))


def test_other_weights_are_another_descriptor(script: Script) -> None:
    first = opened(f"sscd:{script(seed=0)}")
    second = opened(f"sscd:{script(seed=1)}")
    assert first.fingerprint != second.fingerprint
    assert first.specifier != second.specifier
    with pytest.raises(UserError, match=f"not the weights that are asked for.*{second.fingerprint[:16]}, not"):
        open_descriptor(first.specifier)


def test_a_device_that_is_not_there_is_an_error(script: Script) -> None:
    with pytest.raises(UserError, match="there is no device xpu:9. Give device=cpu"):
        opened(f"torchscript:{script()}?device=xpu:9").dimensions  # noqa: B018


@pytest.mark.parametrize("specifier", ["sscd:weights.pt", "torchscript:weights.pt", "transformers:folder"])
def test_what_is_not_installed_is_named(specifier: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"needs torch.*: pip install 'copyrisk\[networks\]'"):
        open_descriptor(specifier)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_a_gpu_gives_nearly_the_same_rows(script: Script, pictures: Pictures) -> None:
    file, images = script(), pictures(*SIZES)
    rows = opened(f"sscd:{file}?device=cpu").describe_many(images)
    for dtype, limit in (("float32", 1e-5), ("auto", TOLERANCE)):
        descriptor = opened(f"sscd:{file}?device=cuda&dtype={dtype}")
        other = descriptor.describe_many(images)
        assert (1 - (rows * other).sum(axis=1)).max() < limit
        assert np.array_equal(other[::-2], descriptor.describe_many(images[::-2]))
