"""What a replay refuses: ranges it cannot finish, input that is not whole, audits that failed, plans gone stale."""

from __future__ import annotations

import json
from datetime import timedelta

import pyarrow as pa
import pytest

from plumbline.contract.errors import IncompleteError, SetupError, UsageError
from plumbline.contract.ranges import TimeRange
from plumbline.replay.publish import AuditFailed
from tests.support.model import START
from tests.support.replaying import SECOND_DAY, planned, the_replay
from tests.support.scenario import Scenario

pytestmark = [pytest.mark.spark, pytest.mark.kafka]


def test_a_range_that_the_live_stream_has_not_closed(shop: Scenario) -> None:
    end = START + timedelta(minutes=5930)  # 6000 less 10 of delay and 60 of window: closed before this minute
    planned(shop, TimeRange(START, end - timedelta(milliseconds=1)))
    with pytest.raises(IncompleteError, match=r"has not closed the range .*use an end up to 2024-03-05T02:49:59"):
        planned(shop, TimeRange(START, end + timedelta(milliseconds=1)))


@pytest.mark.parametrize("time_range", [TimeRange(START, None), TimeRange(None, START), TimeRange()], ids=str)
def test_an_open_range(shop: Scenario, time_range: TimeRange) -> None:
    with pytest.raises(UsageError, match="a replay needs both ends of its range"):
        planned(shop, time_range)


def test_a_hole_in_the_archive_is_refused_or_filled_from_the_topic(shop: Scenario) -> None:
    lost = next(p for p in shop.placed["right"] if p.event.called == "p-two")
    shop.lake.load("raw.payments").delete(f"partition = {lost.partition} and offset = {lost.offset}")
    with pytest.raises(
        IncompleteError, match=f"of 'payments' lacks offsets {lost.offset} to {lost.offset} of part.* 0"
    ):
        planned(shop, SECOND_DAY)
    sources = planned(shop, SECOND_DAY, "auto").plan.sources
    assert {name: source.door for name, source in sources.items()} == {
        "orders": "iceberg",
        "payments": "iceberg and kafka",
    }
    filled = [piece for piece in sources["payments"].read if piece.door == "kafka"]
    assert [(p.partition, p.start, p.end) for p in filled] == [(lost.partition, lost.offset, lost.offset + 1)]


def test_a_record_twice_in_the_archive(shop: Scenario) -> None:
    archive = shop.lake.load("raw.orders")
    shop.lake.append("raw.orders", archive.scan(row_filter="partition = 1").to_arrow())
    with pytest.raises(IncompleteError, match=r"of 'orders' holds offsets \d to \d of partition 1.* more than once"):
        planned(shop, SECOND_DAY)
    assert planned(shop, SECOND_DAY, "auto").plan.sources["orders"].door == "iceberg and kafka"


def test_no_archive(shop: Scenario) -> None:
    shop.lake.catalog().drop_table("raw.orders")
    with pytest.raises(SetupError, match=r"'orders' has no archive: raw\.orders.*--source kafka"):
        planned(shop, SECOND_DAY)


def test_a_tape_with_other_rows_than_the_plan_counted(shop: Scenario) -> None:
    """The cut counts again: what the plan counted must be on the tape."""
    day = planned(shop, SECOND_DAY)
    body = json.loads(day.folder.plan.read_text())
    body["sources"]["orders"]["pieces"][0]["rows"] += 1
    from plumbline.replay.plan import body_hash

    del body["hash"]
    day.folder.plan.write_text(json.dumps(body | {"hash": body_hash(body)}))
    with pytest.raises(IncompleteError, match=r"the tape of 'orders' holds \d+ rows, the plan counted"):
        day.run()


def test_a_contract_that_changed_since_the_plan(shop: Scenario) -> None:
    day = planned(shop, SECOND_DAY)
    shop.change_contract(join={"within": ["0 minutes", "90 minutes"]})
    with pytest.raises(UsageError, match=f"the contract changed since replay {day.id} was planned.*plan the range"):
        day.run()


def test_publish_before_the_audit_and_audit_before_the_run(shop: Scenario) -> None:
    day = planned(shop, SECOND_DAY)
    with pytest.raises(UsageError, match=f"replay {day.id} has not run yet"):
        day.audit()
    with pytest.raises(UsageError, match=f"replay {day.id} has not been audited"):
        day.publish()
    with pytest.raises(UsageError, match=f"replay {day.id} is not published"):
        day.rollback()


@pytest.mark.parametrize("fault", ["a row is gone", "a row came twice", "a value is wrong"])
def test_a_failed_audit_publishes_nothing(replayed: Scenario, fault: str) -> None:
    day = the_replay(replayed)
    staging = replayed.lake.load(day.plan.staging_table)
    rows = staging.scan().to_arrow()
    changed = {
        "a row is gone": rows.slice(1),
        "a row came twice": pa.concat_tables([rows, rows.slice(0, 1)]),
        "a value is wrong": rows.set_column(
            rows.column_names.index("amount"), "amount", pa.array([2.5] * len(rows), pa.float64())
        ),
    }[fault]
    staging.overwrite(changed)
    before = replayed.lake.load("joined.stream").metadata_location
    assert day.audit()["passed"] is False
    with pytest.raises(AuditFailed, match=f"audit of replay {day.id} failed") as caught:
        day.publish()
    assert caught.value.exit_code == 1
    assert replayed.lake.load("joined.stream").metadata_location == before
    assert day.state == "failed"
