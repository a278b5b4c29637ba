"""A run `--once` that was interrupted ends with the rows of one that was not, also when nothing new is left to read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from plumbline.contract.errors import PlumblineError
from plumbline.stream_job.supervisor import Supervisor
from tests.support.model import Event
from tests.support.scenario import Scenario, until

if TYPE_CHECKING:
    from pyspark.sql import SparkSession
    from pyspark.sql.streaming import StreamingQuery

pytestmark = [pytest.mark.spark, pytest.mark.kafka]

NO_DATA_BATCHES = "spark.sql.streaming.noDataMicroBatches.enabled"


def events(first: int, last: int) -> tuple[list[Event], list[Event]]:
    """An hour between two of them; one of three on the left has no partner, so that its row waits for the watermark."""
    minutes = range(first, last)
    lefts = [Event(f"o{n}", 60 * n, partition=n % 2) for n in minutes]
    return lefts, [Event(f"o{n}", 60 * n + 3, f"p{n}", partition=n % 2) for n in minutes if n % 3]


def stopped_before_the_epoch_without_data(job: Scenario) -> None:
    """Run the job, and leave its checkpoint as a kill does between the last epoch with data and the plan of the next:
    level, and without the epoch that closes windows."""
    job.spark.conf.set(NO_DATA_BATCHES, "false")
    try:
        job.epoch()
    finally:
        job.spark.conf.unset(NO_DATA_BATCHES)


def test_the_epoch_that_closes_windows_is_run_after_a_restart_without_new_data(
    new_scenario: Callable[..., Scenario],
) -> None:
    job = new_scenario(stream={"max_events_per_epoch": 10})
    job.feed(*events(0, 20))
    calm = job.beside("calm")
    calm.epoch()
    stopped_before_the_epoch_without_data(job)
    assert len(job.rows()) < len(calm.rows())
    job.restart()
    job.expect()
    assert job.rows() == calm.rows()
    assert job.outcome() == calm.outcome()
    last = job.ledger.last_epoch()
    assert job.ledger.read(last).no_data
    job.restart()
    assert job.ledger.last_epoch() == last, "an epoch was run for nothing"


def test_new_events_meet_the_watermark_that_was_in_force(new_scenario: Callable[..., Scenario]) -> None:
    job = new_scenario()
    job.feed(*events(0, 20))
    stopped_before_the_epoch_without_data(job)
    last = job.ledger.last_epoch()
    job.feed(*events(20, 40))
    job.restart()
    job.expect()
    assert not job.ledger.read(last + 1).no_data, "what is new is read by the epoch that was due"


def test_a_query_that_failed_since_the_last_look_has_not_ended(spark: SparkSession) -> None:
    def failing() -> StreamingQuery:
        rows = spark.readStream.format("rate").load().selectExpr("raise_error('gone') AS value")
        return rows.writeStream.format("noop").start()

    supervisor = Supervisor({"join": failing}, timedelta(0), lambda line: None)
    supervisor.look()
    query = supervisor.query("join")
    assert query is not None
    until(lambda: not query.isActive, "it does not fail")
    assert not supervisor.ended
    with pytest.raises(PlumblineError, match="gone"):
        supervisor.look()
