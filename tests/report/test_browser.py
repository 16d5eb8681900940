"""The page in a real browser: what a reader does with it, by mouse, by keyboard, on a phone and on paper."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from copyrisk.report.page import render

DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture
def open_page(open_file, tmp_path, facts, pictures) -> Callable[..., Any]:
    """Open the report as a reader does, from disk."""

    def open_(viewport: dict[str, int] = DESK, **context: Any) -> Any:
        file = tmp_path / "report.html"
        file.write_text(render(facts, pictures), encoding="utf-8")
        return open_file(file, viewport, ("file:", "data:", "blob:"), **context)

    return open_


def show_everything(page: Any) -> None:
    page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    for button in ("#all-pairs", "#all-prompts"):
        page.click(button)


def column(page: Any, index: int) -> list[str]:
    return page.locator(f"#prompt-table tbody td:nth-child({index})").all_inner_texts()


def visible_points(page: Any) -> Any:
    return page.locator(".point").locator("visible=true")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
def test_accessible(open_page, scheme, viewport):
    from axe_playwright_python.sync_playwright import Axe

    page = open_page(viewport, color_scheme=scheme)
    show_everything(page)
    visible_points(page).first.focus()
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    page.locator(".picture button").first.click()
    found = Axe().run(page, context="#large")
    assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_the_page_never_scrolls_sideways(open_page, facts, width):
    facts["pairs"][0]["reference"] = facts["prompts"][0]["nearest_reference"] = "deep/folder/" + "x" * 300
    facts["pairs"][1]["prompt"] = facts["prompts"][1]["prompt"] = "w" * 400
    facts["model"]["specifier"] = facts["options"]["model"] = "diffusers:" + "y" * 200
    facts["strata"] = [
        facts["strata"][0] | {"stratum": f"group number {i}", "multiplicity_low": None} for i in range(40)
    ]
    page = open_page({"width": width, "height": 844})
    show_everything(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_hostile_text_does_nothing(open_page, facts):
    attack = "document.title='owned'"
    attack = f"</script><script>{attack}</script><img src='https://example.com/x' onerror=\"{attack}\">"
    facts["pairs"][0]["prompt"] = facts["prompts"][0]["prompt"] = facts["strata"][0]["stratum"] = attack
    facts["pairs"][0]["reference"] = facts["command"] = facts["notes"][0] = facts["unreadable"][0]["reason"] = attack
    page = open_page()
    visible_points(page).first.focus()
    page.locator(".picture button").first.click()
    assert page.title().startswith("Copy-risk audit")
    assert page.locator("#pairs bdi", has_text="owned").first.is_visible()


def test_sorting(open_page):
    page = open_page()
    header = page.locator("#prompt-table th", has_text="Copies")
    header.locator("button").click()
    copies = [int(text) for text in column(page, 6)]
    assert copies == sorted(copies, reverse=True)
    assert copies[0] > 0, "the largest of all 120 prompts comes first, not of the 50 that were shown"
    assert header.get_attribute("aria-sort") == "descending"
    header.locator("button").press("Enter")
    assert header.get_attribute("aria-sort") == "ascending"
    assert column(page, 6)[0] == "0"
    page.locator("#prompt-table th", has_text="Group").locator("button").click()
    assert header.get_attribute("aria-sort") == "none"
    page.click("#all-prompts")
    groups = list(dict.fromkeys(column(page, 3)))
    assert groups == ["1", "2", "3–4", "5–8", "9–16", "controls"], "numbers in names sort as numbers"


def test_what_is_missing_sorts_last_and_nothing_seen_sorts_below_any_rate(open_page):
    page = open_page()
    page.click("#all-prompts")
    button = page.locator("#prompt-table th", has_text="Multiplicity").locator("button")
    for _ in range(2):
        button.click()
        missing = [text == "–" for text in column(page, 4)]
        assert sum(missing) == 20
        assert missing == sorted(missing)
    page.locator("#prompt-table th", has_text="Regurgitation rate").locator("button").click()
    rates = column(page, 7)
    seen = [not rate.startswith("at most") for rate in rates]
    assert seen == sorted(seen, reverse=True)


def test_filtering(open_page):
    page = open_page()
    assert page.inner_text("#found") == "120 prompts"
    assert len(column(page, 1)) == 50
    page.fill("#find", "DIGIT 7")
    assert page.inner_text("#found") == "12 of 120 prompts match"
    assert all("digit 7" in text for text in column(page, 1))
    page.select_option("#role", "control")
    assert set(column(page, 2)) == {"control"}
    page.fill("#find", "00011.png")
    assert len(column(page, 1)) == 1
    page.fill("#find", "no such prompt")
    assert column(page, 1) == []
    page.fill("#find", "")
    page.select_option("#role", "")
    page.click("#all-prompts")
    assert len(column(page, 1)) == 120


@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
def test_the_chart_speaks_on_keyboard_focus_and_on_hover(open_page, viewport):
    page = open_page(viewport)
    tip = page.locator(".tip")
    assert tip.is_hidden()
    page.locator("nav a", has_text="Chart").focus()
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.classList.contains('point')"):
            break
    assert "Extraction rate, multiplicity 1: at most" in tip.inner_text()
    page.keyboard.press("Tab")
    words = tip.inner_text().replace("\u00a0", " ")
    assert "Extraction rate, multiplicity 2: 12.0 %" in words
    assert "95 % interval: 0 % to 24.8 %" in words
    assert "3 of 25 pictures" in words
    box, screen = tip.bounding_box(), viewport["width"]
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= screen
    page.keyboard.press("Escape")
    assert tip.is_hidden()
    visible_points(page).last.hover()
    assert "Regurgitation rate, multiplicity 9–16" in tip.inner_text()
    page.mouse.move(0, 0)
    tip.wait_for(state="hidden")


def test_the_gallery_shows_twelve_then_all(open_page):
    page = open_page()
    pairs = page.locator(".pair").locator("visible=true")
    assert pairs.count() == 12
    page.click("text=Show all 30")
    assert pairs.count() == 30
    assert page.evaluate("document.activeElement.getAttribute('aria-labelledby')") == "pair-13"


def test_a_picture_is_enlarged_and_put_away_by_keyboard(open_page):
    page = open_page()
    button = page.locator(".picture button").first
    dialog = page.locator("#large")
    button.focus()
    page.keyboard.press("Enter")
    assert dialog.is_visible()
    assert dialog.locator("img").get_attribute("alt") == "Generation of pair 1"
    assert dialog.locator("img").get_attribute("src") == button.locator("img").get_attribute("src")
    page.keyboard.press("ArrowRight")
    assert dialog.locator("img").get_attribute("alt") == "Reference of pair 1"
    assert dialog.locator("[aria-pressed=true]").inner_text() == "Reference"
    page.keyboard.press("Escape")
    assert dialog.is_hidden()
    assert button.evaluate("element => element === document.activeElement")
    button.click()
    dialog.locator("text=Close").click()
    assert dialog.is_hidden()


def test_the_facts_can_be_saved_and_the_command_copied(open_page, facts):
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    with page.expect_download() as download:
        page.click("#save")
    assert json.loads(download.value.path().read_text()) == facts
    page.click("#copy")
    page.locator("#copied", has_text="Copied.").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == facts["command"]


def test_without_javascript_nothing_is_missing(open_page):
    page = open_page(java_script_enabled=False)
    assert page.locator(".pair").locator("visible=true").count() == 30
    assert page.locator("#prompt-table tbody tr").locator("visible=true").count() == 120
    for useless in ("#all-pairs", "#all-prompts", "#find", "#copy", "#save"):
        assert page.locator(useless).is_hidden()


def test_on_paper(open_page, facts):
    facts["pairs"][0]["prompt"] = "a long prompt " * 40
    page = open_page(PHONE, color_scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    tables = page.locator("#chart table")
    assert [tables.nth(number).is_visible() for number in range(tables.count())] == [True, True], (
        "what was folded is open"
    )
    assert page.locator(".long").first.inner_text().strip() == facts["pairs"][0]["prompt"].strip()
    assert page.locator(".drawing.wide").is_visible()
    assert page.locator("#find").is_hidden()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.pdf(format="A4").startswith(b"%PDF")
