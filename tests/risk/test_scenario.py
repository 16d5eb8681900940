"""Reading scenarios: what is understood, and that every error names the line and the remedy."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from copyrisk.errors import UserError
from copyrisk.risk import SHIPPED, parse_scenario, read_scenario, shipped_text
from copyrisk.risk.document import Document

GOOD = """\
title = "A test"

[factors.copied]
counts = "3 of 2,000"
source = "a trial"

[factors.asked]
title = "The user asks for it"
low = "1 %"
mode = "5 %"
high = "20 %"
distribution = "pert"
source = "a guess"

[[correlations]]
factors = ["copied", "asked"]
rank = 0.5
source = "a guess"

[campaign]
images = "1 million"
pace = "1,000 images a day"

[numbers]
captions = 350_000

[[claims]]
text = "Half of it"
expression = "captions / 2"
stated = 175_000

[[corrections]]
stated = "a"
corrected = "b"
reason = "c"
source = "d"
"""


def test_a_scenario_is_read() -> None:
    found = parse_scenario(GOOD)
    assert [(each.name, each.title, each.source) for each in found.factors] == [
        ("copied", "Copied", "a trial"),
        ("asked", "The user asks for it", "a guess"),
    ]
    assert found.factors[1].distribution.words == "1\u00a0% to 20\u00a0%, most likely 5\u00a0%, PERT"
    assert found.campaign.images and found.campaign.images.at(0.5) == 1e6
    assert found.campaign.pace and found.campaign.pace.at(0.5) == pytest.approx(1000 / 86400)
    assert found.numbers == {"captions": 350_000}
    assert (found.claims[0].expression, found.claims[0].stated.value) == ("captions / 2", 175_000)
    assert found.corrections[0].reason == "c"


@pytest.mark.parametrize("name", SHIPPED)
def test_the_shipped_scenarios_are_read_by_name_and_as_files(name: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(shipped_text(name), encoding="utf-8")
    assert read_scenario(file).title == read_scenario(name).title


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ('title = "A test"', 'titel = "A test"', 1, "the scenario has an unknown key 'titel'. Did you mean 'title'?"),
        ('title = "A test"', "", 1, "the scenario has no 'title'. Add: title = …"),
        ('title = "A test"', 'title = ""', 1, "'title' must be text that says something"),
        ("[factors.copied]", "[factor.copied]", 3, "unknown key 'factor'. Did you mean 'factors'?"),
        ("[factors.copied]", "[factors.for]", 3, "'for' cannot be a name"),
        ("[factors.copied]", "[factors.probability]", 3, "'probability' already has a meaning"),
        ("[factors.copied]", "[factors.captions]", 3, "'captions' is also a number under [numbers]"),
        ('source = "a trial"', "", 3, "factor 'copied' has no source. Say where it comes from"),
        ('source = "a trial"', "source = 3", 5, "'source' must be text"),
        ('source = "a trial"', 'source = "x"\nunit = "kg"', 6, "'kg' is no unit of a factor"),
        ('source = "a trial"', 'source = "x"\nunit = "probabilty"', 6, "Did you mean 'probability'?"),
        ('source = "a trial"', 'sources = "x"', 5, "unknown key 'sources'. Did you mean 'source'?"),
        ('counts = "3 of 2,000"', "", 3, "factor 'copied' says nothing of its size. Give one of: value; low + high"),
        ('counts = "3 of 2,000"', "value = 1.5", 4, 'a probability cannot be above 1. Write "1.5 %"'),
        ('counts = "3 of 2,000"', 'value = "150 %"', 4, "value is 1.5, and a probability cannot be above 1"),
        ('counts = "3 of 2,000"', "value = 1280", 4, "Write a number from 0 to 1"),
        ('counts = "3 of 2,000"', 'value = "a lot"', 4, "'a lot' cannot be read; write 0.5"),
        ('counts = "3 of 2,000"', 'counts = "5 of 3"', 4, "5 of 3 is impossible"),
        ('counts = "3 of 2,000"', "beta = [2, 0]", 4, "beta must be two numbers above 0"),
        ('counts = "3 of 2,000"', "beta = 2", 4, "beta must be two numbers above 0"),
        ('counts = "3 of 2,000"', "low = 0.1", 4, "has low, but no high"),
        ('counts = "3 of 2,000"', "low = 0.1\nhigh = 0.2", 3, 'distribution = "uniform" or "log-uniform"'),
        ('counts = "3 of 2,000"', 'low = 0\nhigh = 1\ndistribution = "log-uniform"', 4, "cannot begin at 0"),
        ('counts = "3 of 2,000"', 'low = 1\nhigh = 0\ndistribution = "uniform"', 4, "must be below high"),
        ('counts = "3 of 2,000"', "value = 0.1\ncounts = [1, 2]", 4, "has counts and value at once"),
        (
            'counts = "3 of 2,000"',
            'value = 0.1\ndistribution = "pert"',
            5,
            "'distribution' goes with low and high",
        ),
        ('counts = "3 of 2,000"', 'value = 0.1\nmeasure = "x"', 5, "'measure' goes with run only"),
        ('counts = "3 of 2,000"', "median = 0.5\nfactor = 3", 5, "a probability cannot be above 1. Take a smaller"),
        ('counts = "3 of 2,000"', "median = 0.5\nfactor = 1", 5, "factor must be above 1"),
        ('counts = "3 of 2,000"', "p5 = 0.5\np95 = 0.1", 4, "p5 must be above 0 and below p95"),
        ('counts = "3 of 2,000"', 'run = "nowhere"', 4, "there is no nowhere/report.json. Run `copyrisk report"),
        ('mode = "5 %"', 'mode = "50 %"', 10, "its mode (50\u00a0%) lies outside its range (1\u00a0% to 20\u00a0%)"),
        ('distribution = "pert"', 'distribution = "normal"', 12, '"triangular" or "pert"'),
        ('factors = ["copied", "asked"]', 'factors = ["copied", "x"]', 16, "there is no factor 'x'"),
        ('factors = ["copied", "asked"]', 'factors = ["copied"]', 16, "a correlation has two factors"),
        ("rank = 0.5", "rank = 1", 17, "'rank' must be a number between -1 and 1"),
        ("rank = 0.5", 'rank = "much"', 17, "'rank' must be a number between -1 and 1"),
        ('counts = "3 of 2,000"', "value = 0.1", 16, "'copied' is a fixed value"),
        ('images = "1 million"', 'images = "many"', 21, "'many' cannot be read"),
        ('images = "1 million"', "images = 0", 21, "'images' must be above zero"),
        ('images = "1 million"', 'for = "1 year"', None, None),
        ('images = "1 million"', 'images = 5\nfor = "1 year"', 22, "'for' needs a pace and no number of images"),
        ('images = "1 million"', 'for = "1 yaer"', 21, "'1 yaer' cannot be read"),
        ('images = "1 million"', "images = {low = 1, high = 9}", 21, 'distribution = "uniform" or "log-uniform"'),
        ('pace = "1,000 images a day"', 'pace = "1,000 images"', 22, "'1,000 images' cannot be read"),
        (
            'pace = "1,000 images a day"',
            'pace = {value = 3, unit = "images per moon"}',
            22,
            "'images per moon' is no unit of a pace",
        ),
        ("captions = 350_000", 'captions = "x"', 25, "'x' cannot be read"),
        ('expression = "captions / 2"', 'expression = "caption / 2"', 29, "did you mean 'captions'"),
        ('expression = "captions / 2"', "", 27, "claim 1 has no 'expression'"),
        ("stated = 175_000", 'stated = "about half"', 30, "'about half' cannot be read"),
        ('reason = "c"', "", 32, "correction 1 has no 'reason'. Add: reason = …"),
        ("[[corrections]]", "[corrections]", 32, "'corrections' must be written as [[corrections]]"),
        ('title = "A test"', "title = A test", 1, "this is not TOML"),
        ("rank = 0.5", "rank = 0,5", 17, "this is not TOML"),
    ],
)
def test_an_error_names_the_line_and_the_remedy(old: str, new: str, line: int | None, message: str | None) -> None:
    assert GOOD.count(old) == 1
    text = GOOD.replace(old, new)
    if message is None:
        parse_scenario(text)
        return
    with pytest.raises(UserError, match=re.escape(message)) as error:
        parse_scenario(text, "my.toml")
    assert str(error.value).startswith(f"my.toml, line {line}: ")


def test_correlations_that_cannot_all_hold_name_the_factors() -> None:
    factors = "".join(f'[factors.{name}]\nbeta = [1, 2]\nsource = "x"\n' for name in "abc")
    pairs = "".join(
        f'[[correlations]]\nfactors = ["{a}", "{b}"]\nrank = {rank}\nsource = "x"\n'
        for a, b, rank in (("a", "b", 0.9), ("b", "c", 0.9), ("a", "c", -0.9))
    )
    with pytest.raises(UserError, match=r"line 13: the rank correlations between a, b, c cannot all hold at once"):
        parse_scenario('title = "x"\n' + factors + pairs)


def test_a_missing_file_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"There is no file .*none\.toml\. `copyrisk estimate --template >"):
        read_scenario(tmp_path / "none.toml")


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="no text in UTF-8"):
        read_scenario(tmp_path / "x.toml")


def test_a_run_s_rate_is_a_factor(tmp_path: Path) -> None:
    rate = {"estimate": 0.11, "low": 0.084, "high": 0.148, "confidence": 0.95, "successes": 352, "trials": 3200}
    rate |= {"unit": "prompts", "units": 200}
    facts = {
        "answer": {"regurgitation": rate, "extraction": rate, "controls": None, "verdict": "noise"},
        "strata": [{"stratum": "5–8", "regurgitation": rate | {"estimate": 0.1}}],
    }
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "report.json").write_text(json.dumps(facts))
    file = tmp_path / "mine.toml"

    def factor(lines: str):
        file.write_text(f'title = "x"\n[factors.copied]\nrun = "run"\n{lines}\nsource = "our audit"\n')
        return read_scenario(file).factors[0].distribution

    found = factor("")
    assert [found.at(level) for level in (0.025, 0.5, 0.975)] == pytest.approx([0.084, 0.11, 0.148])
    assert "352 of 3,200, 200 prompts" in found.words
    assert "NOT shown to be above chance" in found.words
    assert factor('stratum = "5–8"').at(0.5) == pytest.approx(0.1)
    with pytest.raises(UserError, match=r"line 4: .* has no stratum '9'; it has 5–8"):
        factor('stratum = "9"')
    with pytest.raises(UserError, match="line 4: 'copies' is no measure of a run"):
        factor('measure = "copies"')
    with pytest.raises(UserError, match="line 3: .* has measured no controls"):
        factor('measure = "controls"')
    (tmp_path / "run" / "report.json").write_text("[]")
    with pytest.raises(UserError, match=r"line 3: .*report\.json is no report of a run"):
        factor("")


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_lines_are_those_of_an_editor(newline: str) -> None:
    text = '# [a]\n\na = """\n[b]\nx = 1\n"""\n\n[b]\n  c = [\n  { d = 1 },\n  2,\n]\n\n[[e]]\n[[e]]\nf.g = 3\n'
    document = Document.parse(text.replace("\n", newline), "x")
    lines = {
        ("a",): 3,
        ("b",): 8,
        ("b", "c"): 9,
        ("b", "c", 0, "d"): 9,
        ("e", 0): 14,
        ("e", 1): 15,
        ("e", 1, "f", "g"): 16,
    }
    assert {key: document.line(key) for key in lines} == lines
    assert document.line(("e", 1, "nothing")) == 15
    assert document.line(("nothing",)) == 1


@given(st.integers(0, len(GOOD)), st.integers(0, len(GOOD)), st.text(max_size=5))
def test_any_edit_is_a_scenario_or_a_user_s_error(start: int, end: int, text: str) -> None:
    try:
        parse_scenario(GOOD[:start] + text + GOOD[max(start, end) :])
    except UserError as error:
        assert re.match(r"scenario, line \d+: ", str(error))
