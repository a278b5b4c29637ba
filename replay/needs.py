"""Which input rows a range needs, and where they lie: pure rules, and one look into an archive's index."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from plumbline.contract.model import Contract
from plumbline.contract.ranges import TimeRange
from plumbline.contract.reach import input_range
from plumbline.replay.pieces import Run

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class Span:
    """Offsets of one partition that hold all needed rows: `start <= offset < end`, and how many rows are needed.

    `rows` is None when nothing has counted them yet (Kafka without an archive).
    """

    partition: int
    start: int
    end: int
    rows: int | None


def needed_ranges(contract: Contract, time_range: TimeRange) -> dict[str, TimeRange]:
    """Event-time range of input rows per source (see `plumbline.contract.reach`)."""
    return {name: input_range(contract, name, time_range) for name in (contract.join.left, contract.join.right)}


def archive_spans(con: duckdb.DuckDBPyConnection, view: str, needed: TimeRange) -> list[Span]:
    """Spans of the needed rows in an archive view with columns partition, offset, event_time and quarantine_reason.

    What is in quarantine lies in a span like any other record and is not counted: it enters no join.
    """
    found = con.execute(
        f"""
        SELECT partition, min("offset"), max("offset") + 1, count(*) FILTER (quarantine_reason IS NULL)
        FROM {view}
        WHERE {needed.sql("event_time")}
        GROUP BY partition ORDER BY partition
        """
    ).fetchall()
    return [Span(*row) for row in found]


def stretches(con: duckdb.DuckDBPyConnection, view: str, condition: str, apart: timedelta) -> list[tuple[int, int]]:
    """(oldest, newest) event times in us of the rows in an archive view that satisfy `condition`, those in quarantine
    aside; a new pair begins where none has come for `apart`."""
    apart_us = apart // timedelta(microseconds=1)
    found = con.execute(
        f"""
        WITH moments AS (
            SELECT epoch_us(event_time) AS us FROM {view}
            WHERE ({condition}) AND quarantine_reason IS NULL AND event_time IS NOT NULL
        ),
        begun AS (SELECT us, coalesce(us - lag(us) OVER (ORDER BY us) >= {apart_us}, true) AS begins FROM moments),
        placed AS (SELECT us, count(*) FILTER (begins) OVER (ORDER BY us) AS stretch FROM begun)
        SELECT min(us), max(us) FROM placed GROUP BY stretch ORDER BY 1
        """
    ).fetchall()
    return [(int(start), int(last)) for start, last in found]


def archive_extents(con: duckdb.DuckDBPyConnection, view: str) -> dict[int, tuple[int, int]]:
    """`{partition: (first offset, first offset after the newest)}` of an archive view."""
    found = con.execute(f'SELECT partition, min("offset"), max("offset") + 1 FROM {view} GROUP BY partition').fetchall()
    return {partition: (first, end) for partition, first, end in found}


@dataclass(frozen=True)
class Fault:
    """A run of offsets that the archive does not hold exactly once, and the event times (us) of its nearest archived
    neighbours that have one; None: there is none."""

    run: Run
    before_us: int | None
    after_us: int | None

    def may_hold(self, needed: TimeRange, slack_us: int) -> bool:
        """Whether what is missing here may be needed: the neighbours' times reach to within `slack_us` of the range."""
        known = [us for us in (self.before_us, self.after_us) if us is not None]
        ends_before = self.after_us is not None and max(known) + slack_us < (needed.start_us or 0)
        begins_after = (
            self.before_us is not None and needed.end_us is not None and min(known) - slack_us >= needed.end_us
        )
        return not ends_before and not begins_after


def archive_faults(con: duckdb.DuckDBPyConnection, view: str) -> dict[int, list[Fault]]:
    """Per partition the runs between first and newest offset that the archive lacks or holds more than once."""
    found = con.execute(
        f"""
        WITH held AS (
            SELECT partition, "offset", count(*) AS copies, epoch_us(max(event_time)) AS us FROM {view} GROUP BY ALL
        ),
        placed AS (
            SELECT *, lag("offset") OVER offsets AS previous,
                last_value(us IGNORE NULLS)
                    OVER (offsets ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before_us,
                first_value(us IGNORE NULLS)
                    OVER (offsets ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS after_us
            FROM held WINDOW offsets AS (PARTITION BY partition ORDER BY "offset")
        )
        SELECT partition, previous + 1, "offset", 0, before_us, after_us FROM placed WHERE previous < "offset" - 1
        UNION ALL
        SELECT partition, "offset", "offset" + 1, 2, us, us FROM placed WHERE copies > 1
        ORDER BY 1, 2
        """
    ).fetchall()
    faults: dict[int, list[Fault]] = {}
    for partition, start, end, copies, before_us, after_us in found:
        faults.setdefault(partition, []).append(Fault(Run(start, end, copies), before_us, after_us))
    return faults
