"""The batch table of `output.mode: upsert`: the newest joined row per key, made from all rows, which stay beside it.

All rows are written first; the batch table is then made from them, and its commit names their snapshot: so a
comparison finds each row that should have taken the place of the one that the stream table holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from plumbline.batch_reference.range_overwrite import replace_range
from plumbline.batch_reference.rows_below import replace_rows
from plumbline.contract.upsert import newness, state_columns

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from plumbline.connect.lake import Lake
    from plumbline.contract.model import Contract
    from plumbline.contract.ranges import TimeRange

PLACE = "place$"
"""A row's place among those of its key, the newest first. No name in a contract has a $ in it."""


def write_newest(
    spark: SparkSession,
    lake: Lake,
    contract: Contract,
    rows: DataFrame,
    time_range: TimeRange,
    properties: dict[str, str],
) -> None:
    """Replace the range of both tables, by all rows and by the newest ones."""
    kept, named = replace_rows(spark, lake, contract, rows, time_range, properties)
    kept.select(*rows.columns).createOrReplaceTempView("plumbline_all_rows")
    newest = spark.sql(newest_sql(contract, "plumbline_all_rows")).drop(PLACE)
    replace_range(spark, lake, contract, newest, time_range, named)


def newest_sql(contract: Contract, rows: str) -> str:
    """The newest of the rows of a view, per key and event time."""
    same = ", ".join(f"`{name}`" for name in state_columns(contract))
    order = ", ".join(f"`{name}` DESC NULLS LAST" for name in newness(contract))
    return f"""
        SELECT * FROM (
            SELECT *, row_number() OVER (PARTITION BY {same} ORDER BY {order}) AS `{PLACE}` FROM {rows}
        ) WHERE `{PLACE}` = 1
    """
