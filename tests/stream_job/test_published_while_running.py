"""What the archiver refused is seen while the job runs, not at its end. Without Spark: queries that do nothing."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from plumbline.connect.home import Home
from plumbline.connect.lake import Lake
from plumbline.connect.tables import ARCHIVE_SCHEMA
from plumbline.contract.errors import SetupError
from plumbline.contract.loader import parse
from plumbline.stream_job import lag, service
from plumbline.stream_job.job_folder import JobFolder
from plumbline.stream_job.late import rows
from plumbline.stream_job.service import Life, Service
from tests.support.late_rows import Life as Grows
from tests.support.shop_contract import TEXT
from tests.support.world import World
from tests.support.world_rows import play, show

QUIET: Any = SimpleNamespace(look=lambda: None, query=lambda name: None, ended=False, trouble=None, retries=0)


def without_spark(**parts: Any) -> Any:
    """Parts of a job whose queries do nothing."""
    return SimpleNamespace(spark=None, equipped=None, **parts)


def bad(offset: int) -> pa.Table:
    row = {"topic": "t.orders", "partition": 0, "offset": offset, "kafka_timestamp": datetime(2024, 3, 1, tzinfo=UTC)}
    return pa.Table.from_pylist([{**row, "quarantine_reason": "not_json"}], schema=ARCHIVE_SCHEMA)


def test_the_quarantine_grows_while_the_job_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "PUBLISH_AFTER_SECONDS", 0.1)
    monkeypatch.setattr(service, "SHARE_OF_PUBLISHING", 1.0)
    home, contract = Home.resolve(tmp_path), parse(TEXT)
    lake, job = Lake.open(home), JobFolder.of(contract, home)
    job.root.mkdir(parents=True)
    lake.ensure_table("raw.orders", ARCHIVE_SCHEMA)
    parts = without_spark(lake=lake, contract=contract, job=job, joins=True)
    running, stop = Service(parts, Life(), lambda message: None), threading.Event()
    thread = threading.Thread(target=running._watch, args=(QUIET, stop))
    thread.start()
    try:
        own = Lake.open(home)
        for offset in range(2):
            own.append("raw.orders", bad(offset))
            deadline = time.monotonic() + 60
            while lag.quarantined(own, contract) != {"not_json": offset + 1}:
                assert time.monotonic() < deadline, "the record is not seen while the job runs"
                time.sleep(0.05)
    finally:
        stop.set()
        thread.join(60)


def test_publishing_takes_a_bounded_share_of_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, contract = Home.resolve(tmp_path), parse(TEXT)
    clock = iter((0.0, 30.0, 30.0))
    parts = without_spark(lake=Lake.open(home), contract=contract, job=JobFolder.of(contract, home))
    running = Service(parts, Life(), lambda message: None)
    monkeypatch.setattr(service, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    monkeypatch.setattr(service.epochs, "publish", lambda *args: 0)
    monkeypatch.setattr(service.quarantine, "publish", lambda *args: 0)
    running.publish()
    assert running._publish_at == 30.0 + 30.0 / service.SHARE_OF_PUBLISHING


def test_late_rows_are_there_while_the_job_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "LOOK_EVERY_SECONDS", 0.0)
    monkeypatch.setattr(rows, "COMMIT_EVERY_SECONDS", 0.0)
    monkeypatch.setattr(rows, "SHARE", 1.0)
    epochs = [show("a", 0), play("pa", "a", 5)], [show("b", 100), play("pb", "b", 100)], [], [show("late", 1)]
    grows = Grows(World.at(tmp_path).play(*epochs))
    world = grows.world
    parts = without_spark(
        lake=Lake.open(world.home), contract=world.contract, job=JobFolder.of(world.contract, world.home), joins=True
    )
    parts.job.root.mkdir(parents=True)
    world.lake.tables()  # the catalog is there before two threads open it
    said, stop = list[str](), threading.Event()
    running = Service(parts, Life(), said.append)
    monkeypatch.setattr(running, "publish", lambda: None)
    thread = threading.Thread(target=running._watch, args=(QUIET, stop))
    thread.start()
    try:
        grows.commit().archive()
        deadline = time.monotonic() + 60
        while grows.names() != ["late"]:
            assert time.monotonic() < deadline, f"the row is not there while the job runs: {said}"
            time.sleep(0.05)
    finally:
        stop.set()
        thread.join(60)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (SetupError("column epoch of plumbline.late is string"), "column epoch of plumbline.late is string"),
        (RuntimeError("a defect"), "RuntimeError('a defect')"),
    ],
)
def test_what_hinders_the_late_rows_does_not_end_the_job(
    error: Exception, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, contract = Home.resolve(tmp_path), parse(TEXT)
    parts = without_spark(lake=Lake.open(home), contract=contract, job=JobFolder.of(contract, home), joins=True)
    said = list[str]()
    running = Service(parts, Life(), said.append)

    def refused(*_: object, **__: object) -> int:
        raise error

    monkeypatch.setattr(running.late, "note", refused)
    running.note_late()
    assert said == [f"stream: late rows are noted later: {told}"]
    assert running._late_at > time.monotonic()
