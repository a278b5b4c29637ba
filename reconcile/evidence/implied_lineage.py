"""Lineage that a team's own job does not write, where the archive implies it: one choice of records can make the row.

That is told by the row's key, event time, join fields and values. It is certain only where the archive has every record
that the stream may have read: a hole may have been such a record, and so may what lies before or behind the archive.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from plumbline.connect.sql_quoting import ident
from plumbline.contract.lineage import COORDINATES
from plumbline.reconcile.evidence.archive_whole import is_whole
from plumbline.reconcile.evidence.implied_candidates import UNNAMED, can_tell, find_candidates
from plumbline.reconcile.evidence.recomputed_rows import group
from plumbline.reconcile.inputs.redeliveries import note_taken
from plumbline.reconcile.relations.evidence import DIFFERING
from plumbline.reconcile.relations.implied import (
    AROUND_NAMED,
    CANDIDATES,
    IMPLIED_NOTES,
    NAMED,
    NAMED_DELIVERIES,
    RECOMPUTED,
    STREAM_NAMED,
    UNTOLD,
)
from plumbline.reconcile.relations.inputs import STREAM, delivered

if TYPE_CHECKING:
    from plumbline.reconcile.inputs.pinned_views import Pins
    from plumbline.reconcile.relations.relation import Relation


def with_implied(pins: Pins, *, every: bool = False) -> Pins:
    """The pins with a stream whose rows are named where the archive implies it; as they are for a job of ours.

    DRIFT must be that of the first comparison: rows of its keys are looked up, and those of its event times; with
    `every` all rows.
    """
    NAMED.fill(pins.con, NAMED.nothing)
    if pins.contract.job is None or not can_tell(pins) or not find_candidates(pins, every=every):
        return pins
    NAMED_DELIVERIES.fill(pins.con, _chosen())
    if not NAMED_DELIVERIES.any(pins.con):
        return pins
    NAMED.fill(pins.con, _by_event())
    note_taken(pins, delivered(STREAM if pins.reaches_out else pins.around(STREAM)), NAMED_DELIVERIES)
    around = pins.around(pins.stream)
    named = STREAM_NAMED.fill(pins.con, _named(pins, pins.stream))
    AROUND_NAMED.fill(pins.con, _named(pins, around))
    return replace(pins, stream=named)


def names_all(pins: Pins) -> bool:
    """Whether each differing row of the stream names its records, or is named by the archive or by recomputation."""
    unnamed = " AND ".join(f"stream{name} IS NULL" for name in COORDINATES)
    return not DIFFERING.any(pins.con, f"stream_count > 0 AND {unnamed}")


def note(pins: Pins, evidence: Relation) -> Relation:
    """IMPLIED_NOTES: the differences whose stream row is named by the archive or by recomputation.

    `implied_whole`: neither a record that the archive lacks nor another delivery can have made it. What is recomputed
    rests on neither.
    """
    if pins.contract.job is None or not (NAMED.any(pins.con) or RECOMPUTED.any(pins.con)):
        return IMPLIED_NOTES.fill(pins.con, IMPLIED_NOTES.nothing)
    same = " AND ".join(f"d.{ident('stream' + name)} IS NOT DISTINCT FROM n.{ident(name)}" for name in COORDINATES)
    late = "coalesce(e.stream_has_left AND e.left_late OR e.stream_has_right AND e.right_late, false)"
    whole = str(is_whole(pins)).lower()
    time = "CASE WHEN e.stream_present THEN e.stream_event_time ELSE e.batch_event_time END"
    of_event = group(pins, "e.key.", time)
    return IMPLIED_NOTES.fill(
        pins.con,
        f"""
        WITH recomputed AS (
            SELECT e.id FROM {evidence} e SEMI JOIN {RECOMPUTED} n ON n.plumbline_group = {of_event}
        )
        SELECT id, 'recomputation' AS implied_by, true AS implied_whole FROM recomputed
        UNION ALL
        SELECT e.id, any_value(n.implied_by),
            bool_and({whole} AND (n.alone OR coalesce(e.stream_copies, 1) <= 1) AND NOT {late})
        FROM {evidence} e JOIN {DIFFERING} d USING (id) JOIN {NAMED} n ON {same}
        WHERE d.stream_count > 0 AND e.id NOT IN (FROM recomputed) GROUP BY e.id
        """,
    )


def choices() -> str:
    """SQL: per row of UNTOLD the choices of archived records that can have made it.

    One that has all values counts before one that differs in some: of those, one that is told by another value. What
    lies in the window counts (`rank` 1) before what no right job joins.
    """
    return f"""
        WITH exact AS (SELECT * FROM {CANDIDATES} WHERE left_unlike + right_unlike = 0),
        near AS (
            SELECT * FROM {CANDIDATES} ANTI JOIN exact USING (plumbline_row)
            WHERE (left_unlike = 0 OR left_alike > 0) AND (_right_offset IS NULL OR right_alike > 0)
        )
        SELECT *, dense_rank() OVER (PARTITION BY plumbline_row ORDER BY NOT inside) AS rank
        FROM (FROM exact UNION ALL FROM near)
    """


def _chosen() -> str:
    """Of each row the one choice of records that can have made it, by the delivery whose values it has."""
    return f"""
        WITH counted AS (
            SELECT plumbline_row, count(DISTINCT events) FILTER (rank = 1) AS events, count(*) AS choices,
                count(*) FILTER (rank = 1) AS deliveries, count(*) FILTER (rank = 1 AND strict) AS strict,
                arg_min({{'lp': _left_partition, 'lo': _left_offset, 'rp': _right_partition, 'ro': _right_offset}},
                    (rank, NOT strict, _left_partition, _left_offset, _right_partition, _right_offset)) AS taken
            FROM ({choices()}) GROUP BY plumbline_row
        )
        SELECT plumbline_row, taken.lp AS _left_partition, taken.lo AS _left_offset, taken.rp AS _right_partition,
            taken.ro AS _right_offset, 'archive' AS implied_by, choices = 1 AS alone
        FROM counted WHERE events = 1 AND (deliveries = 1 OR strict > 0)
    """


def _by_event() -> str:
    """The same by the first delivery of each event."""
    same = " AND ".join(f"n.{ident(name)} IS NOT DISTINCT FROM c.{ident(name)}" for name in COORDINATES)
    return f"""
        SELECT plumbline_row, c.events.l[1] AS _left_partition, c.events.l[2] AS _left_offset,
            c.events.r[1] AS _right_partition, c.events.r[2] AS _right_offset, implied_by, alone
        FROM {NAMED_DELIVERIES} n JOIN {CANDIDATES} c USING (plumbline_row) WHERE {same}
    """


def numbered(pins: Pins, rows: Relation) -> str:
    """SQL: the rows of a view of the stream with `plumbline_row`, by which UNTOLD has them; NULL where it has not."""
    return f"SELECT s.*, n.plumbline_row FROM {rows} s LEFT JOIN {UNTOLD} n ON {_is_it(pins)}"


def _is_it(pins: Pins) -> str:
    """SQL: the stream's row `s` is one of UNTOLD's row `n`."""
    values = [name for name in pins.con.sql(f"FROM {UNTOLD} LIMIT 0").columns if name != "plumbline_row"]
    unnamed = (f"s.{part.strip()}" for part in UNNAMED.split(" AND "))
    return " AND ".join([*unnamed, *(f"s.{ident(name)} IS NOT DISTINCT FROM n.{ident(name)}" for name in values)])


def _named(pins: Pins, rows: Relation) -> str:
    """The rows of a view of the stream, with coordinates where they lack them and NAMED has them."""
    told = ", ".join(f"coalesce(s.{ident(name)}, n.{ident(name)}) AS {ident(name)}" for name in COORDINATES)
    places = ", ".join(f"m.{ident(name)}" for name in COORDINATES)
    return f"""
        SELECT s.* REPLACE ({told}) FROM {rows} s
        LEFT JOIN (SELECT u.*, {places} FROM {UNTOLD} u JOIN {NAMED} m USING (plumbline_row)) n ON {_is_it(pins)}
    """
