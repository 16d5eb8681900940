"""What the page says, read from its HTML."""

import base64
import io
import json
import re
from html import unescape
from typing import Any

import numpy as np
import pytest
from PIL import Image

from copyrisk.report.page import render
from copyrisk.report.pictures import DIFFERENCE_GAIN, Pair, difference, show

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)> \"' &amp; \u202e {{ 7 * 7 }}"


def text_of(html: str) -> str:
    """The words of the page without its tags, as a reader sees them."""
    body = re.sub(r"<(script|style)\b.*?</\1>", "", html[html.index("<body>") :], flags=re.DOTALL)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", body)))


def facts_in(html: str) -> dict[str, Any]:
    embedded = re.search(r'<script type="application/json" id="facts">(.*?)</script>', html, flags=re.DOTALL)
    assert embedded
    facts: dict[str, Any] = json.loads(embedded[1])
    return facts


def test_the_answer_stands_with_intervals_counts_and_threshold(facts, pictures):
    text = text_of(render(facts, pictures)).partition("How often pictures come back")[0]
    assert facts["answer"]["sentence"] in text
    assert "More copies than in the control group" in text
    assert "21.3 %" in text
    assert "341 of 1,600 generations, from 100 prompts" in text
    assert "38 of 100 pictures" in text
    assert text.count("Counted as a copy: statistic at most 1") == 3
    assert "24 November 2026, 18:00 UTC" in text


def test_a_weighted_rate_says_so(facts, pictures):
    assert "38 of 100 pictures, weighted" not in text_of(render(facts, pictures))
    facts["answer"]["extraction"]["estimate"] = 0.21
    assert "21.0 % 95 % interval: 28.4 % to 47.6 % 38 of 100 pictures, weighted" in text_of(render(facts, pictures))


def test_zero_copies_are_an_upper_bound_never_zero(facts, pictures):
    facts["answer"]["verdict"] = "none"
    facts["answer"]["regurgitation"] |= {"estimate": 0.0, "low": 0.0, "high": 0.00612, "successes": 0}
    text = text_of(render(facts, pictures))
    assert "No copy seen" in text
    assert "Regurgitation rate at most 0.62 % 95 % interval: 0 % to 0.62 % 0 of 1,600 generations" in text


def test_without_controls_the_page_says_why_that_matters(facts, pictures):
    facts["answer"] |= {"verdict": "unproven", "controls": None}
    html = render(facts, pictures)
    assert "No control group was given." in text_of(html)
    assert "not yet evidence" in text_of(html)
    assert "Copies seen, but no control group to compare with" in text_of(html)
    assert 'class="band' not in html, "the chart must not draw a false-positive rate that nobody measured"


def test_no_trials_are_not_measured(facts, pictures):
    facts["answer"]["extraction"] |= {"estimate": 0.0, "low": 0.0, "high": 1.0, "successes": 0, "trials": 0, "units": 0}
    assert "Extraction rate not measured no interval no pictures to count" in text_of(render(facts, pictures))


def test_extraction_may_be_counted_in_prompts(facts, pictures):
    facts["answer"]["extraction"]["unit"] = "prompts"
    text = text_of(render(facts, pictures))
    assert "38 of 100 prompts" in text
    assert "The share of prompts that brought back a reference picture" in text


@pytest.mark.parametrize("place", ["prompt", "reference", "reason", "note", "sentence", "model", "option", "stratum"])
def test_text_from_outside_is_escaped(facts, pictures, place):
    match place:
        case "prompt":
            facts["pairs"][0]["prompt"] = facts["prompts"][0]["prompt"] = HOSTILE
        case "reference":
            facts["pairs"][0]["reference"] = facts["prompts"][0]["nearest_reference"] = HOSTILE
        case "reason":
            facts["unreadable"][0] = {"source": HOSTILE, "reason": HOSTILE}
        case "note":
            facts["notes"] = [HOSTILE]
        case "sentence":
            facts["answer"]["sentence"] = HOSTILE
        case "model":
            facts["model"]["specifier"] = facts["command"] = HOSTILE
        case "option":
            facts["options"] = {HOSTILE: HOSTILE}
            facts["versions"] = {HOSTILE: HOSTILE}
        case "stratum":
            facts["strata"][0]["stratum"] = HOSTILE
    html = render(facts, pictures)
    assert "<img src=x" not in html
    assert "alert(1)</script>" not in html
    assert html.count("</script>") == 2, "one for the facts, one for the page's own script"
    assert "{{ 7 * 7 }}" in unescape(html), "no text is taken for a template"
    assert facts_in(html) == json.loads(json.dumps(facts)), "the facts come through unchanged"


def test_bytes_that_are_no_text_do_not_stop_the_page(facts, pictures):
    facts["pairs"][0]["reference"] = b"caf\xe9.png".decode(errors="surrogateescape")
    assert "caf?.png" in render(facts, pictures).encode().decode()


def test_numbers_that_json_cannot_hold_become_null(facts, pictures):
    facts["pairs"][0]["statistic"] = float("nan")
    facts["pairs"][1]["distance"] = float("inf")
    embedded = facts_in(render(facts, pictures))
    assert embedded["pairs"][0]["statistic"] is None
    assert embedded["pairs"][1]["distance"] is None


def test_pictures_that_are_gone_leave_a_placeholder(facts, pictures):
    pictures[0] = Pair(None, pictures[0].reference)
    pictures[1] = Pair(pictures[1].generation, None)
    html = render(facts, pictures)
    text = text_of(html)
    assert "The generated picture can no longer be read." in text
    assert "The reference image can no longer be read." in text
    assert text.count("No difference picture: one of the two cannot be read.") == 2
    assert html.count("<img src=") == 3 * len(pictures) - 4


def test_a_page_without_pairs_strata_or_prompts(facts):
    facts |= {"pairs": [], "strata": [], "prompts": [], "unreadable": [], "notes": []}
    del facts["truth"]
    text = text_of(render(facts, []))
    assert "There are no picture pairs: no generation was compared with a reference image." in text
    assert "There is no chart: no group of prompts was measured." in text
    assert "There are no prompts to list." in text
    assert "Unreadable images could" not in text
    assert "Before you rely on this" not in text


def test_pictures_and_pairs_must_match(facts, pictures):
    with pytest.raises(ValueError, match="30 pairs in the facts, but 29"):
        render(facts, pictures[1:])


def test_a_statistic_near_the_threshold_keeps_its_digits(facts, pictures):
    facts["pairs"][0] |= {"statistic": 1.00002, "verdict": "no copy"}
    assert "1.00002 (threshold 1)" in text_of(render(facts, pictures))


def test_planted_truth_is_shown_only_where_it_is_known(facts, pictures):
    assert "Check against planted copies" in text_of(render(facts, pictures))
    del facts["truth"]
    assert "planted" not in text_of(render(facts, pictures))


def between(text: str, start: str, end: str) -> str:
    return text.partition(start)[2].partition(end)[0]


def test_the_answer_is_put_into_numbers_of_images(facts, pictures):
    text = between(text_of(render(facts, pictures)), "The answer", "How often pictures come back")
    use = text.partition("What it means for use")[2]
    assert "One copy is as likely as none after 3 images (3 to 4)." in use
    assert "10 90.9 % 82.9 % to 95.7 %" in use
    assert "100 99.9 % 99.9 % to 100 %" in use, "rounding alone makes nothing certain"
    assert "1,000 99.9 %" not in use, "the table ends where nothing more is to be said"
    assert "of the 16 made from each" in use
    assert "2 30.1 % 22.0 % to 39.0 %" in use


def test_zero_copies_give_the_fewest_images(facts, pictures):
    facts["answer"]["verdict"] = "none"
    facts["answer"]["regurgitation"] |= {"estimate": 0.0, "low": 0.0, "high": 0.00612, "successes": 0}
    facts["use"] = {
        "at_least_one": [{"images": 10, "estimate": 0.0, "low": 0.0, "high": 0.0596}],
        "even_odds": {"estimate": None, "low": 113, "high": None},
    }
    use = text_of(render(facts, pictures)).partition("What it means for use")[2]
    assert "one copy is as likely as none only after at least 113 images" in use
    assert "10 at most 6.0 % 0 % to 6.0 %" in use


@pytest.mark.parametrize(
    ("verdict", "caution"),
    [("noise", "a copy by the test alone"), ("unproven", "Accidental hits are included"), ("copies", None)],
)
def test_what_may_be_accident_is_said_to_be(facts, pictures, verdict, caution):
    facts["answer"]["verdict"] = verdict
    use = between(text_of(render(facts, pictures)), "One copy is as likely", "Each mark is a group")
    for text in ("a copy by the test alone", "Accidental hits are included"):
        assert (text in use) == (text == caution)


def test_the_corrected_rate_says_what_is_corrected(facts, pictures):
    corrected = "Regurgitation rate corrected for the test's own errors: 20.8 % (95 % interval: 15.1 % to 26.6 %)"
    text = text_of(render(facts, pictures))
    assert corrected in text
    assert "Accidental hits are taken off, as many as the controls lead to expect; the test is taken to miss no" in text
    facts["answer"]["controls"], facts["options"]["sensitivity"] = None, "188/200"
    text = text_of(render(facts, pictures))
    assert "Copies that the test misses are added: it found 188 of 200 known ones." in text
    assert "Accidental hits are taken off" not in text
    facts["answer"]["corrected"] |= {"estimate": 0.0, "low": 0.0}
    assert "own errors: at most 26.6 % (95" in text_of(render(facts, pictures))


def test_the_law_is_drawn_told_and_tabulated(facts, pictures):
    html = render(facts, pictures)
    text = text_of(html)
    assert html.count('<polyline class="law-line"') == 2, "once wide and once narrow"
    assert "Duplication law: how often a caption gives its own picture, as a curve with its 95 % band" in text
    assert "a picture that occurs 11 times comes back in 57.1 %" in text
    assert "of the images made from its caption, and one that occurs once in 1.2 %" in text
    assert "of other pictures, now in 3.0 % (2.0 % to 4.5 %) of the images" in text
    assert "16 79.1 % 55.3 % to 94.9 %" in text
    removal = between(text, "Images removed", "Two kinds of copies")
    assert "all (as it is) 0 0 21.3 % 16.2 % to 26.9 % 21.3 % 16.2 % to 26.9 %" in removal
    assert "at most 8 10 41 12.1 % 9.0 % to 16.0 %" in removal
    assert "a prediction of the fitted curve, not a measurement" in text
    assert "half-point h = 10 (8.04 to 12.7)" in text


def test_a_law_that_begins_at_its_half_point_says_one_thing(facts, pictures):
    facts["law"]["half_point"]["estimate"] = 0.4
    text = text_of(render(facts, pictures))
    assert "a picture that occurs once comes back in" in text
    assert "and one that occurs once" not in text


def test_advice_stands_with_its_verdict_and_a_caution(facts, pictures):
    facts["advice"][2]["advice"] = HOSTILE
    facts["advice"][1] |= {"ratio": None, "ratio_high": None, "ratio_low": 1.2345}
    html = render(facts, pictures)
    text = between(text_of(html), "Does the usual advice on prompting help here?", "Generated pictures and what")
    assert "a comparison of prompts, not an experiment" in text
    assert "Add a style. 10.0 %" in text
    assert "0.50 (0.23 to 0.88) confirmed" in text
    assert "at least 1.2 refuted" in text
    assert "<img src=x" not in html


def test_an_advice_that_all_or_none_follow_has_no_ratio(facts, pictures):
    facts["advice"][0]["followed"] |= {"trials": 0, "successes": 0, "units": 0}
    text = text_of(render(facts, pictures))
    assert "Add a style. not measured no prompt" in text
    assert "– confirmed" in text


def test_what_does_not_follow_is_absent(facts, pictures):
    facts |= {"law": None, "tries": [], "advice": []}
    facts["answer"]["corrected"] = None
    html = render(facts, pictures)
    text = text_of(html)
    for absent in (
        "uplication law:",
        "By the curve",
        "removing copies would",
        "usual advice",
        "More images of the same",
    ):
        assert absent not in text
    for absent in ("corrected for", 'href="#removal"', 'href="#advice"', 'id="advice"', '<polyline class="law-line"'):
        assert absent not in html
    facts["answer"]["regurgitation"] |= {"trials": 0, "successes": 0}
    assert "What it means for use" not in text_of(render(facts, pictures))


@pytest.mark.parametrize("conditional", [True, False])
def test_the_method_of_drawn_runs(facts, pictures, conditional):
    assert "each with different random seeds" in text_of(render(facts, pictures))
    facts["model"]["conditional"] = conditional
    facts["design"] |= {"generations": None, "budget": 2000, "precision": 0.01}
    method = text_of(render(facts, pictures))
    assert "2,000 pictures were made (those for controls included), or when the interval of the rate was no" in method
    assert "they hold at any stopping time" in method
    assert "arXiv 2010.09686" in method
    assert ("Prompts were drawn one by one" in method) == conditional
    assert ("augmented inverse probability weighting" in method) == conditional
    assert "each with different random seeds" not in method


def test_a_sampled_prompts_file_is_said_to_be_one(facts, pictures):
    facts["design"]["prompts_file"] = {"lines": 5000, "prompts": 120, "drawn": 120}
    text = text_of(render(facts, pictures))
    assert "The prompts come from a file with 5,000 lines." in text
    assert "random sample" not in text
    facts["design"]["prompts_file"]["prompts"] = 1800
    text = text_of(render(facts, pictures))
    assert "a random sample of 120 of its 1,800 different prompts." in text
    assert "A random sample of 120 of the 1,800 different prompts in the prompts file was used." in text


def test_only_the_first_unreadable_images_are_listed(facts, pictures):
    facts["unreadable"] = [{"source": f"broken-{i}.png", "reason": "empty"} for i in range(80)]
    facts["counts"]["unreadable"] = 80
    text = text_of(render(facts, pictures))
    assert "80 images could not be read" in text
    assert "The first 50 are listed." in text
    assert "broken-49.png" in text
    assert "broken-50.png" not in text


def test_the_page_asks_the_network_for_nothing(facts, pictures):
    html = render(facts, pictures)
    assert "default-src 'none'" in unescape(html)
    assert not re.findall(r"""(?:src|href)=["'](?!#|data:image/)""", html)
    assert "url(" not in html
    assert "@import" not in html


def test_sixty_pairs_and_two_thousand_prompts_stay_below_three_megabytes(make_facts):
    noise = np.random.default_rng(0)
    waves = np.sin(np.arange(512) / 40)[:, None, None] * 90 + 128
    photos = [
        Image.fromarray(np.clip(waves + noise.normal(0, 12, (512, 512, 3)), 0, 255).astype(np.uint8)) for _ in range(4)
    ]
    html = render(make_facts(pairs=60, prompts=2000), [Pair(photos[i % 4], photos[i % 3]) for i in range(60)])
    assert len(html.encode()) < 3_000_000


def test_facts_follow_the_schema(facts, violations):
    assert violations(facts) == []
    facts["answer"] |= {"controls": None, "corrected": None}
    facts |= {"law": None, "tries": [], "advice": []}
    assert violations(facts) == []
    del facts["answer"]["extraction"]["low"]
    facts["answer"]["verdict"] = "guilty"
    facts["strata"][0]["weight"] = 7
    facts["surprise"] = 1
    assert sorted(violations(facts)) == [
        "facts.answer.extraction lacks low",
        "facts.answer.verdict is 'guilty'",
        "facts.strata[0].weight is 7",
        "facts.surprise is not in the schema",
    ]


def decoded(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))


def test_small_pictures_keep_every_pixel():
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8))
    shown = show([Pair(picture, picture)])[0]
    assert shown.generation.pixelated
    assert decoded(shown.generation.uri).format == "PNG"
    assert np.array_equal(np.asarray(decoded(shown.generation.uri)), np.asarray(picture))
    assert np.asarray(decoded(shown.difference.uri)).max() == 0


def test_large_pictures_are_shrunk_and_lose_their_metadata():
    picture = Image.new("RGBA", (1000, 500), (10, 20, 30, 0))
    picture.info["icc_profile"] = b"secret" * 100
    shown = show([Pair(picture, picture)])[0].generation
    assert (shown.width, shown.height, shown.pixelated) == (320, 160, False)
    assert b"secret" not in base64.b64decode(shown.uri.partition(",")[2])
    assert np.asarray(decoded(shown.uri).convert("RGB")).min() > 250, "transparent is shown as white"


def test_the_difference_is_brightened_by_the_stated_factor():
    dark, light = Image.new("RGB", (8, 8), (10, 10, 10)), Image.new("RGB", (4, 4), (10, 22, 15))
    assert np.unique(np.asarray(difference(dark, light))).tolist() == [12 * DIFFERENCE_GAIN]


@pytest.mark.parametrize("copies", [0, 341])
@pytest.mark.parametrize("test", ["ratio", "verdict"])
def test_sentences_about_the_pairs_do_not_run_together(facts, pictures, copies: int, test: str) -> None:
    facts["counts"]["copies"], facts["test"]["name"] = copies, test
    lead = text_of(render(facts, pictures)).partition("Generated pictures and what they resemble most")[2][:700]
    assert "The difference picture is black" in lead
    assert ("None of them counts" in lead) == (copies == 0)
    assert ("What was copied is outlined" in lead) == (test == "verdict")
    assert re.findall(r"[.:;][A-Z]", lead) == []
