"""What a user names as one side, as a Spark frame: Parquet files, Iceberg snapshots, Arrow, pandas and Spark frames."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from plumbline.connect.parquet import misleads
from plumbline.connect.sql_quoting import backticked, ident
from plumbline.contract.errors import SetupError, UsageError
from plumbline.reconcile.diff.engine.case_names import clashing, folded
from plumbline.reconcile.diff.engine.durations import is_timed
from plumbline.reconcile.diff.engine.frames import ambiguous, as_arrow, numpy_floats
from plumbline.reconcile.diff.engine.parquet_files import notes_of
from plumbline.reconcile.diff.engine.paths import Files, files_of, hidden
from plumbline.reconcile.diff.engine.side_view import first_line
from plumbline.reconcile.diff.engine.sources import named_snapshot
from plumbline.reconcile.diff.spark.candidates import settled

if TYPE_CHECKING:
    import duckdb
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import StructType

    from plumbline.connect.home import Home
    from plumbline.connect.lake import Lake

PARTITIONS = 16
"""Of a shuffle, at most: Spark joins small ones."""


def is_frame(source: Any) -> bool:
    """Whether a side is a Spark DataFrame already, classic or of Spark Connect."""
    return type(source).__module__.startswith("pyspark.sql.")


def open_frames(left: Any, right: Any, home: Home, lake: Callable[[], Lake]) -> tuple[DataFrame, DataFrame]:
    """Both sides in one session: that of a side which is a frame already, else one of our own."""
    from plumbline.connect.spark import session

    own = next((side.sparkSession for side in (left, right) if is_frame(side)), None)
    spark = own or session(home, lake(), app="plumbline-diff", shuffle_partitions=PARTITIONS, long_lived=True)
    with settled(spark):
        frames = open_frame(spark, left, lake), open_frame(spark, right, lake)
        return with_nan(left, frames[0], frames[1]), with_nan(right, frames[1], frames[0])


def with_nan(source: Any, frame: DataFrame, other: DataFrame) -> DataFrame:
    """The frame of a pandas one, its NaN taken as the other side says, as by `diff.engine.frames.with_nan`."""
    from pyspark.sql import functions as F

    floats = {field.name for field in other.schema if type(field.dataType).__name__ in ("FloatType", "DoubleType")}
    asked = [name for name in numpy_floats(source) if name in floats]
    if not asked:
        return frame
    seen = [F.max(test(other[backticked(name)])).alias(f"{n}") for n, (name, test) in enumerate(
        (name, test) for name in asked for test in (F.isnan, F.isnull))]  # fmt: skip
    told = list(other.agg(*seen).first() or ())
    for name, nan, null in zip(asked, told[::2], told[1::2], strict=True):
        if nan and null:
            raise ambiguous(name)
        if nan:
            frame = frame.withColumn(name, F.coalesce(F.col(backticked(name)), F.lit(float("nan"))))
    return frame


def open_frame(spark: SparkSession, source: Any, lake: Callable[[], Lake]) -> DataFrame:
    """The side as a frame of this session. Raises UsageError and SetupError for what Spark cannot read."""
    if is_frame(source):
        frame: DataFrame = source
        return frame
    if not isinstance(source, (str, Path)):
        table = _without_empty_batches(as_arrow(source))
        # Left alone, Spark takes moments without a zone for ones in its session's zone.
        return spark.createDataFrame(table, spark_schema(table.schema))
    files = files_of(str(source))
    if files is None:
        table, snapshot = named_snapshot(str(source), lake)
        return table_at(spark, table, snapshot)
    if files.kind != "parquet":
        raise UsageError(
            f"{str(source)!r} is CSV, whose types only DuckDB infers from all rows",
            next_step="give --engine duckdb, or write it as Parquet",
        )
    return _parquet(spark, files, str(source))


def table_at(spark: SparkSession, table: str, snapshot: int | None) -> DataFrame:
    """The lake's table at a snapshot; None: as it is now."""
    reader = spark.read if snapshot is None else spark.read.option("versionAsOf", str(snapshot))
    return reader.table(".".join(map(backticked, ("lake", *table.split(".")))))


def spark_schema(schema: pa.Schema) -> StructType:
    """The schema in Spark's types. Raises UsageError that names the column of a type that Spark does not have."""
    from pyspark.errors import PySparkException
    from pyspark.sql.pandas.types import from_arrow_schema

    for field in schema:
        try:
            _refuse_unproven(from_arrow_schema(pa.schema([field]), prefer_timestamp_ntz=True))
        except (PySparkException, TypeError):
            raise UsageError(
                f"column {field.name!r} of the frame is {field.type}, which Spark does not have",
                next_step="give --engine duckdb, cast the column, or leave it out of the frame",
            ) from None
    return from_arrow_schema(schema, prefer_timestamp_ntz=True)


def _refuse_unproven(schema: StructType) -> None:
    """Raise TypeError for types that Spark moves to Arrow as something else: a variant as its bytes."""
    told = schema.simpleString()
    if re.search(r"[:<,]variant", told):
        raise TypeError(told)


def _without_empty_batches(table: pa.Table) -> pa.Table:
    """Spark reads no further in a partition than its first empty batch, and the rows after it would be lost."""
    batches = [batch for batch in table.to_batches() if batch.num_rows]
    return pa.Table.from_batches(batches, table.schema) if batches else table.schema.empty_table()


def check_files(files: Files) -> None:
    """Raise UsageError for a file that Spark would skip, or take for something else."""
    for file in files.paths:
        if hidden(Path(file).name):
            raise UsageError(
                f"{file!r} has the name of a file that Spark skips silently",
                next_step="give --engine duckdb, or give the file another name",
            )
        notes = notes_of(file)
        if misleads(file, notes):
            raise UsageError(
                "the file says of a column that all of it is NULL, where it is not, and Spark skips rows by that",
                where=f"{file}, written by {notes.created_by}",
                next_step="give --engine duckdb, or write the file anew",
            )
        for field in notes.schema.to_arrow_schema():
            if is_timed(field.type):
                raise UsageError(
                    f"column {field.name!r} holds durations, which Spark reads as bare integers",
                    where=file,
                    next_step="give --engine duckdb, which knows their unit, or write the column as another type",
                )


def _parquet(spark: SparkSession, files: Files, source: str) -> DataFrame:
    """Columns are matched by name, as the other engine does it. A path is taken as it is spelled (`__globPaths__` of
    Spark's DataSource)."""
    from pyspark.errors import PySparkException

    check_files(files)
    try:
        places = [str(Path(file).absolute()) for file in files.paths]
        reader = spark.read.option("mergeSchema", len(places) > 1).option("__globPaths__", "false")
        frame = reader.parquet(*places)
        held = {name.lower() for name in frame.columns}
        lacking = {name: key for name, key in files.keys.items() if name.lower() not in held}
        if not lacking:
            return frame
        whole = reader.option("basePath", str(Path(files.root).absolute())).parquet(*places)
        return whole.select(*frame.columns, *(whole[name].cast(key.type).alias(name) for name, key in lacking.items()))
    except PySparkException as error:
        raise SetupError(
            f"{source!r} cannot be read by Spark: {first_line(error)}",
            where=files.paths[0] if len(files.paths) == 1 else f"{len(files.paths)} files",
            next_step="check that it is complete and that its types are ones that Spark has",
        ) from error


def of_asked(frame: DataFrame, asked: Collection[str] | None) -> DataFrame:
    """The frame without those of its columns whose names differ in case only that nobody asked for; None: all are."""
    clashes = clashing(frame.schema.names)
    if asked is None or not clashes:
        return frame
    kept = [name for name in frame.schema.names if folded(name) not in clashes or name in asked]
    with settled(frame.sparkSession):
        return frame.select(*map(backticked, kept))


def create(con: duckdb.DuckDBPyConnection, side: str, frame: DataFrame) -> None:
    """An empty table with the frame's columns. Raises UsageError for a type unknown to Arrow, and for names that
    differ in case only."""
    import duckdb
    from pyspark.errors import PySparkException
    from pyspark.sql.pandas.types import to_arrow_schema
    from pyspark.sql.types import StructType

    clashes = clashing(frame.schema.names)
    if clashes:
        names = ", ".join(name for name in frame.schema.names if folded(name) in clashes)
        raise UsageError(
            f"the engine spark does not compare columns whose names differ in case only: {names}",
            next_step="give --engine duckdb, which tells them apart",
        )
    for field in frame.schema:
        try:
            _refuse_unproven(StructType([field]))
            piece = to_arrow_schema(StructType([field]), timestamp_utc=True).empty_table()
            con.register("plumbline_piece", piece)
            con.execute("FROM plumbline_piece").fetchall()
        except (PySparkException, TypeError, duckdb.Error):
            raise UsageError(
                f"column {field.name!r} is {field.dataType.simpleString()}, which cannot leave Spark",
                next_step="give --engine duckdb, leave the column out of the frame, or cast it",
            ) from None
    empty = to_arrow_schema(frame.schema, timestamp_utc=True).empty_table()
    con.register("plumbline_piece", empty)
    con.execute(f"CREATE OR REPLACE TABLE {ident(side)} AS FROM plumbline_piece")
    con.unregister("plumbline_piece")
