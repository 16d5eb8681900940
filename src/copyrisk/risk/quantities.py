"""Numbers as people write them: `50 %`, `1,280 / 175,000,000`, `175 million`, `1,000 images a second`, `1 year`."""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

SECONDS = {
    "second": 1.0,
    "minute": 60.0,
    "hour": 3600.0,
    "day": 86_400.0,
    "week": 604_800.0,
    "month": 2_629_800.0,
    "year": 31_557_600.0,
}
"""Seconds in each unit of time; a year has 365.25 days, a month is a twelfth of it."""

_SCALE = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_NUMBER = (
    r"(?P<about>~|≈|about\s)?\s*"
    r"(?P<digits>(?:[1-9]\d{0,2}(?:,\d{3})+|\d[\d_]*)(?:\.\d+)?(?:[eE][+-]?\d{1,3})?)"
    rf"\s*(?P<scale>{'|'.join(_SCALE)})?"
)
_TIMES = rf"(?P<time>{'|'.join(SECONDS)})s?"
_WITH_UNIT = {
    "share": re.compile(rf"{_NUMBER}\s*(?P<percent>%|percent)?"),
    "count": re.compile(rf"{_NUMBER}(?:\s*(?:images|pictures))?"),
    "time": re.compile(rf"{_NUMBER}\s*{_TIMES}"),
    "pace": re.compile(rf"{_NUMBER}\s*(?:images|pictures)?\s*(?:per\s|an?\s|/)\s*{_TIMES}"),
}
_EXAMPLES = {
    "share": '0.5, "50 %" or "1,280 / 175,000,000"',
    "count": '1000000, "1,000,000" or "1 million"',
    "time": '"1 year" or "90 days"',
    "pace": '"1,000 images a second" or "50,000 per day"',
}


@dataclass(frozen=True)
class Quantity:
    """A number that was read.

    value: the number; a share is in [0, 1] and more if it was written so, a time is in seconds, a pace in images per
    second. step: the value of one unit in the last digit as written (0 where every digit is exact, as in a fraction);
    the zeros at the end of a whole number are no digits. unit: `%`, the name of a unit of time, or nothing.
    """

    value: float
    step: float
    unit: str = ""


def read_quantity(written: Any, dimension: str) -> Quantity:
    """Read a number, or text that holds one, as a `share`, `count`, `time` or `pace`.

    Raises ValueError, with what is wrong and how to write it, where it is none or negative.
    """
    if isinstance(written, bool) or not isinstance(written, int | float | Decimal | str):
        raise ValueError(f"{_shown(written)} is no number; write {_EXAMPLES[dimension]}")
    text = f"{written:f}" if isinstance(written, Decimal) and written.is_finite() else str(written).strip()
    if dimension in ("share", "count") and (parts := _fraction(text)):
        above, below = (read_quantity(part, "count") for part in parts)
        if below.value == 0:
            raise ValueError(f"{_shown(written)} divides by zero")
        return Quantity(above.value / below.value, 0.0)
    match = _WITH_UNIT[dimension].fullmatch(text)
    if match is None:
        raise ValueError(f"{_shown(written)} cannot be read; write {_EXAMPLES[dimension]}" + _hint(text))
    digits, scale = Decimal(match["digits"].replace(",", "").replace("_", "")), _SCALE.get(match["scale"], 1)
    number, step = digits * scale, _step(digits) * scale
    found = match.groupdict()
    if found.get("percent"):
        return Quantity(float(number / 100), step / 100, "%")
    if unit := found.get("time"):
        seconds = SECONDS[unit] if dimension == "time" else 1 / SECONDS[unit]
        return Quantity(float(number) * seconds, step * seconds, unit)
    return Quantity(float(number), step)


def read_counts(written: Any) -> tuple[int, int]:
    """Read `94 of 350,000`, `94 / 350,000` or [94, 350000] as (successes, trials); raise ValueError where it is not."""
    parts = _fraction(written) if isinstance(written, str) else written
    if not isinstance(parts, list | tuple) or len(parts) != 2:
        raise ValueError(f'{_shown(written)} are no counts; write "94 of 350,000" or [94, 350000]')
    counts = [read_quantity(part, "count").value for part in parts]
    if not all(count.is_integer() for count in counts):
        raise ValueError(f"{_shown(written)} are no whole numbers")
    successes, trials = map(int, counts)
    if trials == 0 or successes > trials:
        raise ValueError(f"{successes:,} of {trials:,} is impossible; the second number is how many were tried")
    return successes, trials


def _fraction(text: str) -> tuple[str, str] | None:
    match = re.fullmatch(r"(.+?)\s*(?:/|\bof\b)\s*(.+)", text)
    return (match[1], match[2]) if match else None


def _step(number: Decimal) -> float:
    """Return the value of the last digit that was written: 0.01 for 2.50, 10,000 for 350,000."""
    written = int(number.as_tuple().exponent)
    if written >= 0 and number:
        written = int(number.normalize().as_tuple().exponent)
    return float(Decimal(1).scaleb(written))


def _shown(written: Any) -> str:
    return f"'{written}'" if isinstance(written, str | int | float | Decimal) else type(written).__name__


def _hint(text: str) -> str:
    if re.match(r"[-−]\s*\d", text):
        return "; it cannot be negative"
    if re.match(r"\d+,\d", text):
        return "; a comma only separates thousands, a decimal has a point"
    return ""
