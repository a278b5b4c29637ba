"""Names that differ in case only: DuckDB's names have no case, so such columns bear others inside of the engine.

`V` and `v` are `V [1]` and `v [0]` there: the marks say which letters are capitals. What goes in (names, SQL) and what
comes out is translated.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import duckdb
import pyarrow as pa

from plumbline.connect.sql_quoting import ident
from plumbline.contract.errors import UsageError
from plumbline.reconcile.diff.engine.rules import Rules
from plumbline.reconcile.diff.engine.side_options import Side
from plumbline.reconcile.diff.engine.side_view import SideView, describe

_LOWER = str.maketrans({chr(n): chr(n + 32) for n in range(ord("A"), ord("Z") + 1)})  # as DuckDB folds: ASCII only


def folded(name: str) -> str:
    """The name as DuckDB compares it."""
    return name.translate(_LOWER)


def clashing(names: Iterable[str]) -> frozenset[str]:
    """The folded names that stand for several of `names`."""
    found: dict[str, str] = {}
    return frozenset(folded(name) for name in names if found.setdefault(folded(name), name) != name)


def inside(name: str, clashes: Collection[str]) -> str:
    """The name inside of the engine."""
    if folded(name) not in clashes:
        return name
    return f"{name} [{''.join('1' if char != folded(char) else '0' for char in name)}]"


def _is_inside(side: SideView, name: str) -> bool:
    spelled = name.rpartition(" [")[0]
    return bool(spelled) and inside(spelled, side.clashes) == name


def clashing_fields(kind: pa.DataType) -> frozenset[str]:
    """The folded names that several fields of one struct in the type have, however deep: DuckDB renames all but one,
    by their order."""
    fields = [kind.field(n) for n in range(kind.num_fields)]
    own = clashing(field.name for field in fields) if pa.types.is_struct(kind) else frozenset()
    return own.union(*(clashing_fields(field.type) for field in fields))


def of_files(names: Sequence[Sequence[str]]) -> tuple[list[list[str]], frozenset[str]]:
    """The names inside of each file's columns, and the clashes; what no file holds in two spellings has the first."""
    clashes = frozenset[str]().union(*map(clashing, names))
    first: dict[str, str] = {}
    for own in names:
        for name in own:
            first.setdefault(folded(name), name)
    return [[inside(n, clashes) if folded(n) in clashes else first[folded(n)] for n in own] for own in names], clashes


@dataclass(frozen=True)
class CaseNames:
    """The columns whose names differ in case only, by both sides: how they are spelled, to their names inside."""

    names: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, sides: Sequence[SideView], asked: Iterable[str]) -> CaseNames:
        """The names of two sides, and others that are asked for: computed columns, names to compare under."""
        known = [
            [name.rpartition(" [")[0] if _is_inside(side, name) else name for name in side.columns] for side in sides
        ]
        clashes = frozenset[str]().union(
            *(side.clashes for side in sides), *(clashing((*own, *asked)) for own in known)
        )
        return cls({name: inside(name, clashes) for name in (*known[0], *known[1], *asked) if folded(name) in clashes})

    def __call__(self, name: str) -> str:
        """The name inside. One that is not there, but for its case, stays as it is, and is refused as unknown."""
        return self.names.get(name, name)

    def listed(self, names: Iterable[str] | None) -> list[str] | None:
        return None if names is None else [self(name) for name in names]

    def keyed(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {self(name): value for name, value in values.items()}

    def sql(self, con: duckdb.DuckDBPyConnection, sql: str) -> str:
        """SQL of a user's with these columns named as inside. Raises UsageError for a name that may mean several."""
        if not self.names:
            return sql
        [(tree,)] = con.execute("SELECT json_serialize_sql(?)", [f"SELECT (\n{sql}\n)"]).fetchall()
        parsed = json.loads(tree)
        if parsed.get("error"):
            return sql  # the side's own check tells what is wrong
        self._rename(parsed)
        [(text,)] = con.execute("SELECT json_deserialize_sql(?::JSON)", [json.dumps(parsed)]).fetchall()
        return str(text).removeprefix("SELECT ")

    def _rename(self, node: Any) -> None:
        if isinstance(node, dict) and node.get("class") == "COLUMN_REF":
            node["column_names"][0] = self._meant(node["column_names"][0])
        for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
            self._rename(child)

    def _meant(self, name: str) -> str:
        several = [spelled for spelled in self.names if folded(spelled) == folded(name)]
        if several and name not in self.names:
            raise UsageError(
                f"{name!r} may be any of {', '.join(several)}", next_step="spell the column as it is in the table"
            )
        return self(name)

    def side(self, con: duckdb.DuckDBPyConnection, side: SideView) -> SideView:
        """The side with these names inside, where the other side only has several spellings of one."""
        wanted = {name: self.names[name] for name in side.columns if name in self.names}
        if not wanted:
            return side
        view = f"{side.name} by case"
        new = ", ".join(f"{ident(name)} AS {ident(new)}" for name, new in wanted.items())
        con.execute(f"CREATE OR REPLACE VIEW {ident(view)} AS SELECT * RENAME ({new}) FROM {side.sql}")
        digits = frozenset(map(self, side.digits))
        return replace(describe(con, view, side.files), untyped=side.untyped, digits=digits, clashes=side.clashes)

    def asked(self, con: duckdb.DuckDBPyConnection, asked: Side) -> Side:
        """What is asked of a side, by the names inside."""
        return Side(
            None if asked.where is None else self.sql(con, asked.where),
            {self(old): self(new) for old, new in asked.names.items()},
            {self(name): self.sql(con, sql) for name, sql in asked.compute.items()},
        )

    def rules(self, rules: Rules) -> Rules:
        """The rules by the names inside; nothing is carried yet."""
        return Rules(
            columns=self.listed(rules.columns),
            ignore=self.listed(rules.ignore) or (),
            tolerances=self.keyed(rules.tolerances),
            masks=self.keyed(rules.masks),
        )

    def outside(self, sides: Sequence[SideView]) -> set[str]:
        """The columns of both sides as they are spelled."""
        return {self.spelled.get(name, name) for side in sides for name in side.columns}

    @property
    def spelled(self) -> dict[str, str]:
        """Names inside to how they are spelled."""
        return {name: spelled for spelled, name in self.names.items()}

    def table(self, drift: pa.Table, key: Sequence[str]) -> pa.Table:
        """The drift with the columns as they are spelled: the key by its names `key`, in the rows of both sides, and by
        name."""
        if not self.names:
            return drift
        to = self.spelled
        columns = [self._column(name, drift[name].combine_chunks(), to) for name in drift.column_names]
        names = [drift.column_names[0], *key, *drift.column_names[1 + len(key) :]]
        return pa.Table.from_arrays(columns, names)

    def _column(self, name: str, column: pa.Array, to: Mapping[str, str]) -> pa.Array:
        if name == "columns":
            return pa.array([[to.get(item, item) for item in items] for items in column.to_pylist()], column.type)
        if name in ("left_row", "right_row"):
            fields = [field.with_name(to.get(field.name, field.name)) for field in column.type]
            return pa.StructArray.from_arrays(
                [column.field(n) for n in range(len(fields))], fields=fields, mask=column.is_null()
            )
        return column
