"""How many rows the stream lost as late, and how many it would have lost with other delays.

A record is dropped when its event time is at or before the late watermark of its epoch. With both delays longer by d
every watermark is lower by d, whichever source it followed, so a record that came L behind the watermark is dropped
exactly when d <= L. The curve therefore needs nothing but L of each record; it holds for the same epochs.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from plumbline.contract.durations import milliseconds
from plumbline.reconcile.format import MINUTE_MS

if TYPE_CHECKING:
    from collections.abc import Mapping

    import duckdb

    from plumbline.connect.home import Home
    from plumbline.contract.model import Contract
    from plumbline.reconcile.inputs.pinned_views import Pins
    from plumbline.reconcile.relations.relation import Relation

MOST_STEPS = 400
MINUTES_BEHIND = "floor((late_watermark_ms * 1000 - epoch_us(event_time)) / 60e6)::BIGINT"
"""SQL: by how many whole minutes a record came behind the late watermark of its epoch."""


@dataclass(frozen=True)
class Epoch:
    """One source's records that were read under one late watermark (ms): how many, how many of them were dropped, and
    by how many whole minutes the first and the last of them were behind it (negative: before it passed them)."""

    watermark_ms: int
    records: int
    dropped: int
    newest: int
    oldest: int


@dataclass(frozen=True)
class Lateness:
    """Of one source's records: how many came how far behind the watermark.

    `delay_ms` is the contract's watermark. `behind` holds (whole minutes, records) in ascending order; negative
    minutes: before the watermark passed them, so a shorter delay would have lost them. `records` counts all. `epochs`
    are in the watermark's order; what was read before there was one is in none. Records that never entered the join
    are not counted; with `at_most` some of those may be: only Spark can tell what the source's `where` lets in.
    """

    source: str
    delay_ms: int
    records: int
    behind: tuple[tuple[int, int], ...]
    epochs: tuple[Epoch, ...] = ()
    at_most: bool = False

    def lost(self, longer_ms: int) -> int:
        """Records dropped if both delays were longer by `longer_ms`, a whole number of minutes (negative: shorter)."""
        minutes = [minute for minute, _ in self.behind]
        return sum(number for _, number in self.behind[bisect_left(minutes, -(-longer_ms // MINUTE_MS)) :])

    @property
    def worst_ms(self) -> int:
        """How far behind the watermark the last record came, in whole minutes as ms; 0 when none was late."""
        return max(0, self.behind[-1][0] * MINUTE_MS) if self.behind else 0


def steps_of(curve: Lateness, low: int, high: int) -> list[tuple[int, int]]:
    """`(change of delay in ms, records lost)` from `low` to `high`, where the number changes; at most MOST_STEPS."""
    edges = [minute * MINUTE_MS + MINUTE_MS for minute, _ in curve.behind]
    inside = [low, *(edge for edge in edges if low < edge <= high)]
    if len(inside) > MOST_STEPS:
        thin = len(inside) / MOST_STEPS
        inside = [inside[int(i * thin)] for i in range(MOST_STEPS)] + [inside[-1]]
    return [(edge, curve.lost(edge)) for edge in inside]


def choices(curves: Sequence[Lateness]) -> list[tuple[int, tuple[int, ...]]]:
    """`(change of both delays in ms, records lost per source)` for the table: from half the delay to no loss at all."""
    shortest = min((curve.delay_ms for curve in curves), default=0)
    high = max((curve.worst_ms for curve in curves), default=0)
    minutes = (30, 60, 120, 180, 360, 720, 1440, 2880, 10_080)
    longer = [minute * MINUTE_MS for minute in minutes if minute * MINUTE_MS <= high]
    none = [high + MINUTE_MS] if any(curve.lost(0) for curve in curves) else []
    half = [-(shortest // 2 // MINUTE_MS * MINUTE_MS)]
    return [(ms, tuple(curve.lost(ms) for curve in curves)) for ms in sorted({*half, 0, *longer, *none})]


def smallest(curve: Lateness, share: float) -> int:
    """The smallest change of both delays, in ms, with which a source loses at most this share of its records.

    Whole minutes; the delay itself is never shortened below zero.
    """
    enough = share * curve.records
    edges = sorted({0, *(minute * MINUTE_MS + MINUTE_MS for minute, _ in curve.behind)})
    shortest = -(curve.delay_ms // MINUTE_MS * MINUTE_MS)
    return next(ms for ms in (shortest, *edges) if ms >= shortest and curve.lost(ms) <= enough)


def measure(contract: Contract, home: Home, document: Mapping[str, Any]) -> tuple[Lateness, ...]:
    """The lateness of both sources' records behind the rows in the document's range, from archive and epoch ledger.

    The archives are read at the document's snapshots. Empty without a ledger. One pass over coordinates and event
    times, about 0.2 s for 650,000 records. Raises SetupError for a missing table or an expired snapshot, and
    IncompleteError as `curves`.
    """
    from plumbline.reconcile.document import range_of
    from plumbline.reconcile.inputs import epoch_spans
    from plumbline.reconcile.inputs.open_inputs import opened

    with opened(contract, home, range_of(document), "512MB") as pins:
        known = epoch_spans.lay_out(pins).last_epoch is not None
        return curves(pins, document["snapshots"]) if known else ()


def curves(pins: Pins, snapshots: Mapping[str, int | None]) -> tuple[Lateness, ...]:
    """The lateness of both sources' records behind the pinned range, the archives read at these snapshots.

    The epoch ledger must be laid out (`reconcile/inputs/epoch_spans.py`), and not be empty. Raises IncompleteError when
    the stream ran on a Spark whose rule of lateness is not proven: nobody knows then which of them it dropped; and for
    a ledger that a job's reports make, which has no watermark of the records that were taken in.
    """
    from plumbline.contract.errors import IncompleteError
    from plumbline.contract.operators import next_step, why_unproven
    from plumbline.reconcile.evidence.left_out import fill_left_out
    from plumbline.reconcile.inputs.pinned_views import archive_view
    from plumbline.reconcile.relations.inputs import ARCHIVES

    if pins.contract.job is not None and pins.contract.job.progress is not None:
        raise IncompleteError(
            "what other delays would have lost is not known: job.progress says which records were taken in, but not by "
            "which watermark",
            where=pins.contract.job.progress,
            next_step="`plumbline reconcile` names the records that the job reported",
        )
    if pins.unproven_spark:
        raise IncompleteError(
            f"which records the stream lost as late is not known: {why_unproven(pins.unproven_spark)}",
            where=pins.contract.output.stream_table,
            next_step=next_step(
                pins.unproven_spark, "compare with the batch table (`plumbline reconcile`), which needs no rule"
            ),
        )
    found, contract = [], pins.contract
    for side, archive in ARCHIVES.items():
        source = getattr(contract, side)
        archive_view(pins, archive, side, snapshots.get(source.archive))
        name, delay_ms = getattr(contract.join, side), milliseconds(source.watermark)
        sure = fill_left_out(pins, side)
        counted = _count(pins.con, side)
        behind, epochs = _behind(pins.con, counted), _epochs(pins.con, counted)
        near = tuple((minute, n) for minute, n in behind if minute * MINUTE_MS >= -delay_ms)
        found.append(Lateness(name, delay_ms, sum(n for _, n in behind), near, epochs, not sure))
    return tuple(found)


def _count(con: duckdb.DuckDBPyConnection, side: str) -> Relation:
    """COUNTED: one source's records per late watermark and whole minutes behind it; each record counts once."""
    from plumbline.reconcile.evidence.left_out import taken_in_sql
    from plumbline.reconcile.relations.judge import COUNTED

    return COUNTED.fill(
        con,
        f"""
        SELECT late_watermark_ms AS watermark_ms, {MINUTES_BEHIND} AS minute, count(*) AS records
        FROM {taken_in_sql(side)} WHERE event_time IS NOT NULL
        GROUP BY ALL
        """,
    )


def _behind(con: duckdb.DuckDBPyConnection, counted: Relation) -> list[tuple[int, int]]:
    return con.execute(f"SELECT minute, sum(records)::BIGINT FROM {counted} GROUP BY minute ORDER BY minute").fetchall()


def _epochs(con: duckdb.DuckDBPyConnection, counted: Relation) -> tuple[Epoch, ...]:
    rows = con.execute(
        f"""
        SELECT watermark_ms, sum(records)::BIGINT, coalesce(sum(records) FILTER (minute >= 0), 0)::BIGINT,
            min(minute), max(minute)
        FROM {counted} WHERE watermark_ms > 0 GROUP BY watermark_ms ORDER BY watermark_ms
        """
    ).fetchall()
    return tuple(Epoch(*row) for row in rows)
