"""A table with one broken thing: exactly the expectations that speak of it fail, with the rows that break them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from plumbline.connect.home import Home
from plumbline.contract.model import Contract
from plumbline.expectations.run import run
from tests.support.shop_rows import NOON, Fill, Row, good, row

LONE = "_left_partition, _left_offset, _right_offset"
PAIR = "_left_partition, _left_offset, _right_partition, _right_offset"
RIGHT = "_right_partition, _right_offset"
NOT_NULL, NO_ROWS = "expect_column_values_to_not_be_null", "unexpected_rows_expectation"


@dataclass(frozen=True)
class Case:
    """`broken` maps (expectation, column) to (unexpected, keys of the sample)."""

    rule: str
    rows: Callable[[], list[Row]]
    broken: dict[tuple[str, str | None], tuple[int | None, list[Any]]]


def changed(**values: Any) -> Callable[[], list[Row]]:
    return lambda: [*good()[1:], row(0, **values)]


HOUR = timedelta(hours=1)
LATEST = NOON + HOUR
CASES = [
    Case("nothing is broken", good, {}),
    Case("a key is null", changed(id=None), {(NOT_NULL, "id"): (1, [None])}),
    Case(
        "a row has no event time",
        changed(_event_time=None, clicked_at=LATEST),
        {
            (NOT_NULL, "_event_time"): (1, ["s0"]),
            ("expect_column_pair_values_to_be_equal", "shown_at, _event_time"): (1, ["s0"]),
        },
    ),
    Case("a left partition is null", changed(_left_partition=None), {(NOT_NULL, "_left_partition"): (1, ["s0"])}),
    Case("a left offset is null", changed(_left_offset=None), {(NOT_NULL, "_left_offset"): (1, ["s0"])}),
    Case(
        "a joined pair was committed twice",
        lambda: [*good(), row(1)],
        {("expect_compound_columns_to_be_unique", PAIR): (2, ["s1"])},
    ),
    Case(
        "an unmatched row was committed twice",
        lambda: [*good(), row(3, matched=False)],
        {("expect_compound_columns_to_be_unique", PAIR): (2, ["s3"]), (NO_ROWS, LONE): (1, ["s3"])},
    ),
    Case(
        "a left record came out unmatched and joined",
        lambda: [*good(), row(1, matched=False)],
        {(NO_ROWS, LONE): (1, ["s1"])},
    ),
    Case("a left record joined twice is no fault", lambda: [*good(), row(1, _right_offset=9)], {}),
    Case("a right partition without its offset", changed(_right_offset=None), {(NO_ROWS, RIGHT): (1, ["s0"])}),
    Case("a right offset without its partition", changed(_right_partition=None), {(NO_ROWS, RIGHT): (1, ["s0"])}),
    Case(
        "the event time is not the left record's",
        changed(_event_time=NOON + timedelta(microseconds=1)),
        {("expect_column_pair_values_to_be_equal", "shown_at, _event_time"): (1, ["s0"])},
    ),
    Case(
        "joined a microsecond too late",
        changed(clicked_at=LATEST + timedelta(microseconds=1)),
        {(NO_ROWS, "clicked_at, _event_time"): (1, ["s0"])},
    ),
    Case(
        "joined a microsecond too early",
        changed(clicked_at=NOON - timedelta(microseconds=1)),
        {(NO_ROWS, "clicked_at, _event_time"): (1, ["s0"])},
    ),
    Case("joined at the first moment is no fault", changed(clicked_at=NOON), {}),
    Case("joined without a right time", changed(clicked_at=None), {(NO_ROWS, "clicked_at, _event_time"): (1, ["s0"])}),
    Case(
        "a value below its range", changed(price=-0.5), {("expect_column_values_to_be_between", "price"): (1, ["s0"])}
    ),
    Case(
        "a value above its range", changed(price=100.5), {("expect_column_values_to_be_between", "price"): (1, ["s0"])}
    ),
    Case(
        "a price that is no number: greater than any, and in no file's maximum",
        changed(price=math.nan),
        {("expect_column_values_to_be_between", "price"): (1, ["s0"])},
    ),
    Case("a null is in any range", changed(price=None), {}),
    Case("a value outside its set", changed(code="c"), {("expect_column_values_to_be_in_set", "code"): (1, ["s0"])}),
    Case("a value that must be there", changed(code=None), {(NOT_NULL, "code"): (1, ["s0"])}),
    Case(
        "too few rows are matched",
        lambda: [row(0), *(row(n, matched=False) for n in range(1, 9))],
        {(NOT_NULL, "_right_offset"): (8, ["s1", "s2", "s3", "s4", "s5"])},
    ),
    Case("too few rows", lambda: good()[:3], {("expect_table_row_count_to_be_between", None): (None, [])}),
    Case("an empty table", list, {("expect_table_row_count_to_be_between", None): (None, [])}),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.rule)
def test_each_broken_thing_fails_its_own_expectations(case: Case, contract: Contract, home: Home, fill: Fill) -> None:
    fill(case.rows())
    outcome = run(contract, home, on=["stream"])
    table = outcome.document["tables"]["stream"]
    failed = {
        (one["expectation"], one["column"]): (one["unexpected"], [row["id"] for row in one["sample"]])
        for one in table["expectations"]
        if not one["success"]
    }
    assert failed == case.broken
    assert table["rows"] == len(case.rows())
    assert outcome.success is table["success"] is bool(outcome.validations["stream"].success) is (not case.broken)


def test_a_sample_names_the_left_record_and_the_columns_in_question(contract: Contract, home: Home, fill: Fill) -> None:
    fill(changed(clicked_at=LATEST + HOUR)())
    [one] = [
        one
        for one in run(contract, home, on=["stream"]).document["tables"]["stream"]["expectations"]
        if not one["success"]
    ]
    assert one["sample"] == [
        {
            "id": "s0",
            "_left_partition": 0,
            "_left_offset": 0,
            "clicked_at": LATEST + HOUR,
            "_event_time": NOON,
        }
    ]


def test_an_inner_join_has_no_row_without_its_right_record(contract: Contract, home: Home, fill: Fill) -> None:
    inner = contract.model_copy(update={"join": contract.join.model_copy(update={"kind": "inner"})})
    fill(good())
    table = run(inner, home, on=["stream"]).document["tables"]["stream"]
    failed = [one["column"] for one in table["expectations"] if not one["success"]]
    assert failed == ["_right_partition", "_right_offset"]


def test_a_key_column_of_the_side_that_may_be_missing_may_be_null(contract: Contract, home: Home, fill: Fill) -> None:
    keyed = contract.model_copy(update={"output": contract.output.model_copy(update={"key": ["id", "clicked_at"]})})
    fill(good())
    table = run(keyed, home, on=["stream"]).document["tables"]["stream"]
    never_null = {one["column"] for one in table["expectations"] if one["expectation"] == NOT_NULL}
    assert "id" in never_null
    assert "clicked_at" not in never_null
