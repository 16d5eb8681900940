"""The page of an estimate: as text, and in a real browser."""

import json
import math
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest

from copyrisk.risk import estimate, tornado
from copyrisk.risk.page import render, sliders
from copyrisk.risk.terminal import show
from copyrisk.risk.words import chance, duration, number, one_in, percent

DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture
def open_page(open_file, tmp_path) -> Callable[..., Any]:
    """Open the page of facts from disk."""

    def open_(facts: dict[str, Any], viewport: dict[str, int] = DESK, **context: Any) -> Any:
        file = tmp_path / "estimate.html"
        file.write_text(render(facts), encoding="utf-8")
        return open_file(file, viewport, ("file:", "data:", "blob:"), **context)

    return open_


@pytest.fixture(scope="module")
def corrected() -> dict[str, Any]:
    return estimate("corrected").facts


def outcomes(page: Any) -> dict[str, str]:
    places = "[...document.querySelectorAll('[data-outcome]')]"
    found: dict[str, str] = page.evaluate(f"Object.fromEntries({places}.map(e => [e.dataset.outcome, e.innerText]))")
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
def test_accessible(open_page, corrected, scheme, viewport):
    from axe_playwright_python.sync_playwright import Axe

    page = open_page(corrected, viewport, color_scheme=scheme)
    page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


def test_accessible_without_uncertainty(open_page):
    from axe_playwright_python.sync_playwright import Axe

    page = open_page(estimate("published").facts)
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert page.locator("#drivers svg").count() == 0
    assert page.locator(".claim.wrong").count() == 3


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_the_page_never_scrolls_sideways(open_page, corrected, width):
    facts = json.loads(json.dumps(corrected))
    facts["factors"][0]["title"] = facts["factors"][0]["source"] = facts["title"] = "w" * 300
    facts["drivers"]["inputs"][0]["title"] = facts["claims"][0]["text"] = "w" * 300
    page = open_page(facts, {"width": width, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def point(facts: dict[str, Any], **moved: float) -> dict[str, str]:
    """What the sliders must say, in the words of Python."""
    p = 1.0
    for each in facts["factors"]:
        p *= moved.get(each["name"], each["median"])
    pace = moved.get("pace", facts["campaign"]["pace"]["median"])
    images = pace * facts["campaign"]["duration"]
    return {
        "one_in": one_in(1 / p),
        "probability": percent(p),
        "expected": number(images * p),
        "at_least_one": chance(-math.expm1(images * math.log1p(-p))),
        "to_first": duration(1 / p / pace),
        "to_even": duration(math.log(0.5) / math.log1p(-p) / pace),
    }


@pytest.mark.parametrize("name", ["corrected", "published"])
def test_the_sliders_begin_at_the_medians_and_recompute_in_the_words_of_python(open_page, name):
    facts = estimate(name).facts
    page = open_page(facts)
    assert outcomes(page) == point(facts)
    specification = {each["name"]: (index, each) for index, each in enumerate(sliders(facts), 1)}
    moved: dict[str, float] = {}
    for slider in ("copyrighted", "pace", "famous_subject"):
        index, spec = specification[slider]
        page.locator(f"#slider-{index}").fill("0")
        moved[slider] = spec["low"]
        assert outcomes(page) == point(facts, **moved)
        page.locator(f"#slider-{index}").fill("1000")
        moved[slider] = spec["high"]
        assert outcomes(page) == point(facts, **moved)
    page.click("#reset")
    assert outcomes(page) == point(facts)


def test_few_images_of_a_likely_copy(open_page, scenario):
    page = open_page(estimate(scenario("[campaign]\nimages = 2\npace = '1 per hour'\n", a="value = 0.3")).facts)
    assert outcomes(page)["at_least_one"] == percent(1 - 0.7**2)
    assert outcomes(page)["to_even"] == duration(math.log(0.5) / math.log(0.7) * 3600)


UNUSUAL = {
    "no campaign": ("", {"a": "value = 0.3"}),
    "zero": ("[campaign]\nimages = 5\npace = '1 per hour'\n", {"a": "value = 0", "b": "beta = [1, 2]"}),
    "certain": ("[campaign]\nimages = 5\n", {"a": "value = 1"}),
    "a count": ("", {"a": "value = 0.01", "b": "low = 1\nhigh = 9\ndistribution = 'uniform'\nunit = 'count'"}),
    "uncertain images": ("[campaign.images]\nmedian = 100\nfactor = 3\n", {"a": "counts = '0 of 50'"}),
    "uncertain pace": (
        "[campaign]\nfor = '1 day'\n[campaign.pace]\nmedian = 9\nfactor = 3\nunit = 'images per hour'\n",
        {"a": "counts = '0 of 50'"},
    ),
    "pace alone": ("[campaign]\npace = '3 per hour'\n", {"a": "beta = [1, 9]"}),
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_unusual_scenarios_have_a_page_and_a_text_too(open_page, scenario, name):
    further, factors = UNUSUAL[name]
    found = estimate(scenario(further, **factors))
    page = open_page(found.facts)
    pace = found.pace.median if found.pace else None
    assert page.locator("[data-outcome=to_first]").count() == (pace is not None)
    assert page.locator("#drivers svg").count() == 2 * (bool(found.drivers) and name != "zero")
    for text in (page.inner_text("body"), show(found.facts)):
        assert not {"NaN", "nan", "undefined", "None", "inf"} & set(text.replace("\u00a0", " ").split())


def test_a_slider_is_moved_by_keyboard_and_speaks(open_page, corrected):
    page = open_page(corrected)
    slider = page.locator("#slider-2")
    before = slider.get_attribute("aria-valuetext")
    slider.focus()
    page.keyboard.press("End")
    assert slider.get_attribute("aria-valuetext") == page.locator("output").nth(1).inner_text() != before
    assert "copies to expect" in page.inner_text("#told")
    assert page.get_by_label("… and writes its caption exactly").count() == 1


def test_the_words_of_the_page_are_those_of_python(open_page, corrected):
    page = open_page(corrected)
    for write, script, values in (
        (number, "number", [0, 3e-7, 0.00947, 0.5, 99.96, 999.6, 106.4, 136719, 999700, 3.3e12, 5e17]),
        (percent, "percent", [0, 3e-13, 7.3e-6, 0.00123, 0.5, 0.99951, 0.99999, 1]),
        (chance, "chance", [0.1, 0.99995, 1]),
        (duration, "duration", [0.01, 1, 90, 7200, 3e5, 2.6e6, 3.3e9, 1e18]),
        (one_in, "oneIn", [1, 1.6, 301e6]),
    ):
        assert page.evaluate(f"values => values.map({script})", values) == [write(value) for value in values]


def test_without_javascript_only_the_sliders_are_missing(open_page, corrected):
    page = open_page(corrected, java_script_enabled=False)
    assert page.locator("#try").is_hidden()
    assert page.locator("#save").is_hidden()
    assert page.locator("#drivers svg").locator("visible=true").count() == 1
    assert page.locator("#corrections tbody tr").count() == len(corrected["corrections"])


def test_hostile_text_does_nothing(open_page, corrected):
    attack = "document.title='owned'"
    attack = f"</script><script>{attack}</script><img src='https://example.com/x' onerror=\"{attack}\">"
    facts = json.loads(json.dumps(corrected))
    facts["factors"][0] |= {"title": attack, "source": attack, "words": attack}
    facts["title"] = facts["notes"][0] = facts["claims"][0]["text"] = facts["corrections"][0]["reason"] = attack
    facts["drivers"]["inputs"][0]["title"] = facts["campaign"]["source"] = attack
    page = open_page(facts)
    assert page.title().startswith("Copy-risk estimate")
    assert page.locator("#factors bdi", has_text="owned").first.is_visible()


def test_the_estimate_can_be_saved(open_page, corrected):
    page = open_page(corrected)
    with page.expect_download() as download:
        page.click("#save")
    assert json.loads(download.value.path().read_text()) == corrected


def test_on_paper(open_page, corrected):
    page = open_page(corrected, PHONE, color_scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("#drivers table").is_visible(), "what was folded is open"
    assert page.locator("#try").is_hidden()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.pdf(format="A4").startswith(b"%PDF")


class Outline(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = dict(attributes)
        if found.get("id"):
            self.ids.append(str(found["id"]))
        self.links += [str(found[name]) for name in ("href", "src") if found.get(name)]


@pytest.mark.parametrize("name", ["published", "corrected", "template"])
def test_every_link_leads_somewhere_on_the_page(name):
    outline = Outline()
    outline.feed(render(estimate(name).facts))
    assert len(outline.ids) == len(set(outline.ids))
    assert all(link.removeprefix("#") in outline.ids for link in outline.links)


def test_the_tornado_lies_on_its_axis(corrected):
    chart = tornado.layout(corrected, "wide", 900)
    assert chart is not None
    assert [bar.share for bar in chart.bars] == ["49 %", "31 %", "16 %", "2 %", "2 %", "0 %"]
    for bar in chart.bars:
        assert chart.left <= bar.left <= chart.middle <= bar.right <= chart.right
    assert [x for x, _ in chart.ticks] == sorted(x for x, _ in chart.ticks)
    assert any(text == "1 in 1 billion" for _, text in chart.ticks)


def test_a_result_of_zero_lies_at_the_edge_of_the_tornado(scenario):
    facts = estimate(scenario(a="low = 0\nhigh = 0.5\ndistribution = 'uniform'", b="beta = [2, 5]")).facts
    facts["drivers"]["inputs"][0]["low"] = 0.0
    chart = tornado.layout(facts, "wide", 900)
    assert chart is not None
    assert min(bar.left for bar in chart.bars) == chart.left


def test_sliders_stay_within_what_is_possible():
    for each in sliders(estimate("published").facts):
        assert each["low"] <= each["value"] <= each["high"]
        if each["unit"] == "share":
            assert each["high"] <= 1
    copyrighted = next(each for each in sliders(estimate("published").facts) if each["name"] == "copyrighted")
    assert (copyrighted["low"], copyrighted["high"]) == (0.005, 1)
    names = [each["name"] for each in sliders(estimate("template").facts)]
    assert names[-2:] == ["images", "pace"]
