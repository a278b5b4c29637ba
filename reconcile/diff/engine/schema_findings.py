"""What is wrong between two schemas: columns on one side only, other types, zones or scales."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from plumbline.reconcile.diff.engine.canonical import ZONED, is_list, is_moment, rule_for

ONLY_LEFT, ONLY_RIGHT = "only_left", "only_right"
TYPE, TIME_ZONE, DECIMAL_SCALE, INCOMPARABLE = "type", "time_zone", "decimal_scale", "incomparable"
FIELDS = "fields"
UNCOMPARED = frozenset({ONLY_LEFT, ONLY_RIGHT, INCOMPARABLE, FIELDS})
"""The findings after which a column, or some field in it, was not compared; the other kinds are compared by value."""


@dataclass(frozen=True)
class Finding:
    """One column whose schema differs. `left` and `right` are its DuckDB types, None where it is absent."""

    column: str
    finding: str
    left: str | None
    right: str | None

    def document(self) -> dict[str, str | None]:
        return asdict(self)


def findings_of(left: Mapping[str, Any], right: Mapping[str, Any], columns: Sequence[str]) -> tuple[Finding, ...]:
    """The findings for `columns`, in their order; a column of one type on both sides has none."""
    found = (_finding(name, left.get(name), right.get(name)) for name in columns)
    return tuple(finding for finding in found if finding is not None)


def _finding(name: str, left: Any, right: Any) -> Finding | None:
    if left is None:
        return Finding(name, ONLY_RIGHT, None, str(right))
    if right is None:
        return Finding(name, ONLY_LEFT, str(left), None)
    if (left == right and _fields(left) == _fields(right)) or {left.id, right.id} <= {"varchar", "enum"}:
        return None  # an enum is how text is stored, not another type
    return Finding(name, _kind(left, right), str(left), str(right))


def _kind(left: Any, right: Any) -> str:
    if rule_for(left, right) is None:
        return INCOMPARABLE
    if _one_sided(left, right):
        return FIELDS
    zoned = [kind.id in ZONED for kind in (left, right)]
    if is_moment(left) and is_moment(right) and zoned[0] != zoned[1]:
        return TIME_ZONE
    if left.id == right.id == "decimal" and left.children[1] != right.children[1]:
        return DECIMAL_SCALE
    return TYPE


def _fields(kind: Any) -> list[Any]:
    """The names of the fields in a type, however deep: to DuckDB the types of fields `A` and `a` are one."""
    parts = kind.children if kind.id in ("struct", "map") else kind.children[:1] if is_list(kind) else ()
    return [(name, _fields(part)) for name, part in parts]


def _one_sided(left: Any, right: Any) -> bool:
    """Whether a struct, however deep, has a field on one side only."""
    if left.id == right.id == "struct":
        ours, theirs = dict(left.children), dict(right.children)
        return ours.keys() != theirs.keys() or any(_one_sided(ours[name], theirs[name]) for name in ours)
    inner = 2 if left.id == right.id == "map" else 1 if is_list(left) and is_list(right) else 0
    pairs = zip(left.children[:inner], right.children[:inner], strict=True) if inner else ()
    return any(_one_sided(one, other) for (_, one), (_, other) in pairs)


def nearest(name: str, known: Collection[str], called: str = "columns") -> str:
    """The next step after an unknown name: the nearest known one, or all of them."""
    folded = {candidate.casefold(): candidate for candidate in known}
    close = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.6)
    if close:
        return f"did you mean {folded[close[0]]!r}?"
    return f"the {called} are {', '.join(known)}" if known else "the table has no columns"
