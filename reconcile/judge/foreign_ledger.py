"""What the ledger of a job that is not ours leaves unknown, and where the stream table contradicts it.

It was copied from outside: epochs may be purged before they are seen, and nothing but the rows tells whether the
job's event time is the contract's.
"""

from __future__ import annotations

from plumbline.connect.sql_quoting import ident
from plumbline.contract.lineage import SIDES
from plumbline.reconcile.evidence import reported
from plumbline.reconcile.inputs.pinned_views import Pins
from plumbline.reconcile.relations.inputs import ARCHIVES, LEDGER, READ, SPANS
from plumbline.reconcile.relations.judge import FATE


def unseen(pins: Pins) -> bool:
    """Whether the stream has read archived records of the range in epochs that the ledger lacks: purged by Spark before
    they were observed, or of a checkpoint before it. The ledger must be laid out."""
    if pins.contract.job is None:
        return False
    found = (
        f"""
        SELECT 1 FROM {ARCHIVES[side]} r
        ASOF LEFT JOIN (FROM {SPANS} WHERE side = '{side}') s
            ON r.partition = s.partition AND r."offset" >= s.start_offset
        LEFT JOIN {READ} n ON n.side = '{side}' AND n.partition = r.partition
        WHERE CASE WHEN n.end_offset IS NULL THEN {str(pins.contract.job.progress is not None).lower()}
            ELSE r."offset" < n.end_offset AND (s.end_offset IS NULL OR r."offset" >= s.end_offset) END
        """
        for side in SIDES
    )
    queries = pins.con.execute(f"SELECT count(DISTINCT query_id) FROM {LEDGER}").fetchone()
    several = queries is not None and queries[0] > 1
    return several or any(pins.con.execute(f"{sql} LIMIT 1").fetchone() is not None for sql in found)


def contradicted(pins: Pins, *, fates: bool) -> bool:
    """Whether the stream table holds rows of records that the ledger calls late: then it is not the ledger of this
    join, or another column is its event time. Or its own reports are contradicted. `fates`: whether those of both
    sides' records are known, see judge.prediction."""
    if pins.contract.job is None:
        return False
    if pins.contract.job.dropped is not None:
        reported.check(pins)
    if reported.discredited(pins):
        return True
    if not fates:
        return False
    matched = {
        "left": "AND s._right_offset IS NOT NULL" if pins.contract.job.late_left == "padded" else "",
        "right": "",
    }
    return any(
        pins.con.execute(
            f"""
            SELECT 1 FROM {pins.stream} s JOIN {FATE[side]} f
                ON f.partition = s._{side}_partition AND f."offset" = s._{side}_offset
            WHERE f.late AND s._replay_id IS NULL {matched[side]} LIMIT 1
            """
        ).fetchone()
        is not None
        for side in SIDES
    ) or any(pins.con.execute(_equal_to_late(pins, side)).fetchone() is not None for side in SIDES)


def _equal_to_late(pins: Pins, side: str) -> str:
    """The first row of a late record that the stream holds although it does not say so: more rows with such values than
    the batch makes from records in time."""
    shown = set(pins.con.sql(f"FROM {pins.stream} LIMIT 0").columns)
    columns = [column.name for column in pins.contract.output_columns if column.name in shown]
    values = ", ".join(map(ident, columns))
    same = " AND ".join(f"r.{ident(name)} IS NOT DISTINCT FROM s.{ident(name)}" for name in columns)
    late = f'LEFT JOIN {FATE[side]} f ON f.partition = _{side}_partition AND f."offset" = _{side}_offset AND f.late'
    return f"""
        WITH late AS (SELECT DISTINCT {values} FROM {pins.batch} {late} WHERE f.late),
        held AS (
            SELECT {values}, -1 AS n FROM {pins.batch} {late} WHERE f.late IS NULL
            UNION ALL SELECT {values}, 1 FROM {pins.stream}
            WHERE _left_offset IS NULL AND _right_offset IS NULL AND _replay_id IS NULL
        )
        SELECT 1 FROM held s JOIN late r ON {same} GROUP BY {", ".join(f"r.{ident(name)}" for name in columns)}
        HAVING sum(n) > 0 LIMIT 1
    """
