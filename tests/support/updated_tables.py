"""Iceberg tables whose rows are updated, each commit written here: data files, position deletes, deletion vectors and
equality deletes, under any schema and partition spec that the table has had.

No writer of a library is asked, so that a test decides which file deletes which rows, in which commit, and under which
sequence number. `tests.support.written_tables` does the same for tables of Kafka coordinates, without equality deletes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count, groupby
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.avro.file import AvroOutputFile
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.manifest import (
    DataFile,
    DataFileContent,
    FileFormat,
    ManifestContent,
    ManifestEntry,
    ManifestEntryStatus,
    ManifestFile,
    ManifestWriterV2,
    write_manifest_list,
)
from pyiceberg.partitioning import UNPARTITIONED_PARTITION_SPEC, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.typedef import Record
from pyiceberg.types import NestedField

from plumbline.connect.delete_files import PATH_ID, values_of
from plumbline.connect.lake import Lake
from tests.support.table_versions import puffin_of

Rows = Sequence[Mapping[str, Any]] | pa.Table


@dataclass(frozen=True)
class Part:
    """A file that is not committed yet or is live: data, or deletes of a `content`. `sequence` 0: not committed."""

    path: str
    spec: PartitionSpec
    data_file: DataFile = field(compare=False, repr=False)
    sequence: int = 0
    added_by: int = 0

    @property
    def vector_of(self) -> str | None:
        """The data file of a deletion vector."""
        return self.data_file[17] if self.data_file.file_format == FileFormat.PUFFIN else None

    @property
    def is_data(self) -> bool:
        return self.data_file.content == DataFileContent.DATA


class _Manifest(ManifestWriterV2):
    """A manifest of data or of deletes, in version 2 or 3."""

    def __init__(self, deletes: bool, version: Literal[2, 3], *told: Any) -> None:
        super().__init__(*told)
        self._deletes, self._version = deletes, version

    def content(self) -> ManifestContent:
        return ManifestContent.DELETES if self._deletes else ManifestContent.DATA

    @property
    def version(self) -> Any:
        return self._version

    @property
    def _meta(self) -> dict[str, str]:
        return {**super()._meta, "content": "deletes" if self._deletes else "data"}

    def new_writer(self) -> AvroOutputFile[ManifestEntry]:
        return AvroOutputFile[ManifestEntry](
            output_file=self._output_file,
            file_schema=_with_int_ids(self._with_partition(self._version)),
            record_schema=_with_int_ids(self._with_partition(3)),
            schema_name="manifest_entry",
            metadata=self._meta,
        )


def _with_int_ids(schema: Schema) -> Schema:
    """The schema of a manifest with `equality_ids` as the spec has them and Java reads them, ints: PyIceberg 0.12 says
    long."""
    told: dict[str, Any] = json.loads(schema.model_dump_json())
    [entry] = [one["type"] for one in told["fields"] if one["name"] == "data_file"]
    for one in entry["fields"]:
        if one["name"] == "equality_ids":
            one["type"]["element"] = "int"
    return Schema.model_validate(told)


@dataclass
class UpdatedTable:
    """A table of `schema` and `spec`, of format version 2 or 3; `publish` registers what the commits have made."""

    lake: Lake
    name: str
    schema: Schema
    spec: PartitionSpec = UNPARTITIONED_PARTITION_SPEC
    version: Literal[2, 3] = 2
    table: Table = field(init=False)
    schemas: list[Schema] = field(default_factory=list)
    specs: list[PartitionSpec] = field(default_factory=list)
    live: list[Part] = field(default_factory=list)
    snapshots: list[dict[str, Any]] = field(default_factory=list)
    properties: dict[str, str] = field(default_factory=dict)
    _numbers: Any = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        catalog = self.lake.catalog()
        catalog.create_namespace_if_not_exists(self.name.partition(".")[0])
        self.table = catalog.create_table(self.name, Schema(), properties={"format-version": "2"})
        self.folder = Path(self.table.location().removeprefix("file://"))
        for name in ("data", "metadata"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self.schemas, self.specs = [self.schema], [self.spec]

    def evolve(self, *fields: NestedField) -> None:
        """The table's columns from now on."""
        self.schema = Schema(*fields, schema_id=len(self.schemas))
        self.schemas.append(self.schema)

    def partition(self, spec: PartitionSpec) -> None:
        """How files are partitioned from now on."""
        self.spec = spec
        if spec.spec_id not in [known.spec_id for known in self.specs]:
            self.specs.append(spec)

    def data(self, rows: Rows, *partition: Any, lacking: Sequence[str] = ()) -> Part:
        """A data file of the rows in this order, in the schema of now, without the columns `lacking`."""
        schema = Schema(*(f for f in self.schema.fields if f.name not in lacking))
        return self._rows(schema, rows, DataFileContent.DATA, self.spec, partition)

    def equality(self, rows: Rows, columns: Sequence[str], *partition: Any, whole: bool = False,
                 spec: PartitionSpec | None = None) -> Part:  # fmt: skip
        """A file that deletes the rows which have these values in `columns`; `whole`: it holds the other columns too,
        as Flink writes it for a stream of changes that is no upsert."""
        ids = [self.schema.find_field(name).field_id for name in columns]
        schema = self.schema if whole else Schema(*(self.schema.find_field(i) for i in ids))
        content = DataFileContent.EQUALITY_DELETES
        return self._rows(schema, rows, content, spec or self.spec, partition, equality_ids=ids)

    def positions(self, deleted: Mapping[Part, Sequence[int]], *, bounds: bool = True) -> list[Part]:
        """Files that delete positions of data files of one partition: one of all, or in version 3 a vector of each.
        `bounds`: the manifest tells the first and the last path."""
        [(spec, partition)] = {(part.spec.spec_id, values_of(part.data_file.partition)) for part in deleted}
        of = next(one for one in self.specs if one.spec_id == spec)
        if self.version == 3:
            return [self._vector(part, positions) for part, positions in deleted.items()]
        rows = sorted((part.data_file.file_path, pos) for part, positions in deleted.items() for pos in positions)
        fields = [pa.field(name, kind, metadata={"PARQUET:field_id": str(number)}) for name, kind, number in (
            ("file_path", pa.string(), PATH_ID), ("pos", pa.int64(), 2147483545))]  # fmt: skip
        path = self._path("deletes.parquet")
        columns = [[row[n] for row in rows] for n in (0, 1)]
        pq.write_table(pa.table(columns, pa.schema(fields)), path)
        edges = {"lower_bounds": {PATH_ID: rows[0][0].encode()}, "upper_bounds": {PATH_ID: rows[-1][0].encode()}}
        return [self._part(path, DataFileContent.POSITION_DELETES, len(rows), of, partition, **edges if bounds else {})]

    def commit(self, add: Sequence[Part] = (), remove: Sequence[Part] = ()) -> int:
        """One commit of files of data and deletes: its snapshot's id."""
        number = len(self.snapshots) + 1
        snapshot_id, parent = 1000 + number, self.snapshots[-1]["snapshot-id"] if self.snapshots else None
        gone = {part.path for part in remove}
        kept = [part for part in self.live if part.path not in gone]
        new = [Part(part.path, part.spec, part.data_file, number, snapshot_id) for part in add]
        self.live = kept + new
        manifests = [m for deletes in (False, True) for m in self._manifests(snapshot_id, self.live, deletes)]
        path = self.folder / "metadata" / f"snap-{snapshot_id}-{uuid4()}.avro"
        with write_manifest_list(2, self._output(path), snapshot_id, parent, number, "null") as listed:
            listed.add_manifests(manifests)
        told = {
            "snapshot-id": snapshot_id, "sequence-number": number, "timestamp-ms": 1_700_000_000_000 + 60_000 * number,
            "manifest-list": f"file://{path}", "summary": {"operation": "overwrite"},
            "schema-id": self.schema.schema_id,
        }  # fmt: skip
        self.snapshots.append(told | ({"parent-snapshot-id": parent} if parent else {}))
        return snapshot_id

    def publish(self) -> Lake:
        """Register the table as it is now."""
        path = Path(self.table.metadata_location.removeprefix("file://"))
        current = self.snapshots[-1]["snapshot-id"] if self.snapshots else None
        metadata: dict[str, Any] = json.loads(path.read_text()) | {
            "format-version": self.version,
            "schemas": [json.loads(schema.model_dump_json()) for schema in self.schemas],
            "current-schema-id": self.schema.schema_id,
            "last-column-id": max(i for schema in self.schemas for i in schema.field_ids),
            "partition-specs": [json.loads(spec.model_dump_json()) for spec in self.specs],
            "default-spec-id": self.spec.spec_id,
            "last-partition-id": max((spec.last_assigned_field_id for spec in self.specs), default=999),
            "snapshots": self.snapshots, "current-snapshot-id": current, "last-sequence-number": len(self.snapshots),
            "snapshot-log": [], "last-updated-ms": 1_800_000_000_000, "properties": self.properties,
            "refs": {"main": {"snapshot-id": current, "type": "branch"}} if current else {},
        }  # fmt: skip
        if self.version == 3:
            metadata["next-row-id"] = 1_000_000
            for number, snapshot in enumerate(self.snapshots):
                snapshot |= {"first-row-id": number, "added-rows": 0}
        new = path.with_name(f"{len(self.snapshots):05d}-{uuid4().hex}.metadata.json")
        new.write_text(json.dumps(metadata))
        self.lake.catalog().drop_table(self.name)
        self.lake.catalog().register_table(self.name, f"file://{new}")
        return self.lake

    def _rows(
        self, schema: Schema, rows: Rows, content: DataFileContent, spec: PartitionSpec, partition: Sequence[Any],
        **told: Any,
    ) -> Part:  # fmt: skip
        arrow = schema_to_pyarrow(schema)
        if isinstance(rows, pa.Table):
            table = rows.select(arrow.names).cast(arrow)
        else:
            table = pa.Table.from_pylist([{name: row.get(name) for name in arrow.names} for row in rows], schema=arrow)
        path = self._path("data.parquet" if content == DataFileContent.DATA else "equality.parquet")
        pq.write_table(table, path, row_group_size=100_000)
        return self._part(path, content, len(rows), spec, partition, **told, **self._metrics(schema, table))

    def _metrics(self, schema: Schema, table: pa.Table) -> dict[str, Any]:
        """What a writer notes of a file's columns: counts, and bounds of numbers and times."""
        from pyiceberg.conversions import to_bytes

        bounds: dict[str, dict[int, bytes]] = {"lower_bounds": {}, "upper_bounds": {}}
        for one in schema.fields:
            column = table[one.name]
            kind: Any = one.field_type
            if str(kind) not in ("int", "long", "timestamptz", "date") or column.null_count == len(column):
                continue
            values = column.cast(pa.int32() if str(kind) in ("int", "date") else pa.int64()).drop_null().to_pylist()
            bounds["lower_bounds"][one.field_id] = to_bytes(kind, min(values))
            bounds["upper_bounds"][one.field_id] = to_bytes(kind, max(values))
        flat = [one for one in schema.fields if one.field_type.is_primitive]
        nulls = {one.field_id: table[one.name].null_count for one in flat}
        return {"value_counts": dict.fromkeys(nulls, len(table)), "null_value_counts": nulls, **bounds}

    def _vector(self, part: Part, positions: Sequence[int]) -> Part:
        path, of = self._path("vector.puffin"), part.data_file.file_path
        puffin, offset, size = puffin_of(of, sorted(positions), 1)
        path.write_bytes(puffin)
        told = {"referenced_data_file": of, "content_offset": offset, "content_size_in_bytes": size}
        content, kind = DataFileContent.POSITION_DELETES, FileFormat.PUFFIN
        return self._part(
            path, content, len(positions), part.spec, values_of(part.data_file.partition), kind=kind, **told
        )

    def _part(
        self, path: Path, content: DataFileContent, rows: int, spec: PartitionSpec, partition: Sequence[Any],
        kind: FileFormat = FileFormat.PARQUET, **told: Any,
    ) -> Part:  # fmt: skip
        data_file = DataFile.from_args(
            3, content=content, file_path=f"file://{path}", file_format=kind, partition=Record(*partition),
            record_count=rows, file_size_in_bytes=path.stat().st_size, **told,
        )  # fmt: skip
        return Part(str(path), spec, data_file)

    def _manifests(self, snapshot_id: int, parts: Sequence[Part], deletes: bool) -> list[ManifestFile]:
        mine = sorted((part for part in parts if part.is_data is not deletes), key=lambda part: part.spec.spec_id)
        made = []
        for _, of_spec in groupby(mine, key=lambda part: part.spec.spec_id):
            files = list(of_spec)
            output = self._output(self.folder / "metadata" / f"{uuid4()}-m0.avro")
            spec = files[0].spec
            schema = next(s for s in reversed(self.schemas) if {f.source_id for f in spec.fields} <= set(s.field_ids))
            with _Manifest(deletes, self.version, spec, schema, output, snapshot_id, "null") as manifest:
                for part in files:
                    status = ManifestEntryStatus.ADDED if part.added_by == snapshot_id else ManifestEntryStatus.EXISTING
                    entry = ManifestEntry.from_args(
                        3, status=status, snapshot_id=part.added_by, sequence_number=part.sequence,
                        file_sequence_number=part.sequence, data_file=part.data_file,
                    )  # fmt: skip
                    manifest.add_entry(entry)
            made.append(manifest.to_manifest_file())
        return made

    def _path(self, ending: str) -> Path:
        return self.folder / "data" / f"{next(self._numbers):05d}-{ending}"

    def _output(self, path: Path) -> Any:
        return self.table.io.new_output(f"file://{path}")
