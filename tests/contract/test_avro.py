"""Avro records, read by the schemas they were written by into the types of the contract, and what cannot be read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from plumbline.contract.avro import HEADER, UNKNOWN_ID
from plumbline.contract.model import Source
from plumbline.contract.writers import Writers
from tests.support.avro_events import encoded, record
from tests.support.judging import NOON, judged, source_of

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark

MICROS = {"type": "long", "logicalType": "timestamp-micros"}
MILLIS = {"type": "long", "logicalType": "timestamp-millis"}
NOON_US = int(NOON.timestamp() * 1_000_000)
NOON_TEXT = "2024-03-01 12:00:00"
SIZES = {"type": "enum", "name": "size", "symbols": ["S", "L"]}

FIRST = record(id="string", at=MICROS, caption="string", whole="int", small="float", yes="boolean", dropped="string")
SECOND = record(id="string", time=MILLIS, text=["null", "string"], whole=["null", "long"], small="double", number="int")
TEXTUAL = record(id="string", at="string", millis=MILLIS, micros="long", bytes="bytes", text=SIZES, day="string")
LONELY = record(id=["null", "string"], at=["null", MICROS])
SCHEMAS = {1: FIRST, 2: SECOND, 70_000: TEXTUAL, 5: LONELY}


def source(**changes: Any) -> Source:
    made = source_of(format="avro", **changes)
    made._writers = Writers(SCHEMAS, frozenset({404}))
    return made


def framed(id: int, /, **values: Any) -> bytes:
    return encoded(id, SCHEMAS[id], values)


def test_each_record_is_read_by_its_own_schema_into_the_contracts_types(spark: SparkSession) -> None:
    first = framed(1, id="a", at=NOON_US, caption="old name", whole=7, small=0.5, yes=True, dropped="x")
    second = framed(2, id="b", time=NOON_US // 1000, text="new", whole=8, small=0.1, number=3)
    sparse = framed(2, id="c", time=NOON_US // 1000, text=None, whole=None, small=0.5, number=3)
    found = judged(spark, source(), [(value, NOON) for value in (first, second, sparse)])
    assert [one.reason for one in found] == [None, None, None]
    a, b, c = (one.fields for one in found)
    assert (a["id"], a["at"], a["text"], a["whole"], a["small"], a["yes"]) == (
        "a",
        NOON_TEXT,
        "old name",
        "7",
        "0.5",
        "true",
    )
    assert (b["id"], b["at"], b["text"], b["whole"], b["small"], b["number"]) == (
        "b",
        NOON_TEXT,
        "new",
        "8",
        "0.1",
        "3.0",
    )
    assert (c["text"], c["whole"], a["number"]) == (None, None, None)


def test_texts_and_numbers_become_times(spark: SparkSession) -> None:
    def textual(at: str) -> bytes:
        values = {"id": "d", "millis": NOON_US // 1000, "micros": NOON_US, "bytes": b"\1", "day": "2024-03-01"}
        plain = record(id="string", at="string", millis=MILLIS, micros="long", bytes="bytes", text="int", day="string")
        return encoded(70_000, plain, {**values, "at": at, "text": 1})

    found = judged(
        spark, source(fields=_without("day")), [(textual("2024-03-01T13:00:00+01:00"), NOON), (textual("1/3"), NOON)]
    )
    assert [one.reason for one in found] == [None, "unreadable_event_time"]
    fields = found[0].fields
    assert [fields[name] for name in ("at", "millis", "micros", "text")] == [NOON_TEXT] * 3 + ["L"]
    [day] = judged(spark, source(), [(textual("2024-03-01T12:00:00Z"), NOON)])
    assert day.reason == "wrong_type", "a text was read as a date"


def _without(field: str) -> dict[str, str]:
    return {name: kind for name, kind in source_of().fields.items() if name != field}


def test_what_cannot_be_read_has_its_reason(spark: SparkSession) -> None:
    good = framed(1, id="a", at=NOON_US, caption="t", whole=7, small=0.5, yes=True, dropped="x")
    beyond = framed(2, id="b", time=NOON_US // 1000, text=None, whole=3_000_000_000, small=0.1, number=3)
    cases = {
        None: good,
        "tombstone": None,
        "oversize": good[:-1] + b"x" * 400_000,
        "not_avro": b'{"id": "a"}',
        "unknown_schema": b"\0\0\0\1\x94" + good[5:],
        "null_event_time": framed(5, id="a", at=None),
        "null_key": framed(5, id=None, at=NOON_US),
        "impossible_event_time": framed(5, id="a", at=NOON_US + 10**12),
        "wrong_type": beyond,
    }
    found = judged(spark, source(), [(value, NOON) for value in cases.values()])
    assert [one.reason for one in found] == list(cases)
    far = framed(5, id="a", at=10**18)
    assert judged(spark, source(), [(far, NOON)])[0].reason == "unreadable_event_time"
    broken = [
        good[:9],
        b"\0\0\0\0",
        b"",
        b"\1" + good[1:],
        b"\0\xff\xff\xff\xff" + good[5:],
        framed(5, id=None, at=None),
    ]
    assert {one.reason for one in judged(spark, source(), [(value, NOON) for value in broken])} == {"not_avro"}


@pytest.mark.parametrize("field", ["id", "caption", "dropped"])
def test_a_text_that_is_no_utf8_never_reaches_a_table(spark: SparkSession, field: str) -> None:
    values = {"id": "a", "caption": "t", "dropped": "x", field: "#"}
    record = framed(1, at=NOON_US, whole=7, small=0.5, yes=True, **values)
    assert record.count(b"#") == 1
    [found] = judged(spark, source(), [(record.replace(b"#", b"\xff"), NOON)])
    wanted = {"id": "null_key", "caption": "wrong_type", "dropped": None}
    assert found.reason == wanted[field]


DAY = {"type": "int", "logicalType": "date"}
NUMBERED = record(
    id="int",
    at=MICROS,
    whole=["null", "int"],
    long={"type": "int"},
    number="int",
    day=["null", DAY],
    micros=["int", "long"],
)


def test_a_number_that_is_no_int_is_not_cut_to_one(spark: SparkSession) -> None:
    """Spark takes the lowest 32 bits of it: 2^32 + 7 would be joined with 7."""
    made = source(fields={**source_of().fields, "id": "long"})
    made._writers = Writers({1: NUMBERED}, frozenset())
    good = {"id": 7, "at": NOON_US, "whole": -(2**31), "long": 2**31 - 1, "number": 3, "day": 19_783, "micros": 5}
    beyond = [{field: n} for field in good.keys() - {"at", "micros"} for n in (2**31, 2**32 + 7, 2**40, -(2**31) - 1)]
    values = [(encoded(1, NUMBERED, {**good, **one}), NOON) for one in [{}, *beyond]]
    fine, *cut = judged(spark, made, values)
    read = {
        "id": "7",
        "whole": str(-(2**31)),
        "long": str(2**31 - 1),
        "number": "3.0",
        "day": "2024-03-01",
        "micros": "1970-01-01 00:00:00.000005",
    }
    assert (fine.reason, {name: fine.fields[name] for name in read}) == (None, read)
    assert [one.reason for one in cut] == ["null_key" if "id" in one else "wrong_type" for one in beyond]


def test_an_id_that_nothing_is_known_of_ends_the_work_by_name(spark: SparkSession) -> None:
    with pytest.raises(Exception, match=f"Avro schema id 17 {UNKNOWN_ID}"):
        judged(spark, source(), [(b"\0\0\0\0\x11\2a", NOON)])


WIDE = {"type": "bytes", "logicalType": "decimal", "precision": 40, "scale": 2}
ODD = record(
    id="string",
    at=MICROS,
    huge=WIDE,
    text=["null", WIDE],
    parent=["null", "event"],
    kids={"type": "array", "items": "event"},
)


def test_fields_that_spark_has_no_type_for_do_not_fail_the_record(spark: SparkSession) -> None:
    made = source()
    made._writers = Writers({6: ODD})
    plain = encoded(6, ODD, {"id": "a", "at": NOON_US, "huge": b"\1", "kids": b""})
    asked = encoded(6, ODD, {"id": "b", "at": NOON_US, "huge": b"\1", "text": b"\1", "kids": b""})
    first, second = judged(spark, made, [(plain, NOON), (asked, NOON)])
    assert (first.reason, first.fields["id"], first.fields["at"]) == (None, "a", NOON_TEXT)
    assert second.reason == "wrong_type", "a field that the contract names, and cannot read"


def test_before_any_schema_is_known_records_are_judged_all_the_same(spark: SparkSession) -> None:
    made = source()
    made._writers = Writers()
    found = judged(spark, made, [(None, NOON), (b"plain", NOON)])
    assert [one.reason for one in found] == ["tombstone", "not_avro"]


GUID = "0000000000000000000000000000002a"
"""Looks like a number to whoever casts it."""


def in_header(guid: str) -> list[tuple[str, bytes]]:
    return [(HEADER, b"\1" + bytes.fromhex(guid))]


def test_the_schema_that_a_header_names_reads_the_whole_value(spark: SparkSession) -> None:
    made = source()
    made._writers = Writers({**SCHEMAS, GUID: LONELY}, frozenset({404, "f" * 32}))
    lonely = framed(5, id="a", at=NOON_US)
    cases: dict[str, tuple[bytes | None, Any, str | None]] = {
        "by its GUID": (lonely[5:], in_header(GUID), None),
        "by a number in the header": (lonely[5:], [(HEADER, b"\0\0\0\0\5")], None),
        "among other headers": (lonely[5:], [("trace", b"\0"), *in_header(GUID), (HEADER, None)], None),
        "the same one twice": (lonely[5:], in_header(GUID) * 2, None),
        "of the key only": (lonely, [("__key_schema_id", b"\1" + bytes(16))], None),
        "without a value": (lonely, [(HEADER, None)], None),
        "no longer in front too": (lonely, in_header(GUID), "not_avro"),
        "two that contradict": (lonely, in_header(GUID) + in_header("f" * 32), "not_avro"),
        "unknown, though the value names one": (lonely, in_header("f" * 32), "unknown_schema"),
        "of no form": (lonely, [(HEADER, b"\1\2\3")], "not_avro"),
        "empty": (lonely, [(HEADER, b"")], "not_avro"),
        "without a record": (None, in_header(GUID), "tombstone"),
        "of nothing": (b"", in_header(GUID), "not_avro"),
    }
    records = [(value, NOON) for value, _, _ in cases.values()]
    found = judged(spark, made, records, headers=[headers for _, headers, _ in cases.values()])
    assert {name: one.reason for name, one in zip(cases, found, strict=True)} == {
        name: reason for name, (_, _, reason) in cases.items()
    }
    assert {one.fields["id"] for one in found if one.reason is None} == {"a"}


def test_a_record_that_begins_like_an_id_is_read_by_its_headers_schema(spark: SparkSession) -> None:
    """The first bytes of the plain record are a zero byte and the id 5, whose schema could read what follows."""
    bait = framed(5, id="b", at=NOON_US)
    sly = record(
        empty="string", nothing="int", none="int", no="int", code="int", id=["null", "string"], at=["null", MICROS]
    )
    made = source()
    made._writers = Writers({5: LONELY, GUID: sly})
    value = encoded(0, sly, {"empty": "", "nothing": 0, "none": 0, "no": 0, "code": -3, "id": "b", "at": NOON_US})[5:]
    assert value == bait
    by_head, by_header = judged(spark, made, [(bait, NOON), (value, NOON)], headers=[None, in_header(GUID)])
    assert (by_head.fields["id"], by_header.fields["id"]) == ("b", "b")
    made._writers = Writers({5: LONELY, GUID: record(empty="string", nothing="int", none="int", no="int", code="int")})
    assert [
        one.reason for one in judged(spark, made, [(bait, NOON), (value, NOON)], headers=[None, in_header(GUID)])
    ] == [
        None,
        "null_event_time",
    ]


def test_a_guid_that_nothing_is_known_of_ends_the_work_by_name(spark: SparkSession) -> None:
    with pytest.raises(Exception, match=f"Avro schema id {GUID} {UNKNOWN_ID}"):
        judged(spark, source(), [(framed(5, id="a", at=NOON_US), NOON)], headers=[in_header(GUID)])
