"""Records that the stream joined and the archive lacks: in the midst of it, or behind its newest offset.

A row that names an offset which the stream had not read, as the ledger tells, was made from no such record. Nor is
known of one behind the archive's newest offset, where no ledger tells that the stream had come so far.
"""

from __future__ import annotations

from plumbline.connect.archives import scan_archive
from plumbline.connect.sql_quoting import text
from plumbline.contract.lineage import SIDES
from plumbline.reconcile.inputs.pinned_views import Pins
from plumbline.reconcile.relations.evidence import ARCHIVED_PLACES, GAP_NOTES, GAPS, SOUGHT
from plumbline.reconcile.relations.inputs import READ
from plumbline.reconcile.relations.relation import Relation


def note(pins: Pins, evidence: Relation) -> Relation:
    """GAP_NOTES: id, `left_gap`, `right_gap`, and the gap that one of them lies in.

    `gap_topic`, `gap_partition` and `gap_offset` name the record, `gap_after` and `gap_before` the nearest archived
    offsets of its partition (no `gap_after`: the archive begins later, no `gap_before`: it ends earlier). Only rows
    with such a record are there.
    """
    for side in SIDES:
        _look_for(pins, side, evidence)
    columns = ", ".join(
        f"coalesce(l.{name}, r.{name}) AS gap_{name}" for name in ("topic", "partition", "offset", "after", "before")
    )
    return GAP_NOTES.fill(
        pins.con,
        f"""
        SELECT id, l.topic IS NOT NULL AS left_gap, r.topic IS NOT NULL AS right_gap, {columns}
        FROM {GAPS["left"]} l FULL JOIN {GAPS["right"]} r USING (id)
        """,
    )


def _look_for(pins: Pins, side: str, evidence: Relation) -> None:
    """Fill GAPS of one side: the rows whose record the archive lacks.

    The whole archive is asked, whatever the range, but only when the range's part of it does not hold a record of the
    stream's.
    """
    con, source = pins.con, pins.contract.source_of(side)
    sought = SOUGHT[side].fill(
        con,
        f"""
        SELECT id, {side}_partition AS partition, {side}_offset AS "offset" FROM {evidence}
        WHERE {side}_offset IS NOT NULL AND {side}_event_us IS NULL AND NOT coalesce(batch_has_{side}, false)
            AND {_was_read(side)}
        """,
    )
    snapshot = pins.snapshots[source.archive]
    if snapshot is None or not sought.any(con):
        GAPS[side].fill(con, GAPS[side].nothing)
        return
    columns = ("topic", "partition", "offset")
    scan_archive(con, pins.lake, source, snapshot, view=ARCHIVED_PLACES[side].name, columns=columns)
    GAPS[side].fill(con, _between_neighbours(side, source.topic))


def _was_read(side: str) -> str:
    """SQL: the stream has read the offset that the row names. Without a ledger nobody knows, and it passes."""
    read = f"FROM {READ} WHERE side = '{side}'"
    return f"({side}_offset < (SELECT end_offset {read} AND partition = {side}_partition) OR NOT EXISTS ({read}))"


def _between_neighbours(side: str, topic: str) -> str:
    """The sought coordinates that the archive does not hold: the stream joined them, so they were records.

    Without a ledger only those that have archived ones behind them: nobody else says that the topic goes so far.
    """
    return f"""
        WITH archived AS (SELECT partition, "offset" FROM {ARCHIVED_PLACES[side]} WHERE topic = {text(topic)})
        SELECT s.id, {text(topic)} AS topic, s.partition, s."offset", b."offset" AS after, n."offset" AS before
        FROM {SOUGHT[side]} s
        ASOF LEFT JOIN archived b ON b.partition = s.partition AND b."offset" <= s."offset"
        ASOF LEFT JOIN archived n ON n.partition = s.partition AND n."offset" > s."offset"
        WHERE b."offset" IS DISTINCT FROM s."offset"
            AND (n."offset" IS NOT NULL OR EXISTS (FROM {READ} WHERE side = '{side}'))
    """
