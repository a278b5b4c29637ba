"""The one place that has DuckDB read Parquet files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from plumbline.connect.sql_quoting import literal_path, text

if TYPE_CHECKING:
    from pyarrow.parquet import FileMetaData


def parquet_rows(files: Iterable[str | Path], *options: str) -> str:
    """SQL of the rows of Parquet files, with more options of DuckDB's read_parquet.

    A path is taken as it is spelled, and `key=value` folders that lead to it are not columns.

    NaN is in no minimum or maximum that a writer notes for a row group (parquet.thrift, "Statistics"), in DuckDB it is
    greater than any number: without `can_have_nan` a condition on a float, a maximum, even a CASE loses rows with NaN.
    """
    listed = ", ".join(text(literal_path(file)) for file in files)
    return f"read_parquet([{listed}], {', '.join(('can_have_nan = true', 'hive_partitioning = false', *options))})"


def unfiltered(value: str) -> str:
    """SQL of a column's value in a form for which DuckDB skips nothing in a file by what that says of the column."""
    return f"try({value})"


def misleads(notes: FileMetaData) -> bool:
    """Whether a file's notes on its NULLs cannot be believed, so that only Arrow reads it right.

    The Go library xitongsys/parquet-go (1.6.2) counts them wrongly, in a column with a dictionary often as many as it
    has rows: for DuckDB 2.0.1 and Spark the whole column is NULL then. Where it counts none, `IS NULL` finds none.
    """
    return str(notes.created_by).startswith("parquet-go version")
