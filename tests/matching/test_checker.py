import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import scipy.ndimage
from click.testing import CliRunner
from PIL import Image

from copyrisk.commands.check import command
from copyrisk.errors import UserError
from copyrisk.index.update import build
from copyrisk.matching.checker import Checker
from copyrisk.verdicts.prepared import Prepared

COUNT = 12


def photograph(seed: int, side: int = 96) -> Image.Image:
    """A picture that is smooth as photographs are, in colour."""
    generator = np.random.default_rng(seed)
    planes = []
    for _ in range(3):
        values = sum(
            scipy.ndimage.gaussian_filter(generator.standard_normal((side, side)), radius) * radius
            for radius in (1, 2, 4, 8, 16)
        )
        planes.append(128 + 50 * values / values.std())
    return Image.fromarray(np.clip(np.stack(planes, axis=-1), 0, 255).astype(np.uint8))


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of twelve photographs, of which the first is there twice."""
    folder = tmp_path_factory.mktemp("catalogue")
    (folder / "images").mkdir()
    for number in range(COUNT):
        photograph(number).save(folder / "images" / f"{number:02d}.png")
        (folder / "images" / f"{number:02d}.txt").write_text(f"photograph {number}")
    photograph(0).save(folder / "images" / "00 again.png")
    build(str(folder / "images"), folder / "index", "photo", 0)
    return folder


@pytest.fixture(scope="module")
def checker(catalogue: Path) -> Checker:
    return Checker(catalogue / "index")


def test_a_whole_copy_is_told_with_what_was_done_to_it(checker: Checker) -> None:
    image = photograph(3).resize((150, 150)).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    found = checker.check(image)
    assert found.verdict == "copy"
    assert [(match.id, match.caption, match.verdict) for match in found.matches] == [("03.png", "photograph 3", "copy")]
    assert found.matches[0].changes == "mirrored"
    assert found.matches[0].share is not None and found.matches[0].share > 0.9


def test_a_part_is_a_partial_copy_and_the_mask_says_where(checker: Checker) -> None:
    image = photograph(100)
    image.paste(photograph(5).crop((0, 0, 60, 96)), (36, 0))
    found = checker.check(image)
    assert found.verdict == "partial copy"
    assert found.matches[0].id == "05.png"
    mask = found.matches[0].evidence.mask  # type: ignore[union-attr]
    left, right = mask[:, : int(mask.shape[1] * 0.3)], mask[:, int(mask.shape[1] * 0.5) :]
    assert left.mean() < 0.1 < 0.8 < right.mean()


def test_another_picture_is_no_copy(checker: Checker) -> None:
    found = checker.check(photograph(200))
    assert (found.verdict, found.matches, found.problem) == ("no copy", [], "")


def test_equal_references_are_named_once(checker: Checker) -> None:
    assert [match.id for match in checker.check(photograph(0)).matches] == ["00 again.png"]


def test_files_bytes_and_pictures_have_the_same_verdict(checker: Checker, catalogue: Path) -> None:
    path = catalogue / "images" / "07.png"
    found = [checker.check(each) for each in (path, str(path), path.read_bytes(), photograph(7))]
    assert {(each.verdict, each.matches[0].id, round(each.matches[0].statistic or 0)) for each in found} == {
        ("copy", "07.png", round(found[0].matches[0].statistic or 0))
    }


def test_what_cannot_be_read_or_says_nothing_is_no_verdict(checker: Checker) -> None:
    broken, plain = checker.check(b"no image"), checker.check(Image.new("RGB", (64, 64), "white"))
    assert (broken.readable, broken.problem) == (False, "not an image in a known format")
    assert plain.readable and plain.problem.startswith("too plain")


def test_many_come_in_order_whatever_the_threads(checker: Checker, catalogue: Path) -> None:
    paths = sorted((catalogue / "images").glob("*.png"))
    one, three = (list(checker.check_many(paths, workers)) for workers in (1, 3))
    assert [each.name for each in one] == [str(path) for path in paths]
    assert [each.facts() for each in one] == [each.facts() for each in three]


def test_a_picture_that_is_gone_is_compared_by_its_row(catalogue: Path, tmp_path: Path) -> None:
    shutil.copytree(catalogue / "images", tmp_path / "images")
    build(str(tmp_path / "images"), tmp_path / "index", "photo", 0)
    (tmp_path / "images" / "04.png").unlink()
    found = Checker(tmp_path / "index").check(photograph(4))
    assert found.verdict == "copy" and found.unavailable == 1
    assert [(match.id, match.evidence) for match in found.matches] == [("04.png", None)]


def test_pictures_of_references_are_kept_ready(checker: Checker, monkeypatch: pytest.MonkeyPatch) -> None:
    checker.check(photograph(3))
    monkeypatch.setattr(checker.pictures, "load", lambda *_, **__: pytest.fail("loaded again"))
    assert checker.check(photograph(3)).verdict == "copy"
    assert all(isinstance(each, Prepared) for each in checker.references.kept._pictures.values())


def test_an_index_of_another_descriptor_is_refused(catalogue: Path, tmp_path: Path) -> None:
    build(str(catalogue / "images"), tmp_path / "index", "pixels:8", 0)
    with pytest.raises(UserError, match="by pixels:8, and copies are looked for by photo"):
        Checker(tmp_path / "index")


def run(catalogue: Path, *arguments: str, stdin: str = "") -> tuple[int, str]:
    result = CliRunner().invoke(command, [*arguments, "--index", str(catalogue / "index")], input=stdin)
    return result.exit_code, result.output


def test_the_command_exits_with_one_for_a_copy_and_shows_it(catalogue: Path, tmp_path: Path) -> None:
    photograph(2).save(tmp_path / "made.jpg", quality=70)
    code, output = run(catalogue, str(tmp_path / "made.jpg"), "--evidence", str(tmp_path / "evidence"))
    assert code == 1
    assert output.startswith(f"{tmp_path / 'made.jpg'}: copy of 02.png (")
    shown = Image.open(tmp_path / "evidence" / "made-1.png")
    assert shown.height == 256 and shown.width > 700


def test_a_folder_and_paths_from_standard_input(catalogue: Path, tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    photograph(300).save(tmp_path / "made" / "new.png")
    (tmp_path / "made" / "broken.png").write_bytes(b"\x89PNG nothing")
    code, output = run(catalogue, str(tmp_path / "made"), "--json")
    facts = {row["image"]: row for row in map(json.loads, output.splitlines())}
    assert code == 2
    assert facts["new.png"]["verdict"] == "no copy" and facts["broken.png"]["verdict"] is None
    code, output = run(catalogue, "-", stdin=f"{tmp_path / 'made' / 'new.png'}\n{catalogue / 'images' / '01.png'}\n")
    assert code == 1
    assert [line.split(": ")[1].split(" of ")[0] for line in output.splitlines()] == ["no copy", "copy"]


def test_an_image_that_is_not_there_is_named(catalogue: Path) -> None:
    code, _ = run(catalogue, "nowhere.png")
    assert code != 0
    with pytest.raises(UserError, match=r"there is no image 'nowhere.png'"):
        CliRunner().invoke(command, ["nowhere.png", "--index", str(catalogue / "index")], catch_exceptions=False)


def test_what_many_references_share_is_no_evidence(tmp_path: Path) -> None:
    logo = photograph(900, 48)
    (tmp_path / "images").mkdir()
    for number in range(20):
        image = photograph(500 + number)
        if number < 15:
            image.paste(logo, (40, 40))
        image.save(tmp_path / "images" / f"{number:02d}.png")
    build(str(tmp_path / "images"), tmp_path / "index", "photo", 0)
    checker = Checker(tmp_path / "index")
    new = photograph(999)
    new.paste(logo, (40, 40))
    assert checker.check(new).verdict == "no copy"
    # What is a reference's own still counts.
    new.paste(photograph(503).crop((0, 0, 96, 40)), (0, 0))
    assert [match.id for match in checker.check(new).matches] == ["03.png"]
