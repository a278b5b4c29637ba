"""Ranges by record time and by commit time: which event times they stand for. Real broker and tables, no Spark."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from plumbline.connect.kafka import produce
from plumbline.contract.errors import IncompleteError, SetupError, UsageError
from plumbline.contract.ranges import TimeRange
from plumbline.replay.series import Several, plan_several
from plumbline.replay.time_basis import COMMIT, RECORD, merged, touched
from tests.support.shops import HOUR, T0, Shop, hours, record

pytestmark = pytest.mark.kafka

MOMENT = timedelta(microseconds=1)


@pytest.fixture
def shop(tmp_path: Path, kafka: dict[str, str]) -> Shop:
    """Orders and payments of hours 0 to 9; an order of 3:30 and a payment of 5:00 came about hour 20."""
    made = Shop(tmp_path, kafka)
    produce(kafka, [record(made.topics["orders"], 3.5, came=20), record(made.topics["payments"], 5, came=20.5)])
    made.archive()
    return made


def test_ranges_less_than_a_week_apart_are_one() -> None:
    assert merged([hours(30, 31), hours(0, 1), hours(0.5, 8)]) == [hours(0, 31)]
    assert merged([hours(200, 201), hours(0, 1)]) == [hours(0, 1), hours(200, 201)]
    assert merged([]) == []


def test_records_that_came_in_a_time(shop: Shop) -> None:
    """The order counts at its own time, the payment for the orders of the hour before it."""
    assert touched(shop.contract, shop.home, hours(20, 21), RECORD) == [
        TimeRange(T0 + 3.5 * HOUR, T0 + 5 * HOUR + MOMENT)
    ]
    assert touched(shop.contract, shop.home, hours(20.1, 21), RECORD) == [
        TimeRange(T0 + 4 * HOUR, T0 + 5 * HOUR + MOMENT)
    ]
    shop.closed_until(4.5)
    closed = TimeRange(T0 + 3.5 * HOUR, T0 + 4.5 * HOUR + MOMENT)
    assert touched(shop.contract, shop.home, hours(20, 21), RECORD) == [closed], "what the stream has closed"
    several = plan_several(shop.contract, shop.path, shop.home, Several(hours(20, 21), time_basis=RECORD))
    assert [(plan["time_basis"], plan["range"]) for plan in several["replays"]] == [("record", closed.as_json())]
    nothing = plan_several(shop.contract, shop.path, shop.home, Several(hours(30, 31), time_basis=RECORD))
    assert (nothing["series"], nothing["replays"]) == (None, [])


@pytest.mark.parametrize(("newest", "refused"), [("4.1.4", False), ("4.2.0", True)])
def test_nothing_is_replayed_while_nobody_knows_what_the_stream_may_still_write(
    newest: str, refused: bool, shop: Shop
) -> None:
    """Closing hangs on the Spark that made the newest epoch; without the ledger of a job of ours nothing is asked."""
    of_epoch = {"spark.sql.streaming.queryId": "q", "spark.sql.streaming.epochId": "0", "engine-version": newest}
    nothing = shop.lake.load("joined.stream").schema().as_arrow().empty_table()
    shop.lake.append("joined.stream", nothing, of_epoch)
    assert touched(shop.contract, shop.home, hours(20, 21), RECORD)
    shop.closed_until(8)
    for basis in (RECORD, COMMIT):
        if refused:
            with pytest.raises(IncompleteError, match=r"may still write is not known: the stream ran on Spark 4\.2\.0"):
                touched(shop.contract, shop.home, hours(20, 21), basis)
    if refused:
        with pytest.raises(IncompleteError, match="run the stream on a proven version"):
            shop.plan()
    else:
        assert shop.plan().time_range == hours(2, 6)


def test_a_record_that_is_not_archived(shop: Shop) -> None:
    """It stands in the way of a range that holds it, and of no other."""
    produce(shop.kafka, [record(shop.topics["orders"], 7, came=20.7)])
    with pytest.raises(
        IncompleteError, match=r"archive of 'orders' lacks offset 11 of partition 0.*archiver has read it"
    ):
        touched(shop.contract, shop.home, hours(20, 21), RECORD)
    assert len(touched(shop.contract, shop.home, hours(20, 20.6), RECORD)) == 1
    assert len(touched(shop.contract, shop.home, hours(20, 21), RECORD, "iceberg")) == 1


def test_epochs_that_were_committed_in_a_time(shop: Shop) -> None:
    """The epoch planned at 31:00 may have been committed at any time before the next one was."""
    shop.joined(0, {"orders": (0, 4), "payments": (0, 4)}, closed=1, planned=30)
    shop.joined(1, {"orders": (4, 6), "payments": (4, 5)}, closed=2, planned=31)
    shop.joined(2, {"orders": (6, 11), "payments": (5, 11)}, closed=9, planned=32)
    shop.joined(3, {"orders": (11, 11), "payments": (11, 11)}, closed=9, planned=33)
    for asked in (hours(31, 31.5), hours(31.5, 32)):
        assert touched(shop.contract, shop.home, asked, COMMIT) == [TimeRange(T0 + 2 * HOUR, T0 + 5 * HOUR + MOMENT)]
    assert touched(shop.contract, shop.home, hours(32.1, 32.2), COMMIT) == [
        TimeRange(T0 + 3 * HOUR, T0 + 9 * HOUR + MOMENT)
    ], "with the rows that it closed"
    with pytest.raises(IncompleteError, match=r"no epoch that was committed in .*--time-basis record"):
        touched(shop.contract, shop.home, hours(20, 21), COMMIT)
    shop.lake.load("raw.payments").delete("offset = 4")
    with pytest.raises(IncompleteError, match="archive of 'payments' lacks offset 4"):
        touched(shop.contract, shop.home, hours(31, 32), COMMIT)


@pytest.mark.parametrize("by_ledger", [True, False], ids=["by the ledger", "by the commit"])
def test_what_epochs_of_a_spark_not_proven_closed_is_not_known(by_ledger: bool, shop: Shop) -> None:
    """The newest epoch is of a proven one; those of the time that is asked for are what counts."""
    for number, version in enumerate(("4.1.4", "4.2.0", "4.1.4", "4.1.4")):
        spans = {"orders": (2 * number, 2 * number + 2), "payments": (2 * number, 2 * number + 2)}
        noted = version if by_ledger else None
        shop.joined(number, spans, closed=number + 1, planned=30 + number, spark=noted)
        said = {"spark.sql.streaming.queryId": "q", "spark.sql.streaming.epochId": str(number)}
        nothing = shop.lake.load("joined.stream").schema().as_arrow().empty_table()
        if number != 1 or not by_ledger:
            shop.lake.append("joined.stream", nothing, said | {"engine-version": version})
    refused = r"closed is not known: the stream ran on Spark 4\.2\.0.*--time-basis record"
    for asked in (hours(31, 31.5), hours(32.1, 32.5)):
        with pytest.raises(IncompleteError, match=refused):
            touched(shop.contract, shop.home, asked, COMMIT)
    assert touched(shop.contract, shop.home, hours(33.1, 33.5), COMMIT), "two epochs later it is known again"
    assert touched(shop.contract, shop.home, hours(20, 21), RECORD)


def test_what_is_refused(shop: Shop) -> None:
    with pytest.raises(UsageError, match="both ends"):
        plan_several(shop.contract, shop.path, shop.home, Several(TimeRange(T0), time_basis=RECORD))
    with pytest.raises(UsageError, match=r"--from-drift finds the ranges itself.*--time-basis"):
        plan_several(shop.contract, shop.path, shop.home, Several(TimeRange(), "latest", time_basis=COMMIT))
    shop.lake.catalog().drop_table("raw.orders")
    with pytest.raises(SetupError, match=r"'orders' has no archive.*--time-basis event"):
        touched(shop.contract, shop.home, hours(20, 21), RECORD)
