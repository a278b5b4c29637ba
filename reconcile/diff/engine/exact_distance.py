"""A tolerance on numbers that are not both floats, decided without any rounding.

A number is a whole count of 10^-scale. A difference that 38 digits (or a HUGEINT) hold is taken there. All else is
decided by two doubles where they leave no doubt, else by BIGNUM, whose sums and order are exact (it has no product).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from plumbline.connect.sql_quoting import text
from plumbline.contract.equality import Tolerance
from plumbline.reconcile.diff.engine.canonical import (
    MAX_DECIMAL,
    Form,
    by_value,
    common_decimal,
    digits_after_point,
    is_float,
    is_integer,
)
from plumbline.reconcile.diff.engine.tolerance_sql import grid, sizes

_FLOAT_SCALE = 345  # the least double, 5e-324, written with up to 17 digits
_DOUBT = 2.0**-48
"""More than what casts to DOUBLE, and the shortest digits of doubles, can be away from the numbers, as a share."""
_SURE = 1e300
_MAX_HUGEINT = 2**127 - 1


@dataclass(frozen=True)
class ExactDistance:
    """How two numbers of the DuckDB types `ours` and `theirs`, not both floats, are held to `tolerance`."""

    ours: Any
    theirs: Any
    tolerance: Tolerance

    def within(self, left: str, right: str) -> str:
        """SQL that is true when |left - right| <= abs + rel * max(|left|, |right|); never for NULL, NaN, infinity."""
        decided = self._by_doubles(left, right)
        narrow = None if self.tolerance.rel else self._held_in()
        if narrow is None:
            return decided
        kind, scale, most = narrow
        slack = min(math.floor(_fraction(self.tolerance.abs) * 10**scale), most)
        limit = f"{slack}::HUGEINT" if kind == "HUGEINT" else f"({text(_point(slack, scale))}::{kind})"
        return f"coalesce(TRY(abs({left}::{kind} - {right}::{kind})) <= {limit}, {decided})"

    def gridded(self, value: str, canonical: str) -> str:
        """SQL for the row hash: equal for numbers that are within tolerance only.

        A grid of a quarter leaves room for what the casts to DOUBLE round. Exact numbers have none: they are compared.
        """
        if not (is_float(self.ours) or is_float(self.theirs)):
            return canonical
        absolute, relative = sizes(self.tolerance)
        quarter = Tolerance(abs=absolute / 4, rel=relative / 4)
        return grid(f"TRY_CAST({value} AS DOUBLE)", quarter, otherwise=canonical)

    def _held_in(self) -> tuple[str, int, int] | None:
        """The type, its scale and the most of its units that can hold a difference; None where none can."""
        if is_integer(self.ours) and is_integer(self.theirs):
            return "HUGEINT", 0, _MAX_HUGEINT
        if is_float(self.ours) or is_float(self.theirs) or common_decimal(self.ours, self.theirs) is None:
            return None
        scale = self._scale()
        return f"DECIMAL({MAX_DECIMAL},{scale})", scale, 10**MAX_DECIMAL - 1

    def _scale(self) -> int:
        return max(_FLOAT_SCALE if is_float(kind) else digits_after_point(kind) for kind in (self.ours, self.theirs))

    def _by_doubles(self, left: str, right: str) -> str:
        absolute, relative = sizes(self.tolerance)
        one, other = f"TRY_CAST({left} AS DOUBLE)", f"TRY_CAST({right} AS DOUBLE)"
        largest, gap = f"greatest(abs({one}), abs({other}))", f"abs({one} - {other})"
        slack = f"{absolute!r}::DOUBLE + {relative!r}::DOUBLE * {largest}"
        doubt = f"{_DOUBT!r}::DOUBLE * ({largest} + {slack}) + 1e-300"
        sure = (
            f"{one} IS NOT NULL AND {other} IS NOT NULL AND {largest} < {_SURE!r}::DOUBLE"
            f" AND {slack} < {_SURE!r}::DOUBLE AND abs({gap} - ({slack})) > {doubt}"
        )
        return f"CASE WHEN {sure} THEN {gap} <= {slack} ELSE {self._by_digits(left, right)} END"

    def _by_digits(self, left: str, right: str) -> str:
        """In units of 10^-(scale + places), where `places` are those of rel: all numbers are whole then."""
        scale = self._scale()
        rel, absolute = _fraction(self.tolerance.rel), _fraction(self.tolerance.abs)
        places = _places(rel)
        slack = math.floor(absolute * 10 ** (scale + places))
        factor = rel * 10**places
        pair = (
            f"{{'a': {_units(left, by_value(self.ours), scale)}, 'b': {_units(right, by_value(self.theirs), scale)}}}"
        )
        ends = f"list_transform([{pair}], lambda p: {{'low': least(p.a, p.b), 'high': greatest(p.a, p.b)}})"
        allowed = f"{text(str(slack))}::BIGNUM"
        if factor:
            allowed += f" + {_times('greatest(e.high, -e.low)', int(factor))}"
        gap = f"((e.high - e.low)::VARCHAR || {text('0' * places)})::BIGNUM"
        told = f"list_transform({ends}, lambda e: {gap} <= {allowed})[1]"
        finite = " AND ".join(f"isfinite({value})" for value, kind in ((left, self.ours), (right, self.theirs))
                              if is_float(kind))  # fmt: skip
        known = f"{left} IS NOT NULL AND {right} IS NOT NULL"
        return f"CASE WHEN {f'{known} AND {finite}' if finite else known} THEN {told} END"


def _units(value: str, form: Form, scale: int) -> str:
    """SQL of a number as a BIGNUM count of 10^-scale, by the text of its digits."""
    parts = f"list_transform([string_split(lower({form(value)}), 'e')], lambda t: {{'m': t[1], 'e': t[2]}})"
    zeros = f"{scale} + coalesce(x.e::INTEGER, 0) - length(split_part(x.m, '.', 2))"
    whole = f"TRY_CAST(replace(x.m, '.', '') || repeat('0', {zeros}) AS BIGNUM)"
    return f"list_transform({parts}, lambda x: {whole})[1]"


def _times(number: str, factor: int) -> str:
    """SQL of a BIGNUM times a whole constant, digit by digit as on paper."""
    multiples = ["0::BIGNUM", "n"]
    for _ in range(2, 10):
        multiples.append(f"{multiples[-1]} + n")
    digits = ", ".join(str(int(digit) + 1) for digit in str(factor))
    shifted = "lambda sum, one: (sum::VARCHAR || '0')::BIGNUM + one"
    rows = f"list_transform([{digits}], lambda d: m[d])"
    product = f"list_transform([[{', '.join(multiples)}]], lambda m: list_reduce({rows}, {shifted}))[1]"
    return f"list_transform([{number}], lambda n: {product})[1]"


def _fraction(size: object) -> Fraction:
    """A size as it was written: a float stands for the shortest digits that mean it."""
    return Fraction(str(size or 0))


def _places(share: Fraction) -> int:
    """Digits after the point of a decimal fraction."""
    places = 0
    while (share * 10**places).denominator != 1:
        places += 1
    return places


def _point(units: int, scale: int) -> str:
    """`units` of 10^-scale, written out."""
    digits = str(units).zfill(scale + 1)
    return f"{digits[:-scale]}.{digits[-scale:]}" if scale else digits
