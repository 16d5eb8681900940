"""Strata of multiplicity: 1, 2, 3–4, 5–8, ..., doubling."""


def stratum_of(multiplicity: int) -> str:
    """Return the stratum of a multiplicity (at least 1)."""
    high = 1 << (int(multiplicity) - 1).bit_length()
    low = high // 2 + 1
    return str(high) if low >= high else f"{low}–{high}"


def stratum_bounds(stratum: str) -> tuple[int, int]:
    """Return the lowest and the highest multiplicity of a stratum's name."""
    low, _, high = stratum.partition("–")
    return int(low), int(high or low)
