"""Networks that torch computes, on the CPU or a GPU."""

from collections.abc import Callable
from typing import Any

from PIL import Image

from copyrisk.descriptors.network import Array, Loaded, Place, TooLittleMemory
from copyrisk.errors import UserError

OPTIONS = ("device", "dtype")

GPU_BATCH, GPU_BATCH_VARIED = 64, 8
"""Pictures that go through a GPU at once; fewer where their shapes differ, since each shape has batches of its own."""


def find_device(place: Place) -> str:
    """Return what `?device=` says, else `cuda` where there is one, else `cpu`; raise UserError where that is not."""
    import torch

    wanted = place.options.get("device", "auto")
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(1, device=wanted)
    except (RuntimeError, AssertionError, NotImplementedError):
        raise UserError(f"{place}: there is no device {wanted}. Give device=cpu, or leave it out.") from None
    return wanted


def ready(
    prepare: Callable[[Image.Image], Array], network: Callable[[Any], Any], device: str, varied: bool = False
) -> Loaded:
    """Return a network of tensors, which is on the device, as one of arrays.

    `varied`: pictures are prepared to different shapes.
    """
    import torch

    def forward(pictures: Array, dtype: str) -> Any:
        try:
            with (
                torch.inference_mode(),
                torch.autocast(device.partition(":")[0], torch.bfloat16, enabled=dtype == "bfloat16"),
                torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False),
            ):
                output = network(torch.from_numpy(pictures).to(device))
                if isinstance(output, (list, tuple)) and output:
                    output = output[0]
                return output.float().cpu().numpy() if isinstance(output, torch.Tensor) else output
        except torch.OutOfMemoryError as error:
            raise TooLittleMemory from error

    batch = 1 if device == "cpu" else GPU_BATCH_VARIED if varied else GPU_BATCH
    return Loaded(prepare, forward, batch)
