"""What the exact rules say the stream holds, from batch lineage, archive and ledger, without a look at its table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from plumbline.connect.sql_quoting import ident
from plumbline.contract.lateness import late_sql
from plumbline.contract.lineage import SIDES
from plumbline.contract.ranges import from_micros
from plumbline.reconcile.document import ONE_SIDED
from plumbline.reconcile.inputs.day_ranges import day_sql
from plumbline.reconcile.inputs.epoch_spans import Progress, newest_event_us
from plumbline.reconcile.inputs.pinned_views import Pins
from plumbline.reconcile.inputs.reduced_times import judged_us
from plumbline.reconcile.inputs.their_records import cut_to_ms
from plumbline.reconcile.judge.books import Page
from plumbline.reconcile.judge.foreign_ledger import unseen
from plumbline.reconcile.relations.inputs import ARCHIVES, COPIES, READ, RIGHT_ARCHIVE, SPANS
from plumbline.reconcile.relations.judge import FATE

if TYPE_CHECKING:
    from plumbline.reconcile.judge.document_types import Predicted
    from plumbline.reconcile.relations.relation import Relation


BLOCK = 4096
"""So many offsets share one bound of their watermarks."""
LOST = ("late_left", "late_right", "watermark_poisoned", "pending")
"""Causes of the rows that the rules take from the stream."""


@dataclass(frozen=True)
class Prediction:
    """In batch rows: `late_left` and `late_right` are lost to a late record, `pending` are still open.

    `stream_rows` is how many rows the stream has written for the records that the batch table knows.
    """

    stream_rows: int
    late_left: int
    late_right: int
    pending: int

    def as_json(self) -> Predicted:
        """The document's `predicted`."""
        return {
            "stream_rows": self.stream_rows,
            "late_left": self.late_left,
            "late_right": self.late_right,
            "pending": self.pending,
        }


def predict(
    pins: Pins, progress: Progress, drifted: Relation, pages: Iterable[Page]
) -> dict[datetime | None, Prediction] | None:
    """Apply the late rule and the window rule to every batch row that is read, per UTC day of event time.

    `drifted` are the keys that differ: elsewhere a row whose values are all of one record is not lost with the other,
    since the unmatched row in its place is equal to it. Rows are looked at for that only where fewer are lost than the
    rules say, by the `pages` of the books, and for nothing where all are written: so many are there on each page. None
    where FATE is not known, and of a job that does not say which windows it has closed, or whose rows may be held back
    behind the join.
    """
    if not fates_known(pins, progress):
        return None
    tell_fates(pins)
    if not progress.tells_closing(pins) or _may_be_held(pins, progress):
        return None
    if _all_written(pins, progress):
        return {page.window: Prediction(page.batch, 0, 0, 0) for page in pages if page.batch}
    found = _counted(pins, progress, None)
    lost = sum(_batch_rows(page, cause) for page in pages for cause in LOST)
    whole = summed(found.values())
    return found if whole.late_left + whole.late_right + whole.pending <= lost else _counted(pins, progress, drifted)


def _all_written(pins: Pins, progress: Progress) -> bool:
    """Whether the stream has written every batch row that is read: their windows are closed, and all their records are
    in the join. Not asked where unmatched right rows are kept, whose windows close by the time of their record."""
    ends = [part.end_us for part in pins.read.ranges]
    closed = progress.closed_until_us
    if (
        pins.contract.join.keeps_right
        or not pins.timed
        or closed is None
        or any(end is None or end - 1 > closed for end in ends)
    ):
        return False
    return not any(FATE[side].any(pins.con) for side in SIDES)


def _counted(pins: Pins, progress: Progress, drifted: Relation | None) -> dict[datetime | None, Prediction]:
    found = pins.con.execute(_predicted(pins, progress, drifted)).fetchall()
    return {
        None if day_us is None else from_micros(day_us): Prediction(*(int(number) for number in numbers))
        for day_us, *numbers in found
    }


def fates_known(pins: Pins, progress: Progress) -> bool:
    """Whether the ledger tells what became of each record: not without lineage of the batch, of a stream on a Spark
    whose rule of lateness is not proven, and of a job that is not ours where the ledger lacks what it has read."""
    told = progress.last_epoch is not None and pins.batch_has_lineage
    return told and not pins.unproven_spark and not unseen(pins)


def _may_be_held(pins: Pins, progress: Progress) -> bool:
    """Whether an operator behind the join may hold back a row of the range: nobody knows whether it is written."""
    if progress.held_by is None:
        return False
    newest, let_go = newest_event_us(pins, pins.batch), progress.settled_until_us
    return newest is not None and (let_go is None or newest > let_go)


def tell_fates(pins: Pins) -> None:
    """Fill FATE of both sides. The ledger must be laid out."""
    for side in SIDES:
        judged = judged_us(pins.contract, side, "epoch_us(r.event_time)")
        FATE[side].fill(pins.con, _fate(side, judged, cut=cut_to_ms(pins, side)))


def summed(predictions: Iterable[Prediction]) -> Prediction:
    """All of them added up."""
    return Prediction(*map(sum, zip((0, 0, 0, 0), *map(astuple, predictions), strict=True)))


def _fate(side: str, judged: str, *, cut: bool) -> str:
    """The events of one side that are not simply in the join: `late`, or `unread` yet. Few, as a rule.

    An event with several deliveries is in the join if one of them was read in time. `judged`: SQL of the moment (us)
    that is held against the watermark. `cut`: see `cut_to_ms`. Whose time
    is beyond every watermark of its block of offsets is not late: few are left to be placed in their epoch.
    """
    late = late_sql(judged, "s.late_watermark_ms", cut=cut)
    return f"""
        WITH spans AS (SELECT * FROM {SPANS} WHERE side = '{side}'),
        newest AS (SELECT partition, end_offset AS read_until FROM {READ} WHERE side = '{side}'),
        highest AS (
            SELECT partition, block, max(late_watermark_ms) AS late_watermark_ms
            FROM (
                SELECT *, unnest(range(start_offset // {BLOCK}, (end_offset - 1) // {BLOCK} + 1)) AS block FROM spans
            ) GROUP BY ALL
        ),
        suspects AS (
            SELECT r.partition, r."offset", r.event_time, first_partition, first_offset,
                r."offset" >= coalesce(read_until, 0) AS unread
            FROM {ARCHIVES[side]} r
            LEFT JOIN {COPIES[side]} c ON c.partition = r.partition AND c."offset" = r."offset"
            LEFT JOIN newest n ON n.partition = r.partition
            LEFT JOIN highest s ON s.partition = r.partition AND s.block = r."offset" // {BLOCK}
            WHERE r."offset" >= coalesce(read_until, 0) OR first_offset IS NOT NULL OR {late}
        ),
        found AS (
            SELECT coalesce(first_partition, r.partition) AS partition, coalesce(first_offset, r."offset") AS "offset",
                first_offset IS NOT NULL AS copied, unread,
                coalesce(r."offset" < s.end_offset AND {late}, false) AS late
            FROM suspects r ASOF LEFT JOIN spans s ON r.partition = s.partition AND r."offset" >= s.start_offset
        )
        SELECT partition, "offset", bool_and(unread) AS unread, NOT bool_and(unread) AS late
        FROM found WHERE unread OR late OR copied GROUP BY ALL HAVING bool_and(unread OR late)
    """


def _predicted(pins: Pins, progress: Progress, drifted: Relation | None) -> str:
    """Each record's late and unread partners decide which rows come, counted per day. Without a fate a record is in
    the join. Rows around those that are read only decide about them.
    """
    return f"""
        WITH rows AS ({_rows(pins, progress, drifted)}),
        doubtful AS (
            SELECT _left_partition, _left_offset, _right_partition, _right_offset FROM rows
            WHERE left_unread OR left_late OR right_unread OR right_late
        ),
        lefts AS ({_side("left")}),
        rights AS ({_side("right")}),
        decided AS (
            SELECT rows.*, coalesce(lefts.matched, 0) AS left_matched, coalesce(rights.matched, 0) AS right_matched
            FROM rows
            LEFT JOIN lefts ON lefts.partition = _left_partition AND lefts."offset" = _left_offset
            LEFT JOIN rights ON rights.partition = _right_partition AND rights."offset" = _right_offset
        ),
        fates AS ({_fates(pins)})
        SELECT epoch_us({day_sql("row_time")}),
            count(*) FILTER (fate = 'written'), count(*) FILTER (fate = 'late_left'),
            count(*) FILTER (fate = 'late_right'), count(*) FILTER (fate = 'pending')
        FROM fates GROUP BY 1
    """


def _fates(pins: Pins) -> str:
    """What becomes of each batch row, and the rows without a partner that the stream writes in place of lost ones."""
    join, job = pins.contract.join, pins.contract.job
    padded = job is not None and job.late_left == "padded"
    keeps_left, keeps_right = (str(keeps).lower() for keeps in (join.keeps_left, join.keeps_right))
    left_open = f"NOT left_closed AND left_matched = 0 AND {keeps_left}"
    right_open = f"NOT right_closed AND right_matched = 0 AND {keeps_right}"
    return f"""
        SELECT row_time, CASE
            WHEN left_shows_all AND has_right AND (right_late OR right_unread) AND NOT left_late AND NOT left_unread
                AND left_matched = 0 AND left_closed THEN 'equal'
            WHEN right_shows_all AND has_left AND (left_late OR left_unread) AND NOT right_late AND NOT right_unread
                AND right_matched = 0 AND right_closed THEN 'equal'
            WHEN left_unread THEN 'pending'
            WHEN left_late AND {str(padded).lower()} AND NOT has_right THEN 'written'
            WHEN left_late AND has_right AND (right_unread AND {keeps_right} OR NOT right_late AND {right_open})
                THEN 'pending'
            WHEN left_late THEN 'late_left'
            WHEN right_unread THEN 'pending'
            WHEN right_late THEN CASE WHEN has_left AND {left_open} THEN 'pending' ELSE 'late_right' END
            WHEN has_left AND has_right THEN 'written'
            WHEN has_left AND left_closed OR has_right AND right_closed THEN 'written'
            ELSE 'pending' END AS fate
        FROM decided WHERE in_range
        UNION ALL {_padded(padded)}
        UNION ALL {_unmatched("left", join.keeps_left, pins)}
        UNION ALL {_unmatched("right", join.keeps_right, pins)}
    """


def _rows(pins: Pins, progress: Progress, drifted: Relation | None) -> str:
    """The batch rows with the fates of their records, the state of their windows, and whether the unmatched row of one
    record is equal to them (`left_shows_all`, `right_shows_all`)."""
    left_us, right_us = (
        "false" if us is None else f"{{time}} <= {us}"
        for us in (progress.closed_until_us, progress.right_closed_until_us)
    )
    fates = ", ".join(
        f"coalesce({side[0]}.{fate}, false) AS {side}_{fate}"
        for side in ("left", "right")
        for fate in ("unread", "late")
    )
    return f"""
        SELECT b._left_partition, b._left_offset, b._right_partition, b._right_offset, {fates},
            b._left_offset IS NOT NULL AS has_left, b._right_offset IS NOT NULL AS has_right,
            {pins.read.sql("_event_time")} AS in_range, _event_time AS row_time, ra.event_time AS right_time,
            {left_us.format(time="epoch_us(_event_time)")} AS left_closed,
            {right_us.format(time="epoch_us(coalesce(ra.event_time, _event_time))")} AS right_closed,
            {_shows_all(pins, "left", drifted)} AS left_shows_all,
            {_shows_all(pins, "right", drifted)} AS right_shows_all
        FROM {pins.around(pins.batch)} b
        LEFT JOIN {FATE["left"]} l ON l.partition = b._left_partition AND l."offset" = b._left_offset
        LEFT JOIN {FATE["right"]} r ON r.partition = b._right_partition AND r."offset" = b._right_offset
        LEFT JOIN {_right_times(pins)} ra ON ra.partition = b._right_partition AND ra."offset" = b._right_offset
    """


def _shows_all(pins: Pins, side: str, drifted: Relation | None) -> str:
    """SQL: a batch row `b` has no value but of its record of one side, which has an unmatched row, and its key agrees.

    Nobody knows it of a table with a column that is computed of both records.
    """
    contract = pins.contract
    join, tolerances = contract.join, contract.reconcile.as_tolerances()
    keeps, other = (join.keeps_left, join.right) if side == "left" else (join.keeps_right, join.left)
    columns = contract.output_columns
    if drifted is None or not keeps or any(column.source is None for column in columns):
        return "false"
    ignored = {name for name, rule in tolerances.items() if rule.ignore} - {*contract.output.key}
    theirs = [c.name for c in columns if c.source == other and c.sql is None and c.name not in ignored]
    same = " AND ".join(f"d.{ident(name)} IS NOT DISTINCT FROM b.{ident(name)}" for name in contract.output.key)
    empty = [f"b.{ident(name)} IS NULL" for name in theirs]
    return " AND ".join([*empty, f"NOT EXISTS (SELECT 1 FROM {drifted} d WHERE {same})"])


def _right_times(pins: Pins) -> str:
    """Event times of the right records; none where they decide nothing."""
    some = "true" if pins.contract.join.keeps_right else "false"
    return f"""(
        SELECT partition, "offset", any_value(event_time) AS event_time FROM {RIGHT_ARCHIVE} WHERE {some} GROUP BY ALL
    )"""


def _side(side: str) -> str:
    """Each record of one side that is in the join and has a partner that may not be: how many rows it is part of, and
    its window."""
    other = "right" if side == "left" else "left"
    time = "row_time" if side == "left" else "coalesce(right_time, row_time)"
    return f"""
        SELECT _{side}_partition AS partition, _{side}_offset AS "offset",
            count(*) FILTER (has_{other} AND NOT {other}_unread AND NOT {other}_late) AS matched,
            bool_or(has_{other}) AS paired, any_value({side}_closed) AS closed, any_value({time}) AS event_time
        FROM rows SEMI JOIN doubtful USING (_{side}_partition, _{side}_offset)
        WHERE has_{side} AND NOT {side}_unread AND NOT {side}_late GROUP BY ALL
    """


def _unmatched(side: str, keeps: bool, pins: Pins) -> str:
    """The rows without a partner that the stream writes where the batch has one."""
    written = f"paired AND matched = 0 AND closed AND {pins.read.sql('event_time')}" if keeps else "false"
    return f"SELECT event_time, 'written' FROM {side}s WHERE {written}"


def _padded(pads: bool) -> str:
    """The rows that a job which pads writes at once, without a match, for late lefts that the batch joined."""
    return f"""
        SELECT any_value(row_time), 'written' FROM decided WHERE {str(pads).lower()} AND in_range AND left_late
        GROUP BY _left_partition, _left_offset HAVING bool_and(has_right)
    """


def agrees(prediction: Prediction | None, total: Page, replayed: int) -> bool | None:
    """Whether the stream table is what the rules predict: as many rows, as many late and pending ones.

    Records that were late because of an event from the future are late ones to the rules, of either side. None when
    there is nothing to compare: without a ledger, where a replay replaced the live stream's rows, and where the stream
    took in what the batch did not, or the reverse.
    """
    if prediction is None or replayed or any(cause in ONE_SIDED for cause, _ in total.entries):
        return None
    late_left, late_right, poisoned, pending = (_batch_rows(total, cause) for cause in LOST)
    left, right = prediction.late_left - late_left, prediction.late_right - late_right
    rest = (prediction.stream_rows - total.stream, prediction.pending - pending)
    return left >= 0 and right >= 0 and left + right == poisoned and rest == (0, 0)


def _batch_rows(total: Page, name: str) -> int:
    """Rows of the batch table that a cause takes out of the books."""
    return sum(entry[1] for (cause, _), entry in total.entries.items() if cause == name)
