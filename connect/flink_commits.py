"""What Iceberg's Flink sink notes in its commits: which job, and up to which of its checkpoints the rows are there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyiceberg.table import Table
    from pyiceberg.table.snapshots import Snapshot

COMMITTED, JOB = "flink.max-committed-checkpoint-id", "flink.job-id"


def flink_commits(table: Table, snapshot_id: int | None) -> Iterator[tuple[Snapshot, str | None, int]]:
    """(snapshot, id of the job, newest checkpoint) of each commit of such a sink up to a snapshot, newest first."""
    from pyiceberg.table.snapshots import ancestors_of

    newest = table.snapshot_by_id(snapshot_id) if snapshot_id is not None else None
    for snapshot in ancestors_of(newest, table.metadata):
        said = snapshot.summary.additional_properties if snapshot.summary else {}
        if COMMITTED in said:
            yield snapshot, said.get(JOB), int(said[COMMITTED])
