"""One side of a comparison: a DuckDB view and the columns it has."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import takewhile

import duckdb
from duckdb.sqltypes import DuckDBPyType

from plumbline.connect.object_store import store_error
from plumbline.connect.sql_quoting import ident
from plumbline.connect.unreadable import raised_within
from plumbline.contract.errors import SetupError

PLACE = tuple(f"plumbline_{what}_{uuid.uuid4().hex}" for what in ("file", "row"))
"""Columns that a view of Parquet files has beside its own: the file's number and the row's number in it. No column of
a user has such a name."""

_INNER = re.compile(r'\{"exception_type".*\}')


@dataclass(frozen=True)
class SideView:
    """A view or table of one DuckDB connection.

    `columns` maps each column to its DuckDB type, in the table's order. `files` are the Parquet files behind it,
    empty when the rows come from elsewhere. `placed` says that the view has PLACE too, which is not part of `columns`,
    `untyped` that no value gave the types: a CSV file that holds a header only. `digits` are columns of numbers that no
    type holds exactly, as text of their digits (number_text). `clashes` are the names, without case, that several
    columns have: those bear others here (case_names).
    """

    name: str
    columns: Mapping[str, DuckDBPyType]
    files: tuple[str, ...] = ()
    placed: bool = False
    untyped: bool = False
    digits: frozenset[str] = frozenset()
    clashes: frozenset[str] = frozenset()

    @property
    def sql(self) -> str:
        return ident(self.name)

    def rows(self, con: duckdb.DuckDBPyConnection) -> int:
        """How many rows the relation has, counted now."""
        [(counted,)] = con.execute(f"SELECT count(*) FROM {self.sql}").fetchall()
        return int(counted)


def describe(con: duckdb.DuckDBPyConnection, name: str, files: tuple[str, ...] = ()) -> SideView:
    """The relation that the view or table `name` of `con` is. Raises SetupError when it cannot be read."""
    with readable(name, files):
        relation = con.sql(f"FROM {ident(name)}")
    columns = dict(zip(relation.columns, relation.types, strict=True))
    placed = columns.keys() >= set(PLACE)
    return SideView(name, {n: kind for n, kind in columns.items() if n not in PLACE}, files, placed)


@contextmanager
def readable(name: str, files: Sequence[str] = ()) -> Iterator[None]:
    """What DuckDB or the file system says against reading `name`, of these `files`, as a SetupError."""
    try:
        yield
    except (duckdb.Error, OSError) as error:
        away = store_error(error)
        if away is not None:
            raise away from error
        raise SetupError(
            f"{name!r} cannot be read: {first_line(error)}",
            where=files[0] if len(files) == 1 else f"{len(files)} files" if files else None,
            next_step="check that it exists, is complete and stays there",
        ) from error


def first_line(error: Exception) -> str:
    """The first line of a DuckDB error: the rest repeats the query. Of one that wraps another, only that one.

    Of one about a line of a CSV file its reason too.
    """
    told = str(error).strip()
    inner = _INNER.search(told)
    if inner:
        return str(json.loads(inner[0])["exception_message"])
    within = raised_within(told)
    lines = [within] if within else told.splitlines()
    if not lines or "CSV Error on Line" not in lines[0]:
        return lines[0] if lines else type(error).__name__
    # The reason is the last line before what DuckDB advises. The line itself may hold what nobody may see.
    said = [line for line in takewhile(lambda line: not line.startswith("Possible"), lines) if line.strip()]
    return f"{lines[0]}: {said[-1]}" if len(said) > 1 else lines[0]
