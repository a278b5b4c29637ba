"""Worlds with planted drift and their labels: real Iceberg tables, filled by the model of tests/support/world.py.

A world has some forty shows, each with up to three plays. A kind of drift is planted in one show, its plays included,
so that each finding has one label. What is late, pending or late by an event from the future follows from the model,
played with and without such events; everything else is labelled where it is planted.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from plumbline.connect.home import Home
from plumbline.contract.loader import parse
from tests.support.world import CONTRACT, OUTPUT, Record, Row, World, play, show

SHOWS = 40
TOLERANCE = 0.5
CONTRACT_TEXT = (
    CONTRACT.replace("KEY", "[show_id]")
    .replace("KIND", "left_outer")
    .replace("event_time: played_at", "event_time: played_at\n    event_id: play_id")
    .replace("  fail_when:", f"  tolerances: {{seconds: {{abs: {TOLERANCE}}}}}\n  fail_when:")
)
Label = tuple[str, str]
"""The names of a finding's records, and its cause."""

Step = Callable[[World], None]


@dataclass
class Planted:
    """A world in the making: its records by show, when each is delivered (minutes), and what is yet to be spoiled."""

    dice: random.Random
    shows: dict[str, Record] = field(default_factory=dict)
    plays: dict[str, list[Record]] = field(default_factory=dict)
    signs: list[Record] = field(default_factory=list)
    delivered: dict[str, float] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    cut: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    changed_after: int | None = None
    breaks: list[float] = field(default_factory=list)
    column_comes_at: float | None = None
    before_the_batch: list[Step] = field(default_factory=list)
    in_the_batch: list[Step] = field(default_factory=list)
    after_the_batch: list[Step] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    labelled: set[str] = field(default_factory=set)
    chosen: list[str] = field(default_factory=list)
    old_form: set[str] = field(default_factory=set)

    def add(self, record: Record, after: float = 0.0) -> Record:
        """Deliver a record `after` minutes behind its event time."""
        self.delivered[record.name] = record.minute + after
        if record.side == "left":
            self.shows[record.name], self.plays[record.name] = record, []
        else:
            self.plays[record.show].append(record)
        return record

    def with_plays(self, name: str, *minutes: float) -> list[Record]:
        """Let a show have these plays instead of its own, in minutes after it."""
        self.plays[name].clear()
        first = self.shows[name]
        made = (play(f"q{name}.{i}", name, first.minute + after, 0) for i, after in enumerate(minutes))
        return [self.add(record) for record in made]

    def epochs(self, size: int) -> list[list[Record]]:
        """All records in order of delivery, `size` in an epoch."""
        ordered = self.ordered()
        return [ordered[start : start + size] for start in range(0, len(ordered), size)]

    def ordered(self) -> list[Record]:
        """All records in order of delivery."""
        records = [*self.shows.values(), *(r for plays in self.plays.values() for r in plays), *self.signs]
        return sorted(records, key=lambda record: (self.delivered[record.name], record.name))

    def sound(self, world: World, name: str) -> bool:
        """Whether the stream took in a show and its plays in time and in today's form, and has closed its window."""
        records = [name, *(record.name for record in self.plays[name])]
        return (
            name not in self.old_form
            and world.is_closed(self.shows[name])
            and not any(r in world.late or r in self.refused for r in records)
        )

    def label(self, row: Row, cause: str) -> None:
        """Expect a finding of this row's records, and no other of its show but such."""
        self.labelled.add(row.left.name)
        self.labels.append((records_of(row), cause))


def records_of(row: Row) -> str:
    """The names of a row's records, as World.told has them."""
    return f"{row.left.name} {row.right.name}" if row.right else row.left.name


def rows_of(world: World, name: str) -> list[Row]:
    """The stream's rows of a show."""
    return [row for row in world.stream if row.left.name == name]


def base(dice: random.Random, shows: int = SHOWS) -> Planted:
    """Ten hours of shows in slight disorder: nothing is late."""
    made = Planted(dice)
    for number in range(shows):
        # Whole minutes: a play can lie exactly at the bound.
        first = made.add(show(f"s{number}", dice.randint(-300, 300), dice.randrange(2)), dice.uniform(0, 9))
        for copy in range(dice.choice([0, 1, 1, 2, 3])):
            at = first.minute + dice.uniform(0.1, 59.9)
            made.add(play(f"p{number}.{copy}", first.name, at, dice.randrange(2)), dice.uniform(0, 9))
    return made


def build(seed: int, kinds: Sequence[str], folder: Path, each: int = 2) -> tuple[World, Counter[Label]]:
    """A written world with `each` shows of every kind, and the findings that reconcile must come to."""
    from benchmarks.attribution.drift_kinds import KINDS

    dice = random.Random(seed)
    made = base(dice)
    chosen = dice.sample(list(made.shows), each * len(kinds))
    for place, name in enumerate(chosen):
        KINDS[kinds[place % len(kinds)]](made, name)
    epochs, signs = made.epochs(dice.choice([7, 11, 19])), {sign.name for sign in made.signs}
    world, honest = (World(Home(folder, folder / "jars"), parse(CONTRACT_TEXT)) for _ in range(2))
    world.refused = honest.refused = made.refused
    world.play(*epochs)
    honest.play(*([record for record in epoch if record.name not in signs] for epoch in epochs))
    for step in made.before_the_batch:
        step(world)
    world.archive_without(*made.missing)
    world.batch_without(*made.missing, *made.cut)
    natural = fates(world, honest)
    for step in made.after_the_batch:
        step(world)
    write(world, made)
    return world, all_labels(made, natural)


def all_labels(made: Planted, natural: Sequence[tuple[str, Label]]) -> Counter[Label]:
    """What was planted, and what comes by itself where nothing was."""
    return Counter([*made.labels, *(label for name, label in natural if name not in made.labelled)])


def fates(world: World, honest: World) -> list[tuple[str, Label]]:
    """Each batch row that the stream did not write, and why: (its show, label). `honest` is without the signs."""
    there, matched = set(map(records_of, world.stream)), {row.left.name for row in world.stream if row.right}
    return [
        (row.left.name, (records_of(row), _fate(row, world, honest, row.left.name in matched)))
        for row in world.batch
        if records_of(row) not in there
    ]


def _fate(row: Row, world: World, honest: World, matched: bool) -> str:
    names = [row.left.name, *([row.right.name] if row.right else [])]
    if any(name in world.refused for name in names):
        return "quarantined"
    late = [name for name in names if name in world.late]
    if not late or (late[0] != row.left.name and not matched and not world.is_closed(row.left)):
        return "pending"
    return f"late_{world.late[late[0]]}" if late[0] in honest.late else "watermark_poisoned"


def write(world: World, made: Planted) -> None:
    """Write all tables. Where a column changed, the stream table first commits without it, then with it."""
    if made.changed_after is not None:
        lake, table = world.lake, "joined.plays_stream"
        earlier = OUTPUT.remove(OUTPUT.get_field_index("seconds"))
        lake.ensure_table(table, earlier, ("day", "_event_time"))
        for schema, epoch in ((earlier, made.changed_after), (OUTPUT, made.changed_after + 1)):
            marks = {
                "spark.sql.streaming.queryId": "q1",
                "spark.sql.streaming.epochId": str(epoch),
                "engine-version": "4.1.4",
            }
            lake.evolve(table, schema)
            lake.append(table, pa.Table.from_pylist([], schema=schema), marks)
    world.write()
