"""Which type a value of an aggregate has, by the type that it is made from. Pure; types are in Spark SQL's words."""

from __future__ import annotations

import re

from plumbline.contract.aggregate_calls import Call
from plumbline.contract.fields import decimal_digits, value_type

WHOLE = ("tinyint", "smallint", "int", "bigint")
FLOATING = ("float", "double")
PLAIN = ("string", "boolean", "date", "timestamp", "timestamp_ntz", *WHOLE)
"""Types whose values are equal in one way only, beside decimals."""

MOST_DIGITS = 28
"""Of a decimal that is summed: its sum has 10 more, and 38 is the most that there are. So no sum of fewer than 10^10
rows overflows, in whatever order it is made."""

ORDER = "floating-point numbers: their sum depends on the order, and is compared within the error of any order"


def of_field(kind: str) -> str:
    """A type of the contract as the value of a field has it, in Spark SQL's words."""
    return {"long": "bigint"}.get(kind, re.sub(r"\s", "", value_type(kind)))


def spelled(kind: str) -> str:
    """A type of Spark in the contract's words."""
    return {"bigint": "long"}.get(kind, kind)


def result_type(call: Call, operand: str) -> str:
    """The type of what `call` gives for values of type `operand`. Raises ValueError, whose text says why it cannot."""
    digits = decimal_digits(operand)
    plain, number = operand in PLAIN or digits is not None, operand in (*WHOLE, *FLOATING) or digits is not None
    if call.function == "count":
        return "bigint"
    if call.function == "count_distinct":
        if not plain:
            raise ValueError(f"distinct values of type {operand} cannot be counted; cast it, to a string or a decimal")
        return "bigint"
    if call.function in ("min", "max"):
        if not plain and not number:
            raise ValueError(f"{call.function} is not defined for type {operand}; cast it")
        return operand
    if not number:
        raise ValueError(f"{call.function} needs numbers, and this is of type {operand}; cast it")
    if digits and digits[0] > MOST_DIGITS:
        raise ValueError(f"a sum of {operand} may need more than 38 digits; cast it to at most {MOST_DIGITS}")
    if call.function == "avg":
        return "double"
    return f"decimal({digits[0] + 10},{digits[1]})" if digits else "double" if operand in FLOATING else "bigint"


def quotient_type(parts: tuple[str, ...]) -> str:
    """The type of a value whose one or two parts have these types. Raises ValueError for a quotient of no numbers."""
    if len(parts) == 1:
        return parts[0]
    for kind in parts:
        if kind not in (*WHOLE, *FLOATING) and decimal_digits(kind) is None:
            raise ValueError(f"a quotient needs numbers, and one part is of type {kind}")
    return "double"


def hangs_on_order(call: Call, operand: str) -> bool:
    """Whether the value may differ in its last digits by the order in which rows are added up."""
    return call.function in ("sum", "avg") and operand in FLOATING
