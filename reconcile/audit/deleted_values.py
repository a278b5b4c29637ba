"""Which rows of data files equality deletes take away, and which commit did it first."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from plumbline.connect.deleted_rows import column_of, refuse_lacking, same
from plumbline.connect.iceberg_files import POSITION
from plumbline.connect.iceberg_types import duckdb_type
from plumbline.connect.placed_rows import placed_rows
from plumbline.connect.table_plan import is_unpartitioned

if TYPE_CHECKING:
    import duckdb
    from pyiceberg.table import Table

    from plumbline.reconcile.audit.entries import Entry, Life

EVERYWHERE = -1


class DeletedValues:
    """The deleted values of some delete files, a table of `con` for each set of columns; named `name` and a number."""

    def __init__(self, con: duckdb.DuckDBPyConnection, table: Table, lives: Iterable[Life], name: str) -> None:
        self._con, self._table, self._name = con, table, name
        self._scopes: dict[tuple[int, str], int] = {}
        lives = list(lives)
        self._sets = sorted({life.entry.ids for life in lives})
        for number, ids in enumerate(self._sets):
            fields = [column_of(table, one) for one in ids]
            kinds = ", ".join(f"k{n} {duckdb_type(one.field_type)}" for n, one in enumerate(fields))
            columns = f"{kinds}, scope INTEGER, sequence BIGINT, born INTEGER, gone BOOLEAN"
            con.execute(f"CREATE TABLE {self._values(number)} ({columns})")
            keys = ", ".join(f"k{n}" for n in range(len(fields)))
            for life in (one for one in lives if one.entry.ids == ids):
                refuse_lacking(con, table, ids, [life.entry.path])
                for rows in placed_rows(con, table, life.entry.file, fields):
                    con.execute(
                        f"INSERT INTO {self._values(number)} SELECT {keys}, ?, ?, ?, ? FROM {rows}",
                        [self._scope(life.entry), life.entry.sequence, life.born, life.died is not None],
                    )

    def note(self, entry: Entry, into: str, path: int) -> None:
        """Add what is deleted of a data file to `into` (path, pos, sequence, born, gone), where `path` stands for it.

        A delete applies where it is strictly newer, in its partition or, if it has none, everywhere (Iceberg spec,
        "Scan Planning").
        """
        for number, ids in enumerate(self._sets):
            fields = [column_of(self._table, one) for one in ids]
            alike = " AND ".join(same(one, f"r.k{n}", f"d.k{n}") for n, one in enumerate(fields))
            for rows in placed_rows(self._con, self._table, entry.file, fields):
                self._con.execute(
                    f"""
                    INSERT INTO {into} SELECT {path}, r.{POSITION}, {entry.sequence}, min(d.born), bool_and(d.gone)
                    FROM {rows} AS r JOIN {self._values(number)} AS d ON {alike} AND d.sequence > {entry.sequence}
                        AND d.scope IN ({EVERYWHERE}, {self._scope(entry, data=True)})
                    GROUP BY r.{POSITION}
                    """
                )

    def drop(self) -> None:
        """Give the space back."""
        for number in range(len(self._sets)):
            self._con.execute(f"DROP TABLE {self._values(number)}")

    def _values(self, number: int) -> str:
        """The table of the deleted values of one set of columns."""
        return f"{self._name}_{number}"

    def _scope(self, entry: Entry, *, data: bool = False) -> int:
        if not data and is_unpartitioned(self._table.specs()[entry.spec_id]):
            return EVERYWHERE
        return self._scopes.setdefault((entry.spec_id, str(entry.partition)), len(self._scopes))
