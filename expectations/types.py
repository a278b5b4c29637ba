"""The types that the contract promises for the output's columns, and their names in each engine. Pure."""

from __future__ import annotations

from plumbline.contract.fields import value_type
from plumbline.contract.lineage import LINEAGE, RIGHT_EVENT_TIME
from plumbline.contract.model import Contract

_LINEAGE = dict(zip(LINEAGE, ("timestamptz", "int", "long", "int", "long", "string"), strict=True))

_OF_THE_NEWEST = {RIGHT_EVENT_TIME: "timestamptz"}

_ELSEWHERE = {
    "string": ("StringType", "VARCHAR"),
    "boolean": ("BooleanType", "BOOLEAN"),
    "int": ("IntegerType", "INTEGER"),
    "long": ("LongType", "BIGINT"),
    "float": ("FloatType", "REAL"),
    "double": ("DoubleType", "DOUBLE"),
    "date": ("DateType", "DATE"),
    "binary": ("BinaryType", "VARBINARY"),
    "timestamptz": ("TimestampType", "TIMESTAMP"),
    "decimal": ("DecimalType", "DECIMAL"),
}

_FAMILIES = {
    "number": ("int", "long", "float", "double", "decimal"),
    "text": ("string",),
    "boolean": ("boolean",),
    "time": ("timestamptz",),
}


def expected_types(contract: Contract) -> dict[str, str]:
    """Column name to Iceberg type (Iceberg spec, "Primitive Types"), in table order.

    A column computed by SQL is left out: only Spark knows its type.
    """
    kinds = {}
    for column in contract.output_columns:
        declared = contract.sources[column.source].fields.get(column.field or "") if column.source else None
        if declared and column.sql is None:
            kinds[column.name] = iceberg_type(declared)
    return kinds | _LINEAGE | (_OF_THE_NEWEST if contract.one_for_one else {})


def iceberg_type(declared: str) -> str:
    """Iceberg's name of a contract's field type, as PyIceberg spells it."""
    kind = value_type(declared)
    if kind == "timestamp":
        return "timestamptz"
    return kind.replace(" ", "").replace(",", ", ") if kind.startswith("decimal") else kind


def type_names(kind: str) -> tuple[str, ...]:
    """An Iceberg type's own name, then Spark's class and SQL's word: the suite is read by any engine."""
    return (kind, *_ELSEWHERE[kind.partition("(")[0]])


def in_family(kind: str, family: str) -> bool:
    """Whether an Iceberg type is of a rule's family: number, text, boolean or time."""
    return kind.partition("(")[0] in _FAMILIES[family]
