"""The Flink job of examples/flink as a process, and what its tables must hold, by a model of its own.

The model takes from the job only what it reports as dropped: whether those were late, and whether the rest was joined
as the contract says, it finds from the events.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plumbline.connect.kafka import Record, produce
from plumbline.stream_job.observe.flink_metadata import FlinkCheckpoint, read_metadata

if TYPE_CHECKING:
    from plumbline.connect.home import Home
    from plumbline.connect.lake import Lake

HERE = Path(__file__).resolve().parents[2] / "examples" / "flink"
CONTRACT = HERE / "takes.yaml"
JOB_TABLES = ("ads.takes", "ops.dropped")
TABLES = (*JOB_TABLES, "ads.takes_batch", "raw.impressions", "raw.plays")
START_MS, DELAY_MS, HOUR_MS = 1_767_225_600_000, 600_000, 3_600_000
Place = tuple[str, int, int]
TOPICS = ("impressions", "plays")
SLICE = 200
STANDSTILL_S = 240
UNREAD, OPEN = "unread", "window open"


@dataclass(frozen=True)
class Sent:
    """One event: its side, name, event time and partition."""

    topic: str
    name: str
    ms: int
    partition: int

    @property
    def record(self) -> Record:
        at = datetime.fromtimestamp(self.ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        body = {"imp_id": self.name, "ad": "a", "shown_at": at}
        if self.topic == "plays":
            body = {"imp_id": self.name, "play_id": f"p{self.name}", "played_at": at}
        return Record(self.topic, self.name.encode(), json.dumps(body).encode(), self.ms, partition=self.partition)


def traffic(events: int, seed: int = 1) -> list[Sent]:
    """About `events` in the order in which they come: an impression every 6 s, four in five played within the hour. One
    in 97 of each side comes five hours late; one in 291 impressions while its window is open, but perhaps after its
    play has left the state. At the end one of each partition a day later, which closes all windows."""
    draw, coming = random.Random(seed), []
    for n in range(int(events / 1.8)):
        shown = START_MS + n * 6000
        behind = 5 * HOUR_MS * (n % 97 == 5) + (HOUR_MS + DELAY_MS // 2) * (n % 291 == 29)
        coming.append((shown + behind, Sent("impressions", f"i{n}", shown, n % 2)))
        if draw.random() < 0.8:
            played, late = shown + draw.randrange(HOUR_MS), 5 * HOUR_MS * (n % 97 == 17)
            coming.append((played + late, Sent("plays", f"i{n}", played, draw.randrange(2))))
    last = max(ms for ms, _ in coming) + 24 * HOUR_MS
    ends = [Sent(topic, f"end{partition}", last, partition) for topic in TOPICS for partition in (0, 1)]
    return [sent for _, sent in sorted(coming, key=lambda one: one[0])] + ends


def places(sent: Sequence[Sent]) -> dict[Place, Sent]:
    """Each event by its topic, partition and offset."""
    taken: Counter[tuple[str, int]] = Counter()
    found = {}
    for one in sent:
        found[one.topic, one.partition, taken[one.topic, one.partition]] = one
        taken[one.topic, one.partition] += 1
    return found


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

    def checkpoint(self) -> FlinkCheckpoint | None:
        newest = self.newest()
        try:
            return read_metadata((newest / "_metadata").read_bytes(), str(newest)) if newest else None
        except FileNotFoundError:
            return None

    def reach(self, job: subprocess.Popen[bytes], wanted: Mapping[tuple[str, int], int], more: int = 2) -> None:
        """Wait until a checkpoint holds these ends, and `more` are made, whose rows are then committed: as long as each
        holds more than the one before."""
        deadline, then, seen = time.monotonic() + STANDSTILL_S, None, None
        while time.monotonic() < deadline:
            if job.poll() is not None:
                raise AssertionError(f"the job ended with {job.returncode}: see {self.folder.parent}/job-*.log")
            found = self.checkpoint()
            if found and all(found.ends.get(split, -1) >= end for split, end in wanted.items()):
                then = then or found.checkpoint_id
                if found.checkpoint_id >= then + more:
                    return
            if (now := found and (found.ends, then and found.checkpoint_id)) != seen:
                deadline, seen = time.monotonic() + STANDSTILL_S, now
            time.sleep(0.5)
        raise AssertionError(f"for {STANDSTILL_S} s the job read nothing more of {wanted}: {self.checkpoint()}")


def run_with_restores(job: FlinkJob, sent: Sequence[Sent], parts: int) -> None:
    """Deliver the events in parts, and kill and restore the job after each."""
    ends: Counter[tuple[str, int]] = Counter()
    for part in range(parts):
        mine = sent[len(sent) * part // parts : len(sent) * (part + 1) // parts]
        with job.running() as process:
            _deliver(job, process, mine, ends)
            job.reach(process, ends)


def _deliver(
    job: FlinkJob, process: subprocess.Popen[bytes], sent: Sequence[Sent], ends: Counter[tuple[str, int]]
) -> None:
    """As a topic lives, a little at a time: Flink makes a watermark every 200 ms, and reads a backlog before it. The
    first few are read before the others come; `ends` grows by what was sent."""
    for at, to in pairwise([0, *range(4, len(sent), SLICE), len(sent)]):
        produce(job.kafka, [one.record for one in sent[at:to]])
        ends.update((one.topic, one.partition) for one in sent[at:to])
        if at == 0:
            job.reach(process, ends, more=0)
        time.sleep(0.25)


def wrong_rows(lake: Lake, sent: Sequence[Sent], restored: Sequence[FlinkCheckpoint], *, pads: bool) -> dict[str, Any]:
    """What the tables hold that they must not, or lack: nothing but counts where all is right.

    `pads`: the job writes a late left without a match. Rows of `unsure_names` are counted apart.
    """
    at = places(sent)
    unsure = unsure_names(lake, at, restored)
    reported, lost = _reports(lake), _lost(lake)
    late = [place for place, reason in reported if reason == "late"]
    held, expected = _held(lake), Counter(_joined(at, lost, pads=pads))
    differ = [row for row in (held - expected) + (expected - held) if not row[0].startswith("end")]
    return {
        "rows": held.total(),
        **Counter(reason for _, reason in reported),
        "reported twice": len(late) - len(set(late)),
        "reported, not late": len(lost - _behind(at)),
        "unsure": len(unsure),
        "differ behind a restore": len([row for row in differ if row[0] in unsure]),
        "differ": sorted(row for row in differ if row[0] not in unsure),
    }


def unsure_names(lake: Lake, at: dict[Place, Sent], restored: Sequence[FlinkCheckpoint]) -> set[str]:
    """The names of records after a restore that are not reported though their own partition's newest time had passed
    them: they may have been taken in when their window was gone (FLINK-5601)."""
    suspects = (
        place for place in _behind(at) - _lost(lake) if any(place[2] >= one.ends.get(place[:2], 0) for one in restored)
    )
    return {at[place].name for place in suspects}


def late_but_joined(lake: Lake, at: dict[Place, Sent]) -> set[str]:
    """The names of late records that the job joined all the same."""
    return {at[place].name for place in _behind(at) - _lost(lake) if not at[place].name.startswith("end")}


def unproven_names(lake: Lake, at: dict[Place, Sent]) -> set[str]:
    """The names of late lefts that found no match though their window was open: a report that proves nothing."""
    return {at[place].name for place, reason in _reports(lake) if reason == OPEN}


def drifted(lake: Lake, at: dict[Place, Sent]) -> set[str]:
    """The names whose rows in the job's table are not those of the join of all events, at the topics' end aside."""
    held, joined = _held(lake), Counter(_joined(at, set(), pads=False))
    return {row[0] for row in (held - joined) + (joined - held) if not row[0].startswith("end")}


def unread(sent: Sequence[Sent], count: int = 20) -> list[Sent]:
    """Impressions with their plays, to be sent when no job runs any more."""
    last = max(one.ms for one in sent)
    return [Sent(topic, f"{UNREAD}{n}", last, n % 2) for n in range(count) for topic in TOPICS]


def observed(checkpoints: Path, folder: Path, *lines: str) -> Path:
    """A file with the contract of a job whose checkpoints are observed, and more lines of its `job:`."""
    return with_lines(folder, f"checkpoint: {checkpoints}", "progress: ops.progress", *lines)


def with_lines(folder: Path, *lines: str) -> Path:
    """A file with the contract, and these lines in its `job:`."""
    file = folder / "takes.yaml"
    file.write_text(CONTRACT.read_text() + "".join(f"  {line}\n" for line in lines))
    return file


def causes(lake: Lake, home: Home, contract: Path = CONTRACT) -> dict[str, set[str]]:
    """Reconcile the job's table: the causes told of each name's rows, at the topics' end aside."""
    from plumbline.contract.loader import load
    from plumbline.contract.ranges import TimeRange
    from plumbline.reconcile.run import reconcile

    document = reconcile(load(contract), home, TimeRange()).document
    assert document["balanced"]
    told: dict[str, set[str]] = defaultdict(set)
    for row in lake.load("plumbline.findings").scan().to_arrow().to_pylist():
        name = json.loads(row["key"])["imp_id"]
        if not name.startswith("end"):
            told[name].add(row["cause"])
    return dict(told)


def record(lake: Lake, folder: Path, *tables: str) -> None:
    """Write the tables into a folder, a Parquet file each."""
    import pyarrow.parquet as pq

    folder.mkdir(parents=True, exist_ok=True)
    for name in tables:
        pq.write_table(lake.load(name).scan().to_arrow(), folder / f"{name}.parquet", compression="zstd")


def _reports(lake: Lake) -> list[tuple[Place, str]]:
    rows = lake.load("ops.dropped").scan().to_arrow().to_pylist()
    return [((r["topic"], r["partition"], r["offset"]), r["reason"]) for r in rows]


def _lost(lake: Lake) -> set[Place]:
    """What the job says that it joined with nothing: all but what it took in before the first watermark."""
    return {place for place, reason in _reports(lake) if reason in ("late", OPEN)}


def _held(lake: Lake) -> Counter[tuple[Any, ...]]:
    rows = lake.load("ads.takes").scan().to_arrow().to_pylist()
    return Counter((r["imp_id"], r["imp_p"], r["imp_o"], r["play_p"], r["play_o"]) for r in rows)


def _behind(at: dict[Place, Sent]) -> set[Place]:
    """Records that the newest event before them in their own partition left behind: only these can be late."""
    newest: dict[tuple[str, int], int] = {}
    found = set()
    for place, one in sorted(at.items()):
        if one.ms <= newest.get(place[:2], 0) - DELAY_MS:
            found.add(place)
        newest[place[:2]] = max(newest.get(place[:2], 0), one.ms)
    return found


def _joined(at: dict[Place, Sent], lost: set[Place], *, pads: bool) -> Iterator[tuple[Any, ...]]:
    rights: dict[str, list[tuple[Place, Sent]]] = defaultdict(list)
    for place, one in at.items():
        if one.topic == "plays" and place not in lost:
            rights[one.name].append((place, one))
    for place, one in at.items():
        if one.topic == "impressions" and (pads or place not in lost):
            mine = [p for p, right in rights[one.name] if 0 <= right.ms - one.ms <= HOUR_MS and place not in lost]
            for p in mine or [(None, None, None)]:
                yield one.name, place[1], place[2], p[1], p[2]
