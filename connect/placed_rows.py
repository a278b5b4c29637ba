"""The rows of single files of an Iceberg table with their places in the file, as PyIceberg or DuckDB reads them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING

from plumbline.connect.deleted_rows import registered
from plumbline.connect.iceberg_files import POSITION, IcebergFiles
from plumbline.connect.iceberg_types import is_shape
from plumbline.connect.mapped_files import keep_far_times

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa
    from pyiceberg.manifest import DataFile
    from pyiceberg.schema import Schema
    from pyiceberg.table import DataScan, Table
    from pyiceberg.types import NestedField


def batches_of(
    plan: DataScan, schema: Schema, file: DataFile, *, whole: bool
) -> Iterator[pa.RecordBatch | pa.RecordBatchReader]:
    """The rows of one file as PyIceberg reads it: those of the filter, in one reader; or all, with their POSITION.

    At least one batch comes, which may be empty.
    """
    import pyarrow as pa
    from pyiceberg.expressions import AlwaysTrue
    from pyiceberg.table import FileScanTask
    from pyiceberg.table import _to_arrow_batch_reader_via_file_scan_tasks as read

    keep_far_times()
    scan = plan.update(row_filter=AlwaysTrue()) if whole else plan
    reader = read(scan, _as_wkb(schema), [FileScanTask(file)])
    if not whole:
        yield reader
        return
    at = 0
    for batch in chain([pa.RecordBatch.from_pylist([], reader.schema)], reader):
        yield batch.append_column(POSITION, pa.array(range(at, at + len(batch)), pa.int64()))
        at += len(batch)


def placed_rows(
    con: duckdb.DuckDBPyConnection, table: Table, file: DataFile, fields: Sequence[NestedField]
) -> Iterator[str]:
    """Relations of SQL that hold all rows of a data or delete file, deleted or not: POSITION, and the fields as k0, k1,
    and so on. Each is there until the next one is asked for."""
    from pyiceberg.schema import Schema

    from plumbline.connect.table_plan import Planned

    schema = Schema(*(one.model_copy(update={"name": f"k{n}", "required": False}) for n, one in enumerate(fields)))
    files = IcebergFiles(table, schema, [Planned(file)])
    if files.readable_by_duckdb and not files.hides_places:
        files.reach(con)
        yield files.placed(fields)
        return
    for batch in batches_of(table.scan(), schema, file, whole=True):
        with registered(con, batch) as name:
            yield name


def _as_wkb(schema: Schema) -> Schema:
    """The schema with geometries and geographies as the bytes that they are: PyIceberg refuses files that say so."""
    from pyiceberg.schema import Schema
    from pyiceberg.types import BinaryType

    fields = (f.model_copy(update={"field_type": BinaryType()}) if is_shape(f.field_type) else f for f in schema.fields)
    return Schema(*fields, schema_id=schema.schema_id)
