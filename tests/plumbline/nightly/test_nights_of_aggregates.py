"""Nights of a real job with an aggregate: due when its windows are written, and its rows maintained afterwards."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from plumbline.contract.aggregate import ROWS_SNAPSHOT
from plumbline.contract.ranges import TimeRange
from plumbline.nightly.folder import NightFolder
from plumbline.nightly.message import line_of
from plumbline.nightly.run import Options, nightly
from plumbline.reconcile.aggregates.run import reconcile_aggregate
from plumbline.stream_job.maintain import Limits, maintain
from tests.plumbline.nightly.test_nightly import DAY, FIRST, days, feed, interrupted_at, job_of, recorded
from tests.support import aggregates
from tests.support.model import START, Event
from tests.support.scenario import Scenario

pytestmark = [pytest.mark.spark, pytest.mark.kafka, pytest.mark.slow]


def test_nights_of_an_aggregate(new_scenario: Callable[..., Scenario]) -> None:
    shop = aggregates.aggregated(new_scenario(), "7 hours")  # a day's last window ends on the next day
    feed(shop, 0, 1, 2)
    shop.feed((), [Event("b1", DAY + 1310, "late")])
    feed(shop, 3, 4)
    with pytest.raises(KeyboardInterrupt):
        nightly(job_of(shop, interrupted_at("reconcile: ")), Options(since=FIRST))
    told = nightly(job_of(shop), Options(since=FIRST))
    assert [night["day"] for night in told["nights"]] == days(0, 1, 2)
    assert [night["verdict"] for night in told["nights"]] == ["clean", "drift", "clean"]
    assert (told["nights"][1]["causes"], told["exit_code"]) == ({"late_right": 1}, 1)
    assert " batch lines match; late_right 1; " in line_of(told["nights"][1])
    assert all(night["expectations"] and not night["failed"] for night in told["nights"])
    checked = shop.lake.load("plumbline.expectations").scan().to_arrow()["subject"].to_pylist()
    assert set(checked) == {"sources.orders", "sources.payments", "stream", "batch"}
    assert recorded(shop, "plumbline.nights", "day") == days(0, 1, 2)
    for folder in NightFolder.all(shop.home, shop.contract):
        assert folder.read("night")["run_id"] in folder.report.read_text()
    assert nightly(job_of(shop), Options())["nights"] == []
    keeps_the_rows(shop)


def keeps_the_rows(shop: Scenario) -> None:
    """The rows of earlier nights go, those that the newest run names stay: what differs is explained as before."""
    rows = "joined.batch_rows"
    before = {one.snapshot_id for one in shop.lake.load(rows).metadata.snapshots}
    limits = Limits(snapshots=timedelta(0), orphans=timedelta(days=3))
    maintain(shop.contract, shop.home, limits, (), execute=True, spark=shop.spark)
    after = {one.snapshot_id for one in shop.lake.load(rows).metadata.snapshots}
    newest = shop.lake.load("joined.batch").current_snapshot()
    assert newest is not None
    assert newest.summary is not None
    assert int(newest.summary.additional_properties[ROWS_SNAPSHOT]) in after
    assert after < before
    span = TimeRange(START, START + timedelta(days=2))
    assert reconcile_aggregate(shop.contract, shop.home, span).document["causes"] == {"late_right": 1}
