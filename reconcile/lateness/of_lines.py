"""How many lines of an aggregate would have lacked a record with other delays, by the rows below the batch's lines."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

from plumbline.contract.aggregate import JOINED
from plumbline.reconcile.evidence.left_out import taken_in_sql
from plumbline.reconcile.format import MINUTE_MS
from plumbline.reconcile.lateness.curve import MINUTES_BEHIND
from plumbline.reconcile.relations.aggregates import BATCH_LINES, ROWS_BELOW

if TYPE_CHECKING:
    from plumbline.reconcile.aggregates.views import Opened


@dataclass(frozen=True)
class LinesBehind:
    """`behind` holds (whole minutes, lines) in ascending order: by how much the last record of a line came behind the
    watermark. `lines` counts all of the batch table."""

    lines: int
    behind: tuple[tuple[int, int], ...]

    def lost(self, longer_ms: int) -> int:
        """Lines that would lack a record if both delays were longer by `longer_ms`, a whole number of minutes."""
        minutes = [minute for minute, _ in self.behind]
        return sum(number for _, number in self.behind[bisect_left(minutes, -(-longer_ms // MINUTE_MS)) :])


def lines_behind(inputs: Opened) -> LinesBehind:
    """The lateness of the batch's lines. A record below no line takes nothing from any; LEFT_OUT must be filled.

    A line that lacks a left event's match may have the event alone in its place: it differs all the same.
    """
    con = inputs.pins.con
    [(lines,)] = con.execute(f"SELECT count(*) FROM {BATCH_LINES}").fetchall()
    found = con.execute(
        f"""
        WITH left_records AS ({_behind("left")}),
        right_records AS ({_behind("right")}),
        lines AS (
            SELECT max(greatest(l.minute, r.minute)) AS minute
            FROM {ROWS_BELOW} b
            LEFT JOIN left_records l ON l.partition = b._left_partition AND l."offset" = b._left_offset
            LEFT JOIN right_records r ON r.partition = b._right_partition AND r."offset" = b._right_offset
            WHERE "{JOINED}" GROUP BY {inputs.keys}
        )
        SELECT minute, count(*) FROM lines WHERE minute IS NOT NULL GROUP BY minute ORDER BY minute
        """
    ).fetchall()
    return LinesBehind(int(lines), tuple((int(minute), int(number)) for minute, number in found))


def _behind(side: str) -> str:
    """Each record of a side that was read, and by how many whole minutes it came behind the watermark."""
    return f'SELECT partition, "offset", {MINUTES_BEHIND} AS minute FROM {taken_in_sql(side)}'
