"""Which data files a scan of an Iceberg snapshot reads, and which delete files apply to them (Iceberg spec, "Scan
Planning")."""

from __future__ import annotations

import hashlib
import threading
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from plumbline.connect.delete_files import DeleteFile, delete_files, values_of
from plumbline.connect.file_formats import refuse_unread_files
from plumbline.connect.manifests import chosen, is_of_deletes, manifests_of
from plumbline.contract.errors import SetupError

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.partitioning import PartitionSpec
    from pyiceberg.table import DataScan, Table
    from pyiceberg.table.metadata import TableMetadata
    from pyiceberg.table.snapshots import Snapshot

Scope = tuple[int, tuple[Any, ...]] | None
"""Partition spec and partition in which equality deletes apply; None: in the whole table."""


@dataclass(frozen=True)
class Values:
    """Equality deletes by the same columns (field ids) in the same scope: the files, oldest first."""

    ids: tuple[int, ...]
    scope: Scope
    files: tuple[DeleteFile, ...]

    @cached_property
    def _digests(self) -> tuple[str, ...]:
        """Of each file and all newer ones."""
        made: list[str] = []
        for file in reversed(self.files):
            told = f"{file.path} {file.rows} {file.sequence} {made[-1] if made else ''}"
            made.append(hashlib.sha256(told.encode()).hexdigest())
        return tuple(reversed(made))

    def told(self, sequence: int) -> str:
        """A digest of those that apply to a data file with that sequence number: the strictly newer ones."""
        return f"{self.ids} {self._digests[bisect_left(self.files, sequence + 1, key=lambda file: file.sequence)]}"


@dataclass(frozen=True)
class Planned:
    """One data file as its manifest has it; `sequence` is its data sequence number.

    `positions` are the files of deleted positions that may name it, or its one deletion vector.
    """

    file: DataFile
    sequence: int = 0
    positions: tuple[DeleteFile, ...] = ()
    values: tuple[Values, ...] = field(default=(), compare=False, repr=False)

    @property
    def touched(self) -> bool:
        """Whether delete files may take rows of it away."""
        return bool(self.positions or self.values)


_KEPT: dict[tuple[int, int, str], tuple[TableMetadata, list[Planned]]] = {}
_KEEPING = threading.Lock()
_MOST_KEPT, _MOST_FILES = 16, 2_000
"""Plans, and files of a plan, that are kept in memory; some KB a file."""


def plan_files(scan: DataScan, identifier: str) -> list[Planned]:
    """The data files of the scan with their delete files. Raises SetupError for files of other formats than Parquet.

    What a snapshot holds never changes: a reconcile asks for the same files of it several times, and gets one plan.
    """
    snapshot, metadata = scan.snapshot(), scan.table_metadata
    if snapshot is None:
        return []
    asked = (id(metadata), snapshot.snapshot_id, str(scan.row_filter))  # an id that lasts: the metadata is kept too
    kept = _KEPT.get(asked)
    if kept is None:
        kept = metadata, _planned(scan, snapshot, identifier)
        if len(kept[1]) <= _MOST_FILES:
            with _KEEPING:
                _KEPT[asked] = kept
                if len(_KEPT) > _MOST_KEPT:
                    _KEPT.pop(next(iter(_KEPT)))
    return list(kept[1])


def _planned(scan: DataScan, snapshot: Snapshot, identifier: str) -> list[Planned]:
    """The plan, made anew, and here: PyIceberg refuses equality deletes, and leaves out a delete file whose columns'
    bounds lie outside the row filter, though another of its columns is what it deletes by."""
    manifests = manifests_of(snapshot, scan.io)
    index = _Index(delete_files(scan.io, filter(is_of_deletes, manifests)), scan.table_metadata.specs())
    found = chosen(scan, [manifest for manifest in manifests if not is_of_deletes(manifest)])
    planned = [index.applied(entry.data_file, int(entry.sequence_number or 0)) for entry in found]
    refuse_unread_files((one.file for one in planned), identifier)
    refuse_unread_files((file.data_file for file in applied(planned)), identifier)
    return planned


def applied(planned: Iterable[Planned]) -> list[DeleteFile]:
    """The delete files of all these data files, each once."""
    found: dict[int, DeleteFile] = {}
    values: dict[int, Values] = {}
    for one in planned:
        found.update((id(file), file) for file in one.positions)
        values.update((id(each), each) for each in one.values)
    found.update((id(file), file) for one in values.values() for file in one.files)
    return list(found.values())


def _scope(spec_id: int, partition: tuple[Any, ...]) -> Scope:
    """A partition, so that equal is what Iceberg takes for equal: NaN and NaN, and not 0.0 and -0.0."""
    return spec_id, tuple(repr(value) if isinstance(value, float) else value for value in partition)


class _Index:
    """The delete files of a snapshot, by what they may apply to."""

    def __init__(self, found: Iterable[DeleteFile], specs: Mapping[int, PartitionSpec]) -> None:
        self._vectors: dict[str, DeleteFile] = {}
        self._named: dict[str, list[DeleteFile]] = defaultdict(list)
        self._in_partition: dict[Scope, list[DeleteFile]] = defaultdict(list)
        values: dict[tuple[tuple[int, ...], Scope], list[DeleteFile]] = defaultdict(list)
        for file in found:
            if file.ids:
                everywhere = is_unpartitioned(specs[file.spec_id])
                values[file.ids, None if everywhere else _scope(file.spec_id, file.partition)].append(file)
            elif file.is_vector and file.of is not None:
                self._vectors[file.of] = file
            elif file.of is not None:
                self._named[file.of].append(file)
            else:
                self._in_partition[_scope(file.spec_id, file.partition)].append(file)
        self._values: dict[Scope, list[Values]] = defaultdict(list)
        for (ids, scope), files in values.items():
            ordered = tuple(sorted(files, key=lambda file: (file.sequence, file.path)))
            self._values[scope].append(Values(ids, scope, ordered))

    def applied(self, file: DataFile, sequence: int) -> Planned:
        """The data file with what applies to it."""
        path = file.file_path
        scope = _scope(int(file.spec_id or 0), values_of(file.partition))
        vector = self._vectors.get(path)
        if vector is not None and vector.sequence >= sequence:
            positions: tuple[DeleteFile, ...] = (vector,)  # it holds what earlier files of positions delete
        else:
            may = (*self._named.get(path, ()), *self._in_partition.get(scope, ()))
            positions = tuple(one for one in may if one.sequence >= sequence and one.may_name(path))
        of_scope = (*self._values.get(None, ()), *self._values.get(scope, ()))
        values = tuple(one for one in of_scope if one.files[-1].sequence > sequence)
        return Planned(file, sequence, positions, values)


def refuse_equality_deletes(table: Table, what: str) -> None:
    """Raise SetupError for a table with equality deletes, in which `what`, a commit of PyIceberg's, would write rows
    again that are deleted: it does not read those deletes."""
    snapshot = table.current_snapshot()
    manifests = manifests_of(snapshot, table.io) if snapshot else ()
    for file in delete_files(table.io, filter(is_of_deletes, manifests)):
        if file.ids:
            name = ".".join(table.name())
            raise SetupError(
                f"{what} is a commit by PyIceberg, which does not read equality deletes; {name} has some",
                where=file.path,
                next_step=f"apply them first: CALL system.rewrite_data_files(table => '{name}', options => "
                "map('delete-file-threshold', '1'))",
            )


def refuse_float_partitions(table: Table, what: str) -> None:
    """Raise SetupError for a table that is partitioned by a floating-point number, to which `what`, a commit of
    PyIceberg's (0.12), would write rows with 0.0 and -0.0 twice, and none with NaN."""
    from pyiceberg.transforms import VoidTransform
    from pyiceberg.types import DoubleType, FloatType

    for part in table.spec().fields:
        if isinstance(part.transform, VoidTransform):  # its column may be gone
            continue
        source = table.schema().find_field(part.source_id)
        if isinstance(source.field_type, FloatType | DoubleType):
            name = ".".join(table.name())
            raise SetupError(
                f"{what} is a commit by PyIceberg, which writes some rows twice that are partitioned by the"
                f" floating-point column {source.name!r}",
                where=name,
                next_step=f"partition it otherwise first: ALTER TABLE {name} DROP PARTITION FIELD {part.name}",
            )


def is_unpartitioned(spec: PartitionSpec) -> bool:
    """Whether files of the spec are in no partition: without fields, or with dropped ones only (version 1)."""
    from pyiceberg.transforms import VoidTransform

    return all(isinstance(one.transform, VoidTransform) for one in spec.fields)
