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
    "date_days": "int",
}
"""How a field arrives, in Spark SQL's words. `date` and `timestamp` are ISO 8601 text, `timestamp_millis`,
`timestamp_micros` and `date_days` numbers since 1970; they become dates and timestamps once decoded. A `decimal_base64`
arrives as bytes: the unscaled number in two's complement, big-endian (Kafka Connect's Decimal)."""

_LAST_SECOND = 253_402_300_799
"""Of the year 9999, since 1970."""
TIMESTAMPS = ("timestamp", "timestamp_millis", "timestamp_micros")
_BASE64 = "decimal_base64"
_DIGITS = r"\((\d{1,2}),\s*(\d{1,2})\)"
_DECIMAL, _ANY_DECIMAL = re.compile(rf"decimal{_DIGITS}"), re.compile(rf"(?:decimal|{_BASE64}){_DIGITS}")
FIELD_TYPE_SCHEMA: dict[str, Any] = {
    "anyOf": [
        {"enum": list(SPARK_TYPES)},
        {"type": "string", "pattern": rf"^{_DECIMAL.pattern}$"},
        {"type": "string", "pattern": rf"^{_BASE64}{_DIGITS}$"},
    ]
}
"""JSON Schema of a field's type."""


def check_type(name: str) -> str:
    """`name` itself when it is a type of the contract. Raises UsageError with the nearest known one."""
    decimal = _ANY_DECIMAL.fullmatch(name)
    if decimal and int(decimal[2]) <= int(decimal[1]) <= 38:
        return name
    if name not in SPARK_TYPES:
        near = difflib.get_close_matches(name, SPARK_TYPES, 1, 0.4)
        hint = f"did you mean {near[0]!r}?" if near else f"one of {', '.join(SPARK_TYPES)}, decimal(p,s)"
        raise UsageError(f"{name!r} is not a field type", next_step=hint)
    return name


def value_type(name: str) -> str:
    """The type of a field's value, however it arrives: `timestamp` for `timestamp_millis`, `date` for `date_days`."""
    if name in TIMESTAMPS:
        return "timestamp"
    return "date" if name == "date_days" else name.replace(_BASE64, "decimal")


def decimal_digits(name: str) -> tuple[int, int] | None:
    """Digits in all and behind the point of a decimal type; None for any other."""
    found = _DECIMAL.fullmatch(name)
    return (int(found[1]), int(found[2])) if found else None


def widens(held: str, wanted: str) -> bool:
    """Whether every value of type `held` is one of `wanted` too: int to long, float to double, a decimal's digits."""
    here, there = decimal_digits(value_type(held)), decimal_digits(value_type(wanted))
    if here and there:
        return held.partition("(")[0] == wanted.partition("(")[0] and here[1] == there[1] and here[0] < there[0]
    return (held, wanted) in {("int", "long"), ("float", "double")}


def spark_type(name: str) -> str:
    """The Spark SQL type in which a field of type `name` is read from the event."""
    return "binary" if name.startswith(_BASE64) else SPARK_TYPES.get(name, name)


def is_decimal(name: str) -> bool:
    """Whether a field of the type arrives as a decimal: a number or its digits as text."""
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
    if name == "date_days":
        limit = _LAST_SECOND // 86_400
        return f"CASE WHEN {column} BETWEEN -{limit} AND {limit} THEN date_from_unix_date({column}) END"
    if name.startswith(_BASE64):
        return _unscaled(column, name)
    per_second = {"timestamp_millis": 1_000, "timestamp_micros": 1_000_000}.get(name)
    if per_second is None:
        return column
    limit = _LAST_SECOND * per_second
    return f"CASE WHEN {column} BETWEEN -{limit} AND {limit} THEN {name}({column}) END"


def _unscaled(column: str, name: str) -> str:
    """SQL of a decimal from its unscaled bytes; NULL for no byte, more than 16, and digits that it does not have.

    Sixteen bytes in hexadecimal (`h`), a negative number's inverted so that no part of the sum is beyond a decimal.
    """
    _, scale = decimal_digits(value_type(name)) or (0, 0)
    hexadecimal = f"hex({column})"
    negative = f"substring({hexadecimal}, 1, 1) >= '8'"
    padded = f"lpad({hexadecimal}, 32, if({negative}, 'F', '0'))"
    bits = f"if({negative}, translate({padded}, '0123456789ABCDEF', 'FEDCBA9876543210'), {padded})"
    parts = [f"CAST(conv(substring(b.h, {start}, 8), 16, 10) AS DECIMAL(38, 0))" for start in (1, 9, 17, 25)]
    total = parts[0]
    for part in parts[1:]:
        total = f"try_add(try_multiply({total}, CAST(4294967296 AS DECIMAL(38, 0))), {part})"
    signed = f"if(b.minus, try_subtract(CAST(-1 AS DECIMAL(38, 0)), {total}), {total})"
    number = f"try_cast(concat(CAST({signed} AS STRING), 'E-{scale}') AS {value_type(name)})"
    one = f"named_struct('h', {bits}, 'minus', {negative})"
    sized = f"octet_length({column}) BETWEEN 1 AND 16"
    return f"CASE WHEN {sized} THEN get(transform(array({one}), b -> {number}), 0) END"
