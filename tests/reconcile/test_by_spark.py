"""A reconcile whose differing rows Spark finds: document and findings are those of DuckDB, in worlds of every kind."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from plumbline.connect.home import Home
from plumbline.contract.errors import UsageError
from plumbline.contract.loader import parse
from plumbline.contract.ranges import TimeRange
from plumbline.reconcile.run import Run
from tests.reconcile.causes.test_causes import several_at_once, stream_of
from tests.reconcile.evidence.test_null_lineage import change
from tests.reconcile.test_random_drift import random_epochs, spoil
from tests.support.edits import change_a_value, swap_two_rows_days, world_of_days
from tests.support.join_kinds import join_all
from tests.support.unnamed_rows import unnamed
from tests.support.world import BATCH, CONTRACT, OUTPUT, START, STREAM, World, play, show

pytestmark = pytest.mark.usefixtures("spark")
MakeWorld = Callable[..., World]
DAY = TimeRange(START, START + timedelta(days=1))
"""That which the worlds begin on; some have rows on the day before."""


@pytest.fixture
def make_world(tmp_path: Path) -> MakeWorld:
    """A world as the others', in a home with the jars."""
    return lambda **options: replace(World.at(tmp_path, **options), home=Home.resolve(tmp_path))


def found(world: World, engine: str, **options: Any) -> tuple[Run, list[str]]:
    """The run by an engine, unrecorded, and its findings."""
    out = world.home.root / f"{engine}.parquet"
    run = world.reconcile(engine=engine, record=False, out=str(out), **options)
    return run, sorted(map(repr, pq.read_table(out).to_pylist()))


def same_by_both(world: World, **options: Any) -> Run:
    """The run by Spark. Fails unless DuckDB gives the same document and findings."""
    (ours, findings), (theirs, other) = (found(world, engine, **options) for engine in ("duckdb", "spark"))
    assert theirs.document == ours.document
    assert other == findings
    assert theirs.engine is not None
    assert theirs.engine.document() == {"name": "spark", "why": "asked for"}
    return theirs


def several(world: World) -> None:
    several_at_once(world)
    world.batch.append(world.row("c"))


def moved(world: World) -> None:
    """Equal rows on other days: one of a single row, one of a key with two, one without a time."""
    stream_of(world, [play("pd2", "d", 121)])
    world.write()
    change(world, STREAM, "a", _event_time=START - timedelta(days=1))
    change(world, STREAM, "b", _event_time=None)


def one_value_each(world: World) -> None:
    """Rows that differ in one value alone, each in another one."""
    stream_of(world)
    world.write()
    change(world, STREAM, "a", title="another")
    change(world, STREAM, "b", play_id="another")
    change(world, STREAM, "c", seconds=-1.0)


def doubled(world: World) -> None:
    """A key twice, whose second row stands on another day in one table."""
    stream_of(world)
    world.batch += [row for row in world.batch if row.left.name == "a"]
    world.stream += [row for row in world.stream if row.left.name == "a"]
    world.write()
    rows = world.lake.load(STREAM).scan().to_arrow().to_pylist()
    next(row for row in rows if row["show_id"] == "a")["_event_time"] += timedelta(days=1)
    world.lake.load(STREAM).overwrite(pa.Table.from_pylist(rows, schema=OUTPUT))


def random_drift(world: World) -> None:
    dice = random.Random(3)
    world.play(*random_epochs(dice))
    spoil(world, dice)


def nothing_at_all(world: World) -> None:
    world.play([show("a", 0)])
    world.stream, world.batch = [], []


def equal(world: World) -> None:
    stream_of(world)


WORLDS: dict[str, tuple[Callable[[World], Any], dict[str, str], TimeRange | None]] = {
    "causes of most kinds": (several, {}, None),
    "a key that may be NULL": (several, {"key": "[show_id, play_id]"}, None),
    "rows that differ in one value": (one_value_each, {"key": "[show_id]"}, None),
    "rows on other days": (moved, {}, None),
    "a key with rows on two days": (doubled, {}, None),
    "random drift": (random_drift, {}, None),
    "up to a moment of it": (random_drift, {}, TimeRange(None, START + timedelta(microseconds=1))),
    "equal tables": (equal, {}, None),
    "empty tables": (nothing_at_all, {}, None),
}


@pytest.mark.parametrize("name", WORLDS)
def test_document_and_findings_are_the_same(name: str, make_world: MakeWorld) -> None:
    plant, options, times = WORLDS[name]
    world = make_world(**options)
    plant(world)
    if plant not in (one_value_each, moved, doubled):
        world.write()
    run = same_by_both(world, time_range=times, full=True)
    assert run.document["balanced"]
    assert (run.document["verdict"] == "drift") == (name not in ("equal tables", "empty tables"))


def test_unmatched_right_events_have_rows_too(make_world: MakeWorld) -> None:
    world = make_world(kind="full_outer")
    join_all(stream_of(world, [play("q", "nobody", 6), play("pc", "c", 4)])).write()
    assert same_by_both(world, time_range=DAY).document["verdict"] == "drift"


def test_rows_of_a_job_that_do_not_name_their_records(make_world: MakeWorld) -> None:
    world = stream_of(make_world(), [show("x", 3), play("pc", "c", 4)])
    world.stream.append(world.row("b"))
    contract = CONTRACT.replace("KEY", "[show_id]").replace("KIND", "left_outer")
    assert same_by_both(unnamed(world, contract=contract)).document["causes"]["late_left"] == 1


def test_records_that_were_delivered_twice(make_world: MakeWorld) -> None:
    world = make_world()
    world.contract = parse(
        CONTRACT.replace("KEY", "[show_id]").replace("KIND", "left_outer").replace(
            "event_time: played_at", "event_time: played_at\n    event_id: play_id"
        )
    )  # fmt: skip
    first, second = (replace(play(name, "d", 120), id="pd") for name in ("pd", "pd'"))
    world.play([show("d", 100), first, second], [show("f", 300)], [])
    taken = replace(world.record("pd'"), name="pd")
    world.stream = [replace(row, right=taken, seconds=7.0) if row.right else row for row in world.stream]
    assert same_by_both(world.write()).document["causes"] == {"duplicate_input": 1}


VALUES = {
    "double": (pa.float64(), [(float("nan"), float("nan")), (0.0, -0.0), (1.5, 1.5), (None, float("nan"))], 1),
    "float": (pa.float32(), [(float("nan"), float("nan")), (0.0, -0.0), (None, None), (0.1, 0.2)], 1),
    "decimal(10,2)": (pa.decimal128(10, 2), [(Decimal("1.10"), Decimal("1.10")), (None, Decimal("0.00"))], 1),
    "timestamp": (
        pa.timestamp("us", tz="UTC"),
        [(START, START), (START, START + timedelta(microseconds=1)), (None, START)],
        2,
    ),
    "date": (pa.date32(), [(START.date(), START.date()), (None, START.date())], 1),
    "string": (pa.string(), [("", None), ("é", "e\u0301"), ("a", "a "), ("A", "a"), ("x", "x")], 4),
    "binary": (pa.binary(), [(b"", None), (b"\x00", b"\x00"), (b"\x00", b"\x00\x00")], 2),
    "boolean": (pa.bool_(), [(True, True), (False, None), (True, False)], 2),
    "long": (pa.int64(), [(2**60, 2**60 + 1), (None, 0), (-1, -1)], 2),
}


def test_values_are_equal_by_one_rule(make_world: MakeWorld) -> None:
    """A column for each type, and in each row a pair of values of it."""
    world, kinds = make_world(), {f"v{n}": kind for n, kind in enumerate(VALUES)}
    named = ", ".join(f"{name}: '{kind}'" for name, kind in kinds.items())
    world.contract = parse(
        CONTRACT.replace("KEY", "[show_id]").replace("KIND", "inner").replace("seconds: double", named)
        .replace("plays.seconds", ", ".join(f"plays.{name}" for name in kinds))
    )  # fmt: skip
    rows = range(max(len(pairs) for _, pairs, _ in VALUES.values()))
    world.play([show(f"s{n}", n) for n in rows], [play(f"p{n}", f"s{n}", n) for n in rows])
    properties = world.write_inputs()
    values = [pa.field(name, VALUES[kind][0]) for name, kind in kinds.items()]
    schema = pa.schema([field for field in OUTPUT if field.name != "seconds"] + values)
    for side, (table, said) in enumerate({BATCH: properties, STREAM: {}}.items()):
        lines = [{**row.values(), **values_of(int(row.left.name[1:]), side)} for row in world.batch]
        world.lake.ensure_table(table, schema, ("day", "_event_time"))
        world.lake.append(table, pa.Table.from_pylist(lines, schema=schema), said)
    differ = {name: VALUES[kind][2] for name, kind in kinds.items()}
    assert same_by_both(world).document["columns"] == differ


def values_of(number: int, side: int) -> dict[str, Any]:
    """The values of one row of the batch table (0) or the stream table (1); NULL where a type has fewer pairs."""
    cases = enumerate(pairs for _, pairs, _ in VALUES.values())
    return {f"v{n}": pairs[number][side] if number < len(pairs) else None for n, pairs in cases}


def test_what_is_forgiven_is_not_drift(make_world: MakeWorld) -> None:
    world = make_world()
    world.contract = parse(
        CONTRACT.replace("KEY", "[show_id]").replace("KIND", "left_outer")
        + "  tolerances: {seconds: {abs: 0.5}, title: ignore}\n"
    )
    stream_of(world)
    world.stream = [replace(row, seconds=1e9 if row.left.name == "d" else None) for row in world.stream]
    assert same_by_both(world.write()).document["columns"] == {"seconds": 1}


def test_only_the_days_that_changed_are_read(make_world: MakeWorld) -> None:
    """A day's verdict of the one engine stands for the other."""
    dice = random.Random(9)
    world = world_of_days(make_world, dice)
    world.reconcile()
    swap_two_rows_days(world, dice)
    run = same_by_both(world)
    assert run.document["reused"]["partitions"] > 0
    assert run.document["columns"] == {"_event_time": 2}
    world.reconcile(engine="spark")
    change_a_value(world, dice)
    assert same_by_both(world).document["reused"]["partitions"] > 0


def test_a_third_opinion_and_the_grey_zone(make_world: MakeWorld) -> None:
    world = make_world()
    several(world)
    world.write()
    world.lake.ensure_table("joined.third", OUTPUT)
    world.lake.append("joined.third", world.lake.load(BATCH).scan().to_arrow())
    run = same_by_both(world, against="joined.third", edges=True)
    assert run.document["against"] is not None
    assert run.document["edges"] is not None


def test_deleted_rows_are_gone(spark: SparkSession, make_world: MakeWorld) -> None:
    from plumbline.connect.spark import session

    world = stream_of(make_world()).write()
    mine = session(world.home, world.lake, app="edits")
    mine.sql(f"ALTER TABLE lake.{STREAM} SET TBLPROPERTIES ('write.delete.mode'='merge-on-read')")
    mine.sql(f"DELETE FROM lake.{STREAM} WHERE show_id = 'b'")
    assert same_by_both(world).document["counts"]["missing"] == 1


def test_a_column_from_after_the_newest_snapshot_is_refused(make_world: MakeWorld) -> None:
    """Spark reads a snapshot in its schema of then, DuckDB the newest one in that of now."""
    world = stream_of(make_world()).write()
    with world.lake.load(STREAM).update_schema() as update:
        update.rename_column("seconds", "minutes")
        update.rename_column("play_id", "seconds")
    with pytest.raises(UsageError, match=r"does not compare column \w+, which was changed after the newest snapshot"):
        world.reconcile(engine="spark")
    run = world.reconcile(engine="auto", record=False)
    assert run.engine is not None
    assert run.engine.name == "duckdb"
