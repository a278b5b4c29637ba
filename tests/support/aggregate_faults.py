"""Drawn worlds of an aggregate: clean ones, ones with faults of eight kinds beside late and quarantined records, and
ones whose batch is older than the stream."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from plumbline.contract.findings import CAUSES
from tests.support.aggregate_world import WINDOW, AggregateWorld, Line, begun, drawn, named
from tests.support.world_rows import MINUTE_MS, START, Row

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


def older(folder: Path, seed: int) -> tuple[AggregateWorld, dict[str, str]]:
    """A world whose batch ran before some records came, among late and quarantined ones, and in every third over some
    windows once more. Returns it, not written yet, and the cause of each closed line that differs."""
    dice, epochs = random.Random(seed), drawn(seed + 2000)
    world = AggregateWorld.made(folder, "left_outer" if seed % 2 else "inner")
    names = [one.name for epoch in epochs for one in epoch]
    world.refused = dict.fromkeys(dice.sample(names, 4), "null_key")
    world.play(*epochs).batch_without(*dice.sample(names, dice.randrange(1, 40)))
    if seed % 3 == 0:
        first = START + dice.randrange(9, 24) * WINDOW
        world.batch_again(first, first + timedelta(hours=1))
    world.aggregated()
    return world, causes(world)


def causes(world: AggregateWorld) -> dict[str, str]:
    """The cause of each closed line that differs, by the rows that either job made and the other did not."""
    batch, stream = ({_pair(row): row for row in rows} for rows in (world.batch, world.stream))
    found: dict[str, set[str]] = {}
    for pair in batch.keys() ^ stream.keys():
        row = batch.get(pair) or stream[pair]
        line = {"window_start": begun(row.left.at), "window_end": begun(row.left.at) + WINDOW}
        if world.has_closed(line):
            place = named({**line, "genre": row.left.show[0]})
            found.setdefault(place, set()).add(_why(world, row, gone=pair in batch))
    return {place: min(all_, key=CAUSES.index) for place, all_ in found.items()}  # type: ignore[arg-type]


def _pair(row: Row) -> tuple[str, str | None]:
    return row.left.name, row.right and row.right.name


def _why(world: AggregateWorld, row: Row, *, gone: bool) -> str:
    """Why a row is in one table only."""
    records = [row.left, *([row.right] if row.right else [])]
    if not gone and row.right is None and row.left.name not in world.unseen:  # its partners were not taken in
        mine = [one.right for one in world.batch if one.left.name == row.left.name and one.right]
        return "quarantined" if any(one.name in world.refused for one in mine) else "late_right"
    if gone and any(one.name in world.refused for one in records):
        return "quarantined"
    if gone and row.left.name in world.late:
        return "late_left"
    return "late_right" if gone and row.right and row.right.name in world.late else "arrived_after_batch"
