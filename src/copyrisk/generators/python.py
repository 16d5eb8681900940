"""Your own function as a generator: `python:MODULE:FUNCTION`.

The function takes a list of prompts and a list of seeds and returns one image for each: a PIL image, an array of
height × width × 3 in uint8, or `copyrisk.generators.Withheld(by whom)` where one was held back. A function (or class)
without parameters is called once and must return such a function:
there is the place to load a model. What it returns may carry the attributes `batch_size` (default 8), `conditional`
(default True) and `fingerprint` (a text that changes when what it was made from does).
"""

import importlib
import inspect
import sys
import traceback
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from copyrisk.errors import UserError
from copyrisk.generators import Made, Withheld, refuse_settings
from copyrisk.options import Options


class UserFunction:
    """A function from prompts and seeds to images."""

    def __init__(self, specifier: str, function: Callable[..., Any], batch_size: int):
        """Wrap `function`; a factory is called here."""
        self.specifier = specifier
        self.settings: dict[str, Any] = {"function": specifier}
        self.listing: list[tuple[str, int]] | None = None
        source = inspect.getsourcefile(inspect.unwrap(function))
        code = Path(source).read_bytes() if source else b""
        if not inspect.signature(function).parameters:
            function = _call(specifier, function)
        self.function = function
        # What a function was made from beside its code: a file of settings, or weights.
        made_from = [str(function.fingerprint).encode()] if hasattr(function, "fingerprint") else []
        self.fingerprint = sha256(b"\0".join([specifier.encode(), code, *made_from])).hexdigest()
        self.conditional = bool(getattr(function, "conditional", True))
        self.size = batch_size or int(getattr(function, "batch_size", 8))

    def batch_size(self) -> int:
        """Return `--batch-size`, else the function's attribute `batch_size`, else 8."""
        return self.size

    def generate(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[Made]:
        """Call the function; raise UserError where it fails or returns something else than images."""
        images = _call(self.specifier, self.function, list(prompts), list(seeds))
        if not hasattr(images, "__len__") or len(images) != len(prompts):
            raise UserError(f"--model {self.specifier}: returned no list of {len(prompts)} images.")
        return [_image(self.specifier, image) for image in images]


def open_python(argument: str, options: Options) -> UserFunction:
    """Open `python:MODULE:FUNCTION`; modules are found as Python finds them, and in the current folder."""
    module_name, _, name = argument.partition(":")
    specifier = f"python:{argument}"
    refuse_settings(specifier, options)
    if not module_name or not name:
        raise UserError(f"--model {specifier}: write python:MODULE:FUNCTION, as in python:my_package.model:make.")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise UserError(
            f"--model {specifier}: there is no module '{error.name}' on the path or in this folder."
        ) from None
    except Exception as error:
        raise UserError(f"--model {specifier}: importing {module_name} failed: {where(error)}") from error
    function = getattr(module, name, None)
    if not callable(function):
        raise UserError(f"--model {specifier}: {module_name} has no function '{name}'.")
    return UserFunction(specifier, function, options.batch_size)


def where(error: Exception) -> str:
    """Return an exception as one line, with the place where it was raised."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({frame.filename}, line {frame.lineno})"


def _call(specifier: str, function: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return function(*arguments)
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"--model {specifier}: {where(error)}") from error


def _image(specifier: str, image: Any) -> Image.Image | Withheld:
    if isinstance(image, Image.Image | Withheld):
        return image
    array = np.asarray(image)
    if array.dtype == np.uint8 and (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (1, 3))):
        return Image.fromarray(array.squeeze())
    raise UserError(
        f"--model {specifier}: returned {type(image).__name__} of shape {array.shape} and type {array.dtype}; expected "
        "PIL images or uint8 arrays of height × width × 3."
    )
