"""The joined rows that the stream made of records which the batch run had not read, and those that they replace.

Nothing of them is in the batch's tables, so they are computed from the archive. They prove nothing by themselves: the
batch's line is made again with them, and has to be the stream's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from plumbline.connect.sql_quoting import ident
from plumbline.contract.aggregate import JOINED, WINDOW_START, begun_us_sql
from plumbline.contract.lineage import EVENT_TIME, REPLAY_ID, SIDES
from plumbline.reconcile.aggregates.archived_values import Formula, formula, read_values, value_of
from plumbline.reconcile.aggregates.unread_by_batch import parts_in_force, read_by
from plumbline.reconcile.relations.aggregates import HOLES, NEWER, NEWER_ROWS, ROWS_BELOW, VALUES
from plumbline.reconcile.relations.inputs import COPIES

if TYPE_CHECKING:
    from plumbline.reconcile.aggregates.views import Opened
    from plumbline.reconcile.inputs.pinned_views import Pins

NEW = "arrived_after_batch"


def find_newer_rows(inputs: Opened) -> bool:
    """Fill NEWER_ROWS. False, without a row, where nobody here can tell them. NEWER must be filled."""
    pins = inputs.pins
    con = pins.con
    NEWER_ROWS.fill(con, f"SELECT *, NULL::VARCHAR AS cause, NULL::INTEGER AS sign FROM {ROWS_BELOW} WHERE false")
    made_by = formula(pins.contract)
    if made_by is None or not any(NEWER[side].any(con) for side in SIDES) or not _told_whole(pins):
        return False
    if not read_values(pins, made_by) or _holes(pins):
        return False
    for run, mine in parts_in_force(pins, "event_time"):
        NEWER_ROWS.add(con, _made(inputs, made_by, run.snapshot_id, mine))
    return bool(NEWER_ROWS.add(con, _replaced())) or NEWER_ROWS.any(con)


def _told_whole(pins: Pins) -> bool:
    """Whether it is known of each record of NEWER that the batch run could not read its event."""
    for side in SIDES:
        if NEWER[side].any(pins.con, f'(partition, "offset") IN (SELECT (partition, "offset") FROM {COPIES[side]})'):
            return False  # the batch run may have read another delivery
        for run, _ in parts_in_force(pins, "event_time"):
            unknown = read_by(pins, side, run) is None
            if unknown and NEWER[side].any(pins.con, f"batch_snapshot_id = {run.snapshot_id}"):
                return False
    return True


def _holes(pins: Pins) -> bool:
    """Whether the ledger does not say of one of the records if the stream has read it."""
    place = 'partition, "offset"'
    return any(VALUES[side].any(pins.con, f"({place}) IN (SELECT ({place}) FROM {HOLES[side]})") for side in SIDES)


def _made(inputs: Opened, made_by: Formula, snapshot_id: int, mine: str) -> str:
    """The rows with a newer record that come in the part of one batch run."""
    pins = inputs.pins
    contract = pins.contract
    low, high = (ms * 1000 for ms in pins.within_ms)
    on = " AND ".join(
        f"l.{value_of(contract, 'left', left)} = r.{value_of(contract, 'right', right)}"
        for left, right in contract.join.pairs
    )
    names = {name: f"({sql})::{inputs.kinds[name]} AS {ident(name)}" for name, sql in made_by.columns.items()}
    begun = f"make_timestamptz({begun_us_sql('epoch_us(l.event_time)', inputs.window_us)})"
    places = ", ".join(
        f"{side[0]}.{part} AS _{side}_{part.strip(chr(34))}" for side in SIDES for part in ("partition", '"offset"')
    )
    alone = "OR (l.newer AND r.partition IS NULL)" if contract.join.keeps_left else ""
    left, right = (
        f"""(SELECT v.*, n.partition IS NOT NULL AS newer FROM {VALUES[side]} v LEFT JOIN (
            FROM {NEWER[side]} WHERE batch_snapshot_id = {snapshot_id}) n USING (partition, "offset"))"""
        for side in SIDES
    )
    return f"""
        SELECT {begun} AS {WINDOW_START}, {", ".join(names.values())}, true AS "{JOINED}",
            l.event_time AS {EVENT_TIME}, {places}, NULL::VARCHAR AS {REPLAY_ID}, '{NEW}' AS cause, 1 AS sign
        FROM (FROM {left} WHERE {mine}) l
        LEFT JOIN {right} r ON {on} AND epoch_us(r.event_time) - epoch_us(l.event_time) BETWEEN {low} AND {high}
        WHERE (r.partition IS NOT NULL AND (l.newer OR r.newer)) {alone}
    """


def _replaced() -> str:
    """The batch's rows of left events alone that have a partner now."""
    return f"""
        SELECT b.*, '{NEW}' AS cause, -1 AS sign FROM {ROWS_BELOW} b
        SEMI JOIN (FROM {NEWER_ROWS} WHERE _right_offset IS NOT NULL) n
            ON n._left_partition = b._left_partition AND n._left_offset = b._left_offset
        WHERE b."{JOINED}" AND b._right_offset IS NULL
    """
