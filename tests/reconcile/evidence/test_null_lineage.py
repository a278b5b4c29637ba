"""A row one of whose lineage columns is NULL: the books balance, and no cause is read out of what it does not say."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from plumbline.cli import run
from plumbline.contract.lineage import COORDINATES, EVENT_TIME
from plumbline.contract.ranges import TimeRange
from plumbline.reconcile.evidence.moved_rows import with_moved
from plumbline.reconcile.relations.evidence import DIFFERENCES
from tests.reconcile.causes.test_causes import late_right, stream_of
from tests.support.edits import BATCH, STREAM, rows_of_day, world_of_days, write
from tests.support.world import CONTRACT, OUTPUT, START, World

MakeWorld = Callable[..., World]
DAY = TimeRange(START, START.replace(day=2))
HOUR = ["--from", "2024-03-01T00:00Z", "--to", "2024-03-01T01:00Z", "--source", "iceberg"]


def set_null(world: World, table: str, *columns: str, show: str = "a") -> None:
    """Make NULL of the columns in the table's rows of one show; what its commit says of the table stays said."""
    change(world, table, show, **dict.fromkeys(columns))


def change(world: World, table: str, show: str, **values: Any) -> None:
    """Give the table's rows of one show these values; what its commit says of the table stays said."""
    lake = world.lake.load(table)
    rows = lake.scan().to_arrow().to_pylist()
    for row in rows:
        row |= values if row["show_id"] == show else {}
    said = {
        name: value
        for name, value in lake.current_snapshot().summary.additional_properties.items()
        if name.startswith("plumbline.")
    }
    lake.overwrite(pa.Table.from_pylist(rows, schema=OUTPUT), snapshot_properties=said)


def told(world: World) -> dict[str, str]:
    """Of each key the class and cause of its findings."""
    found: dict[str, str] = {}
    for finding in world.findings():
        name = finding["key"]["show_id"]
        found[name] = ", ".join(filter(None, [found.get(name), f"{finding['class']} {finding['cause']}"]))
    return found


@pytest.mark.parametrize("table", [STREAM, BATCH])
@pytest.mark.parametrize("column", [EVENT_TIME, *COORDINATES])
def test_no_command_calls_it_a_defect(
    column: str, table: str, make_world: MakeWorld, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world = make_world()
    late_right(world)
    world.write()
    set_null(world, table, column)
    contract = tmp_path / "plays.yaml"
    contract.write_text(CONTRACT.replace("KEY", "[show_id]").replace("KIND", "left_outer"))
    home = ["--home", str(world.home.root)]
    codes = {
        "reconcile": run(["reconcile", str(contract), *home]),
        "explain": run(["explain", "a", "--contract", str(contract), *home]),
        "expect": run(["expect", str(contract), "--on", "outputs", *home]),
        "diff": run(["diff", STREAM, BATCH, "--key", "show_id", *home]),
        "replay plan": run(["replay", "plan", str(contract), *HOUR, *home]),
    }
    printed = capsys.readouterr()
    assert "defect" not in printed.out + printed.err
    assert {name: code for name, code in codes.items() if code not in (0, 1)} == {}, printed.err
    moved = {"a": "mismatch value_divergence"} if column == EVENT_TIME else {}
    assert told(world) == {"c": "mismatch late_right", **moved}


@pytest.mark.parametrize("table", [STREAM, BATCH])
def test_an_equal_row_without_event_time_in_one_table_is_a_mismatch_of_it(table: str, make_world: MakeWorld) -> None:
    world = make_world()
    stream_of(world).write()
    set_null(world, table, EVENT_TIME)
    document = world.reconcile().document
    assert (document["verdict"], document["balanced"], document["columns"]) == ("drift", True, {EVENT_TIME: 1})
    assert document["counts"]["match"] == document["counts"]["batch"] - 1
    [finding] = world.findings()
    rows = [finding["left_row"][EVENT_TIME], finding["right_row"][EVENT_TIME]]
    assert rows.index(None) == (table == STREAM)


def test_of_several_rows_of_a_key_each_without_event_time_is_one(make_world: MakeWorld) -> None:
    world = make_world()
    world.play(*_two_plays()).write()
    set_null(world, STREAM, EVENT_TIME)
    assert world.reconcile().document["balanced"]
    assert [f["class"] + " " + f["cause"] for f in world.findings()] == ["mismatch value_divergence"] * 2


def _two_plays() -> list[list[Any]]:
    from tests.support.world import play, show

    return [[show("a", 0), play("p1", "a", 5), play("p2", "a", 6)], [show("f", 300), play("pf", "f", 301)], []]


def test_where_both_tables_have_no_event_time_the_rows_agree(make_world: MakeWorld) -> None:
    world = make_world()
    stream_of(world).write()
    for table in (STREAM, BATCH):
        set_null(world, table, EVENT_TIME)
    document = world.reconcile().document
    assert (document["balanced"], told(world)) == (True, {})


def test_a_row_without_event_time_is_not_lost_in_a_range_that_cannot_hold_it(make_world: MakeWorld) -> None:
    world = make_world()
    stream_of(world).write()
    set_null(world, STREAM, EVENT_TIME)
    assert world.reconcile(time_range=DAY).document["balanced"]
    assert told(world) == {"a": "missing unexplained"}


FAR = START + timedelta(days=60)


@pytest.mark.parametrize("show", ["a", "b"], ids=["a pair", "a row without a partner"])
@pytest.mark.parametrize("moment", [FAR, START - timedelta(days=60)], ids=["later", "earlier"])
def test_a_row_under_a_wrong_event_time_is_not_lost_in_the_range_that_it_belongs_to(
    show: str, moment: datetime, make_world: MakeWorld
) -> None:
    world = make_world()
    stream_of(world).write()
    change(world, STREAM, show, **{EVENT_TIME: moment})
    document = world.reconcile(time_range=DAY).document
    assert (document["verdict"], document["balanced"]) == ("drift", True)
    assert told(world) == {show: "missing unexplained"}


def test_a_row_of_another_record_under_a_wrong_event_time_finds_nothing(make_world: MakeWorld) -> None:
    """The row of b is lost; that of a, which has the key of b now, is another one, for it names its record."""
    world = make_world()
    stream_of(world)
    world.stream = [row for row in world.stream if row.left.name != "b"]
    world.write()
    change(world, STREAM, "a", show_id="b", **{EVENT_TIME: FAR})
    world.reconcile(time_range=DAY)
    assert told(world) == {"a": "missing unexplained", "b": "missing lost_output"}


def test_a_row_that_names_no_record_may_be_the_missing_one_of_its_key(make_world: MakeWorld) -> None:
    world = make_world()
    stream_of(world)
    world.stream = [row for row in world.stream if row.left.name != "d"]
    world.write()
    change(world, STREAM, "b", **dict.fromkeys(COORDINATES), **{EVENT_TIME: FAR})
    world.reconcile(time_range=DAY)
    assert told(world) == {"b": "missing unexplained", "d": "missing lost_output"}


@pytest.mark.parametrize("moment", [None, FAR], ids=["without event time", "under another one"])
def test_a_day_is_read_again_once_its_lost_row_stands_elsewhere(moment: datetime | None, make_world: MakeWorld) -> None:
    world, early = world_of_days(make_world, random.Random(9)), START - timedelta(days=2)
    lost, *others = rows_of_day(world, STREAM, early)
    write(world, STREAM, others, early)
    assert world.reconcile().document["causes"]["lost_output"] == 1
    again = world.reconcile().document
    assert again["reused"]["partitions"] > 0
    unexplained = again["unexplained"]
    world.lake.append(STREAM, pa.Table.from_pylist([{**lost, EVENT_TIME: moment}], schema=OUTPUT))
    document = world.reconcile().document
    assert "lost_output" not in document["causes"]
    assert document["unexplained"] == unexplained + 1


@pytest.mark.parametrize("column", COORDINATES)
def test_half_a_coordinate_of_an_extra_row_proves_nothing(column: str, make_world: MakeWorld) -> None:
    world = make_world()
    stream_of(world)
    world.batch.remove(next(row for row in world.batch if row.left.name == "a"))
    world.write()
    set_null(world, STREAM, column)
    assert world.reconcile().document["balanced"]
    assert told(world) == {"a": "extra unexplained"}


SWAPPED = {
    "DECIMAL(20,2)": ("0.00", "-0.01"),
    "UUID": ("80000000-0000-0001-0000-000000000002", "80000000-0000-0002-0000-000000000001"),
    "VARCHAR": ("a", "b"),
    "INTEGER[]": ("[0]", "[0, 0]"),
}


@pytest.mark.parametrize(("kind", "keys"), SWAPPED.items(), ids=SWAPPED)
def test_keys_that_change_days_are_seen_though_their_hashes_collide(kind: str, keys: tuple[str, str]) -> None:
    con = duckdb.connect()
    con.execute("CREATE SEQUENCE finding_ids")
    lineage = "1::INTEGER AS _left_partition, n AS _left_offset, NULL::INTEGER AS _right_partition, "
    lineage += "NULL::BIGINT AS _right_offset, NULL::VARCHAR AS _replay_id"
    for view, days in (("batch_rows", (1, 2)), ("stream_rows", (2, 1))):
        rows = [
            f"('{key}'::{kind}, TIMESTAMPTZ '2024-03-0{day} 00:00Z', {day})"
            for key, day in zip(keys, days, strict=True)
        ]
        con.execute(
            f"CREATE TABLE {view} AS SELECT k, _event_time, 7 AS v, {lineage} "
            f"FROM (VALUES {', '.join(rows)}) r(k, _event_time, n)"
        )
    own = {"class": "''::VARCHAR", "key": "struct_pack(k := k)"}
    columns = [f"{own.get(name, f'NULL::{kinds[0]}')} AS {name}" for name, kinds in DIFFERENCES.types.items()]
    DIFFERENCES.fill(con, f"SELECT {', '.join(columns)} FROM batch_rows LIMIT 0")
    output = SimpleNamespace(key=["k"])
    contract = SimpleNamespace(output=output, value_columns=["k", "v"])
    pins: Any = SimpleNamespace(con=con, timed=True, contract=contract, batch="batch_rows", stream="stream_rows")
    differing, moved = with_moved(pins, DIFFERENCES)
    assert moved == 2
    found = con.execute(f"SELECT batch_event_time <> stream_event_time, columns FROM {differing}").fetchall()
    assert found == [(True, [EVENT_TIME])] * 2
