"""Random epochs with late events of both sides, where a source is reduced: each row that differs has its cause."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from tests.reconcile.judge.upserts.test_random_states import delivered_again, ordered
from tests.reconcile.test_random_drift import lateness
from tests.support.reduced_world import Finding, ReducedWorld, expected, named, state
from tests.support.world import Record, play, show


def crowded_epochs(dice: random.Random) -> list[list[Record]]:
    """Shows with up to six plays each, many of one window and some of one moment, in disorder; some hours late."""
    records: list[tuple[float, Record]] = []
    for number in range(45):
        minute = dice.uniform(-300, 300)
        records.append((minute + lateness(dice), show(f"s{number}", minute, dice.randrange(2))))
        for copy in range(dice.choice([0, 1, 3, 4, 6])):
            at = minute + dice.choice([dice.uniform(0, 60), dice.uniform(25, 30), 25 + dice.randrange(3)])
            come = at + dice.choice([0, 1, 5, dice.uniform(0, 40), dice.uniform(10, 300)])
            records.append((come, play(f"p{number}.{copy}", f"s{number}", at, dice.randrange(2))))
    ordered = [record for _, record in sorted(records, key=lambda item: item[0])]
    size = dice.choice([5, 11, 23])
    return [ordered[start : start + size] for start in range(0, len(ordered), size)]


WAYS = [("last", True), ("first", True), ("last", False), ("first", False)]


def world_of(folder: Path, seed: int, key: str = "[show_id]", kind: str = "left_outer") -> ReducedWorld:
    take, ids = WAYS[seed % len(WAYS)]
    return ReducedWorld.at(folder, key, kind, take, ids)


def diff(told: list[Finding], wanted: list[Finding]) -> tuple[list[Finding], list[Finding]]:
    """What was told and not wanted, and the reverse."""
    more, less = Counter(told), Counter(wanted)
    return sorted((more - less).elements()), sorted((less - more).elements())


def lose(world: ReducedWorld, dice: random.Random, count: int) -> None:
    """The stream table lacks some rows, and has others of another play of their window."""
    held = {state(row): row for row in world.stream}
    for one in dice.sample(sorted(s for s in held if s[1] is not None), count):
        others = [row for row, _ in world.candidates() if state(row) == one and named(row) != named(held[one])]
        instead = dice.choice([*others, None])
        del held[one]
        held |= {} if instead is None else {one: instead}
    world.held = list(held.values())


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("key", "kind"), [("[show_id]", "left_outer"), ("[show_id, play_id]", "inner")])
@pytest.mark.parametrize("spoiled", [False, True], ids=["as the model says", "rows lost"])
def test_every_row_that_differs_has_its_cause(seed: int, key: str, kind: str, spoiled: bool, tmp_path: Path) -> None:
    dice = random.Random(seed)
    world = world_of(tmp_path, seed, key, kind).play(*crowded_epochs(dice))
    if spoiled:
        lose(world, dice, 6)
    wanted = expected(world)
    document = world.write().reconcile().document
    assert diff(world.told(), wanted) == ([], [])
    assert document["unexplained"] == sum(cause.endswith("unexplained") for _, cause in wanted)
    assert spoiled or document["unexplained"] == 0
    assert document["balanced"]
    assert document["agrees"] is None
    assert {"late_left", "late_right"} <= {cause.split()[1] for _, cause in wanted}


@pytest.mark.parametrize("seed", range(4))
def test_a_clean_world_raises_no_alarm(seed: int, tmp_path: Path) -> None:
    dice = random.Random(seed)
    world = world_of(tmp_path, seed).play(*ordered(crowded_epochs(dice)))
    document = world.write().reconcile().document
    assert {cause for _, cause in world.told()} <= {"missing pending"}
    assert document["balanced"]
    assert document["verdict"] == "clean"


@pytest.mark.parametrize("seed", range(4))
def test_records_that_came_after_the_batch_run(seed: int, tmp_path: Path) -> None:
    dice = random.Random(seed)
    world = world_of(tmp_path, seed).play(*crowded_epochs(dice))
    rights = [record.name for record in world.records if record.side == "right"]
    world.batch_without(*dice.sample(rights, 15))
    wanted = expected(world)
    document = world.write().reconcile().document
    assert diff(world.told(), wanted) == ([], [])
    assert document["balanced"]
    assert any(cause == "extra arrived_after_batch" for _, cause in wanted)


@pytest.mark.parametrize("seed", range(4))
def test_events_that_were_delivered_twice(seed: int, tmp_path: Path) -> None:
    dice = random.Random(seed)
    world = ReducedWorld.at(tmp_path, take="last" if seed % 2 else "first").play(
        *delivered_again(crowded_epochs(dice), dice)
    )
    wanted = expected(world)
    document = world.write().reconcile().document
    assert sorted((records.replace("'", ""), cause) for records, cause in world.told()) == wanted
    assert document["balanced"]
    assert document["unexplained"] == 0


@pytest.mark.parametrize("seed", range(4))
def test_records_in_quarantine(seed: int, tmp_path: Path) -> None:
    dice = random.Random(seed)
    world, epochs = world_of(tmp_path, seed), crowded_epochs(dice)
    rights = [record.name for epoch in epochs for record in epoch if record.side == "right"]
    world.refused = dict.fromkeys(dice.sample(rights, 12), "not_json")
    world.play(*epochs)
    wanted = expected(world)
    world.write().reconcile()
    assert diff(world.told(), wanted) == ([], [])
    assert any(cause.endswith("quarantined") for _, cause in wanted)
