"""The pictures of an index, read back from the collections that they came from."""

from collections.abc import Iterable
from contextlib import suppress
from hashlib import sha256
from typing import Any

from PIL import Image

from copyrisk.collections import Collection, Item, open_collection
from copyrisk.collections.decode import decode_reduced
from copyrisk.errors import UnreadableImage, UserError
from copyrisk.index.store import IndexFolder


class Pictures:
    """The pictures of collections; one is opened when the first of its pictures is wanted, and then kept."""

    def __init__(self, sources: Iterable[str]):
        """Take the collections, as they are opened."""
        self.sources = list(sources)
        self._opened: dict[str, Collection | None] = {}
        self._positions: dict[str, dict[str, list[int]]] = {}

    def load(self, rows: list[dict[str, Any]], least_side: int | None = None) -> dict[str, Image.Image]:
        """Load the pictures of index rows (`id`, `source`, `position`, `sha256`), by id; one that is gone is left out.

        A picture is looked for where it was, and then by its id in all of the collections, since images may have
        been added before it or the collection may have moved. Only the bytes that were indexed count. least_side:
        smaller pictures will do, see `decode_reduced`.
        """
        found: dict[str, Image.Image] = {}
        for row in sorted(rows, key=lambda row: (row["source"], row["position"])):
            collection = self._collection(row["source"])
            if collection is not None and row["position"] < len(collection):
                _keep(row, collection.item(row["position"]), least_side, found)
            sources = dict.fromkeys([row["source"], *self.sources]) if row["id"] not in found else ()
            for source in sources:
                self._look_in(source, row, least_side, found)
        return found

    def _look_in(self, source: str, row: dict[str, Any], least_side: int | None, found: dict[str, Image.Image]) -> None:
        """Look for a picture by its id in a collection, which is listed when it is first needed and then known."""
        collection = self._collection(source)
        if collection is not None and source not in self._positions:
            positions: dict[str, list[int]] = {}
            for item in collection.items():
                positions.setdefault(item.id, []).append(item.position)
            self._positions[source] = positions
        if collection is not None:
            for position in self._positions[source].get(row["id"].removesuffix(f"#{row['position']}"), ()):
                _keep(row, collection.item(position), least_side, found)

    def _collection(self, source: str) -> Collection | None:
        """Return a collection of the index, None where it cannot be opened any more."""
        if source not in self._opened:
            opened = None
            with suppress(UserError):
                opened = open_collection(source, "the index")
            # Known only now: another thread that wants it meanwhile opens it too and does not take it for gone.
            self._opened[source] = opened
        return self._opened[source]


def load_pictures(index: IndexFolder, rows: list[dict[str, Any]]) -> dict[str, Image.Image]:
    """Load the pictures of index rows by id, wherever in its collections they are now; see `Pictures`."""
    return Pictures(index.sources).load(rows)


def _keep(row: dict[str, Any], item: Item, least_side: int | None, found: dict[str, Image.Image]) -> None:
    with suppress(UnreadableImage):
        if sha256(data := item.read()).hexdigest() == row["sha256"]:
            found[row["id"]] = decode_reduced(data, least_side).image
