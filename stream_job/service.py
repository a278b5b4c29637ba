"""The life of a running job: its queries stay alive, its ledger and status up to date, it ends between two epochs."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

from plumbline.connect import owners
from plumbline.contract.durations import milliseconds
from plumbline.contract.errors import PlumblineError, UnreachableError
from plumbline.contract.generations import in_topic
from plumbline.stream_job import epochs, heartbeat, quarantine, same_records, topics
from plumbline.stream_job.heartbeat import Heartbeat
from plumbline.stream_job.late.judging import by_spark
from plumbline.stream_job.late.rows import LateRows, next_look
from plumbline.stream_job.progress import Progress, Telling
from plumbline.stream_job.queries import JOIN, Parts, starts
from plumbline.stream_job.spark_internals import SourceWatermarks
from plumbline.stream_job.status_text import idle_changes, progress_line
from plumbline.stream_job.supervisor import Supervisor

Say = Callable[[str], None]

PUBLISH_EVERY = 100
"""Epochs between two publications of the ledger: an Iceberg commit per epoch costs 0.1 to 0.6 s and grows."""

PUBLISH_AFTER_SECONDS = 60.0
"""And the longest between two, in which bad records stay unseen and a reconcile knows less than the stream has done."""

SHARE_OF_PUBLISHING = 0.05
"""How much of its time the job may spend on it: what is looked through grows with the archive."""

LOOK_EVERY_SECONDS = 0.25
"""How often the job looks for committed epochs and failures."""

ASK_TOPICS_EVERY_SECONDS, ANSWER_SECONDS = 15.0, 1.0
"""How often the job asks whether the topics are still those that it reads, and how long it waits for the answer."""

WRITE_EVERY_SECONDS = 1.0
"""How often `status.json` is written when nothing else changed, so that its age tells of a job that hangs."""


@dataclass(frozen=True)
class Life:
    """How a job lives. `retry_for` None: as long as it takes. `metrics_port` None: no metrics."""

    retry_for: timedelta | None = None
    idle_after: timedelta = timedelta(minutes=1)
    metrics_port: int | None = None


class Service:
    """One run of the job, from the start of its queries to their end. The folder must be owned by this process."""

    def __init__(self, parts: Parts, life: Life, say: Say) -> None:
        self.parts, self.life, self.say = parts, life, say
        self.ledger = parts.job.ledger
        self.progress, self.telling, self.watermarks = Progress(), Telling(), SourceWatermarks()
        contract = parts.contract
        sides = (contract.join.left, contract.join.right)
        named = ((sides[0], contract.left.topic), (sides[1], contract.right.topic))
        history = list(self.ledger.epochs(after=self.ledger.last_epoch() - heartbeat.LOOK_BACK))
        # An epoch is planned only every so often: a source is not idle between two of them.
        idle_ms = max(milliseconds(life.idle_after), 3 * milliseconds(contract.stream.every))
        self.heartbeat = Heartbeat.begin(named, history, idle_ms)
        self._idle: str | None = None
        self._written = 0.0
        self._asked = time.monotonic()
        self._published = self.ledger.last_epoch()
        self._publish_at = 0.0
        self.late, self._late_at = LateRows(parts.lake, parts.contract, by_spark(parts.spark, parts.equipped)), 0.0

    def run(self, stop: threading.Event, *, once: bool) -> None:
        """Run until the topics' end (`once`) or until `stop`; then bring the archive up to where the join stands.

        A job that runs once archives after the join, so that the archive holds all that the join has read.
        """
        archive = not once or not self.parts.joins
        supervisor = Supervisor(
            starts(self.parts, once=once, archive=archive), self.life.retry_for, self.say, self.parts.learn_schema
        )
        try:
            self._watch(supervisor, stop)
            if not supervisor.finish():
                self.say("stream: the last epoch took too long; it was broken off, and the next start does it again")
            self._look(supervisor)
            if self.parts.joins:
                self._catch_up_archive(stop)
        finally:
            supervisor.stop()
            self.ledger.sync()
            self.publish()
            self.note_late(at_end=True)
            self._write(replace(self.heartbeat, state="ended"))

    def publish(self) -> None:
        """Bring `plumbline.epochs` and `plumbline.quarantine` up to date; later, when the catalog does not answer."""
        begun = time.monotonic()
        try:
            epochs.publish(self.parts.lake, self.parts.contract, self.ledger)
            quarantine.publish(self.parts.lake, self.parts.contract)
        except UnreachableError as error:
            self.say(f"stream: the ledger is published later: {error.what}")
        self._published, now = self.ledger.last_epoch(), time.monotonic()
        self._publish_at = now + max(PUBLISH_AFTER_SECONDS, (now - begun) / SHARE_OF_PUBLISHING)

    def note_late(self, *, at_end: bool = False) -> None:
        """Write the rows that were dropped as late since the last look; whatever hinders that does not end the job."""
        if not self.parts.joins:
            return
        begun, found = time.monotonic(), 0
        try:
            found = self.late.note(self.ledger, at_end=at_end)
        except Exception as error:  # what was read stays to be looked at; the stream is worth more than this copy of it
            told = error.what if isinstance(error, PlumblineError) else repr(error)
            self.say(f"stream: late rows are noted later: {told}")
        self._late_at = next_look(begun, found)

    def _watch(self, supervisor: Supervisor, stop: threading.Event) -> None:
        """Until all queries have ended, one fails for good, or `stop` is set."""
        while not stop.is_set():
            supervisor.look()
            self._look(supervisor)
            self._refuse_other_topics(supervisor)
            many = self.ledger.last_epoch() >= self._published + PUBLISH_EVERY
            if supervisor.trouble is None and (many or time.monotonic() >= self._publish_at):
                self.publish()
            if supervisor.trouble is None and time.monotonic() >= self._late_at:
                self.note_late()
            if supervisor.ended:
                return
            stop.wait(LOOK_EVERY_SECONDS)
        self._write(replace(self.heartbeat, state="ending"))
        self.say("stream: stopping at the end of the epoch; a second signal ends it at once")

    def _refuse_other_topics(self, supervisor: Supervisor) -> None:
        """End the job when a topic was deleted and recreated: its offsets are not those of the one that was read."""
        if supervisor.trouble is None and time.monotonic() - self._asked > ASK_TOPICS_EVERY_SECONDS:
            try:
                if self.parts.joins:
                    topics.refuse_recreated(self.parts.contract, self.parts.kafka, self.parts.job, ANSWER_SECONDS)
                else:
                    for source in self.parts.contract.sources.values():
                        topics.agreed(self.parts.lake, self.parts.kafka, source)
            except UnreachableError:
                return
            finally:
                self._asked = time.monotonic()

    def _look(self, supervisor: Supervisor) -> None:
        """Take in what happened since the last look, and say what must be said."""
        now, seen = heartbeat.now_ms(), self.ledger.last_epoch()
        changed = self.ledger.sync() > 0
        query = supervisor.query(JOIN)
        changed |= query is not None and self.progress.look(query)
        self._update(supervisor, seen, now, changed=changed)
        idle = self.heartbeat.idle(now)
        for line in idle_changes(self.heartbeat, self._idle, idle, now):
            self.say(line)
        self._idle = idle.name if idle else None
        if changed and self.telling.due():
            self.say(progress_line(self.heartbeat))

    def _update(self, supervisor: Supervisor, seen: int, now: int, *, changed: bool) -> None:
        """Bring the heartbeat up to date; it is written when something changed, and now and then anyway."""
        found = self.heartbeat
        for number in range(seen + 1, self.ledger.last_epoch() + 1):
            found = replace(found.after(self.ledger.read(number)), committed_at_ms=now)
        query = supervisor.query(JOIN)
        if changed and query is not None:
            found = found.with_watermarks(self.watermarks.of(query))
        running = self.progress.done.epochs or not self.parts.joins
        state = "retrying" if supervisor.trouble else "running" if running else found.state
        found = replace(
            found, done=self.progress.done, retries=supervisor.retries, trouble=supervisor.trouble, state=state
        )
        if found != self.heartbeat or time.monotonic() - self._written > WRITE_EVERY_SECONDS:
            self._write(found)

    def _write(self, found: Heartbeat) -> None:
        self.heartbeat = replace(found, updated_at_ms=heartbeat.now_ms())
        heartbeat.write(self.parts.job.root, self.heartbeat)
        self._written = time.monotonic()

    def _catch_up_archive(self, stop: threading.Event) -> None:
        """Archive up to the end of the topics, so that the archive never stands behind a join that has ended.

        When a service is stopped while the broker or the catalog is away, that is left to its next start.
        """
        for line in shared_archives_behind(self.parts):
            self.say(f"stream: warning: {line}")
        if self.parts.shared >= self.parts.contract.sources.keys():
            return
        self.say("stream: archiving up to the end of the topics")
        supervisor = Supervisor(
            starts(self.parts, once=True, join=False), timedelta(0), self.say, self.parts.learn_schema
        )
        try:
            while not supervisor.ended:
                supervisor.look()
                time.sleep(LOOK_EVERY_SECONDS)
        except UnreachableError as error:
            if not stop.is_set():
                raise
            self.say(f"stream: the archive stays behind until the next start: {error.what}")
        finally:
            supervisor.stop()


def shared_archives_behind(parts: Parts) -> Iterator[str]:
    """In words, each archive of another contract that lacks records which the join has read."""
    from plumbline.connect.kafka_read import Reader

    for name, read in topics.joined_to(parts.job, parts.contract).items():
        if name not in parts.shared:
            continue
        source, owner = parts.contract.sources[name], owners.archive_owner(parts.lake, parts.contract, name)
        held, generation = same_records.archived(parts.lake, source), max(0, len(topics.noted(parts.lake, source)) - 1)
        with Reader(parts.kafka) as reader:
            for partition, end in sorted(read.items()):
                begin, there = held.get(partition, 0), in_topic(partition, generation)
                if begin < end and there is not None and reader.shows(source.topic, there, begin, end):
                    yield (
                        f"{source.archive} ends at offset {begin} of partition {partition}, this join at {end}: run "
                        f"the job of contract {owner}, which writes it, before the batch reference, or take it over: "
                        f"`{owners.TAKE} --source {name}`"
                    )


@contextmanager
def stop_on_signal(stop: threading.Event) -> Iterator[threading.Event]:
    """Let SIGTERM and Ctrl-C set `stop`; a second one ends the process at once. Handlers are put back at the end."""
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def first(*_: object) -> None:
        stop.set()
        for number in before:
            signal.signal(number, signal.SIG_DFL)

    for number in before:
        signal.signal(number, first)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
