"""Live, faithful replay, batch: who is at fault, by which of the two the third table agrees with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path

import pyarrow as pa
import pytest

from plumbline.commands.reconcile import reconcile as command
from plumbline.contract.errors import SetupError, UsageError
from plumbline.contract.ranges import TimeRange
from plumbline.replay.plan import Plan
from plumbline.replay.store import ReplayFolder
from tests.reconcile.causes.test_causes import spoil_stream, stream_of
from tests.support.world import CONTRACT, OUTPUT, START, Row, World, play, show

MakeWorld = Callable[..., World]
THIRD = "plumbline_staging.r_day"


def write_third(world: World, rows: Sequence[Row]) -> None:
    world.lake.ensure_table(THIRD, OUTPUT, ("day", "_event_time"))
    values = [replace(row, replay_id="day").values() for row in rows]
    world.lake.append(THIRD, pa.Table.from_pylist(values, schema=OUTPUT))


def changed(rows: Sequence[Row], left: str, seconds: float) -> list[Row]:
    return [replace(row, seconds=seconds) if row.left.name == left else row for row in rows]


def spoiled(world: World) -> list[Row]:
    """A live run with one drift of each kind; returns what its code makes of the same epochs."""
    late = [show("x", 3), play("pc", "c", 4), show("n", 111), show("e", 112), play("pe", "e", 113)]
    stream_of(world, late).batch_without("n")
    world.batch = changed(world.batch, "a", 7.0)
    as_the_code_says = changed(world.stream, "e", 9.0)
    spoil_stream(world, "e", "pe", seconds=8.0)
    spoil_stream(world, "f", "pf", seconds=99.0)
    world.stream.append(world.row("b"))
    world.stream.remove(world.row("d", "pd"))
    return as_the_code_says


def test_each_finding_has_the_fault_that_the_third_table_tells(make_world: MakeWorld) -> None:
    world = make_world()
    write_third(world, spoiled(world))
    document = world.write().reconcile(against=THIRD).document
    told = {(next(iter(row["key"].values())), row["cause"]): row["evidence"]["fault"] for row in world.findings()}
    assert told == {
        ("x", "late_left"): "lateness",
        ("c", "late_right"): "lateness",
        ("n", "arrived_after_batch"): "inputs",
        ("a", "value_divergence"): "logic",
        ("b", "double_commit"): "engine",
        ("d", "lost_output"): "engine",
        ("f", "value_divergence"): "engine",
        ("e", "value_divergence"): "unclear",
    }
    assert document["against"] == {
        "table": THIRD,
        "snapshot_id": world.lake.load(THIRD).current_snapshot().snapshot_id,
        "rows": 8,
        "unlike_live": 4,
        "faults": {"lateness": 2, "inputs": 1, "logic": 1, "engine": 3, "unclear": 1},
    }
    assert document["snapshots"][THIRD] == document["against"]["snapshot_id"]


def test_without_a_third_table_no_fault_is_told(make_world: MakeWorld) -> None:
    world = make_world()
    spoiled(world)
    document = world.write().reconcile().document
    assert document["against"] is None
    assert {row["evidence"]["fault"] for row in world.findings()} == {None}


def test_a_row_that_only_the_third_table_has_otherwise_is_counted(make_world: MakeWorld) -> None:
    world = stream_of(make_world())
    write_third(world, changed(world.stream, "a", 5.5))
    document = world.write().reconcile(against=THIRD).document
    assert (document["verdict"], document["against"]["unlike_live"]) == ("clean", 1)
    assert set(document["against"]["faults"].values()) == {0}


def test_a_missing_third_table_is_a_setup_error(make_world: MakeWorld) -> None:
    world = stream_of(make_world()).write()
    with pytest.raises(SetupError, match=r"plumbline_staging\.r_day does not exist"):
        world.reconcile(against=THIRD)


def test_rows_that_do_not_say_what_they_were_made_from_are_refused(make_world: MakeWorld) -> None:
    world = stream_of(make_world())
    write_third(world, world.stream)
    world.write()
    no_lineage = OUTPUT.empty_table().drop_columns([name for name in OUTPUT.names if name.startswith("_")]).schema
    world.lake.catalog().drop_table("joined.plays_batch")
    world.lake.ensure_table("joined.plays_batch", no_lineage)
    rows = [{name: row.values()[name] for name in no_lineage.names} for row in world.batch]
    world.lake.append("joined.plays_batch", pa.Table.from_pylist(rows, schema=no_lineage))
    with pytest.raises(UsageError, match=r"says what it was made from \[joined.plays_batch\]"):
        world.reconcile(against=THIRD)


def planned(world: World, late: str) -> Path:
    """A plan whose staging table is THIRD, and the contract file; returns the latter."""
    range_ = TimeRange(START, START.replace(day=2)).as_json()
    known = {"replay_id": "day", "contract": "plays", "range": range_, "late": late}
    plan = Plan(**{field.name: known.get(field.name, {}) for field in fields(Plan)})
    assert plan.staging_table == THIRD
    ReplayFolder.of(world.home, "day").write("plan", plan.as_json())
    path = world.home.root / "plays.yaml"
    path.write_text(CONTRACT.replace("KEY", "[show_id]").replace("KIND", "left_outer"))
    return path


def run_command(world: World, path: Path, against: str) -> object:
    arguments = [str(path), "--home", str(world.home.root), "--against", against]
    return command.main(arguments, standalone_mode=False)


def test_the_command_finds_the_table_and_the_range_of_a_replay(
    make_world: MakeWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    world = make_world()
    write_third(world, spoiled(world))
    path = planned(world.write(), "faithful")
    assert run_command(world, path, "replay:day") == 1
    page = capsys.readouterr().out
    assert "of plays, 2024-03-01 00:00 UTC to 2024-03-02 00:00 UTC, " in page
    assert f"against {THIRD}: " in page
    assert "faults: lateness 2, inputs 1, logic 1, engine 3, unclear 1" in page


@pytest.mark.parametrize(
    ("against", "error"),
    [
        ("replay:day", "replay day is not a faithful one"),
        ("replay:dya", "did you mean day"),
        ("tape:day", "--against 'tape:day' is not a replay"),
        ("foo", "--against 'foo' is not a table.*write --against replay:ID or NAMESPACE.TABLE"),
        ("joined.", "--against 'joined.' is not a table"),
        ("", "--against '' is not a table"),
    ],
)
def test_what_cannot_be_a_third_opinion_is_refused(against: str, error: str, make_world: MakeWorld) -> None:
    world = stream_of(make_world()).write()
    path = planned(world, "complete")
    with pytest.raises(UsageError, match=error):
        run_command(world, path, against)
