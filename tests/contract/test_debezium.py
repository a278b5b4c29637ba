"""Debezium's envelopes: those that its connector wrote (tests/debezium) and their neighbours, over plain Spark rows."""

from __future__ import annotations

import base64
import json
from collections import Counter
from decimal import Context, Decimal
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from plumbline.contract.admission import REASONS, reasons_of
from plumbline.contract.formats import FORMATS
from tests.support.judging import NOON, Judged, judged, source_of

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from plumbline.contract.model import Source

RECORDED = Path(__file__).parents[1] / "debezium" / "recorded"
TOPIC = "shop.public.orders"
TEXTS = {"id": "int", "shop": "string", "at": "timestamp", "paid": "boolean", "rate": "double", "blob": "binary",
         "note": "string"}  # fmt: skip
NUMBERS = {"placed": "timestamp_micros", "placed_ms": "timestamp_millis", "day": "date_days",
           "amount": "decimal_base64(10,2)", "wide": "decimal_base64(38,4)"}  # fmt: skip
FIELDS = {
    "defaults": TEXTS | NUMBERS,
    "schemaless": TEXTS | NUMBERS,
    "text": TEXTS | {"placed": "timestamp", "placed_ms": "timestamp", "amount": "decimal(10,2)",
                     "wide": "decimal(38,4)", "free": "decimal(10,3)"},
    "connect": TEXTS | {"placed": "timestamp_millis", "placed_ms": "timestamp_millis", "day": "date_days",
                        "amount": "decimal(10,2)", "free": "double"},
}  # fmt: skip
"""What the fields of each recording are: its connector's settings are in tests/debezium/Record.java."""


Headers = list[tuple[str, bytes | None]]


@cache
def recorded(name: str) -> list[tuple[str, bytes | None, Headers]]:
    """Topic, value and headers of each record."""
    lines = map(json.loads, (RECORDED / f"{name}.jsonl").read_text().splitlines())
    return [
        (
            line["topic"],
            None if line["value"] is None else line["value"].encode(),
            [(key, value.encode()) for key, value in line["headers"].items()],
        )
        for line in lines
    ]


def orders(fields: dict[str, str] | None = None, **changes: Any) -> Source:
    changes = {"event_time_within": ["-36500 days", "1 day"], "aliases": {}, **changes}
    return source_of(format="debezium", **({"fields": fields} if fields else {}), **changes)


def read(spark: SparkSession, name: str, **other: str) -> list[Judged]:
    """The records of the table's topic."""
    own = [(value, headers) for topic, value, headers in recorded(name) if topic == TOPIC]
    source = orders(FIELDS[name] | other)
    return judged(spark, source, [(value, NOON) for value, _ in own], headers=[headers for _, headers in own])


ROWS = [
    ("1", "2024-03-01 10:00:00.123456", "s1", "12.34"),
    ("2", "2024-03-01 10:01:00", "s2", "-0.01"),
    ("3", "2024-03-01 10:02:00", "s1", "99999999.99"),
    ("4", "2024-03-01 08:03:00", None, "-26588.24"),
    ("5", "2024-03-01 10:04:00", "s1", "1.00"),
    ("6", "2024-03-01 10:05:00", "s3", "6.00"),
]
REFUSED = {"update": 2, "delete": 2, "tombstone": 2, "truncate": 1}


@pytest.mark.spark
@pytest.mark.parametrize("name", FIELDS)
def test_rows_that_were_added_enter_and_no_change_does(spark: SparkSession, name: str) -> None:
    found = read(spark, name)
    rows = [one.fields for one in found if one.reason is None]
    assert [(row["id"], row["at"], row["shop"], row["amount"]) for row in rows] == ROWS
    assert Counter(one.reason for one in found if one.reason) == REFUSED


@pytest.mark.spark
@pytest.mark.parametrize("name", FIELDS)
def test_times_days_and_decimals_are_the_databases(spark: SparkSession, name: str) -> None:
    first, second, third = (one.fields for one in read(spark, name)[:3])
    placed = "2024-03-01 10:00:00.123" if name == "connect" else "2024-03-01 10:00:00.123456"
    assert (first["placed"], first["placed_ms"]) == (placed, "2024-03-01 10:00:00.123")
    assert (first["paid"], first["rate"], first["blob"]) == ("true", "0.1", "ab")
    assert (third["paid"], third["rate"], third["note"]) == (None, "NaN", 'Ünïcode "quoted" \\ 🙂')
    if "day" in FIELDS[name]:
        assert [one["day"] for one in (first, second, third)] == ["2024-03-01", "1969-12-31", "2024-02-29"]
    if "wide" in FIELDS[name]:
        wide = [one["wide"] for one in (first, second, third)]
        assert wide == ["1234567890123456789012345678901234.5678", "-1.0000", "0.0000"]


@pytest.mark.spark
def test_what_is_declared_otherwise_than_it_is_written_does_not_enter(spark: SparkSession) -> None:
    wrong = {"placed": "timestamp_millis", "day": "date", "amount": "decimal_base64(3,2)"}
    for field, kind in wrong.items():
        assert read(spark, "schemaless", **{field: kind})[0].reason == "wrong_type", field
    assert read(spark, "schemaless", amount="decimal(10,2)")[0].reason == "wrong_type"
    assert read(spark, "text", amount="decimal_base64(10,2)")[0].reason == "wrong_type"


@pytest.mark.spark
@pytest.mark.parametrize("field", ["placed", "placed_ms", "day", "amount", "wide"])
def test_what_its_own_schema_contradicts_does_not_enter(spark: SparkSession, field: str) -> None:
    """Milliseconds and microseconds, or two decimals, differ in nothing else."""
    other = {"placed": "timestamp_millis", "placed_ms": "timestamp_micros", "day": "timestamp_millis",
             "amount": "decimal_base64(10,3)", "wide": "decimal_base64(38,2)"}[field]  # fmt: skip
    refused = {"r": "other_encoding", "c": "other_encoding"}
    ops = [json.loads(value)["payload"]["op"] for topic, value, _ in recorded("defaults") if topic == TOPIC and value]
    found = [one.reason for one in read(spark, "defaults", **{field: other}) if one.reason != "tombstone"]
    expected = [refused.get(op, {"u": "update", "d": "delete", "t": "truncate"}.get(op)) for op in ops]
    expected[ops.index("c", ops.index("d"))] = "update"
    assert found == expected
    named = read(spark, "connect", **{"placed": "timestamp_micros"})
    assert named[0].reason == "other_encoding"


@pytest.mark.spark
def test_the_event_time_is_held_to_the_schema_under_its_earlier_name_too(spark: SparkSession) -> None:
    fields = {"id": "int", "at": "timestamp_millis"}
    values = [(value, NOON) for topic, value, _ in recorded("defaults")[:2]]
    source = orders(fields, aliases={"at": ["placed"]})
    assert [one.reason for one in judged(spark, source, values)] == ["unreadable_event_time"] * 0 + [
        "other_encoding"
    ] * 2


@pytest.mark.spark
def test_records_of_debeziums_other_topics_do_not_enter(spark: SparkSession) -> None:
    values = [(topic, value) for topic, value, _ in recorded("schemaless") if topic != TOPIC]
    found = judged(spark, orders(FIELDS["schemaless"]), [(value, NOON) for _, value in values])
    by_topic = {topic: one.reason for (topic, _), one in zip(values, found, strict=True)}
    assert by_topic == {
        "__debezium-heartbeat.shop": "not_debezium",
        "shop.transaction": "not_debezium",
        "shop.message": "message",
    }


ROW = '{"id": "a", "at": "2024-03-01T11:00:00Z", "whole": 1}'


def bare(after: str, op: str, before: str = "null") -> str:
    """An envelope as the document itself."""
    return f'{{"before": {before}, "after": {after}, "op": "{op}"}}'


def wrapped(payload: str, more: str = "") -> str:
    return f'{{"payload": {payload}{more}}}'


def document(op: str, after: str = ROW, more: str = "") -> str:
    """An envelope without before; `op` is any JSON."""
    return f'{{"op": {op}, "after": {after}{more}}}'


CASES: dict[str, tuple[str, str | None]] = {
    "an insert": (bare(ROW, "c"), None),
    "a row of the snapshot": (bare(ROW, "r"), None),
    "wrapped": ('{"schema": {"type": "struct"}, ' + wrapped(bare(ROW, "c"))[1:], None),
    "wrapped, the schema last": (wrapped(bare(ROW, "c"), ', "schema": {}'), None),
    "wrapped, a schema of another form": (wrapped(bare(ROW, "c"), ', "schema": "s"'), "wrong_type"),
    "wrapped, a schema of other fields": (wrapped(bare(ROW, "c"), ', "schema": {"fields": [{"field": "x"}]}'), None),
    "wrapped, without a schema": ('{"schema": null, ' + wrapped(bare(ROW, "c"))[1:], None),
    "op first": (document('"c"'), None),
    "further fields": (document('"c"', more=', "x": [1], "source": {"op": "d"}, "ts_ms": 1'), None),
    "a column that is called payload": (bare(ROW[:-1] + ', "payload": {"op": "d"}}', "c"), None),
    "an op twice": (document('"d", "op": "c"'), None),
    "an update": (bare(ROW, "u"), "update"),
    "an update with the row before": (bare(ROW, "u", ROW), "update"),
    "an update with a wrong type": (bare('{"whole": "x"}', "u"), "update"),
    "a delete": (bare("null", "d", ROW), "delete"),
    "a delete with a row after": (bare(ROW, "d"), "delete"),
    "a delete, wrapped": (wrapped(bare("null", "d")), "delete"),
    "a truncation": (bare("null", "t"), "truncate"),
    "a message": ('{"op": "m", "message": {"prefix": "x", "content": ""}}', "message"),
    "no op": (f'{{"before": null, "after": {ROW}}}', "not_debezium"),
    "a null op": (document("null"), "not_debezium"),
    "an unknown op": (bare(ROW, "x"), "not_debezium"),
    "an op in capitals": (bare(ROW, "C"), "not_debezium"),
    "an empty op": (bare(ROW, ""), "not_debezium"),
    "an op that is a number": (document("1"), "not_debezium"),
    "an insert without after": ('{"op": "c", "before": null}', "not_debezium"),
    "an insert with after null": (bare("null", "c"), "not_debezium"),
    "before and after exchanged": (bare("null", "c", ROW), "not_debezium"),
    "after that is text": (bare(json.dumps(ROW), "c"), "not_debezium"),
    "after that is an array": (bare(f"[{ROW}]", "c"), "not_debezium"),
    "the row itself": (ROW, "not_debezium"),
    "a row with a column payload": (ROW[:-1] + ', "payload": "{}"}', "not_debezium"),
    "both forms": (wrapped(bare(ROW, "c"), f', "op": "c", "after": {ROW}'), "not_debezium"),
    "a payload within a payload": (wrapped(wrapped(bare(ROW, "c"))), "not_debezium"),
    "a payload of nothing": ('{"schema": null, "payload": null}', "not_debezium"),
    "a payload that is text": (wrapped(json.dumps(bare(ROW, "c"))), "not_debezium"),
    "an empty object": ("{}", "not_debezium"),
    "null": ("null", "not_json"),
    "an array": (f"[{bare(ROW, 'c')}]", "not_json"),
    "two envelopes": (bare(ROW, "c") + bare(ROW, "c"), "not_json"),
    "two envelopes with a comma": (bare(ROW, "c") + "," + bare(ROW, "c"), "not_json"),
    "cut off": ((bare(ROW, "c"))[:-3], "not_json"),
    "no event time": (bare('{"id": "a"}', "c"), "null_event_time"),
    "an event time in before": (bare('{"id": "a"}', "c", ROW), "null_event_time"),
    "a word for a time": (bare('{"id": "a", "at": "noon"}', "c"), "unreadable_event_time"),
    "an object for a time": (bare('{"id": "a", "at": {"x": 1}}', "c"), "unreadable_event_time"),
    "the same, wrapped": (wrapped(bare('{"id": "a", "at": {"x": 1}}', "c")), "unreadable_event_time"),
    "no key": (bare('{"at": "2024-03-01T11:00:00Z"}', "c"), "null_key"),
    "a wrong type": (bare(ROW[:-2] + '"x"}', "c"), "wrong_type"),
    "a wrong type in before": (bare(ROW, "c", '{"whole": "x"}'), None),
    "a huge number": (bare(ROW[:-1] + ', "number": 1e400}', "c"), "huge_number"),
    "a decimal of a billion digits": (bare(ROW[:-1] + ', "price": "1e999999999"}', "c"), "huge_number"),
    "a decimal of a billion digits, wrapped": (
        wrapped(bare(ROW[:-1] + ', "price": "1e999999999"}', "c")),
        "huge_number",
    ),
    "the like of it in a string": (bare(ROW[:-1] + ', "text": "4e123456"}', "c"), None),
}


@pytest.fixture(scope="module")
def found(spark: SparkSession) -> dict[str, Judged]:
    values = [(value.encode(), NOON) for value, _ in CASES.values()]
    return dict(zip(CASES, judged(spark, orders(), values), strict=True))


@pytest.mark.spark
@pytest.mark.parametrize("case", CASES)
def test_an_envelope_is_judged(case: str, found: dict[str, Judged]) -> None:
    assert found[case].reason == CASES[case][1]
    if CASES[case][1] is None:
        assert (found[case].fields["id"], found[case].fields["whole"]) == ("a", "1")


def decimal_text(unscaled: int, length: int | None = None) -> str:
    size = length or (unscaled if unscaled >= 0 else ~unscaled).bit_length() // 8 + 1
    return base64.b64encode(unscaled.to_bytes(size, "big", signed=True)).decode()


MOST, EXACT = 10**38 - 1, Context(prec=80)
UNSCALED = [0, 1, -1, 127, 128, -128, -129, 255, 256, -256, 2**31, -(2**31), 2**63 - 1, 2**63, -(2**63), -(2**63) - 1,
            2**64, 2**96, -(2**96), -(2**96) - 1, MOST, -MOST, MOST - 2**96, -MOST + 2**96, -2658824]  # fmt: skip


@pytest.mark.spark
def test_decimals_are_exact_to_the_last_digit_or_refused(spark: SparkSession) -> None:
    source = orders({"id": "string", "at": "timestamp", "n": "decimal_base64(38,0)", "m": "decimal_base64(38,38)"})
    texts = [*map(decimal_text, UNSCALED), *(decimal_text(number, 16) for number in UNSCALED)]
    bad = ["", decimal_text(MOST + 1), decimal_text(-MOST - 1), decimal_text(0, 17), "12", "1.5", "AB==CD", "A-_="]
    values = [bare(ROW[:-1] + f', "n": {json.dumps(text)}, "m": {json.dumps(text)}}}', "c") for text in texts + bad]
    told = judged(spark, source, [(value.encode(), NOON) for value in values])
    assert [one.fields["n"] for one in told[: len(texts)]] == [str(number) for number in UNSCALED] * 2
    assert [Decimal(one.fields["m"] or "NaN").scaleb(38, EXACT) for one in told[: len(texts)]] == UNSCALED * 2
    assert [one.reason for one in told] == [None] * len(texts) + ["wrong_type"] * len(bad)


def test_every_reason_has_a_case() -> None:
    seen = {reason for _, reason in CASES.values()} | {*REFUSED, "other_encoding", "unavailable_value"}
    assert FORMATS["debezium"].reasons <= seen
    assert reasons_of("json").isdisjoint(FORMATS["debezium"].reasons | FORMATS["avro"].reasons)
    assert reasons_of("debezium") >= FORMATS["debezium"].reasons
    assert reasons_of("json") | reasons_of("avro") | reasons_of("debezium") == set(REASONS)
