"""The page of duplicates in a real browser: on a desk, on a phone, light and dark."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from copyrisk.duplicates.page import Shown, render

DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


def picture(seed: int, width: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (width, width, 3), dtype=np.uint8))


@pytest.fixture(params=["distance", "score"])
def page(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    facts = {
        **{"collection": "./a long name of a folder/" * 6, "against": None, "descriptor": "pixels:32"},
        **{
            "distance": 0.05,
            "recall": None,
            "likeness": 0.9,
            "images": 5000,
            "unreadable": 3,
            "against_unreadable": None,
        },
        **{
            "plain": 2,
            "score": None,
            "changes": {},
            "clusters": 2,
            "images_in_clusters": 900,
            "largest": 899,
            "copies": 898,
        },
        **{"keep": 1, "removed": 898},
        "pairs": {"exact": 1, "same pixels": 2, "near-duplicate": 3, "too little in it": 4},
    }
    if request.param == "score":
        facts |= {"descriptor": "photo", "likeness": None, "score": 0.5, "changes": {"mirrored": 2, "cropped": 1}}
    looks: dict[str, Any] = {"distance": 0.01, "score": 0.77, "changes": "mirrored+cropped"}
    members: list[tuple[dict[str, Any], Image.Image | None]] = [
        ({"id": f"a/very/long/path/without/any/space/{seed}.jpg", **looks}, picture(seed, 300)) for seed in range(8)
    ]
    cluster = {"cluster": "<centre>", "multiplicity": 899, "captions": ["word " * 80, "another"]}
    cohesion: dict[str, Any] = {"radius": 0.04, "widest": 0.06, "lowest_score": 0.4}
    if request.param == "score":
        cohesion["widest"] = None
    shown = [Shown(cluster | cohesion, picture(99, 32), members), Shown(cluster | cohesion, None, members[:1])]
    (tmp_path / "gallery.html").write_text(render(facts, shown), encoding="utf-8")
    return tmp_path / "gallery.html"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
def test_the_page_is_whole_accessible_and_asks_for_nothing(
    open_file: Callable[..., Any], look_over: Callable[..., None], page: Path, viewport: dict[str, int], scheme: str
) -> None:
    tab = open_file(page, viewport, color_scheme=scheme)
    look_over(tab, viewport, pictures=10)
    assert tab.locator("bdi", has_text="<centre>").count() >= 1
