"""The recovery of an aggregate: which windows the lost checkpoint held open, and the proof from those before them.

Lines do not say which records they were made from. So the border is the ledger's end, and it is known only where the
table holds no line beyond the windows that the ledger closed. An epoch that no ledger recorded and that wrote no line
left no trace: the new life may judge its records afresh.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plumbline.connect.home import on_this_disk, read_from_this_disk
from plumbline.connect.parquet import parquet_rows
from plumbline.connect.sql_quoting import ident
from plumbline.contract.aggregate import WINDOW_END, WINDOW_START, Aggregate, begun_us_sql
from plumbline.contract.durations import milliseconds
from plumbline.contract.errors import IncompleteError, UsageError
from plumbline.contract.lateness import state_reach_us, windows_closed_until_us
from plumbline.contract.lineage import EVENT_TIME, REPLAY_ID, SIDES
from plumbline.contract.ranges import TimeRange, from_micros, spell_time
from plumbline.contract.reduce import window_end_us
from plumbline.replay.recover.border import LINEAGE_NEAR, WRITTEN, Border, exact_only
from plumbline.replay.recover.past import Past
from plumbline.replay.recover.proof import Proof
from plumbline.replay.tape_rows import RAW_TYPES
from plumbline.stream_job.join import join

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from plumbline.connect.lake import Lake
    from plumbline.contract.model import Contract

LINES = "recover_lines"
"""View of the stream table's lines of the windows that the proof looks at, and of all after them."""
MADE = "recover_made"
"""What the rows of the tape come to, per window and group; DuckDB adds up what Spark computed per row."""
SHOWN = 3
ANEW = "begin with another contract name and new tables"


def closed_until_us(contract: Contract, aggregate: Aggregate, watermark_ms: int) -> int:
    """The end (us) of the last window that is closed at an evict watermark (ms), whether or not it had a row."""
    return windows_closed_until_us(milliseconds(aggregate.window), watermark_ms, *_bounds(contract))


def reach_us(contract: Contract, watermark_ms: int) -> tuple[int, int]:
    """The oldest event times (us; left, right) that a recovery reads at a watermark (ms): those that the join's state
    may hold, of a reduced source in whole windows; of an aggregate also those of the windows that are open, and of the
    last closed one, for the proof."""
    low, high = _bounds(contract)
    left, right = state_reach_us(watermark_ms, low, high)
    aggregate = contract.output.aggregate
    if contract.right.reduce is not None:  # no later than the beginning of any open window: low is not above high
        return left, window_end_us(right, contract.right.reduce) - contract.right.reduce.every_us
    if aggregate is None:
        return left, right
    first = closed_until_us(contract, aggregate, watermark_ms) - milliseconds(aggregate.window) * 1_000
    return min(left, first), min(right, first + low * 1_000)


def way_on(contract: Contract, of_rows: str) -> str:
    """The next step where a recovery lacks something: `of_rows`, which may accept that, but not what is exact only."""
    what = exact_only(contract)
    return of_rows if what is None else f"{ANEW}: {what} is recovered exactly or not at all"


def refuse_accepted(contract: Contract, *, gaps: bool, differences: bool) -> None:
    """Raise UsageError for an aggregate, a table with the newest row per key, or the join of a reduced source that is
    to be recovered although something is missing or differs: what it would hold in place of the lost checkpoint's,
    nothing would show."""
    what = exact_only(contract)
    given = "--accept-gaps" if gaps else "--accept-differences" if differences else None
    if what is not None and given:
        raise UsageError(
            f"{what} is recovered exactly or not at all: {given} is for tables of all rows",
            next_step=f"leave it out; where that is refused, {ANEW}",
        )


def refuse_different_copies(past: Past, contract: Contract) -> None:
    """Raise IncompleteError where an event was delivered again with other content: which delivery the lost checkpoint
    took is told by the lineage of rows, which lines do not have; nor have rows that newer ones replaced, or events in
    whose place another of their window stands."""
    for side, source in zip(SIDES, (contract.left, contract.right), strict=True):
        if exact_only(contract) is None or source.event_id is None:
            continue
        found = past.con.execute(
            f"""
            SELECT event_id FROM {side}_raw r ANTI JOIN {side}_out o ON o.partition = r.partition
                AND o."offset" = r."offset"
            WHERE event_id IS NOT NULL GROUP BY event_id, event_time HAVING count(DISTINCT value) > 1 LIMIT 1
            """
        ).fetchall()
        if found:
            raise IncompleteError(
                f"event {found[0][0]} of {source.topic} was delivered again with other content, and which delivery "
                "counted is not known",
                where=contract.output.stream_table,
                next_step=ANEW,
            )


def view_lines(past: Past, lake: Lake, contract: Contract, aggregate: Aggregate, border: Border) -> None:
    """Make the view LINES, and for an aggregate those of rows, which are empty.

    Raises IncompleteError where the table holds a line of a window that the ledger has not closed: which records the
    epoch that wrote it had read is known to nobody.
    """
    from plumbline.connect.pinned import scan

    con, table = past.con, contract.output.stream_table
    closed = closed_until_us(contract, aggregate, border.watermark_ms)
    for view in (LINEAGE_NEAR, WRITTEN):
        con.execute(
            f"CREATE OR REPLACE VIEW {view} AS SELECT NULL::INTEGER AS _left_partition, NULL::BIGINT AS _left_offset, "
            "NULL::INTEGER AS _right_partition, NULL::BIGINT AS _right_offset WHERE false"
        )
    if not lake.exists(table):
        columns = ", ".join(f"NULL AS {ident(name)}" for name in (*aggregate.columns, REPLAY_ID))
        con.execute(f"CREATE OR REPLACE VIEW {LINES} AS SELECT {columns} WHERE false")
        return
    first = closed - milliseconds(aggregate.window) * 1_000
    since = TimeRange(start=from_micros(max(0, first)))
    scan(con, lake, table, view=f"{LINES}_files", row_filter=since.iceberg(WINDOW_START), schema=None)
    held = con.sql(f"FROM {LINES}_files LIMIT 0").columns
    replayed = "" if REPLAY_ID in held else f", NULL::VARCHAR AS {REPLAY_ID}"
    con.execute(
        f"CREATE OR REPLACE VIEW {LINES} AS SELECT *{replayed} FROM {LINES}_files WHERE {since.sql(WINDOW_START)}"
    )
    found = con.execute(f"SELECT max(epoch_us({WINDOW_END})) FROM {LINES} WHERE {REPLAY_ID} IS NULL").fetchall()
    if found[0][0] is not None and found[0][0] > closed:
        raise IncompleteError(
            f"{table} holds the window that ends at {spell_time(from_micros(found[0][0]))}, and the ledger has closed "
            f"windows up to {spell_time(from_micros(max(0, closed)))} only: which records the epoch that wrote it had "
            "read is not known",
            where=table,
            next_step="bring back `offsets` and `commits` of the checkpoint's folder, or the ledger folder, from a "
            "backup; else begin with another contract name and new tables",
        )


def prove_lines(past: Past, lake: Lake, spark: SparkSession, contract: Contract, border: Border, folder: Path) -> Proof:
    """The last closed window made again from the tape in `folder`, held against the table's lines.

    `matched` are its lines as the tape gives them, `open` those of the open windows, `found` the table's lines. A line
    that differs is missing, and too many. Windows that a replay published are left out. Raises as
    `refuse_different_copies`.
    """
    aggregate = contract.output.aggregate
    assert aggregate is not None
    refuse_different_copies(past, contract)
    joined = folder / "joined"
    left, right = (spark.read.schema(RAW_TYPES).parquet(read_from_this_disk(folder / side)) for side in SIDES)
    join(contract.rows, left, right).write.mode("overwrite").parquet(on_this_disk(joined))
    closed = closed_until_us(contract, aggregate, border.watermark_ms)
    _make(past, contract, aggregate, joined, closed)
    missing, extra = _differing(past, aggregate, closed)
    table_rows, duplicates = _repeated(past, lake, contract, aggregate)
    return Proof(
        matched=_count(past, f"{MADE} WHERE closed"),
        unmatched=0,
        open=_count(past, f"{MADE} WHERE NOT closed"),
        found=_count(past, f"{LINES} WHERE epoch_us({WINDOW_END}) <= {closed}"),
        missing=len(missing),
        extra=len(extra),
        duplicates=duplicates,
        table_rows=table_rows,
        examples=tuple(f"missing: {key}" for key in missing[:SHOWN])
        + tuple(f"too many: {key}" for key in extra[:SHOWN]),
    )


def _make(past: Past, contract: Contract, aggregate: Aggregate, joined: Path, closed_us: int) -> None:
    """Fill MADE: per window from the last closed one on and group what the calls come to, and whether it is closed."""
    from plumbline.reconcile.aggregates.gathering import gathered_sql

    con, us, window = past.con, f"epoch_us({EVENT_TIME})", milliseconds(aggregate.window) * 1_000
    rows = parquet_rows(joined.glob("*.parquet"))
    begun = begun_us_sql(us, window)
    con.execute(f"CREATE OR REPLACE VIEW joined_rows AS SELECT *, {begun} AS begun_us FROM {rows}")
    shown = con.sql("FROM joined_rows LIMIT 0")
    gathered = gathered_sql(aggregate, dict(zip(shown.columns, map(str, shown.types), strict=True)))
    groups = "".join(f", {ident(name)}" for name in aggregate.groups)
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {MADE} AS
        SELECT make_timestamptz(begun_us) AS {WINDOW_START}{groups}, begun_us + {window} <= {closed_us} AS closed,
            {gathered}
        FROM joined_rows WHERE begun_us >= {closed_us - window} GROUP BY begun_us{groups}
        """
    )


def _differing(past: Past, aggregate: Aggregate, closed_us: int) -> tuple[list[str], list[str]]:
    """Keys of the closed window whose line the table lacks, and of those that it has besides; of one that is another
    line in both."""
    from plumbline.reconcile.aggregates.gathering import read
    from plumbline.reconcile.aggregates.numbers import agrees, of_value

    con, window = past.con, milliseconds(aggregate.window) * 1_000
    replayed = f"(SELECT DISTINCT {WINDOW_START} FROM {LINES} WHERE {REPLAY_ID} IS NOT NULL)"
    wanted = f"SELECT * FROM {MADE} ANTI JOIN {replayed} USING ({WINDOW_START}) WHERE closed"
    lines = f"""SELECT * FROM {LINES} ANTI JOIN {replayed} USING ({WINDOW_START})
        WHERE epoch_us({WINDOW_END}) <= {closed_us}"""
    made = {_key(aggregate, row): row for row in _rows(con, wanted)}
    missing, extra = dict.fromkeys(made), dict[str, None]()
    for line in _rows(con, lines):
        key, calls = _key(aggregate, line), aggregate.calls
        values = read(aggregate, made[key]) if key in made else {}
        span = (line[WINDOW_END] - line[WINDOW_START]).total_seconds() * 1_000_000
        if values and span == window and all(agrees(of_value(calls[n], values[n]), line[n]) for n in calls):
            missing.pop(key, None)
        else:
            extra[key] = None
    return list(missing), list(extra)


def _rows(con: Any, query: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = con.sql(query).to_arrow_table().to_pylist()
    return found


def _key(aggregate: Aggregate, row: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {row[name]}" for name in aggregate.key)


def _repeated(past: Past, lake: Lake, contract: Contract, aggregate: Aggregate) -> tuple[int, int]:
    """Lines of the whole stream table, and how many repeat the window and group of another."""
    from plumbline.connect.pinned import scan

    table, key = contract.output.stream_table, ", ".join(map(ident, aggregate.key))
    if not lake.exists(table):
        return 0, 0
    scan(past.con, lake, table, view="whole_stream", columns=aggregate.key, schema=None)
    counted = f"SELECT count(*) AS n FROM whole_stream GROUP BY {key}"
    [(lines, more)] = past.con.execute(
        f"SELECT coalesce(sum(n), 0), coalesce(sum(n - 1), 0) FROM ({counted})"
    ).fetchall()
    return int(lines), int(more)


def _count(past: Past, rows: str) -> int:
    [(found,)] = past.con.execute(f"SELECT count(*) FROM {rows}").fetchall()
    return int(found)


def _bounds(contract: Contract) -> tuple[int, int]:
    low, high = (milliseconds(bound) for bound in contract.join.within)
    return low, high
