"""Records that came after the batch run: the rows that DuckDB computes of them are those of Spark's join, exactly."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from plumbline.reconcile.aggregates.run import reconcile_aggregate
from tests.stream_job.test_stream_aggregate import feeds
from tests.support import aggregates
from tests.support.scenario import Scenario

pytestmark = [pytest.mark.spark, pytest.mark.kafka, pytest.mark.slow]

VALUES = {
    "orders": "count(*)",
    "payments": "count(payments.payment)",
    "rate": "count(payments.id) / count(*)",
    "paid": "sum(payments.paid)",
    "mean": "avg(payments.paid)",
    "least": "min(orders.amount)",
    "newest": "max(payments.paid_at)",
    "labels": "count_distinct(orders.label)",
    "some": "count(*) where payments.payment IN ('p1.1', 'p2.2', 'p3.3') or payments.id IS NULL",
}


def test_a_batch_older_than_the_stream_is_explained_to_the_digit(new_scenario: Callable[..., Scenario]) -> None:
    job = aggregates.aggregated(new_scenario(), group_by=["orders.id"], values=VALUES)
    first, *others = feeds(4)
    job.feed(*first).epoch()
    job.batch()
    for left, right in others:
        job.feed(left, right)
        job.epoch()
    run = reconcile_aggregate(job.contract, job.home)
    told = run.document
    assert told["causes"]["arrived_after_batch"] > 20
    assert (told["stale"], told["unexplained"], told["apart"], told["agrees"]) == (0, 0, 0, True)
    job.batch()
    again = reconcile_aggregate(job.contract, job.home)
    assert set(again.document["causes"]) == {"late_left", "late_right"}
    newer = {tuple(one.key.values()) for one in run.findings} - {tuple(one.key.values()) for one in again.findings}
    assert newer, "lines that the newer batch run brought in line"
