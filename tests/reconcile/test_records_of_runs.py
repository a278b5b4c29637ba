"""The records of runs: each once, in the order of their commits, and of the contract that they are of."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest

from plumbline.contract.errors import SetupError
from plumbline.contract.identity import identity
from plumbline.contract.ranges import TimeRange
from plumbline.reconcile.judge import store
from plumbline.reconcile.report.stored_runs import documents, runs
from tests.reconcile.causes.test_causes import several_at_once
from tests.support.edits import world_of_days
from tests.support.world import START, World

MakeWorld = Callable[..., World]


def test_several_reconciles_of_one_range_at_once_leave_one_record(make_world: MakeWorld) -> None:
    world = make_world()
    several_at_once(world)
    world.write()
    with ThreadPoolExecutor(4) as pool:
        found = {run.document["run_id"] for run in pool.map(lambda _: world.reconcile(), range(4))}
    assert len(found) == 1
    kept = world.lake.load("plumbline.runs").scan().to_arrow()
    assert kept["run_id"].to_pylist() == list(found)
    findings = world.lake.load("plumbline.findings").scan().to_arrow()
    [counts] = [run.document["counts"] for run in [world.reconcile()]]
    assert findings.num_rows == sum(counts[kind] for kind in ("mismatch", "missing", "extra", "duplicate", "pending"))


def test_a_second_record_that_an_earlier_version_left_is_told_once(make_world: MakeWorld) -> None:
    world = make_world()
    several_at_once(world)
    world.write().reconcile()
    rows = world.lake.load("plumbline.runs").scan().to_arrow()
    world.lake.append("plumbline.runs", rows)
    assert len(runs(world.contract, world.lake)) == 1


class Slow(datetime):
    """A clock that was set back between two reconciles."""

    step = 0

    @classmethod
    def now(cls, tz: Any = None) -> datetime:
        cls.step += 1
        return START - timedelta(days=cls.step)


def test_the_latest_run_is_that_of_the_last_commit(make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    world = make_world()
    several_at_once(world)
    world.write()
    monkeypatch.setattr(store, "datetime", Slow)
    ranges = [TimeRange(START, START + timedelta(hours=hours)) for hours in (1, 2, 3)]
    made = [world.reconcile(time_range=span).document["run_id"] for span in ranges]
    assert [row["run_id"] for row in runs(world.contract, world.lake)] == made
    assert documents(world.contract, world.lake)[0]["run_id"] == made[-1]


def test_a_table_of_an_earlier_version_goes_on(make_world: MakeWorld) -> None:
    """Without the order of commits, and with a record in it."""
    world = make_world()
    several_at_once(world)
    old = world.write().reconcile().document["run_id"]
    rows = world.lake.load("plumbline.runs").scan().to_arrow().drop_columns(["commit_order"])
    world.lake.catalog().drop_table("plumbline.runs")
    world.lake.ensure_table("plumbline.runs", rows.schema)
    world.lake.append("plumbline.runs", rows)
    assert [row["run_id"] for row in runs(world.contract, world.lake)] == [old]
    new = world.reconcile(time_range=TimeRange(START, START + timedelta(hours=1))).document["run_id"]
    assert [row["run_id"] for row in runs(world.contract, world.lake)] == [old, new]


@pytest.mark.parametrize("table", ["archive", "stream_table", "batch_table"])
def test_another_contract_of_the_name_has_no_run_yet(make_world: MakeWorld, table: str) -> None:
    world = make_world()
    several_at_once(world)
    world.write().reconcile()
    body = world.contract.model_dump()
    part = body["sources"]["shows"] if table == "archive" else body["output"]
    part[table] = "other.one"
    other = type(world.contract).model_validate(body)
    with pytest.raises(SetupError, match="plays has no recorded run yet"):
        runs(other, world.lake)
    later = world.contract.model_copy(
        update={"reconcile": world.contract.reconcile.model_copy(update={"fail_when": {}})}
    )
    assert len(runs(later, world.lake)) == 1, "the same contract with other settings"


def test_verdicts_are_kept_per_contract_and_not_per_name(make_world: MakeWorld) -> None:
    world = world_of_days(make_world, random.Random(3))
    world.reconcile()
    owners = set(world.lake.load("plumbline.verdicts").scan().to_arrow()["contract"].to_pylist())
    assert owners == {f"plays {identity(world.contract)}"}
