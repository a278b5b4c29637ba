"""What the commits of the streaming job say of it: up to which epoch a pinned table goes, and which Spark wrote it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from plumbline.contract.commit_properties import EPOCH_ID, PUBLISHED, QUERY_ID, ROLLED_BACK
from plumbline.contract.lateness import unproven

if TYPE_CHECKING:
    from pyiceberg.table import Table
    from pyiceberg.table.snapshots import Snapshot

VERSION = "engine-version"
UNNAMED = "of a version that its commits do not name"
"""Iceberg writes the version into each commit of Spark's; a commit that lost it proves nothing."""


def last_epoch(table: Table, snapshot_id: int | None) -> tuple[str, int] | None:
    """Query id and number of the newest epoch that is in a snapshot; None where that is not known.

    Compactions, publishes of a replay and their rollbacks may lie above its commit, as they bring no epoch. Any other
    commit without a name may be one of the job's.
    """
    from pyiceberg.table.snapshots import ancestors_of

    newest = table.snapshot_by_id(snapshot_id) if snapshot_id is not None else None
    said = next((_said(one) for one in ancestors_of(newest, table.metadata) if not _brings_no_epoch(one)), {})
    return (said[QUERY_ID], int(said[EPOCH_ID])) if QUERY_ID in said and EPOCH_ID in said else None


def _brings_no_epoch(snapshot: Snapshot) -> bool:
    from pyiceberg.table.snapshots import Operation

    compacted = snapshot.summary is not None and snapshot.summary.operation == Operation.REPLACE
    return compacted or not {PUBLISHED, ROLLED_BACK}.isdisjoint(_said(snapshot))


def engines(table: Table, snapshot_id: int | None) -> dict[tuple[str, int], str]:
    """Query id and number of each epoch up to a snapshot to the Spark that wrote it, newest first, as commits say."""
    from pyiceberg.table.snapshots import ancestors_of

    newest = table.snapshot_by_id(snapshot_id) if snapshot_id is not None else None
    commits = [said for said in map(_said, ancestors_of(newest, table.metadata)) if EPOCH_ID in said]
    return {(said.get(QUERY_ID, ""), int(said[EPOCH_ID])): said.get(VERSION, UNNAMED) for said in commits}


def closing(table: Table, snapshot_id: int | None, noted: str | None) -> str | None:
    """The version of Spark, if not one of PROVEN, that made the newest epoch: it closes what earlier ones left open.

    `noted` is what the ledger says of it, when that is known.
    """
    said = next(iter(engines(table, snapshot_id).values()), None)
    return next(iter(unproven([said, noted])), None)


def _said(snapshot: Any) -> dict[str, str]:
    return dict(snapshot.summary.additional_properties) if snapshot is not None and snapshot.summary else {}
