"""Contracts that change in the middle of a run, with open state on both sides: no key is lost, old state meets new
events, the tables follow, and the batch reads old and new events alike."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from plumbline.cli import run
from tests.support.model import Event
from tests.support.scenario import Scenario

pytestmark = [pytest.mark.spark, pytest.mark.kafka]

NewScenario = Callable[..., Scenario]
BEYOND_INT = 3_000_000_000
BATCH, STREAM = "joined.batch", "joined.stream"

ORDER = {"id": "string", "shop": "string", "at": "timestamp", "label": "string", "amount": "double"}
BEFORE = {**ORDER, "pieces": "int", "weight": "float", "note": "string"}
AFTER = {**ORDER, "pieces": "long", "weight": "double", "coupon": "string", "title": "string"}
PAYMENT = {"id": "string", "shop": "string", "paid_at": "timestamp", "payment": "string", "paid": "double"}
COMMON = ["orders.amount", "payments.payment", "payments.paid", "orders.pieces", "orders.weight", "payments.cents"]


def begun(new_scenario: NewScenario) -> Scenario:
    return new_scenario(
        sources={"orders": {"fields": BEFORE}, "payments": {"fields": {**PAYMENT, "cents": "int"}}},
        output={"columns": ["orders.label", *COMMON, "orders.note"]},
    )


def evolve(job: Scenario) -> None:
    """All five at once: coupon added, note dropped, pieces and cents and weight widened, label renamed to title."""
    fields = {name: kind for name, kind in AFTER.items() if name != "label"}
    job.change_contract(output={"columns": [{"label": "orders.title"}, *COMMON, "orders.coupon"]})
    job.rewrite_source("orders", fields=fields, aliases={"title": ["label"]})
    job.rewrite_source("payments", fields={**PAYMENT, "cents": "long"}, aliases={})


def spelled(event: Event, side: str, **more: Any) -> Event:
    """The event with more fields in its JSON; one that is None is left out."""
    value = json.loads(Event.value(event, side) or b"{}")
    value = {key: part for key, part in (value | more).items() if part is not None}
    return Event(
        event.id, event.minute, event.name, event.shop, event.amount, event.partition, json.dumps(value).encode()
    )


def old_order(key: str, minute: float, pieces: int) -> Event:
    return spelled(Event(key, minute), "left", pieces=pieces, weight=0.5, note="n")


def new_order(key: str, minute: float, pieces: int | None, coupon: str | None = None) -> Event:
    return spelled(Event(key, minute), "left", label=None, title=key, pieces=pieces, weight=0.5, coupon=coupon)


def payment(key: str, minute: float, name: str, cents: int) -> Event:
    return spelled(Event(key, minute, name), "right", cents=cents)


def values(job: Scenario, table: str, *columns: str) -> dict[str, tuple[Any, ...]]:
    """Order's id, or the payment's, to some of its row's columns."""
    rows = job.lake.load(table).scan().to_arrow().to_pylist()
    return {row["id"]: tuple(row.get(column) for column in columns) for row in rows}


def test_five_changes_at_once_with_open_state_and_a_kill_before_the_first_commit(new_scenario: NewScenario) -> None:
    job = begun(new_scenario)
    orders = [old_order("done", 0, 1), old_order("waits", 20, 2), old_order("alone", 21, 3)]
    job.feed(orders, [payment("done", 5, "p1", 10), payment("later", 30, "p2", 20)])
    job.epoch()
    job.expect(rows=["done+p1"])
    evolve(job)
    job.feed(
        [new_order("later", 25, BEYOND_INT, "c"), new_order("sparse", 26, None)],
        [payment("waits", 31, "p3", BEYOND_INT)],
    )
    job.crash("after-offset-log")
    job.restart()
    job.expect(rows=["done+p1", "waits+p3", "later+p2"])
    job.feed([new_order("end", 400, 1)], [payment("far", 400, "pend", 1)])
    job.epoch()
    job.expect(rows=["done+p1", "waits+p3", "later+p2", "alone", "sparse"])
    assert values(job, STREAM, "pieces", "weight", "cents", "coupon", "note") == {
        "done": (1, 0.5, 10, None, "n"),
        "waits": (2, 0.5, BEYOND_INT, None, None),
        "alone": (3, 0.5, None, None, None),
        "later": (BEYOND_INT, 0.5, 20, "c", None),
        "sparse": (None, 0.5, None, None, None),
    }
    job.batch()
    kept = ("label", "pieces", "weight", "cents", "coupon")
    stream, batch = values(job, STREAM, *kept), values(job, BATCH, *kept)
    assert {key: batch[key] for key in stream} == stream
    assert job.reconcile()["verdict"] == "clean"
    types = {field.name: str(field.field_type) for field in job.lake.load(STREAM).schema().fields}
    assert list(types)[-1] == "coupon"
    assert (types["pieces"], types["weight"], types["cents"], types["note"]) == ("long", "double", "long", "string")
    assert job.archived() == job.delivered()


def test_a_join_column_and_the_event_time_are_renamed_and_widened(new_scenario: NewScenario) -> None:
    fields = {**ORDER, "nr": "int"}
    job = new_scenario(
        sources={"orders": {"fields": fields}, "payments": {"fields": {**PAYMENT, "nr": "int"}}}, join={"on": ["nr"]}
    )

    def numbered(event: Event, side: str, number: int, **more: Any) -> Event:
        return spelled(event, side, nr=number, **more)

    job.feed([numbered(Event("a", 10), "left", 1), numbered(Event("b", 11), "left", 2)], [])
    job.epoch()
    job.change_contract(join={"on": {"number": "nr"}})
    renamed = {"id": "string", "shop": "string", "made": "timestamp", "label": "string", "amount": "double"}
    job.rewrite_source("orders", fields={**renamed, "number": "long"}, aliases={"number": ["nr"], "made": ["at"]})
    job.rewrite_source("payments", fields={**PAYMENT, "nr": "long"}, aliases={})
    job.change_contract(sources={"orders": {"event_time": "made"}})
    new = spelled(Event("c", 20), "left", at=None, made="2024-03-01T00:20:00+00:00", number=BEYOND_INT)
    paid = [numbered(Event("a", 15, "pa"), "right", 1), numbered(Event("c", 25, "pc"), "right", BEYOND_INT)]
    job.feed([new], paid)
    job.epoch()
    job.feed([numbered(Event("end", 400), "left", 9)], [numbered(Event("far", 400, "pend"), "right", 8)])
    job.epoch()
    job.expect(rows=["a+pa", "c+pc", "b"])
    job.batch()
    assert job.reconcile()["verdict"] == "clean"


def test_what_a_contract_brings_only_later_is_drift_in_the_rows_before(new_scenario: NewScenario) -> None:
    """Single precision stays in rows written before; a tolerance says so. A column from fields that were always there
    is null in rows of before, and the batch reference has it: real drift, which a replay takes away."""
    job = new_scenario(
        sources={"orders": {"fields": {**ORDER, "weight": "float"}}},
        output={"key": ["id"], "columns": ["orders.label", "orders.weight"]},
    )
    job.feed(
        [spelled(Event("a", 0), "left", weight=0.1), spelled(Event("b", 100), "left", weight=0.2)], [Event("x", 99)]
    )
    job.epoch()
    job.rewrite_source("orders", fields={**ORDER, "weight": "double"}, aliases={})
    job.feed([spelled(Event("c", 120), "left", weight=0.3), spelled(Event("end", 400), "left")], [Event("y", 400)])
    job.epoch()
    job.batch()
    assert values(job, STREAM, "weight") == {
        "a": (pytest.approx(0.1, rel=1e-7),),
        "b": (pytest.approx(0.2, rel=1e-7),),
        "c": (0.3,),
    }
    assert values(job, BATCH, "weight")["a"] == (0.1,)
    assert job.reconcile()["counts"]["mismatch"] == 2
    job.change_contract(reconcile={"tolerances": {"weight": {"rel": 1e-7}}})
    assert job.reconcile()["verdict"] == "clean"


def test_check_says_what_the_checkpoint_takes_and_the_line_that_breaks(
    new_scenario: NewScenario, capsys: pytest.CaptureFixture[str]
) -> None:
    job = begun(new_scenario)
    job.feed([old_order("a", 0, 1)], [])
    job.epoch()
    evolve(job)

    def check() -> tuple[int, str]:
        code = run(["check", str(job.contract_path), "--home", str(job.home.root)])
        return code, "".join(capsys.readouterr())

    code, said = check()
    assert code == 0, said
    assert "field orders.label is now called title" in said
    assert "joined.stream: coupon added, pieces widened to long" in said
    job.change_contract(join={"within": ["0 minutes", "90 minutes"]})
    line = job.contract_path.read_text().splitlines().index("  within:") + 1
    code, said = check()
    assert code == 2
    assert f"{job.contract_path.name}:{line}" in said
    assert "Spark would continue with state kept for the old interval" in said
