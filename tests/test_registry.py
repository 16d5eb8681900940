from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from copyrisk import registry
from copyrisk.collections.folder import open_folder
from copyrisk.errors import UserError


@pytest.mark.parametrize(
    ("specifier", "parts"),
    [
        ("pixels", ("pixels", "")),
        ("pixels:16", ("pixels", "16")),
        ("python:module:function", ("python", "module:function")),
        ("folder:/a:b", ("folder", "/a:b")),
        ("", ("", "")),
    ],
)
def test_a_specifier_is_split_at_its_first_colon(specifier: str, parts: tuple[str, str]) -> None:
    assert registry.split(specifier) == parts


@pytest.mark.parametrize(
    ("kind", "known"),
    [
        ("readers", {"folder", "parquet"}),
        ("descriptors", {"pixels"}),
        ("generators", {"diffusers", "folder", "python"}),
        ("tests", {"ratio", "tile"}),
    ],
)
def test_what_comes_with_the_package_is_known_and_can_be_loaded(kind: str, known: set[str]) -> None:
    names = registry.names(kind)
    assert names == sorted(names)
    assert known <= set(names)
    for name in known:
        assert callable(registry.load(kind, name))


def test_the_same_name_may_mean_something_else_in_another_kind() -> None:
    assert registry.load("readers", "folder") is open_folder
    assert registry.load("generators", "folder") is not open_folder


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        ("tests", "tiles", r"^--test: there is no test 'tiles'\. Did you mean 'tile'\? Known: ratio, .*, verdict\.$"),
        (
            "descriptors",
            "hash",
            r"^--descriptor: there is no descriptor 'hash'\. .*Known: onnx, pdq, photo, .*, sscd, .*transformers\.$",
        ),
        ("generators", "difusers", r"^--model: there is no generator 'difusers'\. Did you mean 'diffusers'\?"),
        ("readers", "", r"^--references: there is no reader ''\. Known: arrow, folder, hub, parquet, webdataset\.$"),
    ],
)
def test_an_unknown_name_names_the_option_the_nearest_and_all(kind: str, name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        registry.load(kind, name)


def test_a_path_in_place_of_a_generator_says_how_to_write_it(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=f"For a pipeline folder write diffusers:{tmp_path}, for a folder of images fol"
    ):
        registry.load("generators", str(tmp_path))


def test_another_package_can_add_a_component(monkeypatch: pytest.MonkeyPatch) -> None:
    def entry_points(group: str) -> Iterator[EntryPoint]:
        return iter([EntryPoint("joined", "posixpath:join", group)] if group == "copyrisk.readers" else [])

    monkeypatch.setattr(registry, "entry_points", entry_points)
    assert registry.names("readers") == ["joined"]
    assert registry.load("readers", "joined")("a", "b") == "a/b"
