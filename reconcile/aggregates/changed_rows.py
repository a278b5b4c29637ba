"""The joined rows that the stream did not make, by ledger and archive, and those that it made and the batch did not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plumbline.contract.aggregate import JOINED
from plumbline.contract.lineage import SIDES
from plumbline.reconcile.aggregates.newer_rows import find_newer_rows
from plumbline.reconcile.aggregates.unread_by_batch import note_newer
from plumbline.reconcile.evidence import quarantine
from plumbline.reconcile.judge.prediction import fates_known, tell_fates
from plumbline.reconcile.relations.aggregates import CHANGED, HOLES, NEWER_ROWS, ROWS_BELOW
from plumbline.reconcile.relations.evidence import REASONS
from plumbline.reconcile.relations.inputs import ARCHIVES, COPIES, READ, SPANS
from plumbline.reconcile.relations.judge import FATE

if TYPE_CHECKING:
    from plumbline.reconcile.aggregates.views import Opened
    from plumbline.reconcile.relations.relation import Relation

UNSEEN = "unseen"
"""No cause: what became of the record nobody knows, as no epoch of the ledger has read it."""


def find_changed(inputs: Opened) -> Relation | None:
    """CHANGED; None where the ledger does not tell what became of each record."""
    if not fates_known(inputs.pins, inputs.progress):
        return None
    tell_fates(inputs.pins)
    for side in SIDES:
        quarantine.judge(inputs.pins, side)
        HOLES[side].fill(inputs.pins.con, _holes(side))
    CHANGED.fill(inputs.pins.con, _changed())
    note_newer(inputs.pins)
    if find_newer_rows(inputs):
        inputs.pins.con.execute(_with_partners())
        CHANGED.add(inputs.pins.con, f"SELECT * FROM {NEWER_ROWS}")
    return CHANGED


def nothing_changed(inputs: Opened) -> Relation:
    """CHANGED without rows, for where nobody knows them."""
    sql = f"SELECT *, NULL::VARCHAR AS cause, NULL::INTEGER AS sign FROM {ROWS_BELOW} WHERE false"
    return CHANGED.fill(inputs.pins.con, sql)


def _with_partners() -> str:
    """Takes left events out that are not alone, as one of their partners came after the batch run."""
    return f"""
        DELETE FROM {CHANGED} WHERE sign = 1 AND (_left_partition, _left_offset) IN (
            SELECT (_left_partition, _left_offset) FROM {NEWER_ROWS} WHERE _right_offset IS NOT NULL
        )
    """


def _holes(side: str) -> str:
    return f"""
        SELECT r.partition, r."offset" FROM {ARCHIVES[side]} r
        ASOF LEFT JOIN (FROM {SPANS} WHERE side = '{side}') s
            ON r.partition = s.partition AND r."offset" >= s.start_offset
        JOIN {READ} n ON n.side = '{side}' AND n.partition = r.partition
        ANTI JOIN {COPIES[side]} c ON c.partition = r.partition AND c."offset" = r."offset"
        WHERE r."offset" < n.end_offset AND (s.end_offset IS NULL OR r."offset" >= s.end_offset)
    """


def _changed() -> str:
    """A pair goes with either of its records. A left event whose pairs are all gone came out alone, if it is there.

    Of a pair without both records the cause is that of the left one, but for records that tell more.
    """
    return f"""
        WITH marked AS (
            SELECT r.*, {why("left")} AS left_lost, {why("right")} AS right_lost
            FROM {ROWS_BELOW} r {fates("left")} {fates("right")}
            WHERE r."{JOINED}"
        ),
        lost AS (
            SELECT * EXCLUDE (left_lost, right_lost), -1::INTEGER AS sign, CASE
                WHEN left_lost = 'unseen' OR right_lost = 'unseen' THEN 'unseen'
                WHEN left_lost = 'quarantined' OR right_lost = 'quarantined' THEN 'quarantined'
                WHEN left_lost = 'pending' THEN 'pending'
                WHEN left_lost = 'late' THEN 'late_left'
                WHEN right_lost = 'pending' THEN 'pending'
                ELSE 'late_right' END AS cause
            FROM marked WHERE left_lost IS NOT NULL OR right_lost IS NOT NULL
        ),
        bare AS (
            SELECT _left_partition, _left_offset, CASE
                WHEN bool_or(right_lost = 'unseen') THEN 'unseen'
                WHEN bool_or(right_lost = 'quarantined') THEN 'quarantined'
                WHEN bool_or(right_lost = 'pending') THEN 'pending'
                ELSE 'late_right' END AS cause
            FROM marked SEMI JOIN lost USING (_left_partition, _left_offset)
            WHERE left_lost IS NULL GROUP BY ALL HAVING bool_and(right_lost IS NOT NULL)
        )
        SELECT * FROM lost
        UNION ALL BY NAME
        SELECT r.*, bare.cause, 1::INTEGER AS sign
        FROM {ROWS_BELOW} r JOIN bare USING (_left_partition, _left_offset) WHERE NOT r."{JOINED}"
    """


def why(side: str) -> str:
    """SQL over `fates`: why the stream did not take a record in; NULL when it did, and without one."""
    return f"""CASE WHEN {side}_q.reason IS NOT NULL THEN 'quarantined'
        WHEN {side}_h.partition IS NOT NULL THEN 'unseen'
        WHEN {side}_f.unread THEN 'pending' WHEN {side}_f.late THEN 'late' END"""


def fates(side: str) -> str:
    """SQL: what is known of one record of each row `r`."""
    return "\n".join(
        f"LEFT JOIN {found} {side}_{letter} ON {side}_{letter}.partition = r._{side}_partition "
        f'AND {side}_{letter}."offset" = r._{side}_offset'
        for letter, found in (("q", REASONS[side]), ("h", HOLES[side]), ("f", FATE[side]))
    )
