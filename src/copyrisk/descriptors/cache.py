"""Rows of networks kept between runs, so that a picture is described once by the same network.

One SQLite file, `networks.sqlite`, in the folder `COPYRISK_CACHE`, else in `copyrisk` under `XDG_CACHE_HOME` or
`~/.cache`; an empty `COPYRISK_CACHE` switches it off. Any number of processes may use it at a time. It can be deleted
whenever one likes: what is missing or damaged is computed again.
"""

import logging
import os
import sqlite3
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from copyrisk.parallel import batched

log = logging.getLogger("copyrisk")

Floats = NDArray[np.float32]

LARGEST = 4 * 2**30
"""Bytes the file may have, about 1.8 million rows of 512 numbers; beyond them the oldest tenth of the rows goes."""

PAGE = 16384
"""Bytes of a page of a new file: rows of 512 numbers would leave the usual ones half empty."""

TIMEOUT = 60
"""Seconds to wait for another process that writes."""

KEYS = 500
"""Keys in one question: SQLite's older versions take at most 999."""

TABLE = "CREATE TABLE IF NOT EXISTS rows (number INTEGER PRIMARY KEY, key BLOB UNIQUE NOT NULL, row BLOB NOT NULL)"


def path() -> Path | None:
    """Return where the cache is, or None where it is switched off."""
    folder = os.environ.get("COPYRISK_CACHE")
    if folder is None:
        folder = str(Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "copyrisk")
    return Path(folder).expanduser() / "networks.sqlite" if folder else None


def read(keys: Sequence[bytes]) -> dict[bytes, Floats]:
    """Return the rows that are known under `keys`: float32, of any length."""
    found: dict[bytes, Floats] = {}

    def look(database: sqlite3.Connection) -> None:
        for some in batched(keys, KEYS):
            marks = ",".join("?" * len(some))
            for key, data in database.execute(f"SELECT key, row FROM rows WHERE key IN ({marks})", some):
                row, check = data[:-4], data[-4:]
                if _check(key, row) == check:
                    found[key] = np.frombuffer(row, np.float32)

    _with_database(look)
    return found


def write(rows: Mapping[bytes, Floats]) -> None:
    """Keep rows under their keys."""
    values = [(key, (data := row.astype(np.float32).tobytes()) + _check(key, data)) for key, row in rows.items()]

    def keep(database: sqlite3.Connection) -> None:
        with database:
            database.executemany("INSERT OR REPLACE INTO rows (key, row) VALUES (?, ?)", values)
            _bound(database)

    if values:
        _with_database(keep)


def _bound(database: sqlite3.Connection) -> None:
    pages, free, size = (
        database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    if (pages - free) * size > LARGEST:
        count = database.execute("SELECT count(*) FROM rows").fetchone()[0]
        oldest = "SELECT number FROM rows ORDER BY number LIMIT ?"
        database.execute(f"DELETE FROM rows WHERE number IN ({oldest})", (count // 10 + 1,))


def _check(key: bytes, row: bytes) -> bytes:
    return zlib.crc32(row, zlib.crc32(key)).to_bytes(4, "big")


def _with_database(action: Callable[[sqlite3.Connection], None]) -> None:
    """Do something with the cache if there is one; whatever is wrong with it costs time, never the work."""
    file = path()
    if file is None:
        return
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(file, timeout=TIMEOUT)) as database:
            database.execute(f"PRAGMA page_size = {PAGE}")
            database.execute(TABLE)
            action(database)
    except (OSError, sqlite3.OperationalError) as error:
        _warn(f"the cache {file} cannot be used ({error}); set COPYRISK_CACHE to another folder, or to nothing")
    except sqlite3.DatabaseError as error:
        log.warning("the cache %s was damaged (%s) and is begun anew", file, error)
        for damaged in (file, file.with_name(f"{file.name}-journal")):
            with suppress(OSError):
                damaged.unlink()


@cache
def _warn(message: str) -> None:
    log.warning("%s", message)
