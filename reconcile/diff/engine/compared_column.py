"""One compared column: the form of its values on each side, when two of them are equal, and how they are shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from plumbline.connect.sql_quoting import column, ident
from plumbline.contract.equality import Tolerance
from plumbline.contract.errors import UsageError
from plumbline.reconcile.diff.engine.canonical import (
    MAX_DECIMAL,
    Form,
    Rule,
    cast,
    common_decimal,
    is_float,
    is_moment,
    is_number,
    is_wide,
    rule_for,
)
from plumbline.reconcile.diff.engine.exact_distance import ExactDistance
from plumbline.reconcile.diff.engine.folding import folded
from plumbline.reconcile.diff.engine.tolerance_sql import apart, grid, near, truncated

_INSTANT = "TIMESTAMP"


@dataclass(frozen=True)
class Compared:
    """A column by its canonical form on each side, and what may still differ between two canonical values.

    `rule` holds all that is done to a value first (types, folding, rounding). `tolerance` forgives numbers: floats by
    floats, all others by `exactly`. `sql` is the user's own test. `distance_in` is the type in which the difference of
    two plain values is taken, if they have one. `mask` turns a value into what may be shown of it. `wide` says that
    hash() cannot tell the values apart.
    """

    name: str
    rule: Rule
    tolerance: Tolerance | None = None
    exactly: ExactDistance | None = None
    sql: str | None = None
    distance_in: str | None = None
    mask: Form | None = None
    wide: bool = False

    def value(self, side: str, of: str = "") -> str:
        """SQL of the canonical value of this column on `side`; `of` is the alias or struct that holds it."""
        return self.rule.form(side)(column(self.name, of))

    def hashed(self, side: str) -> str:
        """SQL that feeds the row hash: equal for values that are equal, and for most that are within tolerance."""
        return self.hashable(self.gridded(side))

    def hashable(self, value: str) -> str:
        """SQL of the canonical `value` in a form whose hash() tells it from all others."""
        return sort_key(value) if self.rule.nested or self.wide else value

    def gridded(self, side: str, of: str = "") -> str:
        """SQL of the canonical value, on its tolerance's grid where it has one."""
        value = self.value(side, of)
        if self.exactly:
            return self.exactly.gridded(column(self.name, of), value)
        return grid(value, self.tolerance) if self.tolerance else value

    def differs(self, left: str, right: str) -> str:
        """SQL that is true when the plain values in the structs `left` and `right` are not equal."""
        ours, theirs = self.value("left", left), self.value("right", right)
        unequal = f"{ours} IS DISTINCT FROM {theirs}"
        if self.sql is not None:
            agree = f"{self.macro}({column(self.name, left)}, {column(self.name, right)})"
        elif self.exactly is not None:
            agree = self.exactly.within(column(self.name, left), column(self.name, right))
        elif self.tolerance is not None:
            agree = near(ours, theirs, self.tolerance)
        else:
            return f"({unequal})"
        return f"({unequal} AND NOT coalesce({agree}, false))"

    @property
    def macro(self) -> str:
        """The name of the macro that holds `sql`."""
        return ident(f"plumbline_agree_{self.name}")

    def distance(self, left: str, right: str) -> str | None:
        """SQL of how far apart the plain values in the structs `left` and `right` are: numbers as such, moments in
        seconds. None for a column without a distance, or of which nothing may be shown."""
        if self.distance_in is None or self.mask is not None:
            return None
        ours, theirs = (f"{column(self.name, side)}::{self.distance_in}" for side in (left, right))
        if self.distance_in not in ("DOUBLE", _INSTANT):
            return apart(ours, theirs)
        if self.distance_in == _INSTANT:
            seconds = f"abs(epoch_us({ours}) - epoch_us({theirs})) / 1e6"
            return f"CASE WHEN isfinite({ours}) AND isfinite({theirs}) THEN {seconds} END"
        # Values that differ by less than a double can tell, or by more, have no distance of 0 or infinity.
        far = f"abs({ours} - {theirs})"
        return f"CASE WHEN isfinite({far}) THEN nullif({far}, 0) END"

    def shown(self, value: str) -> str:
        """SQL of what may be shown of the SQL `value`."""
        return self.mask(value) if self.mask else value


def sort_key(value: str) -> str:
    """An injective encoding. Of the bare value DuckDB's hash() takes [] for NULL, [0] for [0, 0], and of the type
    DECIMAL(20,2) 0.00 for -0.01."""
    return f"create_sort_key({value}, 'ASC NULLS FIRST')"


def compared_column(
    name: str, ours: Any, theirs: Any, tolerance: Tolerance | None = None, mask: Form | None = None
) -> Compared | None:
    """How values of the DuckDB types `ours` and `theirs` are compared; None when they cannot be compared by value.

    Raises UsageError for a tolerance that does not fit the types.
    """
    rule = rule_for(ours, theirs)
    if rule is None:
        return None
    tolerance = tolerance or Tolerance()
    rule = folded(name, rule, ours, theirs, tolerance.fold)
    if tolerance.round_to_ms:
        rule = _rounded(name, ours, theirs, rule, tolerance.round_to_ms)
    near_enough = tolerance if tolerance.abs or tolerance.rel else None
    exactly = None
    numbers = _numbers(name, ours, theirs) if near_enough else []
    if numbers and all(map(is_float, numbers)):
        rule = Rule(cast("DOUBLE"), cast("DOUBLE"))
    elif numbers and near_enough:
        exactly = ExactDistance(numbers[0], numbers[-1], near_enough)
    return Compared(
        name, rule, near_enough, exactly, tolerance.sql, _distance_type(ours, theirs), mask, is_wide(ours, theirs)
    )


def _rounded(name: str, ours: Any, theirs: Any, rule: Rule, round_to_ms: float) -> Rule:
    if not (is_moment(ours) and is_moment(theirs)):
        raise UsageError(
            f"column {name!r} is {ours}, not a timestamp, and cannot be rounded to {round_to_ms:g} ms",
            next_step="use round_to for timestamps only; abs and rel are for numbers",
        )
    grid_us = max(1, round(round_to_ms * 1000))
    # Fixed to microseconds first: epoch_us() of a TIMESTAMP_S or _MS is the same, of a zoned one in UTC too.
    return Rule(_cut(rule.left, grid_us), _cut(rule.right, grid_us))


def _cut(form: Form, grid_us: int) -> Form:
    return lambda value: truncated(f"{form(value)}::TIMESTAMP", grid_us)


def _numbers(name: str, ours: Any, theirs: Any) -> list[Any]:
    """The types of the numbers; a column without any value takes the other side's. Raises UsageError for no numbers."""
    kinds = [kind for kind in (ours, theirs) if kind.id != "null"]
    for kind in kinds:
        if not is_number(kind):
            raise UsageError(
                f"column {name!r} is {kind}, not a number, and cannot have a tolerance",
                next_step="use abs and rel for numbers only; round_to is for timestamps",
            )
    return kinds


def _distance_type(ours: Any, theirs: Any) -> str | None:
    """The type in which the difference of two values of the two types is taken; None without one."""
    if is_moment(ours) and is_moment(theirs):
        return _INSTANT
    if not (is_number(ours) and is_number(theirs)):
        return None
    kinds = {ours.id, theirs.id}
    if "bignum" in kinds:
        return None  # DuckDB has no arithmetic that holds for it
    if not (is_float(ours) or is_float(theirs) or kinds & {"decimal", "hugeint", "uhugeint"}):
        return "HUGEINT"
    exact = None if is_float(ours) or is_float(theirs) else common_decimal(ours, theirs)
    return f"DECIMAL({MAX_DECIMAL},{exact.rpartition(',')[2]}" if exact else "DOUBLE"
