"""Random epochs with random spoilings: every spoiling gets its label as cause, and the books always balance."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from plumbline.reconcile.judge import prediction
from tests.support.world import Record, Row, World, play, show

MakeWorld = Callable[..., World]


def random_epochs(dice: random.Random) -> list[list[Record]]:
    """Hours around midnight: shows with up to three plays each, in disorder, most in time and some hours late."""
    records: list[tuple[float, Record]] = []
    for number in range(60):
        minute = dice.uniform(-300, 300)
        name = f"s{number}"
        records.append((minute + lateness(dice), show(name, minute, dice.randrange(2))))
        for copy in range(dice.choice([0, 1, 1, 2, 3])):
            at = minute + dice.uniform(0, 60)
            records.append((at + lateness(dice), play(f"p{number}.{copy}", name, at, dice.randrange(2))))
    ordered = [record for _, record in sorted(records, key=lambda item: item[0])]
    size = dice.choice([5, 11, 23])
    return [ordered[start : start + size] for start in range(0, len(ordered), size)]


def lateness(dice: random.Random) -> float:
    return dice.choice([0, 1, 5, 9, dice.uniform(10, 300)])


def spoil(world: World, dice: random.Random) -> dict[tuple[str, str | None], str]:
    """Spoil some rows that both tables hold; returns (left, right) to the cause that must be found."""
    labels = {}
    for row in dice.sample([row for row in world.stream if row in world.batch], 12):
        label = dice.choice(["lost_output", "double_commit", "value_divergence"])
        labels[row.left.name, row.right.name if row.right else None] = label
        if label == "lost_output":
            world.stream.remove(row)
        elif label == "double_commit":
            world.stream.append(row)
        else:
            world.stream[world.stream.index(row)] = replace(row, seconds=-1.0)
    return labels


def expected(world: World, labels: dict[tuple[str, str | None], str]) -> dict[str, str]:
    """Names of each batch row's records to its cause: the label, or what the model says of a row that never came."""
    there = {(row.left.name, row.right.name if row.right else None) for row in world.stream}
    found = {}
    for row in world.batch:
        pair = (row.left.name, row.right.name if row.right else None)
        name = " ".join(part for part in pair if part)
        if pair in labels:
            found[name] = labels[pair]
        elif pair not in there:
            found[name] = fate(world, row, labels)
    return found


def fate(world: World, row: Row, labels: dict[tuple[str, str | None], str]) -> str:
    """Why the model's stream did not write a row that the batch has."""
    if row.left.name in world.late:
        return "late_left"
    matched = any(other.left == row.left and other.right for other in world.stream) or any(
        left == row.left.name and right for left, right in labels
    )
    final = world.is_closed(row.left) or matched
    if row.right is not None and row.right.name in world.late and final:
        return "late_right"
    return "pending"


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("spoiled", [False, True], ids=["as the model says", "spoiled"])
def test_every_row_gets_its_cause_and_the_books_balance(
    seed: int, spoiled: bool, make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    if seed % 2:
        monkeypatch.setattr(prediction, "BLOCK", 3)  # epochs then begin and end within blocks of offsets
    dice = random.Random(seed)
    world = make_world().play(*random_epochs(dice))
    labels = spoil(world, dice) if spoiled else {}
    wanted = expected(world, labels)
    document = world.write().reconcile().document
    told = {records: cause.split()[1] for records, cause in world.told()}
    assert told == wanted
    assert {"late_left", "late_right"} <= set(wanted.values())
    assert document["balanced"]
    if not spoiled:
        assert document["agrees"] is True
    assert_books(document)


def assert_books(document: dict) -> None:  # type: ignore[type-arg]
    """Both tables' rows add up, on each page and in total, from findings and matches alone."""
    assert {name: sum(page[name] for page in document["ledger"]) for name in document["counts"]} == document["counts"]
    for page in (*document["ledger"], {**document["counts"], "causes": {}}):
        surplus = page["duplicate"]  # each doubled row is one batch row and two stream rows
        assert page["batch"] == page["match"] + page["mismatch"] + page["missing"] + page["pending"] + page["duplicate"]
        assert page["stream"] == page["match"] + page["mismatch"] + page["extra"] + page["duplicate"] + surplus
