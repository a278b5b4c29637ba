"""Which columns are compared and how: the plan that both passes of the engine follow."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from plumbline.contract.equality import Tolerance
from plumbline.contract.errors import UsageError
from plumbline.reconcile.diff.engine.compared_column import Compared, compared_column
from plumbline.reconcile.diff.engine.rules import Rules
from plumbline.reconcile.diff.engine.schema_findings import Finding, findings_of, nearest
from plumbline.reconcile.diff.engine.side_view import SideView

OWN_COLUMNS = frozenset(
    {"class", "left_count", "right_count", "columns", "left_row", "right_row", "left_rows", "right_rows"}
)


def drift_names(key: Sequence[str]) -> dict[str, str]:
    """Key columns to their names in the drift, whose own columns have names that a table may use too: `class` is
    `class of the key` there."""
    names: dict[str, str] = {}
    for name in key:
        taken = name.lower() in OWN_COLUMNS or name.lower().startswith(("left__", "right__"))
        new = f"{name} of the key" if taken else name
        while new in names.values():
            new += " of the key"
        names[name] = new
    return names


@dataclass(frozen=True)
class Plan:
    """Key columns, compared columns, carried columns, and what is wrong between the two schemas.

    Without a key whole rows are compared as multisets: every compared column is then part of the key.
    """

    left: SideView
    right: SideView
    keys: tuple[Compared, ...]
    values: tuple[Compared, ...]
    carry: tuple[str, ...]
    findings: tuple[Finding, ...]
    keyless: bool = False

    def side(self, side: str) -> SideView:
        return self.left if side == "left" else self.right

    @property
    def named_keys(self) -> tuple[Compared, ...]:
        """The key columns that the drift has beside the rows."""
        return () if self.keyless else self.keys

    @property
    def masked(self) -> bool:
        """Whether values of some column must not be shown."""
        return any(value.mask for value in (*self.keys, *self.values))


def plan_columns(
    left: SideView,
    right: SideView,
    key: Sequence[str] | None,
    rules: Rules,
) -> Plan:
    """Decide what is compared, by `key` or, without one, as whole rows. Raises UsageError for what cannot be used."""
    tolerances, masks, named = rules.tolerances, rules.masks, tuple(key or ())
    _check_known(rules.named, left, right)
    _check_common(left, right)
    _check_tolerances(tolerances)
    if key is not None:
        _check_key(named, left, right)
    ignored = {*rules.ignore, *rules.carry, *(name for name, rule in tolerances.items() if rule.ignore)}
    skipped, columns = ignored - set(named), rules.columns
    chosen = _either(left, right) if columns is None else [n for n in _either(left, right) if n in columns]
    wanted = [name for name in chosen if name not in skipped and name not in named]

    def compared(names: Sequence[str]) -> tuple[Compared, ...]:
        found = (
            compared_column(name, left.columns[name], right.columns[name], tolerances.get(name), masks.get(name))
            for name in names
            if name in left.columns and name in right.columns
        )
        return tuple(column for column in found if column is not None)

    keys, values = (compared(wanted), ()) if key is None else (compared(named), compared(wanted))
    _check_identifying(keys, named, left, right)
    return Plan(
        left=left,
        right=right,
        keys=keys,
        values=values,
        carry=tuple(name for name in rules.carry if name in left.columns or name in right.columns),
        findings=findings_of(left.columns, right.columns, [*named, *wanted]),
        keyless=key is None,
    )


def _either(left: SideView, right: SideView) -> list[str]:
    return list(dict.fromkeys((*left.columns, *right.columns)))


def _check_known(names: Collection[str], left: SideView, right: SideView) -> None:
    known = _either(left, right)
    for name in names:
        if name not in known:
            raise UsageError(
                f"column {name!r} is on neither side",
                where=f"{left.name}, {right.name}",
                next_step=nearest(name, known),
            )


def _check_common(left: SideView, right: SideView) -> None:
    if not set(left.columns) & set(right.columns):
        raise UsageError(
            f"the two sides have no column in common: {', '.join(left.columns)} against {', '.join(right.columns)}",
            next_step="check that the right tables are compared, or pair the columns up with --map LEFT=RIGHT",
        )


def _check_key(key: Sequence[str], left: SideView, right: SideView) -> None:
    if not key:
        raise UsageError("no key column is named", next_step="name the columns that identify a row")
    for name in key:
        for side, relation in (("left", left), ("right", right)):
            if name not in relation.columns:
                raise UsageError(
                    f"key column {name!r} is missing on the {side} side",
                    where=relation.name,
                    next_step=nearest(name, relation.columns),
                )
    if len(set(key)) < len(key):
        raise UsageError(f"a key column is named twice: {', '.join(key)}", next_step="name each once")


def _check_identifying(keys: Sequence[Compared], named: Sequence[str], left: SideView, right: SideView) -> None:
    """Rows are brought together by equal values: a key is equal or it is not."""
    known = {key.name: key for key in keys}
    for name in named:
        ours, theirs = left.columns[name], right.columns[name]
        if name not in known or "map" in (ours.id, theirs.id):
            raise UsageError(
                f"key column {name!r} cannot be compared: {ours} on the left, {theirs} on the right",
                next_step="cast it to one type on both sides, in a view or in the file",
            )
    if not keys:
        raise UsageError(
            "there is no column left to compare", next_step="check the chosen, ignored and incomparable columns"
        )
    for key in keys:
        if key.tolerance or key.sql:
            what = "key column" if named else "without a key, column"
            raise UsageError(
                f"{what} {key.name!r} has a tolerance",
                next_step="drop it: what identifies a row is equal or it is not; case, space, order and round_to are"
                " possible",
            )


def _check_tolerances(tolerances: Mapping[str, Tolerance]) -> None:
    for name, tolerance in tolerances.items():
        for size in (tolerance.abs, tolerance.rel, tolerance.round_to_ms):
            if size is not None and not _is_size(size):
                raise UsageError(
                    f"tolerance {size} of column {name!r} is not a size",
                    next_step="write a finite number that is not negative",
                )


def _is_size(size: float | Decimal) -> bool:
    try:
        return math.isfinite(size) and math.isfinite(float(size)) and size >= 0
    except (ArithmeticError, ValueError):  # a whole number beyond all floats, a signalling NaN
        return False
