"""Losing a checkpoint and recovering it, as actions of a test."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from typing import Any

from plumbline.connect.table_names import EPOCHS
from plumbline.replay.recover.run import Wanted, recover
from plumbline.stream_job.ledger import Epoch
from tests.support.killing import run_until
from tests.support.model import Outcome, Row, ledger_outcome, simulated
from tests.support.scenario import PARTITIONS, SIDES, Scenario


def lose(job: Scenario, *names: str) -> None:
    """Remove folders of the job: by default `join`, the checkpoint."""
    for name in names or ("join",):
        shutil.rmtree(job.job.root / name)


def recovered(job: Scenario, **wanted: Any) -> dict[str, Any]:
    """Recover the job's checkpoint, and do it unless told otherwise."""
    return recover(job.contract, job.home, Wanted(**{"execute": True, **wanted}), spark=job.spark)


def forget_offsets(job: Scenario) -> None:
    """Let the topics lose all that they hold, as by their retention."""
    from confluent_kafka import OFFSET_END, TopicPartition
    from confluent_kafka.admin import AdminClient

    admin = AdminClient(job.kafka)
    for source in job.contract.sources.values():
        for partition in range(2):
            (future,) = admin.delete_records([TopicPartition(source.topic, partition, OFFSET_END)]).values()
            future.result(30)


def published(job: Scenario) -> list[Epoch]:
    """All epochs of the published ledger, of every life, in the order of their time."""
    names = (job.contract.join.left, job.contract.join.right)
    found: dict[tuple[str, int], Epoch] = {}
    for row in job.lake.load(EPOCHS).scan().to_arrow().to_pylist():
        planned_at_ms = round(row["planned_at"].timestamp() * 1000)
        fields = (row["epoch"], row["query_id"], row["run_id"], planned_at_ms)
        marks = (row["late_watermark_ms"], row["evict_watermark_ms"])
        epoch = found.setdefault((row["query_id"], row["epoch"]), Epoch(*fields, *marks, ({}, {}), ({}, {})))
        side = names.index(row["source"])
        assert str(row["partition"]) not in epoch.end[side], "an epoch was published twice"
        epoch.start[side][str(row["partition"])] = row["start_offset"]
        epoch.end[side][str(row["partition"])] = row["end_offset"]
    return sorted(found.values(), key=lambda epoch: (epoch.planned_at_ms, epoch.epoch))


def outcome(job: Scenario) -> Outcome:
    """What the model says the stream holds after all epochs of all lives."""
    return ledger_outcome(job.contract, job.placed, published(job))


def expect(job: Scenario, late: Sequence[str] | None = None) -> None:
    """The stream table is what the model says over all lives, row for row by lineage."""
    found = outcome(job)
    assert job.rows() == found.rows
    if late is not None:
        assert found.late == sorted(late), found.late


class Calm:
    """A job that never failed, as the model has it: it takes in each feed whole, and then an epoch without rows."""

    def __init__(self, job: Scenario) -> None:
        self._job, self._epochs = job, list[dict[str, Any]]()

    def epoch(self) -> None:
        """To the end of what was fed until now, as `plumbline stream run --once`."""
        ends: dict[str, dict[str, int]] = {}
        for side, name in SIDES.items():
            ends[name] = {str(p): sum(one.partition == p for one in self._job.placed[side]) for p in range(PARTITIONS)}
        self._epochs += [{"restart": True, "ends": ends}, {"restart": False, "ends": ends}]

    def rows(self) -> list[Row]:
        begins = {name: dict.fromkeys(range(PARTITIONS), 0) for name in SIDES.values()}
        return simulated(self._job.contract, self._job.placed, self._epochs, begins)


def kill_recovery(job: Scenario, reached: Callable[[], bool]) -> None:
    """Recover in a process of its own and kill it when `reached` holds."""
    run_until(reached, job.home, "stream", "recover", str(job.contract_path), "--execute")
