"""Events from the future: they lift the watermark, and what comes after them is late though it came in time.

An event is stamped in the future when its event time is ahead of its delivery by more than the source's own delay, and
and also by more than the records of its source usually are (their median, in whole minutes, where that is positive).
Delivered is what came first: the record's own time, or the planning of the epoch that read it.

A late record was in time without such events when, in the epochs that made its late watermark, one source at least had
no other event far enough ahead to drop it. The watermark is the smaller of both sources' newest event times less their
delays, and in force for an epoch is what all epochs but the last before it had brought (see `contract/lateness.py`).
"""

from __future__ import annotations

from collections.abc import Mapping

from plumbline.connect.sql_quoting import ident
from plumbline.contract.durations import milliseconds
from plumbline.contract.lineage import SIDES
from plumbline.contract.ranges import TimeRange, from_micros
from plumbline.reconcile.evidence.left_out import fill_left_out
from plumbline.reconcile.inputs.pinned_views import Pins, archive_view
from plumbline.reconcile.inputs.reduced_times import judged_us
from plumbline.reconcile.relations.evidence import (
    ARCHIVE_AFTER,
    LATE_RECORDS,
    LEFT_OUT,
    LIFTED,
    LIFTS,
    STAMP_NOTES,
)
from plumbline.reconcile.relations.inputs import ARCHIVES, SPANS
from plumbline.reconcile.relations.relation import Relation

_NAMED = ("topic", "partition", "offset", "event_time", "delivered_at", "ahead_by_ms")


def note(pins: Pins, evidence: Relation) -> Relation:
    """STAMP_NOTES: id, `left_stamped` and `right_stamped` (the row's record of that side was late
    only because of an event from the future), and the event that it was: `stamp_topic`, `stamp_partition`,
    `stamp_offset`, `stamp_event_time`, `stamp_delivered_at`, `stamp_ahead_by_ms`. Only such rows are there."""
    con = pins.con
    # An event that `where` leaves out lifts nothing: where nobody can tell which those are, nothing is proven. Nor
    # where the job's reports make the ledger: what had lifted its watermarks is not known.
    judged = {side: judged_us(pins.contract, side, f"{side}_event_us") for side in SIDES}
    of_row = {side: judged_us(pins.contract, side, f"e.{side}_event_us") for side in SIDES}
    LATE_RECORDS.fill(con, _late_records(evidence, judged))
    [(earliest_us,)] = con.execute(f"SELECT min(event_us) FROM {LATE_RECORDS}").fetchall()
    sure = pins.contract.job is None or pins.contract.job.progress is None
    for side in SIDES:
        sure = fill_left_out(pins, side) and sure
        LIFTS[side].fill(con, _lifts(pins, side, earliest_us))
    LIFTED.fill(con, _lifted())
    columns = ", ".join(f"coalesce(l.stamp.{ident(name)}, r.stamp.{ident(name)}) AS stamp_{name}" for name in _NAMED)
    return STAMP_NOTES.fill(
        con,
        f"""
        SELECT e.id, l.turn IS NOT NULL AS left_stamped, r.turn IS NOT NULL AS right_stamped, {columns}
        FROM {evidence} e
        LEFT JOIN {LIFTED} l ON e.left_late AND l.turn = e.left_turn AND l.event_us = {of_row["left"]}
        LEFT JOIN {LIFTED} r ON e.right_late AND r.turn = e.right_turn AND r.event_us = {of_row["right"]}
        WHERE {str(sure).lower()} AND (l.turn IS NOT NULL OR r.turn IS NOT NULL)
        """,
    )


def _late_records(evidence: Relation, judged: Mapping[str, str]) -> str:
    return " UNION ".join(
        f"SELECT {side}_turn AS turn, {judged[side]} AS event_us FROM {evidence} WHERE {side}_late" for side in SIDES
    )


def _lifts(pins: Pins, side: str, earliest_us: int | None) -> str:
    """How far the events of one side lift the watermark, by epoch, as far as that is beyond the earliest late record:
    `honest_us`, and of those from the future `stamped_us` and the farthest (`stamp`). `ahead_by_ms` is the most that
    one is ahead of its delivery.

    The whole archive is asked, whatever the range: an event from the future lies outside it.
    """
    source = pins.contract.source_of(side)
    delay_ms = milliseconds(source.watermark)
    after = TimeRange(None if earliest_us is None else from_micros(earliest_us + delay_ms * 1_000))
    snapshot = None if earliest_us is None else pins.snapshots[source.archive]
    archive_view(pins, ARCHIVE_AFTER[side], side, snapshot, after)
    fields = ", ".join(f"{ident(name)} := {ident(name)}" for name in _NAMED)
    return f"""
        WITH read AS (
            SELECT a.*, s.turn, least(a.kafka_timestamp, s.planned_at) AS delivered_at
            FROM {ARCHIVE_AFTER[side]} a
            ANTI JOIN {LEFT_OUT[side]} q ON q.partition = a.partition AND q."offset" = a."offset"
            ASOF JOIN (FROM {SPANS} WHERE side = '{side}') s
                ON a.partition = s.partition AND a."offset" >= s.start_offset
            WHERE a."offset" < s.end_offset
        )
        SELECT turn, max(ahead_by_ms) AS ahead_by_ms, max(lifts_to_us) FILTER (NOT stamped) AS honest_us,
            max(lifts_to_us) FILTER (stamped) AS stamped_us,
            arg_max(struct_pack({fields}), (lifts_to_us, partition, "offset")) FILTER (stamped) AS stamp
        FROM (
            SELECT *, epoch_ms(event_time) - epoch_ms(delivered_at) AS ahead_by_ms,
                (epoch_ms(event_time) - {delay_ms}) * 1000 AS lifts_to_us,
                coalesce(ahead_by_ms > {delay_ms} + ({_usual_lead(side)}), false) AS stamped
            FROM read
        )
        GROUP BY turn
    """


def _usual_lead(side: str) -> str:
    """By how many ms the range's records of one side are ahead of their record time: the median, 0 where it is less."""
    return f"""
        SELECT coalesce(max(lead_ms), 0) FROM (
            SELECT minute * 60000 AS lead_ms FROM (
                SELECT minute, sum(records) OVER (ORDER BY minute) AS so_far, sum(records) OVER () AS altogether
                FROM (
                    SELECT ceil((epoch_ms(event_time) - epoch_ms(kafka_timestamp)) / 60000)::BIGINT AS minute,
                        count(*) AS records
                    FROM {ARCHIVES[side]} GROUP BY minute
                )
            ) WHERE so_far * 2 >= altogether ORDER BY minute LIMIT 1
        ) WHERE lead_ms > 0
    """


def _lifted() -> str:
    """The late records (turn, event_us) that were in time without the stamped events, and one of those (`stamp`)."""
    parts = ", ".join(f"{_honest(side)}, {_steps(side)}" for side in SIDES)
    joins = "\n".join(
        f"""
        ASOF LEFT JOIN {side}_honest ON late.turn - 2 >= {side}_honest.turn
        ASOF LEFT JOIN {side}_steps ON late.event_us <= {side}_steps.lifts_to_us"""
        for side in SIDES
    )
    without = {side: f"coalesce({side}_honest.lifts_to_us >= late.event_us, false)" for side in SIDES}
    with_stamps = [f"({without[side]} OR {side}_steps.turn <= late.turn - 2)" for side in SIDES]
    return f"""
        WITH {parts}
        SELECT late.turn, late.event_us,
            CASE WHEN {without["left"]} THEN right_steps.stamp ELSE left_steps.stamp END AS stamp
        FROM {LATE_RECORDS} late {joins}
        WHERE {" AND ".join(with_stamps)} AND NOT ({" AND ".join(without.values())})
    """


def _honest(side: str) -> str:
    """How far one side's other events would have lifted the watermark, after each epoch."""
    return f"""
        {side}_honest AS (
            SELECT turn, max(honest_us) OVER (ORDER BY turn) AS lifts_to_us
            FROM {LIFTS[side]} WHERE honest_us IS NOT NULL
        )"""


def _steps(side: str) -> str:
    """The stamped events of one side that were the farthest ahead when they came."""
    return f"""
        {side}_steps AS (
            SELECT turn, stamped_us AS lifts_to_us, stamp FROM {LIFTS[side]} WHERE stamped_us IS NOT NULL
            QUALIFY stamped_us > coalesce(max(stamped_us) OVER (
                ORDER BY turn ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), -1)
        )"""
