"""A column that files of one side hold in types of which no value is compared with one of the other: text and numbers.

Left alone, DuckDB takes 1 for '1', true for 1, and a day for its text: such a side would equal one that has the text.
Each kind of value gets a field of its own here, so that both sides are equal only if they have the same values as the
same kinds, and a side of one kind only is not compared at all.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import pyarrow as pa
import pyarrow.parquet as pq

from plumbline.connect.parquet import misleads
from plumbline.connect.sql_quoting import ident
from plumbline.reconcile.diff.engine.canonical import Form

_KINDS = (
    (
        "text",
        (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.uuid().equals, pa.json_().equals),
    ),
    ("number", (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)),
    ("truth", (pa.types.is_boolean,)),
    ("moment", (pa.types.is_timestamp, pa.types.is_date)),
    ("time", (pa.types.is_time,)),
    ("bytes", (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view, pa.types.is_fixed_size_binary)),
)


@dataclass(frozen=True)
class Mixed:
    """The kinds of value in a column, each the name of a field; `empty` are types of which no file has a value, and
    `numbers` is the form in which its numbers meet, if they need one."""

    fields: tuple[str, ...]
    empty: frozenset[pa.DataType]
    numbers: str | None

    def packed(self, kind: pa.DataType, form: Form) -> Form:
        """SQL of a file's value in the common shape. `form` is that of the value within its kind."""
        if kind in self.empty or pa.types.is_null(kind):
            return lambda value: "NULL"
        if len(self.fields) == 1:
            return form
        own = named(kind)

        def struct(value: str) -> str:
            fields = (f"{ident(name)} := {form(value) if name == own else 'NULL'}" for name in self.fields)
            return f"CASE WHEN {value} IS NOT NULL THEN struct_pack({', '.join(fields)}) END"

        return struct


def mixed(name: str, found: Mapping[pa.DataType, Sequence[str]], numbers: str | None) -> Mixed | None:
    """How the column `name` is held by files, given its types and their files; None where all values can meet."""
    if _all_meet(found):
        return None
    empty = frozenset(kind for kind, paths in found.items() if not any(_has_value(path, name) for path in paths))
    kinds = found.keys() - empty
    return Mixed(tuple(sorted({named(kind) for kind in kinds if not pa.types.is_null(kind)})), empty, numbers)


def unwrapped(kind: pa.DataType) -> pa.DataType:
    """The type of the values, where Arrow notes that a file has them once each, in a dictionary."""
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def named(kind: pa.DataType) -> str:
    """The name of the field for values of this type."""
    return next((name for name, tests in _KINDS if any(test(kind) for test in tests)), str(kind))


def _all_meet(kinds: Collection[pa.DataType]) -> bool:
    return all(_meet(one, other) for one, other in combinations(kinds, 2))


def _meet(one: pa.DataType, other: pa.DataType) -> bool:
    """Whether values of both types are compared by value, as `rule_for` compares those of two sides."""
    if pa.types.is_null(one) or pa.types.is_null(other):
        return True
    if pa.types.is_struct(one) and pa.types.is_struct(other):
        pairs = [(one.field(n), other.field(n)) for n in _names(one) if n in _names(other)]
    elif pa.types.is_map(one) and pa.types.is_map(other):
        pairs = [(one.key_field, other.key_field), (one.item_field, other.item_field)]
    elif _is_list(one) and _is_list(other):
        pairs = [(one.value_field, other.value_field)]
    else:
        return named(unwrapped(one)) == named(unwrapped(other))
    return bool(pairs) and all(_meet(ours.type, theirs.type) for ours, theirs in pairs)


def _is_list(kind: pa.DataType) -> bool:
    return hasattr(kind, "value_field") and not pa.types.is_map(kind)


def _names(kind: pa.StructType) -> list[str]:
    return [field.name for field in kind]


def _has_value(path: str, name: str) -> bool:
    """Whether the column of a file may hold anything but NULL, by what the file notes of its row groups."""
    notes = pq.read_metadata(path)
    if misleads(path, notes):
        return True
    places = [n for n in range(notes.num_columns) if notes.schema.column(n).path == name]
    groups = [notes.row_group(n) for n in range(notes.num_row_groups)]
    told = [(group.num_rows, group.column(n).statistics) for group in groups for n in places]
    return not places or not all(seen and seen.has_null_count and seen.null_count == rows for rows, seen in told)
