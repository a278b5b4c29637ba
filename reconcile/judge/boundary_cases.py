"""The grey zone: rows that came out as they did by a hair. They are counted, and judged by the exact rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plumbline.contract.lineage import COORDINATES, SIDES
from plumbline.reconcile.diff.engine.compare import compare
from plumbline.reconcile.diff.engine.rules import Rules
from plumbline.reconcile.evidence.gather import GRAIN_US
from plumbline.reconcile.evidence.left_out import fill_left_out, taken_in_sql
from plumbline.reconcile.inputs.pinned_views import Pins
from plumbline.reconcile.relations.diff import DRIFT
from plumbline.reconcile.relations.inputs import RIGHT_ARCHIVE
from plumbline.reconcile.relations.relation import Relation

if TYPE_CHECKING:
    from plumbline.reconcile.judge.document_types import Edges


def count_edges(pins: Pins, findings: Relation) -> Edges:
    """`{"tolerance": {column: rows}, "window": rows, "watermark": records}` of a finished attribution.

    `tolerance`: rows that are equal only by the tolerance of that column. `window`: batch rows whose two events lie
    within a millisecond of a bound of `within`. `watermark`: records whose event time lies within a millisecond of the
    late watermark of the epoch that read them. Costs a second comparison of the columns with a tolerance.
    """
    con = pins.con
    for side in SIDES:
        fill_left_out(pins, side)
    [(window,)] = con.execute(_at_a_bound(pins)).fetchall()
    watermark = sum(con.execute(_at_the_watermark(side)).fetchall()[0][0] for side in SIDES)
    return {
        "tolerance": _by_tolerance(pins, findings),
        "window": window,
        "watermark": watermark,
    }


def _by_tolerance(pins: Pins, findings: Relation) -> dict[str, int]:
    """Column to rows: what differs when nothing is forgiven, less what differs all the same."""
    rules = pins.contract.reconcile.as_tolerances()
    columns = [name for name in pins.contract.value_columns if name in rules and not rules[name].ignore]
    if not columns:
        return {}
    lineage = pins.batch_has_lineage and pins.stream_has_lineage
    key = (*pins.contract.output.key, *(COORDINATES if lineage else ()))
    compare(pins.con, pins.batch.name, pins.stream.name, key, Rules(columns), memory=pins.memory, temp_dir=pins.scratch)
    strictly = _counted(pins, DRIFT, "true")
    loosely = _counted(pins, findings, "coalesce(same_lineage, true)")
    found = {name: strictly.get(name, 0) - loosely.get(name, 0) for name in columns}
    return {name: number for name, number in found.items() if number}


def _counted(pins: Pins, differing: Relation, condition: str) -> dict[str, int]:
    found = pins.con.execute(
        f"""
        SELECT name, count(*) FROM (
            SELECT unnest(columns) AS name FROM {differing} WHERE class = 'mismatch' AND {condition}
        ) GROUP BY name
        """
    ).fetchall()
    return {str(name): int(number) for name, number in found}


def _at_a_bound(pins: Pins) -> str:
    apart = "(epoch_us(r.event_time) - epoch_us(b._event_time))"
    near = " OR ".join(f"abs({apart} - {bound * 1_000}) <= {GRAIN_US}" for bound in pins.within_ms)
    return f"""
        SELECT count(*) FROM {pins.batch} b
        JOIN (SELECT DISTINCT partition, "offset", event_time FROM {RIGHT_ARCHIVE}) r
            ON r.partition = b._right_partition AND r."offset" = b._right_offset
        WHERE b._left_offset IS NOT NULL AND ({near})
    """


def _at_the_watermark(side: str) -> str:
    return f"""
        SELECT count(*) FROM {taken_in_sql(side)}
        WHERE abs(epoch_us(event_time) - late_watermark_ms * 1000) <= {GRAIN_US}
    """
