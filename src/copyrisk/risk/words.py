"""Very small and very large numbers in words: `1 in 120 million`, `3.0 × 10⁻¹³`, `106 years`."""

import math
from decimal import ROUND_CEILING, ROUND_FLOOR, Context

from copyrisk.risk.quantities import SECONDS

_SCALES = ((1e12, "trillion"), (1e9, "billion"), (1e6, "million"))
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def percent(share: float) -> str:
    """Return a share as a percentage with three significant digits; below 0.00001 % with a power of ten."""
    if 0 < share < 1e-7:
        return f"{power(share * 100)}\u00a0%"
    if 0.9995 <= share < 1:
        # Never 100 % for what is less.
        return f"{math.floor(share * 10_000) / 100:g}\u00a0%"
    return f"{_digits(share * 100)}\u00a0%"


def percent_range(low: float, high: float) -> str:
    """Return `48.9 % to 74 %`, rounded outwards, so that a measured interval never claims more than it does."""
    ends = [
        float(Context(prec=3, rounding=rounding).create_decimal(f"{end:.12g}"))
        for end, rounding in ((low, ROUND_FLOOR), (high, ROUND_CEILING))
    ]
    return f"{percent(ends[0])} to {percent(ends[1])}"


def chance(probability: float) -> str:
    """Return a probability that comes as near to 1 as floating point goes but never is: at most `over 99.99 %`."""
    return "over 99.99\u00a0%" if probability > 0.9999 else percent(probability)


def power(x: float) -> str:
    """Return `3.0 × 10⁻¹³`."""
    if x <= 0 or not math.isfinite(x):
        return number(x)
    mantissa, exponent = f"{x:.1e}".split("e")
    return f"{mantissa} × 10{str(int(exponent)).translate(_RAISED)}"


def number(x: float) -> str:
    """Return a number with three significant digits: `0.0095`, `264`, `13,600`, `3.33 trillion`."""
    if math.isinf(x):
        return "infinitely many"
    if x == 0:
        return "0"
    if x < 1e-4 or x >= 9.995e14:
        return power(x)
    for size, name in _SCALES:
        if x >= size * 0.9995:
            return f"{_digits(x / size)} {name}"
    return _digits(x)


def one_in(x: float) -> str:
    """Return `1 in 120 million` for how many images there are to one copy; `never` for infinitely many."""
    return "never" if math.isinf(x) else f"1 in {number(x)}"


def duration(seconds: float) -> str:
    """Return a time in its largest unit: `106 years`, `2.4 hours`; `never` for one that does not end."""
    if math.isinf(seconds):
        return "never"
    unit = next((name for name in reversed(SECONDS) if name != "month" and seconds >= SECONDS[name]), "second")
    amount = number(seconds / SECONDS[unit])
    return f"{amount} {unit}{'' if amount == '1' else 's'}"


def pace_words(per_second: float) -> str:
    """Return a pace in the shortest unit of time in which it is at least one: `1,000 images a second`."""
    unit = next((name for name in SECONDS if per_second * SECONDS[name] >= 0.9995), "year")
    return f"{number(per_second * SECONDS[unit])} images {'an' if unit == 'hour' else 'a'} {unit}"


def times(ratio: float) -> str:
    """Return how many times, whole from 100 on: `11.4 times`, `121,905 times`."""
    return f"{ratio:,.0f} times" if 100 <= ratio < 1e9 else f"{number(ratio)} times"


def _digits(x: float) -> str:
    """Three significant digits, thousands separated, without zeros at the end that say nothing."""
    if x == 0:
        return "0"
    # Twelve digits first: 0.6375 is 63.75 %, not the 63.7499… of binary fractions.
    rounded = float(f"{float(f'{x:.12g}'):.3g}")
    decimals = max(0, 2 - math.floor(math.log10(abs(rounded))))
    text = f"{rounded:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
