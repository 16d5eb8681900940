"""SSCD (Pizzi et al. 2022, arXiv 2202.10261), a network made to know copies, from a file as published."""

from copyrisk.descriptors import torchscript
from copyrisk.descriptors.network import Network, split

REPOSITORY = "github.com/facebookresearch/sscd-copy-detection"

FETCH = f" SSCD's weights are linked from {REPOSITORY}."
MAKE = "Fetch the file whose name ends in .torchscript.pt."


def open_sscd(argument: str) -> Network:
    """Open `sscd:FILE?OPTIONS`, prepared as published: the shorter side made 288 pixels, ImageNet's mean and std."""
    network = torchscript.open_place(split("sscd", argument, torchscript.OPTIONS), FETCH, MAKE)
    # Somepalli et al. 2023 (arXiv 2212.03860): a similarity above 0.5.
    network.duplicate_distance = 0.5
    return network
