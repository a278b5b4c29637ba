"""The kinds of value that a contract's keys take, beside plain text and numbers."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from plumbline.contract.durations import DURATION_FORM, parse_duration, spell_duration
from plumbline.contract.errors import UsageError
from plumbline.contract.fields import FIELD_TYPE_SCHEMA, check_type
from plumbline.contract.on import spelled

NAME = r"^[A-Za-z_][A-Za-z0-9_]*$"
TABLE_NAME = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)+$"
CONTRACT_NAME = r"^[a-z][a-z0-9_-]*$"
FUNCTION = r"^[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_]*$"
SPELLINGS = {
    FUNCTION: "write it as module:function",
    NAME: "use letters, digits and _, not a digit first",
    TABLE_NAME: "write it as namespace.table, each of letters, digits and _",
    CONTRACT_NAME: "use lower-case letters, digits, _ and -, a letter first",
}
"""What a name's pattern asks for, in words."""


LONGEST = timedelta(days=4_000_000)
"""Longer than all the years that a timestamp has, 1 to 9999. Spark and DuckDB count intervals and times in 64 bits of
microseconds: far longer ones overflow, to NULL in Spark."""


def _as_duration(text: object) -> timedelta:
    try:
        duration = parse_duration(text)
    except UsageError as error:
        raise ValueError(str(error)) from None
    if abs(duration) > LONGEST:
        raise ValueError(f"{text!r} is too long; write one of at most {LONGEST.days} days")
    return duration


def _as_field_type(name: object) -> str:
    try:
        return check_type(str(name))
    except UsageError as error:
        raise ValueError(str(error)) from None


def _as_delay(text: object) -> timedelta:
    if (duration := _as_duration(text)) < timedelta(0):
        raise ValueError(f"{text!r} is negative; write a duration of zero or more")
    return duration


def _as_size(value: object) -> object:
    if isinstance(value, bool) or (isinstance(value, float) and not math.isfinite(value)):
        raise ValueError(f"{str(value).lower()} is no size; write a finite number, such as 0.01")
    return value


def _as_property(value: object) -> object:
    """YAML's bare numbers and booleans as clients spell them."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


DurationText = Annotated[str, Field(pattern=f"^{DURATION_FORM.pattern}$")]
Duration = Annotated[
    timedelta,
    BeforeValidator(_as_duration, json_schema_input_type=DurationText),
    PlainSerializer(spell_duration, return_type=str),
]
Delay = Annotated[
    timedelta,
    BeforeValidator(_as_delay, json_schema_input_type=DurationText),
    PlainSerializer(spell_duration, return_type=str),
]
Size = Annotated[int | float, BeforeValidator(_as_size, json_schema_input_type=int | float)]
Property = Annotated[str, BeforeValidator(_as_property, json_schema_input_type=str | int | float | bool)]
FieldType = Annotated[str, BeforeValidator(_as_field_type), WithJsonSchema(FIELD_TYPE_SCHEMA)]
Name = Annotated[str, Field(pattern=NAME)]
TableName = Annotated[str, Field(pattern=TABLE_NAME)]
On = Annotated[
    list[Name | dict[Name, Name]] | dict[Name, Name],
    PlainSerializer(spelled, return_type=list[str] | dict[str, str]),
]
