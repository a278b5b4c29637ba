"""Maintenance between two lives of the job: nothing is lost, nothing comes twice, and what is needed stays."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from plumbline.contract.commit_properties import QUERY_ID
from plumbline.pins import recorded_snapshots
from plumbline.stream_job.expiry import versions_of
from plumbline.stream_job.maintain import Limits, maintain
from tests.support.model import Event
from tests.support.scenario import Scenario

pytestmark = [pytest.mark.spark, pytest.mark.kafka]

EVERYTHING = Limits(snapshots=timedelta(0), orphans=timedelta(days=3))


def events(first: int, last: int) -> tuple[list[Event], list[Event]]:
    lefts = [Event(f"o{n}", 6 * n, partition=n % 2) for n in range(first, last)]
    rights = [Event(f"o{n}", 6 * n + 3, f"p{n}", partition=n % 2) for n in range(first, last)]
    return lefts, rights


def maintained(job: Scenario, pinned: Collection[int] = (), *, execute: bool = True) -> dict[str, Any]:
    """What maintenance did, by table; everything that may go is old enough."""
    done = maintain(job.contract, job.home, EVERYTHING, pinned, execute=execute, spark=job.spark)
    return {table["table"]: table for table in done["tables"]}


def snapshots(job: Scenario, table: str) -> list[int]:
    return [snapshot.snapshot_id for snapshot in job.lake.load(table).metadata.snapshots]


def files(job: Scenario, table: str) -> set[Path]:
    return set((job.home.lake / "warehouse").joinpath(*table.split("."), "data").rglob("*.parquet"))


def test_a_job_killed_after_its_commit_survives_compaction_and_expiry(new_scenario: Callable[..., Scenario]) -> None:
    job = new_scenario(stream={"max_events_per_epoch": 10})
    stream = job.contract.output.stream_table
    job.feed(*events(0, 40))
    job.epoch()
    job.feed(*events(40, 60))
    job.crash("after-sink-commit")
    before, rows = snapshots(job, stream), job.rows()
    shown = maintained(job, execute=False)
    assert snapshots(job, stream) == before
    assert shown[stream]["small_files"] >= 5
    done = maintained(job)
    assert done[stream]["rewritten_files"] >= 5
    assert 0 < done[stream]["expire"] < len(before)
    assert job.rows() == rows
    versions, _, _ = versions_of(job.lake.load(stream))
    assert len([version for version in versions if version.query_id]) == 1, "the sink's last epoch alone"
    maintained(job)
    job.restart()
    job.expect()
    assert job.archived() == job.delivered()


def test_what_recorded_work_and_tags_need_stays_readable(new_scenario: Callable[..., Scenario]) -> None:
    job = new_scenario(stream={"max_events_per_epoch": 10})
    archive, stream = job.contract.left.archive, job.contract.output.stream_table
    job.feed(*events(0, 30))
    job.epoch()
    job.batch()
    job.reconcile()
    compared = job.lake.load(stream).current_snapshot()
    read = job.lake.load(archive).current_snapshot()
    assert compared is not None
    assert read is not None
    job.feed(*events(30, 60)).epoch()
    tagged = snapshots(job, stream)[1]
    job.lake.load(stream).manage_snapshots().create_tag(tagged, "before").commit()
    pinned = recorded_snapshots(job.lake, job.contract, job.home, timedelta(days=30))
    assert {compared.snapshot_id, read.snapshot_id} <= pinned
    done = maintained(job, pinned)
    assert {compared.snapshot_id, tagged} <= set(snapshots(job, stream))
    assert done[stream]["kept"]["tag or branch"] == 1
    assert job.lake.load(archive).scan(snapshot_id=read.snapshot_id).to_arrow().num_rows == 30
    assert recorded_snapshots(job.lake, job.contract, job.home, timedelta(0)) == set()
    maintained(job)
    assert compared.snapshot_id not in snapshots(job, stream)


def test_an_old_orphan_goes_and_a_young_one_stays(new_scenario: Callable[..., Scenario]) -> None:
    job = new_scenario()
    stream = job.contract.output.stream_table
    job.feed(*events(0, 10)).epoch()
    folder = next(iter(files(job, stream))).parent
    old, young = folder / "old.parquet", folder / "young.parquet"
    for path in (old, young):
        path.write_bytes(b"left by a kill")
    week_ago = time.time() - 7 * 86_400
    os.utime(old, (week_ago, week_ago))
    assert maintained(job, execute=False)[stream]["orphans"] == 1
    assert old.exists()
    assert maintained(job)[stream]["orphans"] == 1
    assert not old.exists()
    assert young.exists()


def test_beside_a_running_stream(new_scenario: Callable[..., Scenario]) -> None:
    job = new_scenario(stream={"max_events_per_epoch": 10})
    stream = job.contract.output.stream_table
    job.feed(*events(0, 20))
    with job.running():
        job.caught_up()
        for first in (20, 40):
            job.feed(*events(first, first + 20))
            done = maintained(job)
        job.caught_up()
    assert done[stream]["expire"] > 0
    job.expect()
    assert QUERY_ID in str([s.summary for s in job.lake.load(stream).metadata.snapshots])
