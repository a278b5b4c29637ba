"""Which snapshots of the joined rows beside a batch table may go: never the one that the newest batch run names."""

from __future__ import annotations

from pathlib import Path

import pytest

from plumbline.connect.lake import Lake
from plumbline.connect.owners import BATCH_MARK
from plumbline.contract.aggregate import ROWS_SNAPSHOT
from plumbline.contract.errors import IncompleteError
from plumbline.stream_job import expiry
from plumbline.stream_job.maintain import rows_needed, tables_of
from tests.reconcile.aggregates.test_compared_aggregates import on_time
from tests.support.aggregate_world import BELOW, AggregateWorld
from tests.support.upsert_world import ROWS as UPSERTED_ROWS
from tests.support.upsert_world import UPSERTED, UpsertWorld
from tests.support.world import STREAM, play, show

ROWS = "agg.batch_rows"


@pytest.fixture
def world(tmp_path: Path) -> AggregateWorld:
    """A batch run that others followed: its rows are not the newest snapshot any more."""
    made = AggregateWorld.made(tmp_path).play(*on_time()).aggregated().write()
    made.lake.append(ROWS, BELOW.empty_table())
    return made


def snapshots(lake: Lake) -> list[int]:
    return [one.snapshot_id for one in lake.load(ROWS).metadata.snapshots]


def expired(world: AggregateWorld, pinned: set[int]) -> tuple[int, ...]:
    versions, head, refs = expiry.versions_of(world.lake.load(ROWS))
    now_ms = 10**15
    plan = expiry.plan(versions, head, refs, live=(), pinned=pinned, older_than_ms=now_ms, now_ms=now_ms)
    return plan.expire


def test_the_snapshot_that_the_newest_batch_run_names_stays_and_all_after_it(world: AggregateWorld) -> None:
    named, head = snapshots(world.lake)
    assert expired(world, set()) == (named,)
    assert rows_needed(world.lake, world.contract) == {named, head}
    assert expired(world, rows_needed(world.lake, world.contract)) == ()
    lines = world.lake.load("agg.batch").scan().to_arrow()
    world.lake.append("agg.batch", lines, {BATCH_MARK: "", ROWS_SNAPSHOT: str(head)})
    assert rows_needed(world.lake, world.contract) == {head}
    assert expired(world, rows_needed(world.lake, world.contract)) == (named,)


def test_without_a_name_all_stay(world: AggregateWorld) -> None:
    world.lake.catalog().drop_table("agg.batch")
    assert rows_needed(world.lake, world.contract) == set(snapshots(world.lake))


def test_without_the_named_snapshot_no_line_could_be_explained(world: AggregateWorld) -> None:
    named, _ = snapshots(world.lake)
    assert world.compared(record=False).exit_code == 0
    world.lake.load(ROWS).maintenance.expire_snapshots().by_id(named).commit()
    with pytest.raises(IncompleteError, match="no difference could be explained"):
        world.compared(record=False)


def test_the_rows_are_among_the_tables_that_are_maintained(world: AggregateWorld) -> None:
    assert tables_of(world.lake, world.contract)[:2] == ["agg.stream", ROWS]


def test_so_it_is_of_upserted_tables(tmp_path: Path) -> None:
    made = UpsertWorld.at(tmp_path).play([show("a", 0), play("a1", "a", 5), play("a2", "a", 9)]).write()
    assert tables_of(made.lake, made.contract)[:2] == [STREAM, UPSERTED_ROWS]
    named = made.lake.load(UPSERTED_ROWS).current_snapshot()
    assert named is not None
    made.lake.append(UPSERTED_ROWS, UPSERTED.empty_table())
    assert len(rows_needed(made.lake, made.contract)) == 2
    assert named.snapshot_id in rows_needed(made.lake, made.contract)
