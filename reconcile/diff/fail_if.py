"""When a diff fails: limits on its classes, on all that differs, on schema findings and on single columns. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from plumbline.contract.errors import UsageError
from plumbline.reconcile.diff.engine.compare import CLASSES, Comparison
from plumbline.reconcile.diff.engine.schema_findings import nearest
from plumbline.reconcile.diff.limits import Limit

DRIFT, SCHEMA, COLUMN = "drift", "schema", "column:"
_NAMES = (DRIFT, SCHEMA, *CLASSES)


@dataclass(frozen=True)
class FailIf:
    """A limit on what `name` counts: a class, `drift` (all classes), `schema`, or the mismatches of a column."""

    name: str
    spelled: str
    limit: Limit
    column: str | None = None

    def count(self, found: Comparison) -> int:
        if self.column is not None:
            return found.columns.get(self.column, 0)
        if self.name == SCHEMA:
            return len(found.schema)
        return sum(found.counts[name] for name in (CLASSES if self.name == DRIFT else [self.name]))


def parse_fail_if(texts: Iterable[str], columns: Collection[str]) -> tuple[FailIf, ...]:
    """Limits as spelled: 'mismatch > 1%', 'drift >= 10', 'price > 0', 'column:extra > 0'. Percentages are of the left
    rows. Raises UsageError that shows the right form, also for a name that is neither a count nor among `columns`."""
    return tuple(_fail_if(text, columns) for text in texts)


def crossed(limits: Iterable[FailIf], found: Comparison) -> list[dict[str, Any]]:
    """The crossed ones: `{"name", "limit", "count", "of"}`, as `reconcile` has its alerts."""
    counted = ((rule, rule.count(found)) for rule in limits)
    return [
        {"name": rule.name, "limit": rule.spelled, "count": count, "of": found.left_rows}
        for rule, count in counted
        if rule.limit.crossed(count, found.left_rows)
    ]


def by_name(limits: Mapping[str, str] | Iterable[str] | str) -> list[str]:
    """A mapping such as {'mismatch': '> 1%'} in the form of the command line; one or a list of those as they are."""
    if isinstance(limits, str):
        return [limits]
    return [f"{name} {limit}" for name, limit in limits.items()] if isinstance(limits, Mapping) else list(limits)


def _fail_if(text: str, columns: Collection[str]) -> FailIf:
    before, sign, after = text.rpartition(">")
    name, spelled = before.strip(), f"{sign}{after}".strip()
    limit = Limit.read(spelled)
    if limit is None or not name:
        raise UsageError(f"{text!r} is not a limit", next_step="write 'mismatch > 1%', 'drift >= 10' or 'price > 0'")
    if name == SCHEMA and limit.is_percentage:
        raise UsageError(f"{text!r}: schema findings are counted", next_step="write 'schema > 0'")
    column = None if name in _NAMES else name.removeprefix(COLUMN)
    if column is not None and column not in columns:
        raise UsageError(
            f"{name!r} in {text!r} is neither a column nor one of {', '.join(_NAMES)}",
            next_step=nearest(column, [*_NAMES, *columns], "names"),
        )
    return FailIf(name, spelled, limit, column)
