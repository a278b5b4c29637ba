"""The findings, and what is counted after them."""

from __future__ import annotations

from dataclasses import replace

from plumbline.reconcile.relations.evidence import (
    EVIDENCE,
    FORM_NOTES,
    GAP_NOTES,
    QUARANTINE_NOTES,
    REFUSALS,
    REPORT_NOTES,
    STAMP_NOTES,
)
from plumbline.reconcile.relations.implied import IMPLIED_NOTES
from plumbline.reconcile.relations.inputs import ARCHIVE, BATCH, LINEAGE_COLUMNS, OUTPUT, STREAM
from plumbline.reconcile.relations.relation import KEY, PLACE, TIME, Relation, per_side

_REUSE, _EXPLAIN, _THIRD = "reuse/reuse.py", "explain/explain.py", "judge/three_way.py"
_RECORDS, _FATE = "explain/kafka_records.py", "judge/prediction.py"

NOTES = (QUARANTINE_NOTES, GAP_NOTES, STAMP_NOTES, FORM_NOTES, IMPLIED_NOTES, REPORT_NOTES)
"""What few differences have beside their evidence, by id."""
ATTRIBUTED = Relation(
    "attributed",
    "judge/attribution.py",
    "the differences that were read now, with their evidence, their notes and their cause",
    ", ".join([EVIDENCE.columns, *(notes.columns.removeprefix("id BIGINT, ") for notes in NOTES)])
    + ", cause VARCHAR, is_drift BOOLEAN",
    kind="TABLE",
)
KEPT = replace(
    ATTRIBUTED,
    name="kept_findings",
    writer=_REUSE,
    kind="TEMP TABLE",
    meaning="the findings of days whose verdict is kept",
)
KEPT_LACKING = replace(KEPT, name="kept_lacking", meaning="those of them whose cause says that the stream lacks a row")
FINDINGS = replace(
    ATTRIBUTED,
    name="findings",
    columns=f"{ATTRIBUTED.columns}, fault VARCHAR",
    writer=_REUSE,
    kind="VIEW",
    meaning="all findings of the range: of days read now and kept",
)
KEPT_REFUSALS = {
    side: replace(relation, name=f"{side}_kept_refusals", writer=_REUSE, meaning=f"{relation.meaning}; of kept days")
    for side, relation in REFUSALS.items()
}
ALL_REFUSALS = {
    side: replace(
        relation, name=f"{side}_all_refusals", writer=_REUSE, kind="VIEW", meaning=f"{relation.meaning}; of all days"
    )
    for side, relation in REFUSALS.items()
}
DRIFTED = Relation("drifted_keys", "reuse/eligibility.py", "the keys in which rows that were read now differ", more=KEY)
BATCH_KEYS = Relation(
    "batch_keys", _REUSE, "keys and event times of the batch rows on kept days", f"_event_time {TIME}", KEY, kind="VIEW"
)

FATE = per_side(
    "{side}_fate", _FATE, "the {side} events that are not simply in the join", f"{PLACE}, unread BOOLEAN, late BOOLEAN"
)
REPLAY = replace(BATCH, name="replay_rows", writer=_THIRD, meaning="the rows of the table that a replay wrote")
UNLIKE = {
    rows: Relation(
        f"unlike_{rows}",
        _THIRD,
        f"lineages whose rows are not the same in {rows} and in replay_rows",
        "_left_partition INTEGER|BIGINT, _left_offset BIGINT|INTEGER, "
        "_right_partition INTEGER|BIGINT, _right_offset BIGINT|INTEGER",
    )
    for rows in (BATCH, STREAM)
}
FAULTED = replace(
    FINDINGS, name="faulted_findings", writer=_THIRD, meaning="all findings, those that are drift with their fault"
)
FAULTS = Relation("faults", _THIRD, "which side is at fault, of each finding that is drift", "id BIGINT, fault VARCHAR")

KEYED = per_side(
    "{side}s_of_key",
    _EXPLAIN,
    "the {side} records that a key's rows were made from",
    "p INTEGER|BIGINT, o BIGINT|INTEGER",
)
ROWS_OF_KEY = {
    rows: Relation(
        f"{rows}_of_key", _EXPLAIN, f"the rows of {rows} of one key, or of its records", LINEAGE_COLUMNS, OUTPUT
    )
    for rows in (BATCH, STREAM)
}
FINDINGS_OF_KEY = replace(FINDINGS, name="findings_of_key", writer=_EXPLAIN, kind="TABLE", meaning="one key's findings")
VALUES = per_side(
    "{side}_archive_values",
    _RECORDS,
    "the {side} archive with the records' bytes",
    f"{ARCHIVE}, value BLOB",
    kind="VIEW",
)
RECORDS_OF_KEY = per_side(
    "{side}_records_of_key",
    _RECORDS,
    "archived {side} records that a key's rows name, or that hold the key",
    f"{ARCHIVE}, value BLOB",
)

COUNTED = Relation(
    "counted_by_lateness",
    "lateness/curve.py",
    "one source's records per late watermark and whole minutes behind it",
    "watermark_ms BIGINT, minute BIGINT, records BIGINT",
)
DISORDER = Relation(
    "disorder",
    "lateness/what_if.py",
    "the records of one side that were read: epoch, event time, late watermark",
    "turn BIGINT, event_us BIGINT, late_watermark_ms BIGINT",
)
