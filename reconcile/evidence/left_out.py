"""Records that never entered the join: quarantined ones, and those that a source's `where` leaves out.

They are not late, lift no watermark, and are counted apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from plumbline.connect.archives import scan_archive
from plumbline.connect.sql_quoting import text
from plumbline.connect.where_conditions import condition
from plumbline.reconcile.evidence.quarantine import judge
from plumbline.reconcile.relations.evidence import CONDITIONS, LEFT_OUT
from plumbline.reconcile.relations.inputs import ARCHIVES, SPANS

if TYPE_CHECKING:
    from plumbline.reconcile.inputs.pinned_views import Pins


def fill_left_out(pins: Pins, side: str) -> bool:
    """Fill LEFT_OUT of one side: archived records that cannot have entered the join, whatever their time.

    Returns whether these are all: not where `where` cannot be judged.
    """
    source = pins.contract.source_of(side)
    reasons = judge(pins, side)
    passes, snapshot = condition(source), pins.snapshots[source.archive]
    refused = f'SELECT partition, "offset" FROM {reasons}'
    if passes is not None and passes != "true" and snapshot is not None:
        view, columns = CONDITIONS[side], ("topic", "partition", "offset", "value")
        scan_archive(pins.con, pins.lake, source, snapshot, view=view.name, columns=columns)
        refused += f"""
            UNION SELECT partition, "offset" FROM {view}
            WHERE topic = {text(source.topic)} AND NOT coalesce({passes}, false)
        """
    LEFT_OUT[side].fill(pins.con, refused)
    return passes is not None


def taken_in_sql(side: str) -> str:
    """A relation of SQL: each record of a side that the stream took in, once, with its coordinates and event time, and
    with the turn and the late watermark (ms) of the epoch that read it. LEFT_OUT must be filled."""
    return f"""(
        SELECT r.partition, r."offset", r.event_time, s.turn, s.late_watermark_ms
        FROM (
            SELECT DISTINCT partition, "offset", event_time FROM {ARCHIVES[side]}
            ANTI JOIN {LEFT_OUT[side]} USING (partition, "offset")
        ) r
        ASOF JOIN (FROM {SPANS} WHERE side = '{side}') s ON r.partition = s.partition AND r."offset" >= s.start_offset
        WHERE r."offset" < s.end_offset
    )"""
