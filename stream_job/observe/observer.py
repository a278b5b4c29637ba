"""A sidecar of a team's own Spark query: its epochs, copied into the ledger before Spark purges them.

What was copied is kept as records in the home at once, in a folder for each query id, and published to
`plumbline.epochs` now and then, as that of our own job. Of the query and its checkpoint nothing is changed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from plumbline.contract.archive_columns import archives_of_theirs
from plumbline.contract.commit_properties import EPOCH_ID, QUERY_ID
from plumbline.contract.errors import SetupError, UnreachableError, UsageError
from plumbline.contract.model import Contract
from plumbline.contract.operators import SAY_HOW_LONG, held_by, next_step, unproven_plan, why_unproven
from plumbline.stream_job import epochs, fingerprint
from plumbline.stream_job.backoff import Backoff
from plumbline.stream_job.checkpoint_health import last_sink_epoch
from plumbline.stream_job.job_folder import JobFolder
from plumbline.stream_job.late.rows import LateRows, next_look
from plumbline.stream_job.ledger import Epoch, Ledger
from plumbline.stream_job.observe.checkpoint import Batch, Checkpoint
from plumbline.stream_job.observe.checkpoint_files import CheckpointFiles
from plumbline.stream_job.observe.epochs_of import Query, by_runs, epoch_of, gaps, ignored, refuse_other_sources
from plumbline.stream_job.observe.flink import FlinkObserver
from plumbline.stream_job.observe.recreated import known_once
from plumbline.stream_job.service import PUBLISH_AFTER_SECONDS, PUBLISH_EVERY, stop_on_signal

if TYPE_CHECKING:
    from plumbline.connect.home import Home
    from plumbline.connect.lake import Lake
    from plumbline.stream_job.document_types import ObserveDocument

Say = Callable[[str], None]
LOOK_EVERY_SECONDS = 2.0
"""How often the checkpoint is listed: a query of two epochs a second keeps its last hundred for 50 s."""
APP, VERSION = "spark.app.id", "engine-version"


@dataclass
class Observer:
    """One contract's observer. `seen` is what it has said already, `operators` are those of each query, once known."""

    contract: Contract
    lake: Lake
    job: JobFolder
    say: Say
    checkpoint: Checkpoint
    seen: set[str] = field(default_factory=set)
    newest: Batch | None = None
    operators: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.late = LateRows(self.lake, self.contract)
        self.noted: set[tuple[str, str]] = set()

    def ledger(self, query_id: str) -> Ledger:
        """The records of one query."""
        folder = observed(self.job) / query_id
        return Ledger(folder, folder / "checkpoint")

    def look(self) -> Ledger:
        """Copy what was committed since the last look. Returns the records of the query that the checkpoint is of.

        Raises SetupError, UsageError or IncompleteError for a checkpoint that cannot be the job's, or not be read.
        """
        query_id = self.checkpoint.query_id()
        committed = self.checkpoint.committed()
        if committed:
            self._refuse_other_query(query_id)
        ledger = self.ledger(query_id)
        last, query = ledger.last_epoch(), None
        before: Batch | Epoch | None = ledger.valid(last) if last >= 0 else None
        for number in committed:
            if number <= last:
                continue
            batch = self.checkpoint.batch(number)
            if batch is None:
                continue
            refuse_other_sources(self.contract, batch, self.checkpoint.place)
            query = query or self._query(query_id, committed)
            known = before is not None and _number(before) == number - 1
            before = before if known else self.checkpoint.batch(number - 1) if number else None
            record = epoch_of(self.contract, query, batch, before)
            if record is not None:
                ledger.keep(record)
            before, self.newest = record or batch, batch
        self._tell(query_id, ledger)
        return ledger

    def publish(self) -> int:
        """Bring `plumbline.epochs` up to date with the records of all queries; returns how many epochs it lacked."""
        found = sum(epochs.publish_missing(self.lake, self.contract, self.ledger(query)) for query in self._queries())
        for query in self._queries():
            operators = self._operators(query)
            if operators is not None and (query, operators) not in self.noted:
                epochs.note_operators(self.lake, self.contract, query, operators)
                self.noted.add((query, operators))
        return found

    def note_late(self, *, at_end: bool = False) -> int:
        """Write the rows that the queries dropped as late to `plumbline.late`; returns how many it lacked.

        None with an archive of another tool: such a row has the record's bytes. None of a query in whose plan another
        operator may come before the join.
        """
        if archives_of_theirs(self.contract):
            return 0
        known = (query for query in self._queries() if not unproven_plan(self.contract, self._operators(query)))
        return sum(self.late.note(self.ledger(query), at_end=at_end) for query in known)

    def document(self, ledger: Ledger, published: int, late: int) -> ObserveDocument:
        """What is known of the query by now."""
        last, numbers = ledger.last_epoch(), ledger.numbers()
        newest = ledger.valid(last) if last >= 0 else None
        operators = self._operators(self.checkpoint.query_id())
        return {
            "contract": self.contract.contract,
            "checkpoint": self.checkpoint.place,
            "query_id": self.checkpoint.query_id(),
            "epochs": len(numbers),
            "last_epoch": last,
            "evict_watermark_ms": newest.evict_watermark_ms if newest else None,
            "gaps": [list(stretch) for stretch in gaps(numbers)],
            "other_topics": ignored(self.contract, self.newest) if self.newest else [],
            "watermark_policy": self.newest.policy if self.newest else None,
            "operators": None if operators is None else operators.split(", "),
            "unproven_plan": bool(unproven_plan(self.contract, operators)),
            "held_back": held_by(self.contract, operators) is not None,
            "published": published,
            "late": late,
        }

    def _queries(self) -> list[str]:
        """The ids of all queries that were observed."""
        folder = observed(self.job)
        return sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []

    def _query(self, query_id: str, committed: list[int]) -> Query:
        ids = [known_once(self.lake, source) for source in (self.contract.left, self.contract.right)]
        runs, versions = by_runs(self.checkpoint.runs(), committed)
        versions = dict.fromkeys(committed, self._only_version()) | versions
        runs, versions = self._said(query_id, APP) | runs, versions | self._said(query_id, VERSION)
        versions = {number: version for number, version in versions.items() if version}
        return Query(query_id, self.checkpoint.begins(), (ids[0], ids[1]), runs, versions, self._operators(query_id))

    def _operators(self, query_id: str) -> str | None:
        """The stateful operators of a query, as the ledger has them; None while nothing tells them all. Spark never
        changes them: raises SetupError where the checkpoint tells others than it did."""
        if query_id not in self.operators:
            told = self.checkpoint.operators() if query_id == self.checkpoint.query_id() else None
            known = next((each.operators for each in self.ledger(query_id).epochs() if each.operators), None)
            found = ", ".join(told) if told else known
            if known not in (None, found):
                raise SetupError(
                    f"the checkpoint's folder state tells the stateful operators {found}, and told {known} before",
                    where=self.checkpoint.place,
                    next_step="name the checkpoint that the query uses; one that lacks some of its state tells nothing",
                )
            self.operators |= {query_id: found} if found else {}
        return self.operators.get(query_id)

    def _said(self, query_id: str, what: str) -> dict[int, str]:
        """Epoch to what the commits of the stream table say of it: Spark's version, or its application."""
        table = self.contract.output.stream_table
        snapshots = self.lake.load(table).metadata.snapshots if self.lake.exists(table) else []
        said = [snapshot.summary.additional_properties for snapshot in snapshots if snapshot.summary]
        return {
            int(each[EPOCH_ID]): str(each[what])
            for each in said
            if each.get(QUERY_ID) == query_id and EPOCH_ID in each and what in each
        }

    def _only_version(self) -> str:
        """The version of Spark that wrote the whole table, where its commits name no epoch, as those of `foreachBatch`.

        Empty where they do, where another tool wrote too, or where the first commits have expired.
        """
        table = self.contract.output.stream_table
        metadata = self.lake.load(table).metadata if self.lake.exists(table) else None
        snapshots = [] if metadata is None else list(metadata.snapshots)
        said = [s.summary.additional_properties if s.summary else {} for s in snapshots]
        found = {str(each.get(VERSION, "")) for each in said if EPOCH_ID not in each}
        begun = any(snapshot.sequence_number == 1 for snapshot in snapshots)
        return found.pop() if begun and len(found) == 1 and not any(EPOCH_ID in each for each in said) else ""

    def _refuse_other_query(self, query_id: str) -> None:
        """Raise UsageError where the newest epoch of the stream table was committed by another query."""
        table = self.contract.output.stream_table
        written = last_sink_epoch(self.lake.load(table)) if self.lake.exists(table) else None
        if written is not None and written[0] != query_id:
            raise UsageError(
                f"the checkpoint is of query {query_id}, the newest epoch of {table} of query {written[0]}",
                where=self.checkpoint.place,
                next_step="name the checkpoint of the query that writes the table as job.checkpoint",
            )

    def _tell(self, query_id: str, ledger: Ledger) -> None:
        """Say once what an operator should know of."""
        folder = observed(self.job)
        others = sorted(path.name for path in folder.iterdir() if path.is_dir() and path.name != query_id)
        if others:
            self._once(
                f"warning: the job has a new checkpoint: query {query_id}, before {', '.join(others)}. What was in the "
                "earlier one's state is gone, and what became of it is not claimed"
            )
        for first, last in gaps(ledger.numbers()):
            self._once(
                f"warning: epochs {first} to {last} were purged before they were seen: what they read stays unknown "
                "(spark.sql.streaming.minBatchesToRetain keeps more)"
            )
        plan = unproven_plan(self.contract, self._operators(query_id))
        if self.newest and plan:
            self._once(f"warning: {why_unproven([plan])}: no row is called late. Next: {next_step([plan], '')}")
        held = held_by(self.contract, self._operators(query_id))
        if self.newest and held and not plan and self.contract.job and self.contract.job.held_back is None:
            self._once(f"warning: {held} behind the join may hold rows back: none is settled. Next: {SAY_HOW_LONG}")
        if self.newest and ignored(self.contract, self.newest):
            self._once(
                f"the query also reads {', '.join(ignored(self.contract, self.newest))}: no matter of the contract"
            )
        if self.newest and self.newest.policy != "min":
            self._once(
                f"the query's watermark is the {self.newest.policy} of its sources'; the offset log has it as it was"
            )

    def _once(self, line: str) -> None:
        if line not in self.seen:
            self.seen.add(line)
            self.say(f"observe: {line}")


def observe(
    contract: Contract,
    home: Home,
    *,
    once: bool = False,
    say: Say = lambda message: None,
    stop: threading.Event | None = None,
) -> ObserveDocument:
    """Copy the epochs of the contract's own Spark job into the ledger; with `once` those of now, else until a signal.

    Of a Flink job its checkpoints become rows of `job.progress`; see `plumbline.stream_job.observe.flink`.

    Returns `{"contract", "checkpoint", "query_id", "epochs", "last_epoch", "evict_watermark_ms", "gaps",
    "other_topics", "watermark_policy", "operators", "unproven_plan", "held_back", "published", "late"}`; `gaps` are
    first and last number of what was purged unseen.
    Raises UsageError without a job whose checkpoint can be read, or with another query's; SetupError for one that is
    not there or half deleted, IncompleteError for a damaged file.
    """
    from plumbline.connect.lake import Lake

    place = _place(contract)
    job = JobFolder.of(contract, home)
    fingerprint.refuse_other_job(job.fingerprint, contract)
    with _owned(job), stop_on_signal(stop or threading.Event()) as stopping:
        lake = Lake.open(home, contract.catalog)
        if contract.job is not None and contract.job.kind == "flink":
            flink = FlinkObserver(contract, lake, str(contract.job.progress), CheckpointFiles(place), say)
            if not once:
                flink.watch(stopping)
            flink.look()
            return flink.document(flink.publish())
        observer = Observer(contract, lake, job, say, Checkpoint(place))
        if not once:
            _watch(observer, stopping)
        ledger = observer.look()
        return observer.document(ledger, observer.publish(), observer.note_late(at_end=True))


def observed(job: JobFolder) -> Path:
    """The folder of what was seen, with one folder for each query."""
    return job.root / "observed"


def _watch(observer: Observer, stop: threading.Event) -> None:
    """Look until `stop` is set. What does not answer is asked again, after a growing wait."""
    backoff, published, due, look_at = Backoff(), -1, 0.0, 0.0
    while not stop.is_set():
        try:
            last = observer.look().last_epoch()
            if last >= published + PUBLISH_EVERY or time.monotonic() >= due:
                new = observer.publish()
                published, due = last, time.monotonic() + PUBLISH_AFTER_SECONDS
                if new:
                    observer.say(f"observe: epoch {last}, {new:,} epochs published")
            if time.monotonic() >= look_at:
                begun, found = time.monotonic(), observer.note_late()
                look_at = next_look(begun, found)
                if found:
                    observer.say(f"observe: {found:,} more late rows in plumbline.late")
            backoff.reset()
            stop.wait(LOOK_EVERY_SECONDS)
        except UnreachableError as error:
            wait = backoff.wait(time.monotonic())
            observer.say(f"observe: trying again in {wait:.0f} s: {error.what}")
            stop.wait(wait)


def _number(before: Batch | Epoch) -> int:
    return before.number if isinstance(before, Batch) else before.epoch


def _place(contract: Contract) -> str:
    job = contract.job
    if job is None or job.checkpoint is None:
        what = "the contract names no streaming job of your own" if job is None else "job: names no checkpoint"
        raise UsageError(
            f"{what}: there is nothing to observe",
            where=contract.place(("job",)) or contract.place(("contract",)),
            next_step="add job: {kind: spark, checkpoint: the query's checkpointLocation} to the contract",
        )
    return job.checkpoint


@contextmanager
def _owned(job: JobFolder) -> Iterator[None]:
    """One observer at a time: two would write each epoch twice."""
    mine = JobFolder(observed(job))
    owner = mine.owner()
    if owner is not None:
        raise SetupError(
            f"another observer works here already (pid {owner.pid} since {owner.since})",
            where=str(mine.root),
            next_step="stop it first, or leave the work to it",
        )
    with mine.owned():
        yield
