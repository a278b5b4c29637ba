"""Frames as Arrow tables that DuckDB takes: pandas, polars, Spark, and all that Arrow can take over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import duckdb
import pyarrow as pa

from plumbline.connect.frames import NO_PAGE_INDEX, settled
from plumbline.connect.sql_quoting import column, ident
from plumbline.contract.errors import UsageError
from plumbline.reconcile.diff.engine.canonical import MAX_DECIMAL
from plumbline.reconcile.diff.engine.case_names import clashing_fields, of_files
from plumbline.reconcile.diff.engine.side_view import SideView, describe, first_line


def as_arrow(source: Any) -> pa.Table:
    """A table or frame as a pyarrow Table; a pandas index is not a column."""
    try:
        return _exact(_taken_over(source))
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise UsageError(
            f"{type(source).__name__} cannot be compared: {first_line(error)}",
            next_step="give a path, a pyarrow Table, a pandas, polars or Spark frame whose columns each have one type",
        ) from error


def open_frame(con: duckdb.DuckDBPyConnection, source: Any, view: str) -> SideView:
    """Make the frame the view `view` of `con`. Raises UsageError for what has no columns, or one of a foreign type."""
    table = as_arrow(source)
    if not table.column_names:
        raise UsageError(f"a {type(source).__name__} without columns is given", next_step="give both sides columns")
    for field in table.schema:
        if clashing_fields(field.type):
            raise UsageError(
                f"column {field.name!r} of the frame has fields whose names differ in case only, or not at all",
                next_step="rename them, or leave the column out of the frame",
            )
    try:
        [names], clashes = of_files([table.column_names])
        con.register(view, table.rename_columns(names) if clashes else table)
        return replace(describe(con, view), clashes=clashes)
    except duckdb.Error as error:
        raise _foreign(con, table, error) from error


def with_nan(
    con: duckdb.DuckDBPyConnection, source: Any, side: SideView, other: SideView, others: Mapping[str, str]
) -> SideView:
    """The view of a pandas frame, its NaN taken as the other side says. `others` maps its columns to the other's names.

    pandas has NaN for a missing number, so that NULL and NaN of a file look alike in its frame. NaN stands for NULL,
    unless the other side's column has NaN and no NULL. Raises UsageError where it has both: no answer would be true.
    """
    told = {}
    for name in numpy_floats(source):
        theirs = others.get(name, name)
        if theirs in other.columns and other.columns[theirs].id in ("float", "double"):
            value = column(theirs)
            [(nan, null)] = con.execute(
                f"SELECT coalesce(bool_or(isnan({value})), false), coalesce(bool_or({value} IS NULL), false) "
                f"FROM {other.sql}"
            ).fetchall()
            if nan and null:
                raise ambiguous(name)
            told[name] = bool(nan)
    kept = [name for name, nan in told.items() if nan]
    if not kept:
        return side
    columns = ", ".join(f"coalesce({ident(n)}, 'nan') AS {ident(n)}" for n in kept)
    raw = f"{side.name} without nan"
    con.register(raw, as_arrow(source))
    con.unregister(side.name)
    con.execute(f"CREATE OR REPLACE TEMP VIEW {side.sql} AS SELECT * REPLACE ({columns}) FROM {ident(raw)}")
    return describe(con, side.name)


def _taken_over(source: Any) -> pa.Table:
    if isinstance(source, pa.Table):
        return source
    if _is_pandas(source):
        return pa.Table.from_pandas(source, preserve_index=False)
    if type(source).__module__.partition(".")[0] == "polars" and hasattr(source, "collect"):
        return pa.table(source.collect())  # a LazyFrame
    if hasattr(source, "toArrow"):  # Spark's: it brings all rows to this process
        with settled(source.sparkSession, NO_PAGE_INDEX):
            return source.toArrow()
    return pa.table(source)


def _is_pandas(source: Any) -> bool:
    return type(source).__module__.partition(".")[0] == "pandas"


def numpy_floats(source: Any) -> list[str]:
    """The columns of a pandas frame in which NaN may have been NULL: those of numpy's floats."""
    if not _is_pandas(source):
        return []
    return [str(n) for n, kind in source.dtypes.items() if getattr(kind, "kind", "") == "f" and _by_numpy(kind)]


def _by_numpy(kind: Any) -> bool:
    return type(kind).__module__.partition(".")[0] == "numpy"


def _exact(table: pa.Table) -> pa.Table:
    """The table with types that DuckDB has for those of which it holds the values only: half floats, wide decimals."""
    fields = [field.with_type(_held(field.type)) for field in table.schema]
    return table if fields == list(table.schema) else table.cast(pa.schema(fields, table.schema.metadata))


def _held(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_float16(kind):
        return pa.float32()
    if pa.types.is_decimal256(kind) and kind.precision <= MAX_DECIMAL:
        return pa.decimal128(kind.precision, kind.scale)
    if pa.types.is_list(kind):
        return pa.list_(kind.value_field.with_type(_held(kind.value_type)))
    if pa.types.is_large_list(kind):
        return pa.large_list(kind.value_field.with_type(_held(kind.value_type)))
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_held(field.type)) for field in kind])
    return kind


def _foreign(con: duckdb.DuckDBPyConnection, table: pa.Table, error: duckdb.Error) -> UsageError:
    """The error about the first column that DuckDB cannot take."""
    for name in table.column_names:
        try:
            con.register("plumbline_probe", table.select([name]).slice(0, 0))
            con.execute("FROM plumbline_probe").fetchall()
        except duckdb.Error:
            kind = table.schema.field(name).type
            return UsageError(
                f"column {name!r} of the frame is {kind}, which cannot be compared",
                next_step="cast it first (a decimal of more than 38 digits to text), or leave it out of the frame",
            )
    return UsageError(
        f"the frame cannot be compared: {first_line(error)}", next_step="write it as Parquet, and give the path"
    )


def ambiguous(name: str) -> UsageError:
    return UsageError(
        f"column {name!r} of the pandas frame has NaN for NULL and for NaN, and the other side has both",
        next_step="read the frame with dtype_backend='pyarrow', which tells them apart, or give the path of its file",
    )
