"""Iceberg tables of format version 3, as other writers leave them. PyIceberg writes none: metadata files are edited."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

from pyiceberg.io import OutputFile
from pyiceberg.manifest import (
    DataFile,
    DataFileContent,
    FileFormat,
    ManifestContent,
    ManifestEntry,
    ManifestEntryStatus,
    ManifestWriterV2,
    write_manifest_list,
)
from pyiceberg.table import Table
from pyroaring import BitMap

from plumbline.connect.lake import Lake

Metadata = dict[str, Any]


def edit(lake: Lake, identifier: str, change: Callable[[Metadata], None]) -> None:
    """The table under its own name at version 3, its metadata changed."""
    table = lake.load_now(identifier)
    path = Path(table.metadata_location.removeprefix("file://"))
    metadata: Metadata = json.loads(path.read_text())
    metadata["format-version"] = 3
    metadata.setdefault("next-row-id", 0)
    change(metadata)
    new = path.with_name(f"99999-{uuid4().hex}.metadata.json")
    new.write_text(json.dumps(metadata))
    lake.catalog().drop_table(identifier)
    try:
        lake.catalog().register_table(identifier, f"file://{new}")
    except Exception:  # it loads the table, as any use does, and so may be refused; it is registered all the same
        assert lake.catalog().list_tables(identifier.rpartition(".")[0])


def numbered(metadata: Metadata) -> None:
    """Each snapshot's rows get ids (row lineage)."""
    for snapshot in metadata["snapshots"]:
        rows = int(snapshot["summary"].get("added-records", 0))
        snapshot |= {"first-row-id": metadata["next-row-id"], "added-rows": rows}
        metadata["next-row-id"] += rows


def retyped(column: str, kind: str, default: Any = None) -> Callable[[Metadata], None]:
    """The column's type and default in every schema that has it."""

    def change(metadata: Metadata) -> None:
        for schema in metadata["schemas"]:
            for field in schema["fields"]:
                if field["name"] == column:
                    field["type"] = kind
                    if default is not None:
                        field["initial-default"] = field["write-default"] = default

    return change


class DeleteManifest(ManifestWriterV2):
    """A manifest of delete files in version 3, whose entries can point into a Puffin file."""

    def content(self) -> ManifestContent:
        return ManifestContent.DELETES

    @property
    def version(self) -> Any:
        return 3

    @property
    def _meta(self) -> dict[str, str]:
        return {**super()._meta, "content": "deletes"}


def delete_by_vector(lake: Lake, identifier: str, position: int = 0) -> None:
    """Delete the row at `position` of the table's first data file, as version 3 does: by a deletion vector."""
    table = lake.load_now(identifier)
    snapshot = table.current_snapshot()
    assert snapshot is not None
    file = next(iter(table.scan().plan_files())).file
    folder = Path(table.metadata_location.removeprefix("file://")).parent
    puffin, offset, size = _puffin(file.file_path, position, snapshot.snapshot_id)
    (folder / "dv.puffin").write_bytes(puffin)
    new_id, sequence = snapshot.snapshot_id // 2 + 1, table.metadata.last_sequence_number + 1
    deletes = DataFile.from_args(
        content=DataFileContent.POSITION_DELETES, file_path=f"file://{folder}/dv.puffin",
        file_format=FileFormat.PUFFIN, partition=file.partition, record_count=1, file_size_in_bytes=len(puffin),
        spec_id=file.spec_id, referenced_data_file=file.file_path, content_offset=offset, content_size_in_bytes=size,
    )  # fmt: skip
    output = _output(table, folder / f"{uuid4()}-m0.avro")
    with DeleteManifest(table.specs()[file.spec_id], table.schema(), output, new_id, "null") as manifest:
        manifest.add_entry(
            ManifestEntry.from_args(status=ManifestEntryStatus.ADDED, snapshot_id=new_id, data_file=deletes)
        )
    path = folder / f"snap-{new_id}-0-{uuid4()}.avro"
    with write_manifest_list(2, _output(table, path), new_id, snapshot.snapshot_id, sequence, "null") as listed:
        listed.add_manifests([*snapshot.manifests(table.io), manifest.to_manifest_file()])

    def committed(metadata: Metadata) -> None:
        now = metadata["last-updated-ms"] + 1
        summary = {"operation": "delete", "added-position-deletes": "1"}
        metadata["snapshots"].append(
            {"snapshot-id": new_id, "parent-snapshot-id": snapshot.snapshot_id, "sequence-number": sequence,
             "timestamp-ms": now, "manifest-list": f"file://{path}", "summary": summary,
             "schema-id": metadata["current-schema-id"]}
        )  # fmt: skip
        metadata["snapshot-log"].append({"snapshot-id": new_id, "timestamp-ms": now})
        metadata |= {"current-snapshot-id": new_id, "last-sequence-number": sequence, "last-updated-ms": now}
        metadata["refs"]["main"]["snapshot-id"] = new_id
        numbered(metadata)

    edit(lake, identifier, committed)


def _output(table: Table, path: Path) -> OutputFile:
    return table.io.new_output(f"file://{path}")


def _puffin(data_file: str, position: int, snapshot_id: int) -> tuple[bytes, int, int]:
    """A Puffin file with one `deletion-vector-v1` blob of one position, and the blob's place in it (Puffin spec)."""
    return puffin_of(data_file, [position], snapshot_id)


def puffin_of(data_file: str, positions: list[int], snapshot_id: int) -> tuple[bytes, int, int]:
    """The same of several positions."""
    bitmap = (1).to_bytes(8, "little") + (0).to_bytes(4, "little") + BitMap(positions).serialize()
    body = b"\xd1\xd3\x39\x64" + bitmap
    blob = len(body).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
    told = {
        "type": "deletion-vector-v1", "fields": [2147483645], "snapshot-id": snapshot_id, "sequence-number": 1,
        "offset": 4, "length": len(blob),
        "properties": {"referenced-data-file": data_file, "cardinality": str(len(positions))},
    }  # fmt: skip
    footer = json.dumps({"blobs": [told]}).encode()
    tail = b"PFA1" + footer + len(footer).to_bytes(4, "little") + bytes(4) + b"PFA1"
    return b"PFA1" + blob + tail, 4, len(blob)
