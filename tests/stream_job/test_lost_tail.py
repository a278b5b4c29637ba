"""A topic that lost its newest records, as after a power cut, and was filled again: other records at old offsets."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from plumbline.connect import broker
from plumbline.connect.home import Home
from plumbline.connect.pinned import connection
from plumbline.contract.errors import IncompleteError, SetupError
from plumbline.replay.looking import look
from plumbline.stream_job.archiver import read_to
from tests.support.model import Event
from tests.support.scenario import Scenario, until

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [pytest.mark.kafka, pytest.mark.spark]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A home with a broker of its own."""
    home = Home.resolve(tmp_path / "broker")
    broker.start(home)
    yield home
    broker.stop(home)


def lose_the_tail(home: Home, topic: str, partition: int, keep: float) -> None:
    """End the broker as a power cut does, with the end of a partition's log never written to the disk; start it."""
    there = broker.status(home)
    assert there is not None
    os.kill(there.pid, signal.SIGKILL)
    until(lambda: broker.status(home) is None, "the broker lives")
    (log,) = sorted((there.data_dir).glob(f"**/{topic}-{partition}/*.log"))[-1:]
    os.truncate(log, int(log.stat().st_size * keep))
    port = int(there.bootstrap_servers.rpartition(":")[2])
    until(lambda: broker.is_free(port), f"port {port} is taken")
    broker.start(home, port=port)


def orders(numbers: range) -> list[Event]:
    return [Event(f"o{n}", float(n % 50), partition=0) for n in numbers]


def test_a_topic_that_holds_other_records_at_old_offsets_is_refused(
    home: Home, tmp_path: Path, spark: SparkSession
) -> None:
    there = broker.status(home)
    assert there is not None
    kafka = {"bootstrap.servers": there.bootstrap_servers}
    scenario = Scenario.begin(tmp_path, kafka, "lost_tail", {})
    for n in range(10):
        scenario.feed(orders(range(n, n + 1)))
    scenario.epoch()
    before = scenario.ledger.last_epoch()
    lose_the_tail(home, "lost_tail.orders", 0, 0.55)
    for n in range(10, 20):
        scenario.feed(orders(range(n, n + 1)))
    with pytest.raises(
        SetupError, match=r"topic lost_tail\.orders holds another record at offset 9 of partition 0 than"
    ):
        scenario.epoch()
    assert scenario.ledger.last_epoch() == before
    with (
        connection() as con,
        pytest.raises(IncompleteError, match=r"holds another record at offset 9 .* use --source iceberg"),
    ):
        look(con, scenario.lake, scenario.home, scenario.contract, "orders", "auto")


def test_an_archivers_log_that_is_cut_off_tells_nothing(tmp_path: Path) -> None:
    """The join's start asks it before the archiver's own start puts such a checkpoint aside."""
    assert read_to(tmp_path) == {}
    for log in ("offsets", "commits"):
        (tmp_path / log).mkdir()
    (tmp_path / "commits" / "0").write_text("v1\n{}")
    assert read_to(tmp_path) == {}
    offsets = tmp_path / "offsets" / "0"
    offsets.write_text('v1\n{}\n{"t":{"0":3,"1":5}}')
    assert read_to(tmp_path) == {0: 3, 1: 5}
    for cut in ("v1", "", 'v1\n{}\n{"t":{"0":', "v1\n{}\n-"):
        offsets.write_text(cut)
        assert read_to(tmp_path) == {}, cut
