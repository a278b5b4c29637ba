"""Records that could not enter the join: how many of each source, and which of them a differing row was made from.

The archive's own verdict (`quarantine_reason`) counts; `plumbline.quarantine` is the copy that it is held to.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from plumbline.connect import pinned
from plumbline.connect.archives import scan_archive
from plumbline.connect.sql_quoting import text
from plumbline.connect.table_names import QUARANTINE
from plumbline.connect.where_conditions import condition
from plumbline.contract.identity import rows_condition
from plumbline.contract.lineage import OTHER, SIDES
from plumbline.contract.ranges import TimeRange, from_micros, spell_time
from plumbline.reconcile.inputs.day_ranges import Windows, day_sql
from plumbline.reconcile.inputs.pinned_views import Pins
from plumbline.reconcile.relations.evidence import (
    HELD_NOW,
    QUARANTINE_NOTES,
    QUARANTINED,
    REASONS,
    REFUSALS,
    REFUSED,
    TAKEN_IN,
)
from plumbline.reconcile.relations.relation import Relation, Sided

_PLACE = ("topic", "partition", "offset")
_TIMES = ("event_time", "kafka_timestamp")


def note(pins: Pins, evidence: Relation) -> Relation:
    """QUARANTINE_NOTES: which input records of the rows are in quarantine. Only rows with such a record are there.

    `left_quarantine` and `right_quarantine` are the reasons of the records that the row was made from,
    `quarantined_record` names one in words. `left_partners_quarantined` says of a row that has a left record only
    that all right records the batch joined it with are in quarantine; `right_partners_quarantined` the reverse.
    """
    reasons = {side: judge(pins, side) for side in SIDES}
    if not any(found.any(pins.con) for found in reasons.values()):
        return QUARANTINE_NOTES.fill(pins.con, QUARANTINE_NOTES.nothing)
    joins = "".join(_looked_up(pins, side, evidence, reasons) for side in SIDES)
    columns = ", ".join(
        f"{side}_q.reason AS {side}_quarantine, {side}_p.quarantined AS {side}_partners_quarantined" for side in SIDES
    )
    noted = ", ".join(f"{side}_quarantine, {side}_partners_quarantined" for side in SIDES)
    any_noted = " OR ".join(f"{side}_quarantine IS NOT NULL OR {side}_partners_quarantined" for side in SIDES)
    return QUARANTINE_NOTES.fill(
        pins.con,
        f"""
        WITH known AS (SELECT e.*, {columns} FROM {evidence} e {joins})
        SELECT id, {noted}, CASE WHEN left_quarantine IS NOT NULL THEN {_in_words("left")}
            WHEN right_quarantine IS NOT NULL THEN {_in_words("right")} END AS quarantined_record
        FROM known WHERE {any_noted}
        """,
    )


@dataclass(frozen=True)
class Taken:
    """How many records of one source the archive holds in one window, how many of them can enter the join, and how many
    of the others its `where` leaves out (as far as is known here)."""

    archived: int = 0
    entered: int = 0
    left_out: int = 0


Intake = dict[tuple[str, datetime | None], Taken]
"""Side and window to what was taken in; the window None stands for records without an event time."""


def take_in(pins: Pins) -> Intake:
    """Count the archived records from which rows that are read can be made, and all that have no event time.

    Fills REFUSALS: those of them that cannot enter the join.
    """
    return {key: taken for side in SIDES for key, taken in _taken(pins, side).items()}


def records(pins: Pins, intake: Intake, refusals: Sided) -> dict[str, Any]:
    """Per source `{"archived", "entered", "quarantined": {reason: n}, "waiting", "balanced"}`, each of them records.

    Counted are the records from which rows of the range can be made, by event time, or by the record's own time where
    the archive has no event time of it. `archived` and `entered` are counted in the archive, `quarantined` in
    `plumbline.quarantine`; `waiting` are those that the stream job has not yet copied there. A source with `where` has
    `left_out` too, what that leaves out; None where only Spark can tell, and then those are among the `entered`.
    Balanced: archived = entered + left_out + quarantined + waiting. Where only records that the archive has no more
    keep it from that, `archive_lacks` says how many. A source without an archive of ours is left
    out: nobody knows which of its records could not enter.
    """
    join = pins.contract.join
    archived = [
        (side, name)
        for side, name in (("left", join.left), ("right", join.right))
        if pins.snapshots[pins.contract.source_of(side).archive] is not None
        and pins.contract.source_of(side).archive_columns is None
    ]
    return {name: _records(pins, side, name, intake, refusals[side]) for side, name in archived}


def lacking(counted: dict[str, Any]) -> dict[str, int]:
    """Source to how many records its archive lacks that stand in quarantine, where nothing else keeps the records from
    balancing; empty where something else does."""
    off = {name: one.get("archive_lacks") for name, one in counted.items() if not one["balanced"]}
    return {name: number for name, number in off.items() if number} if all(off.values()) else {}


def piece(pins: Pins, side: str, part: TimeRange) -> TimeRange:
    """The event times of a source's records that are counted with a part of a bounded range: every record once."""
    low, high = pins.contract.join.within if side == "right" else (timedelta(0), timedelta(0))
    reduce = pins.contract.right.reduce
    first = side == "right" and reduce is not None and part.start == pins.time_range.start
    begin = low - reduce.every if first and reduce is not None else low
    return part.widened(begin, high if part.end == pins.time_range.end else low)


def balanced(counted: dict[str, Any]) -> bool:
    """Whether the records of every source balance."""
    return all(one["balanced"] for one in counted.values())


def judge(pins: Pins, side: str) -> Relation:
    """REASONS of one side: each archived record that cannot enter the join, whatever its time, and why."""
    refused = _archive(pins, side, REFUSED[side], "quarantine_reason is not null")
    topic = pins.contract.source_of(side).topic
    return REASONS[side].fill(
        pins.con,
        f"""
        SELECT partition, "offset", any_value(quarantine_reason) AS reason FROM {refused}
        WHERE quarantine_reason IS NOT NULL AND topic = {text(topic)} GROUP BY ALL
        """,
    )


def _looked_up(pins: Pins, side: str, evidence: Relation, reasons: Sided) -> str:
    """Joins that find a row's own record of one side, and whether all its partners of the other are in quarantine."""
    other = OTHER[side]
    return f"""
        LEFT JOIN {reasons[side]} {side}_q ON {side}_q.partition = e.{side}_partition
            AND {side}_q."offset" = e.{side}_offset
        LEFT JOIN (
            SELECT b._{side}_partition AS partition, b._{side}_offset AS "offset",
                bool_and(q.reason IS NOT NULL) AS quarantined
            FROM {pins.around(pins.batch)} b LEFT JOIN {reasons[other]} q
                ON q.partition = b._{other}_partition AND q."offset" = b._{other}_offset
            WHERE b._{other}_offset IS NOT NULL
                AND (b._{side}_partition, b._{side}_offset) IN (
                    SELECT ({side}_partition, {side}_offset) FROM {evidence}
                    WHERE class = 'extra' AND {side}_offset IS NOT NULL)
            GROUP BY ALL
        ) {side}_p ON e.class = 'extra' AND {side}_p.partition = e.{side}_partition
            AND {side}_p."offset" = e.{side}_offset
    """


def _in_words(side: str) -> str:
    place = f"' partition ' || {side}_partition || ' offset ' || {side}_offset"
    return f"{side}_topic || {place} || ' (' || {side}_quarantine || ')'"


def _taken(pins: Pins, side: str) -> Intake:
    whole = pins.read.ranges == (pins.time_range,)
    timed = Windows((pins.archive_range(side),)) if whole else pins.read.each(lambda part: piece(pins, side, part))
    files = timed.iceberg("event_time")
    passes = f"coalesce({condition(pins.contract.source_of(side)) or 'true'}, false)"
    values = ("value",) if pins.contract.source_of(side).where else ()
    archive = _archive(pins, side, TAKEN_IN[side], f"({files}) or event_time is null" if files else None, values)
    counted = f"""
        SELECT CASE WHEN event_time IS NOT NULL THEN {_window(pins, side)} END AS "window", *
        FROM {archive}
        WHERE topic = {text(pins.contract.source_of(side).topic)} AND CASE WHEN event_time IS NOT NULL
            THEN {timed.sql("event_time")} ELSE {pins.archive_range(side).sql("kafka_timestamp")} END
    """
    refused = f'SELECT "window", partition, "offset" FROM ({counted}) WHERE quarantine_reason IS NOT NULL'
    REFUSALS[side].fill(pins.con, refused)
    found = pins.con.execute(
        f"""
        SELECT epoch_us("window"), count(*), count(*) FILTER (quarantine_reason IS NULL AND {passes}),
            count(*) FILTER (quarantine_reason IS NULL AND NOT {passes})
        FROM ({counted}) GROUP BY "window"
        """
    ).fetchall()
    return {
        (side, None if day_us is None else from_micros(day_us)): Taken(archived, entered, left_out)
        for day_us, archived, entered, left_out in found
    }


def _window(pins: Pins, side: str) -> str:
    """SQL of the window that a record is counted in: see `piece`."""
    low_ms = pins.within_ms[0] if side == "right" else 0
    day = day_sql("event_time", low_ms)
    if pins.time_range.end is None:
        return day
    newest = spell_time(pins.time_range.end - timedelta(microseconds=1))
    return f"least({day}, date_trunc('day', TIMESTAMPTZ '{newest}'))"


def _records(pins: Pins, side: str, name: str, intake: Intake, refusals: Relation) -> dict[str, Any]:
    """The records of one source, archive and quarantine each counted by itself."""
    source = pins.contract.source_of(side)
    in_range = f"topic = {text(source.topic)} AND "
    in_range += pins.archive_range(side).sql("coalesce(event_time, kafka_timestamp)")
    mine = [taken for (of, _), taken in intake.items() if of == side]
    copies = _copies(pins, side, name)
    absent = f'SELECT count(*) FROM {refusals} ANTI JOIN {copies} USING (partition, "offset")'
    [(waiting,)] = pins.con.execute(absent).fetchall()
    reasons = pins.con.execute(
        f"SELECT reason, count(*) FROM {copies} WHERE {in_range} GROUP BY reason ORDER BY reason"
    ).fetchall()
    quarantined = {str(reason): int(number) for reason, number in reasons}
    archived, entered = sum(taken.archived for taken in mine), sum(taken.entered for taken in mine)
    left_out = sum(taken.left_out for taken in mine)
    balance = archived == entered + left_out + sum(quarantined.values()) + waiting
    counts = {"archived": archived, "entered": entered, "quarantined": quarantined, "waiting": waiting}
    if source.where is not None:
        counts["left_out"] = left_out if condition(source) is not None else None
    gone = 0 if balance else _gone(pins, side, copies, in_range)
    if gone and archived + gone == entered + left_out + sum(quarantined.values()) + waiting:
        counts["archive_lacks"] = gone
    return {**counts, "balanced": balance}


def _gone(pins: Pins, side: str, copies: Relation, in_range: str) -> int:
    """How many copies are of records that the archive does not hold: deleted there, or never come back after a loss."""
    held = _archive(pins, side, HELD_NOW[side], None)
    mine = f'SELECT partition, "offset" FROM {held} WHERE topic = {text(pins.contract.source_of(side).topic)}'
    [(number,)] = pins.con.execute(
        f"""
        SELECT count(*) FROM (SELECT * FROM {copies} WHERE {in_range}) ANTI JOIN ({mine}) USING (partition, "offset")
        """
    ).fetchall()
    return int(number)


def _archive(pins: Pins, side: str, view: Relation, row_filter: str | None, more: tuple[str, ...] = ()) -> Relation:
    """A view of the archive's records with their verdict; NULL where it was written without one."""
    table = pins.contract.source_of(side).archive
    columns = (*_PLACE, *_TIMES, *more)
    snapshot = pins.snapshots[table]
    theirs = pins.contract.source_of(side).archive_columns is not None
    judging = snapshot is not None and (theirs or "quarantine_reason" in pins.lake.load(table).schema().column_names)
    if snapshot is None:
        values = "".join(f", NULL::BLOB AS {name}" for name in more)
        return view.fill(pins.con, f"SELECT *{values} FROM ({view.nothing})")
    held = (*columns, "quarantine_reason") if judging else columns
    kept = row_filter if judging or row_filter is None or "quarantine_reason" not in row_filter else None
    source, name = pins.contract.source_of(side), view.pinned.name
    scan_archive(pins.con, pins.lake, source, snapshot, view=name, row_filter=kept, columns=held)
    verdict = "" if judging else ", NULL::VARCHAR AS quarantine_reason"
    return view.fill(pins.con, f"SELECT *{verdict} FROM {view.pinned}")


def _copies(pins: Pins, side: str, name: str) -> Relation:
    """A view of what `plumbline.quarantine` holds of one source."""
    view, snapshot = QUARANTINED[side], pins.snapshots[QUARANTINE]
    if snapshot is None:
        return view.fill(pins.con, view.nothing)
    held = pins.lake.load(QUARANTINE).schema().column_names
    mine = f"({rows_condition(pins.contract, held)}) and source == '{name}'"
    whose = ("stream_table",) if "stream_table" in held else ()
    columns = ("contract", "source", *whose, *_PLACE, *_TIMES, "reason")
    pinned.scan(
        pins.con,
        pins.lake,
        QUARANTINE,
        snapshot,
        view=view.pinned.name,
        row_filter=mine,
        columns=columns,
        schema="quarantine",
    )
    return view.fill(pins.con, f"SELECT * FROM {view.pinned} WHERE {mine}")
