"""Metric math, as far as alarms here need it: numbers, the four operations, and FILL with a number.

Source: CloudWatch user guide, "Using math expressions with CloudWatch metrics".
"""

from __future__ import annotations

import ast
import operator
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Series = list[float | None]
"""A value for each period, the latest first; None where there is none."""

_OPERATIONS: Final[Mapping[type[ast.operator], Callable[[float, float], float]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


class UnsupportedExpressionError(Exception):
    """The sandbox does not know such an expression; the text is the expression."""


def evaluate(expression: str, series: Mapping[str, Sequence[float | None]], *, periods: int) -> Series:
    """The expression's values; none where one of the values that it needs is missing, or where it divides by zero.

    Args:
        expression: of metric math.
        series: that it may name, by their ids, each with a value for each period.
        periods: how many there are.

    Raises:
        UnsupportedExpressionError: it is beyond what the sandbox knows.
    """
    try:
        tree = ast.parse(expression, mode="eval").body
    except SyntaxError as error:
        raise UnsupportedExpressionError(expression) from error

    def value(node: ast.expr, period: int) -> float | None:
        match node:
            case ast.Constant(value=int() | float() as number):
                return float(number)
            case ast.Name(id=name) if name in series:
                return series[name][period]
            case ast.Call(func=ast.Name(id="FILL"), args=[inner, ast.Constant(value=int() | float() as filler)]):
                found = value(inner, period)
                return float(filler) if found is None else found
            case ast.BinOp(left=left, op=operation, right=right) if type(operation) in _OPERATIONS:
                first, second = value(left, period), value(right, period)
                if first is None or second is None or (isinstance(operation, ast.Div) and second == 0):
                    return None
                return _OPERATIONS[type(operation)](first, second)
        raise UnsupportedExpressionError(expression)

    return [value(tree, period) for period in range(periods)]
