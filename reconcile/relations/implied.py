"""The rows of a team's own job that do not name their records, and what the archive tells of those records."""

from __future__ import annotations

from dataclasses import replace

from plumbline.reconcile.relations.inputs import LINEAGE_COLUMNS, OUTPUT, STREAM, beside
from plumbline.reconcile.relations.relation import KEY, PLACE, TIME, Relation, per_side

_NAMES, _CANDIDATES = "evidence/implied_lineage.py", "evidence/implied_candidates.py"
_RECOMPUTES = "evidence/recomputed_rows.py"
_UNKNOWN = "evidence/unknown_records.py"
_CHOICE = (
    "plumbline_row BIGINT, _left_partition INTEGER|BIGINT, _left_offset BIGINT|INTEGER, "
    "_right_partition INTEGER|BIGINT, _right_offset BIGINT|INTEGER"
)

UNNAMED_KEYS = Relation(
    "unnamed_keys",
    "evidence/differing_rows.py",
    "those of the keys with several rows in which a row does not say what it was made from",
    more=KEY,
    kind="TABLE",
)
UNTOLD = Relation(
    "untold_rows",
    _CANDIDATES,
    "stream rows that do not say what they were made from, of differing keys or their event times: equal ones once",
    f"plumbline_row BIGINT, _event_time {TIME}|TIMESTAMP",
    "the output columns that the table has",
    kind="TABLE",
)
BEHIND = per_side(
    "{side}_behind",
    _CANDIDATES,
    "archived {side} records with their values",
    f"topic VARCHAR, {PLACE}, event_time {TIME}, value BLOB",
    kind="VIEW",
)
MAY_BE = per_side(
    "{side}_may_be",
    _CANDIDATES,
    "archived {side} records that may be behind such a row, by their place and by that of their event's first delivery",
    f"{PLACE}, event_time {TIME}, value VARCHAR, event_partition INTEGER|BIGINT, event_offset BIGINT|INTEGER",
    "the join fields as text",
    kind="TABLE",
)
CANDIDATES = Relation(
    "candidates",
    _CANDIDATES,
    "the records that can have made such a row, a left and a right one or a left one alone: `inside` the window or "
    "not, how many columns of each side are not as the record has them (`unlike`), how many tell it (`alike`), and "
    "whether all are equal, also those with a tolerance (`strict`)",
    f"{_CHOICE}, events STRUCT, inside BOOLEAN, strict BOOLEAN, left_unlike BIGINT|INTEGER, left_alike BIGINT|INTEGER, "
    "right_unlike BIGINT|INTEGER, right_alike BIGINT|INTEGER",
    kind="TABLE",
)
NAMED = Relation(
    "named_rows",
    _NAMES,
    "those rows of which only one choice of records can have made them: by what (`implied_by`), and whether it is the "
    "only one beyond the window and among the deliveries of an event too (`alone`)",
    f"{_CHOICE}, implied_by VARCHAR, alone BOOLEAN",
    kind="TABLE",
)
NAMED_DELIVERIES = replace(NAMED, name="named_deliveries", meaning="the same by the delivery that the row is made from")
STREAM_NAMED = replace(
    STREAM, name="stream_named", writer=_NAMES, meaning=f"{STREAM.meaning}; named where the archive tells its records"
)
AROUND_NAMED = beside(STREAM_NAMED)
_GROUP = "plumbline_group VARCHAR[]"
GROUPS = Relation(
    "recomputed_groups",
    _RECOMPUTES,
    "what all rows of one left event have in common, of rows that the archive does not name, to be computed again",
    _GROUP,
    kind="TABLE",
)
UNKNOWN_RECORDS = per_side(
    "unknown_{side}_records",
    _UNKNOWN,
    "{side} records, of the groups' times, that the stream has in its join and the batch has no row of",
    f"event_time {TIME}, {PLACE}",
    kind="TABLE",
)
UNKNOWN_VALUES = per_side(
    "unknown_{side}_values", _UNKNOWN, "archived {side} records with their values",
    f"topic VARCHAR, {PLACE}, value BLOB", kind="VIEW",
)  # fmt: skip
UNKNOWN_KEYS = per_side(
    "unknown_{side}_keys", _UNKNOWN, "the groups of those records by their keys; `untold` where a value is not there",
    f"{_GROUP}, untold BOOLEAN",
)  # fmt: skip
UNKNOWN = Relation("unknown_groups", _UNKNOWN, "groups that may have rows of such a record", _GROUP, kind="TABLE")
UNMATCHED = Relation(
    "unmatched_records",
    "evidence/batch_visibility.py",
    "left records without a row that the batch run saw, with every partner that the stream has in its join",
    PLACE,
    kind="TABLE",
)
COMPUTED = Relation(
    "computed_rows",
    _RECOMPUTES,
    "the rows of those groups as the batch has them without what the stream dropped or had not read",
    f"{_GROUP}, {_CHOICE.removeprefix('plumbline_row BIGINT, ')}, plumbline_us BIGINT",
    "the compared columns",
    "TABLE",
)
RECOMPUTED = Relation(
    "recomputed_rows",
    _RECOMPUTES,
    "the stream's rows of the groups that are as computed, named as they were computed",
    f"{_GROUP}, {LINEAGE_COLUMNS}",
    OUTPUT,
    kind="TABLE",
)
STREAM_TOLD = replace(
    STREAM, name="stream_told", writer=_RECOMPUTES, meaning=f"{STREAM_NAMED.meaning}, or recomputation does"
)
AROUND_TOLD = beside(STREAM_TOLD)
IMPLIED_NOTES = Relation(
    "implied_notes",
    _NAMES,
    "differences whose stream row is named by the archive or by recomputation: by which, and whether nothing unseen "
    "can have made it",
    "id BIGINT, implied_by VARCHAR, implied_whole BOOLEAN",
)
ARCHIVED = per_side(
    "{side}_archived", "evidence/archive_whole.py", "the places of all that the {side} archive holds",
    f"topic VARCHAR, {PLACE}, kafka_timestamp {TIME}, kafka_timestamp_type INTEGER", kind="VIEW",
)  # fmt: skip
