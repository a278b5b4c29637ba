"""Rows that a team's own join has written, and that an operator behind it in the query may hold back yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plumbline.connect.sql_quoting import text
from plumbline.contract.lineage import OTHER, SIDES
from plumbline.contract.operators import UNKNOWN

if TYPE_CHECKING:
    from plumbline.reconcile.inputs.epoch_spans import Progress
    from plumbline.reconcile.inputs.pinned_views import Pins
    from plumbline.reconcile.judge.document_types import HeldBack
    from plumbline.reconcile.relations.relation import Relation


def closed(progress: Progress, side: str) -> str:
    """SQL: whether the window of a difference's record is closed, and what came of it is out; NULL where that may be
    held back."""
    time, until = _WINDOWS[side]
    if progress.held_by is None:
        return f"{time} <= {until}"
    let_go = "NULL" if progress.settled_until_us is None else f"nullif({time} <= {progress.settled_until_us}, false)"
    return f"({time} <= {until} AND {let_go})"


_WINDOWS = {
    "left": ("coalesce(left_event_us, epoch_us(event_time))", "closed_until_us"),
    "right": (
        "coalesce(right_event_us, CASE WHEN left_offset IS NULL THEN epoch_us(event_time) END)",
        "right_closed_until_us",
    ),
}
"""Of each side: the event time of the record (us), and up to when the join has closed windows."""


def held_back(progress: Progress) -> str:
    """SQL over a finished difference: what may hold its row back, NULL where nothing does.

    The join must have written the batch's row, or the unmatched one of its only record in time, and nothing that is
    out may say otherwise: after its unmatched row a record has no other.
    """
    if progress.held_by is None:
        return "NULL::VARCHAR"
    let_go = progress.settled_until_us
    later = "true" if let_go is None else f"coalesce(epoch_us(event_time) > {let_go}, true)"
    alone = " ".join(f"WHEN batch_has_{side} THEN stream_knows_{side}" for side in SIDES)
    return f"""
        CASE WHEN class = 'missing' AND {later} AND NOT stream_holds_row AND NOT coalesce(outside_within, false)
            AND CASE WHEN batch_has_left AND batch_has_right
                THEN (left_admitted AND right_admitted) OR {" OR ".join(f"({_instead(side)})" for side in SIDES)}
                {" ".join(f"WHEN batch_has_{side} THEN {_unmatched(side)}" for side in SIDES)} END
            AND NOT coalesce(CASE WHEN batch_has_left AND batch_has_right
                THEN {" OR ".join(f"(stream_knows_{side} AND NOT stream_matched_{side})" for side in SIDES)}
                {alone} END, false)
            THEN {text(progress.held_by)} END"""


def told(findings: Relation, pins: Pins, progress: Progress) -> HeldBack | None:
    """What the document says of it; None where nothing holds rows back."""
    if progress.held_by is None:
        return None
    sql = f"SELECT count(*) FROM {findings} WHERE cause = 'pending' AND held_by IS NOT NULL"
    [(rows,)] = pins.con.execute(sql).fetchall()
    return {"by": [] if progress.held_by == UNKNOWN else progress.held_by.split(", "), "rows": int(rows)}


def _unmatched(side: str) -> str:
    """The join has written the record without a match, or may have."""
    return f"{side}_kept AND {side}_admitted AND {side}_closed IS DISTINCT FROM false"


def _instead(side: str) -> str:
    """The same in place of a match that came late."""
    return f"{OTHER[side]}_late AND {_unmatched(side)} AND NOT coalesce(stream_matched_{side}, false)"
