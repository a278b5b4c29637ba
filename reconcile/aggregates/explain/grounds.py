"""What each statement about a line rests on: tables at snapshots, an epoch of the ledger, numbers made again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from plumbline.connect.table_names import EPOCHS, QUARANTINE
from plumbline.contract.aggregate import rows_table
from plumbline.contract.lateness import output_watermark_ms
from plumbline.contract.ranges import from_micros
from plumbline.reconcile import format
from plumbline.reconcile.aggregates.findings import MATCH
from plumbline.reconcile.aggregates.newer_rows import NEW
from plumbline.reconcile.relations.inputs import LEDGER, TURNS

if TYPE_CHECKING:
    from plumbline.reconcile.aggregates.explain.asked import Asked
    from plumbline.reconcile.aggregates.explain.story import Written
    from plumbline.reconcile.aggregates.findings import Finding
    from plumbline.reconcile.aggregates.views import Opened

WITHOUT = "the batch's rows without those that the stream did not make"
PROOFS = {
    NEW: f"{WITHOUT}, and with those that the archive's newer records make, come to the stream's line in every value",
    "double_commit": f"{WITHOUT} come to each of the stream's lines, in every value",
    "lost_output": "the window is closed, and rows are left that the stream made",
    "unexplained": f"{WITHOUT} do not come to what the stream has",
}
"""Cause to why it is said; of every other one the numbers that it leaves are the stream's."""


@dataclass(frozen=True)
class Closing:
    """The first epoch under whose watermark a window is closed. Watermarks are ms."""

    query_id: str
    epoch: int
    at: datetime
    evict_ms: int
    behind_join_ms: int

    def __str__(self) -> str:
        evict, behind = (format.moment(from_micros(ms * 1000)) for ms in (self.evict_ms, self.behind_join_ms))
        return f"in epoch {self.epoch} of query {self.query_id}: evict watermark {evict}, behind the join {behind}"


def closing_epoch(inputs: Opened, asked: Asked) -> Closing | None:
    """The epoch that closed the window, by the ledger."""
    low, high = inputs.pins.within_ms
    behind = output_watermark_ms(0, low, high)
    found = inputs.pins.con.execute(
        f"""
        SELECT query_id, epoch, epoch_us(l.planned_at), evict_watermark_ms
        FROM {LEDGER} l JOIN {TURNS} t USING (query_id, epoch)
        WHERE (evict_watermark_ms + {behind}) * 1000 >= {asked.window.end_us} ORDER BY turn LIMIT 1
        """
    ).fetchone()
    if found is None:
        return None
    query_id, epoch, planned_us, evict_ms = found
    return Closing(query_id, epoch, from_micros(planned_us), evict_ms, evict_ms + behind)


def grounds(
    inputs: Opened,
    asked: Asked,
    line: Finding,
    closed: bool | None,
    batch: Sequence[Written],
    stream: Sequence[Written],
) -> list[tuple[str, str]]:
    """Statement and what it rests on."""
    contract = inputs.pins.contract
    output, below = contract.output, rows_table(contract)
    named = _at(inputs, [below])
    told = [
        ("the batch's line", _table(inputs, output.batch_table, batch)),
        ("the joined rows below it", f"{named}, which the newest batch run's commit names"),
        ("the stream's line", _table(inputs, output.stream_table, stream)),
    ]
    if closed is None:
        return told
    tables = (EPOCHS, *(source.archive for source in contract.sources.values()), QUARANTINE)
    told.append(("what became of each record", _at(inputs, tables)))
    found = closing_epoch(inputs, asked) if closed else None
    if found is not None:
        told.append(("that the window is closed", str(found)))
    return [*told, *_proof(line)] if closed else told


def _proof(line: Finding) -> Iterator[tuple[str, str]]:
    said = line.said
    if said.apart or said.stale:
        return
    if said.cause is not None:
        proof = PROOFS.get(said.cause, f"{WITHOUT} come to the stream's line in every value")
        yield said.cause, proof
    elif said.rounding:
        yield "that they are equal", "no value differs by more than two orders of adding up can"
    elif line.kind == MATCH:
        yield "that they are equal", "every value of both lines"


def _table(inputs: Opened, name: str, lines: Sequence[Written]) -> str:
    at = _at(inputs, [name])
    if not lines:
        return f"{at} has none"
    if len(lines) > 1:
        return f"{at} has {len(lines)}"
    [line] = lines
    return at if line.snapshot_id is None else f"{at}, brought by snapshot {line.snapshot_id}"


def _at(inputs: Opened, tables: Iterable[str]) -> str:
    """Tables with the snapshots that are read."""
    pinned = inputs.pins.snapshots
    return ", ".join(f"{name} at snapshot {pinned[name]}" for name in tables if pinned.get(name) is not None)
