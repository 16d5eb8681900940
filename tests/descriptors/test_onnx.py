import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from PIL import Image

from copyrisk import parallel
from copyrisk.descriptors import network, open_descriptor
from copyrisk.errors import UserError

File = Callable[..., Path]
Pictures = Callable[..., list[Image.Image]]

MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
COLOURS = {
    "nchw": "f = Cast <to = 1> (x) y = GlobalAveragePool(f)",
    "nhwc": "f = Cast <to = 1> (x) t = Transpose <perm = [0, 3, 1, 2]> (f) y = GlobalAveragePool(t)",
}
SHAPE = "s = Shape <start = 2> (x) f = Cast <to = 1> (s) a = Constant <value_ints = [0]> () y = Unsqueeze(f, a)"
SIZES = [(30, 20), (20, 30), (30, 20), (9, 9), (64, 9), (30, 20), (1, 1)]


@pytest.fixture(autouse=True)
def no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every row is computed."""
    monkeypatch.setenv("COPYRISK_CACHE", "")


def test_a_row_is_the_output_for_the_picture_prepared_as_published(onnx_file: File, pictures: Pictures) -> None:
    file = onnx_file()
    [picture] = pictures((400, 300))
    # By hand: the shorter side 288, Pillow's bilinear filter, 0 to 1, ImageNet's mean and standard deviation.
    values = np.asarray(picture.resize((384, 288), Image.Resampling.BILINEAR)) / 255
    values = ((values - MEAN) / STD).transpose(2, 0, 1)[None].astype(np.float32)
    output = onnxruntime.InferenceSession(file).run(None, {"x": values})[0].reshape(-1)
    descriptor = open_descriptor(f"onnx:{file}")
    row = descriptor.describe(picture)
    assert (row.dtype, row.shape, descriptor.dimensions) == (np.float32, (16,), 16)
    assert (descriptor.dtype, descriptor.metric, descriptor.device) == ("float32", "cosine", "cpu")
    assert np.linalg.norm(row) == pytest.approx(1, abs=1e-6)
    assert np.allclose(row, output / np.linalg.norm(output), atol=1e-6)


@pytest.mark.parametrize("numbers", ["float", "float16", "uint8"])
@pytest.mark.parametrize(
    ("sides", "layout"),
    [
        ("n, 3, h, w", "nchw"),
        ("n, h, w, 3", "nhwc"),
        ("1, 3, 48, 48", "nchw"),
        ("1, 48, 48, 3", "nhwc"),
        ("n, 3, 48, 48", "nchw"),
        ("5, h, w, 3", "nhwc"),
    ],
)
def test_what_it_takes_is_read_off_its_input(onnx_file: File, numbers: str, sides: str, layout: str) -> None:
    colour = np.array([200, 100, 50])
    picture = Image.new("RGB", (48, 48), tuple(colour))
    file = onnx_file(COLOURS[layout], f"{numbers}[{sides}] x")
    # Whole numbers are the picture's own; others are put on ImageNet's scale.
    values = colour if numbers == "uint8" else (colour / 255 - MEAN) / STD
    row = open_descriptor(f"onnx:{file}").describe(picture)
    assert np.allclose(row, values / np.linalg.norm(values), atol=1e-3 if numbers == "float16" else 1e-4)


def test_options_say_the_scale_of_floats(onnx_file: File) -> None:
    colour = np.array([200, 100, 50])
    descriptor = open_descriptor(f"onnx:{onnx_file(COLOURS['nchw'])}?mean=0.1,0.2,0.3&std=1,2,3")
    values = (colour / 255 - [0.1, 0.2, 0.3]) / [1, 2, 3]
    row = descriptor.describe(Image.new("RGB", (9, 9), tuple(colour)))
    assert np.allclose(row, values / np.linalg.norm(values), atol=1e-4)


@pytest.mark.parametrize(
    ("sides", "options", "size", "shape"),
    [
        ("n, 3, h, w", "", (400, 300), (288, 384)),
        ("n, 3, h, w", "?square=320", (400, 300), (320, 320)),
        ("n, 3, h, w", "?side=256&crop=224", (400, 300), (224, 224)),
        ("n, 3, 40, 60", "", (400, 300), (40, 60)),
        ("n, 3, 40, 40", "?side=50&crop=40", (400, 300), (40, 40)),
        ("n, 3, 40, w", "?square=40", (400, 300), (40, 40)),
    ],
)
def test_the_size_is_the_input_s_or_what_options_say(
    onnx_file: File, sides: str, options: str, size: tuple[int, int], shape: tuple[int, int]
) -> None:
    descriptor = open_descriptor(f"onnx:{onnx_file(SHAPE, f'float[{sides}] x')}{options}")
    assert np.allclose(descriptor.describe(Image.new("RGB", size)), np.array(shape) / np.linalg.norm(shape))


def test_a_picture_is_squeezed_into_a_fixed_size_and_not_cut(onnx_file: File) -> None:
    picture = Image.new("RGB", (40, 20), (255, 0, 0))
    picture.paste((0, 255, 0), (0, 0, 10, 20))
    row = open_descriptor(f"onnx:{onnx_file(COLOURS['nhwc'], 'uint8[n, 20, 20, 3] x')}").describe(picture)
    assert np.allclose(row, np.array([3, 1, 0]) / np.sqrt(10), atol=0.01)


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_the_layout_is_said_where_the_input_does_not(onnx_file: File, layout: str) -> None:
    file = onnx_file(COLOURS[layout], "uint8[n, a, b, c] x")
    row = open_descriptor(f"onnx:{file}?layout={layout}").describe(Image.new("RGB", (8, 8), "red"))
    assert row.tolist() == [1, 0, 0]


@pytest.mark.parametrize("processors", [1, 5])
def test_a_row_is_the_same_bits_in_any_company_and_number_of_threads(
    onnx_file: File, pictures: Pictures, monkeypatch: pytest.MonkeyPatch, processors: int
) -> None:
    descriptor = open_descriptor(f"onnx:{onnx_file()}?side=40")
    images = pictures(*SIZES)
    expected = [descriptor.describe(image) for image in images]
    monkeypatch.setattr(parallel, "cpu_count", lambda: processors)
    rows = descriptor.describe_many(images)
    assert rows.dtype == np.float32
    assert np.array_equal(rows, expected)
    assert np.array_equal(rows[::-2], descriptor.describe_many(images[::-2]))
    assert len(np.unique(rows, axis=0)) == len(images)


@pytest.mark.parametrize("batch", ["n", "4"])
def test_a_network_that_looks_at_its_whole_batch_sees_one_picture(
    onnx_file: File, pictures: Pictures, batch: str, caplog: pytest.LogCaptureFixture
) -> None:
    program = "m = ReduceMean <keepdims = 1> (x) c = Sub(x, m) y = ReduceMean <axes = [2, 3]> (c)"
    descriptor = open_descriptor(f"onnx:{onnx_file(program, f'float[{batch}, 3, 32, 32] x')}")
    images = pictures(*SIZES)
    rows = descriptor.describe_many(images)
    assert np.array_equal(rows, [descriptor.describe(image) for image in images])
    values = np.asarray(images[3].resize((32, 32), Image.Resampling.BILINEAR)).mean(axis=(0, 1)) / 255
    values = (values - MEAN) / STD
    values -= values.mean()
    assert np.allclose(rows[3], values / np.linalg.norm(values), atol=1e-4)
    warned = "takes exactly 4 pictures at a time, so each picture is computed 4 times" in caplog.text
    assert warned == (batch == "4")


def test_torch_is_not_needed(onnx_file: File, pictures: Pictures, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert open_descriptor(f"onnx:{onnx_file()}").describe(pictures((9, 9))[0]).shape == (16,)


def test_a_specifier_opens_the_same_from_anywhere(
    onnx_file: File, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    onnx_file()
    monkeypatch.chdir(tmp_path)
    descriptor = open_descriptor("onnx:network.onnx?square=64")
    assert descriptor.specifier == f"onnx:{tmp_path}/network.onnx?square=64&sha256={descriptor.fingerprint[:16]}"  # type: ignore[index]
    monkeypatch.chdir("/")
    assert open_descriptor(descriptor.specifier).specifier == descriptor.specifier


def test_other_weights_are_another_descriptor(onnx_file: File) -> None:
    first = open_descriptor(f"onnx:{onnx_file(seed=0)}")
    onnx_file(seed=1)
    with pytest.raises(UserError, match="not the weights that are asked for"):
        open_descriptor(first.specifier)


def test_weights_in_another_file_belong_to_the_network(onnx_file: File, pictures: Pictures, tmp_path: Path) -> None:
    external = {"save_as_external_data": True, "location": f"{'weights' * 30}.data", "size_threshold": 0}
    images = pictures(*SIZES)
    expected = open_descriptor(f"onnx:{onnx_file(name='whole.onnx')}").describe_many(images)
    apart = open_descriptor(f"onnx:{onnx_file(**external)}")
    assert np.array_equal(apart.describe_many(images), expected)
    weights = tmp_path / f"{'weights' * 30}.data"
    weights.write_bytes(weights.read_bytes()[::-1])
    with pytest.raises(UserError, match="not the weights that are asked for"):
        open_descriptor(apart.specifier)
    weights.unlink()
    with pytest.raises(UserError, match=r"its weights are in another file, .*weights\.data, which is not there"):
        open_descriptor(f"onnx:{tmp_path}/network.onnx")


@pytest.mark.parametrize(
    ("program", "inputs", "message"),
    [
        ("y = Add(x, z)", "float[n,3,h,w] x, float[n,3,h,w] z", r"it takes 2 inputs \(x, z\)\. A descriptor takes one"),
        ("y = Identity(x)", "float[n, 768] x", r"a tensor\(float\) of shape \(n, 768\), which is no picture"),
        ("y = Identity(x)", "int64[n, 3, h, w] x", r"a tensor\(int64\) of shape .* is no picture.*float or uint8"),
        ("y = Identity(x)", "float[n, 1, 28, 28] x", r"\(n, 1, 28, 28\), not pictures of three colours"),
        ("y = Identity(x)", "float[n, a, b, c] x", r"does not say which side the colours are. Add layout=nchw"),
        ("y = Identity(x)", "float[1, 3, 3, 3] x", r"does not say which side the colours are"),
        (
            "y = Identity(x)",
            "float[n, 3, h, w] x",
            r"for 1 pictures it gives a tensor of shape \(1, 3, .*pooling layer",
        ),
        ("y = ReduceMean <keepdims = 0> (x)", "float[n, 3, h, w] x", r"tensor of shape \(\)"),
        ("y = SequenceConstruct(x)", "float[n, 3, h, w] x", "it gives a list, not a tensor"),
        ("s = Shape(x) y = Reshape(s, x)", "float[n, 3, h, w] x", "cannot be loaded.*no ONNX file, or damaged, or too"),
        (
            "a = Constant <value_ints = [1, 7]> () y = Reshape(x, a)",
            "float[n, 3, h, w] x",
            r"the network fails on pictures of shape 1×3×\d+×\d+: .*cannot be reshaped",
        ),
        ("p = GlobalAveragePool(x) y = Sub(p, p)", "float[n, 3, h, w] x", "all zeros"),
        (
            "p = GlobalAveragePool(x) y = RandomNormalLike(p)",
            "float[n, 3, h, w] x",
            "other rows when it sees the same pictures again",
        ),
    ],
)
def test_a_network_that_is_no_descriptor_is_refused(
    onnx_file: File, program: str, inputs: str, message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UserError, match=message):
        open_descriptor(f"onnx:{onnx_file(program, inputs)}").dimensions  # noqa: B018 - asking for it runs the network
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("inputs", "options", "message"),
    [
        ("float[n, 3, h, w] x", "sid=3", r"'\?sid=3' is not understood.*known: side, square, .*, layout, sha256\."),
        ("float[n, 3, h, w] x", "device=cuda", "not understood"),
        ("float[n, 3, h, w] x", "layout=hwc", "layout=hwc is not known. Give nchw or nhwc"),
        ("float[n, 3, h, w] x", "crop=300", "crop=300 is larger"),
        ("float[n, 3, h, w] x", "layout=nhwc", r"\(n, 3, h, w\), so not layout=nhwc"),
        ("uint8[n, 3, h, w] x", "mean=0.5", r"numbers, 0 to 255 \(uint8\), and no mean. Leave it out"),
        ("float[n, 3, 40, 60] x", "square=64", "pictures of 60 × 40 pixels .*, and they are made 64 × 64. Give square"),
        ("float[n, 3, 40, 40] x", "side=40", "of 40 × 40 pixels .*, and they are made as wide and high as each is"),
        ("float[n, 3, 40, w] x", "side=40", "of any × 40 pixels .*, and they are made as wide and high as each is"),
    ],
)
def test_an_option_that_does_not_fit_is_named(onnx_file: File, inputs: str, options: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        open_descriptor(f"onnx:{onnx_file(COLOURS['nchw'], inputs)}?{options}").dimensions  # noqa: B018


@pytest.mark.parametrize("content", [b"", b"not a network"])
def test_what_is_no_onnx_file_is_refused(tmp_path: Path, content: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match="there is no file .*nothing.onnx"):
        open_descriptor(f"onnx:{tmp_path}/nothing.onnx")
    with pytest.raises(UserError, match="It is a folder"):
        open_descriptor(f"onnx:{tmp_path}")
    with pytest.raises(UserError, match="say which network"):
        open_descriptor("onnx")
    (tmp_path / "text.onnx").write_bytes(content)
    with pytest.raises(UserError, match="cannot be loaded; it is no ONNX file"):
        open_descriptor(f"onnx:{tmp_path}/text.onnx").dimensions  # noqa: B018
    assert capfd.readouterr().err == ""


def test_onnx_runtime_is_named_where_it_is_missing(onnx_file: File, monkeypatch: pytest.MonkeyPatch) -> None:
    file = onnx_file()
    monkeypatch.setattr(network, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"needs onnxruntime: pip install 'copyrisk\[onnx\]'"):
        open_descriptor(f"onnx:{file}")
