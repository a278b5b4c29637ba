"""The one place that has DuckDB read Parquet files."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from plumbline.connect.sql_quoting import literal_path, text
from plumbline.contract.errors import SetupError

if TYPE_CHECKING:
    from pyarrow.parquet import FileMetaData, ParquetFile

_BELIEVED = re.compile(
    r"parquet-mr version (1\.[1-9]\d|[2-9])|(parquet-rs|datafusion) version |parquet-cpp-arrow version |DuckDB |Polars"
)


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


def believed(notes: FileMetaData) -> bool:
    """Whether the file's statistics are by one of the writers of which no wrong ones are known but beside NaN.

    Of others they are: xitongsys/parquet-go 1.6.2 counts NULLs wrongly, parquetjs 1.8.8 compares JSON and text as
    JavaScript does, parquet-mr before 1.10 (Spark up to 2.3) text by signed bytes, in fields that DuckDB 2.0.1 goes by.
    """
    return _BELIEVED.match(str(notes.created_by)) is not None


def misleads(path: str, notes: FileMetaData) -> bool:
    """Whether a file notes of a column that has values that all of it is NULL: for DuckDB 2.0.1 it is, then.

    Raises SetupError where Arrow, which reads the column to see, cannot.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if believed(notes):
        return False
    try:
        with Path(path).open("rb") as opened, pq.ParquetFile(opened) as file:
            return any(_has_values(file, number) for number in range(notes.num_row_groups))
    except (pa.ArrowException, OSError) as error:
        raise SetupError(
            f"{path!r} notes that a column is all NULL, and cannot be read to see: {str(error).splitlines()[0]}",
            where=path,
            next_step="write the file anew, with another writer",
        ) from None


def _has_values(file: ParquetFile, number: int) -> bool:
    """Whether a column of the row group of which the file notes that all is NULL has a value."""
    group = file.metadata.row_group(number)
    chunks = map(group.column, range(group.num_columns))
    told = [c.path_in_schema for c in chunks if c.statistics and c.statistics.null_count == c.num_values]
    read = file.read_row_group(number, told).columns if told else []
    return any(column.null_count < group.num_rows for column in read)
