"""The batch table of a contract that reduces a source: of all joined rows, which stay beside it, those of taken events.

All rows are written first; the batch table is then made from them, and its commit names their snapshot: so a comparison
finds the events that would have been taken without those that the stream did not have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from plumbline.batch_reference.range_overwrite import replace_range
from plumbline.batch_reference.rows_below import replace_rows
from plumbline.contract.reduce import PLACE

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from plumbline.connect.lake import Lake
    from plumbline.contract.model import Contract
    from plumbline.contract.ranges import TimeRange


def write_taken(
    spark: SparkSession,
    lake: Lake,
    contract: Contract,
    rows: DataFrame,
    time_range: TimeRange,
    properties: dict[str, str],
) -> None:
    """Replace the range of both tables, by all rows and by those of the events that are taken."""
    kept, named = replace_rows(spark, lake, contract, rows, time_range, properties)
    taken = kept.select(*rows.columns).where(f"coalesce(`{PLACE}`, 1) = 1").drop(PLACE)
    replace_range(spark, lake, contract, taken, time_range, named)
