"""Which Spark decided about the records that a lost checkpoint may still hold: a rule is redone if it is proven."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from plumbline.contract.errors import IncompleteError
from plumbline.contract.lateness import not_proven, unproven
from plumbline.contract.model import Contract
from plumbline.reconcile.inputs.stream_commits import engines
from plumbline.reconcile.relations.inputs import LEDGER
from plumbline.replay.recover.border import Border
from plumbline.replay.recover.lines import way_on
from plumbline.replay.recover.past import Past
from plumbline.replay.recover.plan import SourcePlan

if TYPE_CHECKING:
    from plumbline.connect.lake import Lake

EpochId = tuple[str, int]


def refuse_unproven(
    past: Past, border: Border, plans: Sequence[SourcePlan], lake: Lake, contract: Contract, *, accepted: bool
) -> None:
    """Raise IncompleteError when a Spark that is not proven read what is to be rebuilt, unless that is accepted.

    Which of those records it dropped, and which windows it closed, is told by a rule that it may not follow.
    """
    table = contract.output.stream_table
    current = lake.load(table) if lake.exists(table) else None
    newest = current.current_snapshot() if current else None
    by_commit = engines(current, newest.snapshot_id) if current is not None and newest is not None else {}
    found = unproven([*_recorded(past, plans, by_commit), *_unrecorded(border, by_commit)])
    if found and not accepted:
        raise IncompleteError(
            f"which records the lost checkpoint still held is not known: {not_proven(found)}",
            where=table,
            next_step=way_on(
                contract,
                "to rebuild it by the proven rule all the same, add --accept-differences; rows may then be lost, or "
                "written though they were dropped",
            ),
        )


def _recorded(past: Past, plans: Sequence[SourcePlan], by_commit: Mapping[EpochId, str]) -> list[str | None]:
    """The versions of the recorded epochs that read, or came after, the first record that is read again."""
    first: dict[tuple[str, int], int] = {}
    for plan in plans:
        for piece in plan.pieces:
            place = (plan.name, piece.partition)
            first[place] = min(piece.start, first.get(place, piece.start))
    rows = past.con.execute(
        f"SELECT DISTINCT query_id, epoch, source, partition, end_offset, spark_version FROM {LEDGER}"
    ).fetchall()
    return [
        version or by_commit.get((query, epoch))
        for query, epoch, source, partition, end, version in rows
        if (source, partition) in first and end > first[source, partition]
    ]


def _unrecorded(border: Border, by_commit: Mapping[EpochId, str]) -> list[str]:
    """The versions of the epochs that only the table knows."""
    return [
        version for (query, epoch), version in by_commit.items() if query == border.query_id and epoch > border.epoch
    ]
