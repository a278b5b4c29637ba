"""Rules about all rows of a range: how many the stream has for the batch's, how new the newest is; and a gate without
them."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from plumbline.connect.home import Home
from plumbline.contract.errors import SetupError
from plumbline.contract.loader import parse
from plumbline.contract.ranges import TimeRange
from plumbline.expectations import check_staging
from plumbline.expectations.run import run
from tests.support.shop_rows import CONTRACT, NOON, Fill, good, row

COUNT, NEWEST = "expect_table_row_count_to_be_between", "expect_column_max_to_be_between"


def found(home: Home, block: str, span: TimeRange | None = None) -> dict[str, Any]:
    """The last of the stream's expectations, with `block` added to the contract's."""
    contract = parse(CONTRACT + f"  {block}\n")
    listed = run(contract, home, span, on=["stream"]).document["tables"]["stream"]["expectations"]
    return listed[-1]


@pytest.mark.parametrize(
    ("bounds", "holds"),
    [("[0.5, 0.5]", True), ("[0.51, null]", False), ("[null, 0.49]", False), ("[0.4, 1]", True)],
)
def test_the_stream_has_its_share_of_the_batch_rows(bounds: str, holds: bool, home: Home, fill: Fill) -> None:
    fill(good())
    fill([row(n) for n in range(8)], table="joined.batch")
    one = found(home, f"stream_to_batch: {bounds}")
    assert (one["expectation"], one["observed"], one["success"]) == (COUNT, 4, holds)
    assert one["why"] == f"expectations.stream_to_batch {bounds}, of 8 batch rows"


@pytest.mark.parametrize("rows", [0, 1, 2])
def test_a_share_that_no_number_of_rows_has_fails(rows: int, home: Home, fill: Fill) -> None:
    fill([row(n) for n in range(rows)])
    fill([row(0)], table="joined.batch")
    one = found(home, "stream_to_batch: [0.5, 0.5]")
    assert (one["expectation"], one["observed"], one["success"]) == (COUNT, rows, False)
    assert one["why"] == "expectations.stream_to_batch [0.5, 0.5], of 1 batch rows: no number of rows is within"


def test_the_share_is_of_the_range(home: Home, fill: Fill) -> None:
    fill(good())
    fill([*good(), row(100)], table="joined.batch")
    assert found(home, "stream_to_batch: [1, 1]", TimeRange(NOON, NOON + timedelta(hours=1)))["success"]
    assert not found(home, "stream_to_batch: [1, 1]")["success"]


def test_a_share_needs_both_tables(home: Home, fill: Fill) -> None:
    fill(good())
    with pytest.raises(SetupError, match=r"joined\.batch does not exist"):
        found(home, "stream_to_batch: [1, 1]")


def test_an_open_range_ends_now(home: Home, fill: Fill) -> None:
    fill(good())
    one = found(home, "fresh_within: 1 day")
    assert (one["expectation"], one["success"], one["observed"]) == (NEWEST, False, "2020-05-01T12:03:00.000000Z")
    assert found(home, "fresh_within: 100000 days")["success"]


def test_a_gate_has_the_rules_of_each_row_and_none_of_all(home: Home, fill: Fill) -> None:
    contract = parse(CONTRACT.replace("min_rows: 4", "min_rows: 400"))
    fill(good(), table="replays.staged")
    count, failed = check_staging(contract, home, "replays.staged", TimeRange())
    assert (count, failed) == (24, [])
    fill([row(1, price=-1.0)], table="replays.staged")
    failed = check_staging(contract, home, "replays.staged", TimeRange())[1]
    assert sorted(failed) == [
        "a pair of records is joined once: the same pair twice is a double commit "
        "(_left_partition, _left_offset, _right_partition, _right_offset)",
        "expectations.between [0, 100] (price)",
    ]


def test_the_suite_of_a_source_can_be_written(home: Home, fill: Fill) -> None:
    from tests.support.archived import SCHEMA, records

    fill(records(), SCHEMA, "raw.shown")
    fill(records(), SCHEMA, "raw.clicked")
    outcome = run(parse(CONTRACT + "  fresh_within: 1 hour\n"), home, on=["sources"])
    suite = json.loads(json.dumps(outcome.suites["sources.shown"].to_json_dict()))
    assert suite["name"] == "plumbline_shop_shown"
    assert len(suite["expectations"]) == len(outcome.document["tables"]["sources.shown"]["expectations"])
