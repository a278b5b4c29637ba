"""The Kafka coordinates of a data file's rows, batch by batch, whatever else the file holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from plumbline.contract.errors import SetupError

if TYPE_CHECKING:
    import pyarrow.parquet as pq
    from pyiceberg.table import Table

    from plumbline.reconcile.audit.columns import Column, Coordinates
    from plumbline.reconcile.audit.entries import Entry

AT_ONCE = 1 << 18
"""Rows in memory at once: two columns, and as much again to sort them."""


@dataclass(frozen=True)
class Batch:
    """Rows of a file from row number `start` on; columns as Arrow arrays: int64, int64, text (None: no such column)."""

    start: int
    partition: pa.Array
    offset: pa.Array
    topic: pa.Array | None

    def __len__(self) -> int:
        return len(self.offset)

    def placed(self) -> npt.NDArray[np.bool_]:
        """Which rows have every coordinate."""
        columns = [self.partition, self.offset, *([] if self.topic is None else [self.topic])]
        known = [np.asarray(column.is_valid()) for column in columns]
        placed: npt.NDArray[np.bool_] = np.logical_and.reduce(known)
        return placed


class Unreadable(Exception):
    """A data file that is gone, or is no Parquet file."""


def batches(table: Table, entry: Entry, where: Coordinates) -> Iterator[Batch]:
    """All rows of the file in order, deleted ones too. Raises Unreadable."""
    import pyarrow.parquet as pq

    try:
        if entry.kind != "PARQUET":
            raise Unreadable(f"it is of {entry.kind}")
        with table.io.new_input(entry.path).open() as stream:
            file = pq.ParquetFile(stream)
            paths = {column.ids: _path_in(table, file, column) for column in where.columns}
            wanted = [".".join(path) for path in paths.values() if path]
            start = 0
            for size, read in _read(file, wanted):
                topic = None if where.topic is None else _values(table, entry, where.topic, paths, read, size)
                partition, offset = (
                    _values(table, entry, column, paths, read, size) for column in (where.partition, where.offset)
                )
                yield Batch(start, partition, offset, topic)
                start += size
    except (OSError, pa.ArrowException, ValueError) as error:
        raise Unreadable((str(error).strip() or type(error).__name__).splitlines()[0]) from None


def unreadable(table: str, entry: Entry, error: Unreadable) -> SetupError:
    """The error for a file that the audited snapshot needs."""
    return SetupError(
        f"a data file of {table} is unreadable: {error}",
        where=entry.path,
        next_step="bring the file back, or audit an older snapshot with --snapshot",
    )


def _read(file: pq.ParquetFile, wanted: list[str]) -> Iterator[tuple[int, pa.RecordBatch | None]]:
    """(rows, batch); of a file that has none of the columns, only how many rows it has."""
    if not wanted:
        left = file.metadata.num_rows
        while left > 0:
            yield min(left, AT_ONCE), None
            left -= AT_ONCE
        return
    for batch in file.iter_batches(AT_ONCE, columns=wanted):
        yield batch.num_rows, batch


def _path_in(table: Table, file: pq.ParquetFile, column: Column) -> tuple[str, ...] | None:
    """The names under which the file has the column; None: it has not (Iceberg spec, "Column Projection")."""
    path: list[str] = []
    inside: Any = list(file.schema_arrow)
    for depth, (name, field_id) in enumerate(zip(column.path, column.ids, strict=True)):
        found = [field for field in inside if _id_of(field) == field_id]
        if not found and not any(_id_of(field) is not None for field in inside):
            known = _mapped(table, column.ids[: depth + 1]) or {name}
            found = [field for field in inside if field.name in known]
        if not found:
            return None
        path.append(found[0].name)
        inside = list(found[0].type) if pa.types.is_struct(found[0].type) else []
    return tuple(path)


def _id_of(field: pa.Field) -> int | None:
    raw = (field.metadata or {}).get(b"PARQUET:field_id")
    return None if raw is None else int(raw)


def _mapped(table: Table, ids: tuple[int, ...]) -> set[str]:
    """The names of a field in files without field ids, as the table's name mapping has them."""
    mapping = table.name_mapping()
    fields: Any = mapping.root if mapping is not None else []
    names: set[str] = set()
    for field_id in ids:
        found = next((field for field in fields if field.field_id == field_id), None)
        names, fields = (set(found.names), found.fields) if found is not None else (set(), [])
    return names


def _values(
    table: Table, entry: Entry, column: Column, paths: dict[Any, Any], read: pa.RecordBatch | None, size: int
) -> pa.Array:
    kind = pa.string() if column.kind == "string" else pa.int64()
    path = paths[column.ids]
    if path is None or read is None:
        return pa.array([_instead(table, entry, column)], kind).take(pa.array(np.zeros(size, np.int32)))
    values: Any = read.column(path[0])
    for name in path[1:]:
        values = pc.struct_field(values, name)
    return values.cast(kind)


def _instead(table: Table, entry: Entry, column: Column) -> Any:
    """The value of a column that the file has not: its partition's, the column's default, or NULL."""
    from pyiceberg.transforms import IdentityTransform

    for place, field in enumerate(table.specs()[entry.spec_id].fields):
        if field.source_id == column.ids[-1] and isinstance(field.transform, IdentityTransform):
            return entry.partition[place]
    return column.default
