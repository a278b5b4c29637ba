"""Rows of a team's own job that do not name their records: named by the archive where only one choice made them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.reconcile.causes.test_causes import spoil_stream, stream_of
from tests.support.unnamed_rows import unnamed
from tests.support.world import CONTRACT, World, play, show

MakeWorld = Callable[..., World]
KEYS = ("[show_id]", "[show_id, play_id]")


def judged(world: World, key: str = KEYS[0], **options: Any) -> dict[str, Any]:
    text = CONTRACT.replace("KEY", key).replace("KIND", world.contract.join.kind)
    return unnamed(world, contract=text, **options).reconcile().document


@pytest.mark.parametrize("event_time", [True, False], ids=["with the event time", "values alone"])
@pytest.mark.parametrize("key", KEYS)
def test_late_records_are_told_without_lineage(key: str, event_time: bool, make_world: MakeWorld) -> None:
    world = stream_of(make_world(key=key), [show("x", 3), play("pc", "c", 4), play("pa2", "a", 6)])
    document = judged(world, key, event_time=event_time)
    told = world.told()
    assert ("x", "missing late_left") in told
    assert ("a pa2", "missing late_right") in told
    assert {said.split()[1] for _, said in told} == {"late_left", "late_right"}
    assert document["unexplained"] == 0
    assert document["agrees"] is True
    assert document["balanced"]


def several(world: World) -> World:
    """One cause of each kind that rests on what the stream's row was made from."""
    stream_of(world, [show("x", 3), play("pc", "c", 4)])
    spoil_stream(world, "a", "pa", seconds=-1.0)
    world.stream.append(world.row("b"))
    return world


def test_what_rests_on_the_records_of_a_row_is_told_of_a_whole_archive(make_world: MakeWorld) -> None:
    world = several(make_world())
    document = judged(world)
    assert world.told() == [
        ("a pa", "mismatch value_divergence"),
        ("b", "duplicate double_commit"),
        ("c pc", "mismatch late_right"),
        ("x", "missing late_left"),
    ]
    assert set(document["unknown"]["causes"]) == {"archive_gap", "lost_output"}
    told = {finding["cause"]: finding["evidence"]["implied_by"] for finding in world.findings()}
    assert told == {
        "value_divergence": "archive",
        "double_commit": "archive",
        "late_right": "archive",
        "late_left": None,
    }


def hole(world: World) -> None:
    """A record of nobody is not archived: it may have been another play of `a`, or the show `b` again."""
    world.archive_without("pd2")


def a_purged_beginning(world: World) -> None:
    """The archive begins after the first record, which the job read."""
    world.archive_without("z")
    world.stream = [row for row in world.stream if row.left.name != "z"]


def an_end_before_the_ledgers(world: World) -> None:
    world.archive_without("pe")


@pytest.mark.parametrize("lack", [hole, a_purged_beginning, an_end_before_the_ledgers], ids=lambda case: case.__name__)
def test_where_the_archive_may_lack_a_record_only_lateness_is_told(lack: Any, make_world: MakeWorld) -> None:
    world = make_world()
    stream_of(world, [show("x", 3), play("pc", "c", 4), play("pd2", "e", 121)], [play("pe", "e", 302)])
    spoil_stream(world, "a", "pa", seconds=-1.0)
    world.stream.append(world.row("b"))
    lack(world)
    document = judged(world)
    told = dict(world.told())
    assert (told["a pa"], told["b"]) == ("mismatch unexplained", "duplicate unexplained")
    assert (told["c pc"], told["x"]) == ("mismatch late_right", "missing late_left")
    assert {"value_divergence", "double_commit"} <= set(document["unknown"]["causes"])


def test_a_row_that_was_made_up_stays_unexplained(make_world: MakeWorld) -> None:
    """One of no record, one beside a late record, and one with a match that no record is."""
    world = stream_of(make_world(), [show("x", 3)])
    made_up = replace(world.record("a"), name="made up", show="made up")
    world.stream.append(replace(world.row("b"), left=made_up))
    world.stream.append(replace(world.row("b"), left=replace(world.record("x"), name="other")))
    world.stream = [
        replace(row, right=replace(row.right, name="nobody", minute=7)) if row.left.name == "d" and row.right else row
        for row in world.stream
    ]
    judged(world)
    told = sorted(said for _, said in world.told())
    assert told == ["extra unexplained", "mismatch unexplained", "mismatch unexplained"]


def test_two_records_that_can_both_have_made_a_row_name_none(make_world: MakeWorld) -> None:
    """Two shows of one key, time and title: which of them is there twice nobody knows."""
    world = make_world()
    twin = replace(show("b", 1), name="b2", partition=1)
    world.play([show("z", -90)], [show("b", 1), twin, play("pz", "z", -80)], [show("f", 300), play("pf", "f", 301)], [])
    world.stream = [replace(row, left=replace(row.left, name="b")) for row in world.stream]
    world.batch = [replace(row, left=replace(row.left, name="b")) for row in world.batch]
    world.stream.append(next(row for row in world.stream if row.left.show == "b"))
    judged(world)
    assert {said.split()[1] for _, said in world.told()} <= {"unexplained", "pending"}
    assert any("unexplained" in said for _, said in world.told())


def test_a_ledger_that_the_rows_contradict_proves_nothing(make_world: MakeWorld) -> None:
    """The stream holds the row of a record that the ledger calls late, and does not say so."""
    world = stream_of(make_world(), [show("x", 3), play("pc", "c", 4)])
    world.stream.append(next(row for row in world.batch if row.left.name == "x"))
    document = judged(world)
    assert {said.split()[1] for _, said in world.told()} == {"unexplained"}
    assert "rule" in document["unknown"]["lacking"]
