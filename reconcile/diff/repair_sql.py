"""A script that makes the right table of a diff like the left one: DELETE, MERGE and INSERT from the findings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO

import duckdb

from plumbline.connect.sql_quoting import column, ident, text
from plumbline.contract.equality import Tolerance
from plumbline.contract.errors import UsageError
from plumbline.reconcile.diff.engine.columns import drift_names
from plumbline.reconcile.diff.engine.compare import Comparison
from plumbline.reconcile.diff.engine.side_view import SideView
from plumbline.reconcile.diff.sql_literals import DIALECTS, Dialect
from plumbline.reconcile.relations.diff import DRIFT

_ROWS_A_STATEMENT = 500
Literals = list[str]
"""One row: a literal for each column."""


@dataclass(frozen=True)
class Target:
    """The table to repair.

    `table` is its name, parts joined by dots; `key` and `updated` are columns as the diff names them, `inserted` all
    that a new row gets, the key first; `names` leads from those to the table's own names.
    """

    table: str
    key: Sequence[str]
    updated: Sequence[str]
    inserted: Sequence[str]
    names: Mapping[str, str]
    dialect: Dialect

    @property
    def sql(self) -> str:
        return ".".join(self.dialect.ident(part) for part in self.table.split("."))

    def own(self, name: str) -> str:
        return self.dialect.ident(self.names.get(name, name))


@dataclass(frozen=True)
class Repairable:
    """What a diff did to its two sides before it compared them, as far as a repair must know."""

    names: Mapping[str, str] = field(default_factory=dict)
    computed: Sequence[str] = ()
    tolerances: Mapping[str, Tolerance] = field(default_factory=dict)
    hidden: Sequence[str] = ()
    sides: Sequence[SideView] = ()

    def target(self, found: Comparison, table: str, dialect: str) -> Target:
        """What to repair. Raises UsageError where the diff does not say what the table itself should hold."""
        rounded = [name for name in found.key if name in self.tolerances]
        computed = [name for name in (*found.key, *found.compared) if name in self.computed]
        for wrong, why in (
            (not found.key, "a diff without a key does not say which of several equal rows is meant"),
            (self.hidden, f"it would show the hidden columns {', '.join(self.hidden)}"),
            (rounded, f"the key {', '.join(rounded)} is compared in another form than the tables hold"),
            (computed, f"{', '.join(computed)} is computed on the right and cannot be written there"),
            (dialect not in DIALECTS, f"{dialect!r} is not one of {', '.join(DIALECTS)}"),
        ):
            if wrong:
                raise UsageError(f"no repair script: {why}", next_step="compare again in a form that can be written")
        left, right = (side.columns for side in self.sides)
        shared = [name for name in left if name in right and name not in self.computed]
        inserted = dict.fromkeys((*found.key, *shared))
        return Target(table, found.key, found.compared, tuple(inserted), self.names, DIALECTS[dialect])


def write_repair(con: duckdb.DuckDBPyConnection, target: Target, file: IO[str]) -> None:
    """Write the statements for the drift that `con` holds, with the rows of its view `left`.

    Extra keys are deleted, those of several rows deleted and inserted afresh, missing ones inserted, mismatches updated
    in the compared columns. Each statement holds some hundred rows. Raises UsageError for values that SQL cannot hold.
    """
    file.write(f"-- Makes {' '.join(target.sql.split())} like the table it was compared with, as both were then.\n")
    keys = ", ".join(map(ident, drift_names(target.key).values()))
    doomed = f"SELECT {keys} FROM {DRIFT} WHERE class IN ('extra', 'duplicate')"
    for rows in _batches(con, doomed, target.dialect):
        matches = " OR\n".join(f"({_same_key(target, row)})" for row in rows)
        file.write(f"DELETE FROM {target.sql} WHERE\n{matches};\n")
    if target.updated:
        for rows in _batches(con, _left_rows(target, [*target.key, *target.updated], "mismatch"), target.dialect):
            file.write(_merge(target, rows))
    for rows in _batches(con, _left_rows(target, target.inserted, "missing", "duplicate"), target.dialect):
        columns = ", ".join(map(target.own, target.inserted))
        values = ",\n".join(f"({', '.join(row)})" for row in rows)
        file.write(f"INSERT INTO {target.sql} ({columns}) VALUES\n{values};\n")


def _left_rows(target: Target, columns: Sequence[str], *classes: str) -> str:
    """SQL of the left rows whose key is of one of the classes."""
    chosen = ", ".join(column(name, "side") for name in columns)
    same = " AND ".join(
        f"{column(name, 'side')} IS NOT DISTINCT FROM {column(new, 'differing')}"
        for name, new in drift_names(target.key).items()
    )
    within = ", ".join(map(text, classes))
    return f"""
        SELECT {chosen} FROM "left" AS side
        SEMI JOIN (FROM {DRIFT} WHERE class IN ({within})) AS differing ON {same}
    """


def _batches(con: duckdb.DuckDBPyConnection, sql: str, dialect: Dialect) -> Iterator[list[Literals]]:
    reader = con.sql(sql).to_arrow_reader(_ROWS_A_STATEMENT)
    kinds = [field.type for field in reader.schema]
    for batch in reader:
        columns = (
            [dialect.literal(value, kind) for value in values.to_pylist()]
            for values, kind in zip(batch.columns, kinds, strict=True)
        )
        rows = [list(row) for row in zip(*columns, strict=True)]
        for start in range(0, len(rows), _ROWS_A_STATEMENT):
            yield rows[start : start + _ROWS_A_STATEMENT]


def _same_key(target: Target, row: Literals) -> str:
    pairs = zip(target.key, row, strict=True)
    return " AND ".join(f"{target.own(name)} IS NOT DISTINCT FROM {literal}" for name, literal in pairs)


def _merge(target: Target, rows: Sequence[Literals]) -> str:
    """An update of the compared columns of some keys; the values are named v0, v1, ... after their place."""
    columns = [*target.key, *target.updated]
    selects = "\nUNION ALL ".join(
        "SELECT " + ", ".join(f"{literal} AS v{place}" for place, literal in enumerate(row)) for row in rows
    )
    on = " AND ".join(f"t.{target.own(name)} IS NOT DISTINCT FROM s.v{n}" for n, name in enumerate(target.key))
    changes = ", ".join(f"{target.own(name)} = s.v{n}" for n, name in enumerate(columns) if n >= len(target.key))
    return f"MERGE INTO {target.sql} AS t USING (\n{selects}\n) AS s ON {on}\nWHEN MATCHED THEN UPDATE SET {changes};\n"
