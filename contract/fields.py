"""The types a contract may give to the fields of an event."""

from __future__ import annotations

import difflib
import re
from typing import Any

from plumbline.contract.errors import UsageError

SPARK_TYPES = {
    "string": "string",
    "boolean": "boolean",
    "int": "int",
    "long": "bigint",
    "float": "float",
    "double": "double",
    "date": "string",
    "binary": "binary",
    "timestamp": "string",
    "timestamp_millis": "bigint",
    "timestamp_micros": "bigint",
}
"""How a field arrives, in Spark SQL's words. `date` and `timestamp` are ISO 8601 text, `timestamp_millis` and
`timestamp_micros` numbers since 1970 (Avro's names); they become dates and timestamps once decoded."""

TIMESTAMPS = ("timestamp", "timestamp_millis", "timestamp_micros")
_DECIMAL = re.compile(r"decimal\((\d{1,2}),\s*(\d{1,2})\)")
FIELD_TYPE_SCHEMA: dict[str, Any] = {
    "anyOf": [{"enum": list(SPARK_TYPES)}, {"type": "string", "pattern": rf"^{_DECIMAL.pattern}$"}]
}
"""JSON Schema of a field's type."""


def check_type(name: str) -> str:
    """`name` itself when it is a type of the contract. Raises UsageError with the nearest known one."""
    decimal = _DECIMAL.fullmatch(name)
    if decimal and int(decimal[2]) <= int(decimal[1]) <= 38:
        return name
    if name not in SPARK_TYPES:
        near = difflib.get_close_matches(name, SPARK_TYPES, 1, 0.4)
        hint = f"did you mean {near[0]!r}?" if near else f"one of {', '.join(SPARK_TYPES)}, decimal(p,s)"
        raise UsageError(f"{name!r} is not a field type", next_step=hint)
    return name


def decimal_digits(name: str) -> tuple[int, int] | None:
    """Digits in all and behind the point of a decimal type; None for any other."""
    found = _DECIMAL.fullmatch(name)
    return (int(found[1]), int(found[2])) if found else None


def widens(held: str, wanted: str) -> bool:
    """Whether every value of type `held` is one of `wanted` too: int to long, float to double, a decimal's digits."""
    here, there = decimal_digits(held), decimal_digits(wanted)
    if here and there:
        return here[1] == there[1] and here[0] < there[0]
    return (held, wanted) in {("int", "long"), ("float", "double")}


def spark_type(name: str) -> str:
    """The Spark SQL type in which a field of type `name` is read from the event."""
    return SPARK_TYPES.get(name, name)


def is_decimal(name: str) -> bool:
    """Whether a type of the contract is a decimal."""
    return _DECIMAL.fullmatch(name) is not None


def spark_decoded(name: str, column: str) -> str:
    """Spark SQL that turns the read `column` of type `name` into its value; NULL for anything that is not such a value.

    Spark's own cast takes "10:30" for today at half past ten, and so would differ from day to day; it takes a bare
    number for a year. Text must therefore begin as YYYY-MM-DD does. Numeric stamps end with the year 9999:
    `timestamp_millis` of a huge number is an ArithmeticException that would end the query at every start.
    """
    if name in ("date", "timestamp"):
        dashed = f"substring({column}, 5, 1) = '-' AND substring({column}, 8, 1) = '-'"
        return f"CASE WHEN {dashed} THEN try_cast({column} AS {name}) END"
    per_second = {"timestamp_millis": 1_000, "timestamp_micros": 1_000_000}.get(name)
    if per_second is None:
        return column
    limit = 253_402_300_799 * per_second
    return f"CASE WHEN {column} BETWEEN -{limit} AND {limit} THEN {name}({column}) END"
