"""Which days of a finished comparison may stand for later runs: those that nothing outside their inputs can change.

If in doubt a day is not kept, and so is read again.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from plumbline.connect.sql_quoting import ident, text
from plumbline.contract.durations import milliseconds
from plumbline.contract.lineage import SIDES
from plumbline.contract.ranges import from_micros
from plumbline.reconcile.inputs.pinned_views import Pins
from plumbline.reconcile.relations.evidence import LIFTS, REFUSALS, UNEVEN_DAYS
from plumbline.reconcile.relations.judge import DRIFTED
from plumbline.reconcile.relations.relation import Relation

if TYPE_CHECKING:
    import duckdb

    from plumbline.reconcile.evidence.differing_rows import Differing

LATE = ("late_left", "late_right")
LACKING = ("quarantined", *LATE)
"""Causes that say of a row that the stream never wrote it. Reuse looks whether it is there after all."""
LASTING = (
    "duplicate_input",
    "double_commit",
    "value_divergence",
    "arrived_after_batch",
    *LACKING,
)
"""Causes whose proof stands as long as the inputs do. `pending` settles, `unexplained` may find its cause, a lost row
may turn up under another event time, and a cause that is not named here is looked at again every time."""

MOST_FINDINGS = 100_000
MOST_REFUSED = 10_000


def drifted_keys(pins: Pins, found: Differing) -> Relation:
    """DRIFTED: the keys in which the rows that were read differ, one lineage or several."""
    keys = ", ".join(f"key.{ident(name)}" for name in pins.contract.output.key)
    return DRIFTED.fill(pins.con, f"SELECT * FROM {found.several} UNION SELECT {keys} FROM {found.rows}")


def needs_all(pins: Pins) -> bool:
    """Whether the days that were read cannot be judged apart from the others.

    Where a batch row has no lineage, or where an event may have come from the future: that is judged by what is usual
    over the whole range.
    """
    return not pins.batch_has_lineage or _any_ahead(pins)


def doubtful(pins: Pins, attributed: Relation, drifted: Relation) -> set[datetime]:
    """The days that may not be kept, among those that were read."""
    crossed = _crossed(pins, attributed, drifted) if drifted.any(pins.con) else set()
    return (
        _days_with_passing_causes(pins, attributed)
        | _days_with_many_findings(pins.con, attributed)
        | _uneven(pins)
        | crossed
    )


def same_key(pins: Pins, left: str, right: str) -> str:
    """SQL: the rows under two aliases have one key."""
    names = map(ident, pins.contract.output.key)
    return " AND ".join(f"{left}.{name} IS NOT DISTINCT FROM {right}.{name}" for name in names)


def days(con: duckdb.DuckDBPyConnection, sql: str) -> set[datetime]:
    """The days that a query with one timestamp column names."""
    found = con.execute(f"SELECT DISTINCT epoch_us(day) FROM ({sql}) AS named(day)").fetchall()
    # Asked here and not there: DuckDB would work the day out for every row before it joins or groups any.
    return {from_micros(day_us) for (day_us,) in found if day_us is not None}


def _days_with_passing_causes(pins: Pins, attributed: Relation) -> set[datetime]:
    """Days with a finding whose cause may become another, or whose records are not all archived yet.

    A pair at a bound of `within` depends on what other days' rows the stream has of its records.
    """
    unseen = " OR ".join(f"({side}_offset IS NOT NULL AND {side}_event_us IS NULL)" for side in SIDES)
    causes = [cause for cause in LASTING if not (cause in LATE and _any_ahead(pins))]
    lasting = ", ".join(map(text, causes))
    found = f"SELECT date_trunc('day', event_time) FROM {attributed}"
    return days(pins.con, f"{found} WHERE cause NOT IN ({lasting}) OR {unseen} OR coalesce(at_bound, false)")


def _any_ahead(pins: Pins) -> bool:
    """Whether an event that could have made a record late is ahead of its delivery by more than its source's delay."""
    sources = zip(SIDES, (pins.contract.left, pins.contract.right), strict=True)
    found = " UNION ALL ".join(
        f"SELECT 1 FROM {LIFTS[side]} WHERE ahead_by_ms > {milliseconds(source.watermark)}" for side, source in sources
    )
    return bool(pins.con.execute(f"{found} LIMIT 1").fetchall())


def _days_with_many_findings(con: duckdb.DuckDBPyConnection, attributed: Relation) -> set[datetime]:
    """Days with so much to keep that reading them again costs no more."""
    found = f"SELECT date_trunc('day', event_time) AS d FROM {attributed} GROUP BY d HAVING count(*) > {MOST_FINDINGS}"
    for side in SIDES:
        found += f' UNION ALL SELECT "window" FROM {REFUSALS[side]} GROUP BY ALL HAVING count(*) > {MOST_REFUSED}'
    return days(con, found)


def _uneven(pins: Pins) -> set[datetime]:
    """Days with rows whose equals stand on another day in the other table."""
    return days(pins.con, f"FROM {UNEVEN_DAYS}")


def _crossed(pins: Pins, attributed: Relation, drifted: Relation) -> set[datetime]:
    """Days with a differing key that has rows on another day too, or that is not a finding by itself."""
    of_key = same_key(pins, "d", "r")
    placed = " UNION ".join(
        f"SELECT d.*, date_trunc('day', _event_time) AS plumbline_day FROM {rows} r JOIN {drifted} d ON {of_key}"
        for rows in (pins.batch, pins.stream)
    )
    keys = ", ".join(ident(name) for name in pins.contract.output.key)
    found = f"SELECT unnest(key) FROM {attributed}"
    return days(
        pins.con,
        f"""
        WITH placed AS ({placed}), counted AS (SELECT *, count(*) OVER (PARTITION BY {keys}) AS on_days FROM placed)
        SELECT plumbline_day FROM counted WHERE on_days > 1
        UNION ALL
        SELECT plumbline_day FROM counted c ANTI JOIN ({found}) f ON {same_key(pins, "c", "f")}
        """,
    )
