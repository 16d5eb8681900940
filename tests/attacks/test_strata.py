import pytest
from hypothesis import given
from hypothesis import strategies as st

from copyrisk.attacks.strata import stratum_bounds, stratum_of


@pytest.mark.parametrize(
    ("multiplicity", "stratum"),
    [
        (1, "1"),
        (2, "2"),
        (3, "3–4"),
        (4, "3–4"),
        (5, "5–8"),
        (8, "5–8"),
        (9, "9–16"),
        (128, "65–128"),
        (129, "129–256"),
    ],
)
def test_strata_double(multiplicity: int, stratum: str) -> None:
    assert stratum_of(multiplicity) == stratum


@given(st.integers(1, 10**9))
def test_a_multiplicity_lies_within_the_bounds_of_its_stratum_and_its_neighbours_do_not(multiplicity: int) -> None:
    low, high = stratum_bounds(stratum_of(multiplicity))
    assert low <= multiplicity <= high
    assert stratum_of(low) == stratum_of(high) == stratum_of(multiplicity)
    assert stratum_bounds(stratum_of(high + 1))[0] == high + 1
