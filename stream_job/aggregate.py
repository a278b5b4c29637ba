"""Numbers per window and group behind the streaming join: Spark's chained stateful operators, append as windows close.

The aggregation's clock is the join's output watermark (`contract.lateness.output_watermark_ms`). No row of the join
comes behind it, so what the join takes in is all that decides the numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from plumbline.contract.aggregate import WINDOW_END, WINDOW_START, condition, operand, value_types
from plumbline.contract.aggregate_calls import Call
from plumbline.contract.aggregate_types import FLOATING
from plumbline.contract.durations import spell_duration
from plumbline.contract.lineage import EVENT_TIME
from plumbline.contract.model import Contract

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

ALWAYS = "spark_partition_id() >= 0"
"""True, but not to Spark's optimizer, which would leave out the join below numbers that need the left side only, and
with it the right topic and its watermark (EliminateOuterJoin)."""


def aggregated(contract: Contract, rows: DataFrame) -> DataFrame:
    """The joined rows (those of `contract.rows`) as the stream table holds them, an aggregate in place of rows or not.

    Raises ContractError for a value that cannot be made from a column's type.
    """
    from pyspark.sql import functions as F

    aggregate = contract.output.aggregate
    if aggregate is None:
        return rows
    held = dict(rows.dtypes)
    value_types(contract, held)
    window = F.window(EVENT_TIME, spell_duration(aggregate.window)).alias("window")
    numbers = [_value(name, calls, held).alias(name) for name, calls in aggregate.calls.items()]
    made = rows.where(ALWAYS).groupBy(window, *(F.col(name) for name in aggregate.groups)).agg(*numbers)
    return made.select(
        F.col("window.start").alias(WINDOW_START),
        F.col("window.end").alias(WINDOW_END),
        *aggregate.groups,
        *aggregate.values,
    )


def _value(name: str, calls: tuple[Call, ...], held: dict[str, str]) -> Column:
    from pyspark.sql import functions as F

    first, *others = (_call(call, name, number, held) for number, call in enumerate(calls))
    return first if not others else F.try_divide(first.cast("double"), others[0].cast("double"))


def _call(call: Call, name: str, number: int, held: dict[str, str]) -> Column:
    """One function over the rows that count: what does not count is null to it."""
    from pyspark.sql import functions as F

    taken = F.lit(1) if call.of is None else F.col(f"`{operand(name, number)}`")
    if call.where is not None:
        taken = F.when(F.col(f"`{condition(name, number)}`"), taken)
    kind = held.get(operand(name, number), "int")
    if call.function == "count":
        return F.count(taken)
    if call.function == "count_distinct":  # Spark's own countDistinct is not for streams
        return F.size(F.collect_set(taken)).cast("bigint")
    if call.function in ("min", "max"):
        return F.min(taken) if call.function == "min" else F.max(taken)
    total = _sum(taken, kind)
    if call.function == "avg":
        return F.try_divide(total.cast("double"), F.count(taken).cast("double"))
    return total if kind in FLOATING or kind.startswith("decimal") else total.try_cast("bigint")


def _sum(taken: Column, kind: str) -> Column:
    """Exact but for floating-point numbers; whole numbers as decimals, which do not wrap on the way."""
    from pyspark.sql import functions as F

    if kind in FLOATING:
        return F.sum(taken.cast("double"))
    return F.sum(taken if kind.startswith("decimal") else taken.cast("decimal(20,0)"))
