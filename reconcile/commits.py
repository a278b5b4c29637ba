"""Which commit of an Iceberg table brought a row: from the manifests, so it holds for any writer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from connect.parquet import parquet_rows

if TYPE_CHECKING:
    import duckdb
    from pyiceberg.table import Table

EPOCH, QUERY = "spark.sql.streaming.epochId", "spark.sql.streaming.queryId"
REPLAY = "replay.id"


@dataclass(frozen=True)
class Commit:
    """One snapshot of a table: its id, when it was committed (UTC), and its properties."""

    snapshot_id: int
    at: datetime
    operation: str
    properties: Mapping[str, str]


def commit_of(
    con: duckdb.DuckDBPyConnection, table: Table, snapshot_id: int | None, moment: datetime, column: str, where: str
) -> Commit | None:
    """The commit that added the file with the row that satisfies `where` (SQL), as seen at `snapshot_id`.

    `moment` is the row's value of the timestamp `column`, by which files are found. None when the row is not in local
    Parquet files or its commit has expired. After a compaction it is the compaction's commit (operation `replace`).
    """
    if snapshot_id is None:
        return None
    plan = table.scan(row_filter=f"{column} == '{moment.isoformat()}'", snapshot_id=snapshot_id).plan_files()
    files = {task.file.file_path: _local(task.file.file_path) for task in plan}
    local = {path: place for path, place in files.items() if place is not None}
    if not local:
        return None
    rows = parquet_rows(local.values(), "filename = true", "hive_partitioning = false", "union_by_name = true")
    found = con.execute(f"SELECT filename FROM {rows} WHERE {where} LIMIT 1").fetchone()
    if found is None:
        return None
    path = next(path for path, place in local.items() if place == found[0])
    return _commit(table, _added_by(table, snapshot_id, path))


def committed(table: Table, snapshot_id: int | None) -> Commit | None:
    """The commit with that snapshot id; None when it has expired."""
    return _commit(table, snapshot_id)


def _added_by(table: Table, snapshot_id: int, path: str) -> int | None:
    """The snapshot whose manifest entry added the data file."""
    snapshot = table.snapshot_by_id(snapshot_id)
    for manifest in snapshot.manifests(table.io) if snapshot else ():
        for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True):
            if entry.data_file.file_path == path:
                return None if entry.snapshot_id is None else int(entry.snapshot_id)
    return None


def _commit(table: Table, snapshot_id: int | None) -> Commit | None:
    snapshot = table.snapshot_by_id(snapshot_id) if snapshot_id is not None else None
    if snapshot is None:
        return None
    properties: dict[str, Any] = dict(snapshot.summary.additional_properties) if snapshot.summary else {}
    operation = snapshot.summary.operation.value if snapshot.summary else "unknown"
    at = datetime.fromtimestamp(snapshot.timestamp_ms / 1000, UTC)
    return Commit(int(snapshot.snapshot_id), at, operation, properties)


def _local(uri: str) -> str | None:
    """The path of a local file, None for one elsewhere."""
    parts = urlsplit(uri)
    return unquote(parts.path) if parts.scheme in ("", "file") else None
