"""Rows that do not name their records beside late ones: what may be the late record's row is never called missing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from plumbline.contract.loader import parse
from plumbline.contract.ranges import TimeRange
from tests.reconcile.causes.test_causes import stream_of
from tests.reconcile.evidence.test_recomputed_rows import implied, judged, twins
from tests.support.job_reports import DROPPED, reports
from tests.support.unnamed_rows import STREAM, unnamed
from tests.support.world import CONTRACT, World, play, show
from tests.support.world_rows import START, Row

MakeWorld = Callable[..., World]
KEY = "[show_id, seconds]"
TEXT = CONTRACT.replace("KIND", "left_outer").replace("shows.title, plays.play_id, ", "")
MICROSECOND = 1 / 60_000_000
DAY = TimeRange(START, START.replace(day=2))


def rewritten(world: World, table: str, changed: Callable[[dict[str, Any]], dict[str, Any]], **kinds: Any) -> None:
    """The table with other rows, its newest commit as it was."""
    held = world.lake.load(table)
    rows, snapshot = held.scan().to_arrow(), held.current_snapshot()
    assert snapshot is not None
    assert snapshot.summary is not None
    said = {
        name: value
        for name, value in snapshot.summary.additional_properties.items()
        if name.startswith(("spark.", "engine-", "plumbline."))
    }
    schema = pa.schema([pa.field(field.name, kinds.get(field.name, field.type)) for field in rows.schema])
    world.lake.catalog().drop_table(table)
    world.lake.ensure_table(table, schema)
    world.lake.append(table, pa.Table.from_pylist([changed(row) for row in rows.to_pylist()], schema=schema), said)


def with_another_value(world: World, minute: float = 89) -> World:
    """`x` came behind the watermark by the ledger, and yet the job wrote its row, with other seconds."""
    stream_of(world, [show("x", minute), play("px", "x", 130)])
    world.stream.append(replace(Row(world.record("x"), world.record("px")), seconds=7.0))
    return world


def in_ms(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"shown": row["shown"].replace(microsecond=row["shown"].microsecond // 1000 * 1000)}


def test_a_row_of_the_late_event_with_another_key_may_be_its_row(make_world: MakeWorld) -> None:
    world = with_another_value(make_world(key=KEY))
    judged(world, KEY)
    assert world.told() == [("", "extra unexplained"), ("x px", "missing unexplained")]


@pytest.mark.parametrize("time_range", [None, DAY], ids=["everything", "a day"])
def test_a_row_without_an_event_time_may_be_its_row(time_range: TimeRange | None, make_world: MakeWorld) -> None:
    world = with_another_value(make_world(key=KEY))
    judged(world, KEY)
    rewritten(world, STREAM, lambda row: row | ({"shown": None} if row["show_id"] == "x" else {}))
    world.reconcile(time_range=time_range)
    assert {said for records, said in world.told() if records == "x px"} == {"missing unexplained"}


def test_a_job_that_keeps_milliseconds_may_hold_the_row_of_a_reported_record(make_world: MakeWorld) -> None:
    world = with_another_value(make_world(key=KEY), 89 + 400 * MICROSECOND)
    world.ledger = []
    text = TEXT.replace("KEY", KEY)
    unnamed(world, contract=text)
    rewritten(world, STREAM, in_ms)
    world.lake.ensure_table("ops.dropped", DROPPED)
    world.lake.append("ops.dropped", pa.Table.from_pylist(reports(world), schema=DROPPED))
    world.contract = parse(text + "\njob: {kind: flink, event_time: shown, dropped: ops.dropped}\n", "plays.yaml")
    world.reconcile()
    assert ("x px", "missing unexplained") in world.told()


@pytest.mark.parametrize("cut", [False, True], ids=["to the microsecond", "cut to milliseconds"])
def test_events_of_one_millisecond_are_told_apart_by_finer_times(cut: bool, make_world: MakeWorld) -> None:
    """`x1` is late by the ledger and `x2` is not; the only row has the time of `x1`."""
    late, taken = (
        replace(show("x", 90 + shift * MICROSECOND), name=name, partition=partition)
        for name, shift, partition in (("x1", 0, 0), ("x2", 400, 1))
    )
    world = stream_of(make_world(), [late, taken], after=[show("g", 310 + 300 * MICROSECOND), show("h", 400)])
    assert world.late == {"x1": "left"}
    world.stream.append(Row(world.record("g")))
    if not cut:
        world.stream = [Row(world.record("x1")) if row.left.name == "x2" else row for row in world.stream]
    unnamed(world, contract=TEXT.replace("KEY", "[show_id]"))
    if cut:
        rewritten(world, STREAM, in_ms)
    world.reconcile()
    assert ("recomputation" in implied(world)) is cut
    assert (("x1", "missing late_left") in world.told()) is cut


def test_a_value_that_the_batch_cannot_hold_is_not_as_computed(make_world: MakeWorld) -> None:
    """The batch has whole seconds: 5.4 is not 5."""
    world = stream_of(make_world(key=KEY), [play("pa2", "a", 7)])
    world.stream = [replace(row, seconds=5.4) if row.left.name == "a" else row for row in world.stream]
    judged(world, KEY)
    whole = lambda row: row | {"seconds": None if row["seconds"] is None else int(row["seconds"])}  # noqa: E731
    rewritten(world, "joined.plays_batch", whole, seconds=pa.int64())
    world.reconcile()
    assert "recomputation" not in implied(world)


def test_a_row_twice_in_the_batch_does_not_hide_the_late_one_in_the_stream(make_world: MakeWorld) -> None:
    world = twins(make_world(), replace(show("b", 1), name="b3"))
    world.batch.append(next(row for row in world.batch if row.left.name == "b"))
    world.stream.append(Row(world.record("b3")))
    document = judged(world)
    assert "rule" in document["unknown"]["lacking"]
    assert {said.split()[1] for _, said in world.told()} == {"unexplained"}


@pytest.mark.parametrize(("rule", "seconds"), [("{abs: 0.01}", 130.001), ("ignore", 7.0)])
def test_a_late_row_within_tolerance_contradicts_the_ledger(rule: str, seconds: float, make_world: MakeWorld) -> None:
    """`x` is late by the ledger and written; so `y` may have been lost otherwise."""
    world = stream_of(make_world(), [show("x", 89), play("px", "x", 130), show("y", 3)])
    world.stream.append(replace(Row(world.record("x"), world.record("px")), seconds=seconds))
    text = TEXT.replace("KEY", "[show_id]")
    tolerant = text.replace("reconcile:\n", f"reconcile:\n  tolerances: {{seconds: {rule}}}\n")
    document = unnamed(world, contract=tolerant).reconcile().document
    assert world.told() == [("y", "missing unexplained")]
    assert "rule" in document["unknown"]["lacking"]
