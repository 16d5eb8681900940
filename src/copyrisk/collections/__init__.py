"""Images with captions, from wherever people keep them.

A reader takes the text after its name in a specifier (`parquet:TEXT`) and gives a `Collection`; readers are found by
name in the entry-point group `copyrisk.readers`. Without a name, `recognise` says which reader fits.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from copyrisk import registry
from copyrisk.errors import UnreadableImage, UserError

MAX_BYTES = 2**29
"""Encoded bytes that an image may have; `decode.MAX_PIXELS` of four uncompressed bytes are fewer."""


@dataclass(frozen=True)
class Item:
    """One image of a collection before it is decoded; cheap, and picklable for a worker.

    id: what the collection calls it (a relative path, an id column, or file and row); the stage `index` makes it
    unique. caption: empty where there is none. position: its place in the collection's order. data: the encoded bytes,
    or None where `path` is to be read: the whole file, or `size` bytes from `offset` on. problem: why there is nothing
    to read, '' where there is.
    """

    id: str
    caption: str
    position: int
    data: bytes | None = None
    path: Path | None = None
    offset: int = 0
    size: int | None = None
    problem: str = ""

    def read(self) -> bytes:
        """Return the encoded image; raise UnreadableImage with the reason where that fails."""
        if self.problem:
            raise UnreadableImage(self.problem)
        if self.data is None:
            return self._read_file()
        _within_limit(len(self.data))
        return self.data

    def _read_file(self) -> bytes:
        if self.path is None:
            raise UnreadableImage("there are no bytes and no path")
        try:
            # A pipe or a device would never end.
            if not self.path.is_file():
                raise UnreadableImage("there is no such file")
            available = max(0, self.path.stat().st_size - self.offset)
            wanted = _within_limit(available if self.size is None else self.size)
            if wanted > available:
                raise UnreadableImage(f"{self.path.name} ends in the middle of it")
            with self.path.open("rb") as file:
                file.seek(self.offset)
                return file.read(wanted)
        except OSError as error:
            raise UnreadableImage(f"cannot be read: {error.strerror}") from None


def _within_limit(size: int) -> int:
    if size > MAX_BYTES:
        raise UnreadableImage(f"too large: {size:,} bytes, the limit is {MAX_BYTES:,} bytes")
    return size


class Collection(Protocol):
    """An ordered set of images with captions."""

    location: str
    """Where it is, as a person would type it."""
    fingerprint: str
    """Changes when files are added, removed or rewritten (names, sizes and times; contents are not read)."""

    def __len__(self) -> int:
        """Return the number of images, unreadable ones included."""

    def items(self, start: int = 0) -> Iterator[Item]:
        """Yield the items in a fixed order from position `start` on, without reading the images before it."""

    def item(self, position: int) -> Item:
        """Return the item at one position."""


def open_collection(specifier: str, option: str) -> Collection:
    """Open `PATH` or `reader:TEXT`; `option` is the command-line option to name in an error.

    Raises UserError where nothing is there, nothing can be read, or the collection is empty.
    """
    name, argument = registry.split(specifier)
    if name not in registry.names("readers") or not argument:
        name, argument = "", specifier
    try:
        collection: Collection = registry.load("readers", name or recognise(argument))(argument)
    except UserError as error:
        raise UserError(f"{option}: {error}") from None
    except OSError as error:
        culprit = error.filename or argument
        raise UserError(f"{option}: {culprit} cannot be read: {error.strerror or error}.") from None
    if len(collection) == 0:
        raise UserError(
            f"{option}: no image found in {argument}. Supported: image files, or Parquet with an image column, tar "
            "shards (webdataset), a dataset saved with save_to_disk, hub:ID."
        )
    return collection


def recognise(argument: str) -> str:
    """Return the name of the reader for what is at a path.

    A folder that `save_to_disk` wrote is `arrow`; what holds an image file is a `folder`, however much lies beside it;
    then tar shards are `webdataset`; all else is `parquet`. Raises UserError where nothing is there.
    """
    from copyrisk.collections.captions import METADATA_NAMES
    from copyrisk.collections.columns import split_columns
    from copyrisk.collections.folder import IMAGE_SUFFIXES, list_files

    path = existing_path(split_columns(argument)[0])
    if any((path / name).is_file() for name in ("dataset_dict.json", "state.json")):
        return "arrow"
    suffixes: set[str] = set()
    for file in map(Path, list_files(path)):
        if file.suffix.lower() in IMAGE_SUFFIXES:
            return "folder"
        suffixes |= {"metadata"} if file.name in METADATA_NAMES else {suffix.lower() for suffix in file.suffixes[-2:]}
    if suffixes & {".tar", ".tgz"}:
        return "webdataset"
    if ".arrow" in suffixes:
        return "arrow"
    return "folder" if "metadata" in suffixes else "parquet"


def existing_path(argument: str) -> Path:
    """Return the path that a person wrote, `~` resolved; raise UserError where nothing is there."""
    path = Path(argument).expanduser()
    if not argument or not path.exists():
        raise UserError(
            f"there is nothing at '{argument}'. Give a folder of images, tar shards, a Parquet file, a dataset saved "
            "with save_to_disk, or hub:ID."
        )
    return path
