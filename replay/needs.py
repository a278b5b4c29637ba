"""Which input rows a range needs, and where they lie: pure rules, and one look into an archive's index."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contract.model import Contract
from contract.ranges import TimeRange
from contract.reach import input_range

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


@dataclass(frozen=True)
class Holes:
    """Offsets missing or doubled inside a span, found in the archive."""

    partition: int
    missing: int
    doubled: int


def needed_ranges(contract: Contract, time_range: TimeRange) -> dict[str, TimeRange]:
    """Event-time range of input rows per source (see `contract.reach`)."""
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


def archive_holes(con: duckdb.DuckDBPyConnection, view: str, spans: list[Span]) -> list[Holes]:
    """Offsets that an archive view lacks or holds twice inside the spans."""
    holes = []
    for span in spans:
        rows, distinct = con.execute(
            f"""
            SELECT count(*), count(DISTINCT "offset")
            FROM {view} WHERE partition = ? AND "offset" >= ? AND "offset" < ?
            """,
            [span.partition, span.start, span.end],
        ).fetchall()[0]
        missing, doubled = span.end - span.start - distinct, rows - distinct
        if missing or doubled:
            holes.append(Holes(span.partition, missing, doubled))
    return holes


def archive_ends(con: duckdb.DuckDBPyConnection, view: str) -> dict[int, int]:
    """First offset after the archive's newest, per partition."""
    return dict(con.execute(f'SELECT partition, max("offset") + 1 FROM {view} GROUP BY partition').fetchall())


def kafka_spans(
    indexed: list[Span], archived_to: Mapping[int, int], earliest: Mapping[int, int], latest: Mapping[int, int]
) -> list[Span]:
    """Offsets to read from Kafka: the indexed spans, and all that the archive has not seen yet.

    Nothing tells which event times lie beyond the archive's end, so that part is read whole and filtered.
    """
    by_partition = {span.partition: span for span in indexed}
    spans = []
    for partition, end in sorted(latest.items()):
        seen_to = archived_to.get(partition, earliest.get(partition, 0))
        known = by_partition.get(partition)
        if known is None and seen_to >= end:
            continue
        start = known.start if known else seen_to
        stop = end if seen_to < end else known.end if known else end
        spans.append(Span(partition, start, stop, known.rows if known and seen_to >= end else None))
    return spans


def span_json(spans: list[Span]) -> list[dict[str, Any]]:
    """Spans as they stand in a plan."""
    return [{"partition": s.partition, "start": s.start, "end": s.end, "rows": s.rows} for s in spans]
