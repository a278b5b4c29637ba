"""`reduce` on real Spark: one event per window and key enters the join, by the same rule in both jobs."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from plumbline.contract.ranges import TimeRange
from tests.support.commands import in_here
from tests.support.model import START, Event
from tests.support.reduced import batch_rows, changes, orders_paid_in_bursts, stream_rows
from tests.support.scenario import Scenario

pytestmark = [pytest.mark.spark, pytest.mark.kafka, pytest.mark.slow]

NewScenario = Callable[..., Scenario]


def paid(job: Scenario, table: str) -> dict[str, float]:
    """Of each row with a payment its names, and the minute at which that happened."""
    found = job.lake.load(table).scan().to_arrow().to_pylist()
    minutes = {f"{row['label']}+{row['payment']}": row["paid_at"] and row["paid_at"] - START for row in found}
    return {name: minute / timedelta(minutes=1) for name, minute in minutes.items() if minute is not None}


@pytest.mark.parametrize(("take", "event_id"), [("last", "payment"), ("first", None)])
def test_both_tables_hold_one_row_per_window(new_scenario: NewScenario, take: str, event_id: str | None) -> None:
    job = new_scenario(**changes(take, event_id))
    job.feed(
        [Event("a", 0), Event("b", 1), Event("c", 2)],
        [Event("a", 3, "a3"), Event("a", 7, "a7"), Event("a", 7, "a6"), Event("a", 12, "a12"), Event("b", 9, "b9")],
    )
    job.epoch()
    job.feed([Event("z", 19)], [Event("a", 8, "a8"), Event("z", 19, "z19")])
    job.epoch()
    # The watermark is at 9 minutes: of one window, open until 10, an event at 8.5 is late only where copies are sought.
    job.feed([], [Event("b", 8.5, "b8"), Event("a", 9.5, "a9", partition=1), Event("a", 9.5, "a9", partition=0)])
    job.epoch()
    job.feed([Event("y", 300)], [Event("y", 301, "y"), Event("c", 2, "late")])
    job.epoch()
    job.feed([Event("y2", 400)], [Event("y2", 401, "y2")])
    job.epoch()
    assert job.rows() == stream_rows(job)
    first = job.batch()
    assert first["changed"] is True
    assert job.rows("joined.batch") == batch_rows(job)
    if take == "last":
        assert {"a+a9", "a+a12", "b+b9"} <= {row.named() for row in job.rows()}
        assert paid(job, "joined.stream")["a+a9"] == 9.5
        assert paid(job, "joined.batch")["b+b9"] == 9
    assert job.batch()["changed"] is False
    document = job.reconcile()
    assert (document["unexplained"], document["balanced"]) == (0, True)
    assert set(document["causes"]) <= {"late_right"}


def maintained(job: Scenario) -> dict[str, Any]:
    """What `plumbline maintain` did, by table; all that is not needed is old enough."""
    ages = ["--older-than=0 seconds", "--keep-runs=0 seconds"]
    here = (f"--home={job.home.root}", "--json")
    done = in_here("maintain", job.contract_path, "--execute", *ages, *here, folder=job.home.root)
    return {table["table"]: table for table in json.loads(done.stdout or done.stderr)["tables"]}


def told(document: dict[str, Any]) -> list[Any]:
    """What a comparison found, without what names the moment."""
    return [document[name] for name in ("verdict", "counts", "causes", "balanced")]


def test_a_killed_and_maintained_job_holds_what_another_holds(new_scenario: NewScenario) -> None:
    job = new_scenario(**changes("last", None), stream={"max_events_per_epoch": 30})
    job.feed(*orders_paid_in_bursts(8))
    print(f"killed {job.crash('during-state-commit')}")
    job.restart()
    assert job.rows() == stream_rows(job)
    ledger = list(job.ledger.epochs())
    assert all(before.end == after.start for before, after in pairwise(ledger))
    part = TimeRange(START + timedelta(minutes=190), START + timedelta(minutes=310))
    for time_range in (part, None):
        job.batch(time_range)
    assert job.rows("joined.batch") == batch_rows(job)
    document = job.reconcile()
    assert document["unexplained"] == 0
    assert document["balanced"]
    assert set(document["causes"]) == {"late_left", "late_right"}

    of_part = told(job.reconcile(part))
    done = maintained(job)
    assert all(done[table]["expire"] > 0 for table in ("joined.stream", "joined.batch_rows", "raw.payments"))
    assert told(job.reconcile()) == told(document)
    assert told(job.reconcile(part)) == of_part
    job.feed([Event("end", 900)], [Event("end", 901, "p-end")]).epoch()
    assert job.rows() == stream_rows(job)
