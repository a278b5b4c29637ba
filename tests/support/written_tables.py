"""Iceberg tables whose every commit is written here, manifest by manifest: appends, rewrites, deletes of both formats.

No writer of a library is asked, so that a test decides which file holds which row, in which order, and which commit
took it away.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.manifest import (
    DataFile,
    DataFileContent,
    FileFormat,
    ManifestEntry,
    ManifestEntryStatus,
    ManifestFile,
    ManifestWriterV2,
    write_manifest_list,
)
from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.typedef import Record
from pyiceberg.types import LongType, NestedField, StructType

from plumbline.connect.lake import Lake
from tests.support.table_versions import DeleteManifest, puffin_of

FLAT = Schema(
    NestedField(1, "kafka_partition", LongType()),
    NestedField(2, "kafka_offset", LongType()),
)
NESTED = Schema(
    NestedField(9, "_kafka", StructType(NestedField(1, "partition", LongType()), NestedField(2, "offset", LongType())))
)
Place = tuple[int | None, int | None]
"""Kafka partition and offset."""


@dataclass(frozen=True)
class File:
    """A data file, or a file of deletes with its `content`."""

    path: str
    rows: int
    data_file: DataFile = field(compare=False, repr=False)
    added_by: int = 0
    sequence: int = 0


@dataclass
class WrittenTable:
    """A table of coordinates at format version 2 or 3; `publish` registers what the commits so far have made."""

    lake: Lake
    name: str
    schema: Schema
    version: int = 2
    first_id: int = 1000
    table: Table = field(init=False)
    snapshots: list[dict[str, Any]] = field(default_factory=list)
    manifests: dict[int, list[ManifestFile]] = field(default_factory=dict)
    live: dict[int, list[File]] = field(default_factory=dict)
    deletes: dict[int, list[File]] = field(default_factory=dict)
    current: int | None = None
    _numbers: Any = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        self.lake.catalog().create_namespace_if_not_exists(self.name.partition(".")[0])
        self.table = self.lake.catalog().create_table(
            self.name, self.schema, properties={"format-version": "2"}, partition_spec=UNPARTITIONED_PARTITION_SPEC
        )
        self.folder = Path(self.table.location().removeprefix("file://"))
        for name in ("data", "metadata"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)

    def file(self, rows: Sequence[Place], *, bounds: bool = True) -> File:
        """A data file with these rows in this order; not committed yet."""
        path = self.folder / "data" / f"{next(self._numbers):05d}.parquet"
        columns = [pa.array([row[n] for row in rows], pa.int64()) for n in (0, 1)]
        names = ("partition", "offset") if self.schema is NESTED else ("kafka_partition", "kafka_offset")
        fields = [pa.field(name, pa.int64(), metadata=self._id(f"{self._prefix}{name}")) for name in names]
        table = pa.table(columns, pa.schema(fields))
        if self.schema is NESTED:
            inner = pa.StructArray.from_arrays(columns, fields=fields)
            table = pa.table([inner], pa.schema([pa.field("_kafka", inner.type, metadata=self._id("_kafka"))]))
        pq.write_table(table, path, row_group_size=7)
        known = [row[1] for row in rows if row[1] is not None]
        number = self.table.schema().find_field(f"{self._prefix}{names[1]}").field_id
        edges = {"lower_bounds": min, "upper_bounds": max} if bounds and known else {}
        edges = {name: {number: struct.pack("<q", edge(known))} for name, edge in edges.items()}
        return File(str(path), len(rows), self._data_file(path, DataFileContent.DATA, len(rows), **edges))

    @property
    def _prefix(self) -> str:
        return "_kafka." if self.schema is NESTED else ""

    def _id(self, column: str) -> dict[str, str]:
        return {"PARQUET:field_id": str(self.table.schema().find_field(column).field_id)}

    def position_deletes(self, deleted: dict[str, list[int]]) -> list[File]:
        """Files that delete positions of data files: one of all (version 2), or a vector for each (version 3)."""
        if self.version == 3:
            return [self._vector(path, positions) for path, positions in deleted.items()]
        path = self.folder / "data" / f"{next(self._numbers):05d}-deletes.parquet"
        rows = sorted((f"file://{data}", pos) for data, positions in deleted.items() for pos in positions)
        pq.write_table(pa.table({"file_path": [r[0] for r in rows], "pos": pa.array([r[1] for r in rows])}), path)
        return [File(str(path), len(rows), self._data_file(path, DataFileContent.POSITION_DELETES, len(rows)))]

    def equality_deletes(self, deleted: Sequence[Place]) -> File:
        """A file that deletes all older rows with these coordinates (of a FLAT table)."""
        file = self.file(deleted)
        facts = {"equality_ids": [1, 2]}
        part = self._data_file(Path(file.path), DataFileContent.EQUALITY_DELETES, len(deleted), **facts)
        return File(file.path, len(deleted), part)

    def _vector(self, data_path: str, positions: list[int]) -> File:
        path = self.folder / "data" / f"{next(self._numbers):05d}.puffin"
        puffin, _, _ = puffin_of(f"file://{data_path}", positions, 1)
        path.write_bytes(puffin)
        file = self._data_file(path, DataFileContent.POSITION_DELETES, len(positions), kind=FileFormat.PUFFIN)
        return File(str(path), len(positions), file)

    def _data_file(
        self, path: Path, content: DataFileContent, rows: int, kind: FileFormat = FileFormat.PARQUET, **facts: Any
    ) -> DataFile:
        return DataFile.from_args(
            content=content, file_path=f"file://{path}", file_format=kind, partition=Record(),
            record_count=rows, file_size_in_bytes=path.stat().st_size, spec_id=0, **facts,
        )  # fmt: skip

    def commit(
        self,
        operation: str,
        add: Sequence[File] = (),
        remove: Sequence[File] = (),
        delete: Sequence[File] = (),
        undelete: Sequence[File] = (),
    ) -> int:
        """One commit on top of the current snapshot: its id. `delete` adds files of deletes, `undelete` drops some."""
        snapshot_id, sequence, parent = self.first_id + len(self.snapshots), len(self.snapshots) + 1, self.current
        live = list(self.live.get(parent, []) if parent else [])
        deletes = list(self.deletes.get(parent, []) if parent else [])
        kept = [file for file in live if file not in remove]
        kept_deletes = [file for file in deletes if file not in undelete]
        new = [File(f.path, f.rows, f.data_file, snapshot_id, sequence) for f in add]
        new_deletes = [File(f.path, f.rows, f.data_file, snapshot_id, sequence) for f in delete]
        if parent and not remove and not delete and not undelete:
            listed = [*self.manifests[parent], *self._manifest(snapshot_id, new, [], [])]
        else:
            gone = [file for file in live if file in remove]
            listed = [
                *self._manifest(snapshot_id, new, kept, gone),
                *self._manifest(snapshot_id, new_deletes, kept_deletes, [], deletes=True),
            ]
        self.manifests[snapshot_id] = listed
        self.live[snapshot_id], self.deletes[snapshot_id] = kept + new, kept_deletes + new_deletes
        path = self.folder / "metadata" / f"snap-{snapshot_id}-{uuid4()}.avro"
        with write_manifest_list(2, self._output(path), snapshot_id, parent, sequence, "null") as manifest_list:
            manifest_list.add_manifests(listed)
        told = {
            "snapshot-id": snapshot_id, "sequence-number": sequence,
            "timestamp-ms": 1_700_000_000_000 + 60_000 * sequence,
            "manifest-list": f"file://{path}", "summary": {"operation": operation}, "schema-id": 0,
        }  # fmt: skip
        self.snapshots.append(told | ({"parent-snapshot-id": parent} if parent else {}))
        self.current = snapshot_id
        return snapshot_id

    def _manifest(
        self, snapshot_id: int, new: list[File], kept: list[File], gone: list[File], *, deletes: bool = False
    ) -> list[ManifestFile]:
        if not new and not kept and not gone:
            return []
        output = self._output(self.folder / "metadata" / f"{uuid4()}-m0.avro")
        writer = DeleteManifest if deletes else ManifestWriterV2
        with writer(self.table.spec(), self.table.schema(), output, snapshot_id, "null") as manifest:
            for files, status in (
                (new, ManifestEntryStatus.ADDED),
                (kept, ManifestEntryStatus.EXISTING),
                (gone, ManifestEntryStatus.DELETED),
            ):
                for file in files:
                    by = snapshot_id if status is ManifestEntryStatus.DELETED else file.added_by
                    entry = ManifestEntry.from_args(
                        status=status, snapshot_id=by, sequence_number=file.sequence,
                        file_sequence_number=file.sequence, data_file=file.data_file,
                    )  # fmt: skip
                    manifest.add_entry(entry)
        return [manifest.to_manifest_file()]

    def publish(self, expired: int = 0) -> None:
        """Register the table as it is now, without the metadata of the `expired` oldest snapshots."""
        path = Path(self.table.metadata_location.removeprefix("file://"))
        metadata: dict[str, Any] = json.loads(path.read_text())
        kept = self.snapshots[expired:]
        metadata |= {
            "format-version": self.version, "snapshots": kept, "snapshot-log": [],
            "current-snapshot-id": self.current, "last-sequence-number": len(self.snapshots),
            "refs": {"main": {"snapshot-id": self.current, "type": "branch"}},
            "last-updated-ms": 1_800_000_000_000,
        }  # fmt: skip
        if self.version == 3:
            metadata["next-row-id"] = 1_000_000
            for number, snapshot in enumerate(kept):
                snapshot |= {"first-row-id": number, "added-rows": 0}
        new = path.with_name(f"99999-{uuid4().hex}.metadata.json")
        new.write_text(json.dumps(metadata))
        self.lake.catalog().drop_table(self.name)
        self.lake.catalog().register_table(self.name, f"file://{new}")

    def _output(self, path: Path) -> Any:
        return self.table.io.new_output(f"file://{path}")
