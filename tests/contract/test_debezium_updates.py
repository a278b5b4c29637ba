"""Debezium's envelopes where a source's `reduce` takes the last event: updates are states, at the database's time."""

from __future__ import annotations

import base64
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.contract.test_debezium import (
    FIELDS,
    REFUSED,
    ROW,
    ROWS,
    TOPIC,
    bare,
    document,
    orders,
    read,
    recorded,
    wrapped,
)
from tests.support.judging import NOON, judged

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

STATES = {"reduce": {"by": ["id"], "every": "1 hour", "take": "last"}}
WORD = "__debezium_unavailable_value"
"""What stands in place of a large value that an update did not change."""


@pytest.mark.spark
@pytest.mark.parametrize("name", FIELDS)
def test_rows_after_an_update_enter_where_the_last_state_counts(spark: SparkSession, name: str) -> None:
    own = [(value, headers) for topic, value, headers in recorded(name) if topic == TOPIC]
    values, headers = [(value, NOON) for value, _ in own], [held for _, held in own]
    told = judged(spark, orders(FIELDS[name], **STATES), values, headers=headers)
    envelopes = [json.loads(value) if value else {} for value, _ in own]
    after = [(one.get("payload") or one).get("after") for one in envelopes]
    entered = [(one.fields["id"], one.fields["shop"], one.fields["note"]) for one in told if one.reason is None]
    assert entered == [(str(row["id"]), row["shop"], row["note"]) for row in after if row]
    assert len(entered) == len(ROWS) + REFUSED["update"]
    assert Counter(one.reason for one in told if one.reason) == {k: n for k, n in REFUSED.items() if k != "update"}
    first = judged(spark, orders(FIELDS[name], reduce={**STATES["reduce"], "take": "first"}), values, headers=headers)
    assert first == read(spark, name), "of the first event of a window nothing changes"


STATE_CASES: dict[str, tuple[str, str | None]] = {
    "an update": (bare(ROW, "u"), None),
    "an update, wrapped": (wrapped(bare(ROW, "u")), None),
    "an update with the row before": (bare(ROW, "u", '{"id": "b", "at": 1, "whole": "x"}'), None),
    "an update with a wrong type": (bare(ROW[:-2] + '"x"}', "u"), "wrong_type"),
    "an update without a time": (bare('{"id": "a"}', "u"), "null_event_time"),
    "an update without after": (bare("null", "u", ROW), "not_debezium"),
    "a delete": (bare("null", "d", ROW), "delete"),
    "a truncation": (bare("null", "t"), "truncate"),
    "a message": ('{"op": "m", "after": null}', "message"),
    "a value that the log does not have": (bare(ROW[:-1] + f', "text": "{WORD}"}}', "u"), "unavailable_value"),
    "under an earlier name": (bare(ROW[:-1] + f', "title": "{WORD}"}}', "u"), "unavailable_value"),
    "an object of it": (bare(ROW[:-1] + f', "text": {{"{WORD}": "{WORD}"}}}}', "u"), "unavailable_value"),
    "a list of it": (bare(ROW[:-1] + f', "text": ["{WORD}"]}}', "u"), "unavailable_value"),
    "its bytes": (
        bare(ROW[:-1] + f', "bytes": "{base64.b64encode(WORD.encode()).decode()}"}}', "u"),
        "unavailable_value",
    ),
    "the word within a text": (bare(ROW[:-1] + f', "text": "{WORD}s"}}', "u"), None),
    "the word in a row that was inserted": (bare(ROW[:-1] + f', "text": "{WORD}"}}', "c"), None),
    "the word in a column that nobody reads": (bare(ROW[:-1] + f', "x": "{WORD}"}}', "u"), None),
}


@pytest.mark.spark
def test_an_envelope_is_judged_as_a_state(spark: SparkSession) -> None:
    values = [(value.encode(), NOON) for value, _ in STATE_CASES.values()]
    told = dict(zip(STATE_CASES, judged(spark, orders(**STATES, aliases={"text": ["title"]}), values), strict=True))
    assert {case: one.reason for case, one in told.items()} == {case: why for case, (_, why) in STATE_CASES.items()}
    entered = {(one.fields["id"], one.fields["whole"]) for one in told.values() if one.reason is None}
    assert entered == {("a", "1")}


TIMED = {"id": "string", "whole": "int", "__source_ts_ms": "timestamp_millis"}
MS, MOMENT = 1_709_290_800_123, "2024-03-01 11:00:00.123"
TIME_CASES: dict[str, tuple[str, str | None]] = {
    "an update": (document('"u"', more=f', "source": {{"ts_ms": {MS}}}, "ts_ms": 1'), None),
    "an insert, wrapped": (wrapped(document('"c"', more=f', "source": {{"ts_ms": {MS}, "db": "x"}}')), None),
    "a column of that name": (
        document('"u"', ROW[:-1] + ', "__source_ts_ms": 1}', f', "source": {{"ts_ms": {MS}}}'),
        None,
    ),
    "without source": (bare(ROW, "u"), "null_event_time"),
    "without ts_ms": (document('"u"', more=', "source": {}, "ts_ms": 1'), "null_event_time"),
    "null": (document('"u"', more=', "source": {"ts_ms": null}'), "null_event_time"),
    "the time of the other form": (
        wrapped(bare(ROW, "u"), f', "source": {{"ts_ms": {MS}}}'),
        "null_event_time",
    ),
    "text": (document('"u"', more=f', "source": {{"ts_ms": "{MS}"}}'), "unreadable_event_time"),
    "text, wrapped": (wrapped(document('"u"', more=', "source": {"ts_ms": "x"}')), "unreadable_event_time"),
    "of another year": (document('"u"', more=', "source": {"ts_ms": 0}'), "impossible_event_time"),
    "without a row": (document('"u"', "null", f', "source": {{"ts_ms": {MS}}}'), "not_debezium"),
    "a delete": (document('"d"', "null", f', "source": {{"ts_ms": {MS}}}'), "delete"),
}


@pytest.mark.spark
@pytest.mark.parametrize("more", [{}, {"micros": "timestamp_micros"}], ids=["plain", "held to its schema"])
def test_the_envelope_says_when_the_database_made_the_change(spark: SparkSession, more: dict[str, str]) -> None:
    source = orders(TIMED | more, event_time="__source_ts_ms", event_time_within=["-2 days", "1 day"], **STATES)
    values = [(value.encode(), NOON) for value, _ in TIME_CASES.values()]
    told = dict(zip(TIME_CASES, judged(spark, source, values), strict=True))
    assert {case: one.reason for case, one in told.items()} == {case: why for case, (_, why) in TIME_CASES.items()}
    entered = {tuple(one.fields[name] for name in TIMED) for one in told.values() if one.reason is None}
    assert entered == {("a", "1", MOMENT)}


@pytest.mark.spark
def test_recorded_changes_have_the_databases_time(spark: SparkSession) -> None:
    own = [value for topic, value, _ in recorded("defaults") if topic == TOPIC]
    fields = {"id": "int", "__source_ts_ms": "timestamp_millis"}
    source = orders(fields, event_time="__source_ts_ms", event_time_within=["-36500 days", "3650 days"], **STATES)
    told = judged(spark, source, [(value, NOON) for value in own])
    envelopes = [json.loads(value)["payload"] for value in own if value]
    times = [one["source"]["ts_ms"] for one in envelopes if one["after"]]
    entered = [one.fields["__source_ts_ms"] for one in told if one.reason is None]
    assert [datetime.fromisoformat(f"{one}+00:00") for one in entered if one] == [
        datetime.fromtimestamp(ms // 1000, UTC) + timedelta(milliseconds=ms % 1000) for ms in times
    ]
