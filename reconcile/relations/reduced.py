"""What a comparison is made from where a source is reduced: the rows of all events that could have been taken."""

from __future__ import annotations

from plumbline.reconcile.relations.inputs import BATCH, LINEAGE_COLUMNS, OUTPUT
from plumbline.reconcile.relations.relation import TIME, Relation

_DUE = "judge/reduced/due_events.py"
LEFT = "_left_partition INTEGER|BIGINT, _left_offset BIGINT|INTEGER"
_OWN = f"_right_event_time {TIME}, _right_place INTEGER|BIGINT"

CANDIDATES = Relation(
    "candidate_rows",
    _DUE,
    "the joined rows of all events of the reduced source, each with its place among those of its window",
    f"{LINEAGE_COLUMNS}, {_OWN}",
    OUTPUT,
    kind="VIEW",
)
DIFFERING_LEFTS = Relation(
    "differing_lefts", _DUE, "left events whose rows in the two tables are made from other records", LEFT, kind="TABLE"
)
STREAM_WINDOWS = Relation(
    "stream_windows",
    _DUE,
    "the stream's rows of differing left events with a right event: the end of its window (us), its place if it is "
    "among the batch's candidates, what orders it otherwise, and its place among the stream's rows of that window "
    "(`rank`)",
    f"{LEFT}, _right_partition INTEGER|BIGINT, _right_offset BIGINT|INTEGER, window_end BIGINT, us BIGINT, "
    "right_id VARCHAR, place INTEGER|BIGINT, rank BIGINT",
    kind="TABLE",
)
UNSEEN_WINDOWS = Relation(
    "unseen_windows",
    "evidence/batch_visibility.py",
    "the ends (us) of windows with right records that a batch run had not read, or may not have",
    "window_end BIGINT",
)
DUE_EVENTS = Relation(
    "due_events",
    _DUE,
    "the candidates of differing left events that the stream should have taken: in the order of their windows down to "
    "the first that it had, and none that comes behind the one that it took",
    LINEAGE_COLUMNS,
    OUTPUT,
    kind="TABLE",
)
DUE_OF_WINDOWS = Relation(
    "batch_rows_due_of_windows",
    _DUE,
    "the batch table's rows where both tables agree, elsewhere the due events' rows",
    BATCH.columns,
    BATCH.more,
    kind="VIEW",
)
