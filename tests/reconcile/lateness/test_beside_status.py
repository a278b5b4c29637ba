"""What `lateness` calls lost is what Spark counted as dropped: with `where`, and beside quarantined records."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from plumbline.contract.ranges import TimeRange
from plumbline.reconcile.lateness.what_if import what_if
from plumbline.stream_job.status import look
from tests.support.model import START, Event
from tests.support.poison import poisons
from tests.support.scenario import Scenario

pytestmark = [pytest.mark.spark, pytest.mark.kafka]

FIELDS = {"id": "string", "kind": "string", "at": "timestamp", "amount": "long"}
ROUNDS, IN_ROUND = 3, 40
KINDS = {"left": "order", "right": "payment"}


def source(topic: str, kind: str) -> dict[str, Any]:
    return {"topic": topic, "event_time": "at", "where": f"kind = '{kind}' AND amount > 0", "watermark": "10 minutes"}


def event(dice: random.Random, minute: float, kind: str, amount: int) -> Event:
    body = {"id": f"e{dice.randrange(30)}", "kind": kind, "at": (START + timedelta(minutes=minute)).isoformat()}
    return Event("e", minute, raw=json.dumps(body | {"amount": amount}).encode(), partition=dice.randrange(2))


def fed(dice: random.Random, side: str, hour: int) -> list[Event]:
    """Records of an hour; a third of them hours late, a third of them of what the source's `where` leaves out."""
    found = []
    for _ in range(IN_ROUND):
        minute = 60 * hour + dice.uniform(0, 50) - dice.choice([0, 0, dice.uniform(60, 200)])
        amount = dice.choice([-1, 1, 2])
        found.append(event(dice, minute, dice.choice(["order", "payment"]), amount))
    return [*found, *poisons(side), event(dice, 60 * hour + 55, KINDS[side], 1)]


def job_over(new_scenario: Callable[..., Scenario], *, one_topic: bool) -> Scenario:
    job = new_scenario()
    topics = [source.topic for source in job.contract.sources.values()]
    for name, topic, kind in zip(("orders", "payments"), topics, KINDS.values(), strict=True):
        job.rewrite_source(name, fields=FIELDS, **source(topics[0] if one_topic else topic, kind))
    columns = ["orders.amount", {"paid": "payments.amount"}]
    job.change_contract(output={"key": ["id"], "columns": columns})
    return job


@pytest.mark.parametrize("one_topic", [False, True], ids=["two topics", "one topic"])
def test_records_that_were_dropped_are_those_that_lateness_calls_lost(
    one_topic: bool, new_scenario: Callable[..., Scenario]
) -> None:
    job, dice = job_over(new_scenario, one_topic=one_topic), random.Random(12)
    with job.running():
        for hour in range(ROUNDS):
            job.feed(fed(dice, "left", hour), fed(dice, "right", hour)).caught_up()
    dropped = look(job.contract, job.home).as_json()["late_rows"]
    job.batch()
    document = what_if(job.contract, job.home, TimeRange())
    [now] = [choice for choice in document["choices"] if choice["change_ms"] == 0]
    assert dropped
    assert sum(source["lost"] for source in now["sources"].values()) == dropped
    entered = {name: source["records"] for name, source in document["sources"].items()}
    assert all(0 < records < ROUNDS * IN_ROUND for records in entered.values())
    assert not any(source["at_most"] for source in document["sources"].values())
    assert len(job.quarantined()) > 0
