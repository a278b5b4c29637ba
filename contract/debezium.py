"""How Debezium's change events in JSON are read: Spark SQL from the contract's fields. Pure.

An envelope says what happened to one row of a table: `op`, with the row in `after`. It is the document itself, or
stands in `payload` where the converter writes each record's schema beside it (Kafka Connect's JsonConverter with
`schemas.enable`). A row that was inserted, or was there at the snapshot, is an event; an append-only join can take back
nothing, so what changes a row enters nowhere (Debezium documentation, "Data change events"). A row whose primary key
changes is written as a delete and an insert, which has the old key in a header ("Primary key updates").

Where the source's `reduce` takes the last event of a window, the row after an update is an event too: what is joined is
the last state that the window saw. PostgreSQL leaves large values that an update did not change out of its log, and
Debezium writes a placeholder for them ("Toasted values"): such a row is not known whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from plumbline.contract import connect_schema, json_value
from plumbline.contract.json_value import UNREADABLE, Document
from plumbline.contract.lineage import CORRUPT, HEADERS, ONLY, PARSED, RECORDS

if TYPE_CHECKING:
    from plumbline.contract.model import Source

ADDED = ("c", "r")
"""`op` of an insert, and of a row that a snapshot read."""

CHANGED = {"u": "update", "d": "delete", "t": "truncate", "m": "message"}
"""`op` of what adds no row, to the reason of its quarantine. A message was written by pg_logical_emit_message."""

STATE_NOTICE = "the last state of a window, by inserts, updates and snapshots: deletes go to quarantine"
NOTICE = "only rows that were inserted, or read by a snapshot: updates and deletes go to quarantine"

OLD_KEY = "__debezium.oldkey"
"""Header of the insert that an update of the primary key is written as."""

UNAVAILABLE = "__debezium_unavailable_value"
"""In place of a value that the database's log does not have, unless the connector is told of another word."""

SOURCE_TIME = "__source_ts_ms"
"""Field of a source that keeps states: when the database made the change, the envelope's `source.ts_ms`. Called as
ExtractNewRecordState adds it to a flattened row."""

WRAPPED = "payload"


def _typed(row: str, more: str = "", time: str = "") -> str:
    inner = f"op: STRING, after: {row}{time}"
    return f"STRUCT<{more}{inner}, {WRAPPED}: STRUCT<{inner}>>"


def _around(row: Mapping[str, Any]) -> Mapping[str, Any]:
    after = {name: value for name, value in row.items() if name != SOURCE_TIME}
    envelope = {"before": None, "after": after, "op": "c"}
    return envelope if SOURCE_TIME not in row else {**envelope, "source": {"ts_ms": row[SOURCE_TIME]}}


ENVELOPE = Document(places=((WRAPPED, "after"), ("after",)), typed=_typed, around=_around)
_OPS, _DIFFER = "ops", "differ"
_OP = f"get({PARSED}.{_OPS}, 0)"
_REKEYED = f"coalesce(exists(`{HEADERS}`, h -> h.key = '{OLD_KEY}'), false)"


def op_of(document: Mapping[str, Any]) -> str | None:
    """The `op` of an envelope; None where the document is not one."""
    inner = document.get(WRAPPED)
    envelope = inner if isinstance(inner, Mapping) else document
    op = envelope.get("op")
    return str(op) if op in (*ADDED, *CHANGED) and "after" in envelope else None


def keeps_state(source: Source) -> bool:
    """Whether the row after an update is an event like one that was inserted."""
    return source.reduce is not None and source.reduce.take == "last"


def text_sql(source: Source) -> str:
    """As of JSON: the value in an array, NULL for what from_json must not see."""
    return json_value.text_sql(source, ENVELOPE)


def parsed_sql(source: Source) -> str:
    """`struct<records: array<struct<fields>>, ops: array<string>, _corrupt: string>`: of each document the row after
    the change, and its `op`, which is empty where the document is not an envelope; `differ: array<boolean>` too, where
    its own schema may contradict the contract."""
    document, differs = _document(source)
    wrapped = f"e.{WRAPPED} IS NOT NULL"
    row = f"CASE WHEN {wrapped} THEN e.{WRAPPED}.after ELSE e.after END"
    if _has_time(source):
        row = _timed(source, row, f"CASE WHEN {wrapped} THEN e.{WRAPPED}.source.ts_ms ELSE e.source.ts_ms END")
    both = f"{wrapped} AND (e.op IS NOT NULL OR e.after IS NOT NULL)"
    op = f"CASE WHEN {both} THEN '' WHEN e IS NOT NULL THEN coalesce(e.{WRAPPED}.op, e.op, '') END"
    parts = f"'{RECORDS}', transform(p.{RECORDS}, e -> {row}), '{_OPS}', transform(p.{RECORDS}, e -> {op})"
    parts += f", '{_DIFFER}', transform(p.{RECORDS}, e -> {differs})" if differs else ""
    read = json_value.parsed_sql(source, document)
    return f"get(transform(array({read}), p -> named_struct({parts}, '{CORRUPT}', p.`{CORRUPT}`)), 0)"


def rules(source: Source) -> list[tuple[str, str]]:
    """`(reason, SQL)` of what is not the envelope of a new row, after tombstones and values too long."""
    state = keeps_state(source)
    added = ", ".join(map(repr, (*ADDED, "u") if state else ADDED))
    known = ", ".join(map(repr, (*ADDED, *CHANGED)))
    return [
        *UNREADABLE,
        ("not_json", f"{_OP} IS NULL OR size({PARSED}.{_OPS}) > 1"),
        ("not_debezium", f"{_OP} NOT IN ({known}) OR {_OP} IN ({added}) AND {ONLY} IS NULL"),
        *((reason, f"{_OP} = '{op}'") for op, reason in CHANGED.items() if not (state and op == "u")),
        ("unavailable_value", f"{_OP} = 'u' AND ({_unavailable(source)})")
        if state
        else ("update", f"{_OP} = 'c' AND {_REKEYED}"),
        *([("other_encoding", f"get({PARSED}.{_DIFFER}, 0)")] if _document(source)[1] else []),
    ]


def _unavailable(source: Source) -> str:
    """SQL of whether a field holds the placeholder: as text, as bytes, or alone in a list or an object."""
    texts = (UNAVAILABLE, f'["{UNAVAILABLE}"]', f'{{"{UNAVAILABLE}":"{UNAVAILABLE}"}}')
    held = {"string": ", ".join(map(repr, texts)), "binary": f"CAST('{UNAVAILABLE}' AS BINARY)"}
    return " OR ".join(f"`{name}` IN ({held[kind]})" for name, kind in source.fields.items() if kind in held) or "false"


def _document(source: Source) -> tuple[Document, str]:
    """The document with the schema of its row, where the source has fields of which that says how they are written, and
    SQL of whether it contradicts the contract, of the document `e`; else without it, and nothing."""
    of_row = "filter(e.schema.fields, s -> s.field = 'after')"
    differs = connect_schema.differs_sql(source, f"get({of_row}, 0)")
    time = ", source: STRUCT<ts_ms: BIGINT>" if _has_time(source) else ""
    schema = f"schema: STRUCT<fields: ARRAY<STRUCT<field: STRING, {connect_schema.FIELDS}>>>, " if differs else ""
    return replace(ENVELOPE, typed=lambda row: _typed(row, schema, time)), differs


def _has_time(source: Source) -> bool:
    return keeps_state(source) and SOURCE_TIME in source.fields


def _timed(source: Source, row: str, time: str) -> str:
    """SQL of a row (SQL of a struct) with the time of its change; NULL without a row."""
    names = [name for field in source.fields for name in source.names(field)]
    parts = ", ".join(f"'{name}', {time if name == SOURCE_TIME else f'r.`{name}`'}" for name in names)
    return f"get(transform(array({row}), r -> CASE WHEN r IS NOT NULL THEN named_struct({parts}) END), 0)"


def holds_sql(name: str) -> str:
    """Whether there is anything under a field's name in the row after the change, or in the envelope's time of it."""
    held = json_value.holds_sql(name, ENVELOPE)
    if name != SOURCE_TIME:
        return held
    return f"{held} OR {json_value.holds_sql('ts_ms', replace(ENVELOPE, places=((WRAPPED, 'source'), ('source',))))}"
