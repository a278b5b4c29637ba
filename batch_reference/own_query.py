"""A reference query of the team's own in the place of the contract's join, over the same views. Batch side only."""

from __future__ import annotations

import difflib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from plumbline.connect.user_code import Query
from plumbline.contract.errors import ContractError
from plumbline.contract.lineage import EVENT_TIME, LINEAGE, SPARK_TYPES
from plumbline.contract.model import Contract
from plumbline.contract.ranges import TimeRange

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import StructType

FIRST, LAST = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)
"""What :from and :to are for an open end."""
WIDER = {"tinyint": 0, "smallint": 1, "int": 2, "bigint": 3, "float": 5, "double": 6}
"""Numeric types in the order in which each holds all values of those before it (but for float and the integers)."""


def own_rows(spark: SparkSession, contract: Contract, query: Query, time_range: TimeRange, own: DataFrame) -> DataFrame:
    """The query's rows of the range, with the columns and types of `own`, the rows that the contract's join gives.

    Lineage columns that the query does not give are null; `_event_time` then is the column that carries it. Rows
    outside the range are left out. Raises ContractError naming the column that is missing or of another type.
    """
    from pyspark.errors import AnalysisException, ParseException
    from pyspark.sql import functions as F

    bounds = {"from": time_range.start or FIRST, "to": time_range.end or LAST}
    try:
        # In brackets it is a query and no other statement: Spark would do those at once, even where `check` asks.
        rows = spark.sql(f"SELECT * FROM (\n{query.sql}\n)", args=bounds)
    except (AnalysisException, ParseException) as error:
        first = next((line.strip() for line in str(error).splitlines() if line.strip()), "it cannot be parsed")
        step = f"the views are {' and '.join(contract.sources)}, the parameters :from and :to"
        raise ContractError(f"the reference query fails: {first}", where=str(query.file), next_step=step) from None
    columns = {field.name: _typed(contract, query, rows, field.name, own.schema) for field in own.schema}
    event_time = columns[EVENT_TIME] if EVENT_TIME in rows.columns else _derived(contract, query)
    columns[EVENT_TIME] = event_time
    given = rows.select(*(F.expr(sql).alias(name) for name, sql in columns.items()))
    return given.where(time_range.sql(EVENT_TIME))


def _typed(contract: Contract, query: Query, rows: DataFrame, name: str, wanted: StructType) -> str:
    """SQL of one column in the type that the contract gives it."""
    kind = wanted[name].dataType.simpleString()
    if name not in rows.columns:
        if name in LINEAGE:
            return f"CAST(NULL AS {SPARK_TYPES[name]})"
        near = difflib.get_close_matches(name, rows.columns, 1, 0.6)
        raise ContractError(
            f"the reference query gives no column {name!r}",
            where=str(query.file),
            next_step=f"name it so in the SELECT; did you mean {near[0]!r}?" if near else f"add {name} {kind} to it",
        )
    found = rows.schema[name].dataType.simpleString()
    if found != kind and not (found in WIDER and kind in WIDER and WIDER[found] < WIDER[kind]) and found != "void":
        raise ContractError(
            f"column {name!r} of the reference query is {found}, the contract makes it {kind}",
            where=str(query.file),
            next_step=f"write CAST(... AS {kind}) AS {name}",
        )
    return f"CAST(`{name}` AS {kind})"


def _derived(contract: Contract, query: Query) -> str:
    """The event time from the output columns that carry the sources' own."""
    sides = [(contract.join.left, contract.left)] + [(contract.join.right, contract.right)] * contract.join.keeps_right
    carried = [
        next((c.name for c in contract.output_columns if (c.source, c.field) == (name, source.event_time)), None)
        for name, source in sides
    ]
    if None in carried:
        raise ContractError(
            f"the reference query gives no column {EVENT_TIME!r}, and no output column carries the event time",
            where=str(query.file),
            next_step=f"add {contract.join.left}.{EVENT_TIME} to its SELECT",
        )
    return f"coalesce({', '.join(f'`{name}`' for name in carried)})"
