"""The page of memorized prompts in a real browser: on a desk, on a phone, light and dark."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from copyrisk.matching.cliques.page import Shown, render, sentence, summary

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


def row(prompt: str, verdict: str, **given: Any) -> dict[str, Any]:
    found = {"prompt": prompt, "verdict": verdict, "images": 500, "compared": 490, "size": 1, "at_most": 1}
    return found | {"members": [], "mask": ["0110", "0110"], "share": 0.5, "detail_share": 0.75} | given


def facts(*rows: dict[str, Any]) -> dict[str, Any]:
    counts = {
        name: sum(each["verdict"] == name for each in rows) for name in ("memorized", "template", "not memorized")
    }
    limits = {"folder": "./generated/" * 9, "threshold": 0.15, "least": 10}
    return limits | {"images": 2000, "left_out": 30, "too_few": 1, "verdicts": counts, "prompts": list(rows)}


MEMORIZED = row("<a> " + "long prompt " * 40, "memorized", size=32, at_most=32, members=["x"] * 32)
TEMPLATE = row("poster", "template", size=3, at_most=5, members=["y"] * 40)
NEITHER = row("a-prompt-without-any-space-" * 6, "not memorized", size=8, at_most=8)


def test_what_was_found_is_said_in_sentences() -> None:
    assert summary(facts(MEMORIZED, TEMPLATE, NEITHER))[0] == (
        "Of 3 prompts, 1 is memorized, and 1 gives a template back."
    )
    assert summary(facts(NEITHER))[0] == (
        "The prompt is not found to be memorized: of 490 images, the largest set of near-identical ones has 8."
    )
    assert sentence(TEMPLATE) == (
        "40 of 490 images agree in 50% of the picture, 75% of what there is to see in it; the largest set of "
        "near-identical ones has 3 to 5."
    )
    assert sentence(MEMORIZED).startswith("32 of 490 images are near-identical, each to each.")


@pytest.fixture
def page(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(1).integers(0, 256, (12, 40, 60, 3), dtype=np.uint8)
    pictures = [(f"a/very/long/path/without/any/space/{number}.jpg", each) for number, each in enumerate(pixels)]
    shown = [Shown(MEMORIZED, pictures), Shown(TEMPLATE, [("gone.png", None), *pictures[:3]])]
    path = tmp_path / "cliques.html"
    path.write_text(render(facts(MEMORIZED, TEMPLATE, NEITHER), shown), encoding="utf-8")
    return path


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
    assert tab.evaluate(pictures) and tab.evaluate("document.images.length") == 13 + 3
    assert tab.locator("bdi", has_text="<a>").count() == 1
    found = Axe().run(tab)
    context.close()
    assert [each["id"] for each in found.response["violations"]] == []
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []
    assert complaints == []
