"""Each cause, planted alone and with others, is found for exactly the rows it was planted in, and told of their key."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from plumbline.reconcile.causes import registry
from plumbline.reconcile.explain.explain import explain
from tests.support.world import Record, Row, World, play, show

Findings = list[tuple[str, str]]


def stream_of(world: World, late: Sequence[Record] = (), after: Sequence[Record] = (), **options: Any) -> World:
    """An afternoon: `late` is read once the late watermark is at minute 90, `after` once it is at minute 290.

    At the end windows of shows up to minute 230 (less a millisecond) are closed.
    """
    return world.play(
        [show("z", -90)],
        [show("a", 0), show("b", 1, 1), play("pa", "a", 5), show("c", 2)],
        [show("d", 100), play("pd", "d", 120, 1)],
        [],
        [*late],
        [show("f", 300), play("pf", "f", 301)],
        [],
        [*after],
        **options,
    )


def spoil_stream(world: World, left: str, right: str | None, /, **changes: Any) -> None:
    world.stream = [
        replace(row, **changes) if (row.left.name, row.right and row.right.name) == (left, right) else row
        for row in world.stream
    ]


def late_left(world: World) -> Findings:
    stream_of(world, [show("x", 3)])
    return [("x", "missing late_left")]


def late_left_whose_right_was_in_time(world: World) -> Findings:
    stream_of(world, [show("x", 89), play("px", "x", 130)])
    return [("x px", "missing late_left")]


def late_right(world: World) -> Findings:
    stream_of(world, [play("pc", "c", 4)])
    return [("c pc", "mismatch late_right")]


def one_late_right_of_two(world: World) -> Findings:
    stream_of(world, [play("pa2", "a", 6)])
    return [("a pa2", "missing late_right")]


def two_late_rights_and_none_in_time(world: World) -> Findings:
    stream_of(world, [play("pc", "c", 4), play("pc2", "c", 5, 1)])
    return [("c pc", "mismatch late_right"), ("c pc2", "missing late_right")]


def a_late_left_and_its_late_right(world: World) -> Findings:
    stream_of(world, [show("x", 3), play("px", "x", 4)])
    return [("x px", "missing late_left")]


def at_the_late_watermark_and_a_microsecond_after(world: World) -> Findings:
    stream_of(world, [show("x", 90), show("y", 90 + 1 / 60_000_000)])
    return [("x", "missing late_left")]


def pending_unmatched(world: World) -> Findings:
    stream_of(world, after=[show("g", 310)])
    return [("g", "missing pending")]


def pending_to_the_millisecond(world: World) -> Findings:
    stream_of(world, [show("g", 230), show("h", 230 - 1 / 60_000)])
    return [("g", "missing pending")]


def pending_left_not_read(world: World) -> Findings:
    stream_of(world, archived_only=[show("y", 310)])
    return [("y", "missing pending")]


def pending_right_not_read(world: World) -> Findings:
    stream_of(world, archived_only=[play("pf2", "f", 302)])
    return [("f pf2", "missing pending")]


def pending_although_its_right_was_late(world: World) -> Findings:
    stream_of(world, [show("k", 240)], after=[play("pk", "k", 250)])
    return [("k pk", "missing pending")]


def late_right_of_an_open_window_that_has_a_match(world: World) -> Findings:
    stream_of(world, [show("k", 240), play("pk0", "k", 245)], after=[play("pk", "k", 250)])
    return [("k pk", "missing late_right")]


def left_arrived_after_batch(world: World) -> Findings:
    stream_of(world, [show("n", 110)]).batch_without("n")
    return [("n", "extra arrived_after_batch")]


def right_arrived_after_batch(world: World) -> Findings:
    stream_of(world).batch_without("pd")
    return [("d pd", "mismatch arrived_after_batch")]


def second_right_arrived_after_batch(world: World) -> Findings:
    stream_of(world, [play("pd2", "d", 121)]).batch_without("pd2")
    return [("d pd2", "extra arrived_after_batch")]


def value_divergence(world: World) -> Findings:
    stream_of(world)
    spoil_stream(world, "a", "pa", seconds=99.0)
    return [("a pa", "mismatch value_divergence")]


def value_divergence_in_one_of_two_rows(world: World) -> Findings:
    stream_of(world, [play("pd2", "d", 121)])
    spoil_stream(world, "d", "pd2", seconds=99.0)
    return [("d pd2", "mismatch value_divergence")]


def double_commit(world: World) -> Findings:
    stream_of(world)
    world.stream.append(world.row("b"))
    return [("b", "duplicate double_commit")]


def replay_published_over_live_rows(world: World) -> Findings:
    stream_of(world)
    world.stream.append(replace(world.row("a", "pa"), replay_id="r-1"))
    return [("a pa", "duplicate double_commit")]


def late_row_that_a_replay_brought(world: World) -> Findings:
    stream_of(world, [show("x", 3)])
    world.stream.append(Row(world.record("x"), replay_id="r-1"))
    return []


def lost_match(world: World) -> Findings:
    stream_of(world)
    world.stream.remove(world.row("d", "pd"))
    return [("d pd", "missing lost_output")]


def lost_unmatched_row(world: World) -> Findings:
    stream_of(world)
    world.stream.remove(world.row("b"))
    return [("b", "missing lost_output")]


def lost_unmatched_row_whose_rights_were_late(world: World) -> Findings:
    stream_of(world, [play("pc", "c", 4), play("pc2", "c", 5)])
    world.stream.remove(world.row("c"))
    return [("c pc", "missing lost_output"), ("c pc2", "missing late_right")]


def unmatched_row_written_twice_whose_right_was_late(world: World) -> Findings:
    stream_of(world, [play("pc", "c", 4)])
    world.stream.append(world.row("c"))
    return [("c", "extra double_commit"), ("c pc", "mismatch late_right")]


def lost_one_of_two_rows(world: World) -> Findings:
    stream_of(world, [play("pd2", "d", 121)])
    world.stream.remove(world.row("d", "pd2"))
    return [("d pd2", "missing lost_output")]


def emitted_unmatched_though_its_right_was_in_time(world: World) -> Findings:
    stream_of(world)
    spoil_stream(world, "d", "pd", right=None)
    return [("d pd", "mismatch unexplained")]


def stream_row_that_the_batch_should_have(world: World) -> Findings:
    stream_of(world)
    world.batch = [row for row in world.batch if row.left.name != "b"]
    return [("b", "extra unexplained")]


def batch_row_twice(world: World) -> Findings:
    stream_of(world)
    world.batch.append(world.row("b"))
    return [("b", "duplicate unexplained")]


def an_epoch_missing_from_the_ledger(world: World) -> Findings:
    stream_of(world, [show("x", 3)])
    world.ledger = [row for row in world.ledger if row["epoch"] != 4]
    return [("x", "missing unexplained")]


def no_ledger_at_all(world: World) -> Findings:
    stream_of(world, [show("x", 3)])
    world.ledger = []
    return [("x", "missing unexplained")]


def an_epoch_published_twice(world: World) -> Findings:
    stream_of(world, [show("x", 3), play("pc", "c", 4)])
    world.ledger += world.ledger
    return [("c pc", "mismatch late_right"), ("x", "missing late_left")]


def an_earlier_checkpoint_that_found_everything_late(world: World) -> Findings:
    stream_of(world, [show("x", 3)])
    world.ledger += [
        {**row, "query_id": "q0", "late_watermark_ms": 9 * 10**12, "planned_at": row["planned_at"].replace(year=2020)}
        for row in world.ledger
    ]
    world.stream.remove(world.row("b"))
    return [("b", "missing lost_output"), ("x", "missing late_left")]


def several_at_once(world: World) -> Findings:
    late = [show("x", 3), play("pa2", "a", 6), play("pc", "c", 4), show("n", 111), play("pd2", "d", 121)]
    stream_of(world, late, after=[show("g", 310)], archived_only=[show("y", 320)]).batch_without("n")
    spoil_stream(world, "a", "pa", seconds=99.0)
    spoil_stream(world, "d", "pd", right=None)
    world.stream.append(world.row("f", "pf"))
    world.stream.remove(world.row("b"))
    return [
        ("a pa", "mismatch value_divergence"),
        ("a pa2", "missing late_right"),
        ("b", "missing lost_output"),
        ("c pc", "mismatch late_right"),
        ("d pd", "mismatch unexplained"),
        ("f pf", "duplicate double_commit"),
        ("g", "missing pending"),
        ("n", "extra arrived_after_batch"),
        ("x", "missing late_left"),
        ("y", "missing pending"),
    ]


def nothing(world: World) -> Findings:
    stream_of(world)
    return []


PLANTED: tuple[Callable[[World], Findings], ...] = (
    nothing, late_left, late_left_whose_right_was_in_time, late_right, one_late_right_of_two,
    two_late_rights_and_none_in_time, a_late_left_and_its_late_right, at_the_late_watermark_and_a_microsecond_after,
    pending_unmatched, pending_to_the_millisecond, pending_left_not_read, pending_right_not_read,
    pending_although_its_right_was_late, late_right_of_an_open_window_that_has_a_match, left_arrived_after_batch,
    right_arrived_after_batch, second_right_arrived_after_batch, value_divergence, value_divergence_in_one_of_two_rows,
    double_commit, replay_published_over_live_rows, late_row_that_a_replay_brought, lost_match, lost_unmatched_row,
    lost_unmatched_row_whose_rights_were_late, unmatched_row_written_twice_whose_right_was_late,
    lost_one_of_two_rows, emitted_unmatched_though_its_right_was_in_time, stream_row_that_the_batch_should_have,
    batch_row_twice, an_epoch_missing_from_the_ledger, no_ledger_at_all, an_epoch_published_twice,
    an_earlier_checkpoint_that_found_everything_late, several_at_once,
)  # fmt: skip


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__.replace("_", " "))
def test_planted(plant: Callable[[World], Findings], make_world: Callable[..., World]) -> None:
    world = make_world()
    expected = plant(world)
    each_key_is_told(world.write(), expected)
    document = world.reconcile().document
    assert world.told() == expected
    assert document["balanced"]
    drift = [cause for _, told in expected if (cause := told.split()[1]) != "pending"]
    assert document["verdict"] == ("drift" if drift else "clean")
    assert sum(document["causes"].values()) == len(drift)
    assert document["unexplained"] == drift.count("unexplained")
    if "arrived_after_batch" in drift or document["replayed"] or not world.ledger:
        assert document["agrees"] is None
    elif not {"lost_output", "unexplained", "double_commit"} & set(drift):
        assert document["agrees"] is True


def each_key_is_told(world: World, expected: Findings) -> None:
    """The story of each key names the causes that a reconcile finds."""
    causes: dict[str, set[str]] = {}
    for records, cause in expected:
        causes.setdefault(records.split()[0], set()).add(cause.split()[1])
    for key, wanted in causes.items():
        story = explain(world.contract, world.home, key).document
        assert story["causes"] == sorted(wanted)
        assert story["verdict"] == ("pending" if wanted == {"pending"} else "drift")
        assert all(finding["sentence"] for finding in story["findings"])


def test_a_late_right_shows_under_every_key_when_the_key_holds_it(make_world: Callable[..., World]) -> None:
    world = make_world(key="[show_id, play_id]")
    stream_of(world, [play("pc", "c", 4), play("pc2", "c", 5)]).write()
    document = world.reconcile().document
    assert world.told() == [
        ("c pc", "extra late_right"),
        ("c pc", "missing late_right"),
        ("c pc2", "missing late_right"),
    ]
    assert document["agrees"]
    assert document["predicted"]["late_right"] == 2


def test_an_unmatched_extra_is_unexplained_when_one_of_its_rights_was_in_time(make_world: Callable[..., World]) -> None:
    world = make_world(key="[show_id, play_id]")
    stream_of(world, [play("pc", "c", 4), play("pd2", "d", 121)])
    world.stream = [row for row in world.stream if row.left.name != "d"] + [Row(world.record("d"))]
    world.write().reconcile()
    assert ("d pd2", "extra unexplained") in world.told()


def test_in_an_inner_join_a_late_right_is_a_missing_row(make_world: Callable[..., World]) -> None:
    world = make_world(kind="inner")
    document = stream_of(world, [play("pc", "c", 4)], after=[show("g", 310)]).write().reconcile().document
    assert world.told() == [("c pc", "missing late_right")]
    assert document["agrees"]


def test_causes_are_discovered_in_order_of_precedence_and_end_with_unexplained() -> None:
    names = [cause.name for cause in registry()]
    assert set(names) >= {
        "late_left", "late_right", "pending", "arrived_after_batch",
        "value_divergence", "lost_output", "double_commit", "unexplained",
    }  # fmt: skip
    assert names[-1] == "unexplained"
    assert len({cause.precedence for cause in registry()}) == len(names)
