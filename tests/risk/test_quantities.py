import math
import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from copyrisk.risk.quantities import SECONDS, read_counts, read_quantity


@pytest.mark.parametrize(
    ("written", "dimension", "value", "step"),
    [
        ("50 %", "share", 0.5, 0.1),
        ("50%", "share", 0.5, 0.1),
        ("2.5 percent", "share", 0.025, 0.001),
        (Decimal("0.50"), "share", 0.5, 0.01),
        (1, "share", 1.0, 1.0),
        (0, "share", 0.0, 1.0),
        ("~0.00000000003 %", "share", 3e-13, 1e-13),
        ("6e-11", "share", 6e-11, 1e-11),
        ("1,280 / 175,000,000", "share", 1280 / 175e6, 0.0),
        ("10 of 500", "share", 0.02, 0.0),
        ("175 million", "count", 175e6, 1e6),
        ("2.5 million images", "count", 2.5e6, 1e5),
        (350_000, "count", 350_000, 10_000),
        ("1 year", "time", SECONDS["year"], SECONDS["year"]),
        ("90 days", "time", 90 * 86400, 864_000),
        ("1,000 images a second", "pace", 1000, 1000),
        ("60 per minute", "pace", 1.0, 10 / 60),
        ("3/hour", "pace", 3 / 3600, 1 / 3600),
    ],
)
def test_numbers_are_read_as_people_write_them(written: object, dimension: str, value: float, step: float) -> None:
    found = read_quantity(written, dimension)
    assert found.value == pytest.approx(value, rel=1e-12)
    assert found.step == pytest.approx(step, rel=1e-12)


@pytest.mark.parametrize(
    ("written", "dimension", "message"),
    [
        ("half", "share", 'write 0.5, "50 %" or "1,280 / 175,000,000"'),
        ("0,5", "share", "a decimal has a point"),
        ("-5 %", "share", "cannot be negative"),
        (-1, "count", "cannot be negative"),
        (Decimal("nan"), "share", "cannot be read"),
        (math.inf, "share", "cannot be read"),
        (True, "share", "is no number"),
        ([1], "share", "list is no number"),
        ("1 / 0", "share", "divides by zero"),
        ("50 %", "count", "cannot be read"),
        ("1 fortnight", "time", '"1 year" or "90 days"'),
        ("1,000 images", "pace", '"1,000 images a second"'),
        ("12,34", "count", "a comma only separates thousands"),
    ],
)
def test_what_is_no_number_says_how_to_write_one(written: object, dimension: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        read_quantity(written, dimension)


@given(st.integers(0, 10**15))
def test_whole_numbers_are_the_same_with_and_without_commas(n: int) -> None:
    assert read_quantity(f"{n:,}", "count") == read_quantity(n, "count") == read_quantity(str(n), "count")
    assert read_quantity(n, "count").value == n


@given(st.decimals(0, 1, allow_nan=False, places=9))
def test_a_percentage_is_a_hundredth(share: Decimal) -> None:
    assert read_quantity(f"{share * 100:f} %", "share").value == pytest.approx(float(share), rel=1e-12, abs=1e-300)


@given(st.text(max_size=30), st.sampled_from(["share", "count", "time", "pace"]))
def test_any_text_is_a_number_from_0_up_or_a_value_error(text: str, dimension: str) -> None:
    try:
        found = read_quantity(text, dimension)
    except ValueError:
        return
    assert found.value >= 0
    assert math.isfinite(found.step)


@pytest.mark.parametrize("written", ["94 of 350,000", "94/350000", [94, 350_000], ["94", "350,000"]])
def test_counts(written: object) -> None:
    assert read_counts(written) == (94, 350_000)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("94", 'write "94 of 350,000"'),
        ([1, 2, 3], 'write "94 of 350,000"'),
        ("5 of 3", "5 of 3 is impossible"),
        ("0 of 0", "impossible"),
        ([Decimal("0.5"), 3], "no whole numbers"),
    ],
)
def test_what_are_no_counts(written: object, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        read_counts(written)
