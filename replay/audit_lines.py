"""What an audit checks of the lines of an aggregate, where it checks lineage of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from plumbline.connect.rows_below import has_snapshot, rows_named
from plumbline.connect.sql_quoting import ident
from plumbline.contract.aggregate import (
    JOINED,
    WINDOW_END,
    WINDOW_START,
    Aggregate,
    rows_table,
)
from plumbline.contract.durations import milliseconds
from plumbline.contract.lineage import EVENT_TIME
from plumbline.replay.range_rows import range_view

if TYPE_CHECKING:
    import duckdb

    from plumbline.reconcile.diff.document_types import Counts
    from plumbline.replay.document_types import ComparedTable
    from plumbline.replay.opened import Replay

BELOW = "below_files"


def repeated(con: duckdb.DuckDBPyConnection, aggregate: Aggregate) -> tuple[int, int]:
    """Lines in the view `staging`, and how many windows and groups they are of."""
    key = ", ".join(map(ident, aggregate.key))
    [(lines, keys)] = con.execute(
        f"SELECT count(*), (SELECT count(*) FROM (SELECT DISTINCT {key} FROM staging)) FROM staging"
    ).fetchall()
    return int(lines), int(keys)


def cut_windows(con: duckdb.DuckDBPyConnection, replay: Replay, aggregate: Aggregate) -> tuple[int, int]:
    """Lines of the staging table that are of no whole window inside the range, and all of its lines."""
    from plumbline.connect.pinned import scan

    scan(con, replay.lake, replay.plan.staging_table, view="all_staged", schema=None)
    us, span = milliseconds(aggregate.window) * 1_000, replay.plan.time_range
    whole = f"""epoch_us({WINDOW_START}) % {us} = 0 AND epoch_us({WINDOW_END}) - epoch_us({WINDOW_START}) = {us}
        AND {span.sql(WINDOW_START)} AND epoch_us({WINDOW_END}) <= {span.end_us}"""
    [(cut, lines)] = con.execute(f"SELECT count(*) FILTER (NOT ({whole})), count(*) FROM all_staged").fetchall()
    return int(cut), int(lines)


def line_differences(
    con: duckdb.DuckDBPyConnection, replay: Replay, aggregate: Aggregate, table: str
) -> ComparedTable | None:
    """Counts of the staged lines against another table's lines of the range; None when that table does not exist.

    Lines that differ from the batch's by no more than the order in which floating-point numbers are added up may make
    of it are equal (see `plumbline.reconcile.aggregates.numbers`).
    """
    from plumbline.reconcile.diff.engine.compare import compare
    from plumbline.reconcile.diff.engine.rules import Rules

    contract = replay.contract
    if not replay.lake.exists(table):
        return None
    snapshot_id = range_view(con, replay.lake, contract, table, replay.plan.time_range, "other")
    columns = [WINDOW_END, *aggregate.values]
    tolerances = contract.reconcile.as_tolerances()
    rules = Rules(columns, tolerances={name: rule for name, rule in tolerances.items() if name in columns})
    counts = dict(compare(con, "other", "staging", aggregate.key, rules).counts)
    if counts["mismatch"] and table == contract.output.batch_table:
        equal = _equal_but_for_rounding(con, replay, aggregate, snapshot_id)
        counts["mismatch"] -= equal
        counts["match"] += equal
    return {"table": table, "snapshot_id": snapshot_id, "counts": cast("Counts", counts)}


def _equal_but_for_rounding(
    con: duckdb.DuckDBPyConnection, replay: Replay, aggregate: Aggregate, snapshot_id: int | None
) -> int:
    """How many of the lines that differ are on both sides what the rows below the batch's line come to, added up in one
    order or another; 0 where those rows are not there."""
    from plumbline.connect.pinned import scan
    from plumbline.reconcile.aggregates.gathering import gathered_sql, read, same_key
    from plumbline.reconcile.aggregates.numbers import agrees, of_value
    from plumbline.reconcile.aggregates.views import rows_below_sql
    from plumbline.reconcile.diff.engine.columns import drift_names
    from plumbline.reconcile.relations.diff import DRIFT

    span, lake, contract = replay.plan.time_range, replay.lake, replay.contract
    rows_at = rows_named(lake.load(contract.output.batch_table), snapshot_id)
    if rows_at is None or not has_snapshot(lake, rows_table(contract), rows_at):
        return 0
    scan(con, lake, rows_table(contract), rows_at, view=BELOW, row_filter=span.iceberg(EVENT_TIME), schema=None)
    con.execute(f"CREATE OR REPLACE VIEW below AS {rows_below_sql(aggregate, BELOW, span)}")
    shown = con.sql("FROM below LIMIT 0")
    gathered = gathered_sql(aggregate, dict(zip(shown.columns, map(str, shown.types), strict=True)))
    names = drift_names(aggregate.key)
    differing = ", ".join(f"{ident(new)} AS {ident(name)}" for name, new in names.items())
    keys = ", ".join(f"k.{ident(name)}" for name in aggregate.key)
    held = ", ".join(f"any_value({side}.{ident(name)}) AS {ident(side + name)}" for side, name in _held(aggregate))
    found = con.sql(
        f"""
        WITH k AS (SELECT DISTINCT {differing} FROM {DRIFT} WHERE class = 'mismatch')
        SELECT {held}, {gathered}
        FROM k JOIN below r ON {same_key(aggregate, "r")}
        JOIN staging s ON {same_key(aggregate, "s")} JOIN other o ON {same_key(aggregate, "o")}
        WHERE r.{ident(JOINED)} GROUP BY {keys}
        """
    ).to_arrow_table()
    calls, equal = aggregate.calls, 0
    for row in (row for batch in found.to_batches(20_000) for row in batch.to_pylist()):
        made = {name: of_value(calls[name], found) for name, found in read(aggregate, row).items()}
        equal += all(agrees(made[name], row[side + name]) for side, name in _held(aggregate))
    return equal


def _held(aggregate: Aggregate) -> list[tuple[str, str]]:
    """Each value of the staged line and of the other one."""
    return [(side, name) for side in ("s", "o") for name in aggregate.values]
