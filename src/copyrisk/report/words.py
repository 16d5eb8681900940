"""Numbers in words: every rate with its interval and its count, and never a bare zero."""

import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from typing import Any

MISSING = "–"

_ROUNDING = {"near": ROUND_HALF_EVEN, "up": ROUND_CEILING, "down": ROUND_FLOOR}
# Not strftime: its month names follow the locale of the machine that renders.
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


@dataclass(frozen=True)
class RateWords:
    """A rate as three phrases: the large one, the interval, and what was counted."""

    headline: str
    interval: str
    count: str


def rate_words(rate: dict[str, Any], noun: str | None = None) -> RateWords:
    """Put a rate into words; `noun` says what its trials are where they are not its units (`generations`)."""
    noun = noun or rate["unit"]
    if not rate["trials"]:
        return RateWords("not measured", "no interval", f"no {noun} to count")
    headline = percent(rate["estimate"]) if rate["successes"] else f"at most {percent(rate['high'], 'up')}"
    return RateWords(headline, f"{level(rate)} interval: {interval(rate)}", counted(rate, noun))


def interval(rate: dict[str, Any]) -> str:
    """Return `9.7 % to 15.3 %`, rounded outwards, so that the words never claim more than the numbers do."""
    if not rate["trials"]:
        return MISSING
    return span(rate)


def span(found: dict[str, Any]) -> str:
    """Return the interval of a share that comes without counts, rounded outwards."""
    return f"{percent(found['low'], 'down')} to {percent(found['high'], 'up')}"


def level(rate: dict[str, Any]) -> str:
    """Return the confidence of a rate's interval, `95 %`."""
    return f"{rate['confidence'] * 100:g}\u00a0%"


def counted(rate: dict[str, Any], noun: str) -> str:
    """Return `31 of 250 generations, from 50 prompts`, and `weighted` where the rate is not the one by the other."""
    text = f"{number(rate['successes'])} of {_plural(rate['trials'], noun)}"
    if rate["unit"] != noun:
        text += f", from {_plural(rate['units'], rate['unit'])}"
    plain = rate["successes"] / rate["trials"] if rate["trials"] else None
    return text if percent(plain) == percent(rate["estimate"]) else f"{text}, weighted"


def percent(share: float | None, rounding: str = "near") -> str:
    """Return a share as a percentage: one decimal from 1 % on, two significant digits below; `near`, `up` or `down`."""
    if share is None or not math.isfinite(share):
        return MISSING
    # Twelve decimals take away what binary fractions add: 0.3 is 30 %, not 30.000000000000004 %, whatever the rounding.
    value = Decimal(f"{share * 100:.12f}")
    if value in (0, 100):
        return f"{value:.0f}\u00a0%"
    digits = 1 if abs(value) >= 1 else 1 - value.adjusted()
    rounded = value.quantize(Decimal(1).scaleb(-digits), _ROUNDING[rounding])
    if rounded == 100:
        return "100\u00a0%" if rounding == "up" else "99.9\u00a0%"
    return f"{rounded:f}\u00a0%"


def number(value: float | None, digits: int = 4) -> str:
    """Return a count with thousands separators, or a measured number with that many significant digits."""
    if value is None or not math.isfinite(value):
        return MISSING
    if isinstance(value, int) or abs(value) >= 10**digits:
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


def ratio(found: dict[str, Any]) -> str:
    """Return the ratio of a comparison with its interval, `0.42 (0.2 to 0.88)`, or its bound, `at least 0.2`."""
    low = _two_digits(found["ratio_low"], "down")
    if found["ratio_high"] is None:
        bound = f"at least {low}" if found["ratio_low"] > 0 else "no bound"
        return bound if found["ratio"] is None else f"{_two_digits(found['ratio'])} ({bound})"
    bounds = f"{low} to {_two_digits(found['ratio_high'], 'up')}"
    return bounds if found["ratio"] is None else f"{_two_digits(found['ratio'])} ({bounds})"


def against(statistic: float | None, threshold: float) -> str:
    """Return the statistic with as many digits as it takes to see on which side of the threshold it lies."""
    for digits in range(4, 12):
        text = number(statistic, digits)
        if statistic == threshold or text != number(threshold, digits):
            break
    return text


def duration(seconds: float) -> str:
    """Return a time as people say it: `4.2 s`, `3 min 20 s`, `2 h 5 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f}\u00a0s"
    if whole < 3600:
        return f"{whole // 60}\u00a0min {whole % 60}\u00a0s"
    return f"{whole // 3600}\u00a0h {whole % 3600 // 60}\u00a0min"


def date(text: str) -> str:
    """Return `24 November 2026, 18:00 UTC` for an ISO timestamp, and any other text as it is."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    if moment.tzinfo:
        moment = moment.astimezone(UTC)
    zone = " UTC" if moment.tzinfo else ""
    return f"{moment.day} {_MONTHS[moment.month - 1]} {moment.year}, {moment:%H:%M}{zone}"


def setting(value: Any) -> str:
    """Return the value of an option as a reader would write it down."""
    if value is None or value == "":
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _two_digits(value: float, rounding: str = "near") -> str:
    """Return a number that is not negative with two significant digits."""
    exact = Decimal(f"{value:.12f}")
    if not exact:
        return "0"
    return f"{exact.quantize(Decimal(1).scaleb(exact.adjusted() - 1), _ROUNDING[rounding]):f}"


def _plural(count: int, noun: str) -> str:
    return f"{number(count)}\u00a0{noun.removesuffix('s') if count == 1 else noun}"
