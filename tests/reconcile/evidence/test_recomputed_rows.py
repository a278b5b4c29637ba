"""Rows that name no records and that several choices can have made: told where the batch computed again gives them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from random import Random
from typing import Any

import pytest

from plumbline.reconcile.explain.explain import explain
from tests.reconcile.causes.test_causes import stream_of
from tests.support.unnamed_rows import unnamed
from tests.support.world import CONTRACT, Record, World, play, show

MakeWorld = Callable[..., World]
KEYS = ("[show_id]", "[show_id, seconds]", "[seconds]")


def judged(world: World, key: str = KEYS[0], **options: Any) -> dict[str, Any]:
    """Of a job whose rows tell neither the title nor the play."""
    text = CONTRACT.replace("KEY", key).replace("KIND", world.contract.join.kind)
    newest = max(row["epoch"] for row in world.ledger)
    return (
        unnamed(world, contract=text.replace("shows.title, plays.play_id, ", ""), newest=newest, **options)
        .reconcile()
        .document
    )


def as_text(value: Any) -> str | None:
    return None if value is None else str(value)


def implied(world: World) -> set[str | None]:
    return {finding["evidence"]["implied_by"] for finding in world.findings()}


@pytest.mark.parametrize("key", KEYS)
def test_of_two_equal_rows_the_one_whose_record_was_dropped_is_missing(key: str, make_world: MakeWorld) -> None:
    world = stream_of(make_world(key=key), [replace(play("pa2", "a", 5), partition=1), play("pb", "b", 4)])
    document = judged(world, key)
    assert ("a pa2", "missing late_right") in world.told()
    assert document["unexplained"] == 0
    assert "recomputation" in implied(world)
    for finding in world.findings():
        story = explain(world.contract, world.home, {name: as_text(value) for name, value in finding["key"].items()})
        assert finding["cause"] in story.document["causes"]


def twins(world: World, *late: Any, read: bool = True) -> World:
    """Two shows of one key and time, and whatever comes late; without `read` nothing closes their windows."""
    twin = replace(show("b", 1), name="b2", partition=1)
    end = [show("f", 300), play("pf", "f", 301)] if read else [show("f", 30), play("pf", "f", 31)]
    return world.play(
        [show("z", -90)], [show("b", 1), twin], [show("d", 100), play("pd", "d", 120)], [], [*late], end, []
    )


def test_unmatched_rows_of_twins_are_told_where_their_right_record_was_late(make_world: MakeWorld) -> None:
    world = twins(make_world(), play("pb", "b", 4))
    document = judged(world)
    assert world.told() == [("b pb", "mismatch late_right"), ("b2 pb", "mismatch late_right")]
    assert (document["unexplained"], implied(world)) == (0, {"recomputation"})
    assert "late_right" not in document["unknown"]["causes"]


def test_a_late_twin_is_told_although_its_row_is_another_ones_too(make_world: MakeWorld) -> None:
    world = twins(make_world(), replace(show("b", 1), name="b3"))
    assert judged(world)["unexplained"] == 0
    assert world.told() == [("b3", "missing late_left")]


def test_a_row_more_or_less_than_the_ledger_explains_proves_nothing(make_world: MakeWorld) -> None:
    """One of the unmatched rows of twins is not there: whose it is nobody knows."""
    world = twins(make_world(), play("pb", "b", 4))
    world.stream.remove(world.row("b"))
    judged(world)
    assert "recomputation" not in implied(world)
    assert not [said for _, said in world.told() if said == "mismatch late_right"]


def test_a_value_that_is_not_as_computed_proves_nothing(make_world: MakeWorld) -> None:
    world = twins(make_world(), play("pb", "b", 4))
    world.stream = [replace(row, seconds=7.0) if row.left.name == "b" else row for row in world.stream]
    judged(world)
    assert "recomputation" not in implied(world)


def test_a_twin_that_came_after_the_batch_may_have_made_the_row(make_world: MakeWorld) -> None:
    world = twins(make_world(), play("pb", "b", 4)).batch_without("b2")
    judged(world)
    assert "recomputation" not in implied(world)


def test_a_ledger_that_the_rows_contradict_computes_nothing(make_world: MakeWorld) -> None:
    world = twins(make_world(), play("pb", "b", 4), show("x", 3))
    world.stream.append(next(row for row in world.batch if row.left.name == "x"))
    document = judged(world)
    assert "rule" in document["unknown"]["lacking"]
    assert "recomputation" not in implied(world)


def test_a_ledger_with_a_hole_computes_nothing(make_world: MakeWorld) -> None:
    world = twins(make_world(), play("pb", "b", 4))
    world.ledger = [row for row in world.ledger if row["epoch"] != 2]
    judged(world)
    assert "recomputation" not in implied(world)


TWIN = replace(show("b", 1), name="b2", partition=1)


@pytest.mark.parametrize(
    ("read", "to_come", "told"),
    [
        ([play("pb", "b", 5)], replace(play("pb2", "b", 5), partition=1), [("b pb2", "missing pending")]),
        ([TWIN], play("pb", "b", 4), [("b pb", "mismatch pending"), ("b2 pb", "mismatch pending")]),
        ([], TWIN, [("b2", "missing pending")]),
    ],
    ids=["an equal match", "the match of twins", "a twin"],
)
def test_rows_of_records_that_have_not_come_yet_are_told(
    read: list[Record], to_come: Record, told: list[tuple[str, str]], make_world: MakeWorld
) -> None:
    """The ledger says which these are; where it lacks an epoch they may have come, and nothing is told."""
    world, epochs = make_world(), [[show("d", 100), play("pd", "d", 120)], [], [show("f", 300), play("pf", "f", 301)]]
    world.play([show("z", -90)], [show("b", 1), *read], *epochs, [], archived_only=[to_come])
    assert judged(world)["unexplained"] == 0
    assert world.told() == told
    assert implied(world) == {"recomputation"}


def test_records_may_have_come_in_an_epoch_that_was_not_observed(make_world: MakeWorld) -> None:
    world, epochs = make_world(), [[show("d", 100), play("pd", "d", 120)], [], [show("f", 300), play("pf", "f", 301)]]
    world.play([show("z", -90)], [show("b", 1)], *epochs, [], archived_only=[TWIN])
    world.ledger = [row for row in world.ledger if row["epoch"] > 2]
    assert judged(world)["unexplained"] == 1
    assert {said.split()[1] for _, said in world.told()} == {"unexplained"}


def drawn(world: World, random: Random) -> World:
    """Shows and plays of few keys, times and values, so that rows of different records are equal."""
    number = count()

    def some(low: int, high: int) -> list[Record]:
        found: list[Record] = []
        for _ in range(random.randint(1, 5)):
            key, minute = random.choice("abc"), random.randint(low // 10, high // 10) * 10
            name, partition = f"{next(number)}", random.randrange(2)
            made = show(f"s{name}", minute) if random.random() < 0.5 else play(f"p{name}", key, minute)
            found.append(replace(made, show=key, partition=partition))
        return found

    epochs = [some(start - random.choice((10, 60, 150)), start + 20) for start in range(0, 320, 20)]
    return world.play([show("z", -90)], *epochs, [show("f", 330), play("pf", "f", 331)], [], some(330, 350))


def true_causes(world: World) -> Counter[tuple[str, str]]:
    """By the model: why each batch row is not in the stream."""
    found: Counter[tuple[str, str]] = Counter()
    matched = {row.left.name for row in world.batch if row.right and row.right.name not in world.late}
    for left, right in ((row.left.name, row.right and row.right.name) for row in world.batch):
        is_open = left in world.open_lefts and left not in matched
        if left in world.late:
            found[f"{left} {right or ''}".strip(), "late_left"] += 1
        elif right in world.late and right is not None:
            found[f"{left} {right}", "pending" if is_open else "late_right"] += 1
        elif right is None and is_open:
            found[left, "pending"] += 1
    return found


@pytest.mark.parametrize("kind", ["left_outer", "inner"])
@pytest.mark.parametrize("seed", range(4))
def test_histories_of_many_equal_rows_have_the_causes_of_the_model(seed: int, kind: str, make_world: MakeWorld) -> None:
    """Where nothing else is wrong every row is told; spoiled, only what is true."""
    random = Random(f"{seed} {kind}")
    world = drawn(make_world(kind=kind), random)
    true = true_causes(world)
    spoiled = seed % 2 == 1
    for _ in range(4 if spoiled else 0):
        row = random.choice(world.stream)
        if random.random() < 0.5:
            world.stream.remove(row)
        else:
            world.stream[world.stream.index(row)] = replace(row, seconds=random.randint(0, 32) * 10.0)
    document = judged(world)
    told = Counter((records, said.split()[1]) for records, said in world.told())
    wrong = {one: n for one, n in (told - true).items() if one[1] in ("late_left", "late_right", "pending")}
    assert wrong == {}
    if not spoiled:
        assert told == true
        assert document["unexplained"] == 0
    assert true
