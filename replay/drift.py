"""From a reconcile's findings to the ranges that repair it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from plumbline.contract.model import Contract
from plumbline.contract.ranges import TimeRange

if TYPE_CHECKING:
    from plumbline.connect.lake import Lake

NOT_THE_STREAM = ("pending", "arrived_after_batch", "quarantined")
"""Causes that no replay repairs: the row is still to come, the batch reference is behind, or the record cannot be read
by either side."""

DAY = timedelta(days=1)
APART = 7 * DAY
"""Drift less than this apart is one range: starting another replay costs more than replaying some quiet days."""


def drifted(lake: Lake, contract: Contract, run_id: str, settled: datetime | None) -> tuple[str, list[TimeRange]]:
    """The recorded run (`latest`: the newest) and the fewest ranges of whole UTC days that hold what it found.

    `settled` is the end of what the live stream has closed: a range ends there at the latest. Raises SetupError when
    the contract has no recorded run, UsageError for an unknown one.
    """
    from pyiceberg.expressions import And, EqualTo, NotIn

    from plumbline.reconcile.judge.store import FINDINGS
    from plumbline.reconcile.report.stored_runs import documents

    document = documents(contract, lake, [run_id])[0]
    found = And(EqualTo("run_id", document["run_id"]), NotIn("cause", NOT_THE_STREAM))
    moments = lake.load(FINDINGS).scan(row_filter=found, selected_fields=("event_time",)).to_arrow()["event_time"]
    asked = TimeRange.of_json(document["range"])
    limit = TimeRange(asked.start, min((end for end in (asked.end, settled) if end), default=None))
    return document["run_id"], ranges_of(moments.to_pylist(), limit)


def ranges_of(moments: Iterable[datetime | None], limit: TimeRange) -> list[TimeRange]:
    """Ranges of whole UTC days inside `limit` that hold all moments; those less than APART from each other are one."""
    days = sorted({_day(moment) for moment in moments if moment is not None})
    spans: list[tuple[datetime, datetime]] = []
    for day in days:
        if spans and day - spans[-1][1] < APART:
            spans[-1] = (spans[-1][0], day + DAY)
        else:
            spans.append((day, day + DAY))
    cut = (TimeRange(start, end).intersect(limit) for start, end in spans)
    return [part for part in cut if part is not None]


def windows(time_range: TimeRange, every: timedelta) -> Sequence[TimeRange]:
    """The range in windows of one length; the last may be shorter."""
    assert time_range.start is not None
    assert time_range.end is not None
    count = -((time_range.start - time_range.end) // every)
    edges = [min(time_range.start + every * number, time_range.end) for number in range(count + 1)]
    return [TimeRange(start, end) for start, end in pairwise(edges)]


def _day(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)
