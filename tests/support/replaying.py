"""The steps of a replay as actions of a test, and copies of a scenario to try them on."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from plumbline.contract.aggregate import ROWS_SNAPSHOT, rows_table
from plumbline.contract.ranges import TimeRange
from plumbline.replay.audit import check
from plumbline.replay.plan import Plan, make_plan
from plumbline.replay.play import cut_and_play
from plumbline.replay.publish import replace_range, rollback
from plumbline.replay.steps import open_replay, status
from plumbline.replay.store import ReplayFolder
from tests.support.model import START, Row
from tests.support.scenario import Scenario

SECOND_DAY = TimeRange(START + timedelta(days=1), START + timedelta(days=2))


@dataclass(frozen=True)
class Replay:
    """One replay of a scenario; each step opens it by its id, as the commands do."""

    job: Scenario
    id: str

    @property
    def plan(self) -> Plan:
        return open_replay(self.job.home, self.id).plan

    @property
    def folder(self) -> ReplayFolder:
        return ReplayFolder.of(self.job.home, self.id)

    @property
    def state(self) -> str:
        return str(status(open_replay(self.job.home, self.id))["state"])

    def run(self) -> dict[str, Any]:
        return cut_and_play(open_replay(self.job.home, self.id), spark=self.job.spark)

    def audit(self) -> dict[str, Any]:
        return check(open_replay(self.job.home, self.id))

    def publish(self) -> dict[str, Any]:
        return replace_range(open_replay(self.job.home, self.id))

    def rollback(self) -> dict[str, Any]:
        return rollback(open_replay(self.job.home, self.id))

    def staged(self) -> list[Row]:
        return self.job.rows(self.plan.staging_table)


def planned(job: Scenario, time_range: TimeRange, source: str = "iceberg", **wanted: Any) -> Replay:
    made = make_plan(job.contract, job.contract_path, job.home, time_range, source=source, **wanted)
    return Replay(job, made.replay_id)


def the_replay(job: Scenario) -> Replay:
    """The only replay of the scenario."""
    (folder,) = ReplayFolder.all(job.home)
    return Replay(job, folder.id)


def copy_of(job: Scenario, name: str) -> Scenario:
    """The same tables and replays in another home: each table as one append, with the properties of its last commit."""
    copy = job.beside(name)
    archives = {source.archive for source in job.contract.sources.values()}
    below = rows_table(job.contract)
    for identifier in sorted(job.lake.tables(), key=lambda name: (name not in archives, name != below)):
        table = job.lake.load(identifier)
        catalog = copy.lake.catalog()
        catalog.create_namespace_if_not_exists(identifier.rpartition(".")[0])
        made = catalog.create_table(identifier, table.schema(), partition_spec=table.spec())
        snapshot = table.current_snapshot()
        if snapshot is not None:
            kept = {k: v for k, v in snapshot.summary.additional_properties.items() if k.startswith("plumbline.")}
            made.append(table.scan().to_arrow(), snapshot_properties=_renamed(job, copy, kept))
    if job.home.replays.exists():
        shutil.copytree(job.home.replays, copy.home.replays)
    return copy


def _renamed(job: Scenario, copy: Scenario, properties: dict[str, str]) -> dict[str, str]:
    """The snapshots that a batch commit names, as they are called in the copy."""
    renamed = dict(properties)
    for name, source in job.contract.sources.items():
        key = f"plumbline.archive.{name}.snapshot-id"
        if key in renamed:
            renamed[key] = str(copy.lake.load(source.archive).current_snapshot().snapshot_id)
    if ROWS_SNAPSHOT in renamed:
        renamed[ROWS_SNAPSHOT] = str(copy.lake.load(rows_table(job.contract)).current_snapshot().snapshot_id)
    return renamed
