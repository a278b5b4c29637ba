"""What a user names as one side, turned into a DuckDB view: files, folders, globs, Iceberg snapshots, frames."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from plumbline.connect.sql_quoting import ident
from plumbline.connect.table_plan import plan_files
from plumbline.contract.errors import SetupError, UsageError
from plumbline.reconcile.diff.engine.canonical import by_value, is_number
from plumbline.reconcile.diff.engine.case_names import clashing, of_files
from plumbline.reconcile.diff.engine.csv_files import open_csv
from plumbline.reconcile.diff.engine.frames import open_frame
from plumbline.reconcile.diff.engine.parquet_files import open_parquet
from plumbline.reconcile.diff.engine.paths import FORMS, files_of, has_ending
from plumbline.reconcile.diff.engine.side_view import SideView, describe, readable

if TYPE_CHECKING:
    from plumbline.connect.lake import Lake

_IDENTIFIER = re.compile(r"(?P<table>[^/@.]+(?:\.[^/@.]+)+)(?:@(?P<snapshot>.+))?", re.DOTALL)


def open_side(con: duckdb.DuckDBPyConnection, source: Any, view: str, lake: Callable[[], Lake]) -> SideView:
    """Make `source` the view `view` of `con`; `lake` is asked for only when it names an Iceberg table.

    `source` is a path, a glob, `namespace.table` or `namespace.table@snapshot` (an id, tag or branch), a pyarrow Table,
    or a frame that Arrow can take over (pandas, polars, Spark, a DuckDB relation). Raises UsageError and SetupError for
    what cannot be read.
    """
    if not isinstance(source, (str, Path)):
        return open_frame(con, source, view)
    files = files_of(str(source))
    if files is None:
        return _open_iceberg(con, str(source), view, lake)
    with readable(str(source), files.paths):
        return (open_parquet if files.kind == "parquet" else open_csv)(con, files, view)


def typed_like(con: duckdb.DuckDBPyConnection, side: SideView, other: SideView, names: Mapping[str, str]) -> SideView:
    """The side; where no value gave its types, with those of `other`, whose column `a` is `names[a]` in the side."""
    if not side.untyped:
        return side
    kinds = {**side.columns, **{names.get(name, name): kind for name, kind in other.columns.items()}}
    columns = ", ".join(f"NULL::{kinds[name]} AS {ident(name)}" for name in side.columns)
    con.execute(f"CREATE OR REPLACE VIEW {side.sql} AS SELECT {columns} WHERE false")
    return describe(con, side.name)


def in_digits(con: duckdb.DuckDBPyConnection, side: SideView, other: SideView, names: Mapping[str, str]) -> SideView:
    """The side with those numbers as text of their digits that the other side has so, whose column `a` is `names[a]`
    in the side."""
    wanted = {names.get(name, name) for name in other.digits} - side.digits
    wanted = {name for name in wanted if name in side.columns and is_number(side.columns[name])}
    if not wanted:
        return side
    view = f"{side.name} in digits"
    new = ", ".join(f"{by_value(side.columns[name])(ident(name))} AS {ident(name)}" for name in sorted(wanted))
    con.execute(f"CREATE OR REPLACE VIEW {ident(view)} AS SELECT * REPLACE ({new}) FROM {side.sql}")
    return describe(con, view, side.files)


def _open_iceberg(con: duckdb.DuckDBPyConnection, source: str, view: str, lake: Callable[[], Lake]) -> SideView:
    from plumbline.connect.pinned import scan

    table, snapshot = named_snapshot(source, lake)
    scan(con, lake(), table, snapshot, view=view, schema=None, as_then=True)
    plan = lake().load(table).scan(snapshot_id=snapshot)
    if not clashing([field.name for field in plan.projection().fields]):
        return describe(con, view)
    if any(task.values for task in plan_files(plan, table)):
        raise SetupError(
            f"{table} has columns whose names differ in case only, and files of deleted values (equality deletes)",
            where=table,
            next_step="compare it with --engine spark",
        )
    rows = plan.to_arrow_batch_reader()
    [names], clashes = of_files([rows.schema.names])
    schema = pa.schema([field.with_name(name) for field, name in zip(rows.schema, names, strict=True)])
    batches = (pa.RecordBatch.from_arrays(batch.columns, schema=schema) for batch in rows)
    con.register("plumbline_reader", pa.RecordBatchReader.from_batches(schema, batches))
    con.execute(f"DROP VIEW IF EXISTS {ident(view)}")
    con.execute(f"CREATE TABLE {ident(view)} AS FROM plumbline_reader")
    con.unregister("plumbline_reader")
    return replace(describe(con, view), clashes=clashes)


def named_snapshot(source: str, lake: Callable[[], Lake]) -> tuple[str, int | None]:
    """Table and snapshot id that `namespace.table@snapshot` names; the id None is the current one.

    Raises UsageError where not even the namespace is known: a file's name was meant then.
    """
    match = _IDENTIFIER.fullmatch(source)
    if match is None or has_ending(source):
        raise UsageError(f"{source!r} does not exist", next_step=FORMS)
    table = match["table"]
    if not lake().exists(table) and _namespace(table) not in map(_namespace, lake().tables()):
        raise UsageError(f"{source!r} is neither a file here nor a table of the lake", next_step=FORMS)
    return table, _snapshot_id(lake(), table, match["snapshot"])


def _namespace(table: str) -> str:
    return table.rpartition(".")[0]


def _snapshot_id(lake: Lake, table: str, named: str | None) -> int | None:
    """The id that a user names: itself, a tag or a branch; None for the current snapshot."""
    if named is None:
        return None
    found = lake.load(table)
    refs = found.metadata.refs
    if named.isdecimal() and (named not in refs or found.snapshot_by_id(int(named))):
        return int(named)
    if named not in refs:
        raise UsageError(
            f"{named!r} is not a snapshot, tag or branch of {table}",
            where=table,
            next_step=f"use a snapshot id or one of {', '.join(sorted(refs)) or 'no names'}",
        )
    return int(refs[named].snapshot_id)
