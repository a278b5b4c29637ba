"""Planted states of upserted tables: what no rule explains is unexplained, and tables that do not belong together are
refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from plumbline.connect.table_names import EPOCHS
from plumbline.contract.errors import IncompleteError
from tests.support.upsert_world import ROWS, UPSERTED, UpsertWorld, newest, values
from tests.support.world import BATCH, Row, play, show


def evening(folder: Path, refused: tuple[str, ...] = ()) -> UpsertWorld:
    """Show a with three plays and b with one; all in time, and closed."""
    world = UpsertWorld.at(folder)
    world.refused = dict.fromkeys(refused, "not_json")
    world.play(
        [show("z", -90)],
        [show("a", 0), show("b", 1), play("a1", "a", 5), play("b1", "b", 4), play("a3", "a", 30), play("a2", "a", 30)],
        [show("f", 300), play("pf", "f", 301)],
        [show("g", 400), play("pg", "g", 401)],
    )
    return world


def told(world: UpsertWorld) -> list[tuple[str, str]]:
    world.write().reconcile()
    return world.told()


def test_of_two_plays_of_one_time_the_greater_id_is_the_newest(tmp_path: Path) -> None:
    world = evening(tmp_path)
    assert world.row("a", "a3") in world.table
    assert [row for row in told(world) if "pending" not in row[1]] == []


def test_the_smaller_id_in_its_place_is_a_lost_update(tmp_path: Path) -> None:
    world = evening(tmp_path)
    world.held = [world.row("a", "a2") if row.left.name == "a" else row for row in newest(world.stream)]
    assert [row for row in told(world) if "pending" not in row[1]] == [("a a3", "missing lost_output")]


def test_an_older_row_that_stayed_beside_the_newest_is_unexplained(tmp_path: Path) -> None:
    """Its record came after the batch run, which would explain it if it were the only one."""
    world = evening(tmp_path)
    world.batch_without("a1")
    world.held = [*newest(world.stream), world.row("a", "a1")]
    assert [row for row in told(world) if "pending" not in row[1]] == [("a a1", "extra unexplained")]


def test_a_row_of_another_shows_play_is_unexplained(tmp_path: Path) -> None:
    """That all plays of its own are in quarantine explains that the stream lacks them, and not what it has."""
    world = evening(tmp_path, refused=("a1", "a2", "a3"))
    wrong = Row(world.record("a"), world.record("b1"))
    world.held = [wrong if row.left.name == "a" else row for row in newest(world.stream)]
    assert [row for row in told(world) if "pending" not in row[1]] == [
        ("a a1", "missing quarantined"),
        ("a a2", "missing quarantined"),
        ("a a3", "missing quarantined"),
        ("a b1", "extra unexplained"),
    ]


def test_a_batch_table_that_is_not_the_newest_of_its_rows_is_refused(tmp_path: Path) -> None:
    world = evening(tmp_path).write()
    spoiled = replace(world.row("b", "b1"), left=replace(world.record("b"), show="c"))
    world.lake.append(BATCH, pa.Table.from_pylist([values(spoiled)], schema=UPSERTED))
    with pytest.raises(IncompleteError, match=f"{BATCH} does not hold the newest rows of {ROWS}"):
        world.reconcile()


def test_without_all_rows_of_the_batch_nothing_is_compared(tmp_path: Path) -> None:
    world = evening(tmp_path).write()
    world.lake.catalog().drop_table(ROWS)
    with pytest.raises(IncompleteError, match=f"{ROWS} lacks snapshot") as error:
        world.reconcile()
    assert "plumbline batch run" in str(error.value)


def test_without_a_ledger_a_lost_update_is_unexplained(tmp_path: Path) -> None:
    world = evening(tmp_path)
    world.held = [world.row("a", "a1") if row.left.name == "a" else row for row in newest(world.stream)]
    world.ledger = []
    found = told(world)
    assert {cause for _, cause in found} == {"missing unexplained"}
    assert {records for records, _ in found} == {"a a2", "a a3"}
    assert not world.lake.exists(EPOCHS)
