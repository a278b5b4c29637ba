"""`plumbline archive run`, and a streaming job that is a team's own: nothing here starts it or writes its table."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from plumbline.connect.home import Home
from plumbline.contract.errors import UsageError
from plumbline.contract.loader import load
from plumbline.stream_job import adopt, maintain
from plumbline.stream_job import run as job
from tests.support.model import Event
from tests.support.scenario import Scenario, until
from tests.support.visits import ENVIRONMENT, TEXT

THEIRS = {"job": {"kind": "spark"}}


def test_what_starts_or_mends_the_stream_refuses_and_names_the_next_step(tmp_path: Path) -> None:
    from plumbline.replay.recover.run import Wanted, recover

    file = tmp_path / "visits.yaml"
    file.write_text(TEXT + "\njob: {kind: spark}\n")
    contract, home = load(file, ENVIRONMENT), Home.resolve(tmp_path / "home")
    for start in (
        lambda: job.run(contract, home, once=True),
        lambda: adopt.adopt(contract, home, execute=True),
        lambda: recover(contract, home, Wanted(execute=True)),
    ):
        with pytest.raises(UsageError, match="is not Plumbline's but a spark job of your own") as caught:
            start()
        assert caught.value.where == f"{file}:{len(TEXT.splitlines()) + 2}"
        assert caught.value.next_step
    with pytest.raises(UsageError, match="plumbline archive run CONTRACT"):
        job.run(contract, home)
    assert not home.root.exists()


@pytest.mark.kafka
@pytest.mark.spark
def test_the_archivers_run_alone_and_leave_the_stream_table_to_its_job(new_scenario: Callable[..., Scenario]) -> None:
    s = new_scenario(**THEIRS)
    s.feed([Event("a", 1), Event("b", 2, raw=b"no json", poison="not_json")], [Event("a", 3, "pay")])
    first = job.archive(s.contract, s.home, once=True, spark=s.spark)
    assert s.archived() == s.delivered()
    assert s.quarantined() == s.poisoned() != []
    assert not s.lake.exists(s.contract.output.stream_table)
    assert not s.job.join.exists()
    assert job.archive(s.contract, s.home, once=True, spark=s.spark) == first
    stop = threading.Event()
    thread = threading.Thread(target=lambda: job.archive(s.contract, s.home, spark=s.spark, stop=stop), daemon=True)
    thread.start()
    try:
        s.feed([Event("c", 4)])
        until(lambda: s.archived() == s.delivered(), "the archivers have not taken in what came")
    finally:
        stop.set()
        thread.join(60)
    assert not thread.is_alive()
    assert maintain.tables_of(s.lake, s.contract)[:2] == ["raw.orders", "raw.payments"]
