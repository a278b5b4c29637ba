"""Between Spark's DataFrames and the lake's tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.table import Table
    from pyspark.sql import DataFrame, SparkSession

NO_PAGE_INDEX = {"parquet.filter.columnindex.enabled": "false"}
"""No page of a Parquet file is skipped, for the reason that `plumbline.connect.pinned.connection` gives."""


@contextmanager
def settled(spark: SparkSession, settings: Mapping[str, str]) -> Iterator[None]:
    """The session with these settings; afterwards it has its own again."""
    before = {name: spark.conf.get(name, None) for name in settings}
    try:
        for name, value in settings.items():
            spark.conf.set(name, value)
        yield
    finally:
        for name, own in before.items():
            spark.conf.unset(name) if own is None else spark.conf.set(name, own)


def arrow_schema(frame: DataFrame) -> pa.Schema:
    """The schema of a Spark DataFrame for `Lake.ensure_table`: every column optional, timestamps in us UTC."""
    import pyarrow as pa
    from pyspark.sql.pandas.types import to_arrow_schema

    return pa.schema([field.with_nullable(True) for field in to_arrow_schema(frame.schema, timestamp_utc=True)])


def fitted(frame: DataFrame, table: Table) -> DataFrame:
    """The frame with the table's columns in the table's order and types; a column that the frame lacks is null.

    Iceberg's streaming sink takes columns in the table's order only, and an evolved table has its new ones at the end.
    """
    from pyiceberg.io.pyarrow import schema_to_pyarrow
    from pyspark.sql import functions as F
    from pyspark.sql.pandas.types import from_arrow_schema
    from pyspark.sql.types import AtomicType

    held = {name.lower(): name for name in frame.columns}
    columns = []
    for field in from_arrow_schema(schema_to_pyarrow(table.schema())):
        found = held.get(field.name.lower())
        if found is None:
            column = F.lit(None).cast(field.dataType)
        elif isinstance(field.dataType, AtomicType):
            column = F.col(f"`{found}`").cast(field.dataType)
        else:
            column = F.col(f"`{found}`")
        columns.append(column.alias(field.name))
    return frame.select(*columns)
