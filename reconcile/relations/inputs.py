"""What is pinned and read: rows of both outputs, archived records, epochs."""

from __future__ import annotations

from dataclasses import replace

from plumbline.reconcile.relations.relation import PLACE, TIME, Relation, per_side

LINEAGE_COLUMNS = (
    f"_event_time {TIME}|TIMESTAMP, _left_partition INTEGER|BIGINT, _left_offset BIGINT|INTEGER, "
    "_right_partition INTEGER|BIGINT, _right_offset BIGINT|INTEGER, _replay_id VARCHAR"
)
ARCHIVE = f"topic VARCHAR, {PLACE}, kafka_timestamp {TIME}, event_time {TIME}"
OUTPUT = "the other columns of the output table"
_VIEWS, _SPANS, _COPIES = "inputs/pinned_views.py", "inputs/epoch_spans.py", "inputs/redeliveries.py"

BATCH = Relation(
    "batch_rows",
    _VIEWS,
    "the batch table's rows that are read; each record by the first delivery of its event",
    LINEAGE_COLUMNS,
    OUTPUT,
    kind="VIEW",
)
STREAM = replace(BATCH, name="stream_rows", meaning=BATCH.meaning.replace("batch", "stream"))


def beside(rows: Relation) -> Relation:
    """The same with the rows beside those that are read: they share a record with them, and so decide about them."""
    return replace(rows, name=f"{rows.name}_around", meaning=f"{rows.meaning}; with those beside them")


AROUND = {rows: beside(rows) for rows in (BATCH, STREAM)}

LEFT_ARCHIVE = Relation(
    "left_archive", _VIEWS, "the left records that those rows can be made from", ARCHIVE, kind="VIEW"
)
RIGHT_ARCHIVE = replace(LEFT_ARCHIVE, name="right_archive", meaning=LEFT_ARCHIVE.meaning.replace("left", "right"))
ARCHIVES = {"left": LEFT_ARCHIVE, "right": RIGHT_ARCHIVE}

LEDGER = Relation(
    "ledger_rows",
    _VIEWS,
    "the contract's epoch ledger up to the pinned stream, each row once; replay/recover/ fills one of its own",
    "query_id VARCHAR, epoch BIGINT, source VARCHAR, partition INTEGER, start_offset BIGINT, end_offset BIGINT, "
    f"late_watermark_ms BIGINT, evict_watermark_ms BIGINT, planned_at {TIME}, spark_version VARCHAR",
)
REPORTS = Relation(
    "job_reports",
    "inputs/reports.py",
    "the records that a team's own job says it dropped, each once; `late`: as they came behind `watermark_ms`, "
    "and two of the event times that it gives, if it was reported several times",
    f"side VARCHAR, {PLACE}, late BOOLEAN, event_time {TIME}, other_event_time {TIME}, watermark_ms BIGINT",
)
PROGRESS = Relation(
    "job_progress",
    "inputs/reports.py",
    "per checkpoint of that job and partition the offsets it read, how many reports it counts in them, how many are "
    "found, and whether none is missing (`covered`); `before`: where the one before ended",
    "side VARCHAR, partition INTEGER|BIGINT, epoch BIGINT, start_offset BIGINT, end_offset BIGINT, before BIGINT, "
    f"dropped BIGINT, found BIGINT, closed_until {TIME}, planned_at {TIME}, job_id VARCHAR, covered BOOLEAN",
)
THEIR_TOPICS = Relation(
    "their_topics",
    "inputs/their_records.py",
    "the topic of each row of another tool's archive",
    "topic VARCHAR",
    kind="VIEW",
)
TURNS = Relation(
    "epoch_turns",
    _SPANS,
    "each epoch's turn, its place among all of the contract, and the age of its query",
    "query_id VARCHAR, epoch BIGINT, age BIGINT, turn BIGINT",
)
SPANS = Relation(
    "epoch_spans",
    _SPANS,
    "the offsets that an epoch read and no later query read again, under its late watermark",
    "side VARCHAR, partition INTEGER, start_offset BIGINT, end_offset BIGINT, epoch BIGINT, turn BIGINT, "
    f"planned_at {TIME}, late_watermark_ms BIGINT",
)
EPOCHS_CUT = replace(
    SPANS,
    name="epochs_cut",
    meaning="each epoch's offsets up to those that a later query read again, also where none are left",
)
READ = Relation(
    "read_until",
    _SPANS,
    "per side and partition the first offset that was not read yet",
    "side VARCHAR, partition INTEGER, end_offset BIGINT",
)

UNOBSERVED = Relation(
    "unobserved_rows",
    "inputs/unobserved.py",
    "the stream table's rows of the range that no observed epoch wrote, and that are not compared",
    ", ".join(column for column in LINEAGE_COLUMNS.split(", ") if not column.startswith("_replay_id")),
    kind="TABLE",
)
NEWEST_ARCHIVED = per_side(
    "{side}_newest_archived", "inputs/unobserved.py", "the places of the {side} archive", PLACE, kind="VIEW"
)

COPIES = per_side(
    "{side}_copies",
    _COPIES,
    "{side} events with several deliveries: one row per delivery, the first included",
    "partition INTEGER, offset BIGINT, first_partition INTEGER, first_offset BIGINT",
)
DELIVERIES = per_side(
    "{side}_deliveries",
    _COPIES,
    "archived {side} records with event ids",
    f"topic VARCHAR, {PLACE}, event_time {TIME}, event_id VARCHAR, quarantine_reason VARCHAR",
    kind="VIEW",
)
CLAIMED = Relation(
    "claimed_times",
    "inputs/claimed_times.py",
    "the event times of a sample of archived left records, of which a team's own job tells the times too",
    f"offset BIGINT|INTEGER, event_time {TIME}",
)
TAKEN = per_side(
    "{side}_taken",
    _COPIES,
    "{side} events, by first delivery, of which the stream took another one (`other`)",
    "first_partition INTEGER, first_offset BIGINT, other TUPLE",
)


def delivered(rows: Relation) -> Relation:
    """The same rows of an output table with the coordinates that the table has."""
    return replace(rows, name=f"{rows.name}_delivered")
