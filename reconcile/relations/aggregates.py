"""What the comparison of two aggregates is made from: their lines, the rows below the batch's, and what was lost."""

from __future__ import annotations

from dataclasses import replace

from plumbline.reconcile.relations.inputs import LINEAGE_COLUMNS
from plumbline.reconcile.relations.relation import PLACE, TIME, Relation, per_side

_VIEWS, _LOST, _MADE = "aggregates/views.py", "aggregates/changed_rows.py", "aggregates/made_again.py"
_LINE = "aggregates/explain/contributors.py"
_VALUES = "aggregates/archived_values.py"
_STALE, _KEPT = "aggregates/unread_by_batch.py", "aggregates/kept.py"
WINDOW = f"window_start {TIME}"
PLACED = "place BIGINT"
OF_THE_ROWS = "the group columns, and operands and conditions of the values"

BATCH_LINES = Relation(
    "batch_lines",
    _VIEWS,
    "the batch table's lines of the range",
    f"{WINDOW}, window_end {TIME}",
    "groups and values",
    kind="VIEW",
)
STREAM_LINES = replace(BATCH_LINES, name="stream_lines", meaning="the stream table's lines of the range")
BATCH_CLOSED = replace(BATCH_LINES, name="batch_closed", meaning="those of windows that the stream has closed")
STREAM_CLOSED = replace(BATCH_CLOSED, name="stream_closed")
ROWS_BELOW = Relation(
    "rows_below",
    _VIEWS,
    "the rows that the batch table's lines were made from (`joined$`), and each left event alone",
    f"{WINDOW}, joined$ BOOLEAN, {LINEAGE_COLUMNS}",
    OF_THE_ROWS,
    kind="VIEW",
)
CHANGED = Relation(
    "rows_changed",
    _LOST,
    "the rows that the stream did not make (sign -1), and those that the batch did not make (sign 1): left events "
    "alone in their place, and rows of records that came after the batch run, with the cause",
    f"{WINDOW}, cause VARCHAR, sign INTEGER, {LINEAGE_COLUMNS}, joined$ BOOLEAN",
    OF_THE_ROWS,
    kind="TABLE",
)
HOLES = per_side(
    "{side}_holes",
    _LOST,
    "archived {side} records between those that the ledger says were read, but in none of its epochs",
    PLACE,
)
SUSPECTS = Relation(
    "suspect_keys",
    _MADE,
    "the keys to look at: lines that differ (in `class`), and lines with a row that the stream did not make; whether a "
    "replay has published the stream's line",
    f"{PLACED}, {WINDOW}, class VARCHAR, replayed BOOLEAN",
    "the group columns",
    kind="TABLE",
)
MADE = Relation(
    "made_again",
    _MADE,
    "per suspect key what the batch's rows come to (of `batch`), and what those that the stream made (of `stream`)",
    f"{PLACED}, side VARCHAR, rows BIGINT",
    "what the calls of the values came to",
    kind="TABLE",
)
PARTS = Relation(
    "parts_changed",
    _MADE,
    "per suspect key, cause and sign the changed rows",
    f"{PLACED}, cause VARCHAR, sign INTEGER, rows BIGINT",
    "what the calls of the values came to",
    kind="TABLE",
)
LINES = Relation(
    "suspect_lines",
    _MADE,
    "the lines of both tables under the suspect keys",
    f"{PLACED}, side VARCHAR, window_end {TIME}",
    "the values",
    kind="TABLE",
)
THEN = per_side(
    "{side}_archive_then",
    _STALE,
    "the {side} records that a batch run could read",
    f"topic VARCHAR, {PLACE}, kafka_timestamp {TIME}, event_time {TIME}",
    kind="VIEW",
)
NEWER = per_side(
    "{side}_newer",
    _STALE,
    "{side} records that the stream took in and the batch run of their range (by its commit) has not read",
    f"batch_snapshot_id BIGINT, {PLACE}, event_time {TIME}",
)
VALUES_ARCHIVED = per_side(
    "{side}_values_archived",
    _VALUES,
    "the {side} archive with its values",
    f"topic VARCHAR, {PLACE}, event_time {TIME}, value BLOB",
    kind="VIEW",
)
VALUES = per_side(
    "{side}_values",
    _VALUES,
    "{side} records that the stream took in: those of NEWER and those near them. Whether DuckDB reads all values "
    "as Spark does (`certain`)",
    f"{PLACE}, event_time {TIME}, certain BOOLEAN",
    "the fields, as `source.field`",
    kind="TABLE",
)
NEWER_ROWS = replace(
    CHANGED,
    name="newer_rows",
    writer="aggregates/newer_rows.py",
    meaning="the rows that the stream made of records of NEWER (sign 1), and the batch's left events alone that have a "
    "partner with them (sign -1)",
)
LINE_FINDINGS = Relation(
    "line_findings",
    _KEPT,
    "the lines that differ, as rows of plumbline.findings",
    f"""run_id VARCHAR, key VARCHAR, class VARCHAR, cause VARCHAR, window {TIME}, event_time {TIME}, columns VARCHAR[],
    evidence VARCHAR, left_row VARCHAR, right_row VARCHAR""",
    kind="TABLE",
)
LINE_ROWS = Relation(
    "rows_of_line",
    _LINE,
    "the joined rows of one line in order (`place`), with what became of each: see `contributors.LineRow`",
    f"{PLACED}, became VARCHAR, cause VARCHAR, {WINDOW}, joined$ BOOLEAN, {LINEAGE_COLUMNS}, left_lost VARCHAR, "
    "left_reason VARCHAR, right_lost VARCHAR, right_reason VARCHAR",
    OF_THE_ROWS,
    kind="TABLE",
)
NO_ROWS = Relation(
    "no_rows", _LINE, "no rows: a line of the stream does not name the records it was made from", LINEAGE_COLUMNS
)
