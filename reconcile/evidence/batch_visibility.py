"""What the batch runs could see of the differing rows: records by their archive snapshots, partners by their ranges."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plumbline.contract.errors import SetupError
from plumbline.contract.lineage import SIDES
from plumbline.contract.ranges import TimeRange
from plumbline.reconcile.inputs.batch_runs import covered
from plumbline.reconcile.inputs.pinned_views import Pins, archive_view
from plumbline.reconcile.relations.evidence import ARCHIVE_THEN, ARCHIVE_TODAY, DOUBTFUL, HELD_THEN, HELD_TODAY, SEEN
from plumbline.reconcile.relations.implied import UNMATCHED
from plumbline.reconcile.relations.inputs import ARCHIVES
from plumbline.reconcile.relations.judge import FATE
from plumbline.reconcile.relations.reduced import UNSEEN_WINDOWS

if TYPE_CHECKING:
    from plumbline.reconcile.inputs.batch_runs import BatchRun
    from plumbline.reconcile.relations.relation import Relation, Sided


def look_into_batch_snapshots(pins: Pins, inputs: Relation, records: Sided) -> Relation:
    """SEEN: of the rows with records that the stream joined, which of them the covering batch run could read."""
    con = pins.con
    SEEN.fill(con, SEEN.nothing)
    borrowed = " OR ".join(f"(NOT batch_has_{side} AND {side}_offset IS NOT NULL)" for side in SIDES)
    doubtful = f"(stream_present OR {borrowed}) AND NOT coalesce(same_lineage, false)"
    if not inputs.any(con, doubtful):
        return SEEN
    DOUBTFUL.fill(con, f"SELECT * FROM {inputs} WHERE {doubtful}")
    for run in reversed(pins.runs):
        if not DOUBTFUL.any(con):
            break
        _look_into(pins, run, records)
        con.execute(f"DELETE FROM {DOUBTFUL} WHERE id IN (SELECT id FROM {SEEN})")
    return SEEN


def _look_into(pins: Pins, run: BatchRun, records: Sided) -> None:
    """Judge the doubtful rows in the range of one batch run by the archive snapshots it read."""
    in_run = run.time_range.sql("event_time")
    if not DOUBTFUL.any(pins.con, in_run):
        return
    held = {
        side: f"CASE WHEN ({side}_partition + {side}_offset) IS NOT NULL"
        f" THEN {_held(pins, side, snapshot, records)} END"
        for side, snapshot in (("left", run.left_archive), ("right", run.right_archive))
    }
    SEEN.add(
        pins.con,
        f"""
        SELECT id, {run.snapshot_id} AS batch_snapshot_id,
            {held["left"]} AS left_in_batch_snapshot, {held["right"]} AS right_in_batch_snapshot
        FROM {DOUBTFUL} WHERE {in_run}
        """,
    )


def _held(pins: Pins, side: str, snapshot_id: int | None, records: Sided) -> str:
    """SQL that says whether the row's record of one side was in the archive at the snapshot; NULL when that is gone,
    and of a record that the archive does not hold today either: nobody knows of such a one."""
    if snapshot_id is None:
        return "NULL"
    source = pins.contract.source_of(side)
    reach = _reach(pins, side, records)
    try:
        then = _doubtful_in(pins, side, snapshot_id, reach, ARCHIVE_THEN[side], HELD_THEN[side])
    except SetupError:
        return "NULL"  # expired: nobody can say any more what that run saw
    if reach is None:
        return then
    now = _doubtful_in(pins, side, pins.snapshots[source.archive], reach, ARCHIVE_TODAY[side], HELD_TODAY[side])
    return f"CASE WHEN {then} THEN true WHEN {now} THEN false END"


def _doubtful_in(
    pins: Pins, side: str, snapshot_id: int | None, reach: TimeRange | None, archive: Relation, held: Relation
) -> str:
    """SQL that says whether the archive holds the row's record of one side at a snapshot. Fills both relations."""
    archive_view(pins, archive, side, snapshot_id, reach)
    held.fill(
        pins.con,
        f"""
        SELECT DISTINCT a.partition, a."offset" FROM {archive} a
        SEMI JOIN {DOUBTFUL} d ON a.partition = d.{side}_partition AND a."offset" = d.{side}_offset
        """,
    )
    return f'({side}_partition, {side}_offset) IN (SELECT (partition, "offset") FROM {held})'


def _reach(pins: Pins, side: str, records: Sided) -> TimeRange | None:
    """Where to look for the doubtful rows' records: None stands for the rows' own reach. Everywhere once one of them is
    not there today, as that of a row beyond `within`, or of one without an event time: elsewhere is not nowhere."""
    elsewhere = f"""
        SELECT 1 FROM {DOUBTFUL} d JOIN {records[side]} r
            ON r.partition = d.{side}_partition AND r."offset" = d.{side}_offset
        WHERE r.event_us IS NULL LIMIT 1
    """
    return TimeRange() if pins.con.execute(elsewhere).fetchone() else None


def note_unmatched(pins: Pins, records: Relation) -> Relation:
    """UNMATCHED: those of the left `records`, which the batch has no row of, that have none: the covering batch run saw
    them, and all right records of their windows that the stream has in its join. A team's own query says not what it
    saw."""
    UNMATCHED.fill(pins.con, UNMATCHED.nothing)
    low, high = (bound * 1_000 for bound in pins.within_ms)
    newer = ["false"]
    for run in reversed(pins.runs):
        mine = f"{run.time_range.sql('event_time')} AND NOT ({' OR '.join(newer)})"
        newer.append(run.time_range.sql("event_time"))
        if not records.any(pins.con, mine) or run.left_archive is None or run.right_archive is None:
            continue
        try:
            for side, snapshot in zip(SIDES, (run.left_archive, run.right_archive), strict=True):
                archive_view(pins, ARCHIVE_THEN[side], side, snapshot)
        except SetupError:
            continue  # expired: nobody can say any more what that run saw
        UNMATCHED.add(
            pins.con,
            f"""
            WITH lacked AS (
                SELECT epoch_us(event_time) AS us FROM {ARCHIVES["right"]} r
                ANTI JOIN {ARCHIVE_THEN["right"]} t ON t.partition = r.partition AND t."offset" = r."offset"
                ANTI JOIN {FATE["right"]} f ON f.partition = r.partition AND f."offset" = r."offset"
            )
            SELECT u.partition, u."offset" FROM (SELECT * FROM {records} WHERE {mine}) u
            SEMI JOIN {ARCHIVE_THEN["left"]} t ON t.partition = u.partition AND t."offset" = u."offset"
            ANTI JOIN lacked ON coalesce(lacked.us - epoch_us(u.event_time) BETWEEN {low} AND {high}, true)
            """,
        )
    return UNMATCHED


def note_unseen_windows(pins: Pins, window_end: str) -> Relation:
    """UNSEEN_WINDOWS, by `window_end`, SQL of the end (us) of the window that holds `event_time`."""
    UNSEEN_WINDOWS.fill(pins.con, UNSEEN_WINDOWS.nothing)
    now = pins.snapshots[pins.contract.right.archive]
    for snapshot in {run.right_archive for run in pins.runs} - {now}:
        unread = ""
        try:
            if snapshot is not None:
                archive_view(pins, ARCHIVE_THEN["right"], "right", snapshot)
                unread = f'ANTI JOIN {ARCHIVE_THEN["right"]} t ON t.partition = r.partition AND t."offset" = r."offset"'
        except SetupError:
            pass  # expired: nobody can say any more what that run saw
        UNSEEN_WINDOWS.add(pins.con, f"SELECT DISTINCT {window_end} AS window_end FROM {ARCHIVES['right']} r {unread}")
    return UNSEEN_WINDOWS


def beyond_batch(pins: Pins) -> str:
    """Whether left events not covered by a batch run could match the right one of this unmatched stream row."""
    if pins.neighbours_covered:
        return "false"
    low, high = pins.within_ms
    inside = [
        " AND ".join(
            [f"right_event_us - {high * 1000} >= {part.start_us}"] * (part.start_us is not None)
            + [f"right_event_us - {low * 1000} < {part.end_us}"] * (part.end_us is not None)
        )
        for part in covered(pins.runs)
    ]
    return f"class = 'extra' AND NOT stream_has_left AND NOT ({' OR '.join(f'({part})' for part in inside)})"
