"""The run folder: where the tables of an audit live, what made them, and what is still to do.

`manifest.json` records for each stage its options, a fingerprint of its inputs and the files that it wrote. A stage
whose record still holds is not done again; one that was interrupted goes on from the shards it had finished.
"""

import fcntl
import json
import logging
import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from copyrisk import __version__
from copyrisk.errors import UserError
from copyrisk.files import read_json, write_json
from copyrisk.options import STAGES, flag

log = logging.getLogger("copyrisk")

# Raise a stage's number when its tables change their meaning: what an older version left is then made anew.
FORMATS = dict.fromkeys(STAGES, 1) | {
    "index": 3,
    "duplicates": 2,
    "plan": 2,
    "generate": 2,
    "match": 4,
    "rates": 4,
    "report": 4,
}


def digest(value: Any) -> str:
    """Return the SHA-256 of a JSON-able value as hex digits; equal values give equal digests."""
    return sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


@dataclass
class Stage:
    """One stage of a run that has been begun: `done` says whether there is anything left to do."""

    run: "Run"
    name: str
    record: dict[str, Any]
    done: bool
    started: float = field(default_factory=time.monotonic)

    @property
    def identity(self) -> str:
        """The digest of everything that shapes this stage's rows."""
        identity: str = self.record["identity"]
        return identity

    def finish(self, rows: int, outputs: Iterable[Path], **details: Any) -> None:
        """Record that the stage is complete: its number of rows, its files and whatever else is worth knowing."""
        files = {path.relative_to(self.run.folder).as_posix(): path.stat().st_size for path in outputs}
        seconds = round(time.monotonic() - self.started, 3)
        self.record |= {"state": "done", "rows": rows, "seconds": seconds, "files": files, **details}
        self.run.save()


@dataclass
class Run:
    """A run folder, opened by one process at a time; use it as a context manager."""

    folder: Path
    manifest: dict[str, Any]
    lock: IO[str]

    @classmethod
    def open(cls, folder: Path) -> "Run":
        """Open or create a run folder.

        Raises UserError where the folder holds something else, is damaged, cannot be written or is in use.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if any(folder.iterdir()) and not (folder / "manifest.json").exists() and not (folder / ".lock").exists():
                raise UserError(f"{folder} is not empty and holds no run. Give --out a new folder.")
            lock = (folder / ".lock").open("a")
        except OSError as error:
            raise UserError(f"The run folder {folder} cannot be used: {error.strerror}. Give another --out.") from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            raise UserError(f"{folder} is being used by another copyrisk process; wait for it to end.") from None
        for left in folder.rglob(".*.tmp"):
            left.unlink(missing_ok=True)
        return cls(folder, _read_manifest(folder / "manifest.json"), lock)

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.lock.close()

    @property
    def chatter(self) -> Path:
        """The file that takes what libraries print."""
        return self.folder / "log.txt"

    def save(self) -> None:
        """Write the manifest atomically, if it changed."""
        path = self.folder / "manifest.json"
        if not path.exists() or read_json(path) != self.manifest:
            write_json(path, self.manifest)

    def claim_model(self, specifier: str, fingerprint: str, conditional: bool) -> None:
        """Bind the run to a model; raise UserError where it belongs to another one already."""
        owner = self.manifest.get("model")
        if owner and owner["fingerprint"] != fingerprint:
            raise UserError(
                f"{self.folder} holds an audit of {owner['specifier']} (fingerprint {owner['fingerprint'][:12]}), and "
                f"{specifier} is a different model ({fingerprint[:12]}). Give --out another folder."
            )
        self.manifest["model"] = {"specifier": specifier, "fingerprint": fingerprint, "conditional": conditional}
        self.save()

    def record(self, stage: str) -> dict[str, Any]:
        """Return the manifest's record of a finished stage; raise UserError where it has not been done."""
        record: dict[str, Any] = self.manifest["stages"].get(stage, {})
        if record.get("state") != "done":
            raise UserError(f"{self.folder} has no finished '{stage}' yet. Run `copyrisk {stage}` on it first.")
        return record

    def intact(self, stage: str) -> bool:
        """Say whether a stage is finished and its files are still there."""
        record = self.manifest["stages"].get(stage, {})
        return record.get("state") == "done" and not self._damaged(record)

    def begin(
        self,
        name: str,
        options: dict[str, Any],
        inputs: dict[str, Any] | None = None,
        after: tuple[str, ...] = (),
        adding: tuple[str, ...] = (),
        extent: dict[str, Any] | None = None,
        outputs: tuple[str, ...] = (),
    ) -> Stage:
        """Begin a stage: see whether it is done, what of it can be kept, and remove what cannot.

        `options` and `inputs` (fingerprints) and the stages `after` which it comes shape its rows: when one of them
        changes, `outputs` (names in the run folder) are removed and made anew. `extent` and the stages in `adding` only
        say which rows are wanted: when they change, rows that exist are kept.
        """
        shapes = {
            "format": FORMATS[name],
            "options": options,
            "inputs": inputs or {},
            "after": {stage: self.record(stage)["key"] for stage in after},
        }
        identity = digest(shapes)
        key = digest([identity, [self.record(stage)["key"] for stage in adding], *([extent] if extent else [])])
        old = self.manifest["stages"].get(name)
        if old and old["identity"] == identity and old["state"] == "done":
            damaged = self._damaged(old)
            if not damaged and old["key"] == key:
                log.info("%s: done before, kept", name)
                return Stage(self, name, old, done=True)
            for each in damaged:
                log.info("%s: %s is missing or damaged; done again", name, each)
                (self.folder / each).unlink(missing_ok=True)
        if old and old["identity"] != identity:
            log.info("%s: done again, since %s", name, _difference(old, shapes))
            for output in outputs:
                _remove(self.folder / output)
        record = {"state": "begun", "identity": identity, "key": key, **json.loads(json.dumps(shapes, default=str))}
        record |= {"extent": extent} if extent else {}
        self.manifest["stages"][name] = record
        self.save()
        return Stage(self, name, record, done=False)

    def _damaged(self, record: dict[str, Any]) -> list[str]:
        """List the files of a finished stage that are missing or not as long as they were."""
        paths = {name: self.folder / name for name in record["files"]}
        sizes = {name: path.stat().st_size if path.is_file() else None for name, path in paths.items()}
        return [name for name, size in record["files"].items() if sizes[name] != size]


def _read_manifest(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {"copyrisk": __version__, "created": datetime.now(UTC).isoformat(timespec="seconds"), "stages": {}}
    try:
        manifest = read_json(path)
        manifest["stages"], manifest["created"]
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise UserError(f"{path} is damaged ({error}). Delete the run folder, or give another --out.") from None
    result: dict[str, Any] = manifest
    return result


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _difference(old: dict[str, Any], new: dict[str, Any]) -> str:
    before, now = old["options"], new["options"]
    changed = [
        f"{flag(name)} changed from {before.get(name)} to {now.get(name)}"
        for name in sorted(before.keys() | now.keys())
        if before.get(name) != json.loads(json.dumps(now.get(name), default=str))
    ]
    if old["inputs"] != json.loads(json.dumps(new["inputs"], default=str)):
        changed.append("its input changed")
    changed += [f"{stage} changed" for stage, key in new["after"].items() if old["after"].get(stage) != key]
    return ", ".join(changed) or "this version of copyrisk writes it differently"
