"""Add the images of a collection to an index, and remove images from it."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from sys import intern
from typing import Any, NamedTuple

from copyrisk import registry
from copyrisk.collections import Collection, Item, open_collection
from copyrisk.descriptors import Descriptor, open_descriptor
from copyrisk.errors import UserError
from copyrisk.index import store
from copyrisk.index.rows import batch_rows, describe, unreadable
from copyrisk.index.store import IndexFolder, is_index, log, refuse_damaged, writing
from copyrisk.options import DESCRIPTOR
from copyrisk.parallel import batched, in_threads
from copyrisk.progress import bar


@dataclass(frozen=True)
class Added:
    """What a visit did: images described, of them in place of an older one, and those that were there already.

    `total` and `unreadable` count the images of the whole index.
    """

    described: int
    replaced: int
    present: int
    total: int
    unreadable: int


def build(images: str, out: Path, descriptor: str = DESCRIPTOR, workers: int = 0) -> Added:
    """Index a collection in the folder `out`, or go on where that was interrupted.

    Raises UserError where the folder holds something else: another collection, another descriptor.
    """
    chosen, collection = open_descriptor(descriptor), open_collection(images, "IMAGES")
    if is_index(out):
        index = store.load(out)
        if index.descriptor.specifier != chosen.specifier:
            raise UserError(f"{out} holds an index by {index.descriptor.specifier}. Give --out another folder.")
        others = [source for source in index.sources if source != absolute(images)]
        if others:
            raise UserError(
                f"{out} holds an index of {others[0]}. Give --out another folder; to have both in one: "
                f"copyrisk index add {out} {images}"
            )
    return _add(collection, absolute(images), out, chosen, workers)


def add(folder: Path, images: str, workers: int = 0) -> Added:
    """Add the images of a collection that an index does not have yet.

    An image is there already if one with the same id and the same bytes is. One of the same collection with the same id
    and other bytes takes the place of the old one. An id that another image has gets its position appended: `7#12`.
    Images in damaged shards of this collection are described again. Raises UserError where there is no index, or
    shards of another collection are damaged.
    """
    store.load(folder)
    return _add(open_collection(images, "IMAGES"), absolute(images), folder, None, workers)


def remove(folder: Path, ids: Iterable[str] = (), damaged: bool = False) -> int:
    """Remove images by id, or all in damaged shards; return how many. The images themselves are not touched.

    Raises UserError, and removes nothing, where an id is not in the index.
    """
    wanted = set(ids)
    with writing(folder) as index:
        before = len(index)
        lost = index.damaged(verify=damaged)
        if not damaged:
            refuse_damaged(index, lost)
        index.shards = [shard for shard in index.shards if shard not in [each for each, _ in lost]]
        missing = wanted - set(index.table(["id"])["id"].to_pylist())
        if missing:
            some = ", ".join(sorted(missing)[:5]) + (", …" if len(missing) > 5 else "")
            raise UserError(f"{folder} has no image {some}. Nothing was removed.")
        index.commit([], without=wanted)
        return before - len(index)


def info(index: IndexFolder) -> dict[str, Any]:
    """Return what is in an index: images, bytes, shards, the images of each source, and those that cannot be read."""
    counts = Counter(dict.fromkeys(index.sources, 0))
    for shard in index.shards:
        counts[shard.source] += shard.rows
    return {
        "descriptor": index.descriptor.specifier,
        "images": len(index),
        "bytes": index.size,
        "shards": len(index.shards),
        "sources": [{"source": source, "images": count} for source, count in counts.items()],
        "unreadable": unreadable(index.table(["id", "error"])).to_pylist(),
    }


def absolute(specifier: str) -> str:
    """Return the specifier of a collection with its path made absolute, so that it can be opened from anywhere."""
    name, argument = registry.split(specifier)
    prefix = f"{name}:" if argument and name in registry.names("readers") else ""
    path, mark, columns = specifier[len(prefix) :].partition("?")
    place = Path(path).expanduser()
    return prefix + (str(place.resolve()) if path and place.exists() else path) + mark + columns


class _Known(NamedTuple):
    """What the index knows of an image: the hash of its bytes (None: it could not be read), source and position."""

    sha256: bytes | None
    source: str
    position: int


def _add(collection: Collection, source: str, folder: Path, descriptor: Descriptor | None, workers: int) -> Added:
    with writing(folder, descriptor) as index:
        _drop_damaged(index, source)
        visit = _Visit(index, source, unchanged=index.sources.get(source) == collection.fingerprint)
        # Rows of an older state of the collection must not pass for rows of this one, also after a kill.
        index.sources.setdefault(source, collection.fingerprint)
        with bar("index", len(collection), "image") as progress:

            def new() -> Iterator[Item]:
                for item in collection.items():
                    if visit.skips(item):
                        progress.update()
                    else:
                        yield item

            for looked in in_threads(workers, visit.look, batched(new(), batch_rows(index.descriptor))):
                for item, row in looked:
                    visit.place(item, row)
                progress.update(len(looked))
                visit.write(at_least=store.SHARD_ROWS)
        visit.write(at_least=1)
        index.sources[source] = collection.fingerprint
        index.save()
        if index.unreadable:
            log.warning("%d of %d images cannot be read: copyrisk index info %s", index.unreadable, len(index), folder)
        return Added(visit.described, visit.replaced, visit.present, len(index), index.unreadable)


def _drop_damaged(index: IndexFolder, source: str) -> None:
    """Forget the damaged shards of the collection that is about to be visited."""
    found = index.damaged()
    refuse_damaged(index, [(shard, damage) for shard, damage in found if shard.source != source])
    if lost := [shard for shard, _ in found]:
        count = sum(shard.rows for shard in lost)
        log.warning("%s: %d damaged shards; their %d images are described again", index.folder, len(lost), count)
        index.shards = [shard for shard in index.shards if shard not in lost]
        index.save()


class _Visit:
    """A walk through a collection that finds what the index does not have."""

    def __init__(self, index: IndexFolder, source: str, unchanged: bool):
        """Read what the index knows; `unchanged`: the collection is as it was at the last visit."""
        self.index, self.source, self.unchanged = index, source, unchanged
        columns = (index.table([name])[name].to_pylist() for name in ("id", "sha256", "source", "position"))
        self.known = {
            name: _Known(digest and bytes.fromhex(digest), intern(place), position)
            for name, digest, place, position in zip(*columns, strict=True)
        }
        self.seen: set[str] = set()
        self.rows: list[dict[str, Any]] = []
        self.outdated: set[str] = set()
        self.described = self.replaced = self.present = 0

    def skips(self, item: Item) -> bool:
        """Say whether the index has the item and nothing about it can have changed."""
        for name in _names(item) if self.unchanged else ():
            known = self.known.get(name)
            if known and (known.source, known.position) == (self.source, item.position):
                self.seen.add(name)
                self.present += 1
                return True
        return False

    def look(self, items: list[Item]) -> list[tuple[Item, dict[str, Any]]]:
        """Read items, each returned with its row; those whose id and bytes are known are not described."""
        return list(zip(items, describe(items, self.index.descriptor, self._knows), strict=True))

    def _knows(self, item: Item, digest: bytes) -> bool:
        return any(name in self.known and self.known[name].sha256 == digest for name in _names(item))

    def place(self, item: Item, row: dict[str, Any]) -> None:
        """Give an item that was looked at its id, and keep its row where the index does not have it."""
        digest = bytes.fromhex(row["sha256"]) if "sha256" in row and "error" not in row else None
        name = item.id
        while name in self.seen or name in self.known:
            known = self.known.get(name)
            if known and name not in self.seen:
                here = known.source == self.source
                if known.sha256 == digest and (here or digest is not None):
                    self.seen.add(name)
                    self.present += 1
                    return
                if here:
                    self.outdated.add(name)
                    self.replaced += 1
                    break
            name += f"#{item.position}"
        if "descriptor" not in row and "error" not in row:
            (row,) = describe([item], self.index.descriptor)
        self.seen.add(name)
        self.described += 1
        self.rows.append(row | {"id": name, "source": self.source})

    def write(self, at_least: int) -> None:
        """Commit shards while there are so many rows."""
        while len(self.rows) >= at_least:
            shard, self.rows = self.rows[: store.SHARD_ROWS], self.rows[store.SHARD_ROWS :]
            self.index.commit(shard, self.source, self.outdated.intersection(row["id"] for row in shard))


def _names(item: Item) -> tuple[str, str]:
    """Return the ids that an item has in an index, nearly always."""
    return item.id, f"{item.id}#{item.position}"
