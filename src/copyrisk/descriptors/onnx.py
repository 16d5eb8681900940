"""Image networks in an ONNX file, computed by ONNX Runtime on the CPU: no torch is needed.

What the network takes is read off its input: float or uint8 numbers, colours first (n, 3, height, width) or last
(n, height, width, 3), a size that is fixed or free. Numbers of uint8 are the picture's own, 0 to 255; floats are put
on a scale first. How a picture is prepared is said by the options of `copyrisk.descriptors.preprocessing`, and by
`layout=nchw` or `layout=nhwc` where the file does not say which side the colours are.

Each picture goes through the network alone and in one thread, several pictures at a time: its row is the same bits
whatever else is described, and on however many processors.
"""

import logging
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from copyrisk.descriptors import preprocessing
from copyrisk.descriptors.network import Array, Loaded, Network, Place, file_of, hash_of, reason, require, split
from copyrisk.descriptors.preprocessing import Preprocessing
from copyrisk.errors import UserError

log = logging.getLogger("copyrisk")

LAYOUTS = ("nchw", "nhwc")
OPTIONS = (*preprocessing.OPTIONS, "layout")
NUMBERS = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8}

LOCATION = re.compile(rb"\x0a\x08location\x12([\x80-\xff]*[\x00-\x7f])")
"""Where a tensor of the file, a protobuf, names another file that holds its numbers; then the length of that name."""


@dataclass(frozen=True)
class Input:
    """What a network takes: numbers of a type, the channels at 1 or 3, a size; None where it is free."""

    name: str
    numbers: type
    channels: int
    batch: int | None
    height: int | None
    width: int | None


def open_onnx(argument: str) -> Network:
    """Open `onnx:FILE?OPTIONS`; raise UserError where there is no file or an option is wrong."""
    place = split("onnx", argument, OPTIONS)
    file = file_of(place)
    return open_file(place, file, str(file))


def open_file(place: Place, file: Path, where: str) -> Network:
    """Open an ONNX file as the network that a place means; `where` stands in its specifier.

    Raises UserError where ONNX Runtime is missing or an option is wrong.
    """
    require(place, "onnx", "onnxruntime")
    prepared = preprocessing.preprocessing_of(place)
    layout = place.options.get("layout", LAYOUTS[0])
    if layout not in LAYOUTS:
        raise UserError(f"{place}: layout={layout} is not known. Give {' or '.join(LAYOUTS)}.")
    return Network(place, where, hash_of([file, *_weights(place, file)]), lambda device: _load(place, file, prepared))


def _weights(place: Place, file: Path) -> list[Path]:
    """List the files beside an ONNX file that hold its weights; raise UserError where one is missing."""
    data = file.read_bytes()
    names = set()
    for match in LOCATION.finditer(data):
        length = sum((byte & 0x7F) << 7 * digit for digit, byte in enumerate(match[1]))
        names.add(data[match.end() : match.end() + length].decode(errors="replace"))
    files = [file.parent / name for name in sorted(names)]
    if missing := [str(path) for path in files if not path.is_file()]:
        raise UserError(f"{place}: its weights are in another file, {missing[0]}, which is not there. Copy it there.")
    return files


def _load(place: Place, file: Path, prepared: Preprocessing) -> Loaded:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    # Products of whole numbers are not cut off on processors that lack an instruction for them.
    options.add_session_config_entry("session.x64quantprecision", "1")
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    # Its exceptions have no class in common but this one.
    except Exception as error:
        raise UserError(
            f"{place} cannot be loaded; it is no ONNX file, or damaged, or too new for ONNX Runtime "
            f"{onnxruntime.__version__}: {reason(error).rpartition(' : ')[2]}"
        ) from error
    takes = _input(place, session.get_inputs())
    prepared = _fitted(place, takes, prepared)
    output = session.get_outputs()[0].name
    if takes.batch is not None and takes.batch > 1:
        log.warning(
            "%s: it takes exactly %d pictures at a time, so each picture is computed %d times. Save it with a batch of "
            "any size.",
            *(place, takes.batch, takes.batch),
        )

    def prepare(image: Image.Image) -> Array:
        values: Array = prepared.pixels(image) if takes.numbers is np.uint8 else prepared.normalized(image)
        return np.ascontiguousarray(values if takes.channels == 3 else values.transpose(2, 0, 1), takes.numbers)

    def forward(pictures: Array, _dtype: str) -> Any:
        # A fixed batch is filled with the one picture, so that its row depends on nothing else.
        filled = np.repeat(pictures, takes.batch or 1, axis=0)
        rows = session.run([output], {takes.name: filled})[0]
        return rows[:: len(filled)] if len(filled) > 1 and isinstance(rows, np.ndarray) and rows.ndim else rows

    return Loaded(prepare, forward, threads=True)


def _input(place: Place, inputs: list[Any]) -> Input:
    """Return what a network takes; raise UserError where that is no picture of three colours, or cannot be told."""
    if len(inputs) != 1:
        names = ", ".join(each.name for each in inputs)
        raise UserError(f"{place}: it takes {len(inputs)} inputs ({names}). A descriptor takes one, the picture.")
    [only] = inputs
    # Free sides have a name or nothing.
    shape = [side if isinstance(side, int) and side > 0 else None for side in only.shape]
    shown = f"{only.type} of shape ({', '.join(str(side or '?') for side in only.shape)})"
    if only.type not in NUMBERS or len(shape) != 4:
        raise UserError(
            f"{place}: it takes a {shown}, which is no picture. A descriptor takes float or uint8 numbers of shape "
            "(n, 3, height, width) or (n, height, width, 3)."
        )
    given = place.options.get("layout")
    possible = [axis for axis in (1, 3) if shape[axis] == 3] or [axis for axis in (1, 3) if shape[axis] is None]
    if given is not None:
        possible = [axis for axis in possible if axis == (1 if given == "nchw" else 3)]
    if not possible:
        colours = f", so not layout={given}" if given is not None else ", not pictures of three colours"
        raise UserError(f"{place}: it takes a {shown}{colours}.")
    if len(possible) > 1:
        raise UserError(
            f"{place}: it takes a {shown}, which does not say which side the colours are. Add layout=nchw (first) or "
            "layout=nhwc (last)."
        )
    height, width = shape[2:] if possible == [1] else shape[1:3]
    return Input(only.name, NUMBERS[only.type], possible[0], shape[0], height, width)


def _fitted(place: Place, takes: Input, prepared: Preprocessing) -> Preprocessing:
    """Return how pictures are prepared for a network; raise UserError where the options do not fit it."""
    options = place.options.keys()
    if takes.numbers is np.uint8 and (wrong := sorted(options & {"mean", "std"})):
        raise UserError(
            f"{place}: it takes the picture's own numbers, 0 to 255 (uint8), and no {wrong[0]}. Leave it out."
        )
    fixed = (takes.width, takes.height)
    if fixed == (None, None):
        return prepared
    if takes.width and takes.height and not options & {"side", "square", "crop"}:
        return replace(prepared, exact=(takes.width, takes.height))
    if any(want not in (None, got) for want, got in zip(fixed, prepared.size or (None, None), strict=True)):
        wanted = " × ".join(str(side or "any") for side in fixed)
        made = " × ".join(map(str, prepared.size)) if prepared.size else "as wide and high as each is"
        raise UserError(
            f"{place}: it takes pictures of {wanted} pixels (width × height), and they are made {made}. Give square=N "
            "or crop=N that fits, or leave both out where it takes one size."
        )
    return prepared
