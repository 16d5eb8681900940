"""Arithmetic in text, evaluated without running code: numbers, names, + - * / ** and brackets."""

import ast
import math
import operator
from collections.abc import Callable, Mapping
from difflib import get_close_matches

_BINARY: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
_UNARY: dict[type[ast.unaryop], Callable[[float], float]] = {ast.UAdd: operator.pos, ast.USub: operator.neg}
_LONGEST = 500


def evaluate(expression: str, names: Mapping[str, float]) -> float:
    """Return the value of an expression over named numbers.

    All arithmetic is in double precision, so that no power can run for hours. Raises ValueError, with what is wrong,
    for anything but the five operations, for unknown names, and where the result is no finite real number.
    """
    if len(expression) > _LONGEST:
        raise ValueError(f"an expression has at most {_LONGEST} characters, this one has {len(expression)}")
    try:
        tree = ast.parse(expression.strip(), mode="eval")
        result = _value(tree.body, names)
    except (SyntaxError, RecursionError, MemoryError):
        raise ValueError(f"'{expression}' is no arithmetic expression") from None
    except ZeroDivisionError:
        raise ValueError(f"'{expression}' divides by zero") from None
    except OverflowError:
        raise ValueError(f"'{expression}' is too large a number") from None
    # A negative number to a broken power is complex in Python.
    if isinstance(result, complex) or not math.isfinite(result):
        raise ValueError(f"'{expression}' is no finite number")
    return result


def _value(node: ast.expr, names: Mapping[str, float]) -> float:
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return float(value)
        case ast.Name(id=name):
            if name in names:
                return names[name]
            near = get_close_matches(name, names, n=1)
            known = f"did you mean '{near[0]}'?" if near else f"known are {', '.join(names)}"
            raise ValueError(f"there is no '{name}' here; {known}")
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            return _BINARY[type(op)](_value(left, names), _value(right, names))
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _UNARY:
            return _UNARY[type(op)](_value(operand, names))
        case ast.Tuple():
            raise ValueError("a number in an expression has no commas: write 1280 or 1_280")
    raise ValueError("an expression has only numbers, names, + - * / ** and brackets")
