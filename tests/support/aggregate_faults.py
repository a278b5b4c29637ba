"""Drawn worlds of an aggregate: clean ones, and ones with faults of eight kinds beside late and quarantined records."""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

from tests.support.aggregate_world import AggregateWorld, Line, drawn, named
from tests.support.world_rows import MINUTE_MS

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


def faulty(folder: Path, seed: int) -> tuple[AggregateWorld, dict[str, str]]:
    """A world with eight spoiled lines, not written yet, and what is to be said of each."""
    dice, epochs = random.Random(seed), drawn(seed + 1000)
    world = AggregateWorld.made(folder, "left_outer" if seed % 2 else "inner")
    world.refused = dict.fromkeys(dice.sample([one.name for epoch in epochs for one in epoch], 4), "null_key")
    world.play(*epochs).aggregated()
    return world, spoiled(world, dice)


def clean(folder: Path, seed: int) -> AggregateWorld:
    """A world in which nothing is late: records come up to eight minutes out of order, in two to six epochs, and its
    floating-point sums are added up in another order on each side."""
    dice = random.Random(seed)
    delays = {one.name: dice.randrange(8 * MINUTE_MS) * 1_000 for epoch in drawn(seed) for one in epoch}
    every = sorted((one for epoch in drawn(seed) for one in epoch), key=lambda one: one.us + delays[one.name])
    cuts = sorted(dice.sample(range(1, len(every)), dice.randrange(1, 6)))
    epochs = [every[first:last] for first, last in zip([0, *cuts], [*cuts, len(every)], strict=True)]
    world = AggregateWorld.made(folder, "left_outer" if seed % 2 else "inner")
    world.play(*epochs).aggregated()
    assert not world.late
    return world
