"""The deleted positions of data files: from files of positions (format version 2), deletion vectors (version 3) and
equality deletes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from plumbline.connect.delete_files import positions
from plumbline.connect.place import plain
from plumbline.contract.errors import SetupError
from plumbline.reconcile.audit.deleted_values import DeletedValues

if TYPE_CHECKING:
    from pyiceberg.table import Table

    from plumbline.reconcile.audit.entries import Entry, Life

I64 = npt.NDArray[np.int64]
_names = count()


class Deletes:
    """The positions that some delete files take away, in a table of `con`, which may spill."""

    def __init__(
        self, con: duckdb.DuckDBPyConnection, table: Table, lives: Iterable[Life], data: Iterable[Entry]
    ) -> None:
        self._con, self._table = con, table
        self._name = f"deleted_{next(_names)}"
        self._paths: dict[str, int] = {}
        columns = "path INTEGER, pos BIGINT, sequence BIGINT, born INTEGER, gone BOOLEAN"
        con.execute(f"CREATE TABLE {self._name} ({columns})")
        by_value = []
        for life in lives:
            if life.entry.ids:
                by_value.append(life)
            else:
                for paths, found in self._read(life.entry):
                    self._add(life, paths, found)
        if by_value:
            self._add_values(by_value, data)

    def of(self, entry: Entry, live: bool) -> tuple[I64, I64]:
        """The deleted positions of a data file, in order, and the commit that deleted each first.

        They apply where they are not older than the file (Iceberg spec, "Scan Planning"). `live`: of a file that is
        there still, those only that are deleted still.
        """
        path = self._paths.get(plain(entry.path))
        if path is None:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        found = self._con.sql(
            f"""
            SELECT pos, min(born)::BIGINT AS born FROM {self._name}
            WHERE path = {path} AND sequence >= {entry.sequence}
            GROUP BY pos HAVING NOT ({live} AND bool_and(gone)) ORDER BY pos
            """
        ).to_arrow_table()
        return found["pos"].to_numpy(), found["born"].to_numpy()

    def drop(self) -> None:
        """Give the space back."""
        self._con.execute(f"DROP TABLE {self._name}")

    def _add(self, life: Life, paths: list[str], found: pa.Array) -> None:
        numbers = [self._paths.setdefault(plain(path), len(self._paths)) for path in paths]
        rows = pa.table({"path": pa.array(numbers, pa.int32()), "pos": found})
        self._con.register("plumbline_deleted", rows)
        self._con.execute(
            f"INSERT INTO {self._name} SELECT path, pos, ?, ?, ? FROM plumbline_deleted",
            [life.entry.sequence, life.born, life.died is not None],
        )
        self._con.unregister("plumbline_deleted")

    def _add_values(self, lives: list[Life], data: Iterable[Entry]) -> None:
        """The positions of the rows that equality deletes take away, of files that are there."""
        values = DeletedValues(self._con, self._table, lives, f"{self._name}_values")
        oldest = max(life.entry.sequence for life in lives)
        for entry in {(one.path, one.sequence): one for one in data if one.sequence < oldest}.values():
            with suppress(OSError, duckdb.IOException):  # told where its rows are read
                values.note(entry, self._name, self._paths.setdefault(plain(entry.path), len(self._paths)))
        values.drop()

    def _read(self, entry: Entry) -> Iterator[tuple[list[str], pa.Array]]:
        """(paths of data files, positions in them), of one length, piece by piece."""
        try:
            assert entry.deletes is not None
            yield from positions(self._table.io, entry.deletes)
        except (OSError, pa.ArrowException, ValueError) as error:
            told = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise SetupError(
                f"a file of deletes of {'.'.join(self._table.name())} is unreadable: {told}",
                where=entry.path,
                next_step="bring the file back: without it, deleted rows would count",
            ) from None
