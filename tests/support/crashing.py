"""Killing the streaming job at a chosen point: stop it with all its processes, look where it stands, kill or go on."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.process_tree import below, spark_jvm

if TYPE_CHECKING:
    from tests.support.scenario import Scenario

PATIENCE_SECONDS = 240
IDLE_SECONDS = 60
"""A job that has planned no further epoch for so long has read all: it slipped through the point."""

NAMED = (
    "before-offset-log",
    "after-offset-log",
    "during-state-commit",
    "after-sink-commit",
    "during-ledger-write",
    "during-archive-commit",
)
"""Where a job can be killed: between two epochs; an epoch is planned and nothing of it written; its state is being
written; its rows are in the table and the checkpoint does not say so; it is committed and its record is being written;
an archiver's rows are in the table and its checkpoint does not say so."""

POINTS = (*NAMED, "random")


def run_until_killed(scenario: Scenario, point: str, chance: float, *, once: bool = True, span: float = 1.5) -> str:
    """Run `plumbline stream run` and kill it and its JVM by SIGKILL at `point`; tells the point and the epoch.

    `once`: to the end of the topics, else live. `random` is at `chance` (0 to 1) of `span` seconds after the join's
    first new plan. Fails when the job ends before it stood there.
    """
    assert point in POINTS
    with started(scenario, once=once) as job:
        stands = _Stands(scenario)
        found = _random(job, stands, chance * span) if point == "random" else _at(job, stands, point)
    assert found is not None, f"the job ended before it stood {point}: {job.said()}"
    return found


class Job:
    """A job in a process group of its own."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process, self.log = process, log
        self._jvm: int | None = None

    def runs(self) -> bool:
        return self.process.poll() is None

    def said(self) -> str:
        return self.log.read_text()

    def signal(self, number: signal.Signals) -> None:
        signal_all(self.process, number)

    def worker(self) -> int:
        """Spark's JVM, as soon as there is one: what does the work. Once found it is not looked up again."""
        if self._jvm is None:
            self._jvm = spark_jvm(self.process.pid)
        return self._jvm or self.process.pid


@contextmanager
def started(scenario: Scenario, *, once: bool) -> Iterator[Job]:
    """The job runs as a command while the block looks at it; at its end it is killed by SIGKILL."""
    command = [sys.executable, "-m", "plumbline", "stream", "run", str(scenario.contract_path)]
    command += ["--home", str(scenario.home.root), *(["--once"] if once else [])]
    log = scenario.contract_path.parent / "crashed.log"
    with log.open("wb") as sink:
        job = Job(subprocess.Popen(command, stdout=sink, stderr=sink, start_new_session=True), log)
    try:
        yield job
    finally:
        job.signal(signal.SIGKILL)
        job.process.wait(PATIENCE_SECONDS)


def _at(job: Job, stands: _Stands, point: str) -> str | None:
    """Stop the job whenever something new shows, and look: it stays stopped when it stands at `point`."""
    planned, deadline = stands.planned(), time.monotonic() + PATIENCE_SECONDS
    begun, close = stands.logs(), False
    while job.runs() and time.monotonic() < deadline:
        if stands.planned() > planned:
            planned, deadline = stands.planned(), time.monotonic() + IDLE_SECONDS
        # A record of the ledger is written within milliseconds, by the job itself and not by its JVM.
        quick = point == "during-ledger-write"
        if not stands.at(point):
            # While Spark starts, looking closely would take half of the machine from it.
            close = close or stands.logs() != begun
            time.sleep(0.01 if not close else 0 if quick else 0.001)
            continue
        stopped = job.process.pid if quick else job.worker()
        os.kill(stopped, signal.SIGSTOP)
        if stands.at(point):
            return f"{point} of epoch {stands.planned()}"
        os.kill(stopped, signal.SIGCONT)
    return None


def _random(job: Job, stands: _Stands, seconds: float) -> str | None:
    """Kill so many seconds after the join's first new plan."""
    begun, deadline = stands.planned(), time.monotonic() + PATIENCE_SECONDS
    while job.runs() and stands.planned() == begun and time.monotonic() < deadline:
        time.sleep(0.01)
    if stands.planned() == begun:
        return None
    moment = time.monotonic() + seconds
    while job.runs() and time.monotonic() < moment:
        time.sleep(0.005)
    return f"{seconds:.2f} s after the first plan, epoch {stands.planned()} {stands.where()}"


def signal_all(job: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send a signal to the job and all below it, first to the JVM that does the work, in a session of its own."""
    for pid in [*reversed([*below(job.pid)]), job.pid]:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


class _Stands:
    """Where a job stands, read from its checkpoints, its ledger and its tables' catalog entries."""

    def __init__(self, scenario: Scenario) -> None:
        job, source = scenario.job, scenario.contract.left
        self.state, self.records = job.join / "state", job.root / "ledger" / "epochs"
        catalog = scenario.home.lake / "catalog.db"
        self.join = Sink(job.join, catalog, scenario.contract.output.stream_table)
        self.archiver = Sink(job.archive(scenario.contract.join.left), catalog, source.archive)
        self.begun, self.left_behind = self.join.committed(), set(_names(self.records))

    def at(self, point: str) -> bool:
        """Whether the job stands at the named point now."""
        if point == "during-ledger-write":
            return any(name.endswith(".tmp") for name in set(_names(self.records)) - self.left_behind)
        if point == "during-archive-commit":
            return self.archiver.where() == "after-sink-commit"
        return self.where() == point

    def where(self) -> str:
        """The first four of the named points, and `between` epochs before the run's first one."""
        found = self.join.where()
        if found == "between" and self.join.committed() > self.begun:
            return "before-offset-log"
        if found == "after-offset-log" and self._writes_state(self.planned() + 1):
            return "during-state-commit"
        return found

    def planned(self) -> int:
        return self.join.planned()

    def logs(self) -> tuple[int, ...]:
        """The newest epoch planned and committed by the join, and by the archiver."""
        return tuple(number for one in (self.join, self.archiver) for number in (one.planned(), one.committed()))

    def _writes_state(self, version: int) -> bool:
        """Whether a file of the state's `version` is there or being written, in any partition."""
        begins = (f"{version}.", f"{version}_", f".{version}.")
        return any(path.name.startswith(begins) for path in self.state.glob("0/*/**/*") if path.is_file())


class Sink:
    """One query's checkpoint and the table that it appends to."""

    def __init__(self, checkpoint: Path, catalog: Path, table: str) -> None:
        self.checkpoint, self.catalog = checkpoint, catalog
        self.namespace, self.table = table.rsplit(".", 1)
        self._seen: tuple[str, int | None] = ("", None)
        self.known = {self.committed(): self.snapshot()}

    def where(self) -> str:
        """`after-offset-log`, `after-sink-commit` or `between` epochs."""
        planned, committed = self.planned(), self.committed()
        before = self.known.setdefault(committed, self.snapshot())
        if planned == committed:
            return "between"
        return "after-offset-log" if self.snapshot() == before else "after-sink-commit"

    def planned(self) -> int:
        return _newest(self.checkpoint / "offsets")

    def committed(self) -> int:
        return _newest(self.checkpoint / "commits")

    def snapshot(self) -> int | None:
        """The table's current snapshot; None while it has none."""
        found = self._metadata()
        if found and found != self._seen[0]:
            # The metadata grows with each commit: read once, as a look may take milliseconds only.
            snapshot = json.loads(Path(found.removeprefix("file:")).read_text()).get("current-snapshot-id")
            self._seen = (found, snapshot)
        return self._seen[1] if found else None

    def _metadata(self) -> str | None:
        if not self.catalog.exists():
            return None
        query = "SELECT metadata_location FROM iceberg_tables WHERE table_namespace = ? AND table_name = ?"
        try:
            with closing(sqlite3.connect(f"file:{self.catalog}?mode=ro", uri=True, timeout=5)) as connection:
                found = connection.execute(query, [self.namespace, self.table]).fetchone()
        except sqlite3.OperationalError:
            return None
        return found and found[0]


def _newest(folder: Path) -> int:
    return max((int(name) for name in _names(folder) if name.isdigit()), default=-1)


def _names(folder: Path) -> list[str]:
    return os.listdir(folder) if folder.is_dir() else []
