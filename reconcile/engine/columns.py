"""Which columns are compared and how: the plan that both passes of the engine follow."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contract.equality import Tolerance
from contract.errors import UsageError
from reconcile.engine.canonical import (
    MAX_DECIMAL,
    Form,
    Rule,
    cast,
    is_float,
    is_moment,
    is_number,
    rule_for,
)
from reconcile.engine.nearness import grid, near, truncated
from reconcile.engine.quoting import column
from reconcile.engine.schema import Finding, findings_of, nearest
from reconcile.engine.sides import Relation

OWN_COLUMNS = frozenset(
    {"class", "left_count", "right_count", "columns", "left_row", "right_row", "left_rows", "right_rows"}
)


@dataclass(frozen=True)
class Compared:
    """One compared column: its canonical form on each side, and its tolerance if it has one."""

    name: str
    rule: Rule
    tolerance: Tolerance | None = None
    exact_numbers: bool = False

    def value(self, side: str, of: str = "") -> str:
        """SQL of the canonical value of this column on `side`; `of` is the alias or struct that holds it."""
        return self.rule.form(side)(column(self.name, of))

    def hashed(self, side: str) -> str:
        """SQL that feeds the row hash: equal for values that are equal, and for most that are within tolerance."""
        value = self.gridded(side)
        return sort_key(value) if self.rule.nested else value

    def gridded(self, side: str, of: str = "") -> str:
        """SQL of the canonical value, on its tolerance's grid where it has one."""
        value = self.value(side, of)
        return grid(value, self.tolerance) if self.tolerance and not self.exact_numbers else value

    def differs(self, left: str, right: str) -> str:
        """SQL that is true when the plain values in the structs `left` and `right` are not equal."""
        ours, theirs = self.value("left", left), self.value("right", right)
        unequal = f"{ours} IS DISTINCT FROM {theirs}"
        if self.tolerance is None:
            return f"({unequal})"
        close = near(ours, theirs, self.tolerance, exact_numbers=self.exact_numbers)
        return f"({unequal} AND NOT coalesce({close}, false))"


def sort_key(value: str) -> str:
    """An injective encoding: DuckDB's hash() of the bare nested value takes [] for NULL and [0] for [0, 0]."""
    return f"create_sort_key({value}, 'ASC NULLS FIRST')"


@dataclass(frozen=True)
class Plan:
    """Key columns, compared columns, carried columns, and what is wrong between the two schemas."""

    left: Relation
    right: Relation
    keys: tuple[Compared, ...]
    values: tuple[Compared, ...]
    carry: tuple[str, ...]
    findings: tuple[Finding, ...]

    def side(self, side: str) -> Relation:
        return self.left if side == "left" else self.right


def plan_columns(
    left: Relation,
    right: Relation,
    key: Sequence[str],
    *,
    columns: Sequence[str] | None = None,
    ignore: Collection[str] = (),
    tolerances: Mapping[str, Tolerance] | None = None,
    carry: Sequence[str] = (),
) -> Plan:
    """Decide what is compared. Raises UsageError for keys, columns and tolerances that cannot be used."""
    tolerances = dict(tolerances or {})
    _check_known((*(columns or ()), *ignore, *tolerances), left, right)
    _check_key(key, left, right, tolerances)
    _check_tolerances(tolerances)
    skipped = {*ignore, *carry, *(name for name, tolerance in tolerances.items() if tolerance.ignore)} - set(key)
    wanted = [name for name in _either(left, right) if name not in skipped and name not in key]
    if columns is not None:
        wanted = [name for name in wanted if name in columns]
    both = [name for name in wanted if name in left.columns and name in right.columns]
    compared = [_compared(name, left, right, tolerances.get(name)) for name in both]
    return Plan(
        left=left,
        right=right,
        keys=tuple(_key(name, left, right) for name in key),
        values=tuple(found for found in compared if found is not None),
        carry=tuple(name for name in carry if name in left.columns or name in right.columns),
        findings=findings_of(left.columns, right.columns, [*key, *wanted]),
    )


def _either(left: Relation, right: Relation) -> list[str]:
    return list(dict.fromkeys((*left.columns, *right.columns)))


def _check_known(names: Collection[str], left: Relation, right: Relation) -> None:
    known = _either(left, right)
    for name in names:
        if name not in known:
            raise UsageError(
                f"column {name!r} is on neither side",
                where=f"{left.name}, {right.name}",
                next_step=nearest(name, known),
            )


def _check_key(key: Sequence[str], left: Relation, right: Relation, tolerances: Mapping[str, Tolerance]) -> None:
    if not key:
        raise UsageError("no key column is named", next_step="name the columns that identify a row")
    if not set(left.columns) & set(right.columns):
        raise UsageError(
            f"the two sides have no column in common: {', '.join(left.columns)} against {', '.join(right.columns)}",
            next_step="check that the right files are compared, or rename the columns in a view",
        )
    for name in key:
        for side, relation in (("left", left), ("right", right)):
            if name not in relation.columns:
                raise UsageError(
                    f"key column {name!r} is missing on the {side} side",
                    where=relation.name,
                    next_step=nearest(name, relation.columns),
                )
        if name in tolerances:
            raise UsageError(
                f"key column {name!r} has a tolerance", next_step="drop it: keys are equal or they are not"
            )
        if name.lower() in OWN_COLUMNS:
            raise UsageError(
                f"key column {name!r} has the name of a column of the drift table",
                next_step="rename it in a view or in the file",
            )
    if len(set(key)) < len(key):
        raise UsageError(f"a key column is named twice: {', '.join(key)}", next_step="name each once")


def _check_tolerances(tolerances: Mapping[str, Tolerance]) -> None:
    for name, tolerance in tolerances.items():
        for size in (tolerance.abs, tolerance.rel, tolerance.round_to_ms):
            if size is not None and not (size >= 0 and math.isfinite(size)):
                raise UsageError(
                    f"tolerance {size} of column {name!r} is not a size",
                    next_step="write a finite number that is not negative",
                )


def _key(name: str, left: Relation, right: Relation) -> Compared:
    ours, theirs = left.columns[name], right.columns[name]
    rule = rule_for(ours, theirs)
    if rule is None or "map" in (ours.id, theirs.id):
        raise UsageError(
            f"key column {name!r} cannot be compared: {ours} on the left, {theirs} on the right",
            next_step="cast it to one type on both sides, in a view or in the file",
        )
    return Compared(name, rule)


def _compared(name: str, left: Relation, right: Relation, tolerance: Tolerance | None) -> Compared | None:
    ours, theirs = left.columns[name], right.columns[name]
    rule = rule_for(ours, theirs)
    if rule is None:
        return None
    if tolerance and tolerance.round_to_ms:
        return Compared(name, _rounded(name, ours, theirs, rule, tolerance.round_to_ms))
    if tolerance and (tolerance.abs or tolerance.rel):
        return _numeric(name, ours, theirs, tolerance)
    return Compared(name, rule)


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


def _numeric(name: str, ours: Any, theirs: Any, tolerance: Tolerance) -> Compared:
    for kind in (ours, theirs):
        if not is_number(kind):
            raise UsageError(
                f"column {name!r} is {kind}, not a number, and cannot have a tolerance",
                next_step="use abs and rel for numbers only; round_to is for timestamps",
            )
    common = _number_for_difference(ours, theirs)
    return Compared(name, Rule(cast(common), cast(common)), tolerance, exact_numbers=common != "DOUBLE")


def _number_for_difference(ours: Any, theirs: Any) -> str:
    """A type in which the difference of any two values of the two types does not overflow."""
    kinds = {ours.id, theirs.id}
    if not (is_float(ours) or is_float(theirs) or kinds & {"decimal", "hugeint", "uhugeint"}):
        return "HUGEINT"
    if kinds == {"decimal"} and ours == theirs and int(ours.children[0][1]) < MAX_DECIMAL:
        return f"DECIMAL({MAX_DECIMAL},{int(ours.children[1][1])})"
    return "DOUBLE"
