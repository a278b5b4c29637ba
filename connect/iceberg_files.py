"""The data files of one planned Iceberg scan as SQL of DuckDB's, where DuckDB reads them right."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from plumbline.connect.iceberg_types import duckdb_type, is_shape, is_unknown, may_hold_floats
from plumbline.connect.mapped_files import has_names
from plumbline.connect.parquet import parquet_rows, unfiltered
from plumbline.connect.place import is_local, plain
from plumbline.connect.sql_quoting import column, ident, literal_path, text
from plumbline.contract.errors import SetupError

if TYPE_CHECKING:
    import duckdb
    from pyiceberg.manifest import DataFile
    from pyiceberg.schema import Schema
    from pyiceberg.table import Table
    from pyiceberg.types import NestedField

    from plumbline.connect.deleted_rows import DeletedRows
    from plumbline.connect.table_plan import Planned

DATA, POSITION = "plumbline_data", "plumbline_position"
"""The relation of rows in `sql` and `rest_of`, and the column of a row's place in its file, from 0."""
_PLACE = {"file_index", "file_row_number", "filename"}
"""DuckDB's names for where a row lies: a column called so hides them."""


@dataclass(frozen=True)
class IcebergFiles:
    """The files of `tasks`, to be read in `schema`, without the rows that `deleted` takes from those touched by it."""

    table: Table
    schema: Schema
    tasks: Sequence[Planned]
    deleted: DeletedRows | None = None

    @property
    def readable_by_duckdb(self) -> bool:
        """Whether `sql` gives the right rows: Parquet that can be read by field ids, or by names that never changed.
        What else there is only PyIceberg resolves (Iceberg spec, "Column Projection"): a name mapping for files without
        ids, changes within nested columns, a partition's value for a column that a file lacks.
        """
        files = [task.file for task in self.tasks]
        parquet = all(str(file.file_format.value).lower() == "parquet" for file in files)
        if not parquet or any(self._of_partition(file) for file in files):
            return False
        if self.deleted is not None and self.hides_places:
            return False
        if self._never_changed():
            return not self._mapped() or all(has_names(self.table, file, self.schema) for file in files)
        return self._flat() and not self._mapped()

    @property
    def hides_places(self) -> bool:
        """Whether a column is called as DuckDB calls the place of a row."""
        return bool({one.name.lower() for one in self.table.schema().fields} & _PLACE)

    def reach(self, con: duckdb.DuckDBPyConnection) -> None:
        """Let the connection read the files. Raises SetupError for a file that is to be read by field ids and has none:
        DuckDB would give NULLs."""
        if not all(is_local(task.file.file_path) for task in self.tasks):
            from plumbline.connect.far_files import reach

            reach(con)
        if not self._never_changed():
            self._refuse_without_ids(con)

    def _refuse_without_ids(self, con: duckdb.DuckDBPyConnection) -> None:
        paths = {self._path(task): task.file.file_path for task in self.tasks}
        listed = ", ".join(text(literal_path(path)) for path in paths)
        found = con.execute(
            f"SELECT file_name FROM parquet_schema([{listed}]) GROUP BY file_name HAVING count(field_id) = 0 LIMIT 1"
        ).fetchall()
        for (file,) in found:
            raise SetupError(
                f"the table's schema has changed, and its file {paths.get(file, file)} has no field ids to find the "
                "columns by",
                where=".".join(self.table.name()),
                next_step="set the table property schema.name-mapping.default, or write the file again",
            )

    def sql(self, shown: Schema | None = None) -> str:
        """A query of the rows, without those that are deleted; `shown` are its columns, None: the schema's."""
        names = ", ".join(map(_selected, (shown or self.schema).fields))
        untouched = [task for task in self.tasks if not task.touched]
        if self.deleted is None:
            return f"SELECT {names} FROM {self._rows(untouched)}"
        touched = f"{self._rows(self.deleted.touched)} AS {DATA}"
        rest = self.deleted.rest(touched, f"{DATA}.file_index", f"{DATA}.file_row_number", self._column)
        names_of = ", ".join(_selected(one, DATA) for one in (shown or self.schema).fields)
        queries = [f"SELECT {names} FROM {self._rows(untouched)}"] if untouched else []
        return " UNION ALL ".join([*queries, f"SELECT {names_of} FROM {rest}"])

    def placed(self, fields: Sequence[NestedField]) -> str:
        """A relation of all rows, deleted or not: POSITION, and `fields` as k0, k1 and so on."""
        columns = ", ".join(f"{self._column(one)} AS k{n}" for n, one in enumerate(fields))
        return f"(SELECT {DATA}.file_row_number AS {POSITION}, {columns} FROM {self._rows(self.tasks)} AS {DATA})"

    def _rows(self, tasks: Sequence[Planned]) -> str:
        """Without a schema DuckDB takes that of the first file, and rounds the doubles of the others to its floats:
        files that were taken over may have narrower types than the table."""
        by_name = self._never_changed()
        options = [] if by_name and not self._mapped() else [f"schema = MAP {{{self._fields(by_name=by_name)}}}"]
        return parquet_rows(map(self._path, tasks), *options)

    def _path(self, task: Planned) -> str:
        """The data file as DuckDB names it, which reaches what is not on this machine."""
        location = task.file.file_path
        if is_local(location):
            return plain(location)
        from plumbline.connect.far_files import FILES

        return FILES.path(self.table, location, task.file.file_size_in_bytes)

    def _column(self, one: NestedField) -> str:
        """SQL of a column by which rows are deleted, by the name under which files are read."""
        return column(one.name, DATA) if self._never_changed() else self._as_read(one)

    def _as_read(self, one: NestedField) -> str:
        return column(next(field.name for field in self.schema.fields if field.field_id == one.field_id), DATA)

    def rest_of(self, rows: str, number: int) -> str:
        """SQL behind FROM: rows of the touched file with that number, read in `schema` with their POSITION, without
        those that are deleted."""
        assert self.deleted is not None
        return self.deleted.rest(f"{rows} AS {DATA}", str(number), f"{DATA}.{POSITION}", self._as_read)

    def _never_changed(self) -> bool:
        """Whether every file has the columns of the one schema that there ever was, under the names of today.

        Old schemas may have been removed: ids that are in none tell of them. A schema with a default is one that grew.
        A name that Avro does not allow is another one in the files: writers spell `x-y` as `x_x2Dy` in Parquet too.
        """
        metadata = self.table.metadata
        schema = self.table.schema()
        first = len(metadata.schemas) == 1 and schema.schema_id == 0
        defaults = any(field.initial_default is not None for field in schema.fields)
        unknown = any(is_unknown(field.field_type) for field in schema.fields)
        renamed = not all(_keeps_its_name(schema.find_field(one).name) for one in schema.field_ids)
        grown = metadata.last_column_id != max(schema.field_ids)
        return first and not (defaults or unknown or renamed or grown)

    def _flat(self) -> bool:
        return all(field.field_type.is_primitive for field in self.schema.fields)

    def _lacking(self, file: DataFile) -> set[int]:
        """Field ids that the file may not have: a writer counts the values of the columns that are there."""
        leaves = {i for i in self.schema.field_ids if self.schema.find_type(i).is_primitive}
        return leaves - set(file.value_counts or {})

    def _of_partition(self, file: DataFile) -> bool:
        """Whether a column may stand in the file's partition only, as in tables of Hive that were taken over."""
        from pyiceberg.transforms import IdentityTransform

        spec = self.table.specs()[file.spec_id]
        by = {field.source_id for field in spec.fields if isinstance(field.transform, IdentityTransform)}
        return bool(by) and bool(by & self._lacking(file))

    def _mapped(self) -> bool:
        """Whether the table has files without field ids, or may have some."""
        return self.table.name_mapping() is not None

    def _fields(self, *, by_name: bool) -> str:
        """The columns for DuckDB's `schema`, found in the files by their names or their field ids."""
        fields = [field for field in self.schema.fields if not is_unknown(field.field_type)]
        return ", ".join(f"{text(one.name) if by_name else one.field_id}: {_described(one)}" for one in fields)


def _described(field: NestedField) -> str:
    kind, default = text(duckdb_type(field.field_type)), _default(field)
    return f"{{name: {text(field.name)}, type: {kind}, default_value: {default}}}"


def _keeps_its_name(name: str) -> bool:
    """Whether writers put a field into a file as it is called."""
    return not name[:1].isdecimal() and all(c == "_" or c.isalpha() or c.isdecimal() for c in name)


def _selected(field: NestedField, of: str = "") -> str:
    name = ident(field.name)
    if is_unknown(field.field_type):  # "must be null for all rows", and is in no file
        return f"CAST(NULL AS {duckdb_type(field.field_type)}) AS {name}"
    value = column(field.name, of)
    if may_hold_floats(field.field_type):  # a file that was taken over may say of them what is wrong
        return f"{unfiltered(value)} AS {name}"
    return f"CAST({value} AS BLOB) AS {name}" if is_shape(field.field_type) else value


def _default(field: NestedField) -> str:
    """SQL of the value of a column in files that are older than the column (Iceberg spec, "Default values")."""
    value: Any = field.initial_default
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return text("".join(f"\\x{byte:02X}" for byte in value))
    return text(value.isoformat(" ") if isinstance(value, dt.datetime) else str(value))
