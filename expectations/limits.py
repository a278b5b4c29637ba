"""The rows that break bounds or a set of numbers, in DuckDB's words. Pure.

A whole number or a decimal never becomes a double on the way: a bound is brought to the column's own steps, since
DuckDB alone would bring both to doubles, or fail where the bound has more digits than the column. In a column of
floating-point numbers 0.1 is the one that is written so.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction

Number = int | float
_FLOATS = ("float", "double")
_BEYOND = 10**39
"""More steps than any column has."""


def outside(column: str, kind: str, low: Number | None, high: Number | None) -> str:
    """The predicate of the values beyond the bounds; `column` is quoted, `kind` its Iceberg type."""
    sides = (("<", low), (">", high))
    return " OR ".join(_beyond(column, kind, sign, bound) for sign, bound in sides if bound is not None) or "false"


def not_among(column: str, kind: str, values: Iterable[Number]) -> str:
    """The predicate of the values that are none of `values`. One that the column cannot hold is left out."""
    listed = [literal for value in values if (literal := _held(value, kind)) is not None]
    return f"{column} NOT IN ({', '.join(listed)})" if listed else f"{column} IS NOT NULL"


def _beyond(column: str, kind: str, sign: str, bound: Number) -> str:
    if kind in _FLOATS:
        return f"{column} {sign} CAST('{_double(bound, up=sign == '<')!r}' AS DOUBLE)"
    digits, scale = _digits(kind)
    steps = _steps(bound, scale, up=sign == "<")
    if abs(steps) >= 10**digits:
        return f"{column} IS NOT NULL" if (steps > 0) == (sign == "<") else "false"
    return f"{column} {sign} {_literal(steps, digits, scale)}"


def _double(bound: Number, *, up: bool) -> float:
    """The double that is the bound; of a whole number that is none, the next one inside the bound."""
    double = float(bound)
    if up and double < bound:
        return math.nextafter(double, math.inf)
    return math.nextafter(double, -math.inf) if double > bound and not up else double


def _steps(bound: Number, scale: int, *, up: bool) -> int:
    """The bound in units of the column's last digit; between two of them the one inside the bound."""
    if isinstance(bound, float) and math.isinf(bound):
        return _BEYOND if bound > 0 else -_BEYOND
    exact: Fraction = _exact(bound) * 10**scale
    return math.ceil(exact) if up else math.floor(exact)


def _held(value: Number, kind: str) -> str | None:
    """The literal of a value in the column's type; None for one that the type does not have."""
    if kind in _FLOATS:
        try:
            [held] = struct.unpack(kind[0], struct.pack(kind[0], value))
        except OverflowError:
            return None
        lost = isinstance(value, int) and held != value
        return None if lost else f"CAST('{float(value)!r}' AS {kind.upper()})"
    digits, scale = _digits(kind)
    steps = _exact(value) * 10**scale
    return _literal(int(steps), digits, scale) if steps.denominator == 1 and abs(steps) < 10**digits else None


def _exact(value: Number) -> Fraction:
    """The number as a contract has it: 0.1 is a tenth."""
    return Fraction(repr(value))


def _digits(kind: str) -> tuple[int, int]:
    """How many digits a column has, and how many of them after the point; 19 are a `long`'s."""
    digits, scale = (int(number) for number in re.findall(r"\d+", kind) or (19, 0))
    return digits, scale


def _literal(steps: int, digits: int, scale: int) -> str:
    if not scale:
        return str(steps)
    exact = Decimal((int(steps < 0), tuple(map(int, str(abs(steps)))), -scale))
    return f"CAST('{exact:f}' AS DECIMAL({digits}, {scale}))"
