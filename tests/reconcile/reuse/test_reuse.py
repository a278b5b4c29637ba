"""Days that are not read again: a run that reuses verdicts tells the same as one that reads everything."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from plumbline.commands.reconcile import reconcile as command
from tests.support.edits import BATCH, STREAM, edit, rows_of_day, world_of_days, write
from tests.support.world import CONTRACT, START, World

MakeWorld = Callable[..., World]


def told(world: World, out: Path, **options: Any) -> tuple[int, tuple[dict[str, Any], list[str]]]:
    """How many days were reused; the rest of the document and every finding with its evidence."""
    document = dict(world.reconcile(out=str(out), **options).document)
    reused = document.pop("reused")["partitions"]
    return reused, (document, sorted(map(str, pq.read_table(out).to_pylist())))


@pytest.mark.parametrize("seed", range(5))
def test_after_random_edits_a_run_tells_what_a_full_one_tells(seed: int, make_world: MakeWorld, tmp_path: Path) -> None:
    dice = random.Random(seed)
    world = world_of_days(make_world, dice, poisoned=seed == 4)
    done, reused = [], 0
    world.reconcile()
    for _ in range(5):
        done.append(edit(world, dice))
        _, whole = told(world, tmp_path / "full.parquet", full=True, record=False)
        days, some = told(world, tmp_path / "some.parquet")
        assert some == whole, done
        reused += days
    assert (reused > 0) == (seed != 4), "an event from the future makes every run read all"


def test_a_key_that_differs_on_two_days_is_judged_by_both(make_world: MakeWorld, tmp_path: Path) -> None:
    """Its batch row on a day that stands, its only stream row on a changed one: a mismatch, not missing and extra."""
    world = world_of_days(make_world, random.Random(9))
    early, late = START - timedelta(days=2), START + timedelta(days=1)
    lost, *others = rows_of_day(world, STREAM, early)
    write(world, STREAM, others, early)
    world.reconcile()
    first, *rest = rows_of_day(world, STREAM, late)
    write(world, STREAM, [{**first, "show_id": lost["show_id"]}, *rest], late)
    _, whole = told(world, tmp_path / "full.parquet", full=True, record=False)
    days, some = told(world, tmp_path / "some.parquet")
    assert some == whole
    assert days > 0


def test_a_key_that_differs_is_judged_with_its_equal_rows_on_a_day_that_stood(
    make_world: MakeWorld, tmp_path: Path
) -> None:
    """By itself the changed day has one row of it on each side, a mismatch; with the other day's, two differences."""
    world = world_of_days(make_world, random.Random(9))
    early, late = START - timedelta(days=2), START + timedelta(days=1)
    world.reconcile()
    batch, stream = ({row["show_id"] for row in rows_of_day(world, table, early)} for table in (BATCH, STREAM))
    for place, table in enumerate((BATCH, STREAM)):
        rows = sorted(rows_of_day(world, table, late), key=lambda row: row["_left_offset"])
        rows[place]["show_id"] = min(batch & stream)
        write(world, table, rows, late)
    _, whole = told(world, tmp_path / "full.parquet", full=True, record=False)
    days, some = told(world, tmp_path / "some.parquet")
    assert some == whole
    assert days > 0


def test_every_day_is_read_again_after_so_many_runs(
    make_world: MakeWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plumbline.reconcile.reuse.reuse.FULL_EVERY", 3)
    world = world_of_days(make_world, random.Random(9))
    reused = [world.reconcile().document["reused"]["partitions"] for _ in range(5)]
    assert reused[0] == reused[3] == 0 < min(reused[1], reused[2], reused[4])


def test_the_page_says_how_many_days_stand(make_world: MakeWorld, capsys: pytest.CaptureFixture[str]) -> None:
    world = world_of_days(make_world, random.Random(9))
    contract = world.home.root / "plays.yaml"
    contract.write_text(CONTRACT.replace("KEY", "[show_id]").replace("KIND", "left_outer"))
    pages = []
    for options in ([], [], ["--full"]):
        command.main([str(contract), "--home", str(world.home.root), *options], standalone_mode=False)
        pages.append("days are from earlier runs" in capsys.readouterr().out)
    assert pages == [False, True, False]
