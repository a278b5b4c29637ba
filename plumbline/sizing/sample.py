"""What a job has left behind so far, from the manifests of its tables and its status; only some records are read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plumbline.connect.archives import scan_archive
from plumbline.connect.pinned import connection
from plumbline.contract.errors import SetupError
from plumbline.sizing.model import OutputSample, Sample, SourceSample

if TYPE_CHECKING:
    from plumbline.connect.home import Home
    from plumbline.connect.lake import Lake
    from plumbline.contract.model import Contract, Source

READ = 10_000
"""Archived records of each source whose keys and values are measured."""
ENOUGH = 1_000
"""Rows in state from which the bytes of one are told."""


def sample_of(contract: Contract, home: Home, lake: Lake) -> Sample:
    """Raises SetupError where the archives or the stream table hold nothing yet."""
    output = contract.output
    return Sample(
        {name: _source(lake, source) for name, source in contract.sources.items()},
        _held(lake, output.stream_table),
        _held(lake, output.batch_table) if _rows(lake, output.batch_table) else None,
        _state_bytes(contract, home),
    )


def _source(lake: Lake, source: Source) -> SourceSample:
    held = _held(lake, source.archive)
    con = connection()
    scan_archive(con, lake, source, None, view="archived", columns=("key", "value"))
    [(mean,)] = con.execute(
        "SELECT avg(coalesce(octet_length(key), 0) + coalesce(octet_length(value), 0)) "
        f"FROM (FROM archived LIMIT {READ})"
    ).fetchall()
    return SourceSample(held.rows, held.bytes, float(mean))


def _held(lake: Lake, table: str) -> OutputSample:
    if not _rows(lake, table):
        raise SetupError(
            f"there is nothing in {table} yet to measure",
            where=table,
            next_step="let the job read some of its events first: `plumbline stream run CONTRACT --once`",
        )
    files = lake.load(table).inspect.data_files()
    return OutputSample(sum(files["record_count"].to_pylist()), sum(files["file_size_in_bytes"].to_pylist()))


def _rows(lake: Lake, table: str) -> int:
    """Rows by the newest snapshot's own count; 0 without one."""
    snapshot = lake.load(table).current_snapshot() if lake.exists(table) else None
    return int(snapshot.summary["total-records"] or 0) if snapshot and snapshot.summary else 0


def _state_bytes(contract: Contract, home: Home) -> float | None:
    from plumbline.stream_job import heartbeat
    from plumbline.stream_job.job_folder import JobFolder

    told = heartbeat.read(JobFolder.of(contract, home).root)
    if told is None or (told.done.state_rows or 0) < ENOUGH or not told.done.state_bytes:
        return None
    return told.done.state_bytes / (told.done.state_rows or 1)
