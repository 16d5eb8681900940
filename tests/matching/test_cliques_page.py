"""The page of memorized prompts in a real browser: on a desk, on a phone, light and dark."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from copyrisk.matching.cliques.page import Shown, render, sentence, summary

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


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
def test_the_page_is_whole_accessible_and_asks_for_nothing(
    open_file: Callable[..., Any], look_over: Callable[..., None], page: Path, viewport: dict[str, int], scheme: str
) -> None:
    tab = open_file(page, viewport, color_scheme=scheme)
    look_over(tab, viewport, pictures=13 + 3)
    assert tab.locator("bdi", has_text="<a>").count() == 1
