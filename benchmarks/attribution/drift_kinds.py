"""The kinds of drift that are planted: each takes the world in the making and the show to plant it in."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from benchmarks.attribution.planting import TOLERANCE, Planted, records_of, rows_of
from tests.support.world import Row, World, play, show

Plant = Callable[[Planted, str], None]
KINDS: dict[str, Plant] = {}


def kind(plant: Plant) -> Plant:
    """Register a kind under its function's name."""
    KINDS[plant.__name__] = plant
    return plant


@kind
def late_left(made: Planted, name: str) -> None:
    """The show comes hours after its time."""
    made.delivered[name] += made.dice.uniform(60, 300)


@kind
def late_right(made: Planted, name: str) -> None:
    """One of two plays comes hours after its time."""
    first, _ = made.with_plays(name, 5.25, 40.5)
    made.delivered[first.name] += made.dice.uniform(60, 300)


@kind
def future_stamp(made: Planted, name: str) -> None:
    """A show and a play say that they are of the hours to come; what comes in those hours is late."""
    number, ahead = len(made.signs), made.dice.uniform(60, 200)
    now = made.shows[name].minute
    for sign in (show(f"sign{number}", now + ahead), play(f"sign{number + 1}", "nobody", now + ahead)):
        made.signs.append(replace(sign, ahead=ahead))
        made.delivered[sign.name] = now


@kind
def poison(made: Planted, name: str) -> None:
    """A record is in quarantine, and the reference joined it all the same."""
    record = made.dice.choice([made.shows[name], *made.plays[name]])
    made.refused[record.name] = "wrong_type"


@kind
def duplicate_delivery(made: Planted, name: str) -> None:
    """A play is delivered twice with other values; the stream takes the delivery that the batch does not, for it came
    first."""
    (first,) = made.with_plays(name, 7.5)
    event = replace(first, id=first.name)
    copy = replace(event, name=f"{first.name} again", partition=1)
    made.plays[name] = [event, copy]
    made.delivered[copy.name] = made.delivered[first.name] - 0.001
    other_value = -99.0
    _spoil(made, name, "duplicate_input", lambda world, row: _put(world, row, replace(row, seconds=other_value)))


@kind
def double_commit(made: Planted, name: str) -> None:
    """The stream holds a row twice."""
    _spoil(made, name, "double_commit", lambda world, row: world.stream.append(row))


@kind
def deleted_output(made: Planted, name: str) -> None:
    """A row is gone from the stream table."""
    _spoil(made, name, "lost_output", lambda world, row: world.stream.remove(row))


@kind
def altered_value(made: Planted, name: str) -> None:
    """One column of the stream's row has another value."""
    changed = made.dice.choice([-1.0, 1e9, math.nan, -math.inf])
    _spoil(made, name, "value_divergence", lambda world, row: _put(world, row, replace(row, seconds=changed)))


@kind
def swapped_values(made: Planted, name: str) -> None:
    """Two plays of a show have each other's value."""
    made.with_plays(name, 5.0, 30.0)

    def swap(world: World) -> None:
        if not made.sound(world, name):
            return
        one, other = rows_of(world, name)
        for row, value in ((one, other.right), (other, one.right)):
            assert value is not None
            _put(world, row, replace(row, seconds=value.minute))
            made.label(row, "value_divergence")

    made.after_the_batch.append(swap)


@kind
def tolerance_edge(made: Planted, name: str) -> None:
    """A value lies at the very end of the tolerance, or at the next number beyond."""
    made.with_plays(name, 10.0)
    beyond = made.dice.random() < 0.5

    def shift(world: World) -> None:
        if not made.sound(world, name):
            return
        (row,) = rows_of(world, name)
        assert row.right is not None
        value = row.right.minute + TOLERANCE
        _put(world, row, replace(row, seconds=math.nextafter(value, math.inf) if beyond else value))
        if beyond:
            made.label(row, "value_divergence")

    made.after_the_batch.append(shift)


@kind
def schema_change(made: Planted, name: str) -> None:
    """A column was added to the stream table after the epoch that read the play."""
    (first,) = made.with_plays(name, 12.0)

    def forget(world: World, row: Row) -> None:
        made.changed_after = max(made.changed_after or 0, world.read_in[first.name])
        _put(world, row, replace(row, knows_seconds=False))

    _spoil(made, name, "schema_change", forget)


@kind
def batch_cut(made: Planted, name: str) -> None:
    """A record reaches the archive after the batch run."""
    made.before_the_batch.append(lambda world: _leave_out(made, world, name, made.cut, "arrived_after_batch"))


@kind
def archive_gap(made: Planted, name: str) -> None:
    """A record never reaches the archive."""
    made.before_the_batch.append(lambda world: _leave_out(made, world, name, made.missing, "archive_gap"))


@kind
def window_edge(made: Planted, name: str) -> None:
    """A pair lies at a bound of the window, and only one of the tables has it."""
    made.with_plays(name, made.dice.choice([0.0, 60.0]))
    in_stream = made.dice.random() < 0.5

    def part(world: World, row: Row) -> None:
        table = world.batch if in_stream else world.stream
        table[table.index(row)] = replace(row, right=None)

    _spoil(made, name, "window_edge", part)


@kind
def beyond_the_window(made: Planted, name: str) -> None:
    """The stream joined a pair that lies too far apart."""
    (far,) = made.with_plays(name, 60 + made.dice.uniform(0.1, 30))

    def join(world: World) -> None:
        if made.sound(world, name):
            (row,) = rows_of(world, name)
            joined = replace(row, right=world.record(far.name))
            _put(world, row, joined)
            made.label(joined, "out_of_contract")

    made.after_the_batch.append(join)


@kind
def replay_only(made: Planted, name: str) -> None:
    """A replay published a row that the batch does not have."""
    made.with_plays(name, *made.dice.choice([(), (3.0,)]))

    def publish(world: World, row: Row) -> None:
        world.batch.remove(row)
        _put(world, row, replace(row, replay_id="r-1"))

    _spoil(made, name, "replayed", publish)


@kind
def no_cause(made: Planted, name: str) -> None:
    """The stream lost a match that it had in time: nothing proves why, and nothing may be made up."""
    made.with_plays(name, 20.0)
    _spoil(made, name, "unexplained", lambda world, row: _put(world, row, replace(row, right=None)))


def _put(world: World, row: Row, changed: Row) -> None:
    world.stream[world.stream.index(row)] = changed


def _spoil(made: Planted, name: str, cause: str, spoil: Callable[[World, Row], None]) -> None:
    """Once the batch has run, spoil one of the show's rows, if all its records came in time."""

    def step(world: World) -> None:
        if made.sound(world, name):
            row = made.dice.choice(rows_of(world, name))
            made.label(row, cause)
            spoil(world, row)

    made.after_the_batch.append(step)


def _leave_out(made: Planted, world: World, name: str, left_out: list[str], cause: str) -> None:
    """Leave one of the show's records out of what the batch run reads."""
    if not made.sound(world, name):
        return
    record = made.dice.choice([world.record(r.name) for r in (made.shows[name], *made.plays[name])])
    left_out.append(record.name)
    for row in rows_of(world, name):
        if record.name in records_of(row).split():
            made.label(row, cause)
