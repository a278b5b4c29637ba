"""The rows of a range in an output table, as plan and audit read them, and whether a publish could find them again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plumbline.connect.sql_quoting import ident
from plumbline.contract.aggregate import moment_column
from plumbline.contract.errors import SetupError
from plumbline.contract.lineage import EVENT_TIME, REPLAY_ID

if TYPE_CHECKING:
    import duckdb

    from plumbline.connect.lake import Lake
    from plumbline.contract.model import Contract
    from plumbline.contract.ranges import TimeRange

ZONED = "timestamptz"


def refuse_without_event_time(lake: Lake, contract: Contract) -> None:
    """Raise SetupError for a stream table whose rows a publish could not find: it replaces them by `_event_time`.

    UsageError where another tool took the column away. A publish would add it, empty in all rows, and replace none.
    Where `job:` names the columns of a team's own table nothing is published into it, and the replay is for comparing.
    """
    import pyarrow as pa

    from plumbline.connect.table_growth import taken_away
    from plumbline.connect.table_schema import growth
    from plumbline.reconcile.inputs.lineage_types import column_types

    if contract.job is not None and contract.job.columns:
        return
    name, column = contract.output.stream_table, moment_column(contract)
    kind = column_types(lake, name).get(column)
    if kind == ZONED:
        return
    table = lake.load(name)
    for lost in growth(table.schema(), pa.schema([(column, pa.timestamp("us", "UTC"))]), table.schemas()).lost:
        raise taken_away(lost, name)
    what = f"{name} has no column {column}" if kind is None else f"column {column} of {name} is {kind}"
    raise SetupError(
        f"{what}, where a replay needs {ZONED}: by it a publish finds the rows that it replaces",
        where=f"table {name}",
        next_step=f"let the job write {column} ({ZONED}) and fill it in the rows that are there",
    )


def range_view(
    con: duckdb.DuckDBPyConnection, lake: Lake, contract: Contract, table: str, time_range: TimeRange, view: str
) -> int | None:
    """Create `view` over the rows of the range in the current snapshot of `table`, without replay ids.

    Event times may be in another column than `_event_time`, see reconcile.inputs.event_times; the lines of an aggregate
    are found by the starts of their windows. Returns the snapshot.
    Raises SetupError for a table whose rows say none.
    """
    from plumbline.connect.pinned import scan
    from plumbline.connect.their_columns import their_columns
    from plumbline.reconcile.inputs.event_times import moment_columns, moment_sql
    from plumbline.reconcile.inputs.lineage_types import column_types

    held = column_types(lake, table)
    theirs = their_columns(contract, table, held).get(EVENT_TIME)
    own = moment_column(contract)
    columns = (theirs,) if theirs else (own,) if own in held else moment_columns(contract, held)
    if not columns:
        raise SetupError(
            f"the rows of {table} do not say their event times: which of them are in the range is not known",
            where=f"table {table}",
            next_step="name the column that has them as output.event_time",
        )
    skips = time_range.iceberg(ident(columns[0])) if [held[name] for name in columns] == [ZONED] else None
    pinned = scan(con, lake, table, view=f"{view}_files", row_filter=skips, schema=None)
    shown = f"* EXCLUDE ({ident(REPLAY_ID)})" if REPLAY_ID in held else "*"
    con.execute(
        f"CREATE OR REPLACE VIEW {view} AS SELECT {shown} FROM {view}_files WHERE {time_range.sql(moment_sql(columns))}"
    )
    return pinned.snapshot_id
