"""The records that a team's own job reported as dropped: each report held against archive, stream table and ledger.

A report that one of them contradicts proves nothing, and is a finding of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from plumbline.connect.archives import scan_archive
from plumbline.connect.sql_quoting import text
from plumbline.contract.lateness import late_sql
from plumbline.contract.lineage import OTHER, SIDES
from plumbline.reconcile.relations.evidence import ARCHIVED_AT, CHECKED_REPORTS, PAIRS, REPORT_NOTES, REPORTED
from plumbline.reconcile.relations.inputs import ARCHIVES, COPIES, PROGRESS, REPORTS, SPANS, STREAM, delivered

if TYPE_CHECKING:
    from plumbline.reconcile.inputs.pinned_views import Pins
    from plumbline.reconcile.judge.document_types import Reports
    from plumbline.reconcile.relations.relation import Relation

SOUND, OTHER_REASON = "sound", "other_reason"
CONTRADICTIONS = {
    "not_archived": "the archive, which holds its time, has no such record",
    "other_time": "the record has another event time in the archive",
    "not_late": "the record is not behind the watermark of the report",
    "written": "the stream table holds a row of the record",
    "admitted": "the epoch ledger says that the record came in time",
}
"""How a report can be contradicted, by what."""
OF_A_GAP = "not_archived"
"""The contradiction that may be the archive's fault. Any other says that the job's reports are not to be believed."""
UNCHECKED = "unchecked"
"""A report with neither event time nor watermark, or of a record that the archive may not have yet: proves nothing."""
MOST_GAPS = 16


def note(pins: Pins, evidence: Relation) -> Relation:
    """REPORT_NOTES: which records of the differences the job has reported as late. Only rows with one are there.

    `left_dropped` and `right_dropped` are of the records that the row was made from, `left_padded` of a left one that
    the job writes without a match. `left_partners_dropped` says of a row with a left record that all right records the
    batch joined it with were dropped; `right_partners_dropped` the reverse.
    """
    job = pins.contract.job
    if job is None or job.dropped is None:
        return REPORT_NOTES.fill(pins.con, REPORT_NOTES.nothing)
    check(pins)
    for side in SIDES:
        REPORTED[side].fill(pins.con, _events(side))
    padded = "left" if job.late_left == "padded" else None
    joins = "".join(_looked_up(side) for side in SIDES)
    dropped = {side: "false" if side == padded else f"{side}_r.partition IS NOT NULL" for side in SIDES}
    pads = "left_r.partition IS NOT NULL" if padded else "false"
    partners = {side: "false" if OTHER[side] == padded else f"coalesce({side}_p.dropped, false)" for side in SIDES}
    return REPORT_NOTES.fill(
        pins.con,
        f"""
        SELECT id, {dropped["left"]} AS left_dropped, {pads} AS left_padded, {dropped["right"]} AS right_dropped,
            {partners["left"]} AS left_partners_dropped, {partners["right"]} AS right_partners_dropped,
            CASE WHEN left_r.partition IS NOT NULL THEN {_in_words("left")}
                WHEN right_r.partition IS NOT NULL THEN {_in_words("right")}
                ELSE 'every match of its record' END AS reported_record
        FROM {evidence} e {joins}
        WHERE left_r.partition IS NOT NULL OR right_r.partition IS NOT NULL OR left_p.dropped OR right_p.dropped
        """,
    )


def check(pins: Pins) -> None:
    """Fill CHECKED_REPORTS of both sides: every report held against what is pinned."""
    for side in SIDES:
        CHECKED_REPORTS[side].fill(pins.con, _checked(pins, side))
        if CHECKED_REPORTS[side].any(pins.con, f"state = '{OF_A_GAP}'"):
            _look_at_other_times(pins, side)


def _look_at_other_times(pins: Pins, side: str) -> None:
    """Of what the archive lacks at the time of the report: whether it has the record at another time. One whose time
    the archive could not read tells nothing."""
    source, view = pins.contract.source_of(side), ARCHIVED_AT[side]
    columns = ("topic", "partition", "offset", "event_time")
    scan_archive(pins.con, pins.lake, source, pins.snapshots[source.archive], view=view.name, columns=columns)
    pins.con.execute(
        f"""
        UPDATE {CHECKED_REPORTS[side]} AS r
        SET state = CASE WHEN a.event_time IS NULL THEN '{UNCHECKED}' ELSE 'other_time' END
        FROM (FROM {view} WHERE topic = {text(source.topic)}) a
        WHERE r.state = '{OF_A_GAP}' AND a.partition = r.partition AND a."offset" = r."offset"
        """
    )


def discredited(pins: Pins) -> bool:
    """Whether a report is contradicted by more than a gap of the archive: then none of them proves anything.

    Such reports are of another job or another attempt, or their columns are not what the format says. Call after
    `check`.
    """
    if pins.contract.job is None or pins.contract.job.dropped is None:
        return False
    states = ", ".join(text(state) for state in CONTRADICTIONS if state != OF_A_GAP)
    return any(CHECKED_REPORTS[side].any(pins.con, f"state IN ({states})") for side in SIDES)


def checked(pins: Pins) -> Reports | None:
    """What the reports came to, for the document; None without `job.dropped`. Call after `check`.

    `{"table", "records", "sound", "wrong": {how: n}, "example", "incomplete", "gaps"}`: reports of records that decide
    about the range; `incomplete` are rows of the progress whose offsets nothing is known of, some of them in `gaps`.
    """
    job = pins.contract.job
    if job is None or job.dropped is None:
        return None
    states = " UNION ALL ".join(f"SELECT '{side}' AS side, * FROM {CHECKED_REPORTS[side]}" for side in SIDES)
    found = pins.con.execute(
        f"""SELECT state, count(*), min((side, partition, "offset")) FROM ({states}) WHERE state IS NOT NULL
        GROUP BY ALL ORDER BY ALL"""
    ).fetchall()
    counts = {state: int(number) for state, number, _ in found}
    wrong = {state: counts[state] for state in CONTRADICTIONS if state in counts}
    first = {state: place for state, _, place in found}
    gaps = _gaps(pins)
    return {
        "table": job.dropped,
        "records": sum(counts.values()),
        "sound": counts.get(SOUND, 0),
        "wrong": wrong,
        "example": next((_example(pins, first[state], state) for state in wrong), None),
        "incomplete": len(gaps),
        "gaps": gaps[:MOST_GAPS],
    }


def wrong(reports: Reports | None) -> bool:
    """Whether a report is contradicted, by what `checked` found: then what is between the reports may be wrong too."""
    return reports is not None and bool(reports["wrong"])


def _checked(pins: Pins, side: str) -> str:
    """The reports of one side with their `state`; NULL for records that are not of the range."""
    job = pins.contract.job
    padded = side == "left" and job is not None and job.late_left == "padded"
    observed = job is not None and job.progress is None and not pins.unproven_spark
    matched = f"AND _{OTHER[side]}_offset IS NOT NULL" if padded else ""
    admitted = f"""r."offset" < s.end_offset AND NOT ({late_sql("epoch_us(a.event_time)", "s.late_watermark_ms")})"""
    claimed = f"coalesce({pins.archived(side).sql('r.event_time')}, false)"
    return f"""
        WITH reports AS (FROM {REPORTS} WHERE side = '{side}'),
        written AS (
            SELECT DISTINCT _{side}_partition AS partition, _{side}_offset AS "offset" FROM {delivered(STREAM)} d
            SEMI JOIN reports r ON r.partition = d._{side}_partition AND r."offset" = d._{side}_offset
            WHERE _replay_id IS NULL {matched}
        ),
        archived AS (
            SELECT partition, "offset", any_value(event_time) AS event_time
            FROM {ARCHIVES[side]} SEMI JOIN reports USING (partition, "offset") GROUP BY ALL
        ),
        newest AS (SELECT partition, max("offset") AS archived_to FROM {ARCHIVES[side]} GROUP BY ALL)
        SELECT r.partition, r."offset", r.watermark_ms, CASE
            WHEN a."offset" IS NULL AND {claimed} THEN
                CASE WHEN r."offset" < n.archived_to THEN '{OF_A_GAP}' ELSE '{UNCHECKED}' END
            WHEN a."offset" IS NULL THEN NULL
            WHEN NOT r.late THEN '{OTHER_REASON}'
            WHEN epoch_ms(r.event_time) <> epoch_ms(a.event_time) THEN 'other_time'
            WHEN epoch_ms(r.other_event_time) <> epoch_ms(a.event_time) THEN 'other_time'
            WHEN epoch_ms(a.event_time) > r.watermark_ms THEN 'not_late'
            WHEN w."offset" IS NOT NULL THEN 'written'
            WHEN {str(observed).lower()} AND {admitted} THEN 'admitted'
            WHEN r.event_time IS NULL AND r.watermark_ms IS NULL THEN '{UNCHECKED}'
            ELSE '{SOUND}' END AS state
        FROM reports r
        ASOF LEFT JOIN (FROM {SPANS} WHERE side = '{side}') s
            ON r.partition = s.partition AND r."offset" >= s.start_offset
        LEFT JOIN archived a ON a.partition = r.partition AND a."offset" = r."offset"
        LEFT JOIN written w ON w.partition = r.partition AND w."offset" = r."offset"
        LEFT JOIN newest n ON n.partition = r.partition
        """


def _events(side: str) -> str:
    """The events all of whose deliveries were soundly reported: one that was taken in time is enough for its rows."""
    return f"""
        SELECT coalesce(c.first_partition, r.partition) AS partition, coalesce(c.first_offset, r."offset") AS "offset",
            min(r.watermark_ms) AS watermark_ms
        FROM {CHECKED_REPORTS[side]} r LEFT JOIN (
            SELECT *, count(*) OVER (PARTITION BY first_partition, first_offset) AS deliveries FROM {COPIES[side]}
        ) c ON c.partition = r.partition AND c."offset" = r."offset"
        WHERE r.state = '{SOUND}' GROUP BY 1, 2 HAVING count(*) >= coalesce(any_value(c.deliveries), 1)
    """


def _looked_up(side: str) -> str:
    """Joins that find a row's own record of one side, and whether all its partners of the other were dropped."""
    other = OTHER[side]
    return f"""
        LEFT JOIN {REPORTED[side]} {side}_r ON {side}_r.partition = e.{side}_partition
            AND {side}_r."offset" = e.{side}_offset
        LEFT JOIN (
            SELECT p.partition, p."offset", bool_and(o.partition IS NOT NULL) AS dropped
            FROM {PAIRS["batch", side]} p LEFT JOIN {REPORTED[other]} o
                ON o.partition = p.other_partition AND o."offset" = p.other_offset
            GROUP BY ALL
        ) {side}_p ON {side}_p.partition = e.{side}_partition AND {side}_p."offset" = e.{side}_offset
    """


def _in_words(side: str) -> str:
    moment = f"strftime(make_timestamp({side}_r.watermark_ms * 1000), '%Y-%m-%dT%H:%M:%SZ')"
    behind = f"CASE WHEN {side}_r.watermark_ms IS NULL THEN '' ELSE ' behind watermark ' || {moment} END"
    return f"{side}_topic || ' partition ' || {side}_partition || ' offset ' || {side}_offset || {behind}"


def _example(pins: Pins, place: Any, state: str) -> str:
    side, partition, offset = place.values() if isinstance(place, dict) else place
    topic = pins.contract.source_of(side).topic
    return f"{topic} partition {partition} offset {offset}: {CONTRADICTIONS[state]}"


def _gaps(pins: Pins) -> list[str]:
    """The offsets that a checkpoint read and of which reports may be missing, in words."""
    found = pins.con.execute(
        f"""
        SELECT side, partition, epoch, coalesce(start_offset, 0), end_offset, start_offset IS NULL, dropped, found
        FROM {PROGRESS} WHERE NOT covered AND end_offset > coalesce(start_offset, 0) ORDER BY epoch, side, partition
        """
    ).fetchall()
    told = {"left": pins.contract.left.topic, "right": pins.contract.right.topic}
    return [
        f"{told[side]} partition {partition} offsets {start} to {end} (checkpoint {epoch}): "
        + (
            "nobody says where they begin"
            if untold
            else "nobody says how many were dropped"
            if dropped is None
            else f"{dropped} were dropped, {there} are reported"
        )
        for side, partition, epoch, start, end, untold, dropped, there in found
    ]
