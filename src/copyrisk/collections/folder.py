"""Images as files in a folder and its sub-folders."""

import os
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import NoReturn

from copyrisk.collections import Item, existing_path
from copyrisk.collections.captions import METADATA_NAMES, caption_of, folder_metadata, sidecar_caption

IMAGE_SUFFIXES = frozenset(".png .jpg .jpeg .jfif .webp .gif .tif .tiff .bmp .avif .heic .ppm .pgm .jp2 .ico".split())


class Folder:
    """A folder of image files; captions from metadata files or side-car text.

    The names of the files (some 100 bytes each) and the rows of the metadata files are held in memory.
    """

    def __init__(self, path: Path):
        """List the folder at `path`; files whose names start with a dot are passed over."""
        self.location = str(path)
        self.root = path
        images, texts, tables = [], [], []
        for name in list_files(path):
            suffix = os.path.splitext(name)[1].lower()  # noqa: PTH122 - a Path for each file would take five times as long
            if suffix in IMAGE_SUFFIXES:
                images.append(name)
            elif suffix == ".txt":
                texts.append(name)
            elif os.path.basename(name) in METADATA_NAMES:  # noqa: PTH119
                tables.append(name)
        self.metadata = folder_metadata(path, sorted(map(Path, tables)))
        # A file that the metadata lists but that is not there belongs to the collection: it is listed as unreadable.
        self.names = sorted({*images, *map(str, self.metadata)})
        self.fingerprint = fingerprint(path, sorted({*texts, *tables, *self.names}))

    def __len__(self) -> int:
        return len(self.names)

    @property
    def files(self) -> list[Path]:
        """The images' paths."""
        return [Path(name) for name in self.names]

    def items(self, start: int = 0) -> Iterator[Item]:
        """Yield the items in the order of their paths."""
        return map(self.item, range(start, len(self.names)))

    def item(self, position: int) -> Item:
        """Return the item at one position."""
        path = Path(self.names[position])
        row = self.metadata.get(path)
        caption = caption_of(row) if row else sidecar_caption(path)
        return Item(id=relative_name(self.root, path), caption=caption, position=position, path=path)


def open_folder(argument: str) -> Folder:
    """Open a folder of images (or one image file)."""
    return Folder(existing_path(argument))


def list_files(root: Path) -> Iterator[str]:
    """Yield all files below a folder (or the one file); hidden names and linked folders are passed over.

    Raises OSError where a folder cannot be listed.
    """
    if root.is_file():
        yield str(root)
        return
    for folder, subfolders, names in os.walk(root, onerror=_refuse):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        # Path leaves out the `./` of `./a.png`.
        place = Path(folder)
        yield from (str(place / name) for name in sorted(names) if not name.startswith("."))


def walk(root: Path, *suffixes: str) -> list[Path]:
    """List the files of these suffixes below a folder (or the one file, whatever its suffix), sorted.

    Raises OSError where a folder cannot be listed.
    """
    files = map(Path, list_files(root))
    return sorted(file for file in files if file == root or file.suffix.lower() in suffixes)


def relative_name(root: Path, path: Path) -> str:
    """Return a file's name below `root` as valid text, also where the file system's bytes are not.

    A file that lies elsewhere keeps its whole path.
    """
    name = path.name if path == root else path.as_posix()
    if path != root and path.is_relative_to(root):
        name = path.relative_to(root).as_posix()
    return valid_text(name)


def valid_text(name: str) -> str:
    """Return a name that UTF-8 can write; bytes of it that are not text become `\\udc..`."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def fingerprint(root: Path, paths: Iterable[str | Path]) -> str:
    """Digest the names below `root`, sizes and times of files; a file that is not there counts as such."""
    whole = sha256()
    for path in map(Path, paths):
        try:
            status = path.stat()
            stamp = (relative_name(root, path), status.st_size, status.st_mtime_ns)
        except (OSError, ValueError):
            stamp = (relative_name(root, path), -1, -1)
        whole.update(repr(stamp).encode())
    return whole.hexdigest()


def _refuse(error: OSError) -> NoReturn:
    raise error
