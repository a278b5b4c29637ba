"""Debezium over a real topic: stream, batch, replay, reconcile and explain take the rows that were added."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from plumbline.contract.debezium import OLD_KEY
from plumbline.contract.ranges import TimeRange
from plumbline.reconcile.explain.explain import explain
from plumbline.replay import play
from plumbline.replay.plan import make_plan
from plumbline.replay.steps import open_replay
from tests.support.model import START, Event, named
from tests.support.scenario import Scenario

pytestmark = [pytest.mark.spark, pytest.mark.kafka]

ORDER = {"id": "string", "shop": "string", "at": "timestamp_micros", "label": "string", "amount": "decimal_base64(8,2)"}
REASONS = {"u": "update", "d": "delete", "t": "truncate"}


def change(event: Event, op: str = "c", wrapped: bool = False) -> Event:
    """The same event as the connector writes it: a time in microseconds, a decimal as bytes."""
    amount = round((event.amount or 0) * 100).to_bytes(3, "big", signed=True)
    row = {"id": event.id, "shop": event.shop, "at": event.us, "label": event.called}
    row["amount"] = base64.b64encode(amount).decode()
    gone = op in "dt"
    envelope = {"before": row if gone else None, "after": None if gone else row, "op": op, "source": {"table": "o"}}
    value = {"schema": {"type": "struct"}, "payload": envelope} if wrapped else envelope
    return replace(event, raw=json.dumps(value).encode(), poison=REASONS.get(op))


def deleted(event: Event) -> list[Event]:
    """A delete and the tombstone behind it."""
    return [change(event, "d"), replace(event, raw=b"", poison="tombstone")]


@pytest.fixture(scope="module")
def job(new_scenario: Callable[..., Scenario]) -> Scenario:
    """Orders from a database. `a` is delivered again by a second snapshot; The key of `c` becomes `c2`; `late`
    comes when its hour has closed."""
    job = new_scenario(sources={"orders": {"format": "debezium", "event_id": "id", "where": "shop <> 'test'"}})
    job.rewrite_source("orders", fields=ORDER)
    a, b, c = (Event(key, minute, amount=-26588.24) for key, minute in (("a", 0), ("b", 5), ("c", 10)))
    lefts = [change(a, "r"), change(b, wrapped=True), change(replace(b, amount=2), "u"), *deleted(a), change(c)]
    lefts += [change(Event("t", 11, shop="test")), Event("x", 12, raw=b'{"id": "x"}', poison="not_debezium")]
    job.feed(lefts, [Event("a", 20, "pa"), Event("b", 20, "pb"), Event("t", 20, "pt")]).epoch()
    moved = replace(change(Event("c2", 10)), headers=((OLD_KEY, b"c"),), poison="update")
    job.feed([change(Event("d", 300)), change(a, "r"), moved], [Event("d", 310, "pd")]).epoch()
    job.feed([change(Event("late", 30), wrapped=True), change(a, "t")], [Event("late", 305, "plate")]).epoch()
    job.feed([change(Event("end", 900))], [Event("far", 900, "pend")]).epoch()
    job.batch()
    return job


def test_stream_and_batch_have_the_rows_that_were_added(job: Scenario) -> None:
    assert named(job.rows()) == ["a+pa", "b+pb", "c", "d+pd"]
    assert {float(row.amount or 0) for row in job.rows() if row.label in ("a", "b", "c")} == {-26588.24}
    closed = [row for row in job.rows("joined.batch") if row.label not in ("late", "end")]
    assert closed == job.rows()


def test_what_changed_a_row_is_in_quarantine_with_its_reason(job: Scenario) -> None:
    assert job.quarantined() == job.poisoned()
    reasons = Counter(reason for _, _, _, reason in job.quarantined())
    assert reasons == {"update": 2, "delete": 1, "tombstone": 1, "truncate": 1, "not_debezium": 1}


def test_reconcile_explains_every_difference_and_counts_every_record(job: Scenario) -> None:
    document = job.reconcile()
    assert (document["causes"], document["unexplained"], document["agrees"]) == ({"late_left": 1}, 0, True)
    assert document["records"]["orders"] == {
        "archived": 14,
        "entered": 7,
        "left_out": 1,
        "quarantined": {"delete": 1, "not_debezium": 1, "tombstone": 1, "truncate": 1, "update": 2},
        "waiting": 0,
        "balanced": True,
    }
    assert document["balanced"]


def test_explain_finds_the_records_of_a_key_within_the_envelopes(job: Scenario) -> None:
    story = explain(job.contract, job.home, {"id": "b", "payment": "pb"})
    found = [(one.source, one.offset, one.reason) for one in story.records]
    assert found == [("orders", 1, None), ("orders", 2, "update"), ("payments", 1, None)]


def test_a_replay_has_the_same_rows(job: Scenario) -> None:
    hours = TimeRange(START, START + timedelta(hours=6))
    made = make_plan(job.contract, job.contract_path, job.home, hours, source="iceberg", late="complete")
    play.cut_and_play(open_replay(job.home, made.replay_id), spark=job.spark)
    whole = [row for row in job.rows("joined.batch") if row.label != "end"]
    assert job.rows(made.staging_table) == whole
