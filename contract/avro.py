"""How Avro events are read: Spark SQL made from the schemas they were written by and the contract's fields. Pure.

An event names its schema as Confluent's serializers do. Either the value begins with a zero byte and the schema's id
in four bytes, big-endian, and the Avro record follows; or the header `__value_schema_id` holds a byte 1 and the
schema's GUID (or a zero byte and the id), and the whole value is the record. The header decides: a record that begins
with a zero byte by chance is not read by the schema that its first bytes seem to name.

Each known schema decodes its own records, whose fields are then taken by name and earlier name and given the contract's
types. An id that nothing is known of ends the epoch with `UNKNOWN_ID`: the job asks the registry for it and does the
epoch again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from plumbline.contract.errors import SetupError
from plumbline.contract.fields import decimal_digits, spark_type
from plumbline.contract.lineage import CORRUPT, HEADERS, ONLY, PARSED, TEXT, VALUE
from plumbline.contract.writers import GUID_DIGITS, by_schema, guid_id

if TYPE_CHECKING:
    from plumbline.contract.model import Source
    from plumbline.contract.writers import SchemaId

UNKNOWN_ID = "is not a schema that this job knows yet"
"""What the error says that ends an epoch, after `Avro schema id <number>`."""

HEADER = "__value_schema_id"
"""Of Confluent's HeaderSchemaIdSerializer. A header of this name without a value says nothing."""

GUID_BYTES, ID_BYTES = 16, 4

_NAMED = f"filter(`{HEADERS}`, h -> h.key = '{HEADER}' AND h.value IS NOT NULL)"
_HEADS = f"array_distinct(transform({_NAMED}, h -> h.value))"
_IN_HEADER = f"coalesce(size({_HEADS}) > 0, false)"


def lost_headers(table: str, partition: int, offset: int) -> SetupError:
    """An archive without headers whose Avro records named their schema there, with the first one.

    Nothing else tells which schema that is; a record that begins with a zero byte would be read by another one.
    """
    return SetupError(
        f"{table} has no column headers, and holds Avro records that name their schema in a header: "
        f"partition {partition} offset {offset} for example",
        where=f"table {table}",
        next_step="roll the table back to a snapshot with its headers, or archive the topic into a new table",
    )


def _id(bytes: str) -> str:
    """Four bytes as the text of a schema's id; NULL for one beyond an int."""
    return f"CAST(try_cast(conv(hex({bytes}), 16, 10) AS INT) AS STRING)"


def _in_head(head: str) -> str:
    """The schema's name in one header's value; NULL for a value of another form."""
    length, kind, rest = f"octet_length({head})", f"substring({head}, 1, 1)", f"substring({head}, 2)"
    return (
        f"CASE WHEN {length} = {1 + GUID_BYTES} AND {kind} = X'01' THEN lower(hex({rest}))"
        f" WHEN {length} = {1 + ID_BYTES} AND {kind} = X'00' THEN {_id(rest)} END"
    )


HEADER_ID_SQL = f"CASE WHEN size({_HEADS}) = 1 THEN {_in_head(f'get({_HEADS}, 0)')} END"
"""The schema's name in a record's headers; NULL without one, and where several contradict one another."""

ID_SQL = (
    f"CASE WHEN {VALUE} IS NULL THEN NULL WHEN {_IN_HEADER} THEN {HEADER_ID_SQL}"
    f" WHEN octet_length({VALUE}) > 5 AND substring({VALUE}, 1, 1) = X'00' THEN {_id(f'substring({VALUE}, 2, 4)')} END"
)
"""What names an event's schema: its id in decimal digits, or its GUID in 32 hexadecimal ones; NULL for nothing."""

UNNAMED_SQL = "value IS NOT NULL AND schema_id IS NULL AND quarantine_reason IS NULL"
"""Of an archive's Avro records: those that were read by a schema which only a header named."""

NUMBER_SQL = f"CASE WHEN length({TEXT}) < {GUID_DIGITS} THEN CAST({TEXT} AS INT) END"
"""The schema's id as a number, from what `ID_SQL` gave as `_text`; NULL for a GUID."""

_RECORD = f"CASE WHEN {_IN_HEADER} THEN {VALUE} ELSE substring({VALUE}, 6) END"

_ISO = r"^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}(:\\d{2}(\\.\\d{1,9})?)?(Z|[+-]\\d{2}:\\d{2})$"
_LOGICAL = {
    ("int", "date"): "date",
    ("long", "timestamp-millis"): "timestamp",
    ("long", "timestamp-micros"): "timestamp",
}
_WIDER: dict[frozenset[str | None], str] = {
    frozenset({"int", "long"}): "long",
    frozenset({"float", "double"}): "double",
}
"""Unions that Spark reads as the wider of their types; it makes a struct of any other."""
_UNREAD = ("time-millis", "time-micros", "timestamp-nanos", "duration")
_SPARK_DIGITS = 38
"""Digits of Spark's widest decimal."""

_OPTIONS = "'mode', 'PERMISSIVE', 'recursiveFieldMaxDepth', '1'"
"""Of from_avro. A record type that holds itself is left out: the contract has no type for it."""

_PLAIN = ("string", "boolean", "int", "long", "float", "double")


def text_sql(source: Source) -> str:
    """What names the value's schema."""
    return ID_SQL


def holds_sql(name: str) -> str:
    """Whether a field that has a fault is of this name: the fault names its fields."""
    return f"contains({PARSED}.`{CORRUPT}`, ',{name},')"


def parsed_sql(source: Source) -> str:
    """The event as `struct<records: array<struct<fields>>, _corrupt>`, as from_json gives it for JSON.

    `records` is NULL where nothing can be read, `_corrupt` the names of the fields whose values do not fit, each
    between commas.
    """
    writers = source.writers
    known = [f"WHEN {_one_of(ids)} THEN {_by_schema(source, schema)}" for schema, ids in by_schema(writers.schemas)]
    unknown = [f"WHEN {_one_of(writers.unknown)} THEN NULL"] if writers.unknown else []
    error = f"raise_error(concat('Avro schema id ', {TEXT}, ' {UNKNOWN_ID}'))"
    readable = f"{TEXT} IS NOT NULL AND octet_length({VALUE}) <= {source.max_bytes}"
    # Typed: of no schema known yet, nothing else says what the event is.
    nothing = f"CAST(NULL AS {_event_type(source)})"
    return f"CASE WHEN NOT ({readable}) THEN {nothing} {' '.join([*known, *unknown])} ELSE {error} END"


def _one_of(ids: Iterable[SchemaId]) -> str:
    """SQL that says whether the event's schema is one of these."""
    return f"{TEXT} IN ({', '.join(sorted(repr(str(id)) for id in ids)) or 'NULL'})"


def spelled_head(value: bytes) -> str:
    """What the header says, for people: the GUID, the id, or that it is neither."""
    if len(value) == 1 + GUID_BYTES and value[0] == 1:
        return f"GUID {guid_id(value[1:].hex())}"
    if len(value) == 1 + ID_BYTES and value[0] == 0:
        return f"id {int.from_bytes(value[1:], 'big')}"
    return f"{len(value)} bytes that are neither a GUID nor an id"


def _event_type(source: Source) -> str:
    names = [f"`{name}`: {spark_type(kind)}" for field, kind in source.fields.items() for name in source.names(field)]
    return f"STRUCT<records: ARRAY<STRUCT<{', '.join(names)}>>, `{CORRUPT}`: STRING>"


def for_spark(schema: Any) -> str:
    """A record's schema as JSON text for from_avro, which gives every field a type, also those that nobody asks for.

    A decimal that Spark has no type for, at which it would fail, is the bytes that it is written as. An int is a long,
    which is written alike: of a number beyond 32 bits, as fastavro writes it (1.13.1), from_avro would take the lowest
    32 for an int.
    """
    read = _without_wide_decimals(schema)
    return json.dumps({**read, "fields": [{**field, "type": _longer(field["type"])} for field in read["fields"]]})


def _longer(avro: Any) -> Any:
    """A field's type with long in place of int."""
    if isinstance(avro, list):  # a union has each type once
        return avro if any(_base(branch) == "long" for branch in avro) else [_longer(branch) for branch in avro]
    return "long" if _base(avro) == "int" else avro


def _base(avro: Any) -> Any:
    """What a type is written as."""
    return _base(avro["type"]) if isinstance(avro, dict) else avro


def _without_wide_decimals(avro: Any) -> Any:
    if isinstance(avro, list):
        return [_without_wide_decimals(part) for part in avro]
    if not isinstance(avro, dict):
        return avro
    wide = avro.get("logicalType") == "decimal" and avro.get("precision", 0) > _SPARK_DIGITS
    left_out = ("logicalType", "precision", "scale") if wide else ()
    # A default is a value, whatever it looks like.
    return {
        key: part if key == "default" else _without_wide_decimals(part)
        for key, part in avro.items()
        if key not in left_out
    }


def rules(source: Source) -> list[tuple[str, str]]:
    """`(reason, SQL)` of what no schema can read, after tombstones and values too long."""
    unknown = f"coalesce({_one_of(source.writers.unknown)}, false)"
    return [("not_avro", f"{TEXT} IS NULL"), ("unknown_schema", unknown), ("not_avro", f"{ONLY} IS NULL")]


def _holds(avro: Any, record: Mapping[str, Any]) -> bool:
    """Whether a field's type is the record that it stands in, or a list or map of it: Spark leaves such a field out."""
    if isinstance(avro, list):
        return any(_holds(branch, record) for branch in avro)
    if isinstance(avro, dict):
        return any(_holds(avro[part], record) for part in ("items", "values") if part in avro)
    name, space = str(record.get("name")), record.get("namespace")
    return avro in (name, f"{space}.{name}")


def _by_schema(source: Source, schema: str) -> str:
    """The value decoded by one writer's schema, its fields then as the contract has them.

    Spark gives a record of nothing but nulls for bytes that it cannot decode.
    """
    body = json.loads(schema)
    held = {str(field["name"]): kind for field, kind in _fields(body) if not _holds(field["type"], body)}
    quoted = for_spark(body).replace("\\", "\\\\").replace("'", "\\'")
    record = f"from_avro({_RECORD}, '{quoted}', map({_OPTIONS}))"
    parts, misfits = [], []
    for field, wanted in source.fields.items():
        for name in source.names(field):
            sql = _converted(held.get(name), wanted, _written(held.get(name), f"r.`{name}`")) if name in held else None
            parts.append(f"'{name}', CAST({sql or 'NULL'} AS {spark_type(wanted)})")
            if name in held and not _exact(held[name], wanted):
                misfits.append(f"CASE WHEN r.`{name}` IS NOT NULL AND ({sql or 'NULL'}) IS NULL THEN '{name}' END")
    empty = " AND ".join(f"r.`{name}` IS NULL" for name in held) or "true"
    corrupt = (
        f"nullif(concat(',', concat_ws(',', {', '.join(misfits)}), ','), ',,')" if misfits else "CAST(NULL AS STRING)"
    )
    records = f"CASE WHEN NOT ({empty}) THEN array(named_struct({', '.join(parts)})) END"
    return f"get(transform(array({record}), r -> named_struct('records', {records}, '{CORRUPT}', {corrupt})), 0)"


def _written(held: str | None, value: str) -> str:
    """SQL that gives a field its written type `held`; NULL for what is no value of it."""
    within = {"int": f"try_cast({value} AS INT)", "date": f"date_from_unix_date(try_cast({value} AS INT))"}
    return within.get(str(held), value)


def _exact(held: str | None, wanted: str) -> bool:
    """Whether every value that may be written has one in the wanted type."""
    kept = held == wanted and held not in ("timestamp", "date", "string", "int")
    return kept or (held, wanted) == ("float", "double")


def _converted(held: str | None, wanted: str, value: str) -> str | None:
    """SQL that gives a written value of type `held` the type in which the contract reads it; None: it has no such."""
    if held is None:
        return None
    if wanted in ("timestamp_millis", "timestamp_micros"):
        unit = wanted.removeprefix("timestamp_")
        return value if held in ("int", "long") else f"unix_{unit}({value})" if held == "timestamp" else None
    if wanted == "date_days":
        return value if held == "int" else f"unix_date({value})" if held == "date" else None
    if wanted == "timestamp":
        spelled = f"CASE WHEN {value} RLIKE '{_ISO}' THEN try_cast({value} AS TIMESTAMP) END"
        return {"timestamp": _within(value, "unix_micros", 1_000_000), "string": spelled}.get(held)
    numbers = ("int", "long", "float", "double")
    if held == wanted == "string":  # Spark takes any bytes for text; DuckDB reads no table that has such
        return f"CASE WHEN is_valid_utf8({value}) THEN {value} END"
    if held == wanted:
        return _within(value, "unix_date", 1 / 86_400) if held == "date" else value
    if wanted in ("int", "long") and held in ("int", "long"):
        return f"try_cast({value} AS {spark_type(wanted)})"
    if wanted in ("float", "double") and held in numbers:
        return f"CAST({value} AS {wanted})"
    if decimal_digits(wanted) and (decimal_digits(held) or held in ("int", "long")):
        return f"try_cast({value} AS {wanted})"
    return None


def _within(value: str, counted: str, per_second: float) -> str:
    """The value up to the end of the year 9999 either way of 1970, as for JSON; `counted` makes a number of it."""
    limit = int(253_402_300_799 * per_second)
    return f"CASE WHEN {counted}({value}) BETWEEN -{limit} AND {limit} THEN {value} END"


def _fields(schema: Mapping[str, Any]) -> list[tuple[Mapping[str, Any], str | None]]:
    """The fields of a record schema, each with its type in the contract's words; None for one that has none there."""
    named: dict[str, Any] = {}
    return [(field, _kind(field["type"], named)) for field in schema.get("fields", [])]


def _kind(avro: Any, named: dict[str, Any]) -> str | None:
    if isinstance(avro, list):
        kinds = {_kind(branch, named) for branch in avro if branch != "null"}
        return kinds.pop() if len(kinds) == 1 else _WIDER.get(frozenset(kinds))
    if isinstance(avro, dict):
        if "name" in avro:
            named[str(avro["name"])] = avro
        base, logical = avro["type"], avro.get("logicalType")
        if logical in _UNREAD or str(logical).startswith("local-"):
            return None
        if logical == "decimal" and avro.get("precision", 0) > _SPARK_DIGITS:
            return None
        if logical == "decimal":
            return f"decimal({avro['precision']},{avro.get('scale', 0)})"
        if base == "enum":
            return "string"
        if base == "fixed":
            return "binary"
        return _LOGICAL.get((str(base), str(logical))) or _kind(base, named)
    if avro in named:
        return _kind(named[avro], named)
    return {"bytes": "binary"}.get(avro, avro if avro in _PLAIN else None)
