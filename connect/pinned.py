"""Reading one pinned Iceberg snapshot in DuckDB, without DuckDB's network extensions."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from connect.iceberg_types import duckdb_type, quoted, text
from connect.lake import Lake
from connect.parquet import parquet_rows
from contract.errors import SetupError

if TYPE_CHECKING:
    import duckdb
    from pyiceberg.manifest import DataFile
    from pyiceberg.schema import Schema
    from pyiceberg.table import DataScan, FileScanTask, Table


_FILE = "plumbline_file"


@dataclass(frozen=True)
class Pinned:
    """What a view shows: the snapshot (None for a table without any), and how many rows and data files lie under it.

    `rows` counts before any row filter that cuts through a file; `scan` says what the caller must still filter.
    """

    identifier: str
    snapshot_id: int | None
    rows: int
    files: int


def connection(
    memory: str = "512MB", temp_dir: str | Path | None = None, threads: int = 2
) -> duckdb.DuckDBPyConnection:
    """An in-memory DuckDB, bounded by `memory`, spilling to `temp_dir`; session time zone UTC."""
    import duckdb

    config: dict[str, Any] = {
        "memory_limit": memory,
        "threads": threads,
        "TimeZone": "UTC",
        "preserve_insertion_order": False,
        "autoinstall_known_extensions": False,
        # Meant for files far away. For local ones the system reads ahead, and buffers for whole column chunks cost a
        # twelfth of a diff's CPU and 60 MB.
        "disable_parquet_prefetching": True,
    }
    if temp_dir is not None:
        Path(temp_dir).mkdir(parents=True, exist_ok=True)
        config["temp_directory"] = str(temp_dir)
    con = duckdb.connect(":memory:", config=config)
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
    row_filter: str | None = None,
    columns: Sequence[str] | None = None,
) -> Pinned:
    """Create (or replace) `view` in `con` over the table at `snapshot_id` (None: the current one), in its schema then.

    `row_filter` is a PyIceberg expression that only skips files: rows outside it may be in the view, so filter again in
    SQL. The view can be read any number of times. Raises SetupError for a missing table, snapshot or column.
    """
    table = lake.load(identifier)
    pin = _snapshot(table, identifier, snapshot_id)
    plan = _plan(table, identifier, pin, row_filter, columns)
    tasks = _tasks(plan, identifier) if pin is not None else []
    con.execute(f"DROP TABLE IF EXISTS {quoted(_rows_table(view))} CASCADE")
    if not tasks:
        con.execute(f"CREATE OR REPLACE VIEW {quoted(view)} AS {_empty(plan.projection())}")
        return Pinned(identifier, pin, 0, 0)
    if not _readable_by_duckdb(table, tasks, plan.projection()):
        return Pinned(identifier, pin, _materialise(con, plan, tasks, view), len(tasks))
    _create_view(con, view, _parquet(table, tasks, plan.projection()), identifier)
    deleted = any(task.delete_files for task in tasks)
    rows = _count(con, view) if deleted else sum(task.file.record_count for task in tasks)
    return Pinned(identifier, pin, rows, len(tasks))


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
    table: Table, identifier: str, pin: int | None, row_filter: str | None, columns: Sequence[str] | None
) -> DataScan:
    plan = table.scan(
        row_filter=row_filter or "true",
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


def _tasks(plan: DataScan, identifier: str) -> list[FileScanTask]:
    try:
        return list(plan.plan_files())
    except (FileNotFoundError, ValueError) as error:
        raise SetupError(f"{identifier} is unreadable: {error}", where=identifier) from None


def _empty(schema: Schema) -> str:
    columns = ", ".join(f"CAST(NULL AS {duckdb_type(f.field_type)}) AS {quoted(f.name)}" for f in schema.fields)
    return f"SELECT {columns} WHERE false"


def _readable_by_duckdb(table: Table, tasks: Sequence[FileScanTask], schema: Schema) -> bool:
    """Whether read_parquet gives the right rows: local Parquet and, once the schema changed, flat columns with ids.

    A name mapping means files without field ids (Iceberg spec, column projection): only PyIceberg resolves those. Of
    delete files, DuckDB can apply those that list positions, not the deletion vectors of version 3.
    """
    files = [task.file for task in tasks] + _delete_files(tasks)
    local = all(urlsplit(file.file_path).scheme in ("", "file") for file in files)
    parquet = all(str(file.file_format.value).lower() == "parquet" for file in files)
    changed = len(table.metadata.schemas) > 1
    by_id = all(field.field_type.is_primitive for field in schema.fields) and table.name_mapping() is None
    return local and parquet and (by_id or not changed)


def _delete_files(tasks: Sequence[FileScanTask]) -> list[DataFile]:
    """The files of deleted positions, each once. PyIceberg refuses those of deleted values (equality deletes)."""
    return list({file.file_path: file for task in tasks for file in task.delete_files}.values())


def _parquet(table: Table, tasks: Sequence[FileScanTask], schema: Schema) -> str:
    files = [_local_path(task.file.file_path) for task in tasks]
    names = ", ".join(quoted(field.name) for field in schema.fields)
    options = []
    if len(table.metadata.schemas) > 1:
        options.append(f"schema = MAP {{{_fields_by_id(schema)}}}")
    deletes = [_local_path(file.file_path) for file in _delete_files(tasks)]
    if not deletes:
        return f"SELECT {names} FROM {parquet_rows(files, *options)}"
    options += [f"filename = {_FILE}", "file_row_number = true"]
    return f"""
        SELECT {names} FROM {parquet_rows(files, *options)} AS rows
        ANTI JOIN (
            SELECT '/' || ltrim(regexp_replace(file_path, '^file:', ''), '/') AS path, pos
            FROM {parquet_rows(deletes)}
        ) AS deleted ON rows.{_FILE} = deleted.path AND rows.file_row_number = deleted.pos
    """


def _fields_by_id(schema: Schema) -> str:
    return ", ".join(
        f"{f.field_id}: {{name: {text(f.name)}, type: {text(duckdb_type(f.field_type))}, default_value: NULL}}"
        for f in schema.fields
    )


def _create_view(con: duckdb.DuckDBPyConnection, view: str, select: str, identifier: str) -> None:
    import duckdb

    try:
        con.execute(f"CREATE OR REPLACE VIEW {quoted(view)} AS {select}")
    except duckdb.IOException as error:
        raise SetupError(f"{identifier} is unreadable: {str(error).splitlines()[0]}", where=identifier) from None


def _local_path(location: str) -> str:
    """The path of a local location in any of its spellings: file:/a, file:///a, /a. Nothing is percent-decoded."""
    return "/" + location.removeprefix("file:").lstrip("/")


def _rows_table(view: str) -> str:
    return f"{view} rows"


def _materialise(con: duckdb.DuckDBPyConnection, plan: DataScan, tasks: Sequence[FileScanTask], view: str) -> int:
    """Copy the rows through PyIceberg into a DuckDB table under the view; how many.

    A batch reader can be read once, a view often: hence the copy. One file at a time: PyIceberg reads all the files of
    a scan at once and whole, so that a table of many would be in memory.
    """
    from pyiceberg.table import _to_arrow_batch_reader_via_file_scan_tasks as read

    begin = f"CREATE TABLE {quoted(_rows_table(view))} AS"
    for task in tasks:
        con.register("plumbline_reader", read(plan, plan.projection(), [task]))
        try:
            con.execute(f"{begin} SELECT * FROM plumbline_reader")
        finally:
            con.unregister("plumbline_reader")
        begin = f"INSERT INTO {quoted(_rows_table(view))}"
    con.execute(f"CREATE OR REPLACE VIEW {quoted(view)} AS SELECT * FROM {quoted(_rows_table(view))}")
    return _count(con, view)


def _count(con: duckdb.DuckDBPyConnection, view: str) -> int:
    # fetchall, not fetchone: DuckDB 2 refuses further work while a result has not been read to its end.
    [(counted,)] = con.execute(f"SELECT count(*) FROM {quoted(view)}").fetchall()
    return int(counted)
