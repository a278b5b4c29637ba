"""What a comparison of upserted tables is made from: all rows of the batch, and those that the stream table lacks."""

from __future__ import annotations

from plumbline.reconcile.relations.inputs import BATCH, LINEAGE_COLUMNS, OUTPUT
from plumbline.reconcile.relations.relation import KEY, TIME, Relation

_DUE = "judge/upserts/due_rows.py"
MOMENT = f"_event_time {TIME}"

ALL_ROWS = Relation(
    "all_rows",
    _DUE,
    "all joined rows of the batch, of which its table holds the newest; each record by the first delivery of its event",
    LINEAGE_COLUMNS,
    OUTPUT,
    kind="VIEW",
)
DIFFERING_STATES = Relation(
    "differing_states",
    _DUE,
    "keys with an event time whose rows in the two tables differ",
    MOMENT,
    KEY,
    kind="TABLE",
)
DOUBLED_STATES = Relation(
    "doubled_states", _DUE, "those of them of which the stream table has several rows", MOMENT, KEY, kind="TABLE"
)
STREAM_STATES = Relation(
    "stream_states",
    _DUE,
    "the stream's rows of differing states, with what orders them as the batch has it, the newest first (`place`)",
    f"{LINEAGE_COLUMNS.removesuffix(', _replay_id VARCHAR')}, place BIGINT",
    "the key columns, and those by which a row is newer than another, with order$ before their names",
    kind="TABLE",
)
DUE_ROWS = Relation(
    "due_rows",
    _DUE,
    "the batch's rows of differing states that are not older than the stream's row",
    LINEAGE_COLUMNS,
    OUTPUT,
    kind="TABLE",
)
DUE = Relation(
    "batch_rows_due",
    _DUE,
    "the batch table's rows where both tables agree, elsewhere the due rows",
    BATCH.columns,
    BATCH.more,
    kind="VIEW",
)
