"""Updates of a database's rows over a real topic: of each key and window the last state is joined, in both jobs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from plumbline.contract.debezium import OLD_KEY
from tests.support.model import START, Event
from tests.support.reduced import batch_rows, changes, stream_rows
from tests.support.scenario import Scenario

pytestmark = [pytest.mark.spark, pytest.mark.kafka]

REFUSED = {"d": "delete", "t": "truncate"}


def change(op: str, event: Event, wrapped: bool = False) -> Event:
    """The payment as the connector writes what became of its row, which has no time of its changes."""
    row = json.loads(event.value("right") or b"") | {"paid_at": START.isoformat()}
    after = None if op in REFUSED else row
    envelope = {"before": None if op in "cr" else row, "after": after, "op": op}
    envelope["source"] = {"table": "payments", "ts_ms": (event.us or 0) // 1000}
    value = {"schema": {"type": "struct"}, "payload": envelope} if wrapped else envelope
    return replace(event, raw=json.dumps(value).encode(), poison=REFUSED.get(op))


def tombstone(event: Event) -> Event:
    return replace(event, raw=b"", poison="tombstone")


def test_the_last_state_of_a_window_is_joined_in_both_jobs(new_scenario: Callable[..., Scenario]) -> None:
    """`a` is updated within a window, twice at one time, and in the next; `b` is deleted; `c` gets another key; of
    `d` the update comes when its window has closed, of `e` only updates are seen, the last of them late."""
    job = new_scenario(**changes("last", None))
    fields = {**job.contract.right.fields, "__source_ts_ms": "timestamp_millis"}
    job.rewrite_source("payments", format="debezium", fields=fields, event_time="__source_ts_ms")
    b = Event("b", 4, "b1", amount=2)
    job.feed(
        [Event(key, minute) for minute, key in enumerate("abcde")],
        [
            change("r", Event("a", 5, "a1")),
            change("u", Event("a", 7, "a2"), wrapped=True),
            change("u", Event("a", 7, "a3")),
            change("c", b),
            change("d", b),
            tombstone(b),
            replace(change("c", Event("c", 6, "c1")), headers=((OLD_KEY, b"x"),)),
            change("c", Event("d", 6, "d1")),
            change("u", Event("e", 8, "e1")),
            change("r", Event("a", 5, "a1")),
        ],
    )
    job.epoch()
    job.feed([Event("z", 15)], [change("u", Event("a", 12, "a4")), change("u", Event("e", 9, "e2"))]).epoch()
    job.feed([Event("y", 300)], [change("c", Event("y", 301, "y1")), change("t", Event("y", 301))]).epoch()
    job.feed([], [change("u", Event("d", 7, "d2")), change("u", Event("e", 9.5, "e3"))]).epoch()
    job.feed([Event("end", 600)], [change("c", Event("end", 601, "end1"))]).epoch()
    job.batch()

    assert job.rows() == stream_rows(job)
    assert job.rows("joined.batch") == batch_rows(job)
    paid = {row.named() for row in job.rows() if row.payment is not None}
    assert paid == {"a+a3", "a+a4", "b+b1", "c+c1", "d+d1", "e+e2", "y+y1"}
    assert {row.named() for row in job.rows("joined.batch")} >= {"a+a3", "a+a4", "b+b1", "c+c1", "d+d2", "e+e3"}
    assert Counter(reason for *_, reason in job.quarantined()) == {"delete": 1, "tombstone": 1, "truncate": 1}
    document = job.reconcile()
    assert (document["causes"], document["unexplained"], document["balanced"]) == (
        {"late_right": 2},
        0,
        True,
    )
    assert document["records"]["payments"]["quarantined"] == {"delete": 1, "tombstone": 1, "truncate": 1}
