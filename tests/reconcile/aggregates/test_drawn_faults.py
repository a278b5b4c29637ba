"""Faults of eight kinds among late and quarantined records: each named rightly or unexplained, all else explained."""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from tests.support.aggregate_world import AggregateWorld, Line, drawn, named

WRONG: list[Callable[[Line], Line]] = [
    lambda line: {"shown": line["shown"] + 1},
    lambda line: {"seconds": (line["seconds"] or 0) + 1},
    lambda line: {"paid": (line["paid"] or Decimal(0)) + Decimal("0.01")},
    lambda line: {"weight": (line["weight"] or 1.0) * (1 + 1e-12)},
    lambda line: {"most": (line["most"] or 0) + 1},
]


def spoiled(world: AggregateWorld, dice: random.Random) -> dict[str, str]:
    """Spoil eight lines of the stream. Returns what is to be said of each."""
    lines = list(world.stream_lines)
    dice.shuffle(lines)
    lost, twice, copied, *others = lines
    world.stream_lines.remove(lost)
    invented = {**copied, "genre": "x"}
    world.stream_lines += [dict(twice), invented]
    for line, wrong in zip(others, WRONG, strict=False):
        line |= wrong(line)
    unexplained = [*others[: len(WRONG)], invented]
    said = {named(line): "unexplained" for line in unexplained}
    return said | {named(lost): "lost_output", named(twice): "double_commit"}


@pytest.mark.parametrize("seed", range(6))
def test_each_fault_is_told_and_nothing_else_is_taken_for_one(tmp_path: Path, seed: int) -> None:
    dice, epochs = random.Random(seed), drawn(seed + 1000)
    world = AggregateWorld.made(tmp_path, "left_outer" if seed % 2 else "inner")
    world.refused = dict.fromkeys(dice.sample([one.name for epoch in epochs for one in epoch], 4), "null_key")
    world.play(*epochs).aggregated()
    planted = spoiled(world, dice)
    run = world.write().compared()
    told = {named(one.key): one.said.cause for one in run.findings}
    assert {name: told.pop(name) for name in planted} == planted
    assert set(told.values()) <= {"late_left", "late_right", "quarantined"}
    assert len(told) > 10
    assert run.document["balanced"]
