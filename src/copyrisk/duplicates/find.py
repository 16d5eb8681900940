"""The duplicates of a collection, or between two: pairs, clusters, a page to look at, and a list of what to keep."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from copyrisk.descriptors import open_descriptor
from copyrisk.duplicates import members, pairs
from copyrisk.duplicates.by_verification import ByVerification
from copyrisk.duplicates.images import Images
from copyrisk.duplicates.keep import check_list_path, keep_list, write_list
from copyrisk.duplicates.page import Shown, render
from copyrisk.duplicates.rules import Rule, rule_for
from copyrisk.errors import UserError
from copyrisk.files import write_bytes, write_json, write_table
from copyrisk.index.pictures import load_pictures
from copyrisk.index.store import IndexFolder, is_index, load, open_index
from copyrisk.index.update import build
from copyrisk.options import DESCRIPTOR, DuplicatesOptions

MEMBERS_SHOWN = 24
"""Pictures of a cluster that the page shows."""


@dataclass(frozen=True)
class Found:
    """What was found: the tables (see `pairs` and `members`), the facts in numbers, and the page."""

    pairs: pa.Table
    images: pa.Table
    clusters: pa.Table
    keep: pa.Table | None
    facts: dict[str, Any]
    page: Path


def find_duplicates(collection: str, options: DuplicatesOptions) -> Found:
    """Find the duplicates within a collection or index, or of `options.against` in it.

    Writes `pairs.parquet`, `images.parquet`, `clusters.parquet`, `duplicates.json`, `gallery.html` and, with
    `options.keep`, the list of images to keep, into `options.out`; collections are indexed there. Raises UserError for
    what cannot be opened or does not fit.
    """
    if options.keep is not None and options.against is not None:
        raise UserError("--keep is for one collection: leave --against out.")
    if options.keep is None and options.list is not None:
        raise UserError("--list is the list of what to keep: give --keep, the most that a picture may occur.")
    if options.list is not None:
        check_list_path(options.list)
    _check_out(options.out)
    first, second = _open(collection, options)
    rule = rule_for(first.descriptor, options)
    a = Images.of(first)
    b = a if second is None else Images.of(second)
    if a is b:
        near = rule.within(a)
        table = pairs.pairs_in(a, near)
        images = members.cluster_images(a, near)
        clusters = members.add_cohesion(members.describe_clusters(images, least=2), images, a, rule)
    else:
        near = rule.between(a, b)
        table = pairs.pairs_across(a, b, near)
        images = members.assign_images(a, table)
        clusters = members.describe_clusters(images, least=1)
    facts = _facts(collection, first, second, rule, a, table, images, clusters, options)
    if options.nearest:
        table = pairs.nearest_table(a, b, rule.nearest(a, b, near, options.nearest))
    keep = keep_list(a, images, options.keep) if options.keep else None
    if keep is not None:
        facts["removed"] = pc.sum(pc.equal(keep["action"], "remove")).as_py() or 0
        write_list(options.list or options.out / "keep.csv", keep)
    for name, each in (("pairs", table), ("images", images), ("clusters", clusters)):
        write_table(options.out / f"{name}.parquet", each)
    write_json(options.out / "duplicates.json", facts)
    page = options.out / "gallery.html"
    write_bytes(page, render(facts, _shown(first, second, a, images, clusters, options.clusters)).encode())
    return Found(table, images, clusters, keep, facts, page)


def _check_out(out: Path) -> None:
    """Raise UserError where the output folder holds anything but what an earlier call left there."""
    known = (out / "duplicates.json").exists() or is_index(out / "index") or is_index(out / "against")
    if out.exists() and not known and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} is not empty and holds no earlier result. Give --out a new folder.")


def _open(collection: str, options: DuplicatesOptions) -> tuple[IndexFolder, IndexFolder | None]:
    """Open both sides; a collection is indexed in the output folder, by the descriptor of the other side's index."""
    given = [each for each in (collection, options.against) if each is not None]
    known = {load(Path(each)).descriptor.specifier for each in given if is_index(Path(each))}
    wanted = known | ({options.descriptor} if options.descriptor else set())
    if len(wanted) > 1:
        raise UserError(
            f"the images are described by {' and '.join(sorted(wanted))}; index both by the same descriptor."
        )
    descriptor = next(iter(wanted), DESCRIPTOR)
    # What does not fit is said before anything is indexed.
    rule_for(open_descriptor(descriptor), options)
    opened = []
    for each, name in zip(given, ("index", "against"), strict=False):
        if is_index(Path(each)):
            opened.append(open_index(Path(each)))
        else:
            build(each, options.out / name, descriptor, options.workers)
            opened.append(open_index(options.out / name))
        if len(opened[-1]) == opened[-1].unreadable:
            raise UserError(f"{each}: none of the {len(opened[-1]):,} images can be read.")
    return opened[0], opened[1] if len(opened) > 1 else None


def _facts(
    collection: str,
    first: IndexFolder,
    second: IndexFolder | None,
    rule: Rule,
    a: Images,
    found: pa.Table,
    images: pa.Table,
    clusters: pa.Table,
    options: DuplicatesOptions,
) -> dict[str, Any]:
    kinds = dict.fromkeys(pairs.KINDS[:4], 0)
    kinds |= {row["values"]: row["counts"] for row in pc.value_counts(found["kind"]).to_pylist()}
    done = Counter(change for text in found["changes"].drop_null().to_pylist() for change in text.split("+"))
    multiplicity = clusters["multiplicity"]
    return {
        "collection": collection,
        "against": options.against,
        "descriptor": first.descriptor.specifier,
        "score": rule.score if isinstance(rule, ByVerification) else None,
        "distance": rule.distance,
        "likeness": getattr(rule, "likeness", None) if a.pixels else None,
        "recall": rule.searching.facts(),
        "images": len(a),
        "unreadable": first.unreadable,
        "against_images": len(second) - second.unreadable if second else None,
        "against_unreadable": second.unreadable if second else None,
        "plain": int(a.plain.sum()),
        "pairs": kinds,
        "changes": dict(done.most_common()),
        "clusters": len(clusters),
        "images_in_clusters": pc.sum(multiplicity).as_py() or 0,
        "largest": pc.max(multiplicity).as_py() or 0,
        "copies": (pc.sum(multiplicity).as_py() or 0) - (0 if second else len(clusters)),
        "keep": options.keep,
        "removed": None,
    }


def _shown(
    first: IndexFolder, second: IndexFolder | None, a: Images, images: pa.Table, clusters: pa.Table, count: int
) -> list[Shown]:
    """Gather what the page shows of the largest clusters: the centre, then the other members, the surest first."""
    chosen = clusters.slice(0, count).to_pylist()
    names = pa.array([row["cluster"] for row in chosen], pa.string())
    where = images.append_column("row", pa.array(range(len(images))))
    where = where.filter(pc.is_in(images["cluster"], value_set=names))
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in names.to_pylist()}
    for row in where.sort_by([("score", "descending"), ("row", "ascending")]).to_pylist():
        centre = second is None and row["id"] == row["cluster"]
        if len(found[row["cluster"]]) < MEMBERS_SHOWN and not centre:
            found[row["cluster"]].append(row)
    centres = second or first
    column = ["id", "source", "position", "sha256"]
    centre_rows = _rows_of(centres, set(found), column)
    member_rows = _rows_of(first, {row["id"] for rows in found.values() for row in rows}, column)
    centre_pictures = load_pictures(centres, centre_rows)
    pictures = load_pictures(first, member_rows)
    return [
        Shown(
            row,
            centre_pictures.get(row["cluster"]),
            [(each, pictures.get(each["id"])) for each in found[row["cluster"]]],
        )
        for row in chosen
    ]


def _rows_of(index: IndexFolder, ids: set[str], columns: list[str]) -> list[dict[str, Any]]:
    table = index.table(columns)
    rows: list[dict[str, Any]] = table.filter(
        pc.is_in(table["id"], value_set=pa.array(sorted(ids), pa.string()))
    ).to_pylist()
    return rows
