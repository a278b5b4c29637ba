"""A line that differs as the documents have it."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

from plumbline.contract.ranges import spell_time
from plumbline.reconcile.aggregates.findings import Finding, Lost, sums
from plumbline.reconcile.diff.samples import plain_json

if TYPE_CHECKING:
    from plumbline.contract.findings import Cause, Class
    from plumbline.reconcile.aggregates.document_types import LineFinding, LostOfLine


def as_json(finding: Finding) -> LineFinding:
    """One of the document's `findings`."""
    lost = finding.lost.items()
    return {
        "key": {name: plain(value) for name, value in finding.key.items()},
        "kind": cast("Class", finding.kind),
        "cause": cast("Cause", finding.said.cause),
        "rows": {
            "batch": finding.rows,
            "stream": finding.stream_rows,
            "lost": {cause: _lost(one) for cause, one in lost},
        },
        "values": {name: plain(found) for name, found in sums(finding).items()},
    }


def _lost(one: Lost) -> LostOfLine:
    told: LostOfLine = {"gone": one.gone, "alone": one.alone}
    return {**told, "came": one.came} if one.came else told


def plain(value: Any) -> Any:
    """The value as JSON has it: moments as ISO 8601 text in UTC, decimals and days as text."""
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, datetime):
        return spell_time(value)
    return str(value) if isinstance(value, date | Decimal) else plain_json(value)
