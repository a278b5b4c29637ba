"""What the delete files of an Iceberg scan take away, in tables of DuckDB for queries of the data files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

from plumbline.connect.delete_files import DeleteFile, positions, vector
from plumbline.connect.iceberg_types import duckdb_type
from plumbline.connect.parquet import parquet_rows
from plumbline.connect.place import is_local, plain
from plumbline.connect.sql_quoting import ident, literal_path, text
from plumbline.contract.errors import SetupError

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa
    from pyiceberg.schema import Schema
    from pyiceberg.table import Table
    from pyiceberg.types import NestedField

    from plumbline.connect.table_plan import Planned, Scope

_PATH = """CASE WHEN starts_with(file_path, 'file:') OR starts_with(file_path, '/')
    THEN '/' || ltrim(regexp_replace(file_path, '^file:', ''), '/') ELSE file_path END"""
"""`plumbline.connect.place.plain` in SQL."""
Batches = Callable[["DeleteFile", "Schema"], Iterable["pa.RecordBatch"]]
"""Rows of a delete file that DuckDB does not reach, in a schema."""
_numbers = count()


@dataclass(frozen=True)
class _Values:
    """A table of deleted values: of these columns, everywhere or in a scope of their own."""

    table: str
    fields: tuple[NestedField, ...]
    everywhere: bool


@dataclass
class DeletedRows:
    """The deletes of the data files `touched`, which are numbered from 0 in that order, for the scan of `view`.

    They are read once, when the object is made with `read`, into the DuckDB schema `<view> deletes`, which may spill.
    """

    con: duckdb.DuckDBPyConnection
    table: Table
    view: str
    touched: Sequence[Planned]
    _values: list[_Values] = field(default_factory=list)
    _scopes: dict[Scope, int] = field(default_factory=dict)

    @property
    def _space(self) -> str:
        return ident(f"{self.view} deletes")

    def read(self, batches: Batches) -> DeletedRows:
        """Read all delete files. Raises SetupError for one that lacks the columns that it deletes by."""
        forget(self.con, self.view)
        self.con.execute(f"CREATE SCHEMA {self._space}")
        self._read_files()
        self._read_positions()
        for ids in sorted({one.ids for planned in self.touched for one in planned.values}):
            fields = tuple(column_of(self.table, number) for number in ids)
            self._refuse_alike(fields)
            found = {id(one): one for planned in self.touched for one in planned.values if one.ids == ids}
            for everywhere in (True, False):
                files = [
                    (file, -1 if one.scope is None else self._scopes[one.scope])
                    for one in found.values() if (one.scope is None) is everywhere for file in one.files
                ]  # fmt: skip
                if files:
                    values = _Values(f"{self._space}.{ident(f'values {len(self._values)}')}", fields, everywhere)
                    self._values.append(values)
                    self._read_values(values, files, batches)
        return self

    @property
    def columns(self) -> tuple[NestedField, ...]:
        """The columns of the data files by which rows are deleted."""
        return tuple({one.field_id: one for values in self._values for one in values.fields}.values())

    def rest(self, rows: str, file: str, position: str, column: Callable[[NestedField], str]) -> str:
        """SQL that goes behind FROM: `rows`, a relation, without what is deleted.

        `file` and `position` are SQL of a row's place, `column` gives that of a column by which rows are deleted.
        """
        f, p = "plumbline_file", "plumbline_deleted"
        joins = [f"{rows} JOIN {self._space}.files AS {f} ON {f}.file = {file}"]
        joins.append(f"ANTI JOIN {self._space}.positions AS {p} ON {p}.file = {f}.file AND {p}.pos = {position}")
        for number, values in enumerate(self._values):
            d = f"{p}_{number}"
            alike = [same(one, column(one), f"{d}.k{n}") for n, one in enumerate(values.fields)]
            alike += [] if values.everywhere else [f"{d}.scope = {f}.scope"]
            joins.append(f"ANTI JOIN {values.table} AS {d} ON {' AND '.join(alike)} AND {d}.sequence > {f}.sequence")
        return "\n".join(joins)

    def _read_files(self) -> None:
        import pyarrow as pa

        for one in self.touched:
            for values in one.values:
                if values.scope is not None:
                    self._scopes.setdefault(values.scope, len(self._scopes))
        in_scopes = ([v.scope for v in one.values if v.scope is not None] for one in self.touched)
        scopes = [self._scopes[found[0]] if found else None for found in in_scopes]
        rows = pa.table({
            "file": pa.array(range(len(self.touched)), pa.int64()),
            "path": pa.array([plain(one.file.file_path) for one in self.touched], pa.string()),
            "sequence": pa.array([one.sequence for one in self.touched], pa.int64()),
            "scope": pa.array(scopes, pa.int64()),
            "by_vector": pa.array([any(p.is_vector for p in one.positions) for one in self.touched], pa.bool_()),
        })  # fmt: skip
        with registered(self.con, rows) as source:
            self.con.execute(f"CREATE TABLE {self._space}.files AS FROM {source}")
        self.con.execute(f"CREATE TABLE {self._space}.positions (file BIGINT, pos BIGINT)")

    def _read_positions(self) -> None:
        import pyarrow as pa

        found: dict[str, DeleteFile] = {}
        for number, one in enumerate(self.touched):
            for file in one.positions:
                if file.is_vector:
                    with _readable(file, self.table):
                        _, deleted = vector(self.table.io, file)
                    numbers = pa.array([number] * len(deleted), pa.int64())
                    self._insert("positions", pa.table({"file": numbers, "pos": deleted}))
                else:
                    found[file.path] = file
        local = [file for file in found.values() if is_local(file.path)]
        if local:
            self._take_named(parquet_rows([plain(file.path) for file in local]), local)
        for file in found.values():
            if not is_local(file.path):
                with _readable(file, self.table):
                    for paths, deleted in positions(self.table.io, file):
                        rows = pa.table({"file_path": pa.array(paths, pa.string()), "pos": deleted})
                        with registered(self.con, rows) as name:
                            self._take_named(f"(SELECT *, 0 AS file_index FROM {name})", [file])

    def _take_named(self, rows: str, files: Sequence[DeleteFile]) -> None:
        """Positions from relations with data files' paths: of those not newer than the deletes, without a vector."""
        with self._sources((file, None) for file in files) as sources:
            self.con.execute(f"""
                INSERT INTO {self._space}.positions
                SELECT f.file, d.pos FROM (SELECT {_PATH} AS path, pos, file_index FROM {rows}) AS d
                JOIN {sources} AS s ON s.file = d.file_index
                JOIN {self._space}.files AS f ON f.path = d.path AND f.sequence <= s.sequence AND NOT f.by_vector
            """)

    def _read_values(self, values: _Values, files: Sequence[tuple[DeleteFile, int]], batches: Batches) -> None:
        kinds = [f"k{n} {duckdb_type(one.field_type)}" for n, one in enumerate(values.fields)]
        self.con.execute(f"CREATE TABLE {values.table} ({', '.join(kinds)}, scope BIGINT, sequence BIGINT)")
        local = [one for one in files if is_local(one[0].path)]
        if local:
            paths = [plain(file.path) for file, _ in local]
            refuse_lacking(self.con, self.table, [one.field_id for one in values.fields], paths)
            by_id = ", ".join(
                f"{one.field_id}: {{name: 'k{n}', type: {text(duckdb_type(one.field_type))}, default_value: NULL}}"
                for n, one in enumerate(values.fields)
            )
            self._take_values(values, parquet_rows(paths, f"schema = MAP {{{by_id}}}"), local)
        for file, scope in files:
            if not is_local(file.path):
                for batch in batches(file, _as_keys(values)):
                    with registered(self.con, batch) as name:
                        self._take_values(values, f"(SELECT *, 0 AS file_index FROM {name})", [(file, scope)])

    def _take_values(self, values: _Values, rows: str, files: Iterable[tuple[DeleteFile, int]]) -> None:
        """Deleted values, each with the newest sequence number: it applies to all that is older."""
        columns = ", ".join(f"d.k{n}" for n in range(len(values.fields)))
        apart = ["s.scope", *(_sign(one, f"d.k{n}") for n, one in enumerate(values.fields)), columns]
        with self._sources(files) as sources:
            self.con.execute(f"""
                INSERT INTO {values.table} SELECT {columns}, s.scope, max(s.sequence)
                FROM {rows} AS d JOIN {sources} AS s ON s.file = d.file_index
                GROUP BY {", ".join(filter(None, apart))}
            """)

    def _refuse_alike(self, fields: Sequence[NestedField]) -> None:
        """DuckDB, whose names have no case, would take another column for the one by which rows are deleted."""
        names = [one.name.lower() for one in self.table.schema().fields]
        for one in fields:
            if names.count(one.name.lower()) > 1:
                raise SetupError(
                    f"rows of {'.'.join(self.table.name())} are deleted by {one.name}, and another column is called so "
                    "but for the case of its letters",
                    where=".".join(self.table.name()),
                    next_step="compare it with --engine spark, or rename one of the columns",
                )

    def _insert(self, name: str, rows: pa.Table) -> None:
        with registered(self.con, rows) as source:
            self.con.execute(f"INSERT INTO {self._space}.{name} FROM {source}")

    @contextmanager
    def _sources(self, files: Iterable[tuple[DeleteFile, int | None]]) -> Iterator[str]:
        """A relation of delete files, numbered as they are listed: file, sequence, scope."""
        import pyarrow as pa

        listed = list(files)
        rows = pa.table({
            "file": pa.array(range(len(listed)), pa.int64()),
            "sequence": pa.array([file.sequence for file, _ in listed], pa.int64()),
            "scope": pa.array([scope for _, scope in listed], pa.int64()),
        })  # fmt: skip
        with registered(self.con, rows) as name:
            yield name


def _as_keys(values: _Values) -> Schema:
    from pyiceberg.schema import Schema

    return Schema(*(one.model_copy(update={"name": f"k{n}"}) for n, one in enumerate(values.fields)))


def forget(con: duckdb.DuckDBPyConnection, view: str) -> None:
    """Give back what an earlier scan of the view read."""
    con.execute(f"DROP SCHEMA IF EXISTS {ident(f'{view} deletes')} CASCADE")


def refuse_lacking(con: duckdb.DuckDBPyConnection, table: Table, ids: Sequence[int], paths: Sequence[str]) -> None:
    """Raise SetupError for a local file of deleted values without one of the columns: what it has not would be NULL,
    which deletes the rows with NULL."""
    listed = ", ".join(text(literal_path(plain(path))) for path in paths if is_local(path))
    if not listed:
        return
    found = con.execute(
        f"""
        SELECT file_name FROM parquet_schema([{listed}]) GROUP BY file_name
        HAVING count(DISTINCT field_id) FILTER (field_id IN ({", ".join(map(str, ids))})) < {len(ids)} LIMIT 1
        """
    ).fetchall()
    for (path,) in found:
        raise SetupError(
            f"a file of deleted values of {'.'.join(table.name())} lacks a column by which it deletes",
            where=str(path),
            next_step="have the table's writer rewrite its data files, which applies the deletes",
        )


def with_columns(schema: Schema, columns: Iterable[NestedField]) -> Schema:
    """The schema with those of the columns that it lacks, under names that no other has."""
    from pyiceberg.schema import Schema

    held = {one.field_id for one in schema.fields}
    more = (one for one in columns if one.field_id not in held)
    renamed = (one.model_copy(update={"name": f"plumbline_column_{one.field_id}", "required": False}) for one in more)
    return Schema(*schema.fields, *renamed, schema_id=schema.schema_id)


def column_of(table: Table, number: int) -> NestedField:
    """The column with a field id, as its newest schema has it: it may be dropped, and is used all the same (Iceberg
    spec, "Equality Delete Files"). Raises SetupError for one within a struct."""
    schemas = [table.schema(), *sorted(table.schemas().values(), key=lambda schema: -schema.schema_id)]
    for schema in schemas:
        for one in schema.fields:
            if one.field_id == number and one.field_type.is_primitive:
                return one
    raise SetupError(
        f"rows of {'.'.join(table.name())} are deleted by column {number}, which is not at the top of any schema",
        where=".".join(table.name()),
        next_step="have the table's writer rewrite its data files, which applies the deletes",
    )


@contextmanager
def registered(con: duckdb.DuckDBPyConnection, rows: Any) -> Iterator[str]:
    """The name under which SQL finds rows of Arrow's."""
    name = f"plumbline_rows_{next(_numbers)}"
    con.register(name, rows)
    try:
        yield name
    finally:
        con.unregister(name)


def same(one: NestedField, ours: str, theirs: str) -> str:
    """SQL: the values are equal as Iceberg compares them: NULL to NULL, NaN to NaN, 0.0 not to -0.0 (Java: Comparators,
    StructLikeSet)."""
    equal = f"{ours} IS NOT DISTINCT FROM {theirs}"
    signs = [sign for sign in (_sign(one, ours), _sign(one, theirs)) if sign]
    return f"{equal} AND {' IS NOT DISTINCT FROM '.join(signs)}" if signs else equal


def _sign(one: NestedField, value: str) -> str:
    return f"(signbit({value}) AND NOT isnan({value}))" if str(one.field_type) in ("float", "double") else ""


@contextmanager
def _readable(file: DeleteFile, table: Table) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except (OSError, pa.ArrowException, ValueError) as error:
        told = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise SetupError(
            f"a file of deletes of {'.'.join(table.name())} is unreadable: {told}",
            where=file.path,
            next_step="bring the file back: without it, deleted rows would count",
        ) from None
