"""The differing rows, and what is known about them."""

from __future__ import annotations

from dataclasses import replace

from plumbline.reconcile.relations.inputs import ARCHIVE, BATCH, LINEAGE_COLUMNS, OUTPUT, STREAM
from plumbline.reconcile.relations.relation import KEY, PLACE, TIME, Relation, per_side

_DIFFER, _MOVED, _GATHER = "evidence/differing_rows.py", "evidence/moved_rows.py", "evidence/gather.py"
_VISIBLE, _QUARANTINE, _GAPS = "evidence/batch_visibility.py", "evidence/quarantine.py", "evidence/archive_gaps.py"
_REPORTED = "evidence/reported.py"
_PARTNERS = "evidence/partners.py"
_FUTURE, _KNOWN = "evidence/future_events.py", "evidence/stream_known.py"


def _sides_of(pattern: str, outer: tuple[str, ...] = ("left", "right")) -> str:
    return ", ".join(pattern.format(side) for side in outer)


_ROW = (
    "{0}_count BIGINT, {0}_row JSON, "
    f"{{0}}_event_time {TIME}, {{0}}_left_partition INTEGER|BIGINT, {{0}}_left_offset BIGINT|INTEGER, "
    "{0}_right_partition INTEGER|BIGINT, {0}_right_offset BIGINT|INTEGER, {0}_replay_id VARCHAR"
)
_DIFFERENCE = "id BIGINT, class VARCHAR, key STRUCT, stream_copies BIGINT, columns VARCHAR[], " + _sides_of(
    _ROW, ("batch", "stream")
)

MAY_DIFFER = {
    rows: replace(
        rows,
        name=f"{rows}_may_differ",
        writer="evidence/by_spark.py",
        meaning=f"those of {rows} that may differ, as Spark found them",
    )
    for rows in (BATCH, STREAM)
}
BROUGHT = {
    rows: replace(near.pinned, kind="TABLE", meaning=f"the same as the files of {rows} have them")
    for rows, near in MAY_DIFFER.items()
}
FINDING_IDS = "finding_ids"
"""The sequence that numbers the differences."""

SEVERAL = Relation("several_keys", _DIFFER, "keys with several rows on a side", more=KEY, kind="TABLE")
_SEVERAL = f"{LINEAGE_COLUMNS}, plumbline_day {TIME}"
SEVERAL_ROWS = {
    rows: Relation(name, _DIFFER, f"the rows of {rows} with those keys, and their days", _SEVERAL, OUTPUT, kind="TABLE")
    for rows, name in ((BATCH, "batch_several"), (STREAM, "stream_several"))
}
INSIDE = Relation("inside_keys", _DIFFER, "differences inside those keys, by lineage", _DIFFERENCE, kind="TABLE")
PAIRED = Relation(
    "paired_inside",
    _DIFFER,
    "those of them that are two halves of one mismatch: `id` and `other_id`",
    _DIFFERENCE + ", other_id BIGINT",
    kind="TABLE",
)
DIFFERENCES = Relation(
    "differences",
    _DIFFER,
    "one row per difference that the diff found: `id`, `class` (mismatch, missing, extra or duplicate), `key`, the "
    "rows of each table that it stands for (`batch_count`, `stream_count`), the stream rows of its key and lineage "
    "(`stream_copies`), the `columns` that differ, both rows (JSON of the compared columns), their lineage",
    _DIFFERENCE,
    kind="TABLE",
)
DAY_COUNTS = Relation(
    "day_counts",
    "evidence/day_counts.py",
    "per output (batch, stream) and day the rows that are read, those of replays, and the sum of their keys' hashes",
    f"output VARCHAR, plumbline_day {TIME}, held BIGINT, replayed BIGINT, keys HUGEINT",
)
UNEVEN_DAYS = Relation(
    "uneven_days",
    _MOVED,
    "days with equal rows that the other table has on another day; NULL: no day",
    f"plumbline_day {TIME}",
)
MOVED_KEYS = Relation(
    "moved_keys",
    _MOVED,
    "per key and day how many more equal rows the batch table has",
    f"plumbline_day {TIME}, plumbline_rows BIGINT",
    KEY,
    kind="TABLE",
)
MOVED = Relation(
    "moved_rows",
    _MOVED,
    "differences of `_event_time` alone: mismatches of two rows that are equal otherwise",
    _DIFFERENCE,
    kind="TABLE",
)
DIFFERING = Relation("differing", _MOVED, "all differences: `differences` and `moved_rows`", _DIFFERENCE, kind="VIEW")

NEAR = {
    table: Relation(
        f"{table}_near",
        _PARTNERS,
        f"the coordinates of the rows of the {table} table that share a record with a difference",
        _sides_of("_{0}_partition INTEGER|BIGINT, _{0}_offset BIGINT|INTEGER"),
        kind="TABLE",
    )
    for table in ("batch", "stream")
}
PAIRS = {
    (table, side): Relation(
        f"{table}_{side}_pairs",
        _PARTNERS,
        f"the partners that the {table} table has of each {side} record looked up",
        f"{PLACE}, other_partition INTEGER|BIGINT, other_offset BIGINT|INTEGER",
    )
    for table in ("batch", "stream")
    for side in ("left", "right")
}
INPUTS = Relation(
    "inputs",
    _GATHER,
    "`differing` with the coordinates of the records to look up, also those that the other table names",
    _DIFFERENCE
    + f", {_sides_of('{0}_partition INTEGER|BIGINT, {0}_offset BIGINT|INTEGER')}, event_time {TIME}, "
    + "same_lineage BOOLEAN, other_lineage BOOLEAN, of_two_rows BOOLEAN, "
    + _sides_of(
        "{0}_present BOOLEAN, {0}_named BOOLEAN, {0}_has_left BOOLEAN, {0}_has_right BOOLEAN", ("batch", "stream")
    ),
    kind="TABLE",
)
RECORDS = per_side(
    "{side}_records",
    _GATHER,
    "the archived {side} record and the epoch behind each coordinate looked up",
    f"{PLACE}, topic VARCHAR, kafka_time {TIME}, event_us BIGINT, epoch BIGINT, turn BIGINT, "
    "late_watermark_ms BIGINT, read BOOLEAN",
)
ELSEWHERE = Relation(
    "stream_rows_elsewhere",
    _KNOWN,
    "stream rows beyond those that are read and those around them",
    LINEAGE_COLUMNS,
    OUTPUT,
    "VIEW",
)
HELD_ELSEWHERE = Relation(
    "stream_elsewhere",
    _KNOWN,
    "those of them that may be rows that the stream seems to lack",
    LINEAGE_COLUMNS.removesuffix(", _replay_id VARCHAR"),
)
MAYBE_HELD = Relation(
    "maybe_held",
    _KNOWN,
    "differences whose batch row may be a stream row that does not name its records: elsewhere with its key, or in a "
    "difference beside it, of its left event",
    "id BIGINT",
)
STREAM_KNOWN = Relation(
    "stream_rows_known",
    _KNOWN,
    "the stream's rows around those that are read, and `stream_elsewhere`",
    LINEAGE_COLUMNS,
    OUTPUT,
    "TEMP VIEW",
)
SEEN = Relation(
    "seen_by_batch",
    _VISIBLE,
    "which records of a difference the covering batch run could read",
    "id BIGINT, batch_snapshot_id BIGINT, left_in_batch_snapshot BOOLEAN, right_in_batch_snapshot BOOLEAN",
)
DOUBTFUL = replace(INPUTS, name="doubtful", writer=_VISIBLE, meaning="the rows of `inputs` that are still to be seen")
ARCHIVE_THEN = per_side(
    "{side}_then", _VISIBLE, "the {side} archive at the snapshot that a batch run read", ARCHIVE, kind="VIEW"
)
HELD_THEN = per_side("{side}_held_then", _VISIBLE, "which {side} records of `doubtful` it held", PLACE)
ARCHIVE_TODAY = per_side("{side}_today", _VISIBLE, "the {side} archive as it is pinned, whole", ARCHIVE, kind="VIEW")
HELD_TODAY = per_side("{side}_held_today", _VISIBLE, "which {side} records of `doubtful` it holds", PLACE)

_OF_SIDE = (
    "{0}_partition INTEGER|BIGINT, {0}_offset BIGINT|INTEGER, {0}_copy_partition INTEGER, {0}_copy_offset BIGINT, "
    f"{{0}}_count BIGINT, {{0}}_topic VARCHAR, {{0}}_kafka_time {TIME}, {{0}}_event_us BIGINT, "
    f"{{0}}_event_time {TIME}, "
    "{0}_epoch BIGINT, {0}_turn BIGINT, {0}_late_watermark_ms BIGINT, {0}_read BOOLEAN, {0}_late BOOLEAN, "
    "{0}_admitted BOOLEAN, {0}_late_by_ms BIGINT, {0}_in_batch_snapshot BOOLEAN, {0}_closed BOOLEAN, "
    "{0}_final BOOLEAN, "
    "{0}_alone BOOLEAN, {0}_vanished BOOLEAN, {0}_kept BOOLEAN, {0}_partners_late BOOLEAN, "
    "stream_matched_{0} BOOLEAN, stream_knows_{0} BOOLEAN, batch_has_{0} BOOLEAN, stream_has_{0} BOOLEAN"
)
EVIDENCE = Relation(
    "evidence",
    _GATHER,
    "one row per difference with what the causes' proofs read, see `gather`; NULL is unknown",
    f"id BIGINT, class VARCHAR, key STRUCT, columns VARCHAR[], event_time {TIME}, batch_row JSON, stream_row JSON, "
    f"batch_event_time {TIME}, stream_event_time {TIME}, batch_present BOOLEAN, stream_present BOOLEAN, "
    "same_lineage BOOLEAN, other_lineage BOOLEAN, of_two_rows BOOLEAN, replay_id VARCHAR, stream_has_pair BOOLEAN, "
    "stream_holds_row BOOLEAN, "
    "stream_copies BIGINT, batch_snapshot_id BIGINT, evict_watermark_ms BIGINT, closed_until_us BIGINT, "
    "right_closed_until_us BIGINT, outside_within BOOLEAN, at_bound BOOLEAN, right_decided BOOLEAN, "
    f"beyond_batch BOOLEAN, held_by VARCHAR, {_sides_of(_OF_SIDE)}",
    kind="TABLE",
)

_JUDGED = f"{ARCHIVE}, quarantine_reason VARCHAR"
REFUSED = per_side(
    "{side}_refused",
    _QUARANTINE,
    "archived {side} records that cannot enter the join",
    _JUDGED,
    kind="VIEW",
)
REASONS = per_side(
    "{side}_reasons",
    _QUARANTINE,
    "the reason of each archived {side} record that cannot enter the join, whatever its time",
    f"{PLACE}, reason VARCHAR",
)
QUARANTINE_NOTES = Relation(
    "quarantine_notes",
    _QUARANTINE,
    "which input records of a difference are in quarantine, where any is",
    "id BIGINT, left_quarantine VARCHAR, right_quarantine VARCHAR, left_partners_quarantined BOOLEAN, "
    "right_partners_quarantined BOOLEAN, quarantined_record VARCHAR",
)
TAKEN_IN = per_side(
    "{side}_taken_in",
    _QUARANTINE,
    "archived {side} records that are counted with the rows that are read",
    _JUDGED,
    "value, where the source has `where`",
    kind="VIEW",
)
REFUSALS = per_side(
    "{side}_refusals",
    _QUARANTINE,
    "those of them that cannot enter the join, by the day they are counted with",
    f"window {TIME}, {PLACE}",
)
QUARANTINED = per_side(
    "{side}_quarantined",
    _QUARANTINE,
    "what `plumbline.quarantine` holds of the {side} source",
    f"{ARCHIVE}, reason VARCHAR",
    "the other columns of that table",
    kind="VIEW",
)
HELD_NOW = per_side("{side}_held_now", _QUARANTINE, "all that the {side} archive holds", _JUDGED, kind="VIEW")

SOUGHT = per_side(
    "{side}_sought", _GAPS, "{side} records that the stream joined and the archive lacks", f"id BIGINT, {PLACE}"
)
ARCHIVED_PLACES = per_side(
    "{side}_coordinates", _GAPS, "all coordinates of the {side} archive", f"topic VARCHAR, {PLACE}", kind="VIEW"
)
GAPS = per_side(
    "{side}_gaps",
    _GAPS,
    "the sought {side} records that are not archived, between their archived neighbours",
    f"id BIGINT, topic VARCHAR, {PLACE}, after BIGINT, before BIGINT",
)
GAP_NOTES = Relation(
    "gap_notes",
    _GAPS,
    "differences with a record that the archive lacks, and the gap that it lies in",
    "id BIGINT, left_gap BOOLEAN, right_gap BOOLEAN, gap_topic VARCHAR, gap_partition INTEGER|BIGINT, "
    "gap_offset BIGINT, gap_after BIGINT, gap_before BIGINT",
)

CHECKED_REPORTS = per_side(
    "{side}_checked_reports",
    _REPORTED,
    "what a team's own job reported of {side} records that decide about the range, and what became of the report: "
    "`sound`, `other_reason`, or how it is contradicted",
    f"{PLACE}, watermark_ms BIGINT, state VARCHAR",
)
ARCHIVED_AT = per_side(
    "{side}_archived_at",
    _REPORTED,
    "all {side} records with their event times",
    f"topic VARCHAR, {PLACE}, event_time {TIME}",
    kind="VIEW",
)
REPORTED = per_side(
    "{side}_reported",
    _REPORTED,
    "{side} events, by first delivery, whose every delivery was soundly reported as late",
    f"{PLACE}, watermark_ms BIGINT",
)
REPORT_NOTES = Relation(
    "report_notes",
    _REPORTED,
    "differences with a record that the job reported as late: `dropped`, or a left one that was `padded`",
    "id BIGINT, left_dropped BOOLEAN, left_padded BOOLEAN, right_dropped BOOLEAN, left_partners_dropped BOOLEAN, "
    "right_partners_dropped BOOLEAN, reported_record VARCHAR",
)

_STAMP = f"topic VARCHAR, partition INTEGER, offset BIGINT, event_time {TIME}, delivered_at {TIME}, ahead_by_ms BIGINT"
LATE_RECORDS = Relation("late_records", _FUTURE, "the late records of the differences", "turn BIGINT, event_us BIGINT")
ARCHIVE_AFTER = per_side(
    "{side}_after",
    _FUTURE,
    "archived {side} records that may have lifted the watermark over a late record",
    ARCHIVE,
    kind="VIEW",
)
LIFTS = per_side(
    "{side}_lifts",
    _FUTURE,
    "per epoch how far its {side} events lift the watermark",
    "turn BIGINT, ahead_by_ms BIGINT, honest_us BIGINT, stamped_us BIGINT, stamp STRUCT",
)
LIFTED = Relation(
    "lifted_records",
    _FUTURE,
    "late records that were in time without events from the future, and such an event",
    "turn BIGINT, event_us BIGINT, stamp STRUCT",
)
STAMP_NOTES = Relation(
    "stamp_notes",
    _FUTURE,
    "differences with a record that is late only because of an event from the future",
    "id BIGINT, left_stamped BOOLEAN, right_stamped BOOLEAN, "
    + ", ".join(f"stamp_{column}" for column in _STAMP.split(", ")),
)
FORM_NOTES = Relation(
    "form_notes",
    "evidence/schema_changes.py",
    "mismatches with a column in an earlier form on one side",
    "id BIGINT, changed_columns VARCHAR[], maybe_changed BIGINT",
)
CONDITIONS = per_side(
    "{side}_conditions",
    "evidence/left_out.py",
    "all {side} records with their values",
    f"topic VARCHAR, {PLACE}, value BLOB",
    kind="VIEW",
)
LEFT_OUT = per_side(
    "{side}_left_out", "evidence/left_out.py", "archived {side} records that cannot have entered the join", PLACE
)
