"""What a comparison of aggregates reads, pinned: the lines of both tables, the rows below the batch's, the archives."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from plumbline.connect import pinned
from plumbline.connect.sql_quoting import ident
from plumbline.contract.aggregate import (
    JOINED,
    WINDOW_START,
    Aggregate,
    begun_us_sql,
    row_columns,
    rows_table,
    stored,
)
from plumbline.contract.durations import milliseconds
from plumbline.contract.lateness import output_watermark_ms
from plumbline.contract.lineage import EVENT_TIME, LINEAGE, SIDES
from plumbline.reconcile.inputs.epoch_spans import Progress, lay_out
from plumbline.reconcile.inputs.pinned_views import Pins, archive_view
from plumbline.reconcile.inputs.redeliveries import find_copies
from plumbline.reconcile.inputs.rows_below import with_rows_below
from plumbline.reconcile.inputs.stream_commits import last_epoch
from plumbline.reconcile.relations.aggregates import (
    BATCH_CLOSED,
    BATCH_LINES,
    ROWS_BELOW,
    STREAM_CLOSED,
    STREAM_LINES,
)
from plumbline.reconcile.relations.inputs import ARCHIVES

if TYPE_CHECKING:
    from plumbline.contract.ranges import TimeRange
    from plumbline.reconcile.relations.relation import Relation


@dataclass(frozen=True)
class Opened:
    """One comparison's inputs: `pins` show the rows below as their batch rows, and name their snapshot.

    `closed_us` is the end (us) up to which the stream has written its windows; None where nobody knows: without a
    ledger, or by a Spark whose rules are not proven. `behind_stream`: the stream table holds epochs that the ledger
    lacks yet. `kinds` are the DuckDB types of the rows' columns, `values` the value columns of both tables.
    """

    pins: Pins
    progress: Progress
    aggregate: Aggregate
    kinds: dict[str, str]
    values: tuple[str, ...]
    closed_us: int | None
    behind_stream: bool

    @property
    def window_us(self) -> int:
        """The length of a window in us."""
        return milliseconds(self.aggregate.window) * 1000

    @property
    def closed(self) -> str:
        """SQL over `window_start`: whether the stream has written the window."""
        end = f"epoch_us({WINDOW_START}) + {self.window_us}"
        return "false" if self.closed_us is None else f"{end} <= {self.closed_us}"

    @property
    def keys(self) -> str:
        """The key columns as SQL names them."""
        return ", ".join(map(ident, self.aggregate.key))


def opened(pins: Pins) -> Opened:
    """Make the views. Raises IncompleteError where the rows below the batch table are not there."""
    contract, aggregate = pins.contract, pins.contract.output.aggregate
    assert aggregate is not None
    pins = replace(with_rows_below(pins), batch=ROWS_BELOW)
    for view, table in ((BATCH_LINES, contract.output.batch_table), (STREAM_LINES, contract.output.stream_table)):
        _lines(pins, view, table)
    _rows(pins, aggregate)
    find_copies(pins)
    for side, source in zip(SIDES, (contract.left, contract.right), strict=True):
        archive_view(pins, ARCHIVES[side], side, pins.snapshots[source.archive])
    progress = lay_out(pins)
    closed_us = _closed_us(pins, progress)
    held = [set(pins.con.sql(f"FROM {lines} LIMIT 0").columns) for lines in (BATCH_LINES, STREAM_LINES)]
    values = tuple(name for name in aggregate.values if all(name in columns for columns in held))
    inputs = Opened(pins, progress, aggregate, _kinds(pins), values, closed_us, _behind_stream(pins, progress))
    for closed, lines in ((BATCH_CLOSED, BATCH_LINES), (STREAM_CLOSED, STREAM_LINES)):
        closed.fill(pins.con, f"SELECT * FROM {lines} WHERE {inputs.closed}")
    return inputs


def _lines(pins: Pins, view: Relation, table: str) -> None:
    name, snapshot = view.pinned.name, pins.snapshots[table]
    wanted = pins.time_range.iceberg(WINDOW_START)
    pinned.scan(pins.con, pins.lake, table, snapshot, view=name, row_filter=wanted, schema=None)
    view.fill(pins.con, f"SELECT * FROM {view.pinned} WHERE {pins.time_range.sql(WINDOW_START)}")


def _rows(pins: Pins, aggregate: Aggregate) -> None:
    view = ROWS_BELOW
    wanted = pins.time_range.iceberg(EVENT_TIME)
    table = rows_table(pins.contract)
    pinned.scan(
        pins.con,
        pins.lake,
        table,
        pins.snapshots[table],
        view=view.pinned.name,
        row_filter=wanted,
        schema=None,
        as_then=True,
    )
    view.fill(pins.con, rows_below_sql(aggregate, view.pinned.name, pins.time_range))


def rows_below_sql(aggregate: Aggregate, table: str, time_range: TimeRange) -> str:
    """The joined rows of a range as `rows_table` holds them, under their own names, with the start of their window."""
    window, us = milliseconds(aggregate.window) * 1000, f"epoch_us({EVENT_TIME})"
    names = (*row_columns(aggregate), JOINED, *LINEAGE)
    return f"""
        SELECT make_timestamptz({begun_us_sql(us, window)}) AS {WINDOW_START},
            {", ".join(f"{ident(stored(name))} AS {ident(name)}" for name in names)}
        FROM {table} WHERE {time_range.sql(EVENT_TIME)}
        """


def _kinds(pins: Pins) -> dict[str, str]:
    shown = pins.con.sql(f"FROM {ROWS_BELOW} LIMIT 0")
    return dict(zip(shown.columns, map(str, shown.types), strict=True))


def _closed_us(pins: Pins, progress: Progress) -> int | None:
    """The windows that end up to there are written: see `contract.lateness.window_is_closed`."""
    if progress.closed_until_us is None or progress.evict_watermark_ms is None or pins.unproven_spark:
        return None
    return output_watermark_ms(progress.evict_watermark_ms, *pins.within_ms) * 1000


def _behind_stream(pins: Pins, progress: Progress) -> bool:
    """Whether the stream table was committed to by an epoch that the ledger does not have yet."""
    table = pins.contract.output.stream_table
    made_by = last_epoch(pins.lake.load(table), pins.snapshots[table])
    if made_by is None:
        return False
    return progress.query_id != made_by[0] or progress.last_epoch is None or progress.last_epoch < made_by[1]
