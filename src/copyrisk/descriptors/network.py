"""Networks as descriptors: what they have in common, whichever library loads them.

A row is what the network gives for a picture, made of length 1; rows are compared by the cosine. It depends on its
picture and the network alone: on the CPU pictures go through the network one by one, on a GPU in batches that are
always filled up to the same size. Rows are kept in a cache (`copyrisk.descriptors.cache`), by the hash of the picture's
pixels. What torch does is in `copyrisk.descriptors.pytorch`, what ONNX Runtime does in `copyrisk.descriptors.onnx`.

The specifier of a network ends in `sha256=`, the beginning of the hash of its weights: other weights are another
descriptor, and a specifier that was written down opens these weights or none.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from hashlib import file_digest, sha256
from importlib.util import find_spec
from pathlib import Path
from threading import RLock
from typing import Any
from urllib.parse import parse_qsl, urlencode

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from copyrisk.descriptors import Descriptor, cache
from copyrisk.errors import UserError
from copyrisk.parallel import batched, in_threads, thread_pool

log = logging.getLogger("copyrisk")

Array = NDArray[Any]
Floats = NDArray[np.float32]
Batch = list[tuple[int, Array]]
"""Prepared pictures of one shape, and which of the pictures they are."""

FORMAT = 1
"""Raised when rows come to mean something else, so that cached ones are not used any more."""

AHEAD = 128
"""Pictures that are prepared while others are in the network."""

TOLERANCE = 1e-3
"""The cosine distance up to which the rows of a network computing in bfloat16 are taken for those in float32."""

DIGITS = 16
"""Digits of the weights' hash in a specifier."""

APART = ("device", "dtype", "sha256")
"""Options that do not change rows, or that are part of a network's identity in another form."""

DTYPES = ("auto", "float32", "bfloat16")


@dataclass(frozen=True)
class Place:
    """What a person wrote: `name:where?option=value`, the options taken apart."""

    name: str
    where: str
    options: dict[str, str]

    def __str__(self) -> str:
        return f"--descriptor {self.name}:{self.where}".removesuffix(":")

    def specifier(self, where: str, fingerprint: str) -> str:
        """Return the specifier that opens the same descriptor from anywhere."""
        given = {name: value for name, value in sorted(self.options.items()) if name not in ("device", "sha256")}
        return f"{self.name}:{where}?{urlencode(given | {'sha256': fingerprint[:DIGITS]}, safe=',:/')}"


class TooLittleMemory(Exception):  # noqa: N818 - it is no fault: a smaller batch is tried
    """A batch does not fit into the memory of the device."""


@dataclass(frozen=True)
class Loaded:
    """A network that is ready: `prepare` a picture, give a batch of them to `forward`.

    `prepare` gives an array; pictures with arrays of one shape go through together, `batch` at a time. `forward` takes
    the arrays (n, *shape) and what to compute in (`Network.computes_in`), and gives an array (n, dimensions), trailing
    ones allowed, or something else, which is refused. It raises TooLittleMemory. `threads`: it may be called in several
    threads at a time.
    """

    prepare: Callable[[Image.Image], Array]
    forward: Callable[[Array, str], Any]
    batch: int = 1
    threads: bool = False


class Network(Descriptor):
    """A network as a descriptor. It is loaded when the first row, or the number of dimensions, is asked for."""

    dtype = "float32"
    metric = "cosine"

    def __init__(
        self,
        place: Place,
        where: str,
        fingerprint: str,
        load: Callable[[str], Loaded],
        find_device: Callable[[Place], str] = lambda place: "cpu",
    ):
        """Take the weights' place and hash, what loads them onto a device, and what says which device.

        Raises UserError where the weights are not those that the specifier asks for, or an option is not understood.
        """
        self.place = place
        self.fingerprint = fingerprint
        self.specifier = place.specifier(where, fingerprint)
        self._load = load
        self._find_device = find_device
        self._lock = RLock()
        self._batch = 0
        wanted = place.options.get("sha256", "").lower()
        if not fingerprint.startswith(wanted):
            raise UserError(
                f"{place}: these are not the weights that are asked for: their SHA-256 begins with "
                f"{fingerprint[: max(DIGITS, len(wanted))]}, not {wanted}. Put the old ones back, or describe the "
                "images anew."
            )
        if place.options.get("dtype", "auto") not in DTYPES:
            raise UserError(f"{place}: dtype={place.options['dtype']} is not known. Give {', '.join(DTYPES)}.")

    @cached_property
    def device(self) -> str:  # type: ignore[override] # found when it is asked for
        """Where the network computes."""
        return self._find_device(self.place)

    @cached_property
    def dimensions(self) -> int:  # type: ignore[override] # found when it is asked for
        """The length of a row."""
        return self._trial[0]

    @property
    def computes_in(self) -> str:
        """The numbers that the network computes with: `float32` or `bfloat16`. Rows are float32 either way."""
        return self._trial[1]

    def describe(self, image: Image.Image) -> Floats:
        """Return the row of one RGB picture: shape (dimensions,), float32, of length 1."""
        row: Floats = self.describe_many([image])[0]
        return row

    def describe_many(self, images: Sequence[Image.Image]) -> Floats:
        """Return the rows of RGB pictures: shape (n, dimensions), float32, each of length 1.

        Raises UserError where the network fails, or gives a row that has no cosine.
        """
        rows = np.empty((len(images), self.dimensions), np.float32)
        with thread_pool(0) as pool:
            keys = list(pool.map(self._key, images))
            known = cache.read(keys)
            new = {key: image for key, image in zip(keys, images, strict=True) if not self._fits(known.get(key))}
            made = dict(zip(new, self._rows(list(new.values()), pool), strict=True))
        cache.write(made)
        for row, key in zip(rows, keys, strict=True):
            row[:] = made[key] if key in made else known[key]
        return rows

    def _fits(self, row: Floats | None) -> bool:
        return row is not None and len(row) == self.dimensions

    def _key(self, image: Image.Image) -> bytes:
        return sha256(self._identity + f"{image.mode} {image.size}".encode() + image.tobytes()).digest()

    @cached_property
    def _identity(self) -> bytes:
        options = sorted((name, value) for name, value in self.place.options.items() if name not in APART)
        place = self.device.partition(":")[0]
        what = (FORMAT, self.place.name, options, self.fingerprint, place, self.computes_in)
        return sha256(repr(what).encode()).digest()

    @cached_property
    def _loaded(self) -> Loaded:
        loaded = self._load(self.device)
        self._batch = loaded.batch
        return loaded

    @cached_property
    def _trial(self) -> tuple[int, str]:
        """Describe pictures of ours: the number of dimensions, and what the network is to compute in.

        Raises UserError for a network that does not give the same row for the same picture.
        """
        with self._lock, ThreadPoolExecutor(1) as pool:
            pictures = trial_pictures()
            rows = self._compute(pictures, pool, "float32")
            if not np.array_equal(rows, self._compute(pictures, pool, "float32")):
                raise UserError(
                    f"{self.place}: it gives other rows when it sees the same pictures again, so it has chance in it "
                    "(masked patches, dropout). Save it in the form that is used for inference."
                )
            wanted = self.place.options.get("dtype", "auto")
            if wanted == "auto":
                wanted = "float32"
                if self.device.startswith("cuda"):
                    short = self._compute(pictures, pool, "bfloat16")
                    distance = 1 - (rows.astype(np.float64) * short).sum(axis=1).min()
                    wanted = "bfloat16" if distance <= TOLERANCE else "float32"
            return rows.shape[1], wanted

    def _rows(self, images: list[Image.Image], pool: ThreadPoolExecutor) -> Floats:
        if not images:
            return np.empty((0, self.dimensions), np.float32)
        return self._compute(images, pool, self.computes_in)

    def _compute(self, images: list[Image.Image], pool: ThreadPoolExecutor, dtype: str) -> Floats:
        """Give pictures to the network; what is ahead is prepared meanwhile. Those of one shape make a batch."""
        found: dict[int, Floats] = {}
        forward = partial(self._forward, dtype=dtype)
        with self._lock:
            loaded = self._loaded
            batches = self._batches(images, pool, loaded)
            for rows in in_threads(0, forward, batches) if loaded.threads else map(forward, batches):
                found |= rows
        return np.array([found[position] for position in range(len(images))])

    def _batches(self, images: list[Image.Image], pool: ThreadPoolExecutor, loaded: Loaded) -> Iterator[Batch]:
        waiting: dict[tuple[int, ...], Batch] = {}
        for position, picture in enumerate(self._prepared(images, pool, loaded)):
            batch = waiting.setdefault(picture.shape, [])
            batch.append((position, picture))
            if len(batch) >= self._batch:
                yield waiting.pop(picture.shape)
        yield from waiting.values()

    def _prepared(self, images: list[Image.Image], pool: ThreadPoolExecutor, loaded: Loaded) -> Iterator[Array]:
        for some in batched(images, AHEAD):
            try:
                yield from pool.map(loaded.prepare, some)
            except (ValueError, TypeError, RuntimeError) as error:
                raise UserError(f"{self.place}: its image processor failed: {reason(error)}") from error

    def _forward(self, batch: Batch, dtype: str) -> dict[int, Floats]:
        """Return the rows of a batch of prepared pictures, by their positions."""
        if len(batch) > self._batch:
            half = len(batch) // 2
            return self._forward(batch[:half], dtype) | self._forward(batch[half:], dtype)
        pictures = np.array([picture for _, picture in batch])
        filled = np.concatenate([pictures, *[pictures[-1:]] * (self._batch - len(batch))])
        try:
            output = self._checked(self._loaded.forward(filled, dtype), len(filled))
            values = output[: len(batch)].astype(np.float64)
        except TooLittleMemory:
            if self._batch == 1:
                raise UserError(f"{self.place}: too little memory on {self.device}. Add device=cpu.") from None
            self._batch //= 2
            log.warning("%s: too little memory; %d pictures at a time", self.place, self._batch)
            return self._forward(batch, dtype)
        except UserError:
            raise
        # What a network's own code raises is anybody's guess.
        except Exception as error:
            shape = "×".join(map(str, filled.shape))
            raise UserError(f"{self.place}: the network fails on pictures of shape {shape}: {reason(error)}") from error
        length = np.sqrt((values**2).sum(axis=1))
        if not (np.isfinite(length) & (length > 0)).all():
            raise UserError(
                f"{self.place}: its row of a picture is all zeros, or has nan or inf in it, which has no cosine. Are "
                "mean and std those that the network was trained with? With dtype=bfloat16, try float32."
            )
        rows = (values / length[:, None]).astype(np.float32)
        return {position: row for (position, _), row in zip(batch, rows, strict=True)}

    def _checked(self, output: Any, count: int) -> Array:
        if not isinstance(output, np.ndarray):
            raise UserError(f"{self.place}: it gives a {type(output).__name__}, not a tensor with a row a picture.")
        shape = output.shape
        if len(shape) < 2 or shape[0] != count or shape[1] == 0 or any(side != 1 for side in shape[2:]):
            raise UserError(
                f"{self.place}: for {count} pictures it gives a tensor of shape {shape}, not ({count}, dimensions). A "
                "descriptor is one row of numbers a picture; put a pooling layer at the end of the network."
            )
        return output.reshape(count, -1)


def split(name: str, argument: str, known: Sequence[str], nowhere: bool = False) -> Place:
    """Split `WHERE?option=value&option=value`.

    Raises UserError for an option that is not known, and where there is no WHERE unless `nowhere` allows it.
    """
    where, mark, query = argument, "", ""
    # A question mark is allowed in a file name.
    if not Path(argument).expanduser().exists():
        where, mark, query = argument.rpartition("?") if "?" in argument else (argument, "", "")
    options = dict(parse_qsl(query, keep_blank_values=True))
    allowed = (*known, "sha256")
    if mark and (not options or not options.keys() <= set(allowed)):
        raise UserError(
            f"--descriptor {name}:{argument}: '?{query}' is not understood: give options as in "
            f"?{allowed[0]}=…&{allowed[1]}=…; known: {', '.join(allowed)}."
        )
    if not where and not nowhere:
        raise UserError(f"--descriptor {name}: say which network, as in {name}:./weights.")
    return Place(name, where, options)


def require(place: Place, extra: str, *libraries: str) -> None:
    """Raise UserError, which names an extra of ours, where a library is not installed."""
    missing = [library for library in libraries if find_spec(library) is None]
    if missing:
        raise UserError(f"{place} needs {' and '.join(missing)}: pip install 'copyrisk[{extra}]'.")


def file_of(place: Place, hint: str = "") -> Path:
    """Return the file that a place is; raise UserError, with a hint what to do, where there is none."""
    file = Path(place.where).expanduser().resolve()
    if not file.is_file():
        what = " It is a folder." if file.is_dir() else ""
        raise UserError(f"{place}: there is no file {file}.{what}{hint}")
    return file


def hash_of(files: Sequence[Path]) -> str:
    """Return the SHA-256 of one file, or of the names and contents of several."""
    return _hash_of(tuple((file, file.stat().st_size, file.stat().st_mtime_ns) for file in files))


# Gigabytes of weights are read once a process, as long as sizes and times stay the same.
@lru_cache(maxsize=16)
def _hash_of(files: tuple[tuple[Path, int, int], ...]) -> str:
    digests = []
    for path, _, _ in files:
        with path.open("rb") as file:
            digests.append(file_digest(file, "sha256").hexdigest())
    if len(files) == 1:
        return digests[0]
    lines = (f"{path.name} {digest}\n" for (path, _, _), digest in zip(files, digests, strict=True))
    return sha256("".join(lines).encode()).hexdigest()


def reason(error: Exception) -> str:
    """Return the line of a library's message that says what is wrong."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    return lines[-1] if "TorchScript interpreter" in lines[0] else lines[0]


def trial_pictures() -> list[Image.Image]:
    """Make four pictures of 160 × 160 pixels with coarse and fine structure, always the same."""
    numbers = np.random.default_rng(0)
    pictures = []
    for side in (2, 5, 20, 160):
        small = Image.fromarray(numbers.integers(0, 256, (side, side, 3), np.uint8))
        pictures.append(small.resize((160, 160), Image.Resampling.BICUBIC))
    return pictures
