"""A closer look: small copies that are alike are not enough, and turned copies are found."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from copyrisk.chosen import Chosen
from copyrisk.duplicates import duplicates, read_control_pictures
from copyrisk.duplicates.find import Found, find_duplicates
from copyrisk.index import index
from copyrisk.options import DuplicatesOptions, Options
from copyrisk.run import Run


def page(seed: int) -> Image.Image:
    """A page of random words: another text on each, in the same layout."""
    random = np.random.default_rng(seed)
    image = Image.new("RGB", (300, 400), "white")
    draw = ImageDraw.Draw(image)
    for top in range(20, 380, 16):
        letters = ["".join(chr(97 + each) for each in random.integers(0, 26, 5)) for _ in range(7)]
        draw.text((20, top), " ".join(letters), fill="black")
    return image


def scene(seed: int) -> Image.Image:
    random = np.random.default_rng(seed)
    image = Image.new("RGB", (300, 240), "grey")
    draw = ImageDraw.Draw(image)
    for _ in range(40):
        left, top, wide, high = random.integers((-20, -20, 10, 10), (290, 230, 90, 90)).tolist()
        draw.ellipse([left, top, left + wide, top + high], fill=tuple(random.integers(0, 256, 3).tolist()))
    return image


def found(folder: Path, images: dict[str, Image.Image], workers: int = 1) -> Found:
    (folder / "images").mkdir(parents=True)
    for name, image in images.items():
        image.save(folder / "images" / f"{name}.png")
    return find_duplicates(str(folder / "images"), DuplicatesOptions(out=folder / "out", workers=workers))


def couples(result: Found) -> set[tuple[str, str]]:
    return {(row["id"][:-4], row["other_id"][:-4]) for row in result.pairs.to_pylist()}


def test_pages_with_other_text_are_other_pictures(tmp_path: Path) -> None:
    pages = {f"page{seed}": page(seed) for seed in range(5)}
    result = found(tmp_path, pages | {"saved": page(0).resize((270, 360))})
    assert couples(result) == {("page0", "saved")}


@pytest.mark.parametrize("workers", [1, 3])
def test_pictures_turned_by_quarters_are_found(tmp_path: Path, workers: int) -> None:
    one = scene(1)
    turned = {
        "t1": one.transpose(Image.Transpose.ROTATE_90),
        "t2": one.transpose(Image.Transpose.ROTATE_180),
        "t3": one.transpose(Image.Transpose.TRANSPOSE),
    }
    result = found(tmp_path, {"a": one, "b": scene(2), "c": scene(3), **turned}, workers)
    assert couples(result) >= {("a", "t1"), ("a", "t2"), ("a", "t3")}
    assert {row["cluster"] for row in result.clusters.to_pylist()} <= {"a.png", "t1.png", "t2.png", "t3.png"}
    assert result.clusters["multiplicity"].to_pylist() == [4]
    row = next(row for row in result.pairs.to_pylist() if row["other_id"] == "t1.png")
    assert row["changes"].split("+")[0] == "turned"
    assert 0.5 <= row["score"] < 1


def test_where_pictures_are_gone_the_score_decides(tmp_path: Path) -> None:
    pages = {f"page{seed}": page(seed) for seed in range(5)}
    assert couples(found(tmp_path, pages)) == set()
    for image in (tmp_path / "images").iterdir():
        image.unlink()
    again = find_duplicates(str(tmp_path / "out" / "index"), DuplicatesOptions(out=tmp_path / "again"))
    assert couples(again)


def test_an_audit_groups_references_by_the_same_rule_and_leaves_seen_controls_out(tmp_path: Path) -> None:
    one = scene(1)
    sides = {
        "r": {**{f"page{seed}": page(seed) for seed in range(5)}, "a": one, "half": one.resize((150, 120))},
        "c": {"seen": one.resize((200, 160)), "new": scene(9)},
    }
    for side, images in sides.items():
        (tmp_path / side).mkdir()
        for name, image in images.items():
            image.save(tmp_path / side / f"{name}.png")
    chosen = Chosen(Options(references=str(tmp_path / "r"), controls=str(tmp_path / "c"), descriptor="photo"))
    with Run.open(tmp_path / "run") as run:
        index(run, chosen)
        table = duplicates(run, chosen)
        assert run.record("duplicates")["control_pictures_dropped"] == 1
        assert read_control_pictures(run)["cluster"].to_pylist() == ["new.png"]
    sizes = dict(zip(table["id"].to_pylist(), table["multiplicity"].to_pylist(), strict=True))
    assert sizes == {**{f"page{seed}.png": 1 for seed in range(5)}, "a.png": 2, "half.png": 2}
