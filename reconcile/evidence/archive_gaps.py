"""Records that the stream joined and the archive lacks: in the midst of it, or behind its newest offset."""

from __future__ import annotations

from plumbline.connect import pinned
from plumbline.connect.sql_quoting import text
from plumbline.contract.lineage import SIDES
from plumbline.reconcile.evidence.gather import EVIDENCE
from plumbline.reconcile.inputs.pinned_views import Pins

GAPS = "gap_notes"


def note(pins: Pins) -> None:
    """Fill the temp table `gap_notes`: id, `left_gap`, `right_gap`, and the gap that one of them lies in.

    `gap_topic`, `gap_partition` and `gap_offset` name the record, `gap_after` and `gap_before` the nearest archived
    offsets of its partition (no `gap_after`: the archive begins later, no `gap_before`: it ends earlier). Only rows
    with such a record are there.
    """
    for side in SIDES:
        _look_for(pins, side)
    columns = ", ".join(
        f"coalesce(l.{name}, r.{name}) AS gap_{name}" for name in ("topic", "partition", "offset", "after", "before")
    )
    pins.con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {GAPS} AS
        SELECT id, l.topic IS NOT NULL AS left_gap, r.topic IS NOT NULL AS right_gap, {columns}
        FROM left_gaps l FULL JOIN right_gaps r USING (id)
        """
    )


def _look_for(pins: Pins, side: str) -> None:
    """Fill `<side>_gaps`: the rows whose record the archive lacks. The whole archive is asked, whatever the range, but
    only when the range's part of it does not hold a record of the stream's."""
    con, source = pins.con, pins.contract.left if side == "left" else pins.contract.right
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {side}_sought AS
        SELECT id, {side}_partition AS partition, {side}_offset AS "offset" FROM {EVIDENCE}
        WHERE {side}_offset IS NOT NULL AND {side}_event_us IS NULL AND NOT coalesce(batch_has_{side}, false)
        """
    )
    snapshot = pins.snapshots[source.archive]
    if snapshot is None or con.execute(f"SELECT 1 FROM {side}_sought LIMIT 1").fetchone() is None:
        con.execute(f"CREATE OR REPLACE TEMP TABLE {side}_gaps AS {_nothing(side)}")
        return
    columns = ("topic", "partition", "offset")
    pinned.scan(con, pins.lake, source.archive, snapshot, view=f"{side}_coordinates", columns=columns)
    con.execute(f"CREATE OR REPLACE TEMP TABLE {side}_gaps AS {_between_neighbours(side, source.topic)}")


def _between_neighbours(side: str, topic: str) -> str:
    """The sought coordinates that the archive does not hold: the stream joined them, so they were records."""
    return f"""
        WITH archived AS (SELECT partition, "offset" FROM {side}_coordinates WHERE topic = {text(topic)})
        SELECT s.id, {text(topic)} AS topic, s.partition, s."offset", b."offset" AS after, n."offset" AS before
        FROM {side}_sought s
        ASOF LEFT JOIN archived b ON b.partition = s.partition AND b."offset" <= s."offset"
        ASOF LEFT JOIN archived n ON n.partition = s.partition AND n."offset" > s."offset"
        WHERE b."offset" IS DISTINCT FROM s."offset"
    """


def _nothing(side: str) -> str:
    return f"""
        SELECT id, NULL::VARCHAR AS topic, partition, "offset", "offset" AS after, "offset" AS before
        FROM {side}_sought WHERE false
    """
