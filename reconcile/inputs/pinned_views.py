"""Everything one reconcile reads, pinned: views over single snapshots, so that nothing moves under the comparison."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from plumbline.connect import pinned
from plumbline.connect.archives import scan_archive
from plumbline.connect.lake import Lake
from plumbline.connect.sql_quoting import ident, text
from plumbline.connect.table_names import EPOCHS, QUARANTINE
from plumbline.connect.their_columns import their_columns
from plumbline.contract.durations import milliseconds
from plumbline.contract.identity import rows_condition
from plumbline.contract.lateness import unproven
from plumbline.contract.lineage import SIDES
from plumbline.contract.ranges import TimeRange
from plumbline.contract.reach import input_range
from plumbline.reconcile.inputs.batch_runs import BatchRun, batch_runs, covered, holds, hull
from plumbline.reconcile.inputs.claimed_times import refuse_other_times, refuse_unknown_moment
from plumbline.reconcile.inputs.day_ranges import Times, Windows
from plumbline.reconcile.inputs.event_times import moment_columns
from plumbline.reconcile.inputs.lineage_types import column_types, refuse_other_lineage
from plumbline.reconcile.inputs.observed import ledger_is_its, newest_epochs, pinned_first, seen_until
from plumbline.reconcile.inputs.output_columns import files_filter, shown_rows
from plumbline.reconcile.inputs.query_plans import planned_by_sql
from plumbline.reconcile.inputs.redeliveries import by_first_delivery, find_copies, note_taken
from plumbline.reconcile.inputs.reports import ledger_of_progress, read_reports, written_until
from plumbline.reconcile.inputs.stream_commits import engines, last_epoch
from plumbline.reconcile.inputs.their_records import refuse_unfit_records
from plumbline.reconcile.relations.inputs import ARCHIVES, AROUND, BATCH, LEDGER, STREAM, beside, delivered
from plumbline.reconcile.relations.relation import Relation

if TYPE_CHECKING:
    import duckdb
    from pyspark.sql import SparkSession

    from plumbline.connect.tables import OwnTable
    from plumbline.contract.model import Contract

ARCHIVE_COLUMNS = ("topic", "partition", "offset", "kafka_timestamp", "event_time")


@dataclass(frozen=True)
class Pins:
    """One DuckDB connection with the relations of `reconcile/relations/inputs.py`, and what they show.

    `snapshots` maps each table to its pinned snapshot id (None: the table is empty or missing). `batch` and `stream`
    are the views of both outputs: the rows with `_event_time` in `read`, all of `time_range` or some days of it. The
    views of the archives hold the records that such rows can be made from. `contradicted`: the stream table holds rows
    of records that its ledger calls late. `seen`: SQL of the stream's rows that are compared, see
    `unobserved.of_seen_epochs`; empty for all. `spark` gives the session that finds the rows which may differ; None:
    DuckDB finds them.
    """

    con: duckdb.DuckDBPyConnection
    lake: Lake
    contract: Contract
    time_range: TimeRange
    snapshots: Mapping[str, int | None]
    runs: tuple[BatchRun, ...]
    memory: str
    scratch: Path | None
    read: Windows
    batch: Relation = BATCH
    stream: Relation = STREAM
    contradicted: bool = False
    seen: str = ""
    spark: Callable[[], SparkSession] | None = None

    @property
    def within_ms(self) -> tuple[int, int]:
        """The bounds of the contract's `within`, in ms."""
        low, high = map(milliseconds, self.contract.join.within)
        return low, high

    def archive_range(self, side: str) -> TimeRange:
        """Event times that records of side `left` or `right` may have for rows of the range."""
        return self.reach(side, self.time_range)

    def archived(self, side: str, *, around: bool = False) -> Windows:
        """The same for the rows that are read; `around`: for those beside them too."""
        times = self.read_around if around and not self.reaches_out else self.read
        return times.each(lambda part: self.reach(side, part))

    def reach(self, side: str, part: TimeRange) -> TimeRange:
        """Event times that records of side `left` or `right` may have for rows of a part of the range.

        Where unmatched right events give rows, also what decides about the partners of the part's events.
        """
        join, reach = self.contract.join, part
        if join.keeps_right:
            reach = input_range(self.contract, join.left, input_range(self.contract, join.right, reach))
        return reach if side == "left" else input_range(self.contract, join.right, reach)

    @property
    def reaches_out(self) -> bool:
        """Whether rows outside the range decide about rows in it: those of a right event with left ones beyond it."""
        return self.archive_range("left") != self.time_range

    @property
    def neighbours_covered(self) -> bool:
        """Whether the batch reference has run over all that decides about the range's rows."""
        return not self.reaches_out or not self.runs or holds(covered(self.runs), self.archive_range("left"))

    @property
    def batch_has_lineage(self) -> bool:
        """Whether every batch row says what it was made from; rows of a query of the team's own need not."""
        return self._has_lineage(self.batch)

    @property
    def stream_has_lineage(self) -> bool:
        """Whether every stream row does; rows of a team's own job need not."""
        return self._has_lineage(self.stream)

    def _has_lineage(self, rows: Relation) -> bool:
        return not rows.any(self.con, "_left_offset IS NULL AND _right_offset IS NULL")

    def has_moments(self, table: str) -> bool:
        """Whether an output table says the event times of its rows."""
        held = column_types(self.lake, table)
        return bool(moment_columns(self.contract, {*held, *their_columns(self.contract, table, held)}))

    @property
    def timed(self) -> bool:
        """Whether both output tables do; else no row can be put into a day."""
        output = self.contract.output
        return self.has_moments(output.stream_table) and self.has_moments(output.batch_table)

    @property
    def unproven_spark(self) -> tuple[str, ...]:
        """Versions of Spark that wrote the stream table, as commits and ledger say, whose late rule is not proven."""
        table = self.contract.output.stream_table
        noted = self.con.execute(f"SELECT DISTINCT spark_version FROM {LEDGER}").fetchall()
        written = engines(self.lake.load(table), self.snapshots[table]).values()
        return unproven([*written, *(version for (version,) in noted)])

    def has_snapshot(self, table: str, snapshot: int | None) -> bool:
        """Whether that snapshot of a pinned table is still there to be looked into."""
        return (
            snapshot is not None
            and self.snapshots[table] is not None
            and self.lake.load(table).snapshot_by_id(snapshot) is not None
        )

    def beside(self, part: TimeRange) -> TimeRange:
        """Event times of the rows that share a record with rows of a part of the range, and so decide about them."""
        if self.reaches_out:
            return self.reach("left", part)
        low, high = self.within_ms
        span = timedelta(milliseconds=high - low)
        return part.widened(-span, span).intersect(self.time_range) or part

    @property
    def read_around(self) -> Windows:
        """`beside` of all that is read."""
        return self.read.each(self.beside)

    def around(self, rows: Relation) -> Relation:
        """`batch` or `stream` with the rows beside those that are read, which decide about them."""
        return rows if self.read_around == self.read else beside(rows)


def pin(
    con: duckdb.DuckDBPyConnection,
    lake: Lake,
    contract: Contract,
    time_range: TimeRange | None,
    *,
    memory: str = "512MB",
    scratch: Path | None = None,
) -> Pins:
    """Pin all tables, the stream first: what it holds, the archives and the ledger read later have at least begun.

    But for what a team's own job says of itself, and what was observed of it: that is written after the rows, so that
    what it tells is there.

    None as the range stands for what the batch runs cover. The views of rows are made by `show`. Raises SetupError
    when an output table is missing.
    """
    output = contract.output
    job = contract.job
    said = () if job is None else tuple(table for table in (job.progress, job.dropped) if table is not None)
    said += (EPOCHS,) if pinned_first(contract) else ()
    reports = {table: current(lake, table) if lake.exists(table) else None for table in said}
    stream_id, batch_id = (current(lake, table) for table in (output.stream_table, output.batch_table))
    snapshots = {**reports, output.stream_table: stream_id, output.batch_table: batch_id}
    runs = batch_runs(lake.load(output.batch_table), contract, batch_id)
    wanted = time_range or hull(runs)
    for table in (EPOCHS, QUARANTINE, contract.left.archive, contract.right.archive):
        if table not in reports:
            snapshots[table] = current(lake, table) if lake.exists(table) else None
    known = {} if job is None else newest_epochs(lake, contract, snapshots[EPOCHS])
    if job is not None and job.progress is not None:
        snapshots[output.stream_table] = written_until(lake, contract, stream_id, reports[job.progress])
    elif job is not None:
        snapshots[output.stream_table] = seen_until(lake.load(output.stream_table), stream_id, known)
    pins = Pins(con, lake, contract, wanted, snapshots, runs, memory, scratch, Windows((wanted,)))
    refuse_unknown_moment(pins)
    _ledger_view(pins, known)
    return pins


def show(pins: Pins, read: Windows | None = None) -> Pins:
    """Make the views of the rows: of the whole range, or of `read`, days of it. Returns what they show."""
    pins = pins if read is None else replace(pins, read=read)
    contract = pins.contract
    find_copies(pins)
    for view, table in ((STREAM, contract.output.stream_table), (BATCH, contract.output.batch_table)):
        output_view(pins, view, table, pins.read)
        if pins.around(view) != view:
            output_view(pins, AROUND[view], table, pins.read_around)
    refuse_other_times(pins, STREAM)
    _of_known_keys(pins)
    note_taken(pins, delivered(STREAM if pins.reaches_out else pins.around(STREAM)))
    for side, source in zip(SIDES, (contract.left, contract.right), strict=True):
        archive_view(pins, ARCHIVES[side], side, pins.snapshots[source.archive])
        refuse_unfit_records(pins, side)
    return pins


def _of_known_keys(pins: Pins) -> None:
    """Of a table whose rows have no event time only those can be of a range whose key the other table has there."""
    output = pins.contract.output
    if pins.time_range == TimeRange() or pins.has_moments(output.stream_table) == pins.has_moments(output.batch_table):
        return
    rows = STREAM if pins.has_moments(output.batch_table) else BATCH
    other = BATCH if rows == STREAM else STREAM
    same = " AND ".join(f"r.{ident(name)} IS NOT DISTINCT FROM o.{ident(name)}" for name in output.key)
    rows.fill(pins.con, f"SELECT r.* FROM ({by_first_delivery(pins, delivered(rows))}) r SEMI JOIN {other} o ON {same}")


def archive_view(
    pins: Pins, view: Relation, side: str, snapshot_id: int | None, reach: TimeRange | None = None
) -> None:
    """Fill `view` from one source's archive at a snapshot: ARCHIVE_COLUMNS of the records in `reach`.

    None stands for those that the rows that are read need.
    """
    source = pins.contract.source_of(side)
    times = pins.archived(side) if reach is None else reach
    if snapshot_id is None:
        view.fill(pins.con, view.nothing)
        return
    row_filter = times.iceberg("event_time")
    name = view.pinned.name
    scan_archive(pins.con, pins.lake, source, snapshot_id, view=name, columns=ARCHIVE_COLUMNS, row_filter=row_filter)
    wanted = f"topic = {text(source.topic)} AND {times.sql('event_time')}"
    view.fill(pins.con, f"SELECT * FROM {view.pinned} WHERE {wanted}")


def output_view(pins: Pins, view: Relation, table: str, times: Times) -> None:
    """Fill `view` with the output's rows that are compared, as `output_rows`, events named by their first delivery."""
    rows = output_rows(pins, view, table, times)
    if pins.seen and table == pins.contract.output.stream_table:
        rows = f"SELECT * FROM ({rows}) WHERE {pins.seen}"
    view.fill(pins.con, by_first_delivery(pins, delivered(view).fill(pins.con, rows)))


def output_rows(pins: Pins, view: Relation, table: str, times: Times) -> str:
    """SQL of the output's rows with event times in `times`, from the view of the table's files that `view` has.

    A team's own table may lack lineage columns: they read as NULL. Where one of the coordinates lacks, all four do: a
    column that is not there does not say that the row has no such side (nor does one that is NULL beside the other,
    see reconcile.inputs.whole_coordinates). Event times may be in another column, see reconcile.inputs.event_times;
    where they are in none, all rows are shown (see `_of_known_keys`).
    """
    held = column_types(pins.lake, table)
    theirs = their_columns(pins.contract, table, held)
    refuse_other_lineage(table, {name: kind for name, kind in held.items() if name not in theirs})
    _scan(pins, table, pins.snapshots[table], view, files_filter(pins, table, times), schema=None)
    return shown_rows(pins, view, table, times, held)


def _ledger_view(pins: Pins, known: Mapping[str, int]) -> None:
    """The epochs of this contract, each once, or those that its job's progress makes; empty without a ledger.

    `known`: as `newest_epochs` gives it.
    """
    read_reports(pins)
    if pins.contract.job is not None and pins.contract.job.progress is not None:
        LEDGER.fill(pins.con, ledger_of_progress(pins))
        return
    if pins.snapshots[EPOCHS] is None:
        LEDGER.fill(pins.con, LEDGER.nothing)
        return
    _scan(pins, EPOCHS, pins.snapshots[EPOCHS], LEDGER, f"contract == '{pins.contract.contract}'", schema="epochs")
    columns = pins.con.sql(f"FROM {LEDGER.pinned} LIMIT 0").columns
    LEDGER.fill(
        pins.con,
        f"""
        SELECT DISTINCT query_id, epoch, source, partition, start_offset, end_offset,
            late_watermark_ms, evict_watermark_ms, planned_at,
            {planned_by_sql(pins.con, pins.contract, columns)} AS spark_version
        FROM {LEDGER.pinned}
        WHERE ({rows_condition(pins.contract, columns)}) AND NOT ({_after_the_stream(pins)})
            AND ({ledger_is_its(pins, known)})
        """,
    )


def _after_the_stream(pins: Pins) -> str:
    """SQL: the epoch was committed after the pinned snapshot of the stream table, beside a running job: its rows are
    not there yet, and would look lost."""
    table = pins.contract.output.stream_table
    made_by = last_epoch(pins.lake.load(table), pins.snapshots[table])
    if made_by is None:
        return "false"
    query_id, epoch = made_by
    return f"query_id = {text(query_id)} AND epoch > {epoch}"


def _scan(
    pins: Pins,
    table: str,
    snapshot_id: int | None,
    view: Relation,
    row_filter: str | None,
    columns: tuple[str, ...] | None = None,
    *,
    schema: OwnTable | None,
) -> None:
    name = view.pinned.name
    pinned.scan(
        pins.con, pins.lake, table, snapshot_id, view=name, row_filter=row_filter, columns=columns, schema=schema
    )


def current(lake: Lake, table: str) -> int | None:
    """The table's newest snapshot, None before its first commit. Raises SetupError for a missing table."""
    snapshot = lake.load(table).current_snapshot()
    return None if snapshot is None else int(snapshot.snapshot_id)
