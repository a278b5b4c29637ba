"""The data files of one planned Iceberg scan as SQL of DuckDB's, where DuckDB reads them right."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from plumbline.connect.iceberg_types import duckdb_type, is_shape, is_unknown
from plumbline.connect.parquet import parquet_rows
from plumbline.connect.place import plain
from plumbline.connect.sql_quoting import ident, literal_path, text
from plumbline.contract.errors import SetupError

if TYPE_CHECKING:
    import duckdb
    from pyiceberg.manifest import DataFile
    from pyiceberg.schema import Schema
    from pyiceberg.table import FileScanTask, Table
    from pyiceberg.types import NestedField

_FILE = "plumbline_file"


@dataclass(frozen=True)
class IcebergFiles:
    """The files of `tasks`, to be read in `schema`."""

    table: Table
    schema: Schema
    tasks: Sequence[FileScanTask]

    @property
    def readable_by_duckdb(self) -> bool:
        """Whether `sql` gives the right rows: local Parquet that can be read by field ids, or by names that never
        changed. What else there is only PyIceberg resolves (Iceberg spec, "Column Projection"): a name mapping for
        files without ids, changes within nested columns, a partition's value for a column that a file lacks.

        Of delete files, DuckDB can apply those that list positions, not the deletion vectors of version 3.
        """
        files = [task.file for task in self.tasks] + self._delete_files()
        local = all(urlsplit(file.file_path).scheme in ("", "file") for file in files)
        parquet = all(str(file.file_format.value).lower() == "parquet" for file in files)
        if not (local and parquet) or any(self._of_partition(task.file) for task in self.tasks):
            return False
        if self._never_changed():
            return self.table.name_mapping() is None or not any(self._lacking(task.file) for task in self.tasks)
        return self._flat() and self.table.name_mapping() is None

    def refuse_without_ids(self, con: duckdb.DuckDBPyConnection) -> None:
        """Raise SetupError for a file that is to be read by field ids and has none: DuckDB would give NULLs."""
        if self._never_changed():
            return
        listed = ", ".join(text(literal_path(path)) for path in self._paths())
        found = con.execute(
            f"SELECT file_name FROM parquet_schema([{listed}]) GROUP BY file_name HAVING count(field_id) = 0 LIMIT 1"
        ).fetchall()
        for (file,) in found:
            raise SetupError(
                f"the table's schema has changed, and its file {file} has no field ids to find the columns by",
                where=".".join(self.table.name()),
                next_step="set the table property schema.name-mapping.default, or write the file again",
            )

    def sql(self) -> str:
        """A query of the rows, without those that are deleted."""
        names = ", ".join(map(_selected, self.schema.fields))
        options: list[str] = []
        if not self._never_changed():
            options.append(f"schema = MAP {{{self._fields_by_id()}}}")
        deletes = [plain(file.file_path) for file in self._delete_files()]
        if not deletes:
            return f"SELECT {names} FROM {parquet_rows(self._paths(), *options)}"
        options += [f"filename = {_FILE}", "file_row_number = true"]
        return f"""
            SELECT {names} FROM {parquet_rows(self._paths(), *options)} AS rows
            ANTI JOIN (
                SELECT '/' || ltrim(regexp_replace(file_path, '^file:', ''), '/') AS path, pos
                FROM {parquet_rows(deletes)}
            ) AS deleted ON rows.{_FILE} = deleted.path AND rows.file_row_number = deleted.pos
        """

    def _paths(self) -> list[str]:
        return [plain(task.file.file_path) for task in self.tasks]

    def _delete_files(self) -> list[DataFile]:
        """The files of deleted positions, each once. PyIceberg refuses those of deleted values (equality deletes)."""
        return list({file.file_path: file for task in self.tasks for file in task.delete_files}.values())

    def _never_changed(self) -> bool:
        """Whether every file has the columns of the one schema that there ever was, under the names of today.

        Old schemas may have been removed: ids that are in none tell of them. A schema with a default is one that grew.
        """
        metadata = self.table.metadata
        schema = self.table.schema()
        first = len(metadata.schemas) == 1 and schema.schema_id == 0
        defaults = any(field.initial_default is not None for field in schema.fields)
        unknown = any(is_unknown(field.field_type) for field in schema.fields)
        return first and not defaults and not unknown and metadata.last_column_id == max(schema.field_ids)

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

    def _fields_by_id(self) -> str:
        fields = [field for field in self.schema.fields if not is_unknown(field.field_type)]
        return ", ".join(
            f"{field.field_id}: {{name: {text(field.name)}, type: {text(duckdb_type(field.field_type))}, "
            f"default_value: {_default(field)}}}"
            for field in fields
        )


def _selected(field: NestedField) -> str:
    name = ident(field.name)
    if is_unknown(field.field_type):  # "must be null for all rows", and is in no file
        return f"CAST(NULL AS {duckdb_type(field.field_type)}) AS {name}"
    return f"CAST({name} AS BLOB) AS {name}" if is_shape(field.field_type) else name


def _default(field: NestedField) -> str:
    """SQL of the value of a column in files that are older than the column (Iceberg spec, "Default values")."""
    value: Any = field.initial_default
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return text("".join(f"\\x{byte:02X}" for byte in value))
    return text(value.isoformat(" ") if isinstance(value, dt.datetime) else str(value))
