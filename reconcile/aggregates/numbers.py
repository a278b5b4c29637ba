"""What a value of an aggregate is, by what its calls come to over some rows, and whether a table's number can be it.

Whole numbers and decimals are exact. Floating-point sums may differ by the order in which they were made: any order of
n - 1 additions ends within (n - 1) * u * sum(|x|) of the true sum, with u = 2^-53 (Higham, Accuracy and Stability of
Numerical Algorithms, section 4.2, to first order), and so two of them within twice that of each other. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isfinite, isinf, isnan, nan, nextafter
from typing import Any

from plumbline.contract.aggregate_calls import Call

UNIT = 2.0**-53
SLACK = 1 + 2.0**-10
"""For the bound's terms of higher order, and the rounding of sum(|x|), up to 10^12 rows."""
MOST_ROWS = 10**12
LEAST_LONG, GREATEST_LONG = -(2**63), 2**63 - 1


@dataclass(frozen=True)
class Gathered:
    """What one call comes to over some rows.

    `counted` are the rows that count, with a value; `value` is their exact sum, least or greatest one, or the sum of
    the finite ones in some order, if they are floating-point numbers. Of those `size` is the sum of absolute values
    (None: exact ones), and `nans`, `highs` and `lows` count NaN and the infinities.
    """

    counted: int
    value: Any = None
    size: float | None = None
    nans: int = 0
    highs: int = 0
    lows: int = 0


@dataclass(frozen=True)
class Exactly:
    """One value, None for NULL."""

    value: Any


@dataclass(frozen=True)
class Between:
    """Any double from `low` to `high`, both included."""

    low: float
    high: float


@dataclass(frozen=True)
class Untold:
    """Nothing can be said: a sum that may overflow, a quotient by what may be zero."""


Expected = Exactly | Between | Untold


def of_value(calls: Sequence[Call], gathered: Sequence[Gathered]) -> Expected:
    """What a value of one or two calls is."""
    parts = [of_call(call, found) for call, found in zip(calls, gathered, strict=True)]
    return parts[0] if len(parts) == 1 else _divided(_as_double(parts[0]), _as_double(parts[1]))


def of_call(call: Call, found: Gathered) -> Expected:
    """What one call gives."""
    if call.function in ("count", "count_distinct"):
        return Exactly(found.counted)
    if call.function in ("min", "max"):
        return Exactly(found.value)
    if not found.counted:
        return Exactly(None)
    if found.size is not None:
        total = _of_floats(found, found.size)
        return total if call.function == "sum" else _divided(total, Exactly(float(found.counted)))
    if call.function == "avg":
        return Exactly(float(found.value) / float(found.counted))
    beyond = isinstance(found.value, int) and not LEAST_LONG <= found.value <= GREATEST_LONG
    return Exactly(None if beyond else found.value)


def agrees(expected: Expected, held: Any) -> bool:
    """Whether a table's value is what was expected. NULL is NULL, NaN is NaN, and -0.0 is 0.0."""
    if isinstance(expected, Exactly):
        return same(expected.value, held)
    return isinstance(expected, Between) and isinstance(held, float) and expected.low <= held <= expected.high


def same(one: Any, other: Any) -> bool:
    """Whether two values of a column are equal."""
    if one is None or other is None:
        return one is other
    if isinstance(one, float) and isinstance(other, float) and isnan(one) and isnan(other):
        return True
    return bool(one == other)


def _of_floats(found: Gathered, size: float) -> Expected:
    """The sum, whatever the order of its additions."""
    if found.nans or (found.highs and found.lows):
        return Exactly(nan)
    bound = 2 * (found.counted - 1) * UNIT * size * SLACK
    if not isfinite(size + bound) or found.counted > MOST_ROWS:
        return Untold()  # in some order it overflows, and an infinity and the other one are NaN
    if found.highs or found.lows:
        return Exactly(inf if found.highs else -inf)
    return Exactly(found.value) if bound == 0 else _widened(found.value - bound, found.value + bound)


def _as_double(part: Expected) -> Expected:
    if isinstance(part, Exactly) and part.value is not None:
        return Exactly(float(part.value))
    return part


def _divided(above: Expected, below: Expected) -> Expected:
    """A quotient of doubles; NULL by zero, and where one of them is NULL."""
    if Exactly(None) in (above, below) or below == Exactly(0.0):
        return Exactly(None)
    if isinstance(above, Exactly) and isinstance(below, Exactly):
        return Exactly(_quotient(above.value, below.value))
    tops, bottoms = _ends(above), _ends(below)
    if not tops or not bottoms or min(bottoms) <= 0 <= max(bottoms):
        return Untold()
    corners = [_quotient(top, bottom) for top in tops for bottom in bottoms]
    return _widened(min(corners), max(corners)) if all(map(isfinite, corners)) else Untold()


def _quotient(above: float, below: float) -> float:
    """As IEEE 754 has it. `below` is not zero."""
    return nan if isinf(above) and isinf(below) else above / below


def _ends(part: Expected) -> tuple[float, ...]:
    """The finite ends of an expectation; none where it has none."""
    ends = (part.low, part.high) if isinstance(part, Between) else (part.value,) if isinstance(part, Exactly) else ()
    return ends if all(map(isfinite, ends)) else ()


def _widened(low: float, high: float) -> Between:
    """With both ends rounded outwards."""
    return Between(nextafter(low, -inf), nextafter(high, inf))
