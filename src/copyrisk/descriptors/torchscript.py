"""Image networks in a TorchScript file. Options say how a picture is prepared: `copyrisk.descriptors.preprocessing`."""

import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from copyrisk.descriptors import preprocessing, pytorch
from copyrisk.descriptors.network import Floats, Loaded, Network, Place, file_of, hash_of, reason, require, split
from copyrisk.errors import UserError

OPTIONS = (*preprocessing.OPTIONS, *pytorch.OPTIONS)

MAKE = "Make one by torch.jit.trace or torch.jit.script, and save()."


def open_torchscript(argument: str) -> Network:
    """Open `torchscript:FILE?OPTIONS`; raise UserError where it is no TorchScript file or an option is wrong."""
    return open_place(split("torchscript", argument, OPTIONS))


def open_place(place: Place, fetch: str = "", make: str = MAKE) -> Network:
    """Open the TorchScript file that a place is.

    Raises UserError where it is none, with hints where to `fetch` or how to `make` one, or where an option is wrong.
    """
    require(place, "networks", "torch")
    prepared = preprocessing.preprocessing_of(place)
    file = file_of(place, fetch)
    _check(place, file, make)

    def prepare(image: Image.Image) -> Floats:
        return np.ascontiguousarray(prepared.normalized(image).transpose(2, 0, 1))

    def load(device: str) -> Loaded:
        import torch

        try:
            network = torch.jit.load(file, map_location=device).eval()
        except (RuntimeError, OSError, ValueError) as error:
            raise UserError(f"{place} cannot be loaded, it may be damaged: {reason(error)}") from error
        return pytorch.ready(prepare, network, device, varied=prepared.size is None)

    return Network(place, str(file), hash_of([file]), load, pytorch.find_device)


def _check(place: Place, file: Path, make: str) -> None:
    names: list[str] = []
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
    if not any(name.endswith("/constants.pkl") for name in names):
        other = "It holds weights without their network. " if any(n.endswith("/data.pkl") for n in names) else ""
        raise UserError(f"{place}: {file.name} is no TorchScript file. {other}{make}")
