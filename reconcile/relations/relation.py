"""What a relation is: a table or view in the DuckDB connection of one run, named and described in one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from plumbline.connect.sql_quoting import ident
from plumbline.contract.lineage import SIDES

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class Relation:
    """A table or view: its name in SQL, the module under reconcile/ that writes it, what its rows are, its columns.

    `columns` are `name TYPE`, with commas between: `TYPE|TYPE` where a team's own tables may have either, STRUCT and
    TUPLE without their fields. `more` says which columns it has beside those: they depend on the contract. Tables are
    on disk, temp tables in memory.
    """

    name: str
    writer: str
    meaning: str
    columns: str = ""
    more: str = ""
    kind: Literal["TABLE", "TEMP TABLE", "VIEW", "TEMP VIEW"] = "TEMP TABLE"

    def __str__(self) -> str:
        return self.name

    @property
    def types(self) -> dict[str, tuple[str, ...]]:
        """Declared column to the DuckDB types that it may have."""
        named = (column.strip().split(" ", 1) for column in self.columns.split(",") if column.strip())
        return {name: tuple(kinds.split("|")) for name, kinds in named}

    @property
    def nothing(self) -> str:
        """A query with the declared columns and no rows."""
        return f"SELECT {', '.join(f'NULL::{kinds[0]} AS {ident(c)}' for c, kinds in self.types.items())} WHERE false"

    @property
    def pinned(self) -> Relation:
        """The view of a table's data files at its snapshot that this one is made from; it may hold too many rows."""
        return replace(self, name=f"{self.name}_pinned", columns="", more="those of the table", kind="VIEW")

    def fill(self, con: duckdb.DuckDBPyConnection, query: str) -> Relation:
        """Create it, or replace it, with what a query gives. Returns the relation."""
        con.execute(f"CREATE OR REPLACE {self.kind} {self.name} AS {query}")
        return self

    def add(self, con: duckdb.DuckDBPyConnection, query: str) -> int:
        """Add the rows of a query, its columns by name. Returns how many."""
        return int(con.execute(f"INSERT INTO {self.name} BY NAME {query}").fetchall()[0][0])

    def any(self, con: duckdb.DuckDBPyConnection, condition: str = "true") -> bool:
        """Whether it has a row that satisfies the condition."""
        return con.execute(f"SELECT 1 FROM {self.name} WHERE {condition} LIMIT 1").fetchone() is not None


Sided = Mapping[str, Relation]
"""Side of the join to its relation."""
PLACE = "partition INTEGER|BIGINT, offset BIGINT|INTEGER"
"""The coordinates of a Kafka record."""
TIME = "TIMESTAMP WITH TIME ZONE"
KEY = "the key columns"


def per_side(name: str, writer: str, meaning: str, columns: str = "", more: str = "", **kind: Any) -> Sided:
    """One relation for each side of the join; `{side}` stands for it in name, meaning and columns."""
    return {
        side: Relation(name.format(side=side), writer, meaning.format(side=side), columns, more, **kind)
        for side in SIDES
    }
