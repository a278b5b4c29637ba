"""Killing the streaming job at a chosen point: stop it with all its processes, look where it stands, kill or go on."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scenario import Scenario

PATIENCE_SECONDS = 120
POINTS = ("after-offset-log", "after-sink-commit", "random")


def run_until_killed(scenario: Scenario, point: str, chance: float) -> str:
    """Run `plumbline stream run --once` and kill it and its JVM by SIGKILL at `point`; tells the point and the epoch.

    Fails when the job ends before it stood there.
    """
    assert point in POINTS
    stands = _Stands(scenario)
    command = [sys.executable, "-m", "plumbline", "stream", "run", str(scenario.contract_path), "--once"]
    with (scenario.contract_path.parent / "crashed.log").open("wb") as log:
        job = subprocess.Popen(
            [*command, "--home", str(scenario.home.root)], stdout=log, stderr=log, start_new_session=True
        )
    try:
        found = _random(job, stands, chance) if point == "random" else _at(job, stands, point)
    finally:
        signal_all(job, signal.SIGKILL)
        job.wait(PATIENCE_SECONDS)
    assert found is not None, f"the job ended before it stood {point}: {Path(log.name).read_text()}"
    return found


def _at(job: subprocess.Popen[bytes], stands: _Stands, point: str) -> str | None:
    """Stop the job whenever something new shows, and look: it stays stopped when it stands at `point`."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while job.poll() is None and time.monotonic() < deadline:
        if stands.at() != point:
            time.sleep(0.001)
            continue
        signal_all(job, signal.SIGSTOP)
        if stands.at() == point:
            return f"{point} of epoch {stands.planned()}"
        signal_all(job, signal.SIGCONT)
    return None


def _random(job: subprocess.Popen[bytes], stands: _Stands, chance: float) -> str | None:
    """Kill at `chance` (0 to 1) of a second and a half after the join's first new plan."""
    begun, deadline = stands.planned(), time.monotonic() + PATIENCE_SECONDS
    while job.poll() is None and stands.planned() == begun and time.monotonic() < deadline:
        time.sleep(0.001)
    if stands.planned() == begun:
        return None
    moment = time.monotonic() + 1.5 * chance
    while job.poll() is None and time.monotonic() < moment:
        time.sleep(0.001)
    return f"{chance:.2f} of the way, epoch {stands.planned()} {stands.at()}"


def signal_all(job: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send a signal to the job and all below it, first to the JVM that does the work, in a session of its own."""
    for pid in [*reversed(_below(job.pid)), job.pid]:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _below(pid: int) -> list[int]:
    """The processes started by `pid` and by those, parents first."""
    found: list[int] = []
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, tasks.read_text().split()):
                found += [child, *_below(child)]
    return found


class _Stands:
    """Where a job stands, read from its checkpoint and its table's catalog entry."""

    def __init__(self, scenario: Scenario) -> None:
        self.checkpoint = scenario.job.join
        self.catalog = scenario.home.lake / "catalog.db"
        self.namespace, self.table = scenario.contract.output.stream_table.rsplit(".", 1)
        self.known = {self.committed(): self.metadata()}

    def at(self) -> str:
        """`after-offset-log`, `after-sink-commit` or `between` epochs."""
        planned, committed = self.planned(), self.committed()
        before = self.known.setdefault(committed, self.metadata())
        if planned == committed:
            return "between"
        return "after-offset-log" if self.metadata() == before else "after-sink-commit"

    def planned(self) -> int:
        return _newest(self.checkpoint / "offsets")

    def committed(self) -> int:
        return _newest(self.checkpoint / "commits")

    def metadata(self) -> str | None:
        """Metadata file of the stream table, which each commit to it changes."""
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
    if not folder.is_dir():
        return -1
    return max((int(name) for name in os.listdir(folder) if name.isdigit()), default=-1)
