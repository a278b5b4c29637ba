"""The encodings of a record's value: each has a module, whose SQL the jobs take from here by the source's `format`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from plumbline.contract import avro, debezium, json_value

if TYPE_CHECKING:
    from plumbline.contract.model import Source

Rules = Callable[["Source"], list[tuple[str, str]]]
"""`(reason, SQL)`: why a record cannot enter the join, in order."""


@dataclass(frozen=True)
class Format:
    """What one encoding says of a record.

    `text` is SQL over the raw record, `parsed` over that and what it gives: `struct<records: array<struct<fields>>,
    _corrupt>`. `rules` come before those of the event time, `last_rules` after all others. `holds` says of a record
    with a fault whether there is anything under a field's name. `reasons` are those that no other format has.
    `headers`: the SQL looks at the record's headers. `schema_id` is SQL of the number in the archive. With `registry`
    the schema that a value was written by is named in it or in a header. `document` says where the value has the fields
    if it is JSON. `notice`: what `check` says of every such source, `state_notice` of one whose
    `reduce` takes the last event.
    """

    text: Callable[[Source], str]
    parsed: Callable[[Source], str]
    rules: Rules
    holds: Callable[[str], str]
    last_rules: Rules = lambda source: []
    reasons: frozenset[str] = frozenset()
    headers: bool = False
    schema_id: str = "0"
    registry: bool = False
    document: json_value.Document | None = None
    notice: str = ""
    state_notice: str = ""


FORMATS = {
    "json": Format(
        json_value.text_sql,
        json_value.parsed_sql,
        json_value.rules,
        json_value.holds_sql,
        json_value.last_rules,
        document=json_value.PLAIN,
    ),
    "avro": Format(
        avro.text_sql,
        avro.parsed_sql,
        avro.rules,
        avro.holds_sql,
        reasons=frozenset({"not_avro", "unknown_schema"}),
        headers=True,
        schema_id=avro.NUMBER_SQL,
        registry=True,
    ),
    "debezium": Format(
        debezium.text_sql,
        debezium.parsed_sql,
        debezium.rules,
        debezium.holds_sql,
        json_value.last_rules,
        reasons=frozenset({"not_debezium", "unavailable_value", "other_encoding", *debezium.CHANGED.values()}),
        headers=True,
        document=debezium.ENVELOPE,
        notice=debezium.NOTICE,
        state_notice=debezium.STATE_NOTICE,
    ),
}


def of(source: Source) -> Format:
    """The encoding of a source's values."""
    return FORMATS[source.format]
