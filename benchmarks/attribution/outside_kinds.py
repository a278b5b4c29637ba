"""The kinds of drift that come about otherwise in a real pipeline than in a model's tables; the others are the same."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.attribution.drift_kinds import KINDS, Plant
from benchmarks.attribution.pipeline import COPIED_SECONDS
from benchmarks.attribution.planting import Planted, records_of, rows_of
from tests.support.world import World
from tests.support.world_rows import join

REASONS = ("not_json", "tombstone", "null_key", "null_event_time", "unreadable_event_time")
COLUMN_COMES_AT = -180.0
"""When the contract gets its last column, in minutes as the events have them: they begin at -300."""


def poison(made: Planted, name: str) -> None:
    """A record cannot enter the join: both jobs leave it out; one time in two another reference has joined it."""
    record = made.dice.choice([made.shows[name], *made.plays[name]])
    made.refused[record.name] = made.dice.choice(REASONS)

    def take_in(world: World) -> None:
        records = [world.record(r.name) for r in (made.shows[name], *made.plays[name])]
        world.batch = [row for row in world.batch if row.left.name != name] + join(
            records, lambda left: True, outer=True
        )

    if made.dice.random() < 0.5:
        made.in_the_batch.append(take_in)


def duplicate_delivery(made: Planted, name: str) -> None:
    """A play is delivered twice with other values, first to the partition that the batch reads last."""
    (first,) = made.with_plays(name, 7.5)
    event = replace(first, id=first.name)
    copy = replace(event, name=f"{first.name} again", partition=1)
    made.plays[name] = [event, copy]
    made.delivered[copy.name], made.delivered[first.name] = first.minute, first.minute + 9
    made.breaks.append(first.minute + 4.5)

    def tell(world: World) -> None:
        for row in rows_of(world, name):
            if row.seconds == COPIED_SECONDS:
                made.label(row, "duplicate_input")

    made.after_the_batch.append(tell)


def double_commit(made: Planted, name: str) -> None:
    """The rows of a data file of the stream table are committed again, as far as they are of plain shows."""

    def again(world: World) -> None:
        for row in made.dice.choice(world.files(name)) if made.sound(world, name) else ():
            plain = row.left.name == name or row.left.name in made.shows.keys() - made.chosen
            if plain and made.sound(world, row.left.name) and (records_of(row), "double_commit") not in made.labels:
                made.label(row, "double_commit")
                world.stream.append(row)

    made.after_the_batch.append(again)


def schema_change(made: Planted, name: str) -> None:
    """The contract gets another column between two epochs: what was read before holds NULL in it."""
    made.column_comes_at = COLUMN_COMES_AT


def batch_cut(made: Planted, name: str) -> None:
    """The newest records come after the batch run, and in time for the stream."""
    first = replace(made.shows[name], minute=301 + made.dice.randrange(5))
    made.shows[name], made.delivered[name] = first, first.minute
    plays = made.with_plays(name, *made.dice.choice([(3.0,), (2.0, 4.5)]))
    cut = [record.name for record in made.dice.choice([[first, *plays], plays])]
    made.cut += cut

    def tell(world: World) -> None:
        for row in rows_of(world, name):
            if set(cut) & set(records_of(row).split()):
                made.label(row, "arrived_after_batch")

    made.after_the_batch.append(tell)


OUTSIDE: dict[str, Plant] = KINDS | {
    plant.__name__: plant for plant in (poison, duplicate_delivery, double_commit, schema_change, batch_cut)
}
