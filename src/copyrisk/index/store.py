"""An index in a folder: the images of collections, described once, in Parquet shards that nobody can half-write.

`images/part-NUMBER-HASH.parquet` hold a row an image: `id`, `source` (the collection, as it can be opened again),
`position` in it, `caption`, `width`, `height`, `sha256` (of the encoded bytes), `contrast` (`rows.contrast_of`),
`informative` (whether there is enough in it to tell it from others), `descriptor` and `error`. HASH is the beginning of
the shard's own SHA-256. `manifest.json` says which shards count, with their rows, sizes and hashes. It is written last:
until then an index is what it was before, and shards that it does not name are removed by the next writer.
"""

import fcntl
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from hashlib import file_digest, sha256
from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from copyrisk import __version__
from copyrisk.descriptors import Descriptor, open_descriptor, trait
from copyrisk.errors import UserError
from copyrisk.files import read_json, write_bytes, write_json
from copyrisk.index.rows import descriptors_of, image_fields, readable, table_of, weights_of
from copyrisk.index.search import Rows

log = logging.getLogger("copyrisk")

FORMAT = 2
KIND = "copyrisk index"
SHARD_ROWS = 4096


@dataclass(frozen=True)
class Shard:
    """One Parquet file of an index: images of one source; `modified` is its time in nanoseconds."""

    name: str
    source: str
    rows: int
    unreadable: int
    size: int
    modified: int
    sha256: str

    @property
    def number(self) -> int:
        """Its place in the order of the index."""
        return int(self.name.split("-")[1])


@dataclass
class IndexFolder:
    """An index that has been opened: its shards in order, and the fingerprint of each collection at its last visit."""

    folder: Path
    descriptor: Descriptor
    shards: list[Shard] = field(default_factory=list)
    sources: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return the number of images, unreadable ones included."""
        return sum(shard.rows for shard in self.shards)

    @property
    def metric(self) -> Any:
        """The metric of the descriptor: `euclidean` or `cosine`."""
        return trait(self.descriptor, "metric")

    @property
    def unreadable(self) -> int:
        """How many images could not be read."""
        return sum(shard.unreadable for shard in self.shards)

    @property
    def size(self) -> int:
        """Bytes of all shards."""
        return sum(shard.size for shard in self.shards)

    def path(self, shard: Shard) -> Path:
        """Return where a shard is."""
        return self.folder / "images" / shard.name

    def table(self, columns: list[str] | None = None) -> pa.Table:
        """Read columns of all rows (all but the descriptors where none are named), in the order of the shards."""
        columns = [each for each in self.schema.names if each != "descriptor"] if columns is None else columns
        empty = pa.schema([self.schema.field(name) for name in columns]).empty_table()
        return pa.concat_tables([empty, *(self.read(shard, columns) for shard in self.shards)])

    def rows(self) -> Rows:
        """Read the descriptors of all readable images, shard by shard into one array: (images, dimensions)."""
        dtype = self.schema.field("descriptor").type.value_type.to_pandas_dtype()
        rows = np.empty((len(self) - self.unreadable, self.descriptor.dimensions), dtype)
        start = 0
        for shard in self.shards:
            part = descriptors_of(readable(self.read(shard, ["descriptor", "error"])))
            rows[start : start + len(part)] = part
            start += len(part)
        return rows

    def read(self, shard: Shard, columns: list[str] | None = None) -> pa.Table:
        """Read one shard; raise UserError where it cannot be read."""
        try:
            with pq.ParquetFile(self.path(shard)) as file:
                return file.read(columns=columns).replace_schema_metadata()
        except (OSError, pa.ArrowException) as error:
            raise UserError(f"{self.path(shard)} cannot be read ({error}). {remedy(self, [shard])}") from None

    @property
    def schema(self) -> pa.Schema:
        """The columns of a shard."""
        fields = image_fields(self.descriptor)
        fields.insert(1, pa.field("source", pa.string()))
        fields[-2:-2] = [pa.field("contrast", pa.float32()), pa.field("informative", pa.bool_())]
        return pa.schema(fields)

    def commit(self, added: list[dict[str, Any]], source: str = "", without: set[str] | None = None) -> None:
        """Write rows of one source as a new shard, leave out the images called `without`, then write the manifest."""
        old = {shard.name for shard in self.shards}
        if without:
            self.shards = [new for shard in self.shards if (new := self._without(shard, without))]
        if added:
            number = max((shard.number for shard in self.shards), default=-1) + 1
            self.shards.append(self._write(table_of(added, self.schema), number, source))
        self.save()
        for name in old - {shard.name for shard in self.shards}:
            (self.folder / "images" / name).unlink(missing_ok=True)

    def save(self) -> None:
        """Write the manifest atomically."""
        manifest = {
            "kind": KIND,
            "format": FORMAT,
            "copyrisk": __version__,
            "descriptor": self.descriptor.specifier,
            **weights_of(self.descriptor),
            "images": len(self),
            "unreadable": self.unreadable,
            "sources": self.sources,
            "shards": [asdict(shard) for shard in self.shards],
        }
        write_json(self.folder / "manifest.json", manifest)

    def damaged(self, verify: bool = False) -> list[tuple[Shard, str]]:
        """List the shards that are not as they were written, and what is wrong with each.

        Sizes are always compared; contents where a shard's time has changed, or of all shards with `verify`.
        """
        found = ((shard, self._damage(shard, verify)) for shard in self.shards)
        return [(shard, damage) for shard, damage in found if damage]

    def _damage(self, shard: Shard, verify: bool) -> str:
        path = self.path(shard)
        if not path.is_file():
            return "is missing"
        status = path.stat()
        if status.st_size != shard.size:
            return f"has {status.st_size:,} bytes instead of {shard.size:,}"
        if verify or status.st_mtime_ns != shard.modified:
            with path.open("rb") as file:
                if file_digest(file, "sha256").hexdigest() != shard.sha256:
                    return "holds other contents than were written"
        return ""

    def _without(self, shard: Shard, ids: set[str]) -> Shard | None:
        """Return the shard without these images, written anew if it had any of them; None where nothing is left."""
        gone = pc.is_in(self.read(shard, ["id"])["id"], value_set=pa.array(sorted(ids), pa.string()))
        if not pc.any(gone).as_py():
            return shard
        left = self.read(shard).filter(pc.invert(gone))
        return self._write(left, shard.number, shard.source) if len(left) else None

    def _write(self, table: pa.Table, number: int, source: str) -> Shard:
        sink = pa.BufferOutputStream()
        pq.write_table(
            table.replace_schema_metadata({"descriptor": self.descriptor.specifier}), sink, compression="zstd"
        )
        data = sink.getvalue().to_pybytes()
        digest = sha256(data).hexdigest()
        name = f"part-{number:06d}-{digest[:16]}.parquet"
        path = self.folder / "images" / name
        write_bytes(path, data)
        unread = table["error"].length() - table["error"].null_count
        return Shard(name, source, len(table), unread, len(data), path.stat().st_mtime_ns, digest)


def is_index(path: Path) -> bool:
    """Say whether a folder holds an index, whole or damaged."""
    manifest = path / "manifest.json"
    try:
        return f'"{KIND}"' in manifest.read_text(encoding="utf-8", errors="replace")[:200]
    except OSError:
        return False


def open_index(folder: Path, verify: bool = False) -> IndexFolder:
    """Open an index to read it; raise UserError where there is none or a shard is damaged.

    With `verify`, the contents of all shards are compared with their hashes.
    """
    index = load(folder)
    refuse_damaged(index, index.damaged(verify))
    return index


def refuse_damaged(index: IndexFolder, damaged: list[tuple[Shard, str]]) -> None:
    """Raise UserError where there are damaged shards: which, what is wrong, how their images come back."""
    if damaged:
        shard, damage = damaged[0]
        more = f" So are {len(damaged) - 1} more shards." if len(damaged) > 1 else ""
        shards = [each for each, _ in damaged]
        raise UserError(f"{index.path(shard)} is damaged: it {damage}.{more} {remedy(index, shards)}")


def remedy(index: IndexFolder, damaged: list[Shard]) -> str:
    """Say how the images of damaged shards come back."""
    folder = quote(str(index.folder))
    sources = dict.fromkeys(shard.source for shard in damaged)
    commands = "; ".join(f"copyrisk index add {folder} {quote(source)}" for source in sources)
    lost = sum(shard.rows for shard in damaged)
    return (
        f"To describe the {lost:,} images again: {commands}. To go on without them: "
        f"copyrisk index remove {folder} --damaged."
    )


@contextmanager
def writing(folder: Path, descriptor: Descriptor | None = None) -> Iterator[IndexFolder]:
    """Open an index to change it, or begin one with `descriptor`: nobody else can write it meanwhile.

    Removes what a killed writer left behind. Damaged shards are in `shards`; it is for the caller to look. Raises
    UserError where there is no index and none can begin, or another process writes it.
    """
    if not (folder / "manifest.json").exists() and descriptor is None:
        raise UserError(f"there is no index at {folder}. Make one: copyrisk index IMAGES --out {folder}.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not is_index(folder) and any(not path.name.startswith(".") for path in folder.iterdir()):
            raise UserError(f"{folder} is not empty and holds no index. Give --out a new folder.")
        lock = (folder / ".lock").open("a")
    except OSError as error:
        raise UserError(f"The index {folder} cannot be written: {error.strerror}.") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UserError(f"{folder} is being written by another copyrisk process; wait for it to end.") from None
        if is_index(folder):
            index = load(folder)
        else:
            assert descriptor is not None
            index = IndexFolder(folder, descriptor)
            index.save()
        _clean(index)
        yield index


def _clean(index: IndexFolder) -> None:
    known = {shard.name for shard in index.shards}
    for path in [
        *index.folder.glob(".*.tmp"),
        *index.folder.glob("images/.*.tmp"),
        *index.folder.glob("images/part-*.parquet"),
    ]:
        if path.name not in known:
            path.unlink(missing_ok=True)


def load(folder: Path) -> IndexFolder:
    """Read the manifest of an index; raise UserError where there is none, or none that this version can read."""
    path = folder / "manifest.json"
    if not is_index(folder):
        raise UserError(f"there is no index at {folder}. Make one: copyrisk index IMAGES --out {folder}.")
    try:
        manifest = read_json(path)
        if manifest["format"] != FORMAT:
            raise UserError(
                f"{folder} was written by copyrisk {manifest['copyrisk']} in a form that this version does not read. "
                "Index the images again, into a new folder."
            )
        shards = [Shard(**shard) for shard in manifest["shards"]]
        if any(Path(shard.name).name != shard.name for shard in shards):
            raise ValueError("a shard's name leads elsewhere")
        descriptor = open_descriptor(manifest["descriptor"])
        then, now = manifest.get("fingerprint"), weights_of(descriptor).get("fingerprint")
        if then != now:
            raise UserError(
                f"{folder} was made with other weights of {descriptor.specifier} (fingerprint {str(then)[:16]}) than "
                f"those that are there now ({str(now)[:16]}). Put the old ones back, or index the images again, into a "
                "new folder."
            )
        return IndexFolder(folder, descriptor, shards, dict(manifest["sources"]))
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise UserError(
            f"{path} is damaged ({error}). Delete the folder and index the images again: "
            f"copyrisk index IMAGES --out {folder}."
        ) from None
