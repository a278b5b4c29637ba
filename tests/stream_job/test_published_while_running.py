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
from plumbline.contract.loader import parse
from plumbline.stream_job import lag, service
from plumbline.stream_job.job_folder import JobFolder
from plumbline.stream_job.service import Life, Service
from tests.support.shop_contract import TEXT

QUIET: Any = SimpleNamespace(look=lambda: None, query=lambda name: None, ended=False, trouble=None, retries=0)


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
    parts: Any = SimpleNamespace(lake=lake, contract=contract, job=job, joins=True)
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
    parts: Any = SimpleNamespace(lake=Lake.open(home), contract=contract, job=JobFolder.of(contract, home))
    running = Service(parts, Life(), lambda message: None)
    monkeypatch.setattr(service, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    monkeypatch.setattr(service.epochs, "publish", lambda *args: 0)
    monkeypatch.setattr(service.quarantine, "publish", lambda *args: 0)
    running.publish()
    assert running._publish_at == 30.0 + 30.0 / service.SHARE_OF_PUBLISHING
