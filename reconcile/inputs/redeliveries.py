"""Events that were delivered more than once: all their coordinates stand for one event, the first of them.

Only where the contract names an event id. Stream and batch each take one delivery of an event, not always the same:
in the views of both outputs every coordinate is that of the event's first delivery, so that they can be compared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from plumbline.connect.archives import scan_archive
from plumbline.connect.sql_quoting import text
from plumbline.contract.lineage import SIDES
from plumbline.reconcile.relations.inputs import COPIES, DELIVERIES, TAKEN

if TYPE_CHECKING:
    from plumbline.contract.model import Source
    from plumbline.reconcile.inputs.pinned_views import Pins
    from plumbline.reconcile.relations.relation import Relation

ARCHIVED = ("topic", "partition", "offset", "event_time", "event_id", "quarantine_reason")


def find_copies(pins: Pins) -> None:
    """Fill COPIES: the deliveries, the first included, of events with several ones in the archive."""
    for side, source in zip(SIDES, (pins.contract.left, pins.contract.right), strict=True):
        COPIES[side].fill(pins.con, _copies(pins, side, source))


def note_taken(pins: Pins, *streams: Relation) -> None:
    """Fill TAKEN: of an event, by its first delivery, another one that the stream took, by these of its rows."""
    for side in SIDES:
        taken = " UNION ALL ".join(f"SELECT _{side}_partition, _{side}_offset FROM {stream}" for stream in streams)
        by_stream = f'SEMI JOIN ({taken}) s ON s._{side}_partition = partition AND s._{side}_offset = "offset"'
        TAKEN[side].fill(
            pins.con,
            f"""
            SELECT first_partition, first_offset, max((partition, "offset")) AS other
            FROM {COPIES[side]} {by_stream if COPIES[side].any(pins.con) else ""}
            WHERE (partition, "offset") <> (first_partition, first_offset) GROUP BY ALL
            """,
        )


def by_first_delivery(pins: Pins, view: Relation) -> str:
    """The rows of an output view with the coordinates of their events' first deliveries."""
    if not any(COPIES[side].any(pins.con) for side in SIDES):
        return f"SELECT * FROM {view}"
    columns = ", ".join(
        f"coalesce({side[0]}.first_{part}, v._{side}_{part}) AS _{side}_{part}"
        for side in SIDES
        for part in ("partition", "offset")
    )
    joins = "\n".join(
        f"LEFT JOIN {COPIES[side]} {side[0]} ON {side[0]}.partition = v._{side}_partition "
        f'AND {side[0]}."offset" = v._{side}_offset'
        for side in SIDES
    )
    return f"SELECT v.* REPLACE ({columns}) FROM {view} v {joins}"


def _copies(pins: Pins, side: str, source: Source) -> str:
    snapshot = pins.snapshots[source.archive]
    if source.event_id is None or snapshot is None:
        return COPIES[side].nothing
    if "event_id" not in pins.lake.load(source.archive).schema().column_names:
        return COPIES[side].nothing
    view, reach = DELIVERIES[side], pins.archived(side, around=True)
    row_filter = reach.iceberg("event_time")
    scan_archive(pins.con, pins.lake, source, snapshot, view=view.name, row_filter=row_filter, columns=ARCHIVED)
    entered = (
        f"topic = {text(source.topic)} AND {reach.sql('event_time')} "
        "AND event_id IS NOT NULL AND quarantine_reason IS NULL"
    )
    return f"""
        WITH events AS (
            SELECT event_id, event_time, min((partition, "offset")) AS first
            FROM {view} WHERE {entered} GROUP BY ALL HAVING count(*) > 1
        )
        SELECT DISTINCT d.partition, d."offset", first[1] AS first_partition, first[2] AS first_offset
        FROM {view} d JOIN events USING (event_id, event_time) WHERE {entered}
    """
