"""How many offsets that the stream has read the archives lack: a record there no batch run has joined.

No cause of a line: a line does not say which records it was made from, and what the archive lacks has no numbers. Nor
need an offset be a record: a compacted or transactional topic leaves some out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from plumbline.connect.archives import scan_archive
from plumbline.connect.sql_quoting import text
from plumbline.contract.lineage import SIDES
from plumbline.reconcile.relations.evidence import ARCHIVED_PLACES
from plumbline.reconcile.relations.inputs import SPANS

if TYPE_CHECKING:
    from plumbline.reconcile.inputs.pinned_views import Pins


def unarchived(pins: Pins) -> dict[str, int]:
    """Source to how many offsets; sources of which nothing is lacking are left out. Reads the coordinates of both whole
    archives. The ledger must be laid out."""
    join = pins.contract.join
    counted = {name: _counted(pins, side) for side, name in zip(SIDES, (join.left, join.right), strict=True)}
    return {name: number for name, number in counted.items() if number}


def _counted(pins: Pins, side: str) -> int:
    source = pins.contract.source_of(side)
    snapshot, places = pins.snapshots[source.archive], ARCHIVED_PLACES[side]
    if snapshot is None:
        return 0
    columns = ("topic", "partition", "offset")
    scan_archive(pins.con, pins.lake, source, snapshot, view=places.name, columns=columns)
    [(number,)] = pins.con.execute(
        f"""
        WITH spans AS (FROM {SPANS} WHERE side = '{side}'),
        archived AS (SELECT DISTINCT partition, "offset" FROM {places} WHERE topic = {text(source.topic)})
        SELECT (SELECT coalesce(sum(end_offset - start_offset), 0) FROM spans) - (
            SELECT count(*) FROM archived a
            ASOF JOIN spans s ON s.partition = a.partition AND a."offset" >= s.start_offset
            WHERE a."offset" < s.end_offset
        )
        """
    ).fetchall()
    return int(number)
