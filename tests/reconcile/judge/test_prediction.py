"""What the rules predict, beside rows that are equal although a record behind one of them was late or is not read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest

from plumbline.contract.loader import parse
from plumbline.contract.ranges import micros
from tests.reconcile.causes.test_causes import stream_of
from tests.support.world import CONTRACT, START, Record, World, play, show

MakeWorld = Callable[..., World]


def judged(
    make_world: MakeWorld, epochs: Sequence[Sequence[Record]], columns: str = "[shows.title]", **options: str
) -> tuple[World, bool | None, dict[str, int]]:
    """A world whose output has these columns, whether the prediction agrees, and the causes that are told."""
    world = make_world(**options)
    text = CONTRACT.replace("KEY", options.get("key", "[show_id]")).replace("KIND", options.get("kind", "left_outer"))
    world.contract = parse(text.replace("[shows.title, plays.play_id, plays.seconds]", columns), "plays.yaml")
    document = stream_of(world, *epochs).write().reconcile().document
    assert document["balanced"]
    return world, document["agrees"], {**document["causes"]}


LATE = [[play("pb", "b", 4)]]


def test_where_no_column_is_of_the_late_record_nothing_is_lost(make_world: MakeWorld) -> None:
    _, agrees, causes = judged(make_world, LATE)
    assert (agrees, causes) == (True, {})


def test_where_one_column_is_the_row_is_lost_and_agrees_all_the_same(make_world: MakeWorld) -> None:
    _, agrees, causes = judged(make_world, LATE, "[shows.title, plays.play_id]")
    assert (agrees, causes) == (True, {"late_right": 1})


def test_two_late_records_of_one_event_lose_one_row(make_world: MakeWorld) -> None:
    _, agrees, causes = judged(make_world, [[play("pc", "c", 4), play("pc2", "c", 5)]])
    assert agrees is True
    assert causes.keys() == {"late_right"}


def test_a_late_left_event_takes_its_row_whatever_the_columns(make_world: MakeWorld) -> None:
    _, agrees, causes = judged(make_world, [[show("x", 3), play("px", "x", 4)]])
    assert (agrees, causes) == (True, {"late_left": 1})


@pytest.mark.parametrize("kind", ["inner", "left_outer"])
def test_a_row_that_is_not_there_does_not_agree(kind: str, make_world: MakeWorld) -> None:
    """In place of the late match there is its unmatched row, or none at all."""
    world, agrees, _ = judged(make_world, LATE, kind=kind)
    assert agrees is True
    world.stream = [row for row in world.stream if row.left.name != "d"]
    world.lake.catalog().drop_table("joined.plays_stream")
    assert world.write().reconcile().document["agrees"] is False


BOUNDED: dict[str, tuple[str, Sequence[Sequence[Record]], int, dict[str, int]]] = {
    "all is written": ("left_outer", [], 200, {"stream_rows": 5, "late_left": 0, "late_right": 0, "pending": 0}),
    "of an inner join": ("inner", [], 200, {"stream_rows": 2, "late_left": 0, "late_right": 0, "pending": 0}),
    "a late right": ("left_outer", LATE, 200, {"stream_rows": 5, "late_left": 0, "late_right": 1, "pending": 0}),
    "a late left": (
        "left_outer",
        [[show("x", 3)]],
        200,
        {"stream_rows": 5, "late_left": 1, "late_right": 0, "pending": 0},
    ),
    "open windows": (
        "left_outer",
        [[], [show("g", 310)]],
        400,
        {"stream_rows": 6, "late_left": 0, "late_right": 0, "pending": 1},
    ),
}


@pytest.mark.parametrize(("kind", "after", "end", "predicted"), BOUNDED.values(), ids=BOUNDED)
def test_of_a_range_with_two_ends_each_row_is_predicted(
    kind: str, after: Sequence[Sequence[Record]], end: int, predicted: dict[str, int], make_world: MakeWorld
) -> None:
    """Also one that the stream table has lost: the rules do not look at it."""
    world = stream_of(make_world(kind=kind), *after)
    world.batch_range = START - timedelta(days=1), START + timedelta(minutes=end)
    world.batch = [row for row in world.batch if row.left is None or row.left.us < micros(world.batch_range[1])]
    world.stream = [row for row in world.stream if row.left is not None and row.left.name != "d"]
    assert world.write().reconcile().document["predicted"] == predicted
