"""`output.mode: upsert` on real Spark: the newest row per key in both tables, exactly once under kills."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest

from plumbline.contract.commit_properties import EPOCH_ID, QUERY_ID
from tests.support.model import Event
from tests.support.scenario import Scenario
from tests.support.upserts import CHANGES, newest, orders_with_many_payments

pytestmark = [pytest.mark.spark, pytest.mark.kafka, pytest.mark.slow]

NewScenario = Callable[..., Scenario]


def commits(job: Scenario) -> list[dict[str, str]]:
    """What each commit of the stream table says of itself, oldest first."""
    snapshots = job.lake.load(job.contract.output.stream_table).snapshots()
    return [dict(one.summary.additional_properties) for one in snapshots if one.summary]


def epochs(job: Scenario) -> list[tuple[str, int]]:
    return [(one[QUERY_ID], int(one[EPOCH_ID])) for one in commits(job)]


def test_both_tables_hold_the_newest_row_per_key(new_scenario: NewScenario) -> None:
    job = new_scenario(**CHANGES)
    job.feed([Event("a", 0), Event("b", 1), Event("c", 2)], [Event("a", 5, "a5")])
    job.epoch()
    assert newest(job, job.outcome().rows) == job.rows()
    older, newer = Event("a", 3, "a3"), Event("b", 8, "b8")
    job.feed([], [older, newer, Event("a", 5, "a5b"), Event("b", 8, "b8"), Event("b", 8, "b7")])
    job.epoch()
    assert [row.named() for row in job.rows()] == ["a+a5b", "b+b8"]
    job.feed([Event("z", 300)], [Event("z", 300, "z")])
    job.epoch()
    assert newest(job, job.outcome().rows) == job.rows()
    assert sorted(row.named() for row in job.rows()) == ["a+a5b", "b+b8", "c", "z+z"]
    assert epochs(job) == [(epochs(job)[0][0], number) for number in range(len(list(job.ledger.epochs())))]
    first = job.batch()
    assert (first["rows"], first["changed"]) == (4, True)
    assert job.rows("joined.batch") == job.rows()
    assert len(job.rows("joined.batch_rows")) == 7
    assert job.batch()["changed"] is False
    job.lake.catalog().drop_table("joined.batch_rows")
    assert job.batch()["changed"] is True


def test_a_job_killed_again_and_again_holds_what_one_never_killed_holds(new_scenario: NewScenario) -> None:
    job = new_scenario(**CHANGES, stream={"max_events_per_epoch": 10})
    job.feed(*orders_with_many_payments(14))
    stood = [job.crash("after-sink-commit"), job.crash("during-state-commit"), job.crash("random", 0.4)]
    print(f"killed {stood}")
    job.restart()
    outcome = job.outcome()
    assert job.rows() == newest(job, outcome.rows)
    assert {name[0] for name in outcome.late} == {"o", "p"}
    assert len(outcome.rows) > len(job.rows()) + 20
    found = epochs(job)
    assert len({query for query, _ in found}) == 1
    assert [number for _, number in found] == list(range(len(found))), "each epoch is one commit, in order"
    ledger = list(job.ledger.epochs())
    assert len(found) == len(ledger)
    assert all(before.end == after.start for before, after in pairwise(ledger))
    job.batch()
    document = job.reconcile()
    assert document["unexplained"] == 0
    assert document["balanced"]
    assert {"late_left", "late_right"} <= set(document["causes"]) <= {"late_left", "late_right"}
    assert document["counts"]["stream"] == len(job.rows())
    assert document["counts"]["extra"] == document["counts"]["duplicate"] == 0
