"""The table beside a batch table that keeps the joined rows below it: those that an aggregate, or the newest row per
key, is made from.

It is written first; the batch table is then made from it, and its commit names the snapshot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from plumbline.batch_reference.range_overwrite import replace_range
from plumbline.connect.rows_below import has_snapshot, rows_named
from plumbline.contract.aggregate import ROWS_SNAPSHOT, keeps_rows, rows_table
from plumbline.contract.lineage import EVENT_TIME

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from plumbline.connect.lake import Lake
    from plumbline.contract.model import Contract
    from plumbline.contract.ranges import TimeRange


def replace_rows(
    spark: SparkSession,
    lake: Lake,
    contract: Contract,
    rows: DataFrame,
    time_range: TimeRange,
    properties: dict[str, str],
) -> tuple[DataFrame, dict[str, str]]:
    """Replace the range of the table of rows.

    Returns its rows of the range at the snapshot that this made, and the properties that name it beside the given ones.
    """
    table = rows_table(contract)
    replace_range(spark, lake, rows_contract(contract), rows, time_range, properties)
    made_from = lake.load(table).current_snapshot()
    assert made_from is not None
    kept = spark.read.option("versionAsOf", str(made_from.snapshot_id)).table(f"lake.{table}")
    return kept.where(time_range.sql(EVENT_TIME)), {**properties, ROWS_SNAPSHOT: str(made_from.snapshot_id)}


def rows_contract(contract: Contract) -> Contract:
    """The contract of the rows below the batch table, whose batch table is the one that keeps them."""
    rows = contract.rows
    return rows.model_copy(update={"output": rows.output.model_copy(update={"batch_table": rows_table(contract)})})


def has_rows(lake: Lake, contract: Contract) -> bool:
    """Whether the rows that the newest batch run was made from are there; where all rows are in its table they need not
    be."""
    if not keeps_rows(contract):
        return True
    table = rows_table(contract)
    batch = lake.load(contract.output.batch_table)
    named = rows_named(batch, batch.metadata.current_snapshot_id)
    return named is not None and has_snapshot(lake, table, named)
