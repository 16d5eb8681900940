"""Images as files in a folder and its sub-folders."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from copyrisk.collections import Item
from copyrisk.collections.captions import caption_of, folder_metadata, sidecar_caption
from copyrisk.run import digest

IMAGE_SUFFIXES = frozenset(".png .jpg .jpeg .jfif .webp .gif .tif .tiff .bmp .avif .heic .ppm .pgm .jp2 .ico".split())
TEXT_SUFFIXES = frozenset((".txt", ".csv", ".jsonl"))


class Folder:
    """A folder of image files; captions from metadata files or side-car text."""

    def __init__(self, path: Path):
        """List the folder at `path`; files whose names start with a dot are passed over."""
        self.location = str(path)
        self.root = path
        files = [file for file in walk(path) if file.suffix.lower() in IMAGE_SUFFIXES | TEXT_SUFFIXES]
        self.metadata = folder_metadata(files)
        known = {file for file in files if file.suffix.lower() in IMAGE_SUFFIXES}
        # A file that the metadata lists but that is not there belongs to the collection: it is listed as unreadable.
        self.files = sorted(known | self.metadata.keys(), key=lambda file: file.as_posix())
        self.fingerprint = digest([_stamp(path, file) for file in sorted({*files, *self.files})])

    def __len__(self) -> int:
        return len(self.files)

    def items(self, start: int = 0) -> Iterator[Item]:
        """Yield the items in the order of their paths."""
        return map(self.item, range(start, len(self.files)))

    def item(self, position: int) -> Item:
        """Return the item at one position."""
        path = self.files[position]
        row = self.metadata.get(path)
        caption = caption_of(row) if row else sidecar_caption(path)
        return Item(id=relative_name(self.root, path), caption=caption, position=position, path=path)


def open_folder(path: Path) -> Folder:
    """Open a folder of images (or one image file)."""
    return Folder(path)


def walk(root: Path) -> list[Path]:
    """List all files below a folder (or the one file), sorted; hidden names and linked folders are passed over.

    Raises OSError where a folder cannot be listed.
    """
    if root.is_file():
        return [root]
    found = []
    for folder, subfolders, names in os.walk(root, onerror=_refuse):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        found += [Path(folder, name) for name in names if not name.startswith(".")]
    return sorted(found)


def relative_name(root: Path, path: Path) -> str:
    """Return a file's name below `root` as valid text, also where the file system's bytes are not.

    A file that lies elsewhere keeps its whole path.
    """
    name = path.name if path == root else path.as_posix()
    if path != root and path.is_relative_to(root):
        name = path.relative_to(root).as_posix()
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _refuse(error: OSError) -> NoReturn:
    raise error


def _stamp(root: Path, path: Path) -> tuple[str, int, int]:
    try:
        status = path.stat()
    except (OSError, ValueError):
        return relative_name(root, path), -1, -1
    return relative_name(root, path), status.st_size, status.st_mtime_ns
