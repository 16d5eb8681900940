"""What the page says, read from its HTML."""

import base64
import io
import json
import re
from html import unescape
from importlib.resources import files
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


def test_facts_follow_the_schema(facts):
    schema = json.loads(files("copyrisk.report").joinpath("report.schema.json").read_text(encoding="utf-8"))
    assert list(violations(facts, schema, schema)) == []
    facts["answer"]["controls"] = None
    assert list(violations(facts, schema, schema)) == []
    del facts["answer"]["extraction"]["low"]
    facts["answer"]["verdict"] = "guilty"
    facts["strata"][0]["weight"] = 7
    facts["surprise"] = 1
    assert sorted(violations(facts, schema, schema)) == [
        "facts.answer.extraction lacks low",
        "facts.answer.verdict is 'guilty'",
        "facts.strata[0].weight is 7",
        "facts.surprise is not in the schema",
    ]


def violations(value: Any, schema: dict[str, Any], root: dict[str, Any], path: str = "facts"):
    """Check the few words of JSON Schema that ours uses."""
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rsplit("/", 1)[1]]
    if "anyOf" in schema:
        found = [list(violations(value, each, root, path)) for each in schema["anyOf"]]
        yield from [] if [] in found else found[0]
        return
    types = {
        "object": dict,
        "array": list,
        "string": str,
        "boolean": bool,
        "null": type(None),
        "integer": int,
        "number": (int, float),
    }
    allowed = schema.get("type", [])
    allowed = [allowed] if isinstance(allowed, str) else allowed
    if allowed and not any(isinstance(value, types[name]) for name in allowed):
        yield f"{path} is {value!r}"
        return
    low, high = schema.get("minimum"), schema.get("maximum")
    if (
        ("enum" in schema and value not in schema["enum"])
        or ("const" in schema and value != schema["const"])
        or (low is not None and value is not None and value < low)
        or (high is not None and value is not None and value > high)
    ):
        yield f"{path} is {value!r}"
    if isinstance(value, dict):
        known = schema.get("properties", {})
        yield from (f"{path} lacks {key}" for key in schema.get("required", []) if key not in value)
        for key, each in value.items():
            if key in known:
                yield from violations(each, known[key], root, f"{path}.{key}")
            elif schema.get("additionalProperties") is False:
                yield f"{path}.{key} is not in the schema"
    if isinstance(value, list) and "items" in schema:
        for index, each in enumerate(value):
            yield from violations(each, schema["items"], root, f"{path}[{index}]")


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
