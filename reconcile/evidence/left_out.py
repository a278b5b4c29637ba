"""Records that never entered the join: quarantined ones, and those that a source's `where` leaves out.

They are not late, lift no watermark, and are counted apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from plumbline.connect import pinned
from plumbline.connect.sql_quoting import text
from plumbline.reconcile.evidence.quarantine import judge
from plumbline.reconcile.inputs.where_conditions import condition

if TYPE_CHECKING:
    from plumbline.reconcile.inputs.pinned_views import Pins


def fill_left_out(pins: Pins, side: str) -> bool:
    """Fill `<side>_left_out` (partition, offset): archived records that cannot have entered the join, whatever their
    time. Whether these are all: not where `where` cannot be judged."""
    source = pins.contract.left if side == "left" else pins.contract.right
    judge(pins, side)
    passes, snapshot = condition(source), pins.snapshots[source.archive]
    refused = f'SELECT partition, "offset" FROM {side}_judged'
    if passes is not None and passes != "true" and snapshot is not None:
        view, columns = f"{side}_conditions", ("topic", "partition", "offset", "value")
        pinned.scan(pins.con, pins.lake, source.archive, snapshot, view=view, columns=columns)
        refused += f"""
            UNION SELECT partition, "offset" FROM {view}
            WHERE topic = {text(source.topic)} AND NOT coalesce({passes}, false)
        """
    pins.con.execute(f"CREATE OR REPLACE TEMP TABLE {side}_left_out AS {refused}")
    return passes is not None
