"""Replacing a range of a table that the reference writes, in one commit."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from plumbline.connect import owners
from plumbline.connect.file_formats import AS_PARQUET
from plumbline.contract.aggregate import moment_column
from plumbline.contract.model import Contract
from plumbline.contract.ranges import TimeRange

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from plumbline.connect.lake import Lake


def replace_range(
    spark: SparkSession,
    lake: Lake,
    contract: Contract,
    rows: DataFrame,
    time_range: TimeRange,
    properties: dict[str, str],
) -> None:
    """Replace exactly `time_range` of the batch table by `rows` in one commit.

    Iceberg overwrites whole files only, so the range is aligned to partitions and the rows beside it in the same
    partitions are written again with it.
    """
    from pyspark.sql import functions as F

    table = contract.output.batch_table
    rows = _as_table(lake, contract, rows)
    aligned, moment = align(time_range, contract.output.partition_by), moment_column(contract)
    everything = rows
    if aligned != time_range:
        kept = spark.table(f"lake.{table}").where(aligned.sql(moment)).where(f"NOT ({time_range.sql(moment)})")
        everything = rows.unionByName(kept)
    writer = everything.writeTo(f"lake.{table}").option("isolation-level", "serializable").options(**AS_PARQUET)
    snapshot = lake.load(table).current_snapshot()
    if snapshot:
        writer = writer.option("validate-from-snapshot-id", str(snapshot.snapshot_id))
    for name, value in properties.items():
        writer = writer.option(f"snapshot-property.{name}", value)
    writer.overwrite(F.expr(aligned.sql(moment)))


def align(time_range: TimeRange, partition_by: str) -> TimeRange:
    """The smallest range of whole partitions around `time_range`; everything for an unpartitioned table."""
    if partition_by == "none":
        return TimeRange()
    start, end = time_range.start, time_range.end
    floor_of_end = end and _floor(end, partition_by)
    ceiling = floor_of_end if end == floor_of_end else _next(floor_of_end, partition_by) if floor_of_end else None
    return TimeRange(start and _floor(start, partition_by), ceiling)


def _floor(moment: datetime, unit: str) -> datetime:
    hour = moment.replace(minute=0, second=0, microsecond=0)
    return hour if unit == "hour" else hour.replace(hour=0) if unit == "day" else hour.replace(hour=0, day=1)


def _next(start: datetime, unit: str) -> datetime:
    step = {"hour": timedelta(hours=1), "day": timedelta(days=1), "month": timedelta(days=31)}[unit]
    return _floor(start + step, unit)


def _as_table(lake: Lake, contract: Contract, rows: DataFrame) -> DataFrame:
    """The rows with the batch table's columns; it is created when it is missing, and grows with the contract."""
    from plumbline.connect.frames import arrow_schema, fitted

    table, unit, schema = contract.output.batch_table, contract.output.partition_by, arrow_schema(rows)
    partition = None if unit == "none" else (unit, moment_column(contract))
    owned = owners.named(contract, owners.BATCH)
    lake.ensure_table(table, schema, partition, {"write.distribution-mode": "hash", **owned})
    owners.claim(lake, contract, owners.BATCH)
    return fitted(rows, lake.evolve(table, schema))
