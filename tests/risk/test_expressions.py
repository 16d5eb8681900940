import contextlib
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from copyrisk.risk.expressions import evaluate

NUMBERS = st.floats(0.01, 100).map(lambda x: round(x, 3))
TREES = st.recursive(
    st.one_of(NUMBERS.map(repr), st.sampled_from(["a", "b"])),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda parts: f"({' '.join(parts)})"),
        inner.map(lambda part: f"-{part}"),
    ),
    max_leaves=12,
)


@given(TREES, NUMBERS, NUMBERS)
def test_arithmetic_is_that_of_python(expression: str, a: float, b: float) -> None:
    try:
        expected = eval(expression, {"__builtins__": {}}, {"a": a, "b": b})
    except ZeroDivisionError:
        with pytest.raises(ValueError, match="divides by zero"):
            evaluate(expression, {"a": a, "b": b})
        return
    assert evaluate(expression, {"a": a, "b": b}) == pytest.approx(expected, rel=1e-12)


@given(st.text(max_size=60))
def test_any_text_is_a_finite_number_or_a_value_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert math.isfinite(evaluate(text, {"a": 2.0}))


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("__import__('os').system('true')", "only numbers, names"),
        ("a.real", "only numbers, names"),
        ("a[0]", "only numbers, names"),
        ("[1 for x in (1,)]", "only numbers, names"),
        ("a if a else 1", "only numbers, names"),
        ("'a' * 3", "only numbers, names"),
        ("True", "only numbers, names"),
        ("7 % 2", "only numbers, names"),
        ("1,280 / 2", "write 1280 or 1_280"),
        ("atack", "did you mean 'attack'"),
        ("zzz", "known are a, attack"),
        ("1 /", "no arithmetic expression"),
        ("", "no arithmetic expression"),
        ("1 / (a - 2)", "divides by zero"),
        ("9 ** 9 ** 9 ** 9", "too large"),
        ("1e308 * 10", "no finite number"),
        ("(-8) ** 0.5", "no finite number"),
        ("1" * 501, "at most 500 characters"),
    ],
)
def test_what_is_no_arithmetic_is_refused(expression: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        evaluate(expression, {"a": 2.0, "attack": 1.0})


def test_powers_and_brackets() -> None:
    assert evaluate("(1 + 2) * 2 ** 3 - -1", {}) == 25
