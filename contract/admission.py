"""Which records can enter the join, and how their fields are read: Spark SQL that both jobs take from the contract.

The stream, the archiver and the batch reference judge every record by the same rules, so that what is left out on one
side is left out on the other. The rules are written over these columns: the raw record's `_value` and `_record_time`,
what its encoding makes of it (`_text`, `_parsed`; see `formats.py`), then the fields and computed columns under their
own names. docs/quarantine.md tells each rule.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from plumbline.contract import formats
from plumbline.contract.fields import spark_decoded
from plumbline.contract.lineage import CORRUPT, ONLY, PARSED, RECORD_TIME, VALUE

if TYPE_CHECKING:
    from plumbline.contract.model import Source

REASONS = {
    "tombstone": "the record has no value",
    "oversize": "the value is longer than the source's max_bytes",
    "not_utf8": "the value is not UTF-8 text",
    "not_avro": "nothing names the value's schema (an id in front of it, or a header), or it is not a record of it",
    "unknown_schema": "the registry does not know the value's schema",
    "huge_number": "a number is too large for its type, or for any decimal",
    "not_json": "the value is not one JSON object, or beyond the parser's limits",
    "not_debezium": "it is not an envelope of Debezium's: no op that is known, or no row in after",
    "update": "a row of the database was changed, which the join of its inserts does not follow",
    "delete": "a row of the database was deleted, likewise",
    "truncate": "a table of the database was emptied, likewise",
    "unavailable_value": "the row after an update lacks a large value that the database's log does not have",
    "other_encoding": "the record's own schema says that a field is written otherwise than the contract has it",
    "message": "it is a message that the database's log carried, and no row",
    "unreadable_event_time": "the event time is present but not a timestamp of the field's type",
    "null_event_time": "the event time is missing or null",
    "impossible_event_time": "the event time lies outside event_time_within around the record's own time",
    "null_key": "a join column, or the event id, is missing or null",
    "wrong_type": "a field holds what its type cannot hold",
}
"""Reason of quarantine to its meaning, in the order in which they are tried: the first that applies is given, but for
`huge_number`, which is tried here for decimals and last for floats and doubles."""

UNTIMELY = ("impossible_event_time", "other_encoding")
"""Reasons of a record whose event time says nothing of when it happened."""


def reasons_of(name: str) -> frozenset[str]:
    """The reasons that a record in one encoding may have."""
    others = (held.reasons for other, held in formats.FORMATS.items() if other != name)
    return frozenset(REASONS).difference(*others)


def text_sql(source: Source) -> str:
    """What the value's parser is given, made from the raw record."""
    return formats.of(source).text(source)


def parsed_sql(source: Source) -> str:
    """What is made of a record's value: `struct<records: array<struct<fields>>, _corrupt: string>`."""
    return formats.of(source).parsed(source)


def schema_id_sql(source: Source) -> str:
    """The number of the schema that a record's value was written by: 0 for JSON, NULL where it has none or a GUID."""
    return formats.of(source).schema_id


def field_sql(source: Source, field: str) -> str:
    """A field's value: under its own name, else under the names it had before."""
    return spark_decoded(source.fields[field], _read(source, field))


def reason_sql(source: Source, keys: tuple[str, ...]) -> str:
    """Why a record cannot enter the join, by the names of `REASONS`; NULL when it can. `keys`: its join columns."""
    malformed, moment = f"{PARSED}.`{CORRUPT}` IS NOT NULL", f"`{source.event_time}`"
    untimely = [
        (
            "unreadable_event_time",
            f"{moment} IS NULL AND ({_read(source, source.event_time)} IS NOT NULL OR {_spelled_time(source)})",
        ),
        ("null_event_time", f"{moment} IS NULL"),
        ("impossible_event_time", "true"),
    ]
    needed = (*keys, *filter(None, [source.event_id]))
    rules = [
        ("tombstone", f"{VALUE} IS NULL"),
        ("oversize", f"octet_length({VALUE}) > {source.max_bytes}"),
        *formats.of(source).rules(source),
    ]
    others = [
        ("null_key", " OR ".join(f"`{key}` IS NULL" for key in needed)),
        ("wrong_type", " OR ".join([malformed, *_undecoded(source)])),
        *formats.of(source).last_rules(source),
    ]
    # Spark decodes the event time afresh wherever it is named: a good record's once here.
    timely = f"WHEN NOT coalesce({_in_band(source)}, {RECORD_TIME} IS NULL AND {moment} IS NOT NULL)"
    return f"CASE {_arms(rules)} {timely} THEN CASE {_arms(untimely)} END {_arms(others)} END"


def _arms(rules: list[tuple[str, str]]) -> str:
    return " ".join(f"WHEN {rule} THEN '{reason}'" for reason, rule in rules)


def _in_band(source: Source) -> str:
    """Whether the event time lies in the band, measured from its middle; NULL when a time is missing."""
    first, last = (bound // timedelta(microseconds=1) for bound in source.event_time_within)
    middle, reach = (first + last) // 2, (last - first) // 2
    return f"abs(unix_micros(`{source.event_time}`) - unix_micros({RECORD_TIME}) - {middle}L) <= {reach}L"


def _spelled_time(source: Source) -> str:
    """Whether a record with a fault has something where its event time should be.

    Only a record with a fault is looked at a second time.
    """
    there = " OR ".join(formats.of(source).holds(name) for name in source.names(source.event_time))
    return f"{PARSED}.`{CORRUPT}` IS NOT NULL AND ({there})"


def _read(source: Source, field: str) -> str:
    """A field as it was read, not yet decoded."""
    read = [f"{ONLY}.`{name}`" for name in source.names(field)]
    return read[0] if len(read) == 1 else f"coalesce({', '.join(read)})"


def _undecoded(source: Source) -> list[str]:
    """Per field that was read and that did not decode: it has a value and has none."""
    return [
        f"{_read(source, field)} IS NOT NULL AND `{field}` IS NULL"
        for field, kind in source.fields.items()
        if spark_decoded(kind, "") != "" and field != source.event_time
    ]
