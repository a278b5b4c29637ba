"""Live, faithful replay, batch: of two tables that differ, a third made by the live job's own code from the same epochs
tells which one is at fault.

Where the replay comes out as the live table does, the live engine did what the code says: the difference is lateness,
or of what each side had to read, or the two implementations disagree. Where it comes out as the batch has it, the live
run went wrong on the way.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from plumbline.connect.sql_quoting import ident, text
from plumbline.contract.errors import UsageError
from plumbline.contract.lineage import COORDINATES, LINEAGE
from plumbline.reconcile.evidence.differing_rows import compare_rows
from plumbline.reconcile.inputs.pinned_views import Pins, current, output_view
from plumbline.reconcile.relations.diff import DRIFT
from plumbline.reconcile.relations.evidence import DIFFERING
from plumbline.reconcile.relations.inputs import BATCH, STREAM
from plumbline.reconcile.relations.judge import FAULTED, FAULTS, REPLAY, UNLIKE
from plumbline.reconcile.relations.relation import Relation

if TYPE_CHECKING:
    from plumbline.reconcile.judge.document_types import Against, Faults

LATENESS = ("late_left", "late_right", "reported_late", "watermark_poisoned")
INPUTS = ("arrived_after_batch", "archive_gap", "quarantined", "duplicate_input", "schema_change")
KINDS = ("lateness", "inputs", "logic", "engine", "unclear")
"""`lateness`, `inputs` (what each side had to read) and `logic` (the implementations disagree): the replay is as the
live table. `engine`: it is as the batch table. `unclear`: as neither."""


@dataclass(frozen=True)
class ThreeWay:
    """What the third table says: its name and snapshot, its rows in the range, how many rows it and the live table do
    not share, and the findings per fault. `findings` are all of them, those that are drift with their `fault`."""

    table: str
    snapshot_id: int | None
    rows: int
    unlike_live: int
    faults: dict[str, int]
    findings: Relation

    def as_json(self) -> Against:
        return {
            "table": self.table,
            "snapshot_id": self.snapshot_id,
            "rows": self.rows,
            "unlike_live": self.unlike_live,
            "faults": cast("Faults", self.faults),
        }


def with_third(pins: Pins, table: str) -> Pins:
    """The pins with the third table, at its current snapshot. Raises SetupError when it is missing."""
    return replace(pins, snapshots={**pins.snapshots, table: current(pins.lake, table)})


def judge_against(pins: Pins, findings: Relation, table: str) -> ThreeWay:
    """Name the fault of each finding and count. Pending rows have none.

    Raises UsageError where the rows of one table do not say what they were made from.
    """
    for rows, name in (
        (pins.batch, pins.contract.output.batch_table),
        (pins.stream, pins.contract.output.stream_table),
    ):
        _refuse_without_lineage(pins, rows, name)
    output_view(pins, REPLAY, table, pins.time_range)
    unlike_live = _note_unlike(pins, pins.stream, UNLIKE[STREAM])
    _note_unlike(pins, pins.batch, UNLIKE[BATCH])
    FAULTS.fill(pins.con, _judged(findings))
    found = pins.con.execute(f"SELECT fault, count(*) FROM {FAULTS} GROUP BY fault").fetchall()
    counted = {str(fault): int(number) for fault, number in found}
    [(number,)] = pins.con.execute(f"SELECT count(*) FROM {REPLAY}").fetchall()
    per_fault = {kind: counted.get(kind, 0) for kind in KINDS}
    named = f"SELECT f.* REPLACE (n.fault AS fault) FROM {findings} f LEFT JOIN {FAULTS} n USING (id)"
    judged = FAULTED.fill(pins.con, named)
    return ThreeWay(table, pins.snapshots[table], int(number), unlike_live, per_fault, judged)


def _refuse_without_lineage(pins: Pins, rows: Relation, table: str) -> None:
    if rows.any(pins.con, " AND ".join(f"{ident(name)} IS NULL" for name in COORDINATES)):
        raise UsageError(
            "three tables can only be compared row by row where each row says what it was made from",
            where=table,
            next_step=f"give its rows the columns {', '.join(COORDINATES)}, or reconcile without --against",
        )


def _note_unlike(pins: Pins, rows: Relation, unlike: Relation) -> int:
    """Fill `unlike`: the lineages whose rows are not the same in a table and in the third one; how many rows."""
    key = (*pins.contract.output.key, *COORDINATES)
    carry = tuple(name for name in LINEAGE if name not in COORDINATES)
    compare_rows(pins, rows, REPLAY, key, carry)
    unlike.fill(pins.con, f"SELECT DISTINCT {', '.join(map(ident, COORDINATES))} FROM {DRIFT}")
    [(number,)] = pins.con.execute(f"SELECT count(*) FROM {DRIFT}").fetchall()
    return int(number)


def _judged(findings: Relation) -> str:
    """The fault of each finding that is drift, by what the third table holds of its two rows."""
    lineages = " UNION ".join(
        f"SELECT id, {', '.join(f'{ident(table + name)} AS {ident(name)}' for name in COORDINATES)} "
        f"FROM {DIFFERING} WHERE {table}_count > 0"
        for table in ("batch", "stream")
    )
    same = " AND ".join(f"l.{ident(name)} IS NOT DISTINCT FROM u.{ident(name)}" for name in COORDINATES)
    as_live, as_batch = (
        f"id NOT IN (SELECT id FROM lineages l SEMI JOIN {UNLIKE[rows]} u ON {same})" for rows in (STREAM, BATCH)
    )
    late, inputs = (", ".join(map(text, causes)) for causes in (LATENESS, INPUTS))
    return f"""
        WITH lineages AS ({lineages}),
        alike AS (SELECT id, cause, {as_live} AS as_live, {as_batch} AS as_batch FROM {findings} WHERE is_drift)
        SELECT id, CASE WHEN as_live = as_batch THEN 'unclear' WHEN as_batch THEN 'engine'
            WHEN cause IN ({late}) THEN 'lateness' WHEN cause IN ({inputs}) THEN 'inputs' ELSE 'logic' END AS fault
        FROM alike
    """
