"""What the causes' proofs take for granted of tables with all rows, and must ask of those with the newest per key."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from plumbline.reconcile.relations.upserts import DOUBLED_STATES

if TYPE_CHECKING:
    from plumbline.reconcile.causes import Cause

ALWAYS, TWICE = "unexplained", "double_commit"
OF_THE_UNMATCHED = ("late_left", "late_right", "quarantined", "watermark_poisoned")
"""Causes that explain a row that only the stream has by the partners that it lacks: no matter for a row with a right
side, in whose place a newer one should stand."""


def of_upserts(cause: Cause) -> Cause:
    """The cause as it is proven of upserted tables. A key of which the stream table has several rows, made from other
    records, was not merged as it should be, whatever became of its records."""
    if cause.name == ALWAYS:
        return cause
    asked = [f"({cause.proof})"]
    if cause.name in OF_THE_UNMATCHED:
        asked.append("NOT coalesce(class = 'extra' AND stream_has_right, false)")
    if cause.name != TWICE:
        asked.append(f"NOT (stream_present AND {_doubled()})")
    return replace(cause, proof=" AND ".join(asked))


def _doubled() -> str:
    return f"to_json(key) IN (SELECT to_json(d) FROM (SELECT * EXCLUDE (_event_time) FROM {DOUBLED_STATES}) d)"
