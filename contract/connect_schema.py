"""What a record's own schema says of how its fields are written: Kafka Connect's JSON schema, beside the payload. Pure.

A number does not tell whether it counts milliseconds or microseconds, nor bytes where the decimal point is. The schema
names it for each field (Debezium documentation, "Data type mappings").
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from plumbline.contract.fields import decimal_digits, value_type

if TYPE_CHECKING:
    from plumbline.contract.model import Source

DECIMAL = "org.apache.kafka.connect.data.Decimal"
TYPES = {
    "io.debezium.time.MicroTimestamp": "timestamp_micros",
    "io.debezium.time.Timestamp": "timestamp_millis",
    "org.apache.kafka.connect.data.Timestamp": "timestamp_millis",
    "io.debezium.time.Date": "date_days",
    "org.apache.kafka.connect.data.Date": "date_days",
}
"""Names of encodings to the contract's types for them."""
TEXTS = ("io.debezium.time.ZonedTimestamp", "io.debezium.time.IsoTimestamp")
"""Of times that are written as ISO 8601 text."""
PLAIN = {
    "int8": "long", "int16": "long", "int32": "long", "int64": "long", "float": "float", "double": "double",
    "boolean": "boolean", "string": "string", "bytes": "binary",
}  # fmt: skip
"""Connect's types to the contract's, as a draft takes them from JSON too: whole numbers are long."""

FIELDS = "fields: ARRAY<STRUCT<field: STRING, name: STRING, parameters: STRUCT<scale: STRING>>>"
"""Type of a row's schema, as far as it is looked at."""


def differs_sql(source: Source, schema: str) -> str:
    """Whether a row's schema (SQL of a struct with FIELDS) names another encoding of a field than the contract; empty
    for a source whose fields have none. What the schema does not name is the contract's word."""
    arms = [
        f"WHEN f.field IN ({', '.join(map(repr, source.names(field)))}) THEN {wrong}"
        for field, kind in source.fields.items()
        if (wrong := _wrong(kind))
    ]
    return f"coalesce(exists({schema}.fields, f -> CASE {' '.join(arms)} END), false)" if arms else ""


def differing(source: Source, value: bytes | None) -> list[tuple[str, str, str]]:
    """`(column, encoding, type in the contract)` of what `differs_sql` found in a record's value."""
    kinds = {name: kind for field, kind in source.fields.items() for name in source.names(field)}
    told = [(name, encoding, kinds[name]) for name, encoding in _named(value).items() if name in kinds]
    return [(name, encoding, kind) for name, encoding, kind in told if encoding not in (_encodings(kind) or [encoding])]


def types_of(document: Any) -> dict[str, str | None]:
    """The columns of the row in an envelope with the types that a contract has for them, None where it has none; empty
    for an envelope without a schema."""
    return {str(one["field"]): _type_of(one) for one in _columns(document)}


def _type_of(column: Mapping[str, Any]) -> str | None:
    name, kind, parameters = column.get("name"), column.get("type"), _parameters(column)
    if name == DECIMAL:
        digits, scale = parameters.get("connect.decimal.precision", "38"), parameters.get("scale")
        found = f"decimal_base64({digits},{scale})"
        return found if decimal_digits(value_type(found)) else None
    if kind == "string" and name in TEXTS:
        return "timestamp"
    return TYPES.get(str(name)) or PLAIN.get(str(kind))


def _named(value: bytes | None) -> dict[str, str]:
    """Of each column of the row in a record's value the name of its encoding, with the scale of a decimal; of those
    that have one. Empty for a value without a schema."""
    try:
        return {str(one["field"]): _spelled(one) for one in _columns(json.loads(value or b"")) if one.get("name")}
    except ValueError:
        return {}


def _columns(document: Any) -> list[Mapping[str, Any]]:
    try:
        [row] = [one for one in document["schema"]["fields"] if one["field"] == "after"]
        return [one for one in row["fields"] if isinstance(one, Mapping) and "field" in one]
    except (ValueError, KeyError, TypeError):
        return []


def _parameters(column: Mapping[str, Any]) -> Mapping[str, Any]:
    found = column.get("parameters")
    return found if isinstance(found, Mapping) else {}


def _spelled(field: Mapping[str, Any]) -> str:
    name = str(field["name"])
    return f"{name} of scale {_parameters(field).get('scale')}" if name == DECIMAL else name


def _encodings(kind: str) -> list[str]:
    """How a field of this type may be written; empty where the value itself tells."""
    if kind == value_type(kind) or kind in TYPES.values():
        return [name for name, held in TYPES.items() if held == kind]
    _, scale = decimal_digits(value_type(kind)) or (0, 0)
    return [f"{DECIMAL} of scale {scale}"]


def _wrong(kind: str) -> str:
    """SQL that says of a field's schema `f` that it is not of this type."""
    encodings = ", ".join(map(repr, _encodings(kind)))
    spelled = f"if(f.name = '{DECIMAL}', concat(f.name, ' of scale ', f.parameters.scale), f.name)"
    return f"{spelled} NOT IN ({encodings})" if encodings else ""
