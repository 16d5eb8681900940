"""`copyrisk cliques`: a folder of prompts, what comes out, and going on where it stopped."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray
from PIL import Image

from copyrisk.commands.cliques import command
from copyrisk.errors import UserError
from copyrisk.matching.cliques import prompts
from copyrisk.matching.cliques.page import overlay
from copyrisk.matching.cliques.prompts import cliques
from copyrisk.options import CliquesOptions

SIDE = 64


def picture(seed: int) -> NDArray[np.uint8]:
    coarse = np.random.default_rng(seed).integers(0, 256, (SIDE // 2, SIDE // 2, 3), dtype=np.uint8)
    return coarse.repeat(2, axis=0).repeat(2, axis=1)


def save(folder: Path, pictures: list[NDArray[np.uint8]]) -> None:
    folder.mkdir(parents=True)
    for number, pixels in enumerate(pictures):
        Image.fromarray(pixels).save(folder / f"{number:03}.png")


def template(seed: int) -> NDArray[np.uint8]:
    pixels = picture(7)
    pixels[: SIDE // 2] = picture(seed)[: SIDE // 2]
    return pixels


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three prompts: memorized, template, and neither."""
    root = tmp_path / "generated"
    save(root / "a <b>lion</b>", [picture(number) for number in range(12)])
    save(root / "famous", [picture(1)] * 11 + [picture(500)])
    save(root / "poster", [template(number) for number in range(100, 112)])
    (root / "poster" / "prompt.txt").write_text("a poster of the sea")
    return root


def options(folder: Path, **given: Any) -> CliquesOptions:
    return CliquesOptions(out=folder.parent / "out", **given)


def test_each_prompt_gets_its_verdict_the_worst_first(folder: Path) -> None:
    found = cliques(folder, options(folder))
    rows = found.table.to_pylist()
    assert [(row["prompt"], row["verdict"], row["size"]) for row in rows] == [
        ("famous", "memorized", 11),
        ("a poster of the sea", "template", 1),
        ("a <b>lion</b>", "not memorized", 1),
    ]
    assert rows[0]["members"] == [f"famous/{number:03}.png" for number in range(11)]
    assert rows[0]["edges"] == 55
    assert len(rows[1]["members"]) == 12 and rows[1]["centre"] in rows[1]["members"]
    upper, lower = rows[1]["mask"][: SIDE // 8 - 1], rows[1]["mask"][SIDE // 8 + 1 :]
    assert set("".join(upper)) == {"0"} and set("".join(lower)) == {"1"}
    assert rows[1]["share"] == pytest.approx("".join(rows[1]["mask"]).count("1") / len("".join(rows[1]["mask"])))
    out = folder.parent / "out"
    assert pq.read_table(out / "cliques.parquet").equals(found.table)
    facts = json.loads((out / "cliques.json").read_text())
    assert facts == found.facts and facts["verdicts"] == {"memorized": 1, "template": 1, "not memorized": 1}
    page = found.page.read_text()
    assert "a &lt;b&gt;lion&lt;/b&gt;" in page and "<b>lion" not in page
    assert "http" not in page.replace("http-equiv", "")


def test_a_folder_of_images_is_one_prompt(folder: Path) -> None:
    found = cliques(folder / "famous", options(folder))
    assert found.table["prompt"].to_pylist() == ["famous"]
    assert found.table["verdict"].to_pylist() == ["memorized"]


def test_images_that_take_no_part_are_listed_with_the_reason(folder: Path) -> None:
    place = folder / "famous"
    (place / "x1.png").write_bytes(b"not an image")
    Image.fromarray(picture(3)[:, :40]).save(place / "x2.png")
    Image.new("RGB", (SIDE, SIDE), "white").save(place / "x3.png")
    Image.fromarray(picture(3)[:10]).save(place / "x4.png")
    Image.fromarray(picture(1)).resize((2 * SIDE, 2 * SIDE), Image.Resampling.NEAREST).save(place / "x5.png")
    row = cliques(folder, options(folder)).table.to_pylist()[0]
    reasons = {each["id"]: each["reason"] for each in row["left_out"]}
    assert reasons == {
        "famous/x1.png": "not an image in a known format",
        "famous/x2.png": "another shape: 40×64 pixels, most are 64×64",
        "famous/x3.png": "next to nothing in it",
        "famous/x4.png": "too small: 64×10 pixels, at least 16 each way are needed",
    }
    assert (row["images"], row["compared"], row["size"]) == (17, 13, 12)
    assert "famous/x5.png" in row["members"]


def test_prompts_that_are_done_are_not_done_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    find = prompts._find
    monkeypatch.setattr(prompts, "_find", lambda root, prompt, *rest: done.append(prompt) or find(root, prompt, *rest))
    first = cliques(folder, options(folder))
    assert len(done) == 3
    assert cliques(folder, options(folder)).table.equals(first.table) and len(done) == 3
    Image.fromarray(picture(1)).save(folder / "famous" / "more.png")
    assert cliques(folder, options(folder)).table["size"].to_pylist()[0] == 12
    assert done[3:] == ["famous"]
    cliques(folder, options(folder, threshold=0.1))
    assert len(done) == 7
    shutil.rmtree(folder / "poster")
    assert cliques(folder, options(folder, threshold=0.1)).table.num_rows == 2
    assert len(list((folder.parent / "out" / "prompts").iterdir())) == 2


def test_what_was_done_before_an_interruption_is_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find, done = prompts._find, []

    def interrupted(root: Path, prompt: str, *rest: Any) -> dict[str, Any]:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(prompt)
        return find(root, prompt, *rest)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(prompts, "_find", interrupted)
        cliques(folder, options(folder))
    kept = sorted((folder.parent / "out" / "prompts").iterdir())
    assert len(kept) == 2
    kept[0].write_text('{"made": "half')
    redone: list[str] = []
    monkeypatch.setattr(
        prompts, "_find", lambda root, prompt, *rest: redone.append(prompt) or find(root, prompt, *rest)
    )
    assert cliques(folder, options(folder)).table.num_rows == 3
    assert len(redone) == 2


def test_pixels_that_do_not_fit_into_memory_lie_in_a_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = cliques(folder, options(folder)).table
    monkeypatch.setattr(prompts, "IN_MEMORY", 5 * SIDE * SIDE * 3)
    shutil.rmtree(folder.parent / "out")
    assert cliques(folder, options(folder)).table.equals(expected)


def test_the_command_says_what_it_found_and_where(folder: Path) -> None:
    out = folder.parent / "out"
    said = CliRunner().invoke(command, [str(folder), "--out", str(out)], catch_exceptions=False)
    assert said.exit_code == 0
    assert said.stdout.startswith("Of 3 prompts, 1 is memorized, and 1 gives a template back.")
    assert "  memorized: 'famous': 11 of 12, agreeing in" in said.stdout
    assert f"Page: {out / 'cliques.html'}" in said.stdout
    as_json = CliRunner().invoke(command, [str(folder), "--out", str(out), "--json"], catch_exceptions=False)
    assert json.loads(as_json.stdout)["verdicts"]["memorized"] == 1
    few = CliRunner().invoke(command, [str(folder), "--out", str(out), "--least", "13"], catch_exceptions=False)
    assert "3 prompts have fewer than 13 images to compare" in few.stdout


def test_bad_input_is_said_in_one_sentence(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no folder"):
        cliques(tmp_path / "nowhere", options(folder))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no image found"):
        cliques(tmp_path / "empty", options(folder))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("mine")
    with pytest.raises(UserError, match="holds no earlier result"):
        cliques(folder, CliquesOptions(out=tmp_path / "full"))
    with pytest.raises(UserError, match="--least is 1"):
        CliquesOptions(least=1)


def test_the_overlay_keeps_what_agrees_and_pales_the_rest() -> None:
    pixels = np.full((64, 64, 3), 40, np.uint8)
    mask = np.zeros((8, 8), bool)
    mask[:, :4] = True
    shown = overlay(pixels, mask)
    assert (shown[8:-8, 8:24] == 40).all()
    assert (shown[:, 40:] > 150).all()
    assert (shown[32, 31] == (255, 0, 160)).all()
