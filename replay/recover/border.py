"""The border between two lives of the join: how far the lost checkpoint had come, and what the table says beyond.

The table can be ahead of the ledger: an epoch's rows are committed before its record is written. How many such epochs
there are is read from the snapshots of the stream table, into whose summaries Spark's sink writes the query id and the
epoch; how far they had read, from the lineage of their rows. A row beyond the last offset that any row was made from
leaves no trace in the table, so that the new life may judge it afresh.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from plumbline.contract.durations import milliseconds
from plumbline.contract.errors import IncompleteError
from plumbline.contract.lateness import closed_until_us, right_closed_until_us, state_reach_us
from plumbline.contract.lineage import (
    COORDINATES,
    EVENT_TIME,
    LEFT_OFFSET,
    REPLAY_ID,
    RIGHT_EVENT_TIME,
    RIGHT_OFFSET,
)
from plumbline.contract.model import Contract
from plumbline.contract.ranges import TimeRange, from_micros
from plumbline.contract.reduce import window_end_sql
from plumbline.replay.recover.past import Past
from plumbline.stream_job.ledger import Epoch, Offsets

if TYPE_CHECKING:
    import duckdb

    from plumbline.connect.lake import Lake

LINEAGE_NEAR = "stream_lineage"
"""View of the stream table's live rows that rows in state may have been part of: columns of lineage."""

WRITTEN = "written"
"""View of the stream table's live rows whose windows were open when the ledger ends: columns of lineage."""

Ends = tuple[Offsets, Offsets]


@dataclass(frozen=True)
class Border:
    """Where the new life begins. Offsets left first, partition as text; watermarks in ms.

    `epoch` and `recorded` are the ledger's end, `unrecorded` counts the epochs that only the table knows. `ends` are
    the first offsets of the new life. `late_watermark_ms` was in force in the first unrecorded epoch; state was closed
    up to `watermark_ms`. `known` says what `ends` were read from: ledger or lineage.
    """

    query_id: str
    epoch: int
    unrecorded: int
    recorded: Ends
    ends: Ends
    late_watermark_ms: int
    watermark_ms: int
    known: Literal["ledger", "lineage"]

    @property
    def certain(self) -> bool:
        """Whether the watermark of every row before `ends` is known: not when several epochs lack a record."""
        return self.unrecorded <= 1 or self.ends == self.recorded


def find(past: Past, lake: Lake, contract: Contract) -> Border:
    """The border of the lost checkpoint. Raises IncompleteError when table and ledger do not belong together."""
    sink, last = past.sink, past.last
    if sink and last is not None and sink[0] not in past.query_ids:
        raise IncompleteError(
            f"{contract.output.stream_table} holds epoch {sink[1]} of checkpoint {sink[0]}, which no ledger knows",
            next_step="restore the ledger folder from a backup; without it it is not known which rows were dropped",
        )
    if last is None and sink is None:
        raise IncompleteError(
            f"there is nothing to recover: neither a ledger nor rows in {contract.output.stream_table}",
            next_step="`plumbline stream run CONTRACT` starts the stream",
        )
    query_id = last.query_id if last else str(sink[0]) if sink else ""
    epoch = last.epoch if last else -1
    recorded: Ends = last.end if last else ({}, {})
    watermark = last.evict_watermark_ms if last else 0
    unrecorded = max(0, sink[1] - epoch) if sink and sink[0] == query_id else 0
    border = Border(query_id, epoch, unrecorded, recorded, recorded, watermark, watermark, "ledger")
    if contract.output.aggregate is not None:  # an epoch beyond it has left lines, or no trace: see `lines`
        return replace(border, unrecorded=0)
    _view_written(past.con, lake, contract, watermark)
    if contract.output.is_upsert:
        return border
    border = _beyond(past, contract, border)
    if contract.reduces and not border.certain:
        raise IncompleteError(
            f"{contract.output.stream_table} holds rows of several epochs that no ledger recorded: which of their "
            f"events were late, and so which were in the windows of {contract.join.right}, is not known",
            where=contract.output.stream_table,
            next_step="bring back `offsets` and `commits` of the checkpoint's folder, or the ledger folder, from a "
            "backup; else begin with another contract name and new tables",
        )
    return border


def unrecorded_epoch(past: Past, border: Border, run_id: str, now_ms: int) -> Epoch | None:
    """The record of what lies between the ledger's end and the border, as one epoch; None when nothing does."""
    if border.ends == border.recorded:
        return None
    return Epoch(
        epoch=border.epoch + 1,
        query_id=border.query_id,
        run_id=run_id,
        planned_at_ms=past.last.planned_at_ms + 1 if past.last else now_ms,
        late_watermark_ms=border.late_watermark_ms,
        evict_watermark_ms=border.watermark_ms,
        start=border.recorded,
        end=border.ends,
    )


def exact_only(contract: Contract) -> str | None:
    """What is recovered exactly or not at all, as its table does not show every row that was emitted; else None."""
    if contract.output.aggregate is not None:
        return "an aggregate"
    if contract.reduces:
        return "the join of a reduced source"
    return "a table with the newest row per key" if contract.output.is_upsert else None


def windows(contract: Contract, watermark_ms: int) -> tuple[int, int]:
    """The newest event times (us) of left and of right rows whose windows are closed at an evict watermark (ms)."""
    low, high = (milliseconds(bound) for bound in contract.join.within)
    return closed_until_us(watermark_ms, high), right_closed_until_us(watermark_ms, low)


def is_open(left_us: int, right_us: int) -> str:
    """SQL over lineage: whether the window of a row's left event (of its right one, if there is no left) is open."""
    return f"epoch_us({EVENT_TIME}) > CASE WHEN {LEFT_OFFSET} IS NULL THEN {right_us} ELSE {left_us} END"


def columns_of(contract: Contract) -> tuple[str, ...]:
    """Event time and lineage of a row; of a reduced source also the own time of the event that was taken."""
    return (EVENT_TIME, *COORDINATES, *([RIGHT_EVENT_TIME] if contract.reduces else []))


def taken_from_open(contract: Contract, watermark_ms: int) -> str:
    """SQL over a row: its right event stands for a window that is not written at an evict watermark (ms)."""
    reduce = contract.right.reduce
    if reduce is None:
        return "false"
    return f"coalesce({window_end_sql(f'epoch_us({RIGHT_EVENT_TIME})', reduce)} > {watermark_ms * 1_000}, false)"


def _view_written(con: duckdb.DuckDBPyConnection, lake: Lake, contract: Contract, watermark_ms: int) -> None:
    """Make the views `stream_lineage` and `written`."""
    from plumbline.connect.pinned import scan

    columns = (*columns_of(contract), REPLAY_ID)
    table = contract.output.stream_table
    closed = windows(contract, watermark_ms)
    low, high = (milliseconds(bound) for bound in contract.join.within)
    oldest_us = min(*state_reach_us(watermark_ms, low, high), *closed)
    since = TimeRange(start=from_micros(oldest_us)) if oldest_us > 0 else TimeRange()
    if not lake.exists(table):
        kinds = {REPLAY_ID: "VARCHAR", EVENT_TIME: "TIMESTAMPTZ", RIGHT_EVENT_TIME: "TIMESTAMPTZ"}
        empty = ", ".join(f"NULL::{kinds.get(name, 'BIGINT')} AS {name}" for name in columns)
        con.execute(f"CREATE OR REPLACE VIEW lineage_of_all AS SELECT {empty} WHERE false")
    else:
        scan(
            con, lake, table, view="lineage_of_all", row_filter=since.iceberg(EVENT_TIME), columns=columns, schema=None
        )
    con.execute(f"CREATE OR REPLACE VIEW {LINEAGE_NEAR} AS SELECT * FROM lineage_of_all WHERE {REPLAY_ID} IS NULL")
    con.execute(f"CREATE OR REPLACE VIEW {WRITTEN} AS SELECT * FROM {LINEAGE_NEAR} WHERE {is_open(*closed)}")


def _beyond(past: Past, contract: Contract, border: Border) -> Border:
    """The border moved to what the table's rows prove: offsets they were made from, and windows that were closed."""
    ends = tuple(dict(side) for side in border.recorded)
    for side, found in zip(ends, ("left", "right"), strict=True):
        rows = past.con.execute(
            f"""
            SELECT _{found}_partition, max(_{found}_offset) + 1 FROM {WRITTEN}
            WHERE _{found}_offset IS NOT NULL GROUP BY ALL
            """
        ).fetchall()
        for partition, end in rows:
            side[str(partition)] = max(side.get(str(partition), 0), int(end))
    watermark = max(border.watermark_ms, _closed_watermark_ms(past, contract))
    moved = replace(border, ends=(ends[0], ends[1]), watermark_ms=watermark)
    if (moved.ends, moved.watermark_ms) == (border.ends, border.watermark_ms):
        return border
    # Snapshots may have been expired: then nobody knows how many epochs lack a record, and none is taken for certain.
    return replace(moved, known="lineage", unrecorded=border.unrecorded or 2)


def _closed_watermark_ms(past: Past, contract: Contract) -> int:
    """The smallest evict watermark that closes the window of every unmatched row in the table, and where a source is
    reduced writes the window of every event that was taken."""
    low, high = (milliseconds(bound) for bound in contract.join.within)
    least = 0
    for missing, by_ms in ((RIGHT_OFFSET, high), (LEFT_OFFSET, -low)):
        found = past.con.execute(
            f"SELECT max(epoch_us({EVENT_TIME})) FROM {WRITTEN} WHERE {missing} IS NULL"
        ).fetchone()
        if found and found[0] is not None:
            least = max(least, -(-int(found[0]) // 1_000) + by_ms + 1)
    if contract.right.reduce is not None:
        end = window_end_sql(f"epoch_us({RIGHT_EVENT_TIME})", contract.right.reduce)
        [(found_us,)] = past.con.execute(f"SELECT max({end}) FROM {WRITTEN}").fetchall()
        least = max(least, -(-int(found_us or 0) // 1_000))
    return least
