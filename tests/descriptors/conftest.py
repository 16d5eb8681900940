"""Small networks, made on the spot, and pictures for them."""

from collections.abc import Callable
from pathlib import Path
from textwrap import indent

import numpy as np
import pytest
from PIL import Image

CONVOLUTION = "c = Conv(x, w) r = Relu(c) y = GlobalAveragePool(r)"
SMALL = "return self.last(self.first(x).relu().mean((2, 3)))"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the rows of networks in a folder of the test's own."""
    monkeypatch.setenv("COPYRISK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def pictures() -> Callable[..., list[Image.Image]]:
    """Give pictures of the given sizes (width, height), all different."""

    def make(*sizes: tuple[int, int]) -> list[Image.Image]:
        numbers = np.random.default_rng(0)
        return [Image.fromarray(numbers.integers(0, 256, (h, w, 3), np.uint8)) for w, h in sizes]

    return make


@pytest.fixture
def script(tmp_path: Path) -> Callable[..., Path]:
    """Save a TorchScript file with this body of `forward`, over a small convolution `first` and a layer `last`."""
    import torch

    def save(body: str = SMALL, seed: int = 0, name: str = "network.pt") -> Path:
        # A class has one `forward` for ever.
        class Small(torch.jit.ScriptModule):  # type: ignore[misc]
            def __init__(self) -> None:
                super().__init__()
                self.first, self.last = torch.nn.Conv2d(3, 16, 3, 2), torch.nn.Linear(16, 24)

        torch.manual_seed(seed)
        network = Small()
        network.define(f"def forward(self, x):\n{indent(body, '    ')}\n")
        network.save(tmp_path / name)
        return tmp_path / name

    return save


@pytest.fixture
def onnx_file(tmp_path: Path) -> Callable[..., Path]:
    """Save an ONNX file with this program from its inputs to `y`, with weights `w` of a convolution, (16, 3, 3, 3)."""
    import onnx

    def save(
        program: str = CONVOLUTION,
        inputs: str = "float[n, 3, h, w] x",
        seed: int = 0,
        name: str = "network.onnx",
        **options: object,
    ) -> Path:
        graph = f"network ({inputs}) => (y) {{ {program} }}"
        model = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["": 17]> {graph}')
        if program == CONVOLUTION:
            weights = np.random.default_rng(seed).normal(size=(16, 3, 3, 3)).astype(np.float32)
            model.graph.initializer.append(onnx.numpy_helper.from_array(weights, "w"))
        onnx.save_model(model, tmp_path / name, **options)
        return tmp_path / name

    return save
