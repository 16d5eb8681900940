from pathlib import Path

import pytest
from PIL import Image

from copyrisk.errors import UserError
from copyrisk.generators import open_generator
from copyrisk.options import Options


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), "red").save(path)


def listing(folder: Path) -> list[tuple[str, int]]:
    found = open_generator(Options(model=f"folder:{folder}")).listing
    assert found is not None
    return found


def test_prompt_and_seed_come_from_metadata(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    picture(tmp_path / "b.png")
    (tmp_path / "metadata.csv").write_text("file_name,prompt,seed\na.png,a red fox,7\nb.png,a red fox,9\n")
    assert listing(tmp_path) == [("a red fox", 7), ("a red fox", 9)]


def test_a_side_car_text_is_the_prompt(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "a.txt").write_text("a red fox\n")
    assert listing(tmp_path) == [("a red fox", 0)]


def test_a_sub_folder_is_a_prompt(tmp_path: Path) -> None:
    picture(tmp_path / "a red fox" / "1.png")
    picture(tmp_path / "a red fox" / "2.png")
    picture(tmp_path / "0001" / "1.png")
    (tmp_path / "0001" / "prompt.txt").write_text("a blue hat")
    assert listing(tmp_path) == [("a blue hat", 0), ("a red fox", 0), ("a red fox", 1)]


def test_pictures_without_any_prompt_are_unconditional(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    generator = open_generator(Options(model=f"folder:{tmp_path}"))
    assert not generator.conditional


def test_a_seed_that_occurs_twice_is_counted_on(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    picture(tmp_path / "b.png")
    (tmp_path / "metadata.csv").write_text("file_name,prompt,seed\na.png,fox,0\nb.png,fox,0\n")
    assert listing(tmp_path) == [("fox", 0), ("fox", 1)]


def test_generate_gives_the_paths(tmp_path: Path) -> None:
    picture(tmp_path / "fox" / "1.png")
    assert open_generator(Options(model=f"folder:{tmp_path}")).generate(["fox"], [0]) == [tmp_path / "fox" / "1.png"]


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no image found"):
        open_generator(Options(model=f"folder:{tmp_path}"))


@pytest.mark.parametrize("option", ["steps", "guidance_scale", "height", "width"])
def test_settings_of_pipelines_are_refused(tmp_path: Path, option: str) -> None:
    picture(tmp_path / "a.png")
    with pytest.raises(UserError, match=f"^--{option.replace('_', '-')} is a setting of diffusers .* Leave it out"):
        open_generator(Options(model=f"folder:{tmp_path}", **{option: 8}))  # type: ignore[arg-type]
