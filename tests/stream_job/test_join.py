"""The streaming join over real topics: its table equals the model, row for row, and so does the batch reference."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.model import Event, joined
from tests.support.scenario import Scenario, within

pytestmark = [pytest.mark.spark, pytest.mark.kafka]

NewScenario = Callable[..., Scenario]
WRONG_AMOUNT = b'{"id": "w", "shop": "s1", "at": "2024-03-01T00:20:00Z", "label": "w", "amount": "many"}'


def not_to_be_read(time: str) -> list[Event]:
    """Records without a readable event time: none of them can enter the join."""
    at = b'"' + time.encode() + b'": '
    return [
        Event("r1", None, raw=b"", poison="tombstone"),
        Event("r2", None, raw=b"\xff\xfe not JSON", poison="not_utf8"),
        Event("r3", None, raw=b'{"id": "r3", ' + at + b'"2024-03-01T00:01:00Z", "label', poison="not_json"),
        Event("r4", None, raw=b'{"id": "r4"}', partition=1, poison="null_event_time"),
        Event("r5", None, raw=b'{"id": "r5", ' + at + b'"yesterday"}', poison="unreadable_event_time"),
        Event("r6", None, raw=b'{"id": "r6", ' + at + b"null}", poison="null_event_time"),
        Event("r7", None, raw=b'["r7"]', poison="not_json"),
        Event("r8", None, raw=b'"r8"', partition=1, poison="not_json"),
    ]


def test_late_events_of_each_side_are_those_that_the_ledger_names(new_scenario: NewScenario) -> None:
    job = new_scenario()
    job.live(
        ([Event("a", 0), Event("b", 5, partition=1)], [Event("a", 10, "pa")]),
        ([Event("c", 100)], [Event("c", 100, "pc")]),
        ([Event("x", 89, partition=1), Event("d", 91)], [Event("b", 60, "pb"), Event("d", 92, "pd")]),
        ([Event("end", 400)], [Event("end", 500, "pend")]),
    )
    job.expect(rows=["a+pa", "b", "c+pc", "d+pd"], late=["pb", "x"])
    assert job.archived() == job.delivered()
    job.batch()
    books = job.reconcile()
    # The late payment takes b+pb out of the stream and leaves b alone there.
    assert (books["causes"], books["unexplained"], books["agrees"]) == ({"late_left": 1, "late_right": 2}, 0, True)
    assert (books["counts"]["batch"], books["counts"]["pending"]) == (6, 1)


def test_disorder_one_to_many_null_keys_and_unreadable_records(new_scenario: NewScenario) -> None:
    job = new_scenario()
    lefts = [Event("b", 30), Event("a", 0, partition=1), Event(None, 7, "nokey"), Event("c", 10), Event("edge", 12)]
    rights = [Event("a", 5, "p1"), Event("a", 0, "p2", partition=1), Event("b", 29, "early"), Event("c", 71, "after")]
    rights += [Event(None, 8, "pnokey"), Event("edge", 72, "last"), Event("a", 30, "p3")]
    lefts += [Event("w", 20, raw=WRONG_AMOUNT, poison="wrong_type"), *not_to_be_read("at")]
    job.live((lefts, rights + not_to_be_read("paid_at")), ([Event("end", 900)], [Event("far", 900)]))
    rows = ["a+p1", "a+p2", "a+p3", "b", "c", "edge+last"]
    job.expect(rows=rows, late=[])
    assert job.archived() == job.delivered()
    assert job.quarantined() == job.poisoned()
    job.batch()
    assert job.rows("joined.batch") == joined(job.contract, job.placed["left"], job.placed["right"], None)
    assert job.reconcile()["verdict"] == "clean"


def test_inner_join_on_two_columns_with_conditions_and_computed_columns(new_scenario: NewScenario) -> None:
    job = new_scenario(
        sources={
            "orders": {"where": "amount > 0 AND doubled < 100", "compute": {"doubled": "amount * 2"}},
            "payments": {"where": "paid IS NOT NULL"},
        },
        join={"kind": "inner", "on": {"id": "id", "shop": "shop"}, "within": within(-10, 30)},
        output={
            "key": ["id", "shop"],
            "columns": ["orders.doubled", "payments.payment", {"rest": "orders.amount - payments.paid"}],
        },
        stream={"state": "rocksdb"},
    )
    lefts = [Event("a", 50, amount=9), Event("a", 50, shop="s2", amount=7), Event("b", 50, amount=0)]
    lefts += [Event("c", 50, amount=50), Event("d", 50, amount=5, partition=1), Event("e", 50), Event("f", 50)]
    rights = [Event("a", 40, "first", amount=2), Event("a", 39, "too early"), Event("b", 50), Event("c", 50)]
    rights += [Event("a", 80, "s2", shop="s2", amount=0.5), Event("d", 81, "too late"), Event("e", 60, amount=None)]
    job.feed(lefts, rights).epoch()
    job.batch()
    for table in ("joined.stream", "joined.batch"):
        found = job.lake.load(table).scan().to_arrow()
        assert tuple(found.column_names) == job.contract.table_columns
        values = found.select(["id", "shop", "doubled", "payment", "rest", "_left_offset", "_right_offset"])
        assert sorted(tuple(row.values()) for row in values.to_pylist()) == [
            ("a", "s1", 18.0, "first", 7.0, 0, 0),
            ("a", "s2", 14.0, "s2", 6.5, 1, 4),
        ]


def test_a_restart_at_every_epoch_and_a_side_that_falls_silent(new_scenario: NewScenario) -> None:
    job = new_scenario(stream={"state": "rocksdb"})
    job.feed([Event("a", 0), Event("b", 100)], [Event("b", 120, "pb")]).epoch()
    assert '"spark.sql.streaming.join.stateFormatVersion":"3"' in (job.job.join / "offsets" / "0").read_text()
    job.feed([Event("c", 300), Event("d", 89)], []).epoch()
    job.expect(rows=["a", "b+pb"], late=["d"])
    job.feed([Event("e", 111), Event("f", 89)], [Event("c", 310, "pc"), Event("b", 90, "late")]).epoch()
    job.expect(rows=["a", "b+pb", "c+pc"], late=["d", "f", "late"])
