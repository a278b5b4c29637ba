"""Records of aborted transactions are no events: not of the join, not of the archive, and no loss where they lack."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from plumbline.connect.home import Home
from plumbline.connect.kafka_config import ISOLATION, READ_COMMITTED, READ_UNCOMMITTED
from plumbline.connect.lake import Lake
from plumbline.connect.tables import ARCHIVE_SCHEMA
from plumbline.contract.errors import UsageError
from plumbline.contract.loader import load
from plumbline.contract.model import Contract
from plumbline.contract.ranges import TimeRange, parse_time
from plumbline.replay.plan import make_plan
from plumbline.replay.recover.run import Wanted, recover
from plumbline.stream_job import fingerprint, isolation
from plumbline.stream_job.job_folder import JobFolder
from plumbline.stream_job.status import look
from tests.support.model import Event
from tests.support.scenario import Scenario, contract_body
from tests.support.transactions import begun, sent


def hour(job: Scenario, at: int) -> None:
    """An hour whose events were sent, aborted, and sent again with other values."""
    orders = [Event(f"o{m}", 60 * at + m, partition=m // 10 % 2) for m in (0, 10, 20)]
    payments = [Event(f"o{m}", 60 * at + m + 1, f"p{m}", partition=m // 20 % 2) for m in (0, 10, 20)]
    for side, events in (("left", orders), ("right", payments)):
        sent(job, side, [replace(event, name="aborted", amount=999.0) for event in events], commit=False)
        sent(job, side, events, commit=True)


def amounts(job: Scenario) -> list[float | None]:
    return [row.amount for row in job.rows()] + [row.paid for row in job.rows()]


@pytest.mark.spark
@pytest.mark.kafka
def test_aborted_records_are_read_nowhere_and_count_as_no_loss(new_scenario: Callable[..., Scenario]) -> None:
    job = new_scenario()
    hour(job, 0)
    job.epoch()
    hour(job, 5)
    with begun(job, "left", [Event("open", 301, partition=1)]):
        job.epoch()
        lines = look(job.contract, job.home)
        assert lines.waiting == 0
        assert lines.as_json()["sources"]["orders"]["held_by_transactions"] == 1
    job.epoch()
    assert {len(rows) for rows in job.archived().values()} == {6}
    assert 999.0 not in amounts(job)
    assert len(job.rows()) == 6
    assert (look(job.contract, job.home).waiting, isolation.of_job(job.job)) == (0, READ_COMMITTED)
    job.batch()
    found = job.reconcile(TimeRange(end=parse_time("2024-03-01T01:00:00Z", "to")))
    assert (found["verdict"], found["balanced"]) == ("clean", True), found

    first = TimeRange(parse_time("2024-03-01T00:00:00Z", "from"), parse_time("2024-03-01T01:00:00Z", "to"))
    for door in ("auto", "kafka"):
        planned = make_plan(job.contract, job.contract_path, job.home, first, source=door).sources
        assert {name: source.rows for name, source in planned.items()} == {"orders": 3, "payments": 3}, door
    told = recover(job.contract, job.home, Wanted(force=True, execute=True), spark=job.spark)
    assert (told["executed"], told["proof"]["missing"], told["proof"]["extra"]) == (True, 0, 0)
    hour(job, 9)
    job.epoch()
    assert 999.0 not in amounts(job)
    assert len(job.rows()) == 9


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(Home.resolve(tmp_path / "home"))


def contract(tmp_path: Path, **kafka: str) -> Contract:
    file = tmp_path / "c.yaml"
    file.write_text(yaml.safe_dump(contract_body("shop", {"bootstrap.servers": "127.0.0.1:1", **kafka})))
    return load(file)


def job_of(tmp_path: Path, *, checkpoint: bool = False) -> JobFolder:
    made = JobFolder(tmp_path / "job")
    made.join.mkdir(parents=True)
    if checkpoint:
        (made.join / "metadata").write_text('{"id": "q"}')
    return made


def archive(lake: Lake, name: str, level: str | None = None) -> None:
    """An archive with a record; without a level, as one of before it was noted."""
    made = lake.ensure_table(name, ARCHIVE_SCHEMA, properties={isolation.PROPERTY: level} if level else {})
    made.append(ARCHIVE_SCHEMA.empty_table())


def test_a_new_job_reads_committed_records_unless_the_contract_says_otherwise(lake: Lake, tmp_path: Path) -> None:
    job = job_of(tmp_path)
    assert isolation.level(lake, contract(tmp_path), job) == READ_COMMITTED
    asked = contract(tmp_path, **{ISOLATION: READ_UNCOMMITTED})
    assert isolation.settle(lake, asked, job, pytest.fail) == READ_UNCOMMITTED
    assert isolation.of_job(job) == READ_UNCOMMITTED
    assert asked.fingerprint() == contract(tmp_path).fingerprint()


def test_what_was_made_before_levels_were_noted_goes_on_and_says_so(lake: Lake, tmp_path: Path) -> None:
    said: list[str] = []
    job = job_of(tmp_path, checkpoint=True)
    assert isolation.settle(lake, contract(tmp_path), job, said.append) == READ_UNCOMMITTED
    assert "the job's checkpoint was made with isolation.level read_uncommitted and keeps it" in said[0]
    asked = contract(tmp_path, **{ISOLATION: READ_UNCOMMITTED})
    isolation.settle(lake, asked, job, pytest.fail)


def test_the_folder_of_another_contract_of_the_same_name_tells_nothing(lake: Lake, tmp_path: Path) -> None:
    job, mine = job_of(tmp_path, checkpoint=True), contract(tmp_path)
    output = mine.output.model_copy(update={"stream_table": "other.stream"})
    fingerprint.note(job.fingerprint, mine.model_copy(update={"output": output}))
    assert isolation.level(lake, mine, job) == READ_COMMITTED
    fingerprint.note(job.fingerprint, mine)
    assert isolation.level(lake, mine, job) == READ_UNCOMMITTED


def test_an_archive_alone_tells_what_it_holds(lake: Lake, tmp_path: Path) -> None:
    archive(lake, "raw.orders")
    lake.ensure_table("raw.payments", ARCHIVE_SCHEMA)
    assert isolation.level(lake, contract(tmp_path), job_of(tmp_path)) == READ_UNCOMMITTED
    isolation.settle(lake, contract(tmp_path), JobFolder(tmp_path / "job"), lambda line: None)
    assert lake.load("raw.payments").properties[isolation.PROPERTY] == READ_UNCOMMITTED


@pytest.mark.parametrize("checkpoint", [True, False])
def test_another_level_than_that_of_what_exists_is_refused(lake: Lake, tmp_path: Path, checkpoint: bool) -> None:
    archive(lake, "raw.orders")
    with pytest.raises(UsageError, match=r"read_committed is asked for, but .* was made with read_uncommitted"):
        isolation.settle(
            lake,
            contract(tmp_path, **{ISOLATION: READ_COMMITTED}),
            job_of(tmp_path, checkpoint=checkpoint),
            pytest.fail,
        )


def test_two_archives_of_two_levels_are_refused(lake: Lake, tmp_path: Path) -> None:
    archive(lake, "raw.orders", READ_COMMITTED)
    archive(lake, "raw.payments")
    with pytest.raises(UsageError, match=r"raw\.payments was made with .*_uncommitted, raw\.orders with"):
        isolation.level(lake, contract(tmp_path), job_of(tmp_path))
