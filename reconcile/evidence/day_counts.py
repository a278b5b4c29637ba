"""How many rows each output has on each day, and which keys: one scan for the books, the replayed rows, and the days on
which the keys are not the same."""

from __future__ import annotations

from plumbline.contract.lineage import EVENT_TIME, REPLAY_ID
from plumbline.reconcile.inputs.day_ranges import day_sql
from plumbline.reconcile.inputs.pinned_views import Pins
from plumbline.reconcile.relations.evidence import DAY_COUNTS
from plumbline.reconcile.relations.relation import Relation


def count_days(pins: Pins, key_hash: str | None = None) -> Relation:
    """Fill DAY_COUNTS from the rows of both outputs that are read; `key_hash` is SQL of the hash of a row's key, None
    where nobody asks for the keys."""
    keys = "NULL::HUGEINT" if key_hash is None else f"sum({key_hash})"
    return DAY_COUNTS.fill(
        pins.con,
        " UNION ALL ".join(
            f"""
            SELECT '{table}' AS output, {day_sql(EVENT_TIME)} AS plumbline_day, count(*) AS held,
                count({REPLAY_ID}) AS replayed, {keys} AS keys
            FROM {rows} GROUP BY ALL
            """
            for table, rows in (("batch", pins.batch), ("stream", pins.stream))
        ),
    )
