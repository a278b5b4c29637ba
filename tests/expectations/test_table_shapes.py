"""Columns, types and ranges: what is looked at, and what is said when it cannot be."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest

from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from plumbline.contract.errors import SetupError
from plumbline.contract.lineage import COORDINATES
from plumbline.contract.loader import parse
from plumbline.contract.model import Contract
from plumbline.contract.ranges import TimeRange
from plumbline.expectations.rules import expected_types
from plumbline.expectations.run import run
from tests.support.archived import SCHEMA as ARCHIVE
from tests.support.archived import records
from tests.support.shop_rows import CONTRACT, NOON, SCHEMA, Fill, good, row

COLUMNS = "expect_table_columns_to_match_set"
TYPE = "expect_column_values_to_be_in_type_list"


def failed(document: Any, side: str = "stream") -> dict[tuple[str, str | None], Any]:
    """(expectation, column) to what was observed, of those that fail."""
    listed = document["tables"][side]["expectations"]
    return {(one["expectation"], one["column"]): one["observed"] for one in listed if not one["success"]}


def test_a_table_that_grew_with_its_contract_is_whole(contract: Contract, home: Home, fill: Fill) -> None:
    """A new column comes last, and a dropped one stays (docs/evolution.md)."""
    grown = pa.schema([*list(SCHEMA)[1:], SCHEMA.field(0), pa.field("of an earlier contract", pa.string())])
    fill(good(), grown)
    assert failed(run(contract, home, on=["stream"]).document) == {}


def test_a_missing_column_fails_all_that_speak_of_it(contract: Contract, home: Home, fill: Fill) -> None:
    narrow = SCHEMA.remove(SCHEMA.get_field_index("code"))
    fill(good(), narrow)
    outcome = run(contract, home, on=["stream"])
    absent = "the table has no column code"
    assert failed(outcome.document) == {
        (COLUMNS, None): narrow.names,
        (TYPE, "code"): absent,
        ("expect_column_values_to_not_be_null", "code"): absent,
        ("expect_column_values_to_be_in_set", "code"): absent,
    }
    raised = [
        one.exception_info["exception_message"] for one in outcome.validations["stream"].results if not one.success
    ]
    assert raised[1:] == [absent] * 3


@pytest.mark.parametrize("kind", ["inner", "left_outer", "right_outer", "full_outer"])
@pytest.mark.parametrize("gone", SCHEMA.names)
def test_whatever_column_is_missing_the_rules_that_read_it_say_so(
    gone: str, kind: str, contract: Contract, home: Home, fill: Fill
) -> None:
    joined = contract.model_copy(update={"join": contract.join.model_copy(update={"kind": kind})})
    fill(good(), SCHEMA.remove(SCHEMA.get_field_index(gone)))
    told = failed(run(joined, home, on=["stream"]).document)
    assert (COLUMNS, None) in told
    if gone in expected_types(joined):
        assert told[TYPE, gone] == f"the table has no column {gone}"
    apart = ("unexpected_rows_expectation", "clicked_at, _event_time")
    reads = {
        "clicked_at",
        "_event_time",
        "_right_offset",
        *(["_left_offset"] if kind in ("right_outer", "full_outer") else []),
    }
    assert (told.get(apart) == f"the table has no column {gone}") is (gone in reads)


@pytest.mark.parametrize("gone", ARCHIVE.names)
def test_whatever_column_an_archive_lacks_the_answer_is_no_defect(
    gone: str, contract: Contract, home: Home, fill: Fill
) -> None:
    fill(records(), ARCHIVE.remove(ARCHIVE.get_field_index(gone)), "raw.shown")
    fill(records(), ARCHIVE, "raw.clicked")
    if gone == "topic":
        with pytest.raises(SetupError, match=r"raw\.shown has no column topic, so nothing tells its records of shown"):
            run(contract, home, on=["sources"])
        return
    told = failed(run(contract, home, on=["sources"]).document, "sources.shown")
    assert (f"the table has no column {gone}" in told.values()) is bool(told)


@pytest.mark.parametrize("kind", ["inner", "left_outer", "right_outer", "full_outer"])
def test_a_job_that_is_not_ours_need_not_name_any_record(kind: str, home: Home, fill: Fill) -> None:
    theirs = SCHEMA
    for name in ("_event_time", *COORDINATES, "_replay_id"):
        theirs = theirs.remove(theirs.get_field_index(name))
    fill(good(), theirs)
    text = CONTRACT.replace("left_outer", kind) + "job: {kind: other, event_time: shown_at}\n"
    assert failed(run(parse(text), home, on=["stream"]).document) == {}


def test_rows_are_counted_in_a_batch_table_without_lineage(home: Home, fill: Fill) -> None:
    plain = SCHEMA
    for name in ("_event_time", *COORDINATES, "_replay_id"):
        plain = plain.remove(plain.get_field_index(name))
    fill(good(), plain)
    fill(good(), plain, "joined.batch")
    text = CONTRACT + "  stream_to_batch: [1, 1]\njob: {kind: other, event_time: shown_at}\n"
    assert failed(run(parse(text), home, on=["stream"]).document) == {}


def test_a_wrong_type(contract: Contract, home: Home, fill: Fill) -> None:
    at = SCHEMA.get_field_index("price")
    fill([{**one, "price": str(one["price"])} for one in good()], SCHEMA.set(at, pa.field("price", pa.string())))
    assert failed(run(contract, home, on=["stream"]).document) == {
        (TYPE, "price"): "string",
        ("expect_column_values_to_be_between", "price"): "price is a string; the rule needs a number column",
    }


@pytest.mark.parametrize(
    ("start", "end", "rows", "faults"),
    [(None, None, 6, 2), (0, 4, 5, 1), (0, 5, 6, 2), (4, None, 2, 2), (None, 4, 5, 1)],
    ids=["everything", "before the fault", "up to and with it", "from it on", "open start"],
)
def test_a_range_is_half_open_and_keeps_rows_without_event_time(
    start: int | None, end: int | None, rows: int, faults: int, contract: Contract, home: Home, fill: Fill
) -> None:
    fill([*good(), row(4, price=-1.0)])
    fill([row(5, _event_time=None)])  # a data file of its own, which no range may skip
    minutes = [None if at is None else NOON + timedelta(minutes=at) for at in (start, end)]
    document = run(contract, home, TimeRange(*minutes), on=["stream"]).document
    counted = {one["column"]: one["unexpected"] for one in document["tables"]["stream"]["expectations"]}
    assert document["tables"]["stream"]["rows"] == rows
    assert counted["price"] == faults - 1
    assert [one["column"] for one in document["tables"]["stream"]["expectations"] if one["unexpected"]][:1] == [
        "_event_time"
    ]


def test_the_newest_snapshot_is_read_and_named(contract: Contract, home: Home, fill: Fill) -> None:
    for rows in (good()[:2], good()[2:]):
        fill(rows)
        fill(rows, table="joined.batch")
    document = run(contract, home).document
    lake = Lake.open(home)
    assert document["success"]
    assert list(document["tables"]) == ["stream", "batch"]
    for side, table in document["tables"].items():
        snapshot = lake.load(f"joined.{side}").current_snapshot()
        assert snapshot is not None
        assert (table["table"], table["snapshot_id"], table["rows"]) == (f"joined.{side}", snapshot.snapshot_id, 4)


def test_one_bad_side_fails_the_whole(contract: Contract, home: Home, fill: Fill) -> None:
    fill(good())
    fill([*good(), row(1)], table="joined.batch")
    document = run(contract, home).document
    assert (document["success"], [table["success"] for table in document["tables"].values()]) == (False, [True, False])


def test_a_missing_table_is_named(contract: Contract, home: Home, fill: Fill) -> None:
    fill(good())
    with pytest.raises(SetupError, match=r"joined\.batch does not exist"):
        run(contract, home)


def test_no_range_can_be_cut_without_event_times(contract: Contract, home: Home, fill: Fill) -> None:
    fill(good(), SCHEMA.remove(SCHEMA.get_field_index("_event_time")))
    with pytest.raises(SetupError, match="leave the range out"):
        run(contract, home, TimeRange(NOON), on=["stream"])
