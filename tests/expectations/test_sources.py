"""An archive with one broken thing: exactly the expectations that speak of it fail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from plumbline.contract.loader import parse
from plumbline.contract.model import Contract
from plumbline.contract.ranges import TimeRange
from plumbline.expectations.run import run
from tests.support.archived import SCHEMA, record, records
from tests.support.shop_rows import CONTRACT, NOON, Fill

NOT_NULL, NO_ROWS = "expect_column_values_to_not_be_null", "unexpected_rows_expectation"
NULL, NEWEST = "expect_column_values_to_be_null", "expect_column_max_to_be_between"
UNIQUE = "expect_compound_columns_to_be_unique"
TIMES = "event_time, kafka_timestamp"
HOUR = timedelta(hours=1)


@pytest.fixture
def contract() -> Contract:
    """Events have an id; an hour of grace for a late newest record; an eighth may be in quarantine."""
    text = CONTRACT.replace("event_time: shown_at", "event_time: shown_at\n    event_id: id")
    return parse(text + "  fresh_within: 1 hour\n  quarantined_at_most: 0.125\n")


@dataclass(frozen=True)
class Case:
    """`broken` maps (expectation, column) to how many records break it."""

    rule: str
    records: Callable[[], list[dict[str, Any]]]
    broken: dict[tuple[str, str], int | None]


def changed(**values: Any) -> Callable[[], list[dict[str, Any]]]:
    return lambda: [*records()[1:], record(0, **values)]


BROKEN = {"event_time": None, "quarantine_reason": "not_json"}
CASES = [
    Case("nothing is broken", records, {}),
    Case("a record is archived twice", lambda: [*records(), record(1)], {(UNIQUE, "topic, partition, offset"): 2}),
    Case("an offset is missing from a record", changed(offset=None), {(NOT_NULL, "offset"): 1}),
    Case("a record has no time of its own", changed(kafka_timestamp=None), {(NOT_NULL, "kafka_timestamp"): 1}),
    Case("no event time, and not in quarantine", changed(event_time=None), {(NO_ROWS, TIMES): 1}),
    Case("an event of tomorrow", changed(event_time=NOON + timedelta(days=1, minutes=1)), {}),
    Case(
        "an event of the day after tomorrow",
        changed(event_time=NOON + timedelta(days=1, minutes=1, microseconds=1)),
        {(NO_ROWS, TIMES): 1},
    ),
    Case("as many in quarantine as may be", changed(**BROKEN), {}),
    Case(
        "one more in quarantine than may be",
        lambda: [*records()[2:], record(0, **BROKEN), record(1, **BROKEN)],
        {(NULL, "quarantine_reason"): 2},
    ),
    Case("an event delivered again", lambda: [*records(), record(8, event_id="e1", event_time=NOON + HOUR / 60)], {}),
    Case(
        "one event id for two events",
        lambda: [*records(), record(8, event_id="e1")],
        {(NO_ROWS, "event_id, event_time"): 1},
    ),
    Case("records of another topic are not looked at", lambda: [*records(), record(9, "other", offset=None)], {}),
    Case("nothing was archived", list, {(NEWEST, "event_time"): None}),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.rule)
def test_each_broken_thing_fails_its_own_expectations(case: Case, contract: Contract, home: Home, fill: Fill) -> None:
    fill(case.records(), SCHEMA, "raw.shown")
    fill([record(n, "clicked") for n in range(8)], SCHEMA, "raw.clicked")
    span = TimeRange(NOON - HOUR, NOON + HOUR)
    tables = run(contract, home, span if "tomorrow" not in case.rule else None, on=["sources"]).document["tables"]
    assert list(tables) == ["sources.shown", "sources.clicked"]
    failed = {
        (one["expectation"], one["column"]): one["unexpected"]
        for one in tables["sources.shown"]["expectations"]
        if not one["success"] and not ("tomorrow" in case.rule and one["expectation"] == NEWEST)
    }
    assert failed == case.broken


@pytest.mark.parametrize(("minutes", "holds"), [(67, True), (68, False)])
def test_the_newest_record_lies_near_the_end_of_the_range(
    minutes: int, holds: bool, contract: Contract, home: Home, fill: Fill
) -> None:
    for table in ("raw.shown", "raw.clicked"):
        fill([record(n, table[4:]) for n in range(8)], SCHEMA, table)
    span = TimeRange(NOON, NOON + timedelta(minutes=minutes))
    [newest] = [
        one
        for one in run(contract, home, span, on=["sources"]).document["tables"]["sources.shown"]["expectations"]
        if one["expectation"] == NEWEST
    ]
    assert (newest["success"], newest["observed"]) == (holds, "2020-05-01T12:07:00.000000Z")


def test_a_record_without_event_time_is_in_the_range_in_which_it_came(
    contract: Contract, home: Home, fill: Fill
) -> None:
    fill([*records(2), record(2, **BROKEN), record(200, **BROKEN)], SCHEMA, "raw.shown")
    fill([], SCHEMA, "raw.clicked")
    tables = run(contract, home, TimeRange(NOON, NOON + HOUR), on=["sources"]).document["tables"]
    assert tables["sources.shown"]["rows"] == 3


def test_what_came_out_is_recorded_once(contract: Contract, home: Home, fill: Fill) -> None:
    fill([*records(), record(1)], SCHEMA, "raw.shown")
    fill([record(n, "clicked") for n in range(8)], SCHEMA, "raw.clicked")
    for _ in range(2):
        run(contract, home, TimeRange(NOON, NOON + HOUR), on=["sources"], record=True)
    rows = Lake.open(home).load("plumbline.expectations").scan().to_arrow().to_pylist()
    assert [(row["subject"], row["rows"], row["failed"]) for row in sorted(rows, key=lambda row: row["subject"])] == [
        ("sources.clicked", 8, 0),
        ("sources.shown", 9, 1),
    ]
