"""What can enter the join and what is quarantined, over plain Spark rows: one case per decision of docs/quarantine.md.

All cases of a source are judged in one Spark job.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from plumbline.contract.admission import reasons_of
from plumbline.contract.model import Source
from tests.support.judging import FIELDS, NOON, Judged, judged, source_of

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.spark

GOOD = b'"id": "a", "at": "2024-03-01T11:00:00Z"'


def event(rest: str | bytes = b"") -> bytes:
    """A good event with further fields."""
    more = rest.encode() if isinstance(rest, str) else rest
    return b"{" + GOOD + (b", " + more if more else b"") + b"}"


def at(spelled: str, rest: str = "") -> bytes:
    """A good event whose event time is spelled so."""
    return ('{"id": "a", "at": ' + spelled + (", " + rest if rest else "") + "}").encode()


def moments_around(low: timedelta, high: timedelta) -> dict[str, tuple[bytes, str | None]]:
    """Event times at both edges of the band and a microsecond outside."""
    cases = {}
    for name, moment, reason in (
        ("at the lower edge of the band", NOON + low, None),
        ("at the upper edge of the band", NOON + high, None),
        ("a microsecond below the band", NOON + low - timedelta(microseconds=1), "impossible_event_time"),
        ("a microsecond above the band", NOON + high + timedelta(microseconds=1), "impossible_event_time"),
    ):
        cases[name] = (at(f'"{moment.isoformat()}"'), reason)
    return cases


ENVELOPE: dict[str, tuple[bytes | None, str | None]] = {
    "a good event": (event(), None),
    "no value": (None, "tombstone"),
    "an empty value": (b"", "not_json"),
    "only white space": (b" \n\t", "not_json"),
    "one byte too long": (event(b'"text": "' + b"x" * (400_001 - len(event(b'"text": ""'))) + b'"'), "oversize"),
    "just short enough": (event(b'"text": "' + b"x" * (400_000 - len(event(b'"text": ""'))) + b'"'), None),
    "too long and no UTF-8": (b"\xff" * 400_001, "oversize"),
    "bytes that are no UTF-8": (b"\xff\xfe\x00", "not_utf8"),
    "one byte in a string that is no UTF-8": (event(b'"text": "\xe9t\xe9"'), "not_utf8"),
    "an overlong encoding": (event(b'"text": "\xc0\xaf"'), "not_utf8"),
    "a surrogate in UTF-8's form": (event(b'"text": "\xed\xa0\x80"'), "not_utf8"),
    "UTF-16": (event().decode().encode("utf-16"), "not_utf8"),
    "a byte order mark": (b"\xef\xbb\xbf" + event(), "not_json"),
    "white space around": (b" \r\n\t" + event() + b"\n ", None),
    "a form feed before": (b"\x0c" + event(), "not_json"),
    "a NUL byte before": (b"\x00" + event(), "not_json"),
    "a NUL byte after": (event() + b"\x00", "not_json"),
    "Confluent's wire format": (b"\x00\x00\x00\x00\x07" + event(), "not_json"),
    "JSON's null": (b"null", "not_json"),
    "a number": (b"7", "not_json"),
    "a string": (b'"a"', "not_json"),
    "an array with an event": (b"[" + event() + b"]", "not_json"),
    "an empty array": (b"[]", "not_json"),
    "cut off in a string": (event()[:-8], "not_json"),
    "cut off before the last brace": (event()[:-1], "not_json"),
    "garbage behind": (event() + b" garbage", "not_json"),
    "one bracket too many": (event() + b"]", "not_json"),
    "one brace too many": (event() + b"}", "not_json"),
    "a comma behind": (event() + b",", "not_json"),
    "two documents": (event() + event(), "not_json"),
    "two lines of JSON": (event() + b"\n" + event(), "not_json"),
    "two documents with a comma": (event() + b", " + event(), "not_json"),
    "a comma before the last brace": (event()[:-1] + b",}", "not_json"),
    "a comment": (event()[:-1] + b"/* */}", "not_json"),
    "single quotes": (event().replace(b'"', b"'"), "not_json"),
    "names without quotes": (b'{id: "a"}', "not_json"),
    "a NUL byte in a string": (event(b'"text": "a\x00b"'), "not_json"),
    "a line break in a string": (event(b'"text": "a\nb"'), "not_json"),
    "900 levels deep, not read": (event(b'"x": ' + b"[" * 900 + b"]" * 900), None),
    "100,000 levels deep, not read": (event(b'"x": ' + b"[" * 100_000 + b"]" * 100_000), "not_json"),
    "100,000 levels deep, read": (event(b'"text": ' + b"[" * 100_000 + b"]" * 100_000), "not_json"),
    "100,000 open brackets": (b"[" * 100_000, "not_json"),
    "a number of 5,000 digits, not read": (event(b'"x": ' + b"1" * 5_000), "not_json"),
    "a number of 5,000 digits in a string field": (event(b'"text": ' + b"1" * 5_000), "not_json"),
    "5,000 digits in quotes": (event(b'"text": "' + b"1" * 5_000 + b'"'), None),
    "an empty object": (b"{}", "null_event_time"),
    "other fields only": (b'{"x": 1}', "null_event_time"),
}

EVENT_TIMES: dict[str, tuple[bytes, str | None]] = {
    "no event time": (b'{"id": "a"}', "null_event_time"),
    "a null event time": (at("null"), "null_event_time"),
    "the field in capitals": (b'{"id": "a", "AT": "2024-03-01T11:00:00Z"}', "null_event_time"),
    "words for a time": (at('"yesterday"'), "unreadable_event_time"),
    "an empty time": (at('""'), "unreadable_event_time"),
    "a time of day, which Spark reads as today's": (at('"10:30:00"'), "unreadable_event_time"),
    "a year": (at('"2024"'), "unreadable_event_time"),
    "a month": (at('"2024-03"'), "unreadable_event_time"),
    "a number for ISO text": (at("1709290800"), "unreadable_event_time"),
    "true": (at("true"), "unreadable_event_time"),
    "an object": (at('{"seconds": 1}'), "unreadable_event_time"),
    "the 30th of February": (at('"2024-02-30T00:00:00Z"'), "unreadable_event_time"),
    "a leap second": (at('"2024-03-01T10:59:60Z"'), "unreadable_event_time"),
    "an unknown zone": (at('"2024-03-01T11:00:00 Moon/Crater"'), "unreadable_event_time"),
    "white space before": (at('" 2024-03-01T11:00:00Z"'), "unreadable_event_time"),
    "one digit for the month": (at('"2024-3-01T11:00:00Z"'), "unreadable_event_time"),
    "five digits for the year": (at('"12024-03-01T11:00:00Z"'), "unreadable_event_time"),
    "the year 294247": (at('"+294247-01-01T00:00:00Z"'), "unreadable_event_time"),
    "the year 1": (at('"0001-01-01T00:00:00Z"'), "impossible_event_time"),
    "the year 9999": (at('"9999-12-31T23:59:59.999999Z"'), "impossible_event_time"),
    "without a zone, which is UTC": (at('"2024-03-01T11:00:00"'), None),
    "with an offset": (at('"2024-03-01T12:00:00+01:00"'), None),
    "with a named zone": (at('"2024-03-01T12:00:00 Europe/Berlin"'), None),
    "a space for the T": (at('"2024-03-01 11:00:00Z"'), None),
    "a day, which is its midnight": (at('"2024-03-01"'), None),
    "nanoseconds, cut to micros": (at('"2024-03-01T11:00:00.123456789Z"'), None),
    "the name it had before": (b'{"id": "a", "time": "2024-03-01T11:00:00Z"}', None),
    "words under the name it had before": (b'{"id": "a", "time": "noon"}', "unreadable_event_time"),
    "null, and the name it had before": (at("null", '"time": "2024-03-01T11:00:00Z"'), None),
    "both names": (at('"2024-03-01T11:00:00Z"', '"time": "noon"'), None),
    "the second of two times": (at('"noon"', '"at": "2024-03-01T11:00:00Z"'), None),
    "a second time that is null": (at('"2024-03-01T11:00:00Z"', '"at": null'), "null_event_time"),
    **moments_around(timedelta(days=-2), timedelta(days=1)),
}

VALUES: dict[str, tuple[bytes, str | None]] = {
    "no key": (b'{"at": "2024-03-01T11:00:00Z"}', "null_key"),
    "a null key": (b'{"id": null, "at": "2024-03-01T11:00:00Z"}', "null_key"),
    "an empty key is a key": (b'{"id": "", "at": "2024-03-01T11:00:00Z"}', None),
    "any order of fields": (b'{"whole": 1, "at": "2024-03-01T11:00:00Z", "number": 2.5, "id": "a"}', None),
    "unknown fields": (event('"x": {"y": [1, null]}, "z": "z"'), None),
    "every field null": (event(", ".join(f'"{name}": null' for name in FIELDS if name not in ("id", "at"))), None),
    "a key twice": (event('"text": "b", "text": "c"'), None),
    "a number as a string": (event('"whole": "1"'), "wrong_type"),
    "a string as a double": (event('"number": "2.5"'), "wrong_type"),
    "an empty string as a double": (event('"number": ""'), "wrong_type"),
    "a fraction as an int": (event('"whole": 1.0'), "wrong_type"),
    "an exponent as an int": (event('"whole": 1e2'), "wrong_type"),
    "the largest int": (event('"whole": 2147483647'), None),
    "beyond int": (event('"whole": 2147483648'), "wrong_type"),
    "the smallest long": (event('"long": -9223372036854775808'), None),
    "beyond long": (event('"long": 9223372036854775808'), "wrong_type"),
    "an int as a double": (event('"number": 3'), None),
    "a word as a boolean": (event('"yes": "true"'), "wrong_type"),
    "a one as a boolean": (event('"yes": 1'), "wrong_type"),
    "beyond double": (event('"number": 1e400'), "huge_number"),
    "below double": (event('"number": -1e400'), "huge_number"),
    "beyond float": (event('"small": 1e39'), "huge_number"),
    "too small for a double is 0": (event('"number": 1e-400'), None),
    "Infinity": (event('"number": Infinity'), "huge_number"),
    "Infinity in quotes": (event('"number": "-Infinity"'), "huge_number"),
    "NaN": (event('"number": NaN'), None),
    "NaN in quotes": (event('"number": "NaN"'), None),
    "a sign before": (event('"number": +1'), "not_json"),
    "a zero before": (event('"whole": 01'), "not_json"),
    "hexadecimal": (event('"whole": 0x1F'), "not_json"),
    "a decimal": (event('"price": 12.34'), None),
    "a decimal in quotes": (event('"price": "12.34"'), None),
    "a decimal is rounded": (event('"price": 1.005'), None),
    "beyond the decimal": (event('"price": 123456789.01'), "wrong_type"),
    "beyond any decimal": (event('"price": 1e40'), "wrong_type"),
    "a word as a decimal": (event('"price": "much"'), "wrong_type"),
    "a decimal of a billion digits": (event('"price": 1e999999999'), "huge_number"),
    "the same in quotes": (event('"price": "1e999999999"'), "huge_number"),
    "the same with a sign": (event('"price": -1.5E+999999999'), "huge_number"),
    "the same, tiny": (event('"price": 1e-999999999'), "huge_number"),
    "the same, tiny, in quotes": (event('"price": "1e-999999999"'), "huge_number"),
    "the same behind an escape": (event('"price": "1\\u0065999999999"'), "huge_number"),
    "the same under an escaped name": (event('"pric\\u0065": 1e999999999'), "huge_number"),
    "the same where no field is": (event('"x": [1, 1e999999999]'), "huge_number"),
    "the like of it in a string": (event('"text": "4e123456"'), None),
    "the like of it in a string beside a decimal": (event('"text": "4e123456", "price": 1.5'), None),
    "a nested value as a string": (event('"text": {"b": [1, "c"]}'), None),
    "a number as text": (event('"text": 12'), None),
    "a lone surrogate": (event('"text": "\\ud800"'), None),
    "an escaped NUL": (event('"text": "a\\u0000b"'), None),
    "a day": (event('"day": "2024-02-29"'), None),
    "no such day": (event('"day": "2023-02-29"'), "wrong_type"),
    "a day as a number": (event('"day": 19000'), "wrong_type"),
    "a number in quotes as a day": (event('"day": "19000"'), "wrong_type"),
    "a day of the year 12024": (event('"day": "12024-01-01"'), "wrong_type"),
    "bytes": (event('"bytes": "' + base64.b64encode(b"hello").decode() + '"'), None),
    "bytes without their padding": (event('"bytes": "aGVsbG8"'), "wrong_type"),
    "no base64": (event('"bytes": "!!!", "text": "after"'), "wrong_type"),
    "another time that is a word": (event('"seen": "never"'), "wrong_type"),
    "another time far away": (event('"seen": "9999-12-31T00:00:00Z"'), None),
    "millis": (event('"millis": 1709290800000'), None),
    "millis beyond the year 9999": (event('"millis": 253402300799001'), "wrong_type"),
    "millis of a huge number": (event('"millis": 9223372036854775807'), "wrong_type"),
    "micros in quotes": (event('"micros": "1709290800000000"'), "wrong_type"),
    "null under its name, a value under the older": (event('"text": null, "caption": "b"'), None),
    "names of two ages": (event('"title": "b", "caption": "c"'), None),
    "a wrong type under an older name": (event('"whole": {"caption": 1}, "caption": "c"'), "wrong_type"),
    "a null key and an impossible time": (b'{"at": "1999-03-01T11:00:00Z"}', "impossible_event_time"),
    "a wrong type and a null key": (b'{"at": "2024-03-01T11:00:00Z", "whole": "x"}', "null_key"),
    "a wrong type and no event time": (b'{"id": "a", "whole": "x"}', "null_event_time"),
    "a wrong type and a huge number": (event('"whole": "x", "number": 1e400'), "wrong_type"),
}

READ = {
    "any order of fields": {"whole": "1", "number": "2.5", "id": "a"},
    "a key twice": {"text": "c"},
    "without a zone, which is UTC": {"at": "2024-03-01 11:00:00"},
    "with an offset": {"at": "2024-03-01 11:00:00"},
    "with a named zone": {"at": "2024-03-01 11:00:00"},
    "a day, which is its midnight": {"at": "2024-03-01 00:00:00"},
    "nanoseconds, cut to micros": {"at": "2024-03-01 11:00:00.123456"},
    "the second of two times": {"at": "2024-03-01 11:00:00"},
    "a decimal is rounded": {"price": "1.01"},
    "a decimal in quotes": {"price": "12.34"},
    "the like of it in a string beside a decimal": {"text": "4e123456", "price": "1.50"},
    "a nested value as a string": {"text": '{"b":[1,"c"]}'},
    "a number as text": {"text": "12"},
    "a lone surrogate": {"text": "?"},
    "an escaped NUL": {"text": "a\x00b"},
    "NaN": {"number": "NaN"},
    "too small for a double is 0": {"number": "0.0"},
    "a day": {"day": "2024-02-29"},
    "bytes": {"bytes": "hello"},
    "millis": {"millis": "2024-03-01 11:00:00"},
    "null under its name, a value under the older": {"text": "b"},
    "names of two ages": {"text": "c"},
}
"""Fields of some of the good cases as they are read."""

CASES = ENVELOPE | EVENT_TIMES | VALUES


@pytest.fixture(scope="module")
def found(spark: SparkSession) -> dict[str, Judged]:
    return dict(zip(CASES, judged(spark, source_of(), [(value, NOON) for value, _ in CASES.values()]), strict=True))


@pytest.mark.parametrize("case", CASES)
def test_a_record_is_judged(case: str, found: dict[str, Judged]) -> None:
    assert found[case].reason == CASES[case][1]


@pytest.mark.parametrize("case", READ)
def test_what_enters_is_read_so(case: str, found: dict[str, Judged]) -> None:
    assert {name: found[case].fields[name] for name in READ[case]} == READ[case]


def test_every_reason_has_a_case() -> None:
    assert {reason for _, reason in CASES.values() if reason} == reasons_of("json")


def with_time_of(kind: str, **changes: Any) -> Source:
    """A source whose event time is a number."""
    return source_of(fields={"id": "string", "at": kind}, aliases={"at": ["time"]}, **changes)


NUMERIC: dict[str, tuple[str, str | None]] = {
    "a number": ("1709290800000", None),
    "a number in quotes": ('"1709290800000"', "unreadable_event_time"),
    "a fraction": ("1709290800000.5", "unreadable_event_time"),
    "beyond long": ("9223372036854775808", "unreadable_event_time"),
    "the largest long": ("9223372036854775807", "unreadable_event_time"),
    "the smallest long": ("-9223372036854775808", "unreadable_event_time"),
    "null": ("null", "null_event_time"),
    "null, the name before is a word": ('null, "time": "noon"', "unreadable_event_time"),
    "1970": ("0", "impossible_event_time"),
    "the last millisecond of 9999": ("253402300799000", "impossible_event_time"),
}


def test_an_event_time_in_numbers(spark: SparkSession) -> None:
    records = [(at(spelled), NOON) for spelled, _ in NUMERIC.values()]
    for kind in ("timestamp_millis", "timestamp_micros"):
        told = [one.reason for one in judged(spark, with_time_of(kind), records)]
        expected = [reason for _, reason in NUMERIC.values()]
        if kind == "timestamp_micros":
            # The same numbers are times of January 1970 in microseconds.
            expected = ["impossible_event_time" if reason is None else reason for reason in expected]
        assert dict(zip(NUMERIC, told, strict=True)) == dict(zip(NUMERIC, expected, strict=True)), kind


def test_a_band_as_wide_as_time_and_records_of_any_time(spark: SparkSession) -> None:
    source = with_time_of("timestamp", event_time_within=["-4000000 days", "4000000 days"])
    times: Sequence[datetime] = [NOON, datetime(1, 1, 2), datetime(9999, 12, 30)]
    records = [(at(spelled), time) for time in times for spelled in ('"0001-01-01"', '"9999-12-31T23:59:59.999999Z"')]
    assert {one.reason for one in judged(spark, source, records)} == {None}


def test_one_of_several_join_columns_is_null(spark: SparkSession) -> None:
    records = [(event('"text": "b"'), NOON), (event(), NOON)]
    told = judged(spark, source_of(), records, keys=("id", "text"))
    assert [one.reason for one in told] == [None, "null_key"]
