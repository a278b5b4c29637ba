"""The ledger of a job that is not ours: copied from outside, it may stand behind the table, lack epochs, or be no
ledger of this table at all. What it does not say is unknown here, and never taken for admitted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from plumbline.connect.table_names import EPOCHS
from plumbline.contract.identity import rows_condition
from plumbline.reconcile.inputs.row_commits import EPOCH, QUERY

if TYPE_CHECKING:
    from pyiceberg.table import Table

    from plumbline.connect.lake import Lake
    from plumbline.contract.model import Contract
    from plumbline.reconcile.inputs.pinned_views import Pins


def seen_until(stream: Table, stream_id: int | None, known: Mapping[str, int]) -> int | None:
    """The newest snapshot of the stream table whose epoch the ledger has: what the job wrote since is not judged yet.

    `known`: as `newest_epochs` gives it. The snapshot `stream_id` itself where that has none of its epochs.
    """
    beyond = False
    for snapshot, query_id, epoch in _epochs(stream, stream_id):
        if epoch <= known.get(query_id, -1):
            return snapshot if beyond else stream_id
        beyond = True
    return stream_id


def ledger_is_its(pins: Pins, known: Mapping[str, int]) -> str:
    """SQL: whether the ledger is that of the pinned stream table, as far as the table's commits name their epochs.

    `known`: as `newest_epochs` gives it. Always so for a job of ours, which keeps its ledger itself.
    """
    if pins.contract.job is None:
        return "true"
    table = pins.contract.output.stream_table
    newest = next(_epochs(pins.lake.load(table), pins.snapshots[table]), None)
    return "true" if newest is not None and newest[2] <= known.get(newest[1], -1) else "false"


def newest_epochs(lake: Lake, contract: Contract, epochs_id: int | None) -> dict[str, int]:
    """The newest epoch of each query that the ledger knows of this contract."""
    if epochs_id is None:
        return {}
    table = lake.load(EPOCHS)
    mine = rows_condition(contract, table.schema().column_names)
    fields = ("query_id", "epoch", "contract", "topic", *(("stream_table",) if "stream_table" in mine else ()))
    rows = table.scan(mine, snapshot_id=epochs_id, selected_fields=fields).to_arrow().select(["query_id", "epoch"])
    found = rows.group_by("query_id").aggregate([("epoch", "max")]).to_pylist()
    return {str(row["query_id"]): int(row["epoch_max"]) for row in found}


def _epochs(table: Table, snapshot_id: int | None) -> Iterator[tuple[int, str, int]]:
    """(snapshot, query, epoch) of each commit of a streaming query up to a snapshot, newest first."""
    from pyiceberg.table.snapshots import ancestors_of

    newest = table.snapshot_by_id(snapshot_id) if snapshot_id is not None else None
    for snapshot in ancestors_of(newest, table.metadata):
        said = snapshot.summary.additional_properties if snapshot.summary else {}
        if EPOCH in said and QUERY in said:
            yield int(snapshot.snapshot_id), str(said[QUERY]), int(said[EPOCH])
