"""The SQL that gathers, over groups of rows, what the calls of an aggregate come to, and how its answers are read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from plumbline.connect.sql_quoting import ident
from plumbline.contract.aggregate import Aggregate, condition, operand
from plumbline.contract.aggregate_calls import Call
from plumbline.reconcile.aggregates.numbers import Gathered

FLOATS = ("FLOAT", "DOUBLE")


def gathered_sql(aggregate: Aggregate, kinds: Mapping[str, str]) -> str:
    """The aggregate functions of a SELECT, by the DuckDB types of the rows' columns."""
    return ", ".join(
        f"{sql} AS {ident(_column(value, number, part))}"
        for value, calls in aggregate.calls.items()
        for number, call in enumerate(calls)
        for part, sql in _parts(call, value, number, kinds)
    )


def same_key(aggregate: Aggregate, rows: str = "r") -> str:
    """SQL: whether what is called `rows` has the key of what is called `k`."""
    return " AND ".join(f"{rows}.{ident(name)} IS NOT DISTINCT FROM k.{ident(name)}" for name in aggregate.key)


def read(aggregate: Aggregate, row: Mapping[str, Any]) -> dict[str, list[Gathered]]:
    """Value to what each of its calls came to, from a row that such a SELECT gave."""
    return {
        value: [_read(value, number, row) for number in range(len(calls))] for value, calls in aggregate.calls.items()
    }


def _read(value: str, number: int, row: Mapping[str, Any]) -> Gathered:
    found = {
        part: row[name]
        for part in ("counted", "value", "whole", "digits", "size", "nans", "highs", "lows")
        if (name := _column(value, number, part)) in row
    }
    for part, exact in (("whole", int), ("digits", Decimal)):
        if part in found:  # as text: Arrow has no whole numbers of 128 bits
            text = found.pop(part)
            found["value"] = None if text is None else exact(text)
    if "size" in found:
        found["size"] = found["size"] or 0.0
        found["value"] = found["value"] or 0.0
    return Gathered(**found)


def _column(value: str, number: int, part: str) -> str:
    return f"{value}${number}${part}"


def _parts(call: Call, value: str, number: int, kinds: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The parts of `Gathered`, with their SQL. `whole` and `digits` are exact sums, as text."""
    counts = "true" if call.where is None else f"coalesce({ident(condition(value, number))}, false)"
    if call.of is None:
        yield "counted", f"count(*) FILTER (WHERE {counts})"
        return
    name = operand(value, number)
    column, kind = ident(name), kinds[name]
    distinct = "DISTINCT " if call.function == "count_distinct" else ""
    yield "counted", f"count({distinct}{column}) FILTER (WHERE {counts})"
    if call.function in ("min", "max"):
        yield "value", f"{call.function}({column}) FILTER (WHERE {counts})"
    elif call.function in ("sum", "avg") and kind in FLOATS:
        yield from _floats(f"{column}::DOUBLE", counts)
    elif call.function in ("sum", "avg"):
        yield ("digits" if kind.startswith("DECIMAL") else "whole"), f"(sum({column}) FILTER (WHERE {counts}))::VARCHAR"


def _floats(number: str, counts: str) -> Iterator[tuple[str, str]]:
    finite = f"{counts} AND isfinite({number})"
    yield "value", f"sum({number}) FILTER (WHERE {finite})"
    yield "size", f"sum(abs({number})) FILTER (WHERE {finite})"
    yield "nans", f"count(*) FILTER (WHERE {counts} AND isnan({number}))"
    yield "highs", f"count(*) FILTER (WHERE {counts} AND {number} = 'inf'::DOUBLE)"
    yield "lows", f"count(*) FILTER (WHERE {counts} AND {number} = '-inf'::DOUBLE)"
