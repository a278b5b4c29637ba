"""What `stream status` and the metrics say of a live job, of a stopped one, and of one whose broker is away."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from plumbline.cli import run
from plumbline.contract.errors import SetupError
from plumbline.stream_job.metrics import METRICS
from plumbline.stream_job.service import Life
from tests.support.model import Event
from tests.support.scenario import Scenario, until

pytestmark = [pytest.mark.spark, pytest.mark.kafka]

IDLE_AFTER = timedelta(seconds=4)


@pytest.fixture
def job(new_scenario: Callable[..., Scenario]) -> Scenario:
    return new_scenario(stream={"state": "memory"})


def test_a_job_from_its_first_event_to_its_end(job: Scenario, capsys: pytest.CaptureFixture[str]) -> None:
    assert status(job, capsys) == (3, None)
    said: list[str] = []
    job.feed([Event("a", 100), Event("b", 130, partition=1)], [Event("a", 120, "p"), Event("bad", None, raw=b"}")])
    with job.running(Life(idle_after=IDLE_AFTER, metrics_port=0), said.append):
        job.caught_up()
        until(lambda: status(job, capsys)[1] is not None, "no status")
        left_goes_on_alone(job, said)
        code, found = status(job, capsys)
        assert code == 1
        assert found["running"]
        assert found["phase"] == "running"
        assert found["held_back_by"] == "payments"
        assert found["sources"]["payments"]["idle"]
        assert found["sources"]["payments"]["watermark"] == "2024-03-01T01:50:00Z"
        assert not found["sources"]["orders"]["idle"]
        assert found["watermark"] == "2024-03-01T01:50:00Z"
        assert found["state"]["rows"] >= 3
        assert found["last_commit"]["epoch"] == found["epoch"]["number"]
        assert found["warnings"][0].startswith("payments has had no new event for")
        address = next(line.split()[-1] for line in said if "metrics on" in line)
        assert_metrics(job, scraped(address))
        job.feed([], [Event("b", 140, "p")]).caught_up()
        until(lambda: any("payments is no longer idle" in line for line in said), "the end of the silence is not said")
    with pytest.raises(urllib.error.URLError):
        scraped(address)
    code, found = status(job, capsys)
    assert (code, found["running"], found["phase"], found["warnings"]) == (0, False, "stopped", [])
    assert sum(found["quarantine"].values()) == 1
    job.feed([Event("c", 200), Event("d", 201)], [])
    code, found = status(job, capsys)
    assert (code, found["warnings"]) == (1, ["the job does not run, and 2 events wait to be read"])
    assert found["sources"]["orders"]["lag"] == {"0": 2, "1": 0}
    page = shown(job, capsys)
    assert "does not run" in page
    assert "warning: the job does not run, and 2 events wait" in page
    job.change_contract(kafka={"bootstrap.servers": "127.0.0.1:1"})
    code, found = status(job, capsys)
    assert code == 3
    assert found["sources"]["orders"]["lag"] is None
    assert found["unknown"][0].startswith("lag: no Kafka broker answers")


def test_a_taken_port_is_one_line(job: Scenario) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(SetupError, match=f"the metrics port {port} cannot be used: Address already in use"),
            job.running(Life(metrics_port=port)),
        ):
            until(lambda: not job._alive(), "it goes on without its port")


def left_goes_on_alone(job: Scenario, said: Sequence[str]) -> None:
    """Feed the left side, an event at a time, until the job says that the right one is idle."""
    numbers = count(1)

    def told() -> bool:
        last = job.ledger.read(job.ledger.last_epoch())
        if sum(last.end[0].values()) == len(job.placed["left"]):
            job.feed([Event(f"n{next(numbers)}", 140)], [])
        return any("warning: payments has had no new event" in line for line in said)

    until(told, "the idle source is not named")


def assert_metrics(job: Scenario, text: str) -> None:
    for metric in METRICS:
        name = metric.shown.removesuffix("_total") if metric.kind == "counter" else metric.shown
        assert f"# HELP {name}" in text
    name = job.contract.contract

    def value(shown: str) -> float:
        return float(next(line.split()[-1] for line in text.splitlines() if line.startswith(shown)))

    assert value(f'plumbline_stream_events_total{{contract="{name}",source="payments"}}') == 2
    assert value(f'plumbline_stream_idle_seconds{{contract="{name}",source="payments"}}') > 4
    assert value(f'plumbline_stream_lag_events{{contract="{name}",partition="1",source="payments"}}') == 0
    assert value(f'plumbline_stream_watermark_seconds{{contract="{name}"}}') == 1_709_257_800
    assert value(f'plumbline_stream_state_rows{{contract="{name}"}}') >= 3
    assert value(f'plumbline_stream_retries_total{{contract="{name}"}}') == 0
    assert value(f'plumbline_stream_last_commit_timestamp_seconds{{contract="{name}"}}') > 1_700_000_000


def scraped(address: str) -> str:
    with urllib.request.urlopen(address, timeout=30) as answer:
        return str(answer.read().decode())


def status(job: Scenario, capsys: pytest.CaptureFixture[str]) -> tuple[int, Any]:
    """Exit code and document of `plumbline stream status --json`."""
    capsys.readouterr()
    code = _exit(["stream", "status", str(job.contract_path), "--home", str(job.home.root), "--json"])
    out = capsys.readouterr().out
    return code, json.loads(out) if out else None


def shown(job: Scenario, capsys: pytest.CaptureFixture[str]) -> str:
    """The page of `plumbline stream status`."""
    capsys.readouterr()
    _exit(["stream", "status", str(job.contract_path), "--home", str(job.home.root)])
    return capsys.readouterr().out


def _exit(arguments: list[str]) -> int:
    try:
        return run(arguments)
    except SystemExit as end:
        return int(end.code or 0)


def test_the_metrics_are_those_of_the_docs() -> None:
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
    assert [metric.shown for metric in METRICS if f"`{metric.shown}`" not in page] == []
