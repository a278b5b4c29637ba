"""Tolerances as SQL: the exact test on two values, and the grid by which row hashes overlook small differences.

The grid value of x is chosen so that two values with the same grid value are within tolerance. The reverse does not
hold: neighbours may fall in two cells, and the exact test on the rows then decides.
"""

from __future__ import annotations

import math

from plumbline.contract.equality import Tolerance

_MANTISSA_BITS = 52


def sizes(tolerance: Tolerance) -> tuple[float, float]:
    """`abs` and `rel` as floats, 0 where there is none."""
    return float(tolerance.abs or 0), float(tolerance.rel or 0)


def near(left: str, right: str, tolerance: Tolerance) -> str:
    """SQL that is true when two DOUBLEs are finite and |left - right| <= abs + rel * max(|left|, |right|)."""
    absolute, relative = sizes(tolerance)
    slack = f"{absolute!r}::DOUBLE"
    if relative:
        slack += f" + {relative!r}::DOUBLE * greatest(abs({left}), abs({right}))"
    return f"(isfinite({left}) AND isfinite({right}) AND abs({left} - {right}) <= {slack})"


def apart(left: str, right: str) -> str:
    """SQL of the distance of two numbers of one exact type; as a DOUBLE where 38 digits do not hold it."""
    return f"coalesce(TRY(abs({left} - {right})), abs({left}::DOUBLE - {right}::DOUBLE))"


def grid(value: str, tolerance: Tolerance, otherwise: str | None = None) -> str:
    """SQL of the grid value of the DOUBLE `value`; the value itself where no grid is fine enough.

    With `otherwise`, a text that stands for the value there, the grid values are texts too, and no such text.
    """
    absolute, relative_size = sizes(tolerance)
    relative = _relative_grid(value, relative_size, otherwise) if relative_size else otherwise or value
    if not absolute or not _usable(absolute):
        return relative
    step = 2.0 ** math.floor(math.log2(absolute))
    shift = 1.5 * 2.0**_MANTISSA_BITS * step
    limit = 2.0 ** (_MANTISSA_BITS - 2) * step
    if relative_size:
        limit = min(limit, absolute / relative_size)
    rounded = _marked(f"({value} + {shift!r}::DOUBLE) - {shift!r}::DOUBLE", otherwise)
    return f"CASE WHEN abs({value}) < {limit!r}::DOUBLE THEN {rounded} ELSE {relative} END"


def _usable(tolerance: float) -> bool:
    """Whether the shift that rounds to this step is itself a finite, normal number."""
    return 1e-280 < tolerance < 1e280


def _marked(cell: str, otherwise: str | None) -> str:
    return cell if otherwise is None else f"concat('~', {cell})"


def _relative_grid(value: str, rel: float, otherwise: str | None) -> str:
    """Veltkamp's split: x rounded to so few bits of mantissa that the rounding stays below rel/2 of x."""
    bits = min(_MANTISSA_BITS - 2, math.floor(_MANTISSA_BITS - 1 + math.log2(rel)))
    if bits < 1:
        return otherwise or value
    factor = f"{2.0**bits + 1!r}::DOUBLE"
    high = _marked(f"{value} * {factor} - ({value} * {factor} - {value})", otherwise)
    return f"CASE WHEN abs({value}) BETWEEN 1e-290 AND 1e290 THEN {high} ELSE {otherwise or value} END"


def truncated(value: str, grid_us: int) -> str:
    """SQL of the start, in microseconds, of the `grid_us` cell that the TIMESTAMP `value` lies in.

    Whole numbers throughout, down also before 1970; the two infinities keep cells of their own.
    """
    moment = f"epoch_us({value})"
    cell = f"{moment} - ({moment} % {grid_us} + {grid_us}) % {grid_us}"
    beyond = f"CASE WHEN {value} > TIMESTAMP '2000-01-01' THEN 9223372036854775807 ELSE -9223372036854775807 END"
    return f"CASE WHEN isfinite({value}) THEN {cell} WHEN {value} IS NOT NULL THEN {beyond} END"
