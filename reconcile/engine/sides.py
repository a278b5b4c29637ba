"""One side of a comparison: a DuckDB view and the columns it has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb
from duckdb.sqltypes import DuckDBPyType

from contract.errors import SetupError
from reconcile.engine.quoting import ident


@dataclass(frozen=True)
class Relation:
    """A view or table of one DuckDB connection.

    `columns` maps each column to its DuckDB type, in the table's order. `files` are the Parquet files behind it,
    empty when the rows come from elsewhere.
    """

    name: str
    columns: Mapping[str, DuckDBPyType]
    files: tuple[str, ...] = ()

    @property
    def sql(self) -> str:
        return ident(self.name)

    def rows(self, con: duckdb.DuckDBPyConnection) -> int:
        """How many rows the relation has, counted now."""
        [(counted,)] = con.execute(f"SELECT count(*) FROM {self.sql}").fetchall()
        return int(counted)


def describe(con: duckdb.DuckDBPyConnection, name: str, files: tuple[str, ...] = ()) -> Relation:
    """The relation that the view or table `name` of `con` is. Raises SetupError when it cannot be read."""
    try:
        relation = con.sql(f"FROM {ident(name)}")
    except duckdb.Error as error:
        raise SetupError(
            f"{name!r} cannot be read: {first_line(error)}",
            where=", ".join(files[:1]) or None,
            next_step="check that the file or snapshot exists and is complete",
        ) from error
    return Relation(name, dict(zip(relation.columns, relation.types, strict=True)), files)


def first_line(error: Exception) -> str:
    """The first line of a DuckDB error: the rest repeats the query."""
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
