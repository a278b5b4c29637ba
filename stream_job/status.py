"""How a contract's streaming job stands, whether it runs or not: from its folder, the topics' ends and the tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from plumbline.connect.kafka_config import ISOLATION, isolation_level
from plumbline.contract.errors import PlumblineError, SetupError, UnreachableError
from plumbline.contract.foreign_job import refuse_job_of_theirs
from plumbline.contract.model import Contract
from plumbline.contract.ranges import micros, parse_time
from plumbline.stream_job import fingerprint, heartbeat, isolation, same_records, topics
from plumbline.stream_job import lag as lags
from plumbline.stream_job.heartbeat import Flow, Heartbeat
from plumbline.stream_job.job_folder import JobFolder, Owner
from plumbline.stream_job.lag import LastCommit
from plumbline.stream_job.status_text import idle_line, moment, span

if TYPE_CHECKING:
    from plumbline.connect.home import Home
    from plumbline.connect.lake import Lake
    from plumbline.stream_job.document_types import CommitStatus, SourceStatus, StatusDocument

HANGS_AFTER_MS = 60_000
"""A running job writes its status every second, except while it waits for a catalog."""


@dataclass(frozen=True)
class Status:
    """A job at one moment (`at_ms`, since 1970). `owner` None: it does not run.

    `heartbeat` is what the job wrote last, with offsets and watermark from the ledger. `lag` is events not yet read, by
    source and partition, `held` offsets behind an open transaction, which the lag leaves out, `quarantined` records by
    reason; None where it is not known, and `unknown` says why.
    """

    contract: str
    at_ms: int
    owner: Owner | None
    heartbeat: Heartbeat
    lag: Mapping[str, Mapping[str, int]] | None = None
    held: Mapping[str, int] | None = None
    quarantined: Mapping[str, int] | None = None
    commit: LastCommit | None = None
    unknown: tuple[str, ...] = ()

    @property
    def waiting(self) -> int:
        """Events that the join has yet to read; 0 when it is not known."""
        return sum(sum(partitions.values()) for partitions in (self.lag or {}).values())

    @property
    def idle(self) -> Flow | None:
        """The source that holds the watermark back by its silence, while the job runs."""
        return self.heartbeat.idle(self.at_ms) if self.owner else None

    @property
    def warnings(self) -> tuple[str, ...]:
        """What somebody should look at, in words."""
        found = []
        age = self.at_ms - self.heartbeat.updated_at_ms
        if self.owner is None and self.waiting:
            found.append(f"the job does not run, and {self.waiting:,} events wait to be read")
        if self.owner and self.heartbeat.trouble:
            found.append(
                f"a query is being tried again ({self.heartbeat.retries} times so far): {self.heartbeat.trouble}"
            )
        if self.owner and age > HANGS_AFTER_MS:
            found.append(
                f"the job has not written its status for {span(age / 1000)}: it hangs, or waits for the catalog"
            )
        if self.idle:
            found.append(idle_line(self.heartbeat, self.idle, self.at_ms))
        return tuple(found)

    @property
    def exit_code(self) -> int:
        """0 healthy, 1 with warnings, 3 when something is not known."""
        return 3 if self.unknown else 1 if self.warnings else 0

    def as_json(self) -> StatusDocument:
        """The document that `plumbline stream status --json` prints; times are ISO 8601 in UTC."""
        done, owner = self.heartbeat.done, self.owner
        return {
            "contract": self.contract,
            "at": moment(self.at_ms),
            "running": owner is not None,
            "pid": owner.pid if owner else None,
            "since": owner.since if owner else None,
            "phase": self.heartbeat.state if owner else "stopped",
            "sources": {flow.name: self._source(flow) for flow in self.heartbeat.flows},
            "watermark": _time(self.heartbeat.watermark_ms),
            "held_back_by": self.heartbeat.held_back_by,
            "late_rows": done.late_rows,
            "state": {"rows": done.state_rows, "bytes": done.state_bytes, "memory_bytes": done.memory_bytes},
            "quarantine": None if self.quarantined is None else dict(self.quarantined),
            "epoch": {"number": done.epoch, "seconds": done.epoch_seconds, "ended_at": _time(done.epoch_at_ms)},
            "last_commit": self._commit(),
            "retries": self.heartbeat.retries,
            "trouble": self.heartbeat.trouble if owner else None,
            "warnings": list(self.warnings),
            "unknown": list(self.unknown),
        }

    def _source(self, flow: Flow) -> SourceStatus:
        lag = None if self.lag is None else dict(self.lag[flow.name])
        moved = flow.moved_at_ms
        return {
            "topic": flow.topic,
            "lag": lag,
            "lag_total": None if lag is None else sum(lag.values()),
            "held_by_transactions": None if self.held is None else self.held[flow.name],
            "watermark": _time(flow.watermark_ms),
            "last_new_event_at": _time(moved),
            "quiet_seconds": None if moved is None else max(0, self.at_ms - moved) / 1000,
            "idle": self.idle is flow,
            "events": flow.events,
        }

    def _commit(self) -> CommitStatus | None:
        if self.commit is None:
            return None
        age = max(0, self.at_ms - self.commit.at_ms) / 1000
        found = self.commit
        return {"snapshot_id": found.snapshot_id, "at": _time(found.at_ms), "age_seconds": age, "epoch": found.epoch}


def look(contract: Contract, home: Home) -> Status:
    """How the job stands now. Raises SetupError when it has never run in this home, UsageError for another's folder."""
    from plumbline.connect.lake import Lake

    step = "`plumbline observe CONTRACT --once` says how far its epochs are known"
    refuse_job_of_theirs(contract, "stream status", step)
    job = JobFolder.of(contract, home)
    fingerprint.refuse_other_job(job.fingerprint, contract)
    owner, at_ms = job.owner(), heartbeat.now_ms()
    if owner is None and not job.join.exists():
        raise SetupError(
            f"the streaming job of {contract.contract} has not run in this home",
            where=str(job.root),
            next_step="`plumbline stream run CONTRACT`, or name the home with --home",
        )
    found = Status(contract.contract, at_ms, owner, _heartbeat(contract, job, owner))
    found = _with_lag(found, contract, home)
    return _with_tables(found, contract, Lake.open(home, contract.catalog))


def _heartbeat(contract: Contract, job: JobFolder, owner: Owner | None) -> Heartbeat:
    """What the job wrote last, brought up to the ledger's newest epoch; an earlier run's is left out."""
    names = (contract.join.left, contract.join.right)
    topics = (contract.left.topic, contract.right.topic)
    last = job.ledger.last_epoch()
    history = list(job.ledger.epochs(after=last - heartbeat.LOOK_BACK))
    begun = Heartbeat.begin(((names[0], topics[0]), (names[1], topics[1])), history, 60_000)
    written = heartbeat.read(job.root)
    if written is None or (owner and written.started_at_ms < micros(parse_time(owner.since)) // 1000):
        return replace(begun, done=replace(begun.done, epoch=last))
    left, right = (
        replace(flow, read=new.read or flow.read, moved_at_ms=max(flow.moved_at_ms or 0, new.moved_at_ms or 0) or None)
        for flow, new in zip(written.flows, begun.flows, strict=True)
    )
    done = written.done if written.done.epoch >= last else replace(written.done, epoch=last, epoch_seconds=None)
    return replace(written, flows=(left, right), watermark_ms=begun.watermark_ms or written.watermark_ms, done=done)


def _with_lag(found: Status, contract: Contract, home: Home) -> Status:
    """The status with the lag; without it when the broker does not answer or a topic is gone."""
    from plumbline.connect import broker

    kafka = dict(contract.kafka or {})
    if not kafka:
        there = broker.status(home)
        if there is None:
            return _without(found, "lag: the local broker of this home does not run")
        kafka = {"bootstrap.servers": there.bootstrap_servers}
    kafka[ISOLATION] = isolation.of_job(JobFolder.of(contract, home)) or isolation_level(kafka)
    try:
        _refuse_other_topics(contract, home, kafka)
        ends = topics.ends_now(contract, kafka, JobFolder.of(contract, home))
        held = lags.held(contract, kafka)
    except PlumblineError as error:
        step = "" if isinstance(error, UnreachableError) or not error.next_step else f"; {error.next_step}"
        return _without(found, f"lag: {error.what}{step}")
    lag = {flow.name: lags.behind(flow.read, ends[flow.name]) for flow in found.heartbeat.flows}
    return replace(found, lag=lag, held=held)


def _refuse_other_topics(contract: Contract, home: Home, kafka: dict[str, str]) -> None:
    """Raise SetupError for a topic whose id nobody noted and that holds other records than its archive."""
    from plumbline.connect.lake import Lake

    lake = Lake.open(home, contract.catalog)
    for source in contract.sources.values():
        if (topics.noted(lake, source) or (None,))[-1] is None:
            same_records.refuse_other_records(lake, kafka, source, topics.noted(lake, source))


def _with_tables(found: Status, contract: Contract, lake: Lake) -> Status:
    try:
        commit, quarantined = lags.last_commit(lake, contract), lags.quarantined(lake, contract)
    except PlumblineError as error:
        return _without(found, f"last commit and quarantine: {error.what}")
    return replace(found, commit=commit, quarantined=quarantined)


def _without(found: Status, why: str) -> Status:
    return replace(found, unknown=(*found.unknown, why))


def _time(ms: int | None) -> str | None:
    return moment(ms) if ms else None
