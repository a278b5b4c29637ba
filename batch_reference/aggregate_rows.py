"""An aggregate and the table of the joined rows below it: which records a number was made from.

Every number of the batch table can be made again from these rows, with what `where`, `compute` and operands gave, which
only Spark can compute.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from plumbline.batch_reference.aggregate import aggregated
from plumbline.batch_reference.range_overwrite import replace_range
from plumbline.batch_reference.rows_below import replace_rows
from plumbline.contract.aggregate import JOINED, operand, stored
from plumbline.contract.model import Contract
from plumbline.contract.ranges import TimeRange

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from plumbline.connect.lake import Lake


def write_aggregate(
    spark: SparkSession,
    lake: Lake,
    contract: Contract,
    rows: DataFrame,
    time_range: TimeRange,
    properties: dict[str, str],
) -> None:
    """Replace the range of both tables, by the rows below the aggregate and by what they come to."""
    from pyspark.sql import functions as F

    kept, named = replace_rows(spark, lake, contract, _kept(contract, rows), time_range, properties)
    given = {stored(name): name for name in rows.columns}
    wanted = kept.select(*(F.col(name).alias(given[name]) for name in kept.columns if name in given))
    replace_range(spark, lake, contract, aggregated(contract, wanted.where(f"`{JOINED}`")), time_range, named)


def _kept(contract: Contract, rows: DataFrame) -> DataFrame:
    """The rows as their table holds them. Of what is only counted: whether it is there, as its type may be any."""
    from pyspark.sql import functions as F

    aggregate = contract.output.aggregate
    assert aggregate is not None
    for name, calls in aggregate.calls.items():
        for number, call in enumerate(calls):
            if call.function == "count" and call.of is not None:
                column = operand(name, number)
                rows = rows.withColumn(column, F.when(F.col(f"`{column}`").isNotNull(), F.lit(True)))
    return rows.toDF(*map(stored, rows.columns))
