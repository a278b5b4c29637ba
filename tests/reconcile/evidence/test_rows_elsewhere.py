"""A row that the stream table holds elsewhere, under a wrong event time or key: no cause says that it is not there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from plumbline.contract.lineage import COORDINATES, EVENT_TIME
from plumbline.contract.ranges import TimeRange
from tests.reconcile.causes.test_causes import stream_of
from tests.reconcile.causes.test_sharper_causes import SIGN, from_the_future
from tests.support.edits import STREAM
from tests.support.world import OUTPUT, START, Row, World, play, show

MakeWorld = Callable[..., World]
DAY = TimeRange(START, START.replace(day=2))
FAR = START + timedelta(days=60)
PLACES = {"later": FAR, "earlier": START - timedelta(days=60), "no time": None}


def late_left(world: World) -> tuple[Row, str]:
    stream_of(world, [show("x", 3)])
    return Row(world.record("x")), "missing late_left"


def late_left_of_a_pair(world: World) -> tuple[Row, str]:
    stream_of(world, [show("x", 89), play("px", "x", 130)])
    return Row(world.record("x"), world.record("px")), "missing late_left"


def late_right(world: World) -> tuple[Row, str]:
    stream_of(world, [play("pc", "c", 4)])
    return Row(world.record("c"), world.record("pc")), "mismatch late_right"


def late_right_of_two(world: World) -> tuple[Row, str]:
    stream_of(world, [play("pa2", "a", 6)])
    return Row(world.record("a"), world.record("pa2")), "missing late_right"


def late_by_an_event_from_the_future(world: World) -> tuple[Row, str]:
    from_the_future(world, SIGN, [show("x", 15)])
    return Row(world.record("x")), "missing watermark_poisoned"


def in_an_open_window(world: World) -> tuple[Row, str]:
    stream_of(world, after=[show("g", 310)])
    return Row(world.record("g")), "missing pending"


def not_read_yet(world: World) -> tuple[Row, str]:
    stream_of(world, archived_only=[show("y", 310)])
    return Row(world.record("y")), "missing pending"


def of_a_quarantined_record(world: World) -> tuple[Row, str]:
    world.refused = {"q": "null_key"}
    stream_of(world, [show("q", 120)])
    return Row(world.record("q")), "missing quarantined"


PLANTED = (late_left, late_left_of_a_pair, late_right, late_right_of_two, late_by_an_event_from_the_future,
           in_an_open_window, not_read_yet, of_a_quarantined_record)  # fmt: skip
named = pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__.replace("_", " "))


def told(world: World, row: Row) -> str:
    """What is found of the row's records, class and cause."""
    names = " ".join(record.name for record in (row.left, row.right) if record)
    return dict(world.told())[names]


def append(world: World, row: Row, **changed: Any) -> None:
    world.lake.append(STREAM, pa.Table.from_pylist([row.values() | changed], schema=OUTPUT))


@pytest.mark.parametrize(
    ("plant", "place"),
    [*((plant, "later") for plant in PLANTED), (late_left, "earlier"), (late_right, "no time")],
    ids=lambda what: what if isinstance(what, str) else what.__name__.replace("_", " "),
)
def test_a_row_under_a_wrong_event_time(
    plant: Callable[[World], tuple[Row, str]], place: str, make_world: MakeWorld
) -> None:
    world = make_world()
    row, cause = plant(world)
    world.write()
    append(world, row, **{EVENT_TIME: PLACES[place]})
    document = world.reconcile(time_range=DAY).document
    assert (document["verdict"], document["balanced"]) == ("drift", True)
    assert told(world, row) == f"{cause.split()[0]} unexplained"


@named
def test_a_row_under_another_key(plant: Callable[[World], tuple[Row, str]], make_world: MakeWorld) -> None:
    """In the range, and made from these very records: its key is another one."""
    world = make_world()
    row, cause = plant(world)
    world.write()
    append(world, row, show_id="another")
    document = world.reconcile(time_range=DAY).document
    assert (document["verdict"], document["balanced"]) == ("drift", True)
    assert f"{cause.split()[0]} unexplained" in [finding for _, finding in world.told()]
    assert cause not in [finding for _, finding in world.told()]


@named
def test_a_row_of_its_key_that_names_no_records(
    plant: Callable[[World], tuple[Row, str]], make_world: MakeWorld
) -> None:
    """It may be that row: nothing is proven."""
    world = make_world()
    row, cause = plant(world)
    world.write()
    append(world, row, **dict.fromkeys(COORDINATES), **{EVENT_TIME: FAR})
    world.reconcile(time_range=DAY)
    assert told(world, row) == f"{cause.split()[0]} unexplained"


@named
def test_rows_of_other_records_elsewhere_change_nothing(
    plant: Callable[[World], tuple[Row, str]], make_world: MakeWorld
) -> None:
    world = make_world()
    row, cause = plant(world)
    world.write()
    other = replace(row, left=replace(row.left, offset=900), right=row.right and replace(row.right, offset=900))
    append(world, other, **{EVENT_TIME: FAR})
    append(world, other, show_id="another", **dict.fromkeys(COORDINATES), **{EVENT_TIME: FAR})
    world.reconcile(time_range=DAY)
    assert told(world, row) == cause


@pytest.mark.parametrize("moment", [None, FAR, START + timedelta(days=1)], ids=["no time", "outside", "another day"])
def test_a_kept_day_is_read_again_once_its_late_row_stands_elsewhere(
    moment: datetime | None, make_world: MakeWorld
) -> None:
    world = settled(make_world)
    assert world.reconcile().document["causes"] == {"late_left": 1}
    assert world.reconcile().document["reused"]["partitions"] > 5
    append(world, Row(world.record("x")), **{EVENT_TIME: moment})
    document = world.reconcile().document
    assert document["reused"]["partitions"] > 4
    assert "late_left" not in document["causes"]


def test_a_kept_day_stays_kept_beside_other_rows_outside_of_the_range(make_world: MakeWorld) -> None:
    world = settled(make_world)
    world.reconcile()
    kept = world.reconcile().document["reused"]["partitions"]
    append(world, Row(replace(world.record("x"), offset=900)), **{EVENT_TIME: FAR})
    document = world.reconcile().document
    assert (document["reused"]["partitions"], document["causes"]) == (kept, {"late_left": 1})


def settled(make_world: MakeWorld) -> World:
    """A week of settled days; the row of `x` is lost to lateness on one of them."""
    world, last = make_world(), 6 * 1440
    world.batch_range = (START - timedelta(days=4), START + timedelta(days=3))
    first, second = [show("a", 0), play("pa", "a", 5)], [show("d", 2000), play("pd", "d", 2001)]
    return world.play(first, second, [], [show("x", 3)], [show("end", last), play("pe", "end", last)], []).write()
