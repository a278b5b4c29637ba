"""Data files without field ids, as those of a Hive or Spark table that Iceberg took over: columns go by their names."""

from __future__ import annotations

from collections.abc import Iterator
from functools import wraps
from typing import TYPE_CHECKING, Any

from plumbline.connect.parquet import believed

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.schema import Schema
    from pyiceberg.table import Table


_PATHS: dict[tuple[str, int], dict[str, int | None]] = {}
_MOST_KEPT = 10_000
"""Files whose names are kept in memory: a reconcile asks for them in each scan, and no data file is written twice."""


def has_names(table: Table, file: DataFile, schema: Schema) -> bool:
    """Whether a Parquet file calls every column of `schema`, and what is in it, as the schema does, and has no other
    field ids: those count more than names (Iceberg spec, "Column Projection"). Raises OSError.
    """
    place = file.file_path, file.file_size_in_bytes
    found = _PATHS.get(place)
    if found is None:
        if len(_PATHS) >= _MOST_KEPT:
            _PATHS.clear()
        found = _PATHS[place] = _paths(table, file)
    alone = len({path.lower() for path in found}) == len(found)
    ours = all(found.get(field.name) in (None, field.field_id) for field in schema.fields)
    leaves = (leaf for field in schema.fields for leaf in _leaves(field.name, field.field_type))
    return alone and ours and all(leaf in found for leaf in leaves)


def _paths(table: Table, file: DataFile) -> dict[str, int | None]:
    """The paths of what holds values in the file, and the field ids of columns that are not nested, if it has any; none
    of a file by whose statistics DuckDB might skip rows."""
    import pyarrow.parquet as pq

    with table.io.new_input(file.file_path).open() as stream:
        notes = pq.ParquetFile(stream).metadata
    columns = notes.schema
    if not believed(notes):
        return {}
    told = {field.name: (field.metadata or {}).get(b"PARQUET:field_id") for field in columns.to_arrow_schema()}
    ids = {name: int(id) if id is not None else None for name, id in told.items()}
    return {path: ids.get(path) for place in range(len(columns)) if (path := columns.column(place).path)}


def _leaves(path: str, kind: Any) -> Iterator[str]:
    """The paths of what holds values, as Parquet spells them ("Nested Types")."""
    from pyiceberg.types import ListType, MapType, StructType

    if isinstance(kind, StructType):
        for field in kind.fields:
            yield from _leaves(f"{path}.{field.name}", field.field_type)
    elif isinstance(kind, ListType):
        yield from _leaves(f"{path}.list.element", kind.element_type)
    elif isinstance(kind, MapType):
        yield from _leaves(f"{path}.key_value.key", kind.key_type)
        yield from _leaves(f"{path}.key_value.value", kind.value_type)
    else:
        yield path


def keep_far_times() -> None:
    """Let PyIceberg read INT96, in which Spark and Hive write times by default, in microseconds; again is the same.

    Up to 0.12.0 it takes Arrow's nanoseconds, which end in 2262: 9999-12-31 became 1816-03-29 without an error.
    """
    from pyiceberg.io import pyarrow as reader
    from pyiceberg.manifest import FileFormat

    given: Any = reader._get_file_format
    if hasattr(given, "keeps_far_times"):
        return

    @wraps(given)
    def told(file_format: FileFormat, **options: Any) -> Any:
        if file_format == FileFormat.PARQUET:
            options["coerce_int96_timestamp_unit"] = "us"
        return given(file_format, **options)

    told.keeps_far_times = True  # type: ignore[attr-defined]
    reader._get_file_format = told  # type: ignore[assignment]
