"""Is this image, or a part of it, a copy of one of these? A checker stays loaded and answers for image after image."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
from PIL import Image

from copyrisk.collections import Item
from copyrisk.collections.decode import decode, decode_reduced
from copyrisk.descriptors import Bytes
from copyrisk.descriptors.content import LEAST_CONTENT
from copyrisk.descriptors.photo import TOO_PLAIN, Photo
from copyrisk.duplicates.images import Images
from copyrisk.errors import UnreadableImage, UserError
from copyrisk.index.pictures import Pictures
from copyrisk.index.store import IndexFolder, open_index
from copyrisk.parallel import batched, in_threads, small_products, thread_count
from copyrisk.verdicts import picture as evidence_picture
from copyrisk.verdicts.changes import changes_of
from copyrisk.verdicts.prepared import LONG_SIDE
from copyrisk.verdicts.references import References
from copyrisk.verdicts.verdict import THRESHOLD, Evidence, Verdict

BATCH_IMAGES = 4

ORDER: dict[Verdict, int] = {"copy": 0, "partial copy": 1, "no copy": 2}


@dataclass(frozen=True)
class Match:
    """A reference that an image is a copy of, whole or in part.

    id, source, caption: of the index. evidence: None where the reference's picture is not there any more; then the
    verdict is that of the descriptor alone, which knows whole copies only. changes: what was done to it, in words.
    """

    id: str
    source: str
    caption: str
    verdict: Verdict
    evidence: Evidence | None
    changes: str

    @property
    def statistic(self) -> float | None:
        """How sure the copy is; see `copyrisk.verdicts.verdict`."""
        return None if self.evidence is None else self.evidence.statistic

    @property
    def share(self) -> float | None:
        """The share of the image that is copied, 0 to 1."""
        return None if self.evidence is None else self.evidence.share


@dataclass(frozen=True)
class Checked:
    """What was found for an image, called `name`.

    verdict: the worst of its matches, which are the copies among its candidates, the worst first. problem: why there is
    none: it cannot be read, or there is too little in it to be told from others; '' else. unavailable: candidates whose
    picture is gone. image: as it was decoded.
    """

    name: str
    verdict: Verdict
    matches: list[Match]
    problem: str = ""
    unavailable: int = 0
    image: Image.Image | None = None

    @property
    def readable(self) -> bool:
        """Whether the image could be decoded."""
        return self.image is not None

    def facts(self) -> dict[str, Any]:
        """Return everything but the pictures, for JSON."""
        return {
            "image": self.name,
            "verdict": self.verdict if self.readable else None,
            "problem": self.problem or None,
            "unavailable": self.unavailable,
            "matches": [_match_facts(match) for match in self.matches],
        }


class Checker:
    """Checks images against the references of an index; thread-safe.

    What other candidates show as well (a frame, a logo, a layout) proves nothing.

    Memory: 2.5 KB a reference, and 350 MB for the pictures last compared with.
    """

    def __init__(self, index: Path | str | IndexFolder, threshold: float = THRESHOLD):
        """Load an index of descriptor `photo`; raise UserError where it is another's, damaged or empty.

        threshold: least statistic of a copy, see `copyrisk.verdicts.verdict`.
        """
        self.index = index if isinstance(index, IndexFolder) else open_index(Path(index))
        descriptor = self.index.descriptor
        if not isinstance(descriptor, Photo):
            raise UserError(
                f"{self.index.folder} holds an index by {descriptor.specifier}, and copies are looked for by "
                "photo. Make one of it: copyrisk index IMAGES --descriptor photo --out INDEX"
            )
        images = Images.of(self.index)
        if not len(images):
            raise UserError(f"{self.index.folder} has no readable image.")
        # Equal pictures count once, or a catalogue with many copies of one had no other candidates.
        chosen = images.searched
        self.table = images.table.select(["id", "source", "position", "sha256", "caption"]).take(chosen)
        # No second table in memory where all different pictures are searched.
        rows = images.rows if len(chosen) == len(images) else images.rows[chosen]
        self.rows: Bytes = rows.astype(np.uint8, copy=False)
        self.photo = descriptor
        self.threshold = threshold
        self.pictures = Pictures(self.index.sources)
        sizes = images.table.select(["width", "height"]).take(chosen)
        width, height = (np.asarray(sizes[name].to_numpy(), np.float64) for name in ("width", "height"))
        self.references = References(self.rows, width / height, self._load)

    def check(self, image: Image.Image | bytes | Path | str | Item, name: str | None = None) -> Checked:
        """Check an image: a picture, the bytes of a file, a path, or an item of a collection.

        An image that cannot be read has a `problem`, and no verdict to rely on.
        """
        item, given = _item(image, name)
        try:
            picture, described = (given, given) if given is not None else self._decoded(item.read())
        except UnreadableImage as error:
            return Checked(item.id, "no copy", [], str(error))
        row = self.photo.describe(described)
        if self.photo.content_of_rows(row[None])[0] < LEAST_CONTENT:
            return Checked(item.id, "no copy", [], f"{TOO_PLAIN}: there is too little in it", 0, picture)
        with small_products():
            judged, gone = self.references.judge(picture, row, self.threshold)
        matches = [self._match(number, evidence) for number, evidence in judged if evidence.verdict != "no copy"]
        matches += self._by_rows(row, gone)
        matches.sort(key=lambda match: (ORDER[match.verdict], -(match.statistic or 0.0), match.id))
        verdict: Verdict = matches[0].verdict if matches else "no copy"
        return Checked(item.id, verdict, matches, "", len(gone), picture)

    def check_many(self, images: Iterable[Path | str | Item], workers: int = 0) -> Iterator[Checked]:
        """Check images in threads and yield what was found, in order; only a few are in memory at once."""
        # A batch is a task: handing over single images would cost as much as reading them.
        size = 1 if thread_count(workers) == 1 else BATCH_IMAGES
        for some in in_threads(workers, lambda batch: [self.check(image) for image in batch], batched(images, size)):
            yield from some

    def picture(self, checked: Checked, match: Match) -> Image.Image | None:
        """Return the picture that shows a match's evidence; None where the reference's picture is gone."""
        if checked.image is None or match.evidence is None:
            return None
        row = self.table.filter(pc.equal(self.table["id"], match.id))
        reference = self.pictures.load(row.to_pylist()).get(match.id)
        return None if reference is None else evidence_picture.picture(checked.image, reference, match.evidence)

    def _decoded(self, data: bytes) -> tuple[Image.Image, Image.Image]:
        """Return an image to compare, and as the rule of the index has it, so that an equal file has an equal row."""
        return decode(data), decode_reduced(data, self.photo.needs).image

    def _load(self, numbers: Sequence[int]) -> dict[int, Image.Image]:
        rows = self.table.take(list(numbers)).to_pylist()
        loaded = self.pictures.load(rows, least_side=LONG_SIDE)
        return {number: loaded[row["id"]] for number, row in zip(numbers, rows, strict=True) if row["id"] in loaded}

    def _match(self, number: int, evidence: Evidence) -> Match:
        row = self.table.slice(number, 1).to_pylist()[0]
        changes = changes_of(evidence)
        return Match(row["id"], row["source"], row["caption"], evidence.verdict, evidence, changes)

    def _by_rows(self, row: Any, numbers: list[int]) -> list[Match]:
        """Return the whole copies among references whose pictures are gone."""
        scores, kinds = self.photo.verify(np.repeat(row[None], len(numbers), axis=0), self.rows[numbers])
        found = []
        for number, score, kind in zip(numbers, scores, kinds, strict=True):
            if score >= 0.5:
                about = self.table.slice(number, 1).to_pylist()[0]
                found.append(Match(about["id"], about["source"], about["caption"], "copy", None, kind))
        return found


def _item(image: Image.Image | bytes | Path | str | Item, name: str | None) -> tuple[Item, Image.Image | None]:
    if isinstance(image, Item):
        return image, None
    if isinstance(image, Image.Image):
        return Item(name or "image", "", 0), image.convert("RGB")
    if isinstance(image, bytes):
        return Item(name or "image", "", 0, data=image), None
    return Item(name or str(image), "", 0, path=Path(image)), None


def _match_facts(match: Match) -> dict[str, Any]:
    evidence = match.evidence
    facts: dict[str, Any] = {
        "id": match.id,
        "source": match.source,
        "caption": match.caption,
        "verdict": match.verdict,
        "changes": match.changes,
        "statistic": match.statistic,
        "share": match.share,
    }
    if evidence is not None and evidence.alignment is not None:
        alignment = evidence.alignment
        facts |= {
            "distance": evidence.distances.get("inside"),
            "correlation": evidence.distances.get("correlation"),
            "mirrored": alignment.mirrored,
            "angle": alignment.angle,
            "scale": alignment.scale,
            "matrix": alignment.matrix,
            "box": list(alignment.box),
            "mask": ["".join("#" if each else "." for each in line) for line in evidence.mask],
        }
    return facts
