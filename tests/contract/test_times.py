"""Durations and ranges: one grammar, exact to the millisecond and the microsecond."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.contract.durations import milliseconds, parse_duration, spell_duration
from plumbline.contract.errors import UsageError
from plumbline.contract.ranges import TimeRange, from_micros, micros, parse_range, parse_time, spell_time

MOMENTS = st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30), timezones=st.just(UTC))
RANGES = st.tuples(MOMENTS, MOMENTS).filter(lambda pair: pair[0] < pair[1]).map(lambda pair: TimeRange(*pair))


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("2 hours", 7_200_000),
        ("2h", 7_200_000),
        ("1 hour", 3_600_000),
        ("0 minutes", 0),
        ("-5 min", -300_000),
        ("+1 d", 86_400_000),
        ("1.5 s", 1_500),
        ("1 WEEK", 604_800_000),
        (" 10  seconds ", 10_000),
        ("9007199254740993 ms", 9_007_199_254_740_993),
        ("0.1 s", 100),
    ],
)
def test_a_duration_is_read(text: str, ms: int) -> None:
    assert milliseconds(parse_duration(text)) == ms


@pytest.mark.parametrize(
    "text", ["", "5", "hours", "1 fortnight", "1e3 s", "1 h 30 min", "--1 s", None, 5, True, "∞ s"]
)
def test_what_is_no_duration(text: object) -> None:
    with pytest.raises(UsageError, match="is not a duration"):
        parse_duration(text)


@given(st.integers(-(10**14), 10**14))
def test_a_spelled_duration_reads_back(ms: int) -> None:
    assert parse_duration(spell_duration(timedelta(milliseconds=ms))) == timedelta(milliseconds=ms)


@pytest.mark.parametrize(
    ("ms", "text"),
    [(0, "0 minutes"), (1, "1 millisecond"), (-1000, "-1 second"), (5_400_000, "90 minutes"), (172_800_000, "2 days")],
)
def test_a_duration_is_spelled_in_its_largest_whole_unit(ms: int, text: str) -> None:
    assert spell_duration(timedelta(milliseconds=ms)) == text


@given(MOMENTS)
def test_a_spelled_moment_reads_back(moment: datetime) -> None:
    assert parse_time(spell_time(moment)) == moment
    assert from_micros(micros(moment)) == moment


@given(MOMENTS, st.integers(-720, 720))
def test_a_moment_in_any_zone_is_the_same_in_utc(moment: datetime, offset: int) -> None:
    zoned = moment.astimezone(timezone(timedelta(minutes=offset)))
    assert parse_time(zoned.isoformat()) == moment
    assert parse_time(zoned.isoformat()).tzinfo is UTC


@given(RANGES)
def test_a_spelled_range_reads_back(range_: TimeRange) -> None:
    spelled = range_.as_json()
    assert parse_range(spelled["from"], spelled["to"]) == range_


@given(RANGES, MOMENTS)
def test_a_range_is_half_open(range_: TimeRange, moment: datetime) -> None:
    assert range_.start is not None
    assert range_.end is not None
    assert range_.contains(range_.start)
    assert not range_.contains(range_.end)
    assert range_.contains(moment) == (range_.start <= moment < range_.end)


@given(RANGES, RANGES, MOMENTS)
def test_an_intersection_holds_what_both_hold(a: TimeRange, b: TimeRange, moment: datetime) -> None:
    both = a.intersect(b)
    assert (both is not None and both.contains(moment)) == (a.contains(moment) and b.contains(moment))


@given(RANGES, st.integers(0, 10**12), st.integers(0, 10**12))
def test_a_widened_range_is_never_smaller(range_: TimeRange, before: int, after: int) -> None:
    wide = range_.widened(timedelta(seconds=-before), timedelta(seconds=after))
    assert wide.start is None or (range_.start is not None and wide.start <= range_.start)
    assert wide.end is None or (range_.end is not None and wide.end >= range_.end)


NOW = datetime(2013, 1, 16, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("options", "spelled"),
    [
        ({}, "everything"),
        ({"from_": "2013-01-15T00:00Z"}, "everything from 2013-01-15T00:00:00Z on"),
        ({"to": "2013-01-15T01:00+01:00"}, "everything before 2013-01-15T00:00:00Z"),
        ({"on_date": "2013-01-15"}, "[2013-01-15T00:00:00Z, 2013-01-16T00:00:00Z)"),
        ({"on_date": "9999-12-31"}, "everything from 9999-12-31T00:00:00Z on"),
        ({"last": "24h"}, "[2013-01-15T12:00:00Z, 2013-01-16T12:00:00Z)"),
        ({"last": "99999999 days"}, "everything before 2013-01-16T12:00:00Z"),
    ],
    ids=lambda value: str(value),
)
def test_options_name_a_range(options: dict[str, str], spelled: str) -> None:
    assert str(parse_range(**options, now=NOW)) == spelled


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"from_": "2013-01-15"}, "'2013-01-15' has no time zone.* 2013-01-15T00:00Z for UTC"),
        ({"from_": "2013-01-15T10:30"}, "--from .* has no time zone.* 2013-01-15T10:30Z for UTC"),
        ({"to": "yesterday"}, "--to 'yesterday' is not a time.*2013-01-15T00:00Z"),
        ({"from_": "2013-01-16T00:00Z", "to": "2013-01-15T00:00Z"}, "reversed or empty: from 2013-01-16"),
        ({"from_": "2013-01-15T00:00Z", "to": "2013-01-15T00:00Z"}, "reversed or empty"),
        ({"from_": "0001-01-01T00:00+10:00"}, "outside the years 1 to 9999"),
        ({"on_date": "15.1.2013"}, "--date '15.1.2013' is not a day"),
        ({"last": "a while"}, "'a while' is not a duration"),
        ({"last": "-1 h"}, "reversed or empty"),
        ({"on_date": "2013-01-15", "last": "1 h"}, "--date and --last exclude each other"),
        ({"from_": "2013-01-15T00:00Z", "on_date": "2013-01-15"}, "--from/--to and --date exclude each other"),
    ],
    ids=lambda value: str(value),
)
def test_what_is_no_range(options: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_range(**options, now=NOW)


def test_a_range_as_predicates() -> None:
    range_ = parse_range("0012-01-15T00:00Z", "2013-01-16T00:00:00.5Z")
    assert range_.sql("t") == (
        "t >= TIMESTAMP '0012-01-15 00:00:00.000000+00:00' AND t < TIMESTAMP '2013-01-16 00:00:00.500000+00:00'"
    )
    assert range_.iceberg("t") == "t >= '0012-01-15T00:00:00+00:00' and t < '2013-01-16T00:00:00.500000+00:00'"
    assert TimeRange().sql("t") == "true"
    assert TimeRange().iceberg("t") is None
