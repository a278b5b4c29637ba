"""Iceberg types in DuckDB's words. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from plumbline.connect.sql_quoting import ident

if TYPE_CHECKING:
    from pyiceberg.types import IcebergType

PRIMITIVE = {
    "boolean": "BOOLEAN",
    "int": "INTEGER",
    "long": "BIGINT",
    "float": "FLOAT",
    "double": "DOUBLE",
    "date": "DATE",
    "time": "TIME",
    "timestamp": "TIMESTAMP",
    "timestamptz": "TIMESTAMP WITH TIME ZONE",
    "timestamp_ns": "TIMESTAMP_NS",
    "timestamptz_ns": "TIMESTAMPTZ_NS",
    "string": "VARCHAR",
    "uuid": "UUID",
    "binary": "BLOB",
    "unknown": '"NULL"',
}


def duckdb_type(iceberg: IcebergType) -> str:
    """DuckDB's name of an Iceberg type (Iceberg spec, "Schemas and data types"); nested types recursively."""
    from pyiceberg.types import ListType, MapType, StructType

    kind: Any = iceberg
    if isinstance(kind, StructType):
        return "STRUCT(" + ", ".join(f"{ident(f.name)} {duckdb_type(f.field_type)}" for f in kind.fields) + ")"
    if isinstance(kind, ListType):
        return duckdb_type(kind.element_type) + "[]"
    if isinstance(kind, MapType):
        return f"MAP({duckdb_type(kind.key_type)}, {duckdb_type(kind.value_type)})"
    name = str(kind)
    if name.startswith("decimal"):
        return name.upper()
    return "BLOB" if name.startswith("fixed") or is_shape(kind) else PRIMITIVE[name]


def is_shape(iceberg: IcebergType) -> bool:
    """Whether the values are geometries or geographies, which are kept as WKB."""
    return str(iceberg).startswith(("geometry", "geography"))


def is_unknown(iceberg: IcebergType) -> bool:
    """Whether it is the type of a column that holds nothing but NULL."""
    return str(iceberg) == "unknown"


def may_hold_floats(iceberg: IcebergType) -> bool:
    """Whether it is `float` or `double`, or has one inside; also where a field is called so."""
    return any(word in str(iceberg) for word in ("float", "double"))
