"""A sidecar of a team's own Flink job: where its checkpoints stood in Kafka, written to the table `job.progress`.

That says which records the job had not read when it wrote the table as it is, and nothing else: a checkpoint holds no
watermark, and what the job did with a record that it has read is not in it.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from plumbline.connect.flink_commits import flink_commits
from plumbline.connect.job_reports import progress_schema
from plumbline.contract.errors import IncompleteError, SetupError, UnreachableError
from plumbline.stream_job.backoff import Backoff
from plumbline.stream_job.observe.checkpoint_files import CheckpointFiles
from plumbline.stream_job.observe.flink_metadata import FlinkCheckpoint, Splits, read_metadata
from plumbline.stream_job.observe.recreated import known_once

if TYPE_CHECKING:
    from plumbline.connect.lake import Lake
    from plumbline.contract.model import Contract
    from plumbline.stream_job.document_types import ObserveDocument

JOB_ID, CHECKPOINT = re.compile("[0-9a-f]{32}"), re.compile(r"chk-(\d+)")
EARLIEST = -2
"""In place of an offset: the split begins at its first record, and none was read."""
PUBLISH_AFTER_SECONDS = 600.0
LOOK_EVERY_SECONDS = 1.0
"""How often the checkpoints are listed: Flink keeps one, unless it is told to retain more."""


@dataclass(frozen=True)
class Noted:
    """What the table has: the newest checkpoint, its job, and where each split stood at the most."""

    newest: int = -1
    job_id: str = ""
    ends: Mapping[tuple[str, int], int] = field(default_factory=dict)


@dataclass
class FlinkObserver:
    """One contract's observer. `seen`: checkpoints by job and number that the table `job.progress` lacks."""

    contract: Contract
    lake: Lake
    table: str
    files: CheckpointFiles
    say: Callable[[str], None]
    seen: dict[tuple[str, int], FlinkCheckpoint] = field(default_factory=dict)
    said: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.noted, self.committed = self._noted(), self._committed()

    def look(self) -> None:
        """Read the checkpoints that are new, of jobs that have written the stream table.

        Raises SetupError for a folder without checkpoints of jobs, or with such that cannot be read, IncompleteError
        for a damaged file.
        """
        for job_id, number, path in self._found():
            if job_id in self.committed and number > self.noted.newest and (job_id, number) not in self.seen:
                data = self.files.content(f"{path}/_metadata")
                if data is not None:  # else it is being written, or was just purged
                    self.seen[job_id, number] = read_metadata(data, f"{self.files.place}/{path}", self._beside(path))

    def publish(self) -> int:
        """Note the newest checkpoint whose rows are in the stream table; returns how many were noted, one or none.

        Raises SetupError for a checkpoint of another job, and for topics that were recreated.
        """
        for source in (self.contract.left, self.contract.right):
            known_once(self.lake, source)
        self.committed = self._committed()
        self._warn_of_lower()
        ready = [at for at in self.seen if at[1] <= self.committed.get(at[0], -1)]
        for job_id, number in sorted(ready, key=lambda at: -at[1]):
            ends = self._ends(self.seen[job_id, number])
            if ends is not None and self._goes_on(ends, job_id) and self._write(job_id, number, ends):
                self.noted = Noted(number, job_id, ends)
                self.seen = {at: found for at, found in self.seen.items() if at[1] > number}
                return 1
        return 0

    def watch(self, stop: threading.Event) -> None:
        """Look until `stop` is set. What cannot be read is tried again, after a growing wait."""
        backoff, due = Backoff(), 0.0
        while not stop.is_set():
            try:
                self.look()
                if time.monotonic() >= due:
                    due = time.monotonic() + PUBLISH_AFTER_SECONDS
                    if self.publish():
                        self.say(f"observe: checkpoint {self.noted.newest} published")
                backoff.reset()
                stop.wait(LOOK_EVERY_SECONDS)
            except (UnreachableError, IncompleteError) as error:
                wait = backoff.wait(time.monotonic())
                self.say(f"observe: trying again in {wait:.0f} s: {error.what}")
                stop.wait(wait)

    def document(self, published: int) -> ObserveDocument:
        """What is known of the job by now; `query_id` is the id of the job that made the newest checkpoint."""
        noted, topics = self.noted, {topic for found in self.seen.values() for topic, _ in found.ends}
        return {
            "contract": self.contract.contract,
            "checkpoint": self.files.place,
            "query_id": noted.job_id,
            "epochs": int(noted.newest >= 0),
            "last_epoch": noted.newest,
            "evict_watermark_ms": None,
            "gaps": [],
            "other_topics": sorted(topics - self._topics()),
            "watermark_policy": None,
            "operators": None,
            "unproven_plan": False,
            "held_back": False,
            "published": published,
            "late": 0,
        }

    def _found(self) -> Iterator[tuple[str, int, str]]:
        """(job, number, path) of each checkpoint: below a folder for each job, or in that of one."""
        names, own = self.files.names(""), self.files.place.rstrip("/").rpartition("/")[2]
        jobs = {name: f"{name}/" for name in names if JOB_ID.fullmatch(name)}
        if JOB_ID.fullmatch(own):
            jobs = {own: ""}
        elif not jobs:
            raise SetupError(
                "there is no checkpoint of a Flink job: no folder is named by the id of a job",
                where=self.files.place,
                next_step="name the job's execution.checkpointing.dir as job.checkpoint, and give read access to it",
            )
        for job_id, path in jobs.items():
            for name in self.files.names(path.rstrip("/")) if path else names:
                if told := CHECKPOINT.fullmatch(name):
                    yield job_id, int(told[1]), f"{path}{name}"

    def _beside(self, path: str) -> Callable[[str], bytes]:
        """Reads a file of state: that of operators lies in the folder of its checkpoint."""

        def opened(named: str) -> bytes:
            content = self.files.content(f"{path}/{named.rpartition('/')[2]}")
            if content is None:
                raise ValueError(f"{named} is not there")
            return content

        return opened

    def _committed(self) -> dict[str, int]:
        """Job to the newest checkpoint whose rows are in the stream table."""
        name = self.contract.output.stream_table
        table = self.lake.load_now(name) if self.lake.exists(name) else None
        newest = table.current_snapshot() if table is not None else None
        found: dict[str, int] = {}
        for _, job_id, number in flink_commits(table, newest.snapshot_id) if table is not None and newest else ():
            found.setdefault(str(job_id), number)
        return found

    def _topics(self) -> set[str]:
        return {self.contract.left.topic, self.contract.right.topic}

    def _ends(self, found: FlinkCheckpoint) -> Splits | None:
        """Where the splits of the contract's topics stood; None while one has no offset yet."""
        ends = {split: end for split, end in found.ends.items() if split[0] in self._topics()}
        wrong = [f"no source of topic {topic}" for topic in sorted(self._topics() - {topic for topic, _ in ends})]
        wrong += [
            f"several sources of {topic} partition {number}" for topic, number in found.twice if topic in self._topics()
        ]
        if len(self._topics()) < 2:
            wrong.append("one topic for both sides of the contract: which of them has read how far is not told")
        if wrong:
            raise SetupError(
                f"the checkpoint has {wrong[0]}",
                where=f"{self.files.place}: checkpoint {found.checkpoint_id}",
                next_step="name the checkpoints of the job that reads the contract's topics with Flink's KafkaSource",
            )
        ends = {split: 0 if end == EARLIEST else end for split, end in ends.items()}
        return None if any(end < 0 for end in ends.values()) else ends

    def _goes_on(self, ends: Splits, job_id: str) -> bool:
        """Whether nothing was read again: a job that was restored from an older checkpoint has to come up first."""
        noted = self.noted
        behind = next((split for split, end in noted.ends.items() if ends.get(split, -1) < end), None)
        if behind:
            self._warn(
                job_id,
                f"job {job_id} reads {behind[0]} partition {behind[1]} again, from before {noted.ends[behind]}, which "
                f"job {noted.job_id} had read: rows may be there twice",
            )
        return behind is None

    def _warn_of_lower(self) -> None:
        job_id = next(iter(self.committed), None)
        if job_id is not None and job_id != self.noted.job_id and self.committed[job_id] <= self.noted.newest:
            self._warn(
                job_id,
                f"job {job_id} is at checkpoint {self.committed[job_id]}, job {self.noted.job_id} was at "
                f"{self.noted.newest}: nothing is noted until it is beyond. One that did not start from a checkpoint "
                "needs another table as job.progress",
            )

    def _warn(self, job_id: str, what: str) -> None:
        if job_id not in self.said:
            self.said.add(job_id)
            self.say(f"observe: warning: {what}")

    def _noted(self) -> Noted:
        if not self.lake.exists(self.table):
            return Noted()
        table = self.lake.load_now(self.table)
        rows = table.scan().to_arrow().to_pylist() if "job_id" in table.schema().column_names else [{}]
        if any(row.get("job_id") is None or row.get("topic") is None for row in rows):
            raise SetupError(
                f"{self.table} was not made by observe: its rows name no job",
                where=self.contract.place(("job", "progress")) or "job.progress",
                next_step="name a table that is not there yet as job.progress; observe creates it",
            )
        ends: Splits = {}
        for row in rows:
            split = str(row["topic"]), int(row["partition"])
            ends[split] = max(int(row["end_offset"]), ends.get(split, 0))
        if not rows:
            return Noted()
        newest = max(rows, key=lambda row: int(row["checkpoint_id"]))
        return Noted(int(newest["checkpoint_id"]), str(newest["job_id"]), ends)

    def _write(self, job_id: str, number: int, ends: Splits) -> bool:
        """Put a checkpoint in the place of the one before: a reconcile pins this table before the stream's, and needs
        the newest only. False: another observer came between."""
        import pyarrow as pa
        from pyiceberg.expressions import LessThanOrEqual

        told = {"checkpoint_id": number, "job_id": job_id, "at": datetime.now(UTC)}
        rows = [{"topic": topic, "partition": n, "end_offset": end, **told} for (topic, n), end in sorted(ends.items())]
        table = pa.Table.from_pylist(rows, schema=progress_schema())
        self.lake.ensure_table(self.table, progress_schema())
        if self.noted.newest >= 0:
            return self.lake.replace(self.table, table, LessThanOrEqual("checkpoint_id", self.noted.newest))
        self.lake.append(self.table, table)
        return True
