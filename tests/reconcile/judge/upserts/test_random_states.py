"""Random epochs with late events of both sides, and lost updates: every state that differs is explained row by row."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from plumbline.contract.errors import IncompleteError
from tests.reconcile.test_random_drift import random_epochs
from tests.support.upsert_world import ROWS, UPSERTED, UpsertWorld, by_state, newest, newness, state, values
from tests.support.world import BATCH, Record, Row

Finding = tuple[str, str]


def named(row: Row) -> str:
    return " ".join(part.name for part in (row.left, row.right) if part)


def expected(world: UpsertWorld) -> list[Finding]:
    """What must be told: of each state that differs the batch's rows that are not older than the stream's, and the
    stream's where it is none of them, each with why only one table has it."""
    batch, held, wrote = by_state(world.batch), by_state(world.table), by_state(world.stream)
    found = list[Finding]()
    for one in {**batch, **held}:
        (mine,) = held.get(one, [None])
        due = [row for row in batch.get(one, []) if mine is None or newness(row) >= newness(mine)]
        missing = [row for row in due if mine is None or named(row) != named(mine)]
        if mine is not None and (named(mine), mine.seconds) not in [(named(r), r.seconds) for r in batch.get(one, [])]:
            kind = why_only_in_the_stream(world, mine, missing)
            if kind == "mismatch":
                first = min(missing, key=lambda row: (row.right.partition, row.right.offset))  # type: ignore[union-attr]
                missing.remove(first)
                found.append((named(first), f"mismatch {fate(world, first, wrote.get(one, []))}"))
            else:
                found.append((named(mine), kind))
        found += [(named(row), f"missing {fate(world, row, wrote.get(one, []))}") for row in missing]
    return sorted(found)


def why_only_in_the_stream(world: UpsertWorld, row: Row, missing: list[Row]) -> str:
    if row.right is None and missing:  # in the place of one that did not come
        return "mismatch"
    if any(named(row) == named(other) for other in world.batch):
        return "mismatch value_divergence"
    assert {part.name for part in (row.left, row.right) if part} & set(world.unseen)
    return "extra arrived_after_batch"


def fate(world: UpsertWorld, row: Row, wrote: list[Row]) -> str:
    """Why the stream table holds neither the row nor a newer one."""
    if named(row) in map(named, wrote):
        return "lost_output"
    if any(part.name in world.refused for part in (row.left, row.right) if part):
        return "quarantined"
    if row.left.name in world.late:
        return "late_left"
    final = world.is_closed(row.left) or any(other.right for other in wrote) or not world._outer
    if row.right is not None and row.right.name in world.late and final:
        return "late_right"
    return "pending"


def stale(world: UpsertWorld, dice: random.Random, count: int) -> int:
    """Let some updates be lost: the stream table holds an older row, or none. Returns how many."""
    held, spoiled = {state(row): row for row in newest(world.stream)}, 0
    several = [rows for rows in by_state(world.stream).values() if rows[0].right and not is_late(world, rows[0])]
    for rows in dice.sample(several, min(count, len(several))):
        older = dice.choice([*rows[1:], None])
        del held[state(rows[0])]
        held |= {} if older is None else {state(older): older}
        spoiled += 1
    world.held = list(held.values())
    return spoiled


def is_late(world: UpsertWorld, row: Row) -> bool:
    return any(part.name in world.late for part in (row.left, row.right) if part)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("kind", ["left_outer", "inner"])
@pytest.mark.parametrize("spoiled", [False, True], ids=["as the model says", "updates lost"])
def test_every_row_that_should_stand_there_has_its_cause(seed: int, kind: str, spoiled: bool, tmp_path: Path) -> None:
    dice = random.Random(seed)
    world = UpsertWorld.at(tmp_path, kind=kind).play(*random_epochs(dice))
    assert isinstance(world, UpsertWorld)
    count = stale(world, dice, 6) if spoiled else 0
    wanted = expected(world)
    document = world.write().reconcile().document
    assert world.told() == wanted
    assert document["unexplained"] == 0
    assert document["balanced"]
    assert document["counts"]["pending"] == len([cause for _, cause in wanted if cause.endswith("pending")])
    assert document["verdict"] == "drift"
    assert {cause.split()[1] for _, cause in wanted} >= {"late_left", "late_right"}
    assert not spoiled or len([cause for _, cause in wanted if cause.endswith("lost_output")]) >= count > 0
    assert document["agrees"] is None


@pytest.mark.parametrize("seed", range(8))
def test_a_clean_world_raises_no_alarm(seed: int, tmp_path: Path) -> None:
    dice = random.Random(seed)
    world = UpsertWorld.at(tmp_path).play(*ordered(random_epochs(dice)))
    document = world.write().reconcile().document
    assert {cause for _, cause in world.told()} <= {"missing pending"}
    assert document["balanced"]
    assert document["counts"]["match"] + document["counts"]["pending"] == len(newest(world.batch))
    assert document["verdict"] == "clean"


def ordered(epochs: list) -> list:  # type: ignore[type-arg]
    """The same records in the order of their times: none is late."""
    records = sorted((record for epoch in epochs for record in epoch), key=lambda record: record.minute)
    return [records[start : start + 7] for start in range(0, len(records), 7)]


@pytest.mark.parametrize("seed", range(8))
def test_records_that_came_after_the_batch_run(seed: int, tmp_path: Path) -> None:
    dice = random.Random(seed)
    world = UpsertWorld.at(tmp_path).play(*random_epochs(dice))
    rights = [record.name for record in world.records if record.side == "right"]
    world.batch_without(*dice.sample(rights, 15))
    wanted = expected(world)
    document = world.write().reconcile().document
    assert world.told() == wanted
    assert document["balanced"]
    assert any(cause == "extra arrived_after_batch" for _, cause in wanted)


def test_the_row_of_another_world_is_unexplained(tmp_path: Path) -> None:
    dice = random.Random(3)
    world = UpsertWorld.at(tmp_path).play(*random_epochs(dice))
    held = newest(world.stream)
    doubled = next(rows for rows in by_state(world.stream).values() if len(rows) > 1 and rows[0] in world.batch)
    wrong = next(row for row in held if row.right and state(row) != state(doubled[0]) and row in world.batch)
    world.held = [*(row for row in held if row != wrong), replace(wrong, seconds=-1.0), doubled[1]]
    world.write().reconcile()
    told = dict(world.told())
    assert told[named(wrong)] == "mismatch value_divergence"
    assert told[named(doubled[1])] == "extra unexplained"


@pytest.mark.parametrize("how", ["another value", "a row less", "an older row"])
def test_a_batch_table_that_is_not_the_newest_of_its_rows_is_refused(how: str, tmp_path: Path) -> None:
    """Even where the stream table says the same: what the batch read says otherwise."""
    world = UpsertWorld.at(tmp_path).play(*random_epochs(random.Random(3)))
    held = newest(world.batch)
    one, older = next(rows for rows in by_state(world.batch).values() if len(rows) > 1)[:2]
    instead = {"another value": [replace(one, seconds=-1.0)], "a row less": [], "an older row": [older]}[how]
    world.held = [*(row for row in held if row != one), *instead]
    world.write()
    world.lake.load(BATCH).overwrite(pa.Table.from_pylist(list(map(values, world.held)), schema=UPSERTED))
    with pytest.raises(IncompleteError, match=f"{BATCH} does not hold the newest rows of {ROWS}"):
        world.reconcile()


def delivered_again(epochs: list[list[Record]], dice: random.Random) -> list[list[Record]]:
    """Some events of both sides come a second time, in the same epoch or in a later one, in any partition."""
    found: list[list[Record]] = [[] for _ in epochs]
    for number, epoch in enumerate(epochs):
        for record in epoch:
            again = dice.random() < 0.3
            found[number].append(replace(record, id=record.name) if again else record)
            if again:
                later = min(len(epochs) - 1, number + dice.choice([0, 0, 1, 3]))
                copy = replace(record, name=f"{record.name}'", id=record.name, partition=dice.randrange(2))
                found[later].append(copy)
    return found


@pytest.mark.parametrize("seed", range(12))
def test_events_that_were_delivered_twice(seed: int, tmp_path: Path) -> None:
    dice = random.Random(seed)
    world = UpsertWorld.at(tmp_path).play(*delivered_again(random_epochs(dice), dice))
    assert isinstance(world, UpsertWorld)
    stale(world, dice, 4)
    wanted = expected(world)
    document = world.write().reconcile().document
    assert sorted((records.replace("'", ""), cause) for records, cause in world.told()) == wanted
    assert document["balanced"]


@pytest.mark.parametrize("seed", range(8))
def test_records_in_quarantine(seed: int, tmp_path: Path) -> None:
    dice = random.Random(seed)
    world, epochs = UpsertWorld.at(tmp_path), random_epochs(dice)
    rights = [record.name for epoch in epochs for record in epoch if record.side == "right"]
    world.refused = dict.fromkeys(dice.sample(rights, 12), "not_json")
    world.play(*epochs)
    wanted = expected(world)
    world.write().reconcile()
    assert world.told() == wanted
    assert any(cause.endswith("quarantined") for _, cause in wanted)
