"""The table beside an aggregate that holds the joined rows below it: which records a number was made from.

It is written first; the aggregate is then made from it, and its commit names the snapshot. So every number of the batch
table can be made again from rows, with what `where`, `compute` and operands gave, which only Spark can compute.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from plumbline.batch_reference.aggregate import aggregated
from plumbline.batch_reference.range_overwrite import replace_range
from plumbline.connect.rows_below import has_snapshot, rows_named
from plumbline.contract.aggregate import JOINED, ROWS_SNAPSHOT, operand, rows_table, stored
from plumbline.contract.lineage import EVENT_TIME
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

    table = rows_table(contract)
    replace_range(spark, lake, rows_contract(contract), _kept(contract, rows), time_range, properties)
    made_from = lake.load(table).current_snapshot()
    assert made_from is not None
    kept = spark.read.option("versionAsOf", str(made_from.snapshot_id)).table(f"lake.{table}")
    given = {stored(name): name for name in rows.columns}
    wanted = kept.select(*(F.col(name).alias(given[name]) for name in kept.columns if name in given))
    wanted = wanted.where(time_range.sql(EVENT_TIME)).where(f"`{JOINED}`")
    named = {**properties, ROWS_SNAPSHOT: str(made_from.snapshot_id)}
    replace_range(spark, lake, contract, aggregated(contract, wanted), time_range, named)


def rows_contract(contract: Contract) -> Contract:
    """The contract of the rows below the aggregate, whose batch table is the one that keeps them."""
    rows = contract.rows
    return rows.model_copy(update={"output": rows.output.model_copy(update={"batch_table": rows_table(contract)})})


def has_rows(lake: Lake, contract: Contract) -> bool:
    """Whether the rows that the newest batch run was made from are there; where all rows are in its table they need not
    be."""
    if contract.output.aggregate is None and not contract.output.is_upsert:
        return True
    table = rows_table(contract)
    batch = lake.load(contract.output.batch_table)
    named = rows_named(batch, batch.metadata.current_snapshot_id)
    return named is not None and has_snapshot(lake, table, named)


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
