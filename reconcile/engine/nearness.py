"""Tolerances as SQL: the exact test on two values, and the grid by which row hashes overlook small differences.

The grid value of x is chosen so that two values with the same grid value are within tolerance. The reverse does not
hold: neighbours may fall in two cells, and the exact test on the rows then decides.
"""

from __future__ import annotations

import math

from contract.equality import Tolerance

_MANTISSA_BITS = 52


def near(left: str, right: str, tolerance: Tolerance, *, exact_numbers: bool) -> str:
    """SQL that is true when both are finite and |left - right| <= abs + rel * max(|left|, |right|).

    `exact_numbers` says that both are integers or decimals: their difference is then taken before any rounding.
    """
    slack = f"{tolerance.abs or 0.0!r}::DOUBLE"
    if tolerance.rel:
        slack += f" + {tolerance.rel!r}::DOUBLE * greatest(abs({left}::DOUBLE), abs({right}::DOUBLE))"
    if exact_numbers:
        return f"{apart(left, right)}::DOUBLE <= {slack}"
    return f"(isfinite({left}) AND isfinite({right}) AND abs({left} - {right}) <= {slack})"


def apart(left: str, right: str) -> str:
    """SQL of the distance of two numbers of one exact type; as a DOUBLE where 38 digits do not hold it."""
    return f"coalesce(TRY(abs({left} - {right})), abs({left}::DOUBLE - {right}::DOUBLE))"


def grid(value: str, tolerance: Tolerance) -> str:
    """SQL of the grid value of the DOUBLE `value`; the value itself where no grid is fine enough."""
    relative = _relative_grid(value, tolerance.rel) if tolerance.rel else value
    if not tolerance.abs or not _usable(tolerance.abs):
        return relative
    step = 2.0 ** math.floor(math.log2(tolerance.abs))
    shift = 1.5 * 2.0**_MANTISSA_BITS * step
    limit = 2.0 ** (_MANTISSA_BITS - 2) * step
    if tolerance.rel:
        limit = min(limit, tolerance.abs / tolerance.rel)
    rounded = f"({value} + {shift!r}::DOUBLE) - {shift!r}::DOUBLE"
    return f"CASE WHEN abs({value}) < {limit!r}::DOUBLE THEN {rounded} ELSE {relative} END"


def _usable(tolerance: float) -> bool:
    """Whether the shift that rounds to this step is itself a finite, normal number."""
    return 1e-280 < tolerance < 1e280


def _relative_grid(value: str, rel: float) -> str:
    """Veltkamp's split: x rounded to so few bits of mantissa that the rounding stays below rel/2 of x."""
    bits = min(_MANTISSA_BITS - 2, math.floor(_MANTISSA_BITS - 1 + math.log2(rel)))
    if bits < 1:
        return value
    factor = f"{2.0**bits + 1!r}::DOUBLE"
    high = f"{value} * {factor} - ({value} * {factor} - {value})"
    return f"CASE WHEN abs({value}) BETWEEN 1e-290 AND 1e290 THEN {high} ELSE {value} END"


def truncated(value: str, grid_us: int) -> str:
    """SQL of the start, in microseconds, of the `grid_us` cell that the TIMESTAMP `value` lies in.

    Whole numbers throughout, down also before 1970; the two infinities keep cells of their own.
    """
    moment = f"epoch_us({value})"
    cell = f"{moment} - ({moment} % {grid_us} + {grid_us}) % {grid_us}"
    beyond = f"CASE WHEN {value} > TIMESTAMP '2000-01-01' THEN 9223372036854775807 ELSE -9223372036854775807 END"
    return f"CASE WHEN isfinite({value}) THEN {cell} WHEN {value} IS NOT NULL THEN {beyond} END"
