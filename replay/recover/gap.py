"""Epochs that only the table knows: which of their rows were dropped, as far as the table proves it.

Of one unrecorded epoch the late watermark is known: the ledger's last epoch closed state up to it. Of several it is
not. Then a row is taken as dropped only when the table proves it: its match is missing though the partner was there,
or its window is closed and no row came. All others are taken as admitted, and what they still give is new.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from plumbline.contract.lineage import EVENT_TIME, SIDES
from plumbline.replay.recover.border import WRITTEN, Border, Ends
from plumbline.replay.recover.past import Past
from plumbline.replay.recover.proof import MISSING
from plumbline.stream_job.ledger import Epoch

Place = tuple[str, int, int]
"""Side, partition, offset of a record."""


@dataclass(frozen=True)
class Judged:
    """A record between the ledger's end and the border: its event time (us), and whether it was dropped."""

    place: Place
    event_us: int
    dropped: bool


def prepare(past: Past, border: Border) -> None:
    """Make the table `beyond` (side, partition, position, us, doubtful): rows of the gap that are not surely late.

    Doubtful are those that no row of the table was made from.
    """
    past.con.execute(
        "CREATE OR REPLACE TEMP TABLE beyond "
        "(side VARCHAR, partition INT, position BIGINT, us BIGINT, doubtful BOOLEAN)"
    )
    for side, ends in zip(SIDES, border.recorded, strict=True):
        known = " ".join(f"WHEN {partition} THEN {end}" for partition, end in ends.items())
        recorded = f"CASE r.partition {known} ELSE 0 END" if known else "0"
        past.con.execute(
            f"""
            INSERT INTO beyond
            SELECT '{side}', r.partition, r."offset", epoch_us(r.event_time), made.position IS NULL
            FROM {side}_raw r
            LEFT JOIN (
                SELECT DISTINCT _{side}_partition AS partition, _{side}_offset AS position FROM {WRITTEN}
            ) made ON made.partition = r.partition AND made.position = r."offset"
            WHERE r."offset" >= {recorded} AND epoch_us(r.event_time) > {border.late_watermark_ms * 1_000}
            """
        )


def proven_drops(past: Past) -> set[Place]:
    """Rows without which the missing rows are explained: of two doubtful partners the one that is older by event."""
    found = past.con.execute(
        f"""
        WITH doubtful AS (SELECT * FROM beyond WHERE doubtful)
        SELECT m._left_partition, m._left_offset, m._right_partition, m._right_offset,
            l.us IS NOT NULL AS left_doubtful, r.us IS NOT NULL AS right_doubtful,
            coalesce(l.us < r.us, false)
        FROM {MISSING} m
        LEFT JOIN doubtful l ON l.side = 'left' AND (l.partition, l.position) = (_left_partition, _left_offset)
        LEFT JOIN doubtful r ON r.side = 'right' AND (r.partition, r.position) = (_right_partition, _right_offset)
        ORDER BY m.{EVENT_TIME}
        """
    ).fetchall()
    drops: set[Place] = set()
    for left_partition, left_offset, right_partition, right_offset, left_doubt, right_doubt, left_older in found:
        left, right = ("left", left_partition, left_offset), ("right", right_partition, right_offset)
        if left in drops or right in drops:
            continue
        if left_doubt and (left_older or not right_doubt):
            drops.add(left)
        elif right_doubt:
            drops.add(right)
    return drops


def judged(past: Past, drops: set[Place]) -> list[Judged]:
    """Every row after the ledger's end that is not surely late, in the order of place, with the verdict on it."""
    rows = past.con.execute("SELECT side, partition, position, us FROM beyond ORDER BY 1, 2, 3").fetchall()
    return [Judged((str(s), int(p), int(o)), int(us), (str(s), int(p), int(o)) in drops) for s, p, o, us in rows]


def epochs_of(whole: Epoch, rows: Iterable[Judged]) -> list[Epoch]:
    """The unrecorded epoch `whole` cut so that its late watermark drops exactly the rows that were judged so.

    Each cut advances one partition of one source. Watermarks only rise where a dropped row demands it.
    """
    made: list[Epoch] = []
    start: Ends = whole.start
    for (side, partition), group in groupby(rows, key=lambda row: row.place[:2]):
        for until, late_ms in _runs(list(group), whole.late_watermark_ms):
            end = _moved(start, side, str(partition), until)
            number = whole.epoch + len(made)
            made.append(replace(whole, epoch=number, start=start, end=end, late_watermark_ms=late_ms))
            start = end
    rest = replace(whole, epoch=whole.epoch + len(made), start=start)
    return [*made, rest]


def _runs(rows: Sequence[Judged], least_ms: int) -> list[tuple[int, int]]:
    """`(end offset, late watermark)` of spans that end after their last dropped row; the rest needs no span.

    In a span the watermark is at or past every dropped row and before every other one.
    """
    spans: list[tuple[int, int]] = []
    late_ms, admitted_us, end, begun = least_ms, None, 0, False
    for row in rows:
        needed_ms = max(late_ms, -(-row.event_us // 1_000)) if row.dropped else late_ms
        spared_us = (
            row.event_us if not row.dropped and (admitted_us is None or row.event_us < admitted_us) else admitted_us
        )
        if spared_us is not None and spared_us <= needed_ms * 1_000:
            # This row cannot stand under one watermark with those before it.
            spans.append((row.place[2], late_ms))
            late_ms, admitted_us, begun = least_ms, None, False
            needed_ms = max(least_ms, -(-row.event_us // 1_000)) if row.dropped else least_ms
            spared_us = None if row.dropped else row.event_us
        late_ms, admitted_us, begun = needed_ms, spared_us, begun or row.dropped
        end = row.place[2] + 1
    return [*spans, (end, late_ms)] if begun else spans


def _moved(ends: Ends, side: str, partition: str, end: int) -> Ends:
    left, right = (dict(offsets) for offsets in ends)
    (left if side == "left" else right)[partition] = end
    return left, right
