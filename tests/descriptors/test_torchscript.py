import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from copyrisk.descriptors import open_descriptor
from copyrisk.errors import UserError

Script = Callable[..., Path]
Pictures = Callable[..., list[Image.Image]]

MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
SHAPE = "return torch.tensor([[float(x.shape[2]), float(x.shape[3])]]).repeat(x.shape[0], 1)"
COLOURS = "return x.mean((2, 3))"


def test_a_row_is_the_output_for_the_picture_prepared_as_published(script: Script, pictures: Pictures) -> None:
    file = script()
    [picture] = pictures((400, 300))
    # By hand: the shorter side 288, Pillow's bilinear filter, 0 to 1, ImageNet's mean and standard deviation.
    values = np.asarray(picture.resize((384, 288), Image.Resampling.BILINEAR)) / 255
    values = ((values - MEAN) / STD).transpose(2, 0, 1)[None].astype(np.float32)
    with torch.inference_mode():
        output = torch.jit.load(file)(torch.from_numpy(values))[0].numpy()
    for name in ("sscd", "torchscript"):
        descriptor = open_descriptor(f"{name}:{file}")
        row = descriptor.describe(picture)
        assert (row.dtype, row.shape, descriptor.dimensions) == (np.float32, (24,), 24)
        assert (descriptor.dtype, descriptor.metric) == ("float32", "cosine")
        assert np.linalg.norm(row) == pytest.approx(1, abs=1e-6)
        assert np.allclose(row, output / np.linalg.norm(output), atol=1e-6)


@pytest.mark.parametrize(
    ("options", "size", "shape"),
    [
        ("", (400, 300), (288, 384)),
        ("", (300, 401), (384, 288)),
        ("", (3000, 2), (288, 1152)),
        ("", (1, 1), (288, 288)),
        ("?side=64", (200, 100), (64, 128)),
        ("?square=320", (200, 100), (320, 320)),
        ("?side=256&crop=224", (500, 256), (224, 224)),
        ("?square=100&crop=100", (500, 256), (100, 100)),
    ],
)
def test_options_say_to_which_size(script: Script, options: str, size: tuple[int, int], shape: tuple[int, int]) -> None:
    row = open_descriptor(f"torchscript:{script(SHAPE)}{options}").describe(Image.new("RGB", size))
    assert np.allclose(row, np.array(shape) / np.linalg.norm(shape))


def test_a_crop_is_the_middle(script: Script) -> None:
    picture = Image.new("RGB", (40, 20), "black")
    picture.paste((255, 0, 0), (10, 0, 30, 20))
    row = open_descriptor(f"torchscript:{script(COLOURS)}?side=20&crop=20&mean=0&std=1").describe(picture)
    assert row.tolist() == [1, 0, 0]


@pytest.mark.parametrize(
    ("options", "mean", "std"),
    [("", MEAN, STD), ("?mean=0.5&std=0.5", 0.5, 0.5), ("?mean=0.1,0.2,0.3&std=1,2,3", [0.1, 0.2, 0.3], [1, 2, 3])],
)
def test_options_say_the_scale(script: Script, options: str, mean: object, std: object) -> None:
    colour = np.array([200, 100, 50])
    row = open_descriptor(f"torchscript:{script(COLOURS)}{options}").describe(Image.new("RGB", (9, 9), tuple(colour)))
    values = (colour / 255 - np.asarray(mean)) / np.asarray(std)
    assert np.allclose(row, values / np.linalg.norm(values), atol=1e-5)


def test_resample_is_the_filter(script: Script, pictures: Pictures) -> None:
    body, [picture] = "return x.flatten(1)", pictures((8, 8))
    row = open_descriptor(f"torchscript:{script(body)}?square=16&mean=0&std=1&resample=bicubic").describe(picture)
    values = np.asarray(picture.resize((16, 16), Image.Resampling.BICUBIC), np.float64).transpose(2, 0, 1).reshape(-1)
    assert np.allclose(row, values / np.linalg.norm(values), atol=1e-6)


@pytest.mark.parametrize("body", ["return (self.first(x).mean((2, 3)), x)", "return self.first(x).mean((2, 3), True)"])
def test_the_first_of_several_outputs_and_trailing_ones_will_do(script: Script, pictures: Pictures, body: str) -> None:
    assert open_descriptor(f"torchscript:{script(body)}").describe(pictures((9, 9))[0]).shape == (16,)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return self.first(x)", r"for 1 pictures it gives a tensor of shape \(1, 16, \d+, \d+\).*pooling layer"),
        ("return x.mean()", r"tensor of shape \(\)"),
        ("return {'row': x}", "it gives a dict, not a tensor"),
        ("return self.last(x)", r"fails on pictures of shape 1×3×\d+×\d+: .*mat1 and mat2 shapes cannot be multiplied"),
        ("return self.first(x).mean((2, 3)) / 0", "nan or inf in it.*mean and std"),
        ("return self.first(x).mean((2, 3)) * 0", "all zeros"),
        ("return torch.rand(1, 9)", "other rows when it sees the same pictures again"),
    ],
)
def test_a_network_that_is_no_descriptor_is_refused(script: Script, body: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        open_descriptor(f"torchscript:{script(body)}").dimensions  # noqa: B018 - asking for it runs the network


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("sid=3", r"'\?sid=3' is not understood.*known: side, square, crop"),
        ("side=0", "side=0: give a number of pixels from 1 to 4096"),
        ("square=9999", "square=9999"),
        ("side=10&square=10", "not both"),
        ("crop=300", "crop=300 is larger"),
        ("mean=a", "mean=a: give one number or three"),
        ("mean=1,2", "mean=1,2"),
        ("mean=nan", "mean=nan"),
        ("std=0", "std=0"),
        ("resample=box", "resample=box is not known. Give bilinear or bicubic"),
        ("dtype=int8", "dtype=int8 is not known. Give auto, float32, bfloat16"),
    ],
)
def test_an_option_that_is_wrong_is_named(script: Script, options: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        open_descriptor(f"torchscript:{script()}?{options}")


def test_what_is_no_torchscript_file_is_refused(tmp_path: Path, script: Script) -> None:
    with pytest.raises(UserError, match="there is no file .*nothing.pt. SSCD's weights are linked from"):
        open_descriptor(f"sscd:{tmp_path}/nothing.pt")
    with pytest.raises(UserError, match="It is a folder"):
        open_descriptor(f"torchscript:{tmp_path}")
    with pytest.raises(UserError, match="say which network"):
        open_descriptor("torchscript")
    (tmp_path / "text.pt").write_text("not a network")
    with pytest.raises(UserError, match="text.pt is no TorchScript file. Make one by torch.jit"):
        open_descriptor(f"torchscript:{tmp_path}/text.pt")
    torch.save({"weight": torch.ones(3)}, tmp_path / "weights.pt")
    with pytest.raises(UserError, match=r"weights without their network. Fetch .*\.torchscript\.pt"):
        open_descriptor(f"sscd:{tmp_path}/weights.pt")
    with zipfile.ZipFile(script()) as whole, zipfile.ZipFile(tmp_path / "part.pt", "w") as part:
        for name in whole.namelist():
            if "data" not in name:
                part.writestr(name, whole.read(name))
    with pytest.raises(UserError, match="cannot be loaded, it may be damaged"):
        open_descriptor(f"torchscript:{tmp_path}/part.pt").dimensions  # noqa: B018


def test_a_question_mark_in_a_file_s_name_is_no_option(script: Script) -> None:
    descriptor = open_descriptor(f"torchscript:{script(name='what?.pt')}")
    assert descriptor.dimensions == 24
    assert open_descriptor(descriptor.specifier).specifier == descriptor.specifier
