"""What the causes' proofs take for granted of events that are joined one by one, and must ask of reduced ones."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from plumbline.contract.reduce import window_end_sql
from plumbline.reconcile.relations.reduced import STREAM_WINDOWS, UNSEEN_WINDOWS

if TYPE_CHECKING:
    from plumbline.contract.reduce import Reduce
    from plumbline.reconcile.causes import Cause

ALWAYS, TWICE, LOST = "unexplained", "double_commit", "lost_output"
OF_THE_UNMATCHED = ("late_left", "late_right", "quarantined", "watermark_poisoned")
"""Causes that explain a row that only the stream has by the partners that it lacks: no matter for a row with a right
side, in whose place another one should stand."""


def of_reduced(cause: Cause, reduce: Reduce) -> Cause:
    """The cause as it is proven where a source is reduced.

    That a row was lost is proven where the stream has none of that window, and can have taken no event of it that the
    batch run did not know: a row with another event in its place was not lost, that event was taken wrongly. A window
    of which the stream has several events was not reduced as it should be, whatever became of its records.
    """
    if cause.name == ALWAYS:
        return cause
    asked = [f"({cause.proof})"]
    if cause.name in OF_THE_UNMATCHED:
        asked.append("NOT coalesce(class = 'extra' AND stream_has_right, false)")
    if cause.name == LOST:
        asked.append(f"NOT {_in_windows(reduce, 'true')} AND NOT {_unseen(reduce)}")
    if cause.name != TWICE:
        asked.append(f"NOT (stream_present AND {_in_windows(reduce, 'rank > 1')})")
    return replace(cause, proof=" AND ".join(asked))


def _unseen(reduce: Reduce) -> str:
    """SQL: the stream may have taken an event of that window which the batch run did not know."""
    end = window_end_sql("right_event_us", reduce)
    return f"coalesce({end} IN (SELECT window_end FROM {UNSEEN_WINDOWS}), false)"


def _in_windows(reduce: Reduce, which: str) -> str:
    """SQL: the stream has such a row of the row's left event and window."""
    known = "_left_partition IS NOT NULL AND _left_offset IS NOT NULL AND window_end IS NOT NULL"
    rows = f"SELECT (_left_partition, _left_offset, window_end) FROM {STREAM_WINDOWS} WHERE {known} AND {which}"
    mine = f"(left_partition, left_offset, {window_end_sql('right_event_us', reduce)})"
    return f"coalesce(right_event_us IS NOT NULL AND {mine} IN ({rows}), false)"
