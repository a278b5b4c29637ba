"""Which commit of an Iceberg table brought a row: from the manifests, so it holds for any writer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from plumbline.connect.parquet import parquet_rows
from plumbline.connect.pinned import holds
from plumbline.connect.table_plan import plan_files

if TYPE_CHECKING:
    import duckdb
    from pyiceberg.table import Table

MOST_FILES = 64
"""So many files are looked into for one row."""


@dataclass(frozen=True)
class Commit:
    """One snapshot of a table: its id, when it was committed (UTC), and its properties."""

    snapshot_id: int
    at: datetime
    operation: str
    properties: Mapping[str, str]


def commit_of(
    con: duckdb.DuckDBPyConnection,
    table: Table,
    snapshot_id: int | None,
    moment: datetime | None,
    column: str,
    where: str,
) -> Commit | None:
    """The commit that added the file with the row that satisfies `where` (SQL), as seen at `snapshot_id`: of a row that
    was updated, the one that wrote it as it is.

    `moment` is the row's value of the timestamp `column`, by which files are found; None: all files are looked into,
    at most MOST_FILES. None when the row is not in Parquet files that can be read, or its commit has expired.
    After a compaction it is the compaction's commit (operation `replace`).
    """
    if snapshot_id is None:
        return None
    wanted = "true" if moment is None else f"{column} == '{moment.isoformat()}'"
    plan = table.scan(row_filter=wanted, snapshot_id=snapshot_id)
    files = {task.file.file_path: task for task in plan_files(plan, ".".join(table.name()))[:MOST_FILES]}
    local = {place: path for path in files if (place := _local(path)) is not None}
    far = (path for path in files if path not in local.values() and _holds(con, table, path, where))
    for path in chain(_with_row(con, local, where) if local else (), far):
        if not files[path].touched or holds(con.cursor(), table, plan, files[path], where):
            return _commit(table, _added_by(table, snapshot_id, path))
    return None


def _with_row(con: duckdb.DuckDBPyConnection, local: Mapping[str, str], where: str) -> list[str]:
    """Which of some local files (path to the table's name of it) have the row, deleted or not."""
    import duckdb

    options = ("filename = 'plumbline_file'", "union_by_name = true")
    try:
        sql = f"SELECT DISTINCT plumbline_file FROM {parquet_rows(local, *options)} WHERE {where} ORDER BY ALL"
        found = con.execute(sql).fetchall()
    except duckdb.Error:  # a file of another format, or from before a column had its name
        return []
    return [local[place] for (place,) in found]


def _holds(con: duckdb.DuckDBPyConnection, table: Table, path: str, where: str) -> bool:
    """Whether a file elsewhere has the row; read through the table's own door."""
    import duckdb
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with con.cursor() as apart:  # a result of the connection's own may still be open
            apart.register("plumbline_far", pq.read_table(table.io.new_input(path).open()))
            return bool(apart.execute(f"SELECT 1 FROM plumbline_far WHERE {where} LIMIT 1").fetchall())
    except (duckdb.Error, pa.ArrowException, OSError):
        return False


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
