"""Durations of Arrow in Parquet files, which have no such type: DuckDB reads bare integers, of one unit or another."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pyarrow as pa

from plumbline.connect.sql_quoting import column, ident

_IN_MICROSECONDS = {"s": "{} * 1000000", "ms": "{} * 1000", "us": "{}", "ns": "{} // 1000"}


def is_timed(kind: pa.DataType) -> bool:
    """Whether values of this type are durations, or lists, maps or structs that hold some."""
    return bool(pa.types.is_duration(kind)) or any(map(is_timed, _parts(kind)))


def in_intervals(kind: pa.DataType, depth: int = 0) -> Callable[[str], str]:
    """SQL of a value of a file, given that of what DuckDB reads: intervals to the microsecond where durations are.

    As DuckDB makes them of a frame's durations. One beyond 292,000 years ends the query.
    """
    if pa.types.is_duration(kind):
        return lambda value: f"to_microseconds({_IN_MICROSECONDS[kind.unit].format(value)})"
    if not is_timed(kind):
        return lambda value: value
    name = f"d{depth}"
    if pa.types.is_struct(kind):
        fields = {field.name: in_intervals(field.type, depth) for field in kind}
        return lambda value: _of_struct(value, {n: form(column(n, value)) for n, form in fields.items()})
    if pa.types.is_map(kind):
        key, item = in_intervals(kind.key_type, depth + 1), in_intervals(kind.item_type, depth + 1)
        pair = f"{{'k': {key(name + '.key')}, 'v': {item(name + '.value')}}}"
        return lambda value: f"map_from_entries(list_transform(map_entries({value}), lambda {name}: {pair}))"
    form = in_intervals(kind.value_type, depth + 1)
    return lambda value: f"list_transform({value}, lambda {name}: {form(name)})"


def _of_struct(value: str, fields: dict[str, str]) -> str:
    packed = ", ".join(f"{ident(name)} := {sql}" for name, sql in fields.items())
    return f"CASE WHEN {value} IS NOT NULL THEN struct_pack({packed}) END"


def _parts(kind: pa.DataType) -> Iterator[pa.DataType]:
    if pa.types.is_struct(kind):
        yield from (field.type for field in kind)
    elif pa.types.is_map(kind):
        yield from (kind.key_type, kind.item_type)
    elif pa.types.is_nested(kind) and hasattr(kind, "value_type"):
        yield kind.value_type
