"""An event delivered twice counts once, on both sides and in both jobs, wherever and whenever its copy comes."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from plumbline.contract.ranges import TimeRange
from tests.support.model import START, Event, joined, named
from tests.support.scenario import Scenario

pytestmark = [pytest.mark.spark, pytest.mark.kafka]

NewScenario = Callable[..., Scenario]
BOTH = {"orders": {"event_id": "label"}, "payments": {"event_id": "payment"}}


def deliver(job: Scenario) -> None:
    """Copies in one epoch, in a later one, in the other partition, behind the watermark, and after a restart."""
    a, pa = Event("a", 0, "a"), Event("a", 10, "pa")
    other_a, other_pa = Event("a", 0, "a", partition=1), Event("a", 10, "pa", partition=1)
    job.live(
        ([a, a, Event("b", 5, partition=1)], [pa, other_pa]),
        ([other_a, Event("c", 12)], [pa, Event("b", 6, "pb", partition=1)]),
    )
    job.live(
        (
            [a, Event("c", 12, partition=1), Event("d", 100), Event("e", 102, amount=1, partition=1)],
            [Event("b", 6, "pb"), Event("d", 101, "pd")],
        ),
        # Behind the watermark: a copy of what is known, and an event that is new.
        ([other_a, Event("d", 100, partition=1)], [Event("a", 10, "pa"), Event("c", 13, "pc")]),
        # The same id at another time is another event; with another value it is the same one.
        ([Event("d", 95, "d"), Event("e", 102, amount=2)], [Event("d", 101, "pd", partition=1)]),
        ([Event("end", 400)], [Event("pend", 500, "pend")]),
    )


@pytest.fixture(scope="module")
def doubled(new_scenario: NewScenario) -> Scenario:
    job = new_scenario(sources=BOTH)
    deliver(job)
    job.batch()
    return job


def test_stream_and_batch_take_each_event_once(doubled: Scenario) -> None:
    doubled.expect(rows=["a+pa", "b+pb", "c", "d+pd", "d+pd", "e"])
    wanted = joined(doubled.contract, doubled.placed["left"], doubled.placed["right"], None)
    assert doubled.rows("joined.batch") == wanted
    assert doubled.archived() == doubled.delivered()


def test_reconcile_knows_a_late_copy_from_a_late_event(doubled: Scenario) -> None:
    books = doubled.reconcile()
    # c's payment is late: c+pc is missing, and c alone is there. All else that came late had come in time before.
    # Of e's two deliveries the stream took the one that came first, the batch the one in the first partition.
    assert books["causes"] == {"late_right": 2, "duplicate_input": 1}
    assert books["columns"] == {"amount": 1}
    assert (books["unexplained"], books["balanced"], books["agrees"]) == (0, True, True)


def test_a_tape_takes_each_event_once(doubled: Scenario) -> None:
    from plumbline.replay.plan import make_plan
    from plumbline.replay.play import run

    window = TimeRange(START - timedelta(hours=1), START + timedelta(hours=3))
    contract, home = doubled.contract, doubled.home
    plan = make_plan(contract, doubled.contract_path, home, window, source="iceberg", late="complete")
    run(contract, home, plan, spark=doubled.spark)
    rows = joined(contract, doubled.placed["left"], doubled.placed["right"], None)
    wanted = [row for row in rows if window.contains(row.at)]
    assert doubled.rows(plan.staging_table) == wanted


def test_without_an_event_id_multiplicities_agree(new_scenario: NewScenario) -> None:
    job = new_scenario()
    a, pa = Event("a", 0, "a"), Event("a", 10, "pa")
    job.feed([a, a, Event("end", 400)], [pa, pa, Event("pend", 500, "pend")]).epoch()
    job.expect(rows=["a+pa"] * 4)
    job.batch()
    assert job.reconcile()["verdict"] == "clean"


def test_ids_that_are_numbers_or_bytes_tell_events_apart_as_the_batch_does(new_scenario: NewScenario) -> None:
    """Zero is the same id with either sign, and bytes are no text: two ids that are no UTF-8 are two."""
    payment = {"id": "string", "paid_at": "timestamp", "payment": "string", "paid": "double", "uid": "binary"}
    job = new_scenario(
        sources={"orders": {"event_id": "amount"}, "payments": {"event_id": "uid", "fields": payment}},
    )
    orders = [Event("a", 0, "a", amount=-0.0), Event("a", 0, "a", amount=0.0), Event("b", 0, "b", amount=2)]
    payments = [paid_with(uid) for uid in (b"\xff", b"\xfe", b"\xff", b"FF", b"\\xFF")]
    job.live((orders, payments), ([Event("a", 0, "a", amount=0.0, partition=1)], [paid_with(b"\xfe")]))
    job.feed([Event("end", 400, amount=3)], [Event("pend", 500, raw=paid_with(b"end", 500).raw)]).epoch()
    job.batch()
    found = named(job.rows())
    assert found == sorted(["a+fe", "a+ff", "a+4646", "a+5c784646", "b"])
    assert named(job.rows("joined.batch")) == sorted([*found, "end"])
    books = job.reconcile()
    assert (books["verdict"], books["unexplained"]) == ("clean", 0)
    ids = job.lake.load("raw.orders").scan(selected_fields=("event_id",)).to_arrow()["event_id"].to_pylist()
    assert sorted(set(ids)) == ["0.0", "2.0", "3.0"]


def paid_with(uid: bytes, minute: float = 10) -> Event:
    """A payment of a, named by the bytes of its id."""
    name = uid.hex()
    body = json.loads(Event("a", minute, name).value("right") or b"")
    raw = json.dumps({**body, "uid": base64.b64encode(uid).decode()}).encode()
    return Event("a", minute, name, raw=raw)


def test_an_event_id_that_is_the_join_column_costs_no_second_shuffle(new_scenario: NewScenario) -> None:
    job = new_scenario(sources={"orders": {"event_id": "id"}, "payments": {"event_id": "id"}})
    job.feed([Event("a", 0), Event("a", 0, partition=1)], [Event("a", 1, "pa")])
    with job.running():
        job.caught_up()
        (plan,) = (query for query in job.spark.streams.active if query.name is None and "Join" in plan_of(query))
        assert plan_of(plan).count("Exchange hashpartitioning") == 2
    job.expect(rows=["a+pa"])


def plan_of(query: Any) -> str:
    """The physical plan of the query's last epoch."""
    return str(query._jsq.explainInternal(False))
