"""Planted rows where a source is reduced: what no rule explains is unexplained, and tables that do not belong together
are refused."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from plumbline.contract.errors import IncompleteError, UsageError
from tests.support.reduced_world import WINDOW_US, ReducedWorld
from tests.support.upsert_world import ROWS, UPSERTED, values
from tests.support.world import BATCH, Record, Row, play, show


def evening(folder: Path, *epochs: list[Record], refused: tuple[str, ...] = (), ids: bool = True) -> ReducedWorld:
    """Show a with three plays in one window and one in the next, show b with one; all in time, and closed."""
    world = ReducedWorld.at(folder, ids=ids)
    world.refused = dict.fromkeys(refused, "not_json")
    return world.play(
        [show("z", -90)],
        [show("a", 0), show("b", 1), play("a1", "a", 2), play("a3", "a", 8), play("a2", "a", 8), play("b1", "b", 4)],
        [play("a4", "a", 15)],
        *epochs,
        [show("f", 300), play("pf", "f", 301)],
        [show("g", 400), play("pg", "g", 401)],
    )


def told(world: ReducedWorld) -> list[tuple[str, str]]:
    world.write().reconcile()
    return [row for row in world.told() if "pending" not in row[1]]


def with_others(world: ReducedWorld, *others: Row, without: str) -> ReducedWorld:
    world.held = [*(row for row in world.stream if not row.right or row.right.name != without), *others]
    return world


def test_both_jobs_take_the_same_play_of_a_window(tmp_path: Path) -> None:
    world = evening(tmp_path)
    assert {row.right.name for row in world.batch if row.right} >= {"a3", "a4", "b1"}
    assert told(world) == []


def test_a_row_that_is_gone_was_lost(tmp_path: Path) -> None:
    assert told(with_others(evening(tmp_path), without="a3")) == [("a a3", "missing lost_output")]


@pytest.mark.parametrize("instead", ["a2", "a1"])
def test_another_play_in_its_place_is_unexplained(instead: str, tmp_path: Path) -> None:
    """Of two plays of one time the smaller id; and the first."""
    world = evening(tmp_path)
    other = Row(world.record("a"), world.record(instead))
    assert told(with_others(world, other, without="a3")) == [("a a3", "missing unexplained")]


def test_a_second_play_of_the_window_is_unexplained(tmp_path: Path) -> None:
    world = evening(tmp_path)
    world.held = [*world.stream, Row(world.record("a"), world.record("a1"))]
    assert told(world) == [("a a1", "extra unexplained")]


def test_the_loss_of_an_event_that_the_batch_does_not_know_is_no_loss_of_another(tmp_path: Path) -> None:
    world = evening(tmp_path).batch_without("a3")
    assert told(with_others(world, without="a3")) == [("a a2", "missing unexplained")]


def test_a_play_of_another_show_is_unexplained(tmp_path: Path) -> None:
    world = evening(tmp_path)
    wrong = Row(world.record("a"), world.record("b1"))
    assert told(with_others(world, wrong, without="a3")) == [
        ("a a3", "missing unexplained"),
        ("a b1", "extra unexplained"),
    ]


def test_that_the_newest_is_in_quarantine_does_not_explain_that_the_next_is_gone(tmp_path: Path) -> None:
    world = with_others(evening(tmp_path, refused=("a3",)), without="a2")
    assert told(world) == [("a a2", "missing lost_output"), ("a a3", "missing quarantined")]


def test_that_the_newest_is_late_explains_the_next_and_not_the_one_behind_it(tmp_path: Path) -> None:
    late = [play("late", "a", 9.5)], [show("y", 30), play("py", "y", 31)], [show("w", 40), play("pw", "w", 41)]
    world = evening(tmp_path, *late[1:], late[0])
    assert world.late == {"late": "right"}
    assert [row.right.name for row in world.stream if row.right and row.left.name == "a"] == ["a3", "a4"]
    assert told(world) == [("a late", "missing late_right")]
    behind = ReducedWorld.at(tmp_path / "behind")
    behind.__dict__.update({name: value for name, value in world.__dict__.items() if name not in ("home", "lake")})
    with_others(behind, Row(world.record("a"), world.record("a1")), without="a3")
    assert told(behind) == [("a a3", "missing unexplained"), ("a late", "missing late_right")]


def test_without_event_ids_a_window_takes_events_in_until_it_is_written(tmp_path: Path) -> None:
    """The watermark is at 29 - 10 = 19 minutes: with event ids a play at 18 is late, else its window is open."""
    for ids in (True, False):
        world = ReducedWorld.at(tmp_path / str(ids), ids=ids).play(
            [show("a", 0)],
            [show("y", 29), play("py", "y", 29)],
            [play("early", "a", 12)],
            [play("a1", "a", 18)],
            [show("f", 300), play("pf", "f", 301)],
            [show("g", 400), play("pg", "g", 401)],
        )
        assert set(world.late) == ({"a1"} if ids else set())
        with_others(world, without="a1")  # the stream has no such row with event ids, and loses it without them
        assert told(world) == [("a a1", "missing late_right" if ids else "missing lost_output")]


def test_a_play_at_the_windows_end_belongs_to_the_next_one(tmp_path: Path) -> None:
    world = ReducedWorld.at(tmp_path).play(
        [show("a", 0), play("in", "a", 9.999), play("out", "a", 10)],
        [show("f", 300), play("pf", "f", 301)],
        [show("g", 400), play("pg", "g", 401)],
    )
    assert WINDOW_US == 600_000_000
    assert [row.right.name for row in world.batch if row.left.name == "a" and row.right] == ["in", "out"]
    assert told(world) == []


@pytest.mark.parametrize("how", ["another play", "a row less"])
def test_a_batch_table_that_does_not_hold_the_taken_is_refused(how: str, tmp_path: Path) -> None:
    """Even where the stream table says the same: what the batch read says otherwise."""
    world = evening(tmp_path)
    others = {"another play": [Row(world.record("a"), world.record("a1"))], "a row less": []}[how]
    with_others(world, *others, without="a3").write()
    world.lake.load(BATCH).overwrite(pa.Table.from_pylist(list(map(values, world.table)), schema=UPSERTED))
    with pytest.raises(IncompleteError, match=f"{BATCH} does not hold the rows of {ROWS}"):
        world.reconcile()


def test_without_all_rows_of_the_batch_nothing_is_compared(tmp_path: Path) -> None:
    world = evening(tmp_path).write()
    world.lake.catalog().drop_table(ROWS)
    with pytest.raises(IncompleteError, match=f"{ROWS} lacks snapshot") as error:
        world.reconcile()
    assert "plumbline batch run" in str(error.value)


def test_without_a_ledger_nothing_is_proven(tmp_path: Path) -> None:
    world = with_others(evening(tmp_path), without="a3")
    world.ledger = []
    found = told(world)
    assert ("a a3", "missing unexplained") in found
    assert {cause for _, cause in found} == {"missing unexplained"}


def test_another_table_and_edges_are_refused(tmp_path: Path) -> None:
    world = evening(tmp_path).write()
    for options in ({"edges": True}, {"against": "joined.third"}, {"engine": "spark"}):
        with pytest.raises(UsageError, match="reduce"):
            world.reconcile(**options)
