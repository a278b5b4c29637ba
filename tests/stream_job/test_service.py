"""The job as a service: it ends between two epochs, sits out a broker and a catalog that are away, and says so."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from plumbline.connect import broker
from plumbline.connect.home import Home
from plumbline.connect.spark import session
from plumbline.contract.errors import SetupError, UnreachableError
from plumbline.stream_job import queries
from plumbline.stream_job.service import Life
from tests.support.model import Event
from tests.support.scenario import Scenario, until

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [pytest.mark.spark, pytest.mark.kafka, pytest.mark.slow]

QUICK = {
    "kafka.request.timeout.ms": "1000",
    "kafka.default.api.timeout.ms": "1500",
    "fetchOffset.numRetries": "1",
    "kafkaConsumer.pollTimeoutMs": "2000",
}
"""Clients that give up early, so that a test sees the job's own patience."""


def events(first: int, last: int) -> tuple[list[Event], list[Event]]:
    lefts = [Event(f"o{n}", 6 * n, partition=n % 2) for n in range(first, last)]
    rights = [Event(f"o{n}", 6 * n + 3, f"p{n}", partition=n % 2) for n in range(first, last)]
    return lefts, rights


@contextmanager
def locked(catalog: Path, seconds: float) -> Iterator[None]:
    """Hold the catalog's write lock for so long, from now on; the block runs meanwhile, and a little after."""
    with closing(sqlite3.connect(catalog, timeout=60, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        release = time.monotonic() + seconds
        yield
        # The length of the lock is what is tested.
        threading.Event().wait(max(0.0, release - time.monotonic()))
        connection.execute("ROLLBACK")


def test_it_sits_out_a_broker_and_a_catalog_that_are_away(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "BROKER_PATIENCE", QUICK)
    own = Home.resolve(tmp_path / "broker")
    there = broker.start(own)
    job = Scenario.begin(tmp_path, {"bootstrap.servers": there.bootstrap_servers}, "away", {})
    monkeypatch.setattr("plumbline.connect.kafka.ANSWER_SECONDS", 1.0)
    catalog = job.home.lake / "catalog.db"
    uri = f"jdbc:sqlite:{catalog}?busy_timeout=200"
    job.spark = session(job.home, job.lake, app="service", extra={"spark.sql.catalog.lake.uri": uri})
    said: list[str] = []
    port = int(there.bootstrap_servers.rpartition(":")[2])
    try:
        job.feed(*events(0, 20))
        with job.running(say=said.append):
            job.caught_up()
            broker.stop(own)
            until(lambda: any("join failed, trying again" in line for line in said), "no word of the lost broker")
            broker.start(own, port=port)
            job.feed(*events(20, 40))
            job.caught_up()
            until(lambda: any("join continues after" in line for line in said), "no word of its return")
            with locked(catalog, seconds=10):
                job.feed(*events(40, 60))
                until(lambda: any("locked" in line.lower() for line in said), "no word of the lock")
            job.caught_up()
        job.expect()
        assert job.archived() == job.delivered()
    finally:
        broker.stop(own)


def test_a_signal_ends_it_after_the_running_epoch_and_a_second_one_at_once(
    new_scenario: Callable[..., Scenario],
) -> None:
    """The same job twice: whichever way it ended, it goes on from there, and in the end it has every row once."""
    job = new_scenario(stream={"max_events_per_epoch": 2})
    job.feed(*events(0, 60))
    committed = ended_by_sigterm(job)
    with service(job) as running:
        until(lambda: job.ledger.last_epoch() > committed, "the job does not run", 400)
        running.send_signal(signal.SIGINT)
        until(lambda: "a second signal ends it at once" in log(job), "the first signal was not heard")
        running.send_signal(signal.SIGINT)
        assert running.wait(20) == -signal.SIGINT
    job.change_contract(stream={"max_events_per_epoch": 1000})
    job.restart()
    job.expect()


def ended_by_sigterm(job: Scenario) -> int:
    """The last epoch of a job that SIGTERM has ended in good order, with most of its work still to do."""
    with service(job) as running:
        until(lambda: job.ledger.last_epoch() >= 3, "the job does not run", 400)
        owner = job.job.owner()
        assert owner is not None
        assert owner.pid == running.pid
        with pytest.raises(SetupError, match=rf"another job already works .*\(pid {running.pid} since 2\d\d\d-.*Z\)"):
            job.epoch()
        running.send_signal(signal.SIGTERM)
        assert running.wait(120) == 0, log(job)
    planned, committed = (
        max(int(name) for name in os.listdir(job.job.join / folder) if name.isdigit())
        for folder in ("offsets", "commits")
    )
    assert planned == committed, log(job)
    assert committed < 29, "it was ended in the middle of its work"
    assert job.ledger.last_epoch() == committed
    assert json.loads((job.job.root / "status.json").read_text())["state"] == "ended"
    assert job.job.owner() is None
    return committed


def test_it_gives_up_when_its_patience_is_spent(
    new_scenario: Callable[..., Scenario], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plumbline.connect.kafka.ANSWER_SECONDS", 0.2)
    job = new_scenario()
    job.change_contract(kafka={"bootstrap.servers": "127.0.0.1:1"})
    said: list[str] = []
    with (
        pytest.raises(UnreachableError, match=r"the query '(join|archive-\w+)' failed: no Kafka broker answers"),
        job.running(Life(retry_for=timedelta(seconds=2)), said.append),
    ):
        until(lambda: not job._alive(), "it tries for ever")
    assert any("trying again" in line for line in said)
    with pytest.raises(UnreachableError, match="no Kafka broker answers"):
        job.epoch()


def test_a_topic_that_is_removed_ends_it_at_once(new_scenario: Callable[..., Scenario]) -> None:
    job = new_scenario()
    job.feed(*events(0, 4))
    topic = job.contract.right.topic
    with pytest.raises(SetupError, match=rf"topic {topic} does not exist|no longer holds"):
        run_while_topic_goes(job, topic)


def run_while_topic_goes(job: Scenario, topic: str) -> None:
    from confluent_kafka.admin import AdminClient

    with job.running():
        job.caught_up()
        admin = AdminClient(job.kafka)
        for future in admin.delete_topics([topic]).values():
            future.result()
        until(lambda: not job._alive(), "it does not notice")


@contextmanager
def service(job: Scenario) -> Iterator[subprocess.Popen[bytes]]:
    """`plumbline stream run` in a process of its own; whatever is left of it is killed at the end."""
    command = [sys.executable, "-m", "plumbline", "stream", "run", str(job.contract_path), "--home", str(job.home.root)]
    with (job.contract_path.parent / "service.log").open("wb") as sink:
        process = subprocess.Popen(command, stdout=sink, stderr=sink, start_new_session=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(30)


def log(job: Scenario) -> str:
    return (job.contract_path.parent / "service.log").read_text()
