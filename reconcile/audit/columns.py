"""The columns that hold a row's Kafka coordinates: found by their usual names, or named by the user. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from plumbline.contract.errors import UsageError

if TYPE_CHECKING:
    from pyiceberg.schema import Schema
    from pyiceberg.types import NestedField

WHOLE = ("int", "long")
TEXT = ("string",)
_NAMED = re.compile(r"(?P<stem>.*?)(?P<what>topic|partition|offset)(?:_?id)?", re.IGNORECASE)
"""`_kafka_offset`, `kafkaOffset`, `$$offset`, `_kafka_metadata.offset`: one stem, three endings."""


@dataclass(frozen=True)
class Column:
    """A column or a field of structs: its names and Iceberg field ids from the outside in, and its type."""

    path: tuple[str, ...]
    ids: tuple[int, ...]
    kind: str
    default: Any = None

    @property
    def name(self) -> str:
        """As SQL spells it: `_kafka.offset`."""
        return ".".join(self.path)


@dataclass(frozen=True)
class Coordinates:
    """Where a row says which Kafka record it is; without `topic` all rows are of one."""

    partition: Column
    offset: Column
    topic: Column | None = None

    @property
    def columns(self) -> tuple[Column, ...]:
        """Those that are there."""
        return (self.partition, self.offset, *((self.topic,) if self.topic else ()))

    def document(self) -> dict[str, str | None]:
        """The names."""
        topic = self.topic.name if self.topic else None
        return {"topic": topic, "partition": self.partition.name, "offset": self.offset.name}


def coordinates(
    schema: Schema, table: str, partition: str | None = None, offset: str | None = None, topic: str | None = None
) -> Coordinates:
    """The coordinates' columns of a table: those that are named, else the one pair with a usual name.

    A struct's field is named `struct.field`. Raises UsageError: no such column, one that does not hold whole numbers
    (topic: text), one name without the other, no pair or several.
    """
    there = list(_columns(schema.fields))
    if (partition is None) != (offset is None):
        one, other = ("partition", "offset") if offset is None else ("offset", "partition")
        raise UsageError(f"--{one}-column is given without --{other}-column", next_step="give both, or neither")
    if partition is not None and offset is not None:
        found = Coordinates(_named(there, table, partition, WHOLE), _named(there, table, offset, WHOLE))
        beside = _beside(there, found)
    else:
        found, beside = _usual(there, table)
    if topic is not None:
        beside = _named(there, table, topic, TEXT)
    return Coordinates(found.partition, found.offset, beside)


def _columns(
    fields: tuple[NestedField, ...], path: tuple[str, ...] = (), ids: tuple[int, ...] = ()
) -> Iterator[Column]:
    from pyiceberg.types import StructType

    for field in fields:
        here, known = (*path, field.name), (*ids, field.field_id)
        if isinstance(field.field_type, StructType):
            yield from _columns(field.field_type.fields, here, known)
        else:
            yield Column(here, known, str(field.field_type), field.initial_default)


def _named(there: list[Column], table: str, name: str, kinds: tuple[str, ...]) -> Column:
    found = [column for column in there if column.name == name]
    found = found or [column for column in there if column.name.lower() == name.lower()]
    if not found:
        raise UsageError(
            f"{table} has no column {name}", where=table, next_step=f"use one of {', '.join(c.name for c in there)}"
        )
    if found[0].kind not in kinds:
        raise _wrong_type(found[0], table, kinds)
    return found[0]


def _wrong_type(column: Column, table: str, kinds: tuple[str, ...]) -> UsageError:
    held = "text" if kinds == TEXT else "whole numbers"
    return UsageError(
        f"column {column.name} of {table} is {column.kind}; Kafka's coordinate there is {held} ({' or '.join(kinds)})",
        where=table,
        next_step="name the right columns with --partition-column and --offset-column, or audit a copy with that type",
    )


def _stem(column: Column) -> tuple[tuple[str, ...], str, str] | None:
    """(structs around it, what stands before the ending, the ending), in lower case."""
    match = _NAMED.fullmatch(column.path[-1])
    return None if match is None else (column.path[:-1], match["stem"].lower(), match["what"].lower())


def _beside(there: list[Column], found: Coordinates) -> Column | None:
    """The topic's column that is named as the offset's."""
    stem = _stem(found.offset)
    wanted = None if stem is None else (*stem[:2], "topic")
    return next((column for column in there if column.kind in TEXT and _stem(column) == wanted), None)


def _usual(there: list[Column], table: str) -> tuple[Coordinates, Column | None]:
    by_stem = {stem: column for column in reversed(there) if (stem := _stem(column))}
    pairs = [
        Coordinates(column, by_stem[(*stem[:2], "offset")])
        for stem, column in reversed(by_stem.items())
        if stem[2] == "partition" and (*stem[:2], "offset") in by_stem
    ]
    whole = [pair for pair in pairs if pair.partition.kind in WHOLE and pair.offset.kind in WHOLE]
    if len(whole) == 1:
        return whole[0], _beside(there, whole[0])
    for pair in pairs if not whole else ():
        raise _wrong_type(pair.partition if pair.partition.kind not in WHOLE else pair.offset, table, WHOLE)
    told = ", ".join(f"{pair.partition.name} and {pair.offset.name}" for pair in whole)
    what = f"several pairs of columns may hold them: {told}" if whole else "no two columns have the usual names"
    raise UsageError(
        f"the Kafka partition and offset of a row of {table} are not found: {what}",
        where=table,
        next_step="name them with --partition-column and --offset-column (a struct's field as struct.field)",
    )
