"""Which snapshot of the joined rows below an aggregate its batch table was made from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plumbline.connect.owners import BATCH_MARK
from plumbline.contract.aggregate import ROWS_SNAPSHOT

if TYPE_CHECKING:
    from pyiceberg.table import Table

    from plumbline.connect.lake import Lake


def rows_named(batch: Table, snapshot_id: int | None) -> int | None:
    """The snapshot that the newest batch run names, up to a snapshot of the batch table; None where it names none."""
    from pyiceberg.table.snapshots import ancestors_of

    newest = batch.snapshot_by_id(snapshot_id) if snapshot_id is not None else None
    said = (one.summary.additional_properties for one in ancestors_of(newest, batch.metadata) if one.summary)
    named = next((run.get(ROWS_SNAPSHOT) for run in said if BATCH_MARK in run), None)
    return None if named is None else int(named)


def has_snapshot(lake: Lake, table: str, snapshot_id: int) -> bool:
    """Whether a table is there and still has the snapshot."""
    return lake.exists(table) and lake.load(table).snapshot_by_id(snapshot_id) is not None
