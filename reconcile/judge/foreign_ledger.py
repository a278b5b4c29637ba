"""What the ledger of a job that is not ours leaves unknown, and where the stream table contradicts it.

It was copied from outside: epochs may be purged before they are seen, and nothing but the rows tells whether the
job's event time is the contract's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from plumbline.connect.sql_quoting import ident
from plumbline.contract.lineage import COORDINATES, SIDES
from plumbline.reconcile.diff.engine.tolerance_sql import near
from plumbline.reconcile.evidence import reported
from plumbline.reconcile.evidence.recomputed_rows import instead_of_matches
from plumbline.reconcile.inputs.pinned_views import Pins
from plumbline.reconcile.relations.inputs import ARCHIVES, LEDGER, READ, SPANS
from plumbline.reconcile.relations.judge import FATE

if TYPE_CHECKING:
    from plumbline.contract.equality import Tolerance
    from plumbline.reconcile.inputs.epoch_spans import Progress


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


def contradicted(pins: Pins, progress: Progress, *, fates: bool) -> bool:
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
    ) or _holds_late(pins, progress)


def _holds_late(pins: Pins, progress: Progress) -> bool:
    """The same of rows that do not say which records they were made from."""
    if pins.stream_has_lineage:
        return False
    return any(pins.con.execute(_equal_to_late(pins, progress, side)).fetchone() is not None for side in SIDES)


def _equal_to_late(pins: Pins, progress: Progress, side: str) -> str:
    """The first row of a late record that the stream holds although it does not say so: more rows with such values than
    the batch makes from records in time, and than those have unmatched rows instead. Values agree as in the comparison;
    a row twice in the batch counts once."""
    shown, tolerances = (
        set(pins.con.sql(f"FROM {pins.stream} LIMIT 0").columns),
        pins.contract.reconcile.as_tolerances(),
    )
    rules = {c.name: tolerances.get(c.name) for c in pins.contract.output_columns if c.name in shown}
    columns = [name for name, rule in rules.items() if rule is None or not rule.ignore]
    values = ", ".join(map(ident, columns))
    same = " AND ".join(_agree(ident(name), rules[name]) for name in columns)
    late = f'LEFT JOIN {FATE[side]} f ON f.partition = _{side}_partition AND f."offset" = _{side}_offset AND f.late'
    return f"""
        WITH late AS (SELECT DISTINCT {values} FROM {pins.batch} {late} WHERE f.late),
        held AS (
            SELECT {values}, ({", ".join(COORDINATES)}) AS made_from FROM {pins.batch} {late} WHERE f.late IS NULL
            UNION ALL SELECT {values}, ({", ".join(COORDINATES)}) FROM ({instead_of_matches(pins, columns, progress)})
            UNION ALL SELECT {values}, NULL FROM {pins.stream}
            WHERE _left_offset IS NULL AND _right_offset IS NULL AND _replay_id IS NULL
        )
        SELECT 1 FROM held s JOIN late r ON {same} GROUP BY {", ".join(f"r.{ident(name)}" for name in columns)}
        HAVING count(*) FILTER (made_from IS NULL) > count(DISTINCT made_from) LIMIT 1
    """


def _agree(name: str, rule: Tolerance | None) -> str:
    """SQL: a late row `r` and another one `s` have the same value in a column, as far as its tolerance tells."""
    equal = f"r.{name} IS NOT DISTINCT FROM s.{name}"
    if rule is None:
        return equal
    if rule.abs is None and rule.rel is None:
        return f"(r.{name} IS NULL) = (s.{name} IS NULL)"
    close = near(f"TRY_CAST(r.{name} AS DOUBLE)", f"TRY_CAST(s.{name} AS DOUBLE)", rule)
    return f"({equal} OR coalesce({close}, false))"
