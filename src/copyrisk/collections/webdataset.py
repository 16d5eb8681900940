"""Images in tar shards: webdataset, and what img2dataset writes by default.

Consecutive files of an archive whose paths are the same up to the first dot of the file name make one sample. Every
image in it is an item; the caption is its `.txt`, else a caption column in its `.json`, else the row of its key in
`SHARD.parquet` beside `SHARD.tar` (img2dataset's metadata).
"""

import json
import tarfile
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any

import pyarrow.parquet as pq

from copyrisk.collections import Item, existing_path
from copyrisk.collections.captions import CAPTION_COLUMNS, caption_in, caption_of
from copyrisk.collections.columns import reading
from copyrisk.collections.folder import IMAGE_SUFFIXES, fingerprint, relative_name, valid_text, walk
from copyrisk.errors import UserError
from copyrisk.progress import bar

MARK_EVERY = 256
"""Images between two places at which reading can start: the index grows by a few bytes for so many."""
MAX_CAPTION_BYTES = 2**20
MAX_SAMPLE_FILES = 1000
"""Files of one sample that are held together; an archive whose names all begin alike would be one sample."""
COMPRESSED = (".gz", ".tgz", ".bz2", ".xz", ".zst")


@dataclass
class Sample:
    """Consecutive members of an archive with the same key; `offset` is where the header of the first one is.

    problem: why the archive cannot be read any further; such a sample has no members and counts as one image.
    """

    offset: int
    key: str = ""
    images: list[tarfile.TarInfo] = field(default_factory=list)
    texts: dict[str, tarfile.TarInfo] = field(default_factory=dict)
    problem: str = ""

    def __len__(self) -> int:
        return 1 if self.problem else len(self.images)


class WebDataset:
    """One tar shard or a folder of them; only headers are read until an item is."""

    def __init__(self, path: Path):
        """Read the headers of the shard or shards at `path` once; raise UserError where one is compressed."""
        self.location = str(path)
        self.root = path.parent if path.is_file() else path
        self.paths = [each for each in walk(path, ".tar", *COMPRESSED) if each == path or is_tar(each)]
        for shard in self.paths:
            if shard.suffix.lower() in COMPRESSED:
                raise UserError(f"{shard} is compressed, so that no image in it can be found without unpacking all "
                                "before it. Unpack it to a .tar first.")  # fmt: skip
        # Where reading can start: the position of an image, its shard, and the place of its sample in there.
        self.positions, self.shards, self.offsets = array("q"), array("q"), array("q")
        self.captions = {shard for shard in self.paths if _has_captions(shard.with_suffix(".parquet"))}
        self.count = 0
        with bar("open the collection", len(self.paths), "shard") as progress:
            for number, shard in enumerate(self.paths):
                self._mark(number, 0)
                for sample in read_samples(shard):
                    if self.count - self.positions[-1] >= MARK_EVERY:
                        self._mark(number, sample.offset)
                    self.count += len(sample)
                progress.update()
        beside = [shard.with_suffix(".parquet") for shard in self.paths if shard in self.captions]
        self.fingerprint = fingerprint(self.root, self.paths + beside)

    def __len__(self) -> int:
        return self.count

    def items(self, start: int = 0) -> Iterator[Item]:
        """Yield the items shard by shard, in the order of the archive; the items read their bytes themselves."""
        if start >= self.count:
            return
        mark = bisect_right(self.positions, start) - 1
        position, first, offset = self.positions[mark], self.shards[mark], self.offsets[mark]
        for shard in self.paths[first:]:
            captions = _Captions(shard, shard in self.captions)
            for sample in read_samples(shard, offset):
                if position + len(sample) > start:
                    yield from self._items(shard, sample, captions, position)[max(0, start - position) :]
                position += len(sample)
            offset = 0

    def item(self, position: int) -> Item:
        """Return the item at one position; at most the headers of MARK_EVERY images are read."""
        return next(self.items(position))

    def _items(self, shard: Path, sample: Sample, captions: "_Captions", position: int) -> list[Item]:
        name = relative_name(self.root, shard)
        if sample.problem:
            return [Item(f"{name}#{sample.offset}", "", position, problem=sample.problem)]
        return [
            Item(
                id=f"{name}/{_member_name(image)}",
                caption=captions.of(sample, image),
                position=number,
                path=shard,
                offset=image.offset_data,
                size=image.size,
                problem="" if image.isreg() and not image.issparse() else "a link or sparse file in a tar is not read",
            )
            for number, image in enumerate(sample.images, start=position)
        ]

    def _mark(self, shard: int, offset: int) -> None:
        self.positions.append(self.count)
        self.shards.append(shard)
        self.offsets.append(offset)


def is_tar(path: Path) -> bool:
    """Say whether a file is called an archive, compressed or not."""
    return not {".tar", ".tgz"}.isdisjoint(suffix.lower() for suffix in path.suffixes[-2:])


def open_webdataset(argument: str) -> WebDataset:
    """Open a .tar file or a folder of them."""
    return WebDataset(existing_path(argument))


def read_samples(shard: Path, offset: int = 0) -> Iterator[Sample]:
    """Yield the samples of an archive from the header at `offset` on; payloads are passed over.

    Where the archive is cut off or damaged, a last sample says so.
    """
    sample = Sample(offset)
    end = offset
    problem = ""
    try:
        with shard.open("rb") as file:
            file.seek(offset)
            with tarfile.open(fileobj=file, mode="r:") as archive:
                while (member := archive.next()) is not None:
                    # The library would keep all members, and go in circles where a size is negative.
                    archive.members.clear()  # type: ignore[attr-defined]
                    if archive.offset <= end:
                        raise tarfile.ReadError("a size is negative")
                    name = _member_name(member)
                    key = _key(name)
                    if key != sample.key or len(sample.images) + len(sample.texts) >= MAX_SAMPLE_FILES:
                        yield sample
                        sample = Sample(member.offset, key)
                    _put(sample, name, member)
                    end = archive.offset
                problem = _end_problem(file, archive.offset)
    except OSError as error:
        problem = f"cannot be read: {error.strerror or error}"
    # The library lets through nearly anything for a damaged header (ValueError, OverflowError, ...).
    except Exception as error:
        problem = str(error) or type(error).__name__
    yield sample
    if problem:
        yield Sample(end, problem=f"the archive cannot be read from byte {end:,} on: {problem}")


def _put(sample: Sample, name: str, member: tarfile.TarInfo) -> None:
    path = PurePosixPath(name)
    if member.isdir() or path.name.startswith("."):
        return
    if path.suffix.lower() in IMAGE_SUFFIXES:
        sample.images.append(member)
    elif path.suffix.lower() in (".txt", ".json") and member.isreg():
        sample.texts[name] = member


def _end_problem(file: IO[bytes], offset: int) -> str:
    """Tell an archive's end, a block of zeros, from a damaged header and from a file that is cut off."""
    file.seek(offset)
    block = file.read(tarfile.BLOCKSIZE)
    if block == bytes(tarfile.BLOCKSIZE):
        return ""
    return "a header is damaged" if len(block) == tarfile.BLOCKSIZE else "it is cut off"


def _member_name(member: tarfile.TarInfo) -> str:
    return valid_text(member.name.removeprefix("./"))


def _key(name: str) -> str:
    folder, slash, file = name.rpartition("/")
    return folder + slash + file.partition(".")[0]


class _Captions:
    """The captions of one shard; the metadata beside it are read when the first image has no other caption."""

    def __init__(self, shard: Path, has_table: bool):
        self.shard = shard
        self.table = shard.with_suffix(".parquet") if has_table else None
        self.rows: dict[str, str] | None = None

    def of(self, sample: Sample, image: tarfile.TarInfo) -> str:
        # `a.b.jpg` belongs to `a.b.txt` before it belongs to `a.txt`.
        stem = _member_name(image).rpartition(".")[0]
        for name in dict.fromkeys((f"{stem}.txt", f"{sample.key}.txt", f"{stem}.json", f"{sample.key}.json")):
            if name in sample.texts and (text := self._text(sample.texts[name], name)):
                return text
        return self._row(PurePosixPath(sample.key).name)

    def _text(self, member: tarfile.TarInfo, name: str) -> str:
        try:
            with self.shard.open("rb") as file:
                file.seek(member.offset_data)
                text = file.read(min(member.size, MAX_CAPTION_BYTES)).decode("utf-8-sig", "replace")
            return text.strip() if name.endswith(".txt") else _caption_in_json(text)
        except OSError:
            return ""

    def _row(self, key: str) -> str:
        if self.table is None:
            return ""
        if self.rows is None:
            with reading(self.table, "Parquet"), pq.ParquetFile(self.table) as file:
                column = next(name for name in CAPTION_COLUMNS if name in file.schema_arrow.names)
                table = file.read(columns=["key", column])
                self.rows = {str(row["key"]): caption_in(row[column]) for row in table.to_pylist()}
        return self.rows.get(key, "")


def _caption_in_json(text: str) -> str:
    try:
        row: Any = json.loads(text)
    # Brackets in brackets in brackets.
    except (ValueError, RecursionError):
        return ""
    return caption_of(row).encode("utf-8", "replace").decode() if isinstance(row, dict) else ""


def _has_captions(table: Path) -> bool:
    if not table.is_file():
        return False
    with reading(table, "Parquet"):
        names = pq.read_schema(table).names
    return "key" in names and any(name in names for name in CAPTION_COLUMNS)
