"""Every kind of join over real topics: random epochs, late on either side, at the very borders of the watermark.

The stream's table equals the plain model row for row, the batch reference equals it whole and range by range, and
reconcile explains every difference between the two.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from plumbline.contract.ranges import TimeRange
from plumbline.replay.audit import audit
from plumbline.replay.plan import make_plan
from plumbline.replay.play import run
from plumbline.replay.publish import publish
from plumbline.replay.store import ReplayFolder
from tests.support.model import START, Event, joined
from tests.support.scenario import Feed, Scenario, within

pytestmark = [pytest.mark.spark, pytest.mark.kafka]

NewScenario = Callable[..., Scenario]
MS = 1 / 60_000
KINDS = {"inner": (-20, 40), "left_outer": (-30, -5), "right_outer": (10, 30), "full_outer": (-20, 40)}
"""Kind of join to its `within`, in minutes: around zero, both below, both above."""


def random_feed(dice: random.Random, side: str, count: int = 160) -> Feed:
    """Events in rising order of a clock of two minutes each, most a little out of order and one in six far behind.

    Few ids, so that many match many; times on the minute or a hair beside it, as watermarks and windows are.
    """
    events = []
    for n in range(count):
        behind = dice.choice([0, 1, 2, 5, 9, 10, dice.randrange(10, 90)])
        hair = dice.choice([0, 0, MS, -MS, MS / 1000, -MS / 1000])
        name = f"{side}{n}"
        events.append(Event(f"k{dice.randrange(12)}", 200 + 2 * n - behind + hair, name, partition=dice.randrange(2)))
    return events


@pytest.mark.parametrize("kind", KINDS)
def test_random_epochs_equal_the_model(kind: str, new_scenario: NewScenario) -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    dice = random.Random(seed)
    job = new_scenario(join={"kind": kind, "within": within(*KINDS[kind])}, stream={"max_events_per_epoch": 20})
    # One of the two sides is fed half first: the stream also starts again in the middle of it.
    lefts, rights = random_feed(dice, "o"), random_feed(dice, "p")
    job.feed(lefts[:80], rights[:80]).epoch()
    job.feed(lefts[80:], rights[80:]).epoch()
    job.expect()
    late = job.outcome().late
    assert {name[0] for name in late} == {"o", "p"}
    job.batch()
    assert job.rows("joined.batch") == joined(job.contract, job.placed["left"], job.placed["right"], None)
    books = job.reconcile()
    assert (books["unexplained"], books["balanced"], books["agrees"]) == (0, True, True)
    assert set(books["causes"]) <= {"late_left", "late_right"}


def explained(books: dict[str, Any], *, agrees: bool | None) -> None:
    assert (books["unexplained"], books["balanced"], books["agrees"]) == (0, True, agrees)


def test_ranges_of_the_batch_reference_join_across_their_borders(new_scenario: NewScenario) -> None:
    """Hour by hour the reference makes the rows that one run over everything makes, also those without a left side.

    Reconcile explains each hour by itself, whether or not the batch has run over its neighbours.
    """
    job = new_scenario(join={"kind": "full_outer", "within": within(-20, 40)}, output={"partition_by": "hour"})
    dice = random.Random(7)
    job.feed(random_feed(dice, "o", 90), random_feed(dice, "p", 90)).epoch()
    hours = [TimeRange(START + timedelta(hours=hour), START + timedelta(hours=hour + 1)) for hour in range(1, 8)]
    job.batch(hours[3])
    explained(job.reconcile(hours[3]), agrees=None)
    for hour in hours:
        job.batch(hour)
    for hour in hours:
        explained(job.reconcile(hour), agrees=None if hour in (hours[0], hours[-1]) else True)
    assert job.rows("joined.batch") == joined(job.contract, job.placed["left"], job.placed["right"], None)
    replayed(job, hours[3])


def replayed(job: Scenario, hour: TimeRange) -> None:
    """A replay of the hour makes the reference's rows, and once published there is nothing to explain in it."""
    contract, home = job.contract, job.home
    plan = make_plan(contract, job.contract_path, home, hour, source="iceberg", late="complete")
    folder = ReplayFolder.of(home, plan.replay_id)
    run(contract, home, plan, folder, spark=job.spark)
    wanted = joined(contract, job.placed["left"], job.placed["right"], None)
    assert job.rows(plan.staging_table) == [row for row in wanted if hour.contains(row.at)]
    assert audit(contract, home, plan, folder)["passed"]
    publish(contract, home, plan, folder)
    assert job.reconcile(hour)["verdict"] == "clean"
