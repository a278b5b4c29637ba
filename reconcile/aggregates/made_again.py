"""The suspect lines made again: by the batch's rows, and by those of them that the stream made too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plumbline.connect.sql_quoting import ident
from plumbline.contract.aggregate import JOINED, WINDOW_END
from plumbline.contract.lineage import COORDINATES, REPLAY_ID
from plumbline.reconcile.aggregates.gathering import gathered_sql, same_key
from plumbline.reconcile.diff.engine.columns import drift_names
from plumbline.reconcile.relations.aggregates import (
    BATCH_LINES,
    CHANGED,
    LINES,
    MADE,
    PARTS,
    ROWS_BELOW,
    STREAM_LINES,
    SUSPECTS,
)
from plumbline.reconcile.relations.diff import DRIFT

if TYPE_CHECKING:
    from plumbline.reconcile.aggregates.views import Opened


def make_again(inputs: Opened, only: str | None = None) -> int:
    """Fill SUSPECTS, MADE, PARTS and LINES from DRIFT and CHANGED. Returns the number of suspects.

    With `only`, SQL over the key columns, the keys of which it holds are looked at, suspect or not, and no others.
    """
    con = inputs.pins.con
    SUSPECTS.fill(con, _suspects(inputs, only))
    gathered = gathered_sql(inputs.aggregate, inputs.kinds)
    MADE.fill(con, _made(inputs, gathered))
    PARTS.fill(
        con,
        f"""
        SELECT place, cause, sign, count(*) AS rows, {gathered}
        FROM {CHANGED} r JOIN {SUSPECTS} k ON {same_key(inputs.aggregate)} GROUP BY place, cause, sign
        """,
    )
    values = ", ".join(map(ident, inputs.values))
    LINES.fill(
        con,
        " UNION ALL ".join(
            f"SELECT place, '{side}' AS side, {WINDOW_END}, {values} FROM {lines} r JOIN {SUSPECTS} k "
            f"ON {same_key(inputs.aggregate)}"
            for side, lines in (("batch", BATCH_LINES), ("stream", STREAM_LINES))
        ),
    )
    [(number,)] = con.execute(f"SELECT count(*) FROM {SUSPECTS}").fetchall()
    return int(number)


def _suspects(inputs: Opened, only: str | None) -> str:
    """Each key once, with the class of its difference, or NULL."""
    names = drift_names(inputs.aggregate.key)
    drifting = ", ".join(f"{ident(new)} AS {ident(name)}" for name, new in names.items())
    asked = (BATCH_LINES, STREAM_LINES, ROWS_BELOW) if only is not None else ()
    looked_at = [
        f"SELECT {drifting}, class FROM {DRIFT}",
        f"SELECT {inputs.keys}, NULL FROM {CHANGED} WHERE {inputs.closed}",
        *(f"SELECT {inputs.keys}, NULL FROM {rows}" for rows in asked),
    ]
    return f"""
        SELECT row_number() OVER () - 1 AS place, *, {_replayed(inputs)} AS replayed FROM (
            SELECT {inputs.keys}, max(class) AS class FROM ({" UNION ALL ".join(looked_at)})
            WHERE {only or "true"} GROUP BY {inputs.keys}
        ) k
    """


def _replayed(inputs: Opened) -> str:
    """SQL: whether a replay has published the stream's line of a key. The table has the ids since its first one."""
    if REPLAY_ID not in inputs.pins.con.sql(f"FROM {STREAM_LINES} LIMIT 0").columns:
        return "false"
    return f"EXISTS (SELECT 1 FROM {STREAM_LINES} r WHERE {same_key(inputs.aggregate)} AND r.{REPLAY_ID} IS NOT NULL)"


def _made(inputs: Opened, gathered: str) -> str:
    same = " AND ".join(f"r.{name} IS NOT DISTINCT FROM c.{name}" for name in COORDINATES)
    lost = f"(SELECT * FROM {CHANGED} WHERE sign = -1)"
    streamed = f"""(
        SELECT r.* FROM {ROWS_BELOW} r ANTI JOIN {lost} c ON {same} WHERE r."{JOINED}"
        UNION ALL BY NAME
        SELECT * EXCLUDE (cause, sign) FROM {CHANGED} WHERE sign = 1
    )"""
    return " UNION ALL ".join(
        f"SELECT place, '{side}' AS side, count(*) AS rows, {gathered} "
        f"FROM {rows} r JOIN {SUSPECTS} k ON {same_key(inputs.aggregate)} GROUP BY place"
        for side, rows in (("batch", f'(SELECT * FROM {ROWS_BELOW} WHERE "{JOINED}")'), ("stream", streamed))
    )
