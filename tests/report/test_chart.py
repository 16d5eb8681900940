"""Where the chart puts things."""

from itertools import pairwise

import pytest

from copyrisk.report.chart import layout


def draw(facts):
    return layout(facts, "wide", 1000, 430, 100)


def test_each_doubling_of_the_multiplicity_is_one_step(facts):
    chart = draw(facts)
    one, two, four, eight, sixteen = (tick.at for tick in chart.x_ticks)
    assert chart.ordered
    assert [tick.text for tick in chart.x_ticks] == ["1", "2", "3–4", "5–8", "9–16"]
    assert sixteen - eight == pytest.approx(two - one, rel=0.1)
    assert chart.left < one < two < four < eight < sixteen < chart.right


def test_strata_are_drawn_in_the_order_of_their_multiplicity(facts):
    facts["strata"].reverse()
    assert [tick.text for tick in draw(facts).x_ticks] == ["1", "2", "3–4", "5–8", "9–16"]


def test_groups_without_multiplicity_stand_side_by_side(facts):
    for stratum in facts["strata"]:
        stratum |= {"multiplicity_low": None, "multiplicity_high": None}
    chart = draw(facts)
    places = [tick.at for tick in chart.x_ticks]
    steps = [after - before for before, after in pairwise(places)]
    assert not chart.ordered
    assert steps == pytest.approx([steps[0]] * 4)


def test_many_long_names_widen_the_picture_and_keep_their_ends(facts):
    first = facts["strata"][0] | {"multiplicity_low": None}
    facts["strata"] = [first | {"stratum": f"all prompts of our spring campaign, part {i}"} for i in range(60)]
    chart = draw(facts)
    assert chart.width > 1000
    assert not chart.fits
    assert chart.x_ticks[42].text.endswith("art 42")
    assert max(len(tick.text) for tick in chart.x_ticks) == 14


def test_one_stratum_stands_in_the_middle(facts):
    facts["strata"] = facts["strata"][2:3]
    chart = draw(facts)
    assert chart.x_ticks[0].at == pytest.approx((chart.left + chart.right) / 2)


def test_no_strata_no_chart(facts):
    facts["strata"] = []
    assert draw(facts) is None


def test_what_was_not_measured_is_not_drawn(facts):
    facts["strata"][0]["extraction"] |= {"trials": 0, "successes": 0}
    points = draw(facts).points
    assert len(points["extraction"]) == 4
    assert len(points["regurgitation"]) == 5


def test_the_axis_shrinks_only_where_every_interval_is_small(facts):
    assert draw(facts).ceiling == "100\u00a0%"
    facts["law"] = None
    rates = [stratum[key] for stratum in facts["strata"] for key in ("extraction", "regurgitation")]
    for rate in [*rates, facts["answer"]["controls"]]:
        rate |= {name: rate[name] / 20 for name in ("estimate", "low", "high")}
    assert draw(facts).ceiling == "10\u00a0%"
    facts["answer"]["controls"]["high"] = 0.11
    assert draw(facts).ceiling == "100\u00a0%"


def test_points_lie_where_the_rates_say(facts):
    chart = draw(facts)
    low, high = chart.points["extraction"][0], chart.points["extraction"][-1]
    assert low.y == chart.bottom, "no copy seen: the mark lies on the bottom line"
    assert low.head == "Extraction rate, multiplicity 1: at most 12.4\u00a0%"
    assert high.y == chart.top
    assert high.lines[1] == "10 of 10\u00a0pictures"


def test_the_law_goes_through_the_chart_from_the_first_stratum_on(facts):
    chart = draw(facts)
    assert chart.law.line[0][0] == pytest.approx(chart.x_ticks[0].at)
    steps = [after[0] - before[0] for before, after in pairwise(chart.law.line)]
    assert steps[0] == pytest.approx(chart.x_ticks[1].at - chart.x_ticks[0].at), "2 lies where its stratum does"
    assert chart.x_ticks[-1].at < chart.law.line[-1][0] <= chart.right
    assert [y for _, y in chart.law.line] == sorted((y for _, y in chart.law.line), reverse=True)
    for (x, y), upper, lower in zip(chart.law.line, chart.law.outline, reversed(chart.law.outline), strict=False):
        assert upper[0] == lower[0] == x
        assert upper[1] <= y <= lower[1]


def test_no_law_is_drawn_where_there_is_none_or_no_scale(facts):
    law, facts["law"] = facts["law"], None
    assert draw(facts).law is None
    facts["law"] = law
    for stratum in facts["strata"]:
        stratum["multiplicity_low"] = None
    assert draw(facts).law is None


def test_the_law_stays_inside_the_chart(facts):
    facts["strata"] = facts["strata"][1:3]
    chart = draw(facts)
    assert 2 <= len(chart.law.line) < len(facts["law"]["curve"])
    assert all(chart.left <= x <= chart.right for x, _ in chart.law.outline)


def test_the_axis_has_room_for_the_law(facts):
    rates = [stratum[key] for stratum in facts["strata"] for key in ("extraction", "regurgitation")]
    for rate in [*rates, facts["answer"]["controls"]]:
        rate |= {name: rate[name] / 20 for name in ("estimate", "low", "high")}
    assert draw(facts).ceiling == "100\u00a0%"
