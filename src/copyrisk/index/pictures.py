"""The pictures of an index, read back from the collections that they came from."""

from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from typing import Any

from PIL import Image

from copyrisk.collections import Collection, Item, open_collection
from copyrisk.collections.decode import decode
from copyrisk.errors import UnreadableImage, UserError
from copyrisk.index.store import IndexFolder


def load_pictures(index: IndexFolder, rows: list[dict[str, Any]]) -> dict[str, Image.Image]:
    """Load the pictures of index rows (`id`, `source`, `position`, `sha256`), by id; one that is gone is left out.

    A picture is looked for where it was, and then by its id in all collections of the index, since images may have been
    added before it or the collection may have moved. Only the bytes that were indexed count.
    """
    found: dict[str, Image.Image] = {}
    collections: dict[str, Collection] = {}
    for source in dict.fromkeys([*(row["source"] for row in rows), *index.sources]):
        with suppress(UserError):
            collections[source] = open_collection(source, "the index")
    for source, collection in collections.items():
        here = sorted((row for row in rows if row["source"] == source), key=lambda row: row["position"])
        for row, item in zip(here, _items(collection, [row["position"] for row in here]), strict=True):
            _keep(row, item, found)
    missing: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        if row["id"] not in found:
            missing.setdefault(row["id"].removesuffix(f"#{row['position']}"), []).append(row)
    for collection in collections.values() if missing else ():
        for item in collection.items():
            for row in missing.get(item.id, ()):
                _keep(row, item, found)
    return found


def _items(collection: Collection, positions: list[int]) -> Iterator[Item | None]:
    for position in positions:
        yield collection.item(position) if position < len(collection) else None


def _keep(row: dict[str, Any], item: Item | None, found: dict[str, Image.Image]) -> None:
    with suppress(UnreadableImage):
        if item is not None and sha256(data := item.read()).hexdigest() == row["sha256"]:
            found[row["id"]] = decode(data)
