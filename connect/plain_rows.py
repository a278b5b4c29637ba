"""Rows of a DuckDB relation as Python's values, of which a time that Python has no value for is its text.

DuckDB gives the last moment that Python knows for `infinity` and the first for `-infinity`; Arrow fails at both, and at
the years before 1 and after 9999.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from plumbline.connect.sql_quoting import ident, text

if TYPE_CHECKING:
    import duckdb
    from duckdb.sqltypes import DuckDBPyType

_ALIKE = frozenset(
    (
        *("boolean", "tinyint", "smallint", "integer", "bigint", "utinyint", "usmallint", "uinteger", "ubigint"),
        *("float", "double", "decimal", "varchar", "blob", "date", "timestamp", "timestamp with time zone"),
    )
)
"""Types of which DuckDB and Arrow make the same value."""
_TIMES = frozenset(
    ("date", "timestamp", "timestamp_s", "timestamp_ms", "timestamp_ns", "timestamp with time zone", "timestamptz_ns")
)


def plain_rows(found: duckdb.DuckDBPyRelation) -> list[dict[str, Any]]:
    """The rows, each as `{column: value}`, in the order of the relation.

    They come from DuckDB where Arrow gives the same values, because Arrow would load pandas.
    """
    told = told_times(found)
    if all(map(_alike, found.types)):
        return [dict(zip(found.columns, row, strict=True)) for row in told.fetchall()]
    rows: list[dict[str, Any]] = told.to_arrow_table().to_pylist()
    return rows


def told_times(found: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    """The relation with each time, however deep, as a union of the time and the text that stands for a far one."""
    told = [_told(ident(name), kind, 0) for name, kind in zip(found.columns, found.types, strict=True)]
    if not any(told):
        return found
    columns = (f"{sql or ident(name)} AS {ident(name)}" for sql, name in zip(told, found.columns, strict=True))
    return found.project(", ".join(columns))


def _told(value: str, kind: DuckDBPyType, depth: int) -> str | None:
    """SQL of the value with its times told; None where it has none."""
    if kind.id in _TIMES:
        return _told_time(value, kind)
    item = f"item_{depth}"
    if kind.id in ("list", "array"):
        inner = _told(item, dict(_parts(kind))["child"], depth + 1)
        return inner and f"list_transform({value}, lambda {item}: {inner})"
    if kind.id == "map":
        parts = [(name, _told(f"{item}.{name}", part, depth + 1)) for name, part in _parts(kind)]
        pair = ", ".join(f"{name} := {told or f'{item}.{name}'}" for name, told in parts)
        told_pairs = f"map_from_entries(list_transform(map_entries({value}), lambda {item}: struct_pack({pair})))"
        return told_pairs if any(told for _, told in parts) else None
    if kind.id == "struct":
        return _told_struct(value, kind, depth)
    return None


def _told_time(value: str, kind: DuckDBPyType) -> str:
    union = f"UNION(moment {kind}, far VARCHAR)"
    at = f"{value}::TIMESTAMPTZ" if str(kind) == "TIMESTAMPTZ_NS" else value  # of which DuckDB knows no isinf
    return (
        f"CASE WHEN isinf({at}) OR year({at}) NOT BETWEEN 1 AND 9999"
        f" THEN union_value(far := {value}::VARCHAR)::{union}"
        f" WHEN {value} IS NOT NULL THEN union_value(moment := {value})::{union} END"
    )


def _told_struct(value: str, kind: DuckDBPyType, depth: int) -> str | None:
    fields = []
    for position, (name, part) in enumerate(_parts(kind), 1):
        of = f"struct_extract({value}, {text(name) if name else position})"
        fields.append((name, of, _told(of, part, depth)))
    if not any(told for _, _, told in fields):
        return None
    named = all(name for name, _, _ in fields)
    parts = ", ".join(f"{ident(name)} := {told or of}" if named else told or of for name, of, told in fields)
    return f"CASE WHEN {value} IS NOT NULL THEN {'struct_pack' if named else 'row'}({parts}) END"


def _alike(kind: DuckDBPyType) -> bool:
    if kind.id in ("struct", "list"):
        return all(_alike(part) for _, part in _parts(kind))
    return kind.id in _ALIKE


def _parts(kind: DuckDBPyType) -> Sequence[tuple[str, DuckDBPyType]]:
    """The types of which this one is made, without the size of a list that has one."""
    from duckdb.sqltypes import DuckDBPyType

    return [(name, part) for name, part in kind.children if isinstance(part, DuckDBPyType)]
