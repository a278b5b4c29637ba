"""Numbers per window and group from the reference's joined rows, in plain Spark SQL. Batch side only.

Exact where numbers are: whole numbers are summed as decimals, which neither wrap nor hang on the order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from plumbline.contract.aggregate import (
    WINDOW_END,
    WINDOW_START,
    Aggregate,
    condition,
    operand,
    value_types,
)
from plumbline.contract.aggregate_calls import Call
from plumbline.contract.aggregate_types import FLOATING
from plumbline.contract.durations import milliseconds
from plumbline.contract.lineage import EVENT_TIME
from plumbline.contract.model import Contract

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

ROWS = "plumbline_joined_rows"


def aggregated(contract: Contract, rows: DataFrame) -> DataFrame:
    """The rows of `contract.rows` as the aggregate's table holds them; without an aggregate they stay as they are.

    Raises ContractError for a value that cannot be made from a column's type.
    """
    aggregate = contract.output.aggregate
    if aggregate is None:
        return rows
    held = dict(rows.dtypes)
    value_types(contract, held)
    rows.createOrReplaceTempView(ROWS)
    return rows.sparkSession.sql(_sql(aggregate, held))


def _sql(aggregate: Aggregate, held: dict[str, str]) -> str:
    window = milliseconds(aggregate.window) * 1000
    micros = f"unix_micros({EVENT_TIME})"
    begun = f"{micros} - pmod({micros}, {window}L)"
    groups = "".join(f", `{name}`" for name in aggregate.groups)
    values = ", ".join(f"{_value(name, calls, held)} AS `{name}`" for name, calls in aggregate.calls.items())
    return f"""
        WITH windowed AS (SELECT *, {begun} AS `start$us` FROM {ROWS})
        SELECT timestamp_micros(`start$us`) AS {WINDOW_START}, timestamp_micros(`start$us` + {window}L) AS {WINDOW_END}
            {groups}, {values}
        FROM windowed GROUP BY `start$us`{groups}
    """


def _value(name: str, calls: tuple[Call, ...], held: dict[str, str]) -> str:
    parts = [_call(call, name, number, held) for number, call in enumerate(calls)]
    return parts[0] if len(parts) == 1 else f"CAST({parts[0]} AS DOUBLE) / nullif(CAST({parts[1]} AS DOUBLE), 0D)"


def _call(call: Call, name: str, number: int, held: dict[str, str]) -> str:
    only = "" if call.where is None else f" FILTER (WHERE `{condition(name, number)}`)"
    if call.of is None:
        return f"count(*){only}"
    column = f"`{operand(name, number)}`"
    if call.function == "count_distinct":
        return f"count(DISTINCT {column}){only}"
    if call.function in ("count", "min", "max"):
        return f"{call.function}({column}){only}"
    total, kind = _sum(column, held[operand(name, number)], only)
    if call.function == "sum":
        return f"try_cast({total} AS {kind})" if kind else total
    return f"CAST({total} AS DOUBLE) / nullif(CAST(count({column}){only} AS DOUBLE), 0D)"


def _sum(column: str, kind: str, only: str) -> tuple[str, str | None]:
    """The exact sum, and the type that it is cast to where that is another: NULL beyond it."""
    if kind in FLOATING:
        return f"sum(CAST({column} AS DOUBLE)){only}", None
    if kind.startswith("decimal"):
        return f"sum({column}){only}", None
    return f"sum(CAST({column} AS DECIMAL(20, 0))){only}", "BIGINT"
