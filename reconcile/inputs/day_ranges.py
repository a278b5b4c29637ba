"""Which event times a reconcile reads: the whole range, or some days of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from plumbline.contract.ranges import TimeRange

DAY = timedelta(days=1)
FAR_US = 9 * 10**18
"""Farther from 1970 than any bound of a join may move a time without leaving 64 bits."""
BEFORE_ALL = "0002-01-01T00:00:00+00:00"
"""A bound that skips every file. Not the calendar's first moment: PyIceberg looks at the partition before the bound."""


@dataclass(frozen=True)
class Windows:
    """Time ranges in order, apart from each other; none of them: nothing is read."""

    ranges: tuple[TimeRange, ...]

    @classmethod
    def of(cls, ranges: Iterable[TimeRange]) -> Windows:
        """Any ranges; those that touch or overlap become one."""
        joined: list[TimeRange] = []
        for part in sorted(ranges, key=lambda part: (part.start is not None, part.start or 0)):
            last = joined[-1] if joined else None
            if last is None or (last.end is not None and part.start is not None and last.end < part.start):
                joined.append(part)
            else:
                ends = [last.end, part.end]
                joined[-1] = TimeRange(last.start, None if None in ends else max(end for end in ends if end))
        return cls(tuple(joined))

    def sql(self, column: str) -> str:
        """A SQL predicate on a timestamp column."""
        return "(" + (" OR ".join(f"({part.sql(column)})" for part in self.ranges) or "false") + ")"

    def iceberg(self, column: str) -> str | None:
        """A PyIceberg row filter on a timestamptz column; None when everything is wanted."""
        parts = [part.iceberg(column) for part in self.ranges]
        if None in parts:
            return None
        # The filter grammar takes no literal inside an `or`, where callers may put this.
        return " or ".join(f"({part})" for part in parts) or f"{column} < '{BEFORE_ALL}'"

    def each(self, change: Callable[[TimeRange], TimeRange]) -> Windows:
        """Every range changed, and joined again."""
        return Windows.of(change(part) for part in self.ranges)

    def within(self, bounds: TimeRange) -> Windows:
        """What lies inside the bounds."""
        cut = (part.intersect(bounds) for part in self.ranges)
        return Windows(tuple(part for part in cut if part is not None))


@dataclass(frozen=True)
class Untimed:
    """No event time at all, which is in no bounded range."""

    def sql(self, column: str) -> str:
        """A SQL predicate on a timestamp column."""
        return f"{column} IS NULL"

    def iceberg(self, column: str) -> str:
        """A PyIceberg row filter on a timestamptz column."""
        return f"{column} is null"


@dataclass(frozen=True)
class Elsewhere:
    """All event times but those of some windows, and none at all; `rows` is a PyIceberg filter on the rows that count,
    None for all of them."""

    windows: Windows
    rows: str | None

    def sql(self, column: str) -> str:
        """A SQL predicate on a timestamp column."""
        return f"({column} IS NULL OR NOT {self.windows.sql(column)})"

    def iceberg(self, column: str) -> str | None:
        """A PyIceberg row filter; rows without a time count whatever they are."""
        return self.rows and f"{column} is null or {self.rows}"


Times = Windows | TimeRange | Untimed | Elsewhere


def day_sql(time: str, less_ms: int = 0) -> str:
    """SQL of the UTC day, a TIMESTAMPTZ, of a timestamp that is `less_ms` before the column `time`; NULL of NULL.

    `date_trunc` says the same, but asks the calendar of the time zone for each row: a tenth of a CPU second per million
    rows (DuckDB 2.0), five times what the arithmetic costs. It is asked where that has no answer: infinity, the ends of
    time.
    """
    us, then = f"epoch_us({time})", time
    if less_ms:
        us = f"CASE WHEN {us} BETWEEN -{FAR_US} AND {FAR_US} THEN {us} - {less_ms * 1000} END"
        then = f"{time} - INTERVAL '{less_ms} milliseconds'"
    quick = f"make_timestamptz(epoch_us(date_trunc('day', make_timestamp({us}))))"
    return f"coalesce({quick}, date_trunc('day', {then}))"


def days_of(time_range: TimeRange) -> dict[datetime, TimeRange]:
    """The UTC days of a bounded range: the start of each, and what of it is in the range."""
    assert time_range.start is not None
    assert time_range.end is not None
    day = time_range.start.replace(hour=0, minute=0, second=0, microsecond=0)
    days = {}
    while day < time_range.end:
        part = TimeRange(day, day + DAY).intersect(time_range)
        assert part is not None
        days[day] = part
        day += DAY
    return days
