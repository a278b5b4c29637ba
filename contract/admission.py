"""Which records can enter the join, and how their fields are read: Spark SQL that both jobs take from the contract.

The stream, the archiver and the batch reference judge every record by the same rules, so that what is left out on one
side is left out on the other. The rules are written over these columns: the raw record's `_value` and `_record_time`,
the text for from_json (`_text`), what it makes of it (`_parsed`), then the fields and computed columns under their own
names. docs/quarantine.md tells each rule.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from plumbline.contract import avro
from plumbline.contract.fields import is_decimal, spark_decoded, spark_type
from plumbline.contract.lineage import CORRUPT, PARSED, RECORD_TIME, TEXT, VALUE

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
    "unreadable_event_time": "the event time is present but not a timestamp of the field's type",
    "null_event_time": "the event time is missing or null",
    "impossible_event_time": "the event time lies outside event_time_within around the record's own time",
    "null_key": "a join column, or the event id, is missing or null",
    "wrong_type": "a field holds what its type cannot hold",
}
"""Reason of quarantine to its meaning, in the order in which they are tried: the first that applies is given, but for
`huge_number`, which is tried here for decimals and last for floats and doubles."""

OF_AVRO = {"not_avro", "unknown_schema"}
"""The reasons that only `format: avro` knows."""

PARSE_OPTIONS = {
    "columnNameOfCorruptRecord": CORRUPT,
    "allowSingleQuotes": "false",
    "enableDateTimeParsingFallback": "false",
}
"""Options of from_json."""

_RECORDS = "records"
_ONLY = f"get({PARSED}.{_RECORDS}, 0)"
_BOMB = "[eE][+-]?[0-9]{5,}"
"""A number with such an exponent is millions of digits long as a decimal, and hours of work."""


def text_sql(source: Source) -> str:
    """What the parser is given. Avro: what names the value's schema. JSON: the value in an array, NULL for what
    from_json must not see: too long, no UTF-8, a bomb.

    from_json reads one value and ignores what comes after it. Inside an array, trailing garbage breaks the syntax and
    a second document is a second element.
    """
    if source.format == "avro":
        return avro.ID_SQL
    text = f"CAST({VALUE} AS STRING)"
    wrapped = f"concat('{{\"{_RECORDS}\":[', {text}, ']}}')"
    bomb = _bomb(source, text, wrapped)
    readable = f"octet_length({VALUE}) <= {source.max_bytes} AND is_valid_utf8({text})"
    return f"CASE WHEN {readable}{f' AND NOT ({bomb})' if bomb else ''} THEN {wrapped} END"


def parsed_sql(source: Source) -> str:
    """What is made of a record's value: `struct<records: array<struct<fields>>, _corrupt: string>`."""
    if source.format == "avro":
        return avro.decoded_sql(source)
    options = ", ".join(f"'{option}', '{value}'" for option, value in PARSE_OPTIONS.items())
    return f"from_json({TEXT}, '{parsed_schema(source)}', map({options}))"


def schema_id_sql(source: Source) -> str:
    """The number of the schema that a record's value was written by: 0 for JSON, NULL where it has none or a GUID."""
    return avro.NUMBER_SQL if source.format == "avro" else "0"


def parsed_schema(source: Source) -> str:
    """The schema for from_json: each field under its name and its earlier names, and what did not fit."""
    fields = [
        f"`{name}`: {spark_type(source.fields[field])}" for field in source.fields for name in _names(source, field)
    ]
    return f"`{_RECORDS}` ARRAY<STRUCT<{', '.join(fields)}>>, `{CORRUPT}` STRING"


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
        *(_avro_rules(source) if source.format == "avro" else _JSON_RULES),
    ]
    others = [
        ("null_key", " OR ".join(f"`{key}` IS NULL" for key in needed)),
        ("wrong_type", " OR ".join([malformed, *_undecoded(source)])),
        *([("huge_number", _is_infinite(source))] if source.format == "json" else []),
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


_JSON_RULES = (
    ("not_utf8", f"{TEXT} IS NULL AND NOT is_valid_utf8(CAST({VALUE} AS STRING))"),
    ("huge_number", f"{TEXT} IS NULL"),
    ("not_json", f"{_ONLY} IS NULL OR size({PARSED}.{_RECORDS}) > 1"),
)


def _avro_rules(source: Source) -> list[tuple[str, str]]:
    return [*avro.rules(source), ("not_avro", f"{_ONLY} IS NULL")]


def _spelled_time(source: Source) -> str:
    """Whether a record with a fault has something where its event time should be.

    Only a record that from_json found a fault in is looked at a second time; from_avro's fault names its fields.
    """
    names = _names(source, source.event_time)
    if source.format == "avro":
        return " OR ".join(f"contains({PARSED}.`{CORRUPT}`, ',{name},')" for name in names)
    there = " OR ".join(f"get_json_object({TEXT}, '$.{_RECORDS}[0].{name}') IS NOT NULL" for name in names)
    return f"{PARSED}.`{CORRUPT}` IS NOT NULL AND ({there})"


def _names(source: Source, field: str) -> tuple[str, ...]:
    return (field, *source.aliases.get(field, ()))


def _read(source: Source, field: str) -> str:
    """A field as from_json read it, not yet decoded."""
    read = [f"{_ONLY}.`{name}`" for name in _names(source, field)]
    return read[0] if len(read) == 1 else f"coalesce({', '.join(read)})"


def _undecoded(source: Source) -> list[str]:
    """Per field that from_json read and that did not decode: it has a value and has none."""
    return [
        f"{_read(source, field)} IS NOT NULL AND `{field}` IS NULL"
        for field, kind in source.fields.items()
        if spark_decoded(kind, "") != "" and field != source.event_time
    ]


def _is_infinite(source: Source) -> str:
    """JSON has no infinity: Spark reads 1e999 as one."""
    numbers = [name for name, kind in source.fields.items() if kind in ("float", "double")]
    return " OR ".join(f"abs(`{name}`) = double('Infinity')" for name in numbers) or "false"


def _bomb(source: Source, text: str, wrapped: str) -> str:
    """SQL that says whether reading the decimals of `text` would take for ever; empty for a source without decimals.

    A number is one by its exponent wherever it stands in the document; text is one only in a decimal's field, where
    from_json would read it as a number. Escapes may hide an exponent, so texts with some are looked into.
    """
    names = [name for field, kind in source.fields.items() if is_decimal(kind) for name in _names(source, field)]
    if not names:
        return ""
    schema = f"{_RECORDS} ARRAY<STRUCT<{', '.join(f'`{name}`: STRING' for name in names)}>>"
    read = f"from_json({wrapped}, '{schema}', map('allowSingleQuotes', 'false'))"
    spelled = (
        f"exists({read}.{_RECORDS}, r -> concat_ws(' ', {', '.join(f'r.`{name}`' for name in names)}) RLIKE '{_BOMB}')"
    )
    number = f"{text} RLIKE '[:,\\\\[][ \\\\t\\\\r\\\\n]*-?[0-9.]+{_BOMB}'"
    return f"{text} RLIKE '{_BOMB}|u00[2-7]' AND ({number} OR coalesce({spelled}, false))"
