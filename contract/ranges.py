"""Time ranges: half-open, zoned, in UTC. One grammar for every command."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

from plumbline.contract.durations import parse_duration
from plumbline.contract.errors import UsageError

if TYPE_CHECKING:
    from plumbline.contract.document_types import ClosedRange, Range

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class TimeRange:
    """`start <= t < end` in UTC; None leaves that end open."""

    start: datetime | None = None
    end: datetime | None = None

    def __post_init__(self) -> None:
        if self.start and self.end and self.start >= self.end:
            raise UsageError(
                f"the range is reversed or empty: from {spell_time(self.start)} to {spell_time(self.end)}",
                next_step="give --from a time before --to; a range is half-open, its end is not in it",
            )

    def __str__(self) -> str:
        if self.start is None and self.end is None:
            return "everything"
        if self.start is None:
            return f"everything before {spell_bound(self.end)}"
        if self.end is None:
            return f"everything from {spell_bound(self.start)} on"
        return f"[{spell_bound(self.start)}, {spell_bound(self.end)})"

    @property
    def start_us(self) -> int | None:
        """Start in microseconds since the epoch, or None."""
        return None if self.start is None else micros(self.start)

    @property
    def end_us(self) -> int | None:
        """End in microseconds since the epoch, or None."""
        return None if self.end is None else micros(self.end)

    @property
    def is_open(self) -> bool:
        """True when either end is missing."""
        return self.start is None or self.end is None

    def contains(self, moment: datetime) -> bool:
        """Whether `moment` lies in the half-open range."""
        return (self.start is None or self.start <= moment) and (self.end is None or moment < self.end)

    def widened(self, before: timedelta, after: timedelta) -> TimeRange:
        """The range with `before` added to its start and `after` to its end (both signed; open ends stay open).

        An end that would leave the years 1 to 9999 becomes open: no event can lie beyond it.
        """
        return TimeRange(_moved(self.start, before), _moved(self.end, after))

    def intersect(self, other: TimeRange) -> TimeRange | None:
        """What both ranges hold, or None when that is nothing."""
        starts = [x for x in (self.start, other.start) if x]
        ends = [x for x in (self.end, other.end) if x]
        start, end = max(starts, default=None), min(ends, default=None)
        return None if start and end and start >= end else TimeRange(start, end)

    def sql(self, column: str) -> str:
        """The range as a SQL predicate on a timestamp column, for Spark and DuckDB; `true` when fully open."""
        parts = []
        if self.start:
            parts.append(f"{column} >= TIMESTAMP '{_sql_time(self.start)}'")
        if self.end:
            parts.append(f"{column} < TIMESTAMP '{_sql_time(self.end)}'")
        return " AND ".join(parts) or "true"

    def iceberg(self, column: str) -> str | None:
        """The range as a PyIceberg row filter on a timestamptz column; None when fully open."""
        parts = []
        if self.start:
            parts.append(f"{column} >= '{self.start.isoformat()}'")
        if self.end:
            parts.append(f"{column} < '{self.end.isoformat()}'")
        return " and ".join(parts) or None

    def as_json(self) -> Range:
        """`{"from": ISO or null, "to": ISO or null}`."""
        return {
            "from": spell_time(self.start) if self.start else None,
            "to": spell_time(self.end) if self.end else None,
        }

    @classmethod
    def of_json(cls, body: Range | ClosedRange | Mapping[str, str | None]) -> TimeRange:
        """The range that `as_json` wrote."""
        return cls(*(parse_time(bound) if bound else None for bound in (body["from"], body["to"])))


def parse_time(text: str, option: str = "time") -> datetime:
    """A zoned ISO 8601 moment in UTC. A naive one is a UsageError that shows the zoned form."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise UsageError(f"{option} {text!r} is not a time", next_step="write it as 2013-01-15T00:00Z") from None
    if moment.tzinfo is None:
        raise UsageError(
            f"{option} {text!r} has no time zone",
            next_step=f"write {moment.isoformat(timespec='minutes')}Z for UTC, or add an offset such as +01:00",
        )
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise UsageError(f"{option} {text!r} is outside the years 1 to 9999 in UTC") from None


def parse_range(
    from_: str | None = None,
    to: str | None = None,
    on_date: str | None = None,
    last: str | None = None,
    *,
    now: datetime | None = None,
) -> TimeRange:
    """The range that `--from/--to`, `--date` (a UTC day) or `--last` name; all absent means everything."""
    given = [name for name, value in (("--from/--to", from_ or to), ("--date", on_date), ("--last", last)) if value]
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)} exclude each other", next_step="keep one of them")
    if on_date:
        day = _parse_date(on_date)
        return TimeRange(day, _moved(day, timedelta(days=1)))
    if last:
        end = now or datetime.now(UTC)
        return TimeRange(_moved(end, -parse_duration(last)), end)
    return TimeRange(parse_time(from_, "--from") if from_ else None, parse_time(to, "--to") if to else None)


def spell_time(moment: datetime) -> str:
    """ISO 8601 in UTC with `Z`, no more digits than needed: `2013-01-15T00:00:00Z`."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def spell_bound(moment: datetime | None) -> str:
    """`spell_time`, or `open` for a missing end."""
    return "open" if moment is None else spell_time(moment)


def micros(moment: datetime) -> int:
    """Microseconds since 1970-01-01T00:00Z, exact (no float)."""
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def from_micros(us: int) -> datetime:
    """The UTC moment `us` microseconds after 1970-01-01T00:00Z."""
    return _EPOCH + timedelta(microseconds=us)


def _moved(moment: datetime | None, by: timedelta) -> datetime | None:
    """`moment + by`; None (open) stays None, and is what a moment beyond the calendar becomes."""
    try:
        return None if moment is None else moment + by
    except OverflowError:
        return None


def _parse_date(text: str) -> datetime:
    try:
        return datetime.combine(date.fromisoformat(text.strip()), time(), UTC)
    except ValueError:
        raise UsageError(f"--date {text!r} is not a day", next_step="write it as 2013-01-15") from None


def _sql_time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(sep=" ", timespec="microseconds")
