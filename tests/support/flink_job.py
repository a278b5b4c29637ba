"""The Flink job of examples/flink as a process that is fed, killed and restored."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from plumbline.connect.kafka import produce
from plumbline.stream_job.observe.flink_metadata import FlinkCheckpoint, read_metadata
from tests.support.flink_traffic import Place, Sent

if TYPE_CHECKING:
    from plumbline.connect.home import Home

HERE = Path(__file__).resolve().parents[2] / "examples" / "flink"
SLICE = 200
STANDSTILL_S = 240
Ends = Counter[tuple[str, int]]


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Print how long it took: at 300,000 events it is not seen otherwise where a run is, and what takes the time."""
    begun = time.monotonic()
    yield
    print(f"{time.strftime('%H:%M:%S')} {what}: {time.monotonic() - begun:.1f} s", flush=True)


@dataclass(frozen=True)
class Span:
    """What was read after a restore before the watermark was back: of each partition from an offset to another."""

    start: Mapping[tuple[str, int], int]
    end: Mapping[tuple[str, int], int]

    def __contains__(self, place: Place) -> bool:
        return self.start.get(place[:2], 0) <= place[2] < self.end.get(place[:2], 0)


def checkpoint(folder: Path) -> FlinkCheckpoint:
    return read_metadata((folder / "_metadata").read_bytes(), str(folder))


@dataclass
class FlinkJob:
    """The job over one lake, with its checkpoints in a folder; `python` is that of PyFlink's environment."""

    python: Path
    home: Home
    kafka: dict[str, str]
    folder: Path
    killed_at: list[Path]
    join: str = "join.sql"

    @property
    def command(self) -> list[str]:
        return [
            *(str(self.python), str(HERE / "job.py"), "--brokers", self.kafka["bootstrap.servers"]),
            *("--join", self.join, "--lake", str(self.home.lake), "--checkpoints", str(self.folder)),
        ]

    def joins(self) -> int:
        """How many interval joins Flink plans for the job."""
        told = subprocess.run([*self.command, "--explain"], capture_output=True, text=True, check=True).stdout
        return told.partition("Optimized Execution Plan")[2].count("IntervalJoin(")

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        """Run it from its newest checkpoint; at the end it is killed, as by a lost machine."""
        newest = self.newest()
        command = [*self.command, *(["--restore", str(newest)] if newest else [])]
        log = self.folder.parent / f"job-{len(self.killed_at)}.log"
        with log.open("wb") as out:
            job = subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True)
            try:
                yield job
            finally:
                os.killpg(job.pid, signal.SIGKILL)
                job.wait()
                self.killed_at += [path for path in [self.newest()] if path]

    def newest(self) -> Path | None:
        """The folder of the newest whole checkpoint."""
        found = [path.parent for path in self.folder.glob("*/chk-*/_metadata")]
        return max(found, key=lambda path: int(path.name.removeprefix("chk-")), default=None)

    def held(self) -> FlinkCheckpoint | None:
        """The newest checkpoint; None also where it was purged just now."""
        newest = self.newest()
        try:
            return checkpoint(newest) if newest else None
        except FileNotFoundError:
            return None

    def reach(self, job: subprocess.Popen[bytes], wanted: Mapping[tuple[str, int], int], more: int = 2) -> None:
        """Wait until a checkpoint holds these ends, and `more` are made, whose rows are then committed: as long as each
        holds more than the one before."""
        deadline, then, seen = time.monotonic() + STANDSTILL_S, None, None
        while time.monotonic() < deadline:
            if job.poll() is not None:
                raise AssertionError(f"the job ended with {job.returncode}: see {self.folder.parent}/job-*.log")
            found = self.held()
            if found and all(found.ends.get(split, -1) >= end for split, end in wanted.items()):
                then = then or found.checkpoint_id
                if found.checkpoint_id >= then + more:
                    return
            if (now := found and (found.ends, then and found.checkpoint_id)) != seen:
                deadline, seen = time.monotonic() + STANDSTILL_S, now
            time.sleep(0.5)
        raise AssertionError(f"for {STANDSTILL_S} s the job read nothing more of {wanted}: {self.held()}")


def run_with_restores(job: FlinkJob, sent: Sequence[Sent], parts: int) -> list[Span]:
    """Deliver the events in parts, and kill and restore the job after each, by turns with records in its hands and with
    all of them read and committed. The spans of what was read after a restore before the watermark was back."""
    ends: Ends = Counter()
    spans: list[Span] = []
    for part in range(parts):
        mine = sent[len(sent) * part // parts : len(sent) * (part + 1) // parts]
        with job.running() as process:
            with timed(f"part {part + 1} of {parts}, start"):
                _begin(job, process, mine, ends)
            spans += [Span(checkpoint(path).ends, dict(ends)) for path in job.killed_at[-1:]]
            with timed(f"part {part + 1} of {parts}, {len(mine):,} events delivered"):
                _deliver(job, mine[SLICE:], ends)
            if part % 2 or part == parts - 1:
                with timed("checkpoint and commit of all"):
                    job.reach(process, ends)
    return spans


def _begin(job: FlinkJob, process: subprocess.Popen[bytes], sent: Sequence[Sent], ends: Ends) -> None:
    """Deliver a first slice, its first few records before the others. Flink makes a watermark every 200 ms: by the
    checkpoint after the one that holds the slice, there is the slice's."""
    for few, more in ((sent[:4], 0), (sent[4:SLICE], 1)):
        _send(job, few, ends)
        job.reach(process, ends, more)


def _deliver(job: FlinkJob, sent: Sequence[Sent], ends: Ends) -> None:
    """As a topic lives, a little at a time: a backlog is read before there is a watermark."""
    for at in range(0, len(sent), SLICE):
        _send(job, sent[at : at + SLICE], ends)
        time.sleep(0.25)


def _send(job: FlinkJob, sent: Sequence[Sent], ends: Ends) -> None:
    """`ends` grows by what was sent."""
    produce(job.kafka, [one.record for one in sent])
    ends.update((one.topic, one.partition) for one in sent)
