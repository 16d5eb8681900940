"""Images with captions, from wherever people keep them.

A reader takes a path and gives a `Collection`; readers are found by name (`folder`, `parquet`) in the entry-point group
`copyrisk.readers`. Without a name, what holds an image file is a folder of images, and all else is Parquet.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from copyrisk import registry
from copyrisk.errors import UnreadableImage, UserError


@dataclass(frozen=True)
class Item:
    """One image of a collection before it is decoded; cheap, and picklable for a worker.

    id: what the collection calls it (a relative path, an id column, or file and row); the stage `index` makes it
    unique. caption: empty where there is none. position: its place in the collection's order. data: the encoded bytes,
    or None where `path` is to be read.
    """

    id: str
    caption: str
    position: int
    data: bytes | None = None
    path: Path | None = None

    def read(self) -> bytes:
        """Return the encoded image; raise UnreadableImage with the reason where that fails."""
        if self.data is not None:
            return self.data
        if self.path is None:
            raise UnreadableImage("there are no bytes and no path")
        try:
            # A pipe or a device would never end.
            if not self.path.is_file():
                raise UnreadableImage("there is no such file")
            return self.path.read_bytes()
        except OSError as error:
            raise UnreadableImage(f"cannot be read: {error.strerror}") from None


class Collection(Protocol):
    """An ordered set of images with captions."""

    location: str
    """Where it is, as a person would type it."""
    fingerprint: str
    """Changes when files are added, removed or rewritten (names, sizes and times; contents are not read)."""

    def __len__(self) -> int:
        """Return the number of images, unreadable ones included."""

    def items(self, start: int = 0) -> Iterator[Item]:
        """Yield the items in a fixed order from position `start` on, without reading those before it."""

    def item(self, position: int) -> Item:
        """Return the item at one position."""


def open_collection(specifier: str, option: str) -> Collection:
    """Open `PATH` or `reader:PATH`; `option` is the command-line option to name in an error.

    Raises UserError where nothing is there, nothing can be read, or the collection is empty.
    """
    name, argument = registry.split(specifier)
    if name not in registry.names("readers") or not argument:
        name, argument = "", specifier
    path = Path(argument).expanduser()
    try:
        if not argument or not path.exists():
            raise UserError(f"{option}: there is nothing at '{argument}'. Give a folder of images or a Parquet file.")
        collection = _read(name or "folder", path)
        if not name and len(collection) == 0:
            collection = _read("parquet", path)
    except OSError as error:
        culprit = error.filename or path
        raise UserError(f"{option}: {culprit} cannot be read: {error.strerror or error}.") from None
    if len(collection) == 0:
        raise UserError(f"{option}: no image found in {path}. Supported: image files, or Parquet with an image column.")
    return collection


def _read(reader: str, path: Path) -> Collection:
    collection: Collection = registry.load("readers", reader)(path)
    return collection
