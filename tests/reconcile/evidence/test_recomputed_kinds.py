"""Recomputation for every kind of join, beside left records that match nothing, and without event times."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest

from tests.reconcile.causes.test_causes import stream_of
from tests.reconcile.evidence.test_recomputed_rows import KEYS, drawn, implied, judged, twins
from tests.support.join_kinds import join_all, right_is_closed
from tests.support.unnamed_rows import unnamed
from tests.support.world import CONTRACT, Record, World, play, show
from tests.support.world_rows import WITHIN

MakeWorld = Callable[..., World]
KINDS = ("inner", "left_outer", "right_outer", "full_outer")


def untrue(world: World) -> list[tuple[str, str]]:
    """What is told of records that the model has otherwise: late ones must be late, pending ones open, and
    those at the edge of the window at a bound of it."""
    found = []
    for names, said in world.told():
        cause, records = said.split()[1], [world.record(name) for name in names.split()]
        late = {record.side for record in records if record.name in world.late}
        apart = records[-1].minute - records[0].minute if records else None
        true = {"late_left": "left" in late, "late_right": "right" in late, "unexplained": True}
        true["window_edge"] = apart in (0, WITHIN)
        if not true.get(cause, cause == "pending" and any(_is_open(world, record) for record in records)):
            found.append((names, said))
    return found


def _is_open(world: World, record: Record) -> bool:
    closed = world.is_closed(record) if record.side == "left" else right_is_closed(world, record)
    return record.name not in world.read_in or not closed


@pytest.mark.parametrize("event_time", [True, False], ids=["with event times", "without"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(2))
def test_histories_of_many_equal_rows_have_no_untrue_cause(
    seed: int, kind: str, event_time: bool, make_world: MakeWorld
) -> None:
    """Where nothing else is wrong every row is told; spoiled, only what is true."""
    random = Random(f"kinds {seed} {kind}")
    world = join_all(drawn(make_world(kind=kind), random))
    spoiled = seed % 2 == 1
    for _ in range(4 if spoiled else 0):
        row = random.choice(world.stream)
        if random.random() < 0.5:
            world.stream.remove(row)
        else:
            world.stream[world.stream.index(row)] = replace(row, seconds=random.randint(0, 32) * 10.0)
    document = judged(world, event_time=event_time)
    assert untrue(world) == []
    assert document["balanced"]
    assert world.told()
    if not spoiled:
        assert "recomputation" in implied(world)
        assert (document["unexplained"], document["agrees"]) == (0, True)


@pytest.mark.parametrize("kind", ["right_outer", "full_outer"])
def test_a_play_whose_show_was_late_is_told_by_its_unmatched_row(kind: str, make_world: MakeWorld) -> None:
    """Two plays of one time and value, whose shows were late: their rows are equal."""
    world = make_world(kind=kind)
    late = [show("x", 85), replace(show("x", 85), name="y", partition=1)]
    plays = [play("px", "x", 95), replace(play("py", "x", 95), partition=1)]
    middle = [show("d", 100), play("pd", "d", 120)]
    world.play([show("z", -90)], middle, [], [*late, *plays], [show("f", 300), play("pf", "f", 301)], [])
    document = judged(join_all(world))
    assert set(world.late) == {"x", "y"}
    assert untrue(world) == []
    assert document["unexplained"] == 0
    by = {(finding["class"], finding["evidence"]["implied_by"]) for finding in world.findings()}
    assert by == {("missing", None), ("extra", "recomputation")}


@pytest.mark.parametrize("key", KEYS)
def test_without_event_times_the_rows_of_a_key_are_computed_together(key: str, make_world: MakeWorld) -> None:
    world = stream_of(make_world(key=key), [replace(play("pa2", "a", 5), partition=1), play("pb", "b", 4)])
    document = judged(world, key, event_time=False)
    assert ("a pa2", "missing late_right") in world.told()
    assert document["unexplained"] == 0
    assert "recomputation" in implied(world)


@pytest.mark.parametrize(("unseen", "computed"), [(["b2"], False), (["d", "pd"], True)], ids=["its key", "another"])
def test_without_event_times_a_show_that_came_after_the_batch_may_have_made_the_row(
    unseen: list[str], computed: bool, make_world: MakeWorld
) -> None:
    """Of its key nothing is computed; of another key it is."""
    world = twins(make_world(), play("pb", "b", 4)).batch_without(*unseen)
    judged(world, event_time=False)
    assert ("recomputation" in implied(world)) is computed


def beside_unmatched(world: World) -> World:
    """Two equal plays of `a`, one of them late; `q` is of the same time, and its play `pq` too late to match it."""
    first = [show("a", 0), replace(show("q", 0), partition=1), play("pa", "a", 5)]
    middle = [show("d", 100), play("pd", "d", 120), play("pq", "q", 99)]
    late = replace(play("pa2", "a", 5), partition=1)
    return world.play([show("z", -90)], first, middle, [], [late], [show("f", 300), play("pf", "f", 301)], [])


def test_a_show_that_matches_nothing_does_not_hold_up_an_inner_join(make_world: MakeWorld) -> None:
    world = beside_unmatched(make_world(kind="inner"))
    assert judged(world)["unexplained"] == 0
    assert world.told() == [("a pa2", "missing late_right")]
    assert implied(world) == {"recomputation"}


def test_one_that_came_after_the_batch_run_may_have_a_row(make_world: MakeWorld) -> None:
    world = beside_unmatched(make_world(kind="inner"))
    judged(world.batch_without("q"))
    assert "recomputation" not in implied(world)


def test_one_whose_play_came_after_the_batch_run_has_a_row(make_world: MakeWorld) -> None:
    world = make_world(kind="inner")
    first = [show("a", 0), replace(show("q", 0), partition=1), play("pa", "a", 5), play("pq", "q", 6)]
    middle, late = [show("d", 100), play("pd", "d", 120)], replace(play("pa2", "a", 5), partition=1)
    world.play([show("z", -90)], first, middle, [], [late], [show("f", 300), play("pf", "f", 301)], [])
    judged(world.batch_without("pq"))
    assert "recomputation" not in implied(world)


def test_equal_rows_of_a_key_are_in_the_books_of_their_days(make_world: MakeWorld) -> None:
    """Three unmatched rows of one key around midnight; the job has lost one of the day before it."""
    before, other, after = (replace(show("b", minute), name=f"b{minute}") for minute in (-9, -5, 5))
    world = make_world().play([show("z", -90)], [before, other, after], [show("f", 300), play("pf", "f", 301)], [])
    world.stream.remove(world.row("b-9"))
    document = judged(world)
    assert document["balanced"]
    assert [page["match"] for page in document["ledger"]] == [2, 2]


def test_a_row_whose_only_match_was_late_does_not_contradict_the_ledger(make_world: MakeWorld) -> None:
    """The table tells nothing of the right event: with its match or without, the row is the same."""
    world = twins(make_world(), play("pb", "b", 4), show("x", 3))
    text = CONTRACT.replace("KEY", "[show_id]").replace("KIND", "left_outer")
    text = text.replace("[shows.title, plays.play_id, plays.seconds]", "[shows.title]")
    unnamed(world, contract=text, newest=max(row["epoch"] for row in world.ledger)).reconcile()
    assert world.told() == [("x", "missing late_left")]
