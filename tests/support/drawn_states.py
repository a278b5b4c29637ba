"""Tables drawn at random for a contract: what its jobs write, and what other tools and accidents make of it."""

from __future__ import annotations

import base64
import json
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st
from pyiceberg.types import BinaryType, StringType

from plumbline.connect.lake import Lake
from plumbline.connect.table_names import EPOCHS, QUARANTINE
from plumbline.connect.tables import ARCHIVE_SCHEMA, EPOCHS_SCHEMA, QUARANTINE_SCHEMA
from plumbline.contract.debezium import ENVELOPE
from plumbline.contract.lineage import LINEAGE
from plumbline.contract.model import Contract, Source
from plumbline.stream_job.compatibility import _arrow
from tests.support.table_versions import delete_by_vector, edit, numbered, retyped

START = datetime(2024, 3, 1, tzinfo=UTC)
UTC_MICROS = pa.timestamp("us", "UTC")
LINEAGE_TYPES = dict(
    zip(LINEAGE, (UTC_MICROS, pa.int32(), pa.int64(), pa.int32(), pa.int64(), pa.string()), strict=True)
)
POOLS: dict[str, list[Any]] = {
    "string": ["a", "b", "", "NULL", "a,b", "k=v", "<b>", "é\u202e", "'", '"'],
    "bool": [True, False],
    "int": [0, 1, -1, 2**31 - 1],
    "float": [0.0, -0.0, 1.5, float("nan"), float("inf")],
    "date": [date(2024, 3, 1), date(1, 1, 2), date(9999, 12, 30)],
    "binary": [b"", b"\x00\xff", b"a"],
    "timestamp": [START, START + timedelta(minutes=30), START + timedelta(days=1, microseconds=1)],
    "time": [time(1, 2, 3)],
    "list": [[], ["a"], [None]],
    "struct": [{"x": 1}, {"x": None}],
    "map": [[("a", 1)], []],
}
FOREIGN = {
    "list": pa.list_(pa.string()),
    "struct": pa.struct([("x", pa.int64())]),
    "map": pa.map_(pa.string(), pa.int64()),
    "binary": pa.binary(),
    "time": pa.time64("us"),
    "int": pa.int64(),
    "timestamp": pa.timestamp("us"),
}
V3_TYPES = ["timestamp_ns", "timestamptz_ns", "variant", "geometry", "geography", "unknown"]


def values(kind: pa.DataType) -> st.SearchStrategy[Any]:
    """Values of an Arrow type, NULL among them."""
    if pa.types.is_decimal(kind):
        return st.sampled_from([None, Decimal(0), Decimal(1).scaleb(-kind.scale)])
    tests = {
        "string": pa.types.is_string, "bool": pa.types.is_boolean, "int": pa.types.is_integer,
        "float": pa.types.is_floating, "date": pa.types.is_date, "binary": pa.types.is_binary,
        "timestamp": pa.types.is_timestamp, "time": pa.types.is_time, "map": pa.types.is_map,
        "list": pa.types.is_list, "struct": pa.types.is_struct,
    }  # fmt: skip
    pool = next(POOLS[name] for name, holds in tests.items() if holds(kind))
    if pa.types.is_timestamp(kind) and kind.tz is None:
        pool = [moment.replace(tzinfo=None) for moment in pool]
    return st.sampled_from([None, *pool])


def tables(draw: st.DrawFn, lake: Lake, contract: Contract) -> None:
    """Fill the lake: each table may be there, empty, misshapen or absent."""
    seen = draw(st.integers(0, 9)) > 0
    ours = [name for name, source in contract.sources.items() if source.archive_columns is None]
    for name in ours if seen else ():
        write(draw, lake, contract.sources[name].archive, ARCHIVE_SCHEMA, _records(draw, contract, name))
    for table in (contract.output.stream_table, contract.output.batch_table) if contract.job is None else ():
        if draw(st.integers(0, 14)) > 0:
            schema = misshapen(draw, output_schema(contract))
            write(draw, lake, table, schema, rows_of(draw, schema), {"day": "_event_time"})
    if draw(st.integers(0, 2)) > 0:
        write(draw, lake, EPOCHS, EPOCHS_SCHEMA, _epochs(draw, contract), odd=False)
    if draw(st.integers(0, 3)) == 0:
        refused = [_refused(draw, contract, name, record) for name in contract.sources
                   for record in _records(draw, contract, name)]  # fmt: skip
        write(draw, lake, QUARANTINE, QUARANTINE_SCHEMA, refused, odd=False)


def output_schema(contract: Contract) -> pa.Schema:
    """The columns of both output tables; those made by SQL are text."""
    kinds = {}
    for column in contract.output_columns:
        kind = contract.sources[column.source].fields.get(column.field or "") if column.source else None
        kinds[column.name] = pa.string() if kind is None else _arrow(kind)
    return pa.schema([*kinds.items(), *LINEAGE_TYPES.items()])


def misshapen(draw: st.DrawFn, schema: pa.Schema) -> pa.Schema:
    """The schema after what another tool may have done to it: nothing, most of the time."""
    change = draw(st.sampled_from([None] * 6 + ["drop", "add", "retype", "rename", "no lineage", "order"]))
    place = draw(st.integers(0, len(schema) - 1))
    kind = draw(st.sampled_from(list(FOREIGN)))
    if change == "drop" and len(schema) > 1:
        return schema.remove(place)
    if change == "add":
        return schema.append(pa.field(f"foreign_{kind}", FOREIGN[kind]))
    if change == "retype":
        return schema.set(place, pa.field(schema.names[place], FOREIGN[kind]))
    if change == "rename":
        return schema.set(place, pa.field(schema.names[place].upper() + "_", schema.types[place]))
    if change == "no lineage":
        return pa.schema([field for field in schema if field.name not in LINEAGE])
    return pa.schema(list(schema)[::-1]) if change == "order" else schema


def rows_of(draw: st.DrawFn, schema: pa.Schema) -> list[dict[str, Any]]:
    row = st.fixed_dictionaries({field.name: values(field.type) for field in schema})
    rows = draw(st.lists(row, max_size=4))
    for row_, number in zip(rows, range(len(rows)), strict=True):
        whole = draw(st.integers(0, 3)) > 0
        for name in LINEAGE if whole else ():
            if name in row_ and pa.types.is_integer(schema.field(name).type):
                row_[name] = number if "offset" in name else 0
            elif name == "_event_time" and name in row_ and schema.field(name).type == UTC_MICROS:
                row_[name] = START + timedelta(minutes=number)
    return rows


def _json(kind: str, found: Any) -> Any:
    if isinstance(found, bytes):
        return base64.b64encode(found).decode()
    if isinstance(found, datetime):
        return found.isoformat() if kind == "timestamp" else int(found.timestamp() * 1000)
    if isinstance(found, Decimal) and kind.startswith("decimal_base64"):
        return base64.b64encode(int(found.scaleb(3)).to_bytes(16, "big", signed=True)).decode()
    if kind == "date_days" and found is not None:
        return (found - date(1970, 1, 1)).days
    return str(found) if isinstance(found, date | Decimal) else found


def _document(draw: st.DrawFn, source: Source, event: dict[str, Any]) -> Any:
    """The event as its encoding has it; Avro's as JSON, which cannot be read."""
    if source.format != "debezium":
        return event
    envelope = {**ENVELOPE.around(event), "op": draw(st.sampled_from("cccrud"))}
    return draw(st.sampled_from([envelope, {"schema": None, "payload": envelope}]))


def _records(draw: st.DrawFn, contract: Contract, name: str) -> list[dict[str, Any]]:
    """Records of a topic: events, tombstones, garbage; one partition or two, in order, with a hole now and then."""
    source = contract.sources[name]
    found = []
    for number in range(draw(st.integers(0, 4))):
        moment = START + timedelta(minutes=draw(st.integers(-10, 90)))
        event = {field: _json(kind, draw(values(_arrow(kind)))) for field, kind in source.fields.items()}
        event[source.event_time] = _json(source.fields[source.event_time], moment)
        written = json.dumps(_document(draw, source, event)).encode()
        value = draw(st.sampled_from([written] * 5 + [None, b"", b"{", b"\xff\xfe", b"[]", b"null"]))
        good = value is not None and value[:2] == b'{"'
        found.append(
            {
                "topic": source.topic,
                "partition": draw(st.sampled_from([0, 0, 1])),
                "offset": number + draw(st.sampled_from([0, 0, 0, 5])),
                "kafka_timestamp": draw(st.sampled_from([moment, moment, None])),
                "kafka_timestamp_type": 0,
                "headers": draw(st.sampled_from([[], None, [{"key": "h", "value": None}]])),
                "key": draw(st.sampled_from([b"k", None])),
                "value": value,
                "event_time": moment if good else None,
                "schema_id": draw(st.sampled_from([0, 0, None, 7])),
                "quarantine_reason": None if good else draw(st.sampled_from(["tombstone", "not_json", "new_reason"])),
                "event_id": draw(st.sampled_from([None, "e1", ""])),
            }
        )
    return found


def _refused(draw: st.DrawFn, contract: Contract, name: str, record: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in record.items() if key not in ("quarantine_reason", "event_id")}
    reason = record["quarantine_reason"] or "null_key"
    return {"contract": contract.contract, "source": name, **kept, "reason": reason, "noted_at": START}


def _epochs(draw: st.DrawFn, contract: Contract) -> list[dict[str, Any]]:
    """A ledger: mostly one that a stream could have written."""
    rows, watermark = [], 0
    ends = dict.fromkeys(contract.sources, 0)
    for epoch in range(draw(st.integers(0, 3))):
        before, watermark = watermark, watermark + draw(st.sampled_from([0, 1_709_251_200_000, 3_600_000]))
        for name, source in contract.sources.items():
            start, ends[name] = ends[name], ends[name] + draw(st.integers(0, 3))
            rows.append(
                {
                    "contract": draw(st.sampled_from([contract.contract] * 5 + ["another"])),
                    "query_id": draw(st.sampled_from(["q"] * 6 + ["q2"])),
                    "run_id": "r",
                    "epoch": epoch,
                    "source": name,
                    "topic": source.topic,
                    "partition": 0,
                    "start_offset": start,
                    "end_offset": ends[name],
                    "late_watermark_ms": before,
                    "evict_watermark_ms": watermark,
                    "no_data": start == ends[name],
                    "planned_at": START + timedelta(minutes=epoch),
                }
            )
    return rows


def write(
    draw: st.DrawFn,
    lake: Lake,
    table: str,
    schema: pa.Schema,
    rows: list[dict[str, Any]],
    partition: dict[str, str] | None = None,
    *,
    odd: bool = True,
) -> None:
    """One commit of the rows, a second one now and then, none for an empty table at times."""
    by = next(((unit, name) for unit, name in (partition or {}).items() if name in schema.names), None)
    if by and not pa.types.is_timestamp(schema.field(by[1]).type):
        by = None
    lake.ensure_table(table, schema, by if draw(st.booleans()) else None)
    if rows or draw(st.booleans()):
        data = pa.Table.from_pylist(rows, schema=schema)
        lake.append(table, data)
        if rows and odd and draw(st.integers(0, 7)) == 0:
            lake.append(table, data.slice(0, 1))
    if odd:
        _touch(draw, lake, table)


def _touch(draw: st.DrawFn, lake: Lake, table: str) -> None:
    """What another tool may do to a table afterwards: it says so for files to come, adds a column, or raises the
    format version."""
    change = draw(st.sampled_from([None] * 8 + ["orc", "avro", "column", "metrics", "version", "version", "version"]))
    if change == "version":
        _raise_version(draw, lake, table)
        return
    with lake.load(table).transaction() as transaction:
        if change in ("orc", "avro"):
            transaction.set_properties({"write.format.default": change})
        if change == "metrics":
            transaction.set_properties({"write.metadata.metrics.default": "none"})
        if change == "column":
            with transaction.update_schema() as update:
                update.add_column("added_later", StringType())


def _raise_version(draw: st.DrawFn, lake: Lake, table: str) -> None:
    """Format version 3: rows with ids, and a deletion vector or a column of that version's types and defaults."""
    change = draw(st.sampled_from(["lineage", "vector", "vector", "default", "column type", "type"]))
    if change == "vector" and lake.load(table).current_snapshot() and any(lake.load(table).scan().plan_files()):
        delete_by_vector(lake, table)
        return
    if change in ("default", "column type"):
        with lake.load(table).update_schema() as update:
            update.add_column("added_later", StringType() if change == "default" else BinaryType())
    edit(lake, table, numbered)
    if change == "default":
        edit(lake, table, retyped("added_later", "string", draw(st.sampled_from(["", "it's", "7"]))))
    elif change == "column type":
        edit(lake, table, retyped("added_later", draw(st.sampled_from(V3_TYPES))))
    elif change == "type":
        columns = lake.load(table).schema().column_names
        edit(lake, table, retyped(draw(st.sampled_from(columns)), draw(st.sampled_from(V3_TYPES))))
