"""Random edits of a world's tables between two reconciles: what jobs, people and maintenance do to them."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa

from plumbline.connect.table_names import EPOCHS
from plumbline.connect.tables import EPOCHS_SCHEMA
from plumbline.contract.ranges import TimeRange
from tests.support.world import OUTPUT, START, Record, World, play, show

DAYS = 3
STREAM, BATCH = "joined.plays_stream", "joined.plays_batch"
Rows = list[dict[str, Any]]


def epochs(dice: random.Random, *, poisoned: bool, shows: int = 90) -> list[list[Record]]:
    """Shows of six days around START, most with plays; most in time, some hours late. `poisoned`: amid them two records
    from the future."""
    records: list[tuple[float, Record]] = []
    for number in range(shows):
        minute = dice.uniform(-DAYS * 1440, DAYS * 1440)
        records.append((minute + lateness(dice), show(f"s{number}", minute, dice.randrange(2))))
        for copy in range(dice.choice([0, 1, 1, 2])):
            at = minute + dice.uniform(0, 60)
            records.append((at + lateness(dice), play(f"p{number}.{copy}", f"s{number}", at, dice.randrange(2))))
    if poisoned:
        stamped = {"minute": 1000.0, "ahead": 1000.0}
        records += [(0, replace(show("fs", 0), **stamped)), (0, replace(play("fp", "fs", 0), **stamped))]
    ordered = [record for _, record in sorted(records, key=lambda item: item[0])]
    return [ordered[start : start + 12] for start in range(0, len(ordered), 12)]


def lateness(dice: random.Random) -> float:
    return dice.choice([0, 1, 5, 9, dice.uniform(10, 300)])


def world_of_days(make_world: Callable[..., World], dice: random.Random, *, poisoned: bool = False) -> World:
    """A world of six days whose batch run covered seven; a last pair of records two days on settles the six."""
    world = make_world()
    world.batch_range = (START - timedelta(days=DAYS + 1), START + timedelta(days=DAYS))
    last = DAYS * 1440 + 2880
    return world.play(*epochs(dice, poisoned=poisoned), [show("end", last), play("pe", "end", last)], []).write()


def edit(world: World, dice: random.Random) -> str:
    """Change something; returns what."""
    chosen = dice.choice(EDITS)
    chosen(world, dice)
    return chosen.__name__


def lose_a_row(world: World, dice: random.Random) -> None:
    rewrite(world, dice, STREAM, lambda rows: rows.remove(dice.choice(rows)))


def double_a_row(world: World, dice: random.Random) -> None:
    rewrite(world, dice, STREAM, lambda rows: rows.append(dice.choice(rows)))


def change_a_value(world: World, dice: random.Random) -> None:
    rewrite(world, dice, dice.choice([STREAM, BATCH]), lambda rows: dice.choice(rows).update(seconds=dice.random()))


def publish_a_replay(world: World, dice: random.Random) -> None:
    rewrite(world, dice, STREAM, lambda rows: [row.update(_replay_id="r-1") for row in rows])


def compact(world: World, dice: random.Random) -> None:
    rewrite(world, dice, dice.choice([STREAM, BATCH]), lambda rows: None)


def move_a_row_to_another_day(world: World, dice: random.Random) -> None:
    def moved(rows: Rows) -> None:
        dice.choice(rows)["_event_time"] += timedelta(days=1)

    rewrite(world, dice, dice.choice([STREAM, BATCH]), moved)


def give_two_days_one_key(world: World, dice: random.Random) -> None:
    for table in (STREAM, BATCH):
        rewrite(world, dice, table, lambda rows: dice.choice(rows).update(show_id="everywhere"))


def swap_two_rows_days(world: World, dice: random.Random) -> None:
    """The one disorder that leaves the number of rows of every day as it was."""
    rows = read(world, STREAM)
    one, other = dice.sample(rows, 2)
    one["_event_time"], other["_event_time"] = other["_event_time"], one["_event_time"]
    write(world, STREAM, rows, None)


def archive_a_late_record(world: World, dice: random.Random) -> None:
    shown = dice.choice([record for record in world.records if record.side == "left"])
    late = world._place(play(f"l{len(world.records)}", shown.show, shown.minute + 1, dice.randrange(2)))
    world.lake.append("raw.plays", world._archived([late], "plays"))


def read_on(world: World, dice: random.Random) -> None:
    """The stream plans another epoch."""
    note_epoch(world, lambda row: row | {"epoch": row["epoch"] + 1, "start_offset": row["end_offset"]})


def begin_another_checkpoint(world: World, dice: random.Random) -> None:
    name = f"q{len(world.ledger)}"
    note_epoch(world, lambda row: row | {"query_id": name, "epoch": 0, "start_offset": row["end_offset"]})


def quarantine_a_record(world: World, dice: random.Random) -> None:
    record = replace(world._place(show(f"q{len(world.records)}", dice.uniform(-4000, 4000))), partition=0)
    world.refused[record.name] = "null_key"
    world.lake.append("raw.shows", world._archived([record], "shows"))
    if dice.random() < 0.5:
        world.copied = [record.name]
        world._quarantine()


def forgive_more(world: World, dice: random.Random) -> None:
    contract = world.contract.model_dump(mode="json")
    contract["reconcile"]["tolerances"] = {"seconds": {"abs": dice.random()}}
    world.contract = type(world.contract).model_validate(contract)


def grow_a_column(world: World, dice: random.Random) -> None:
    table = world.lake.load(dice.choice([STREAM, BATCH]))
    if "note" not in table.schema().column_names:
        from pyiceberg.types import StringType

        with table.update_schema() as change:
            change.add_column("note", StringType())


def touch_nothing(world: World, dice: random.Random) -> None:
    return None


EDITS = (
    lose_a_row, double_a_row, change_a_value, publish_a_replay, compact, move_a_row_to_another_day,
    give_two_days_one_key, swap_two_rows_days, archive_a_late_record, read_on, begin_another_checkpoint,
    quarantine_a_record, forgive_more, grow_a_column, touch_nothing,
)  # fmt: skip


def note_epoch(world: World, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Add to the ledger one epoch made from its last one, two hours of watermark on."""
    last = [row for row in world.ledger if row["planned_at"] == world.ledger[-1]["planned_at"]]
    for row in last:
        later = {"planned_at": row["planned_at"] + timedelta(minutes=1)}
        later["late_watermark_ms"] = row["evict_watermark_ms"]
        later["evict_watermark_ms"] = row["evict_watermark_ms"] + 7_200_000
        world.ledger.append(change({**row, **later}))
    world.lake.append(EPOCHS, pa.Table.from_pylist(world.ledger[-len(last) :], schema=EPOCHS_SCHEMA))


def rewrite(world: World, dice: random.Random, table: str, change: Callable[[Rows], object]) -> None:
    """Change the rows of one day and replace the day's files by one; a day without rows is left alone."""
    day = START + timedelta(days=dice.randrange(-DAYS, DAYS))
    rows = rows_of_day(world, table, day)
    if rows:
        change(rows)
        write(world, table, rows, day)


def rows_of_day(world: World, table: str, day: datetime) -> Rows:
    return [row for row in read(world, table) if day <= row["_event_time"] < day + timedelta(days=1)]


def read(world: World, table: str) -> Rows:
    return world.lake.load(table).scan().to_arrow().select(OUTPUT.names).cast(OUTPUT).to_pylist()


def write(world: World, table: str, rows: Rows, day: datetime | None) -> None:
    """Replace a day, or everything, by rows. What the batch run covers stays noted: it is in earlier snapshots."""
    new = pa.Table.from_pylist(rows, schema=OUTPUT)
    if day is None:
        world.lake.load(table).overwrite(new)
        return
    of_day = TimeRange(day, day + timedelta(days=1)).iceberg("_event_time")
    world.lake.load(table).overwrite(new, overwrite_filter=of_day)
