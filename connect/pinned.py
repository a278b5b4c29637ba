"""Reading one pinned Iceberg snapshot in DuckDB, without DuckDB's network extensions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plumbline.connect.deleted_rows import DeletedRows, forget, registered, with_columns
from plumbline.connect.iceberg_files import DATA, IcebergFiles
from plumbline.connect.iceberg_types import duckdb_type
from plumbline.connect.lake import Lake
from plumbline.connect.machine import MEMORY, parse_bytes, threads_within
from plumbline.connect.object_store import store_error
from plumbline.connect.placed_rows import batches_of
from plumbline.connect.sql_quoting import column, ident
from plumbline.connect.table_growth import refuse_retyped
from plumbline.connect.table_plan import plan_files
from plumbline.connect.unreadable import raised_within
from plumbline.contract.errors import SetupError

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa
    from pyiceberg.expressions import BooleanExpression
    from pyiceberg.schema import Schema
    from pyiceberg.table import DataScan, Table

    from plumbline.connect.delete_files import DeleteFile
    from plumbline.connect.table_plan import Planned
    from plumbline.connect.tables import OwnTable


@dataclass(frozen=True)
class Pinned:
    """What a view shows: the snapshot (None for a table without any), and how many data files lie under it."""

    identifier: str
    snapshot_id: int | None
    files: int


def connection(
    memory: str = MEMORY, temp_dir: str | Path | None = None, threads: int | None = None
) -> duckdb.DuckDBPyConnection:
    """An in-memory DuckDB, bounded by `memory`, spilling to `temp_dir`; session time zone UTC.

    It takes `threads`, None: the machine's, or what a container has of them; each as far as `memory` goes.
    """
    import duckdb

    config: dict[str, Any] = {
        "memory_limit": memory,
        "TimeZone": "UTC",
        "preserve_insertion_order": False,
        "autoinstall_known_extensions": False,
        # Meant for files far away. For local ones the system reads ahead, and buffers for whole column chunks cost a
        # twelfth of a diff's CPU and 60 MB.
        "disable_parquet_prefetching": True,
        # In polars' files up to 1.33 at least it says of a page with NaN that it holds nothing but NULL, so that every
        # condition loses its other rows as well.
        "parquet_use_page_index": False,
    }
    if temp_dir is not None:
        Path(temp_dir).mkdir(parents=True, exist_ok=True)
        config["temp_directory"] = str(temp_dir)
    con = duckdb.connect(":memory:", config=config)
    [(there,)] = con.execute("SELECT current_setting('threads')").fetchall()
    con.execute(f"SET threads = {threads_within(parse_bytes(memory), threads or int(there))}")
    # After two seconds DuckDB would draw a bar on stdout, into the document that --json prints there.
    # In a notebook without ipywidgets there is no bar, and DuckDB refuses to change the setting.
    with suppress(duckdb.InvalidInputException):
        con.execute("SET enable_progress_bar = false")
    return con


def scan(
    con: duckdb.DuckDBPyConnection,
    lake: Lake,
    identifier: str,
    snapshot_id: int | None = None,
    *,
    view: str,
    row_filter: str | BooleanExpression | None = None,
    columns: Sequence[str] | None = None,
    schema: OwnTable | None,
    as_then: bool = False,
) -> Pinned:
    """Create (or replace) `view` in `con` over the table at `snapshot_id` (None: the current one).

    The current snapshot is read in the table's schema of now, an older one in its own; `as_then` reads any that is
    given in its own, as time travel in Spark does. `row_filter` is a PyIceberg expression that only skips files: rows
    outside it may be in the view, so filter again in SQL. The view can be read any number of times.

    `schema` says which of the jobs' own tables it is, None for any other: if another tool gave one of its columns
    another type, that is refused by name. Raises SetupError for a missing table, snapshot or column, for a retyped
    column, and for files that cannot be read.
    """
    table = lake.load(identifier)
    if schema is not None:
        refuse_retyped(table, schema)
    pin = _snapshot(table, identifier, snapshot_id)
    asked = pin if as_then and snapshot_id is not None else unless_current(table, pin)
    plan = _plan(table, identifier, asked, row_filter, columns)
    tasks = _tasks(plan, identifier) if pin is not None else []
    con.execute(f"DROP TABLE IF EXISTS {ident(_rows_table(view))} CASCADE")
    if not tasks:
        con.execute(f"CREATE OR REPLACE VIEW {ident(view)} AS {_empty(plan.projection())}")
        return Pinned(identifier, pin, 0)
    _show(con, plan, table, tasks, view, identifier)
    return Pinned(identifier, pin, len(tasks))


def holds(con: duckdb.DuckDBPyConnection, table: Table, plan: DataScan, task: Planned, where: str) -> bool:
    """Whether the file of a scan has a row that satisfies `where` (SQL) and is not deleted. Raises as `scan`."""
    name, view = ".".join(table.name()), "plumbline_one_file"
    con.execute(f"DROP TABLE IF EXISTS {ident(_rows_table(view))} CASCADE")
    _show(con, plan, table, [task], view, name)
    return bool(con.execute(f"SELECT 1 FROM {ident(view)} WHERE {where} LIMIT 1").fetchall())


def unless_current(table: Table, snapshot_id: int | None) -> int | None:
    """What PyIceberg is to be asked for: None for the current snapshot, which it then reads in the schema of now."""
    current = table.current_snapshot()
    return None if current and current.snapshot_id == snapshot_id else snapshot_id


def _snapshot(table: Table, identifier: str, wanted: int | None) -> int | None:
    if wanted is None:
        current = table.current_snapshot()
        return current.snapshot_id if current else None
    if table.snapshot_by_id(wanted) is None:
        raise SetupError(
            f"snapshot {wanted} of {identifier} does not exist: it may have been expired",
            where=identifier,
            next_step=f"use one of its snapshots ({_recent(table)}), or run the comparison afresh",
        )
    return wanted


def _recent(table: Table) -> str:
    ids = [str(s.snapshot_id) for s in table.metadata.snapshots[-3:]]
    return "latest " + ", ".join(reversed(ids)) if ids else "it has none"


def _plan(
    table: Table,
    identifier: str,
    pin: int | None,
    row_filter: str | BooleanExpression | None,
    columns: Sequence[str] | None,
) -> DataScan:
    wanted = row_filter or "true"
    plan = table.scan(
        row_filter=_parsed(wanted) if isinstance(wanted, str) else wanted,
        snapshot_id=pin,
        selected_fields=tuple(columns) if columns is not None else ("*",),
    )
    try:
        plan.projection()
    except ValueError:
        known = {field.name for field in table.schema().fields}
        missing = sorted(set(columns or ()) - known)
        raise SetupError(f"{identifier} has no column {', '.join(missing)}", where=identifier) from None
    return plan


@lru_cache(maxsize=64)
def _parsed(row_filter: str) -> BooleanExpression:
    """What PyIceberg makes of a filter, in some 4 ms: a reconcile scans fifteen times with the same few."""
    from pyiceberg.expressions.parser import parse

    return parse(row_filter)


def _tasks(plan: DataScan, identifier: str) -> list[Planned]:
    try:
        return plan_files(plan, identifier)
    except (FileNotFoundError, ValueError) as error:
        raise SetupError(f"{identifier} is unreadable: {error}", where=identifier) from None


def _show(
    con: duckdb.DuckDBPyConnection, plan: DataScan, table: Table, tasks: Sequence[Planned], view: str, identifier: str
) -> None:
    """Make the view of the files' rows."""
    deleted = _deleted(con, plan, table, tasks, view, identifier)
    read = with_columns(plan.projection(), deleted.columns if deleted else ())
    files = IcebergFiles(table, read, tasks, deleted)
    with _readable(identifier):
        in_place = files.readable_by_duckdb
        if in_place:
            files.reach(con)
            con.execute(f"CREATE OR REPLACE VIEW {ident(view)} AS {files.sql(plan.projection())}")
    if not in_place:
        _materialise(con, plan, files, view, identifier)


def _deleted(
    con: duckdb.DuckDBPyConnection, plan: DataScan, table: Table, tasks: Sequence[Planned], view: str, identifier: str
) -> DeletedRows | None:
    """What delete files take from the files of the scan, read; None where there are none."""
    forget(con, view)
    touched = [task for task in tasks if task.touched]
    if not touched:
        return None

    def batches(file: DeleteFile, schema: Schema) -> Iterator[pa.RecordBatch]:
        return batches_of(plan, schema, file.data_file, whole=True)

    with _readable(identifier):
        return DeletedRows(con, table, view, touched).read(batches)


def _empty(schema: Schema) -> str:
    columns = ", ".join(f"CAST(NULL AS {duckdb_type(f.field_type)}) AS {ident(f.name)}" for f in schema.fields)
    return f"SELECT {columns} WHERE false"


@contextmanager
def _readable(identifier: str, *also: type[Exception]) -> Iterator[None]:
    """What DuckDB or PyIceberg say against reading the table's files, and errors `also`, as a SetupError."""
    import duckdb
    from pyiceberg.exceptions import ResolveError

    unreadable: tuple[type[Exception], ...] = (
        duckdb.Error,
        ResolveError,
        ValueError,
        NotImplementedError,
        OSError,
        *also,
    )
    try:
        yield
    except duckdb.OutOfMemoryException:
        raise
    except unreadable as error:
        away = store_error(error)
        if away is not None:
            raise away from None
        said = raised_within(str(error)) or str(error).strip() or type(error).__name__
        raise SetupError(f"{identifier} is unreadable: {said.splitlines()[0]}", where=identifier) from None


def _rows_table(view: str) -> str:
    return f"{view} rows"


def _materialise(
    con: duckdb.DuckDBPyConnection, plan: DataScan, files: IcebergFiles, view: str, identifier: str
) -> None:
    """Copy the rows through PyIceberg into a DuckDB table under the view.

    A batch reader can be read once, a view often: hence the copy. One file at a time: PyIceberg reads all the files of
    a scan at once and whole, so that a table of many would be in memory.
    """
    from pyarrow import ArrowException

    shown, rows = ", ".join(column(one.name, DATA) for one in plan.projection().fields), ident(_rows_table(view))
    begin, number = f"CREATE TABLE {rows} AS", 0
    for task in files.tasks:
        with _readable(identifier, ArrowException):
            for batch in batches_of(plan, files.schema, task.file, whole=task.touched):
                with registered(con, batch) as name:
                    source = files.rest_of(name, number) if task.touched else f"{name} AS {DATA}"
                    con.execute(f"{begin} SELECT {shown} FROM {source}")
                begin = f"INSERT INTO {rows}"
        number += task.touched
    con.execute(f"CREATE OR REPLACE VIEW {ident(view)} AS FROM {rows}")
