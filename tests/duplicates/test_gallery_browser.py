"""The page of duplicates in a real browser: on a desk, on a phone, light and dark."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from copyrisk.duplicates.page import Shown, render

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if BROWSER is None:
        reason = "neither chromium nor google-chrome is installed"
        if os.environ.get("COPYRISK_REQUIRE_BROWSER") == "1":
            pytest.fail(f"COPYRISK_REQUIRE_BROWSER=1, but {reason}")
        pytest.skip(f"{reason}; set COPYRISK_REQUIRE_BROWSER=1 to make this a failure")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox", "--disable-gpu"])
        yield chromium
        chromium.close()


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
    browser: Any, page: Path, viewport: dict[str, int], scheme: str
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    context = browser.new_context(viewport=viewport, color_scheme=scheme)
    tab = context.new_page()
    requests: list[str] = []
    complaints: list[str] = []
    tab.on("request", lambda request: requests.append(request.url))
    tab.on("console", lambda message: complaints.append(message.text))
    tab.goto(page.as_uri())
    assert tab.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    pictures = "[...document.images].every(image => image.complete && image.naturalWidth > 0)"
    assert tab.evaluate(pictures) and tab.evaluate("document.images.length") == 10
    assert tab.locator("bdi", has_text="<centre>").count() >= 1
    found = Axe().run(tab)
    context.close()
    assert [each["id"] for each in found.response["violations"]] == []
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []
    assert complaints == []
