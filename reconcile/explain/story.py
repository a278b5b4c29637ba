"""One key's story: plain values, in order of time. Pure: `plumbline.reconcile.explain.explain` gathers its facts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from plumbline.contract.generations import spelled
from plumbline.contract.lateness import is_late
from plumbline.reconcile import format

UNTOLD = "that does not say what it was made from"
NO_COMMIT = "a commit that could not be found (it expired, or its file could not be read here)"
DROPPED, ADMITTED, UNREAD, UNKNOWN = "dropped", "admitted", "not read", "not in the ledger"
READ, QUARANTINED = "read", "quarantined"


@dataclass(frozen=True)
class Moment:
    """One thing that happened to the key: when (UTC; None: not yet, or nobody noted it), what, and in words."""

    at: datetime | None
    what: str
    text: str


@dataclass(frozen=True)
class Delivered:
    """One Kafka record of the key and what became of it. Times are UTC, watermarks ms, event time us.

    `written`: the stream table holds a row of it that no replay brought. `reason`: why it is in quarantine. `theirs`: a
    job of the team's own read it, as far as it was observed.
    """

    source: str
    topic: str
    partition: int
    offset: int
    event_time: datetime | None
    event_us: int | None
    kafka_time: datetime | None
    epoch: int | None
    planned_at: datetime | None
    late_watermark_ms: int | None
    read: bool | None
    archived_at: datetime | None
    archive_snapshot: int | None
    proven: bool = True
    written: bool = False
    reason: str | None = None
    theirs: bool = False

    @property
    def fate(self) -> str:
        """`admitted`, `dropped`, `quarantined`, `not read`, or `not in the ledger`; `read` where nobody knows which of
        the first two: Spark's rule of lateness is not proven, or the table holds a row of a record late by it."""
        if self.epoch is None or self.late_watermark_ms is None or self.event_us is None:
            return UNREAD if self.read is False else UNKNOWN
        if self.reason is not None and not self.written:
            return QUARANTINED
        late = is_late(self.event_us, self.late_watermark_ms)
        if not self.proven or (late and self.written):
            return READ
        return DROPPED if late else ADMITTED

    @property
    def late_by_ms(self) -> int | None:
        """By how many ms the event time was behind the watermark; None unless dropped."""
        return self.behind_ms if self.fate == DROPPED else None

    @property
    def behind_ms(self) -> int:
        """By how many ms its event time was behind the watermark of its epoch."""
        return ((self.late_watermark_ms or 0) * 1000 - (self.event_us or 0)) // 1000

    @property
    def place(self) -> str:
        return f"{self.topic} partition {spelled(self.partition)} offset {self.offset}"

    def as_json(self) -> dict[str, Any]:
        return {
            "source": self.source,
            "topic": self.topic,
            "partition": self.partition,
            "offset": self.offset,
            "event_time": self.event_time,
            "kafka_time": self.kafka_time,
            "fate": self.fate,
            "epoch": self.epoch,
            "late_watermark_ms": self.late_watermark_ms,
            "late_by_ms": self.late_by_ms,
            "archive_snapshot": self.archive_snapshot,
        }


@dataclass(frozen=True)
class Written:
    """One row of an output table: where it came from, and the commit that brought it (None: not known).

    `made`: what the archive says of the records of a row that does not name them. `stands`: of a joined row beside the
    batch table, whether it is the newest of its key, which is in that table; None of other rows.
    """

    table: str
    is_stream: bool
    left: str | None
    right: str | None
    replay_id: str | None
    at: datetime | None
    snapshot_id: int | None
    epoch: str | None
    batch_range: str | None = None
    made: str = UNTOLD
    stands: bool | None = None


def moments_of(record: Delivered) -> Iterable[Moment]:
    """A record's own moments: delivered, admitted or dropped, archived."""
    after = ""
    if record.kafka_time and record.event_time and record.kafka_time > record.event_time:
        delay = (record.kafka_time - record.event_time).total_seconds()
        after = f", {format.delay(round(delay * 1000))} after its event time"
    said = f"event time {format.moment(record.event_time)}" if record.event_time else "without a readable event time"
    yield Moment(record.kafka_time, "delivered", f"{record.source} record at {record.place}, {said}{after}")
    yield Moment(record.planned_at, record.fate, _fate(record))
    if record.archive_snapshot is not None:
        yield Moment(record.archived_at, "archived", f"{record.place} in archive snapshot {record.archive_snapshot}")


def _fate(record: Delivered) -> str:
    if record.fate == UNREAD:
        far = ", as far as it was observed" if record.theirs else ""
        return f"{record.place} is beyond what the stream has read{far}"
    if record.fate == UNKNOWN or record.late_watermark_ms is None:
        return f"{record.place}: no epoch ledger says whether the stream has read it, and when"
    if record.fate == QUARANTINED:
        return f"{record.place} read in epoch {record.epoch}, and in quarantine: {record.reason}"
    from plumbline.contract.ranges import from_micros
    from plumbline.reconcile.inputs.reports import BEFORE_ALL_MS

    if record.late_watermark_ms == BEFORE_ALL_MS:
        return f"{record.place} read by checkpoint {record.epoch}: the job does not report it as dropped"
    watermark = format.moment(from_micros(record.late_watermark_ms * 1000)) if record.late_watermark_ms else "none yet"
    where = f"{record.place} read in epoch {record.epoch}, late watermark {watermark}"
    if record.fate == READ and record.proven:
        return f"{where}: late by {format.delay(record.behind_ms)}, and yet the stream holds a row of it"
    if record.fate == READ:
        return f"{where}: in time or dropped, which is not known: the rule of lateness is not proven of this job"
    if record.late_by_ms is not None:
        return f"{where}: late by {format.delay(record.late_by_ms)}, dropped"
    return f"{where}: in time"


def made_from(left: str | None, right: str | None) -> str:
    """The records of a row, of which at least one is there, in words."""
    return f"from {left} and {right}" if left and right else f"from {left or right}, unmatched"


def moment_of(row: Written) -> Moment:
    """The commit that brought a row of either table."""
    made = made_from(row.left, row.right) if row.left or row.right else row.made
    commit = f"snapshot {row.snapshot_id}" if row.snapshot_id is not None else NO_COMMIT
    if not row.is_stream:
        over = f" by the run over {row.batch_range}" if row.batch_range else ""
        place = {True: ": the newest, which the batch table holds", False: ": a newer one replaced it"}
        said = "" if row.stands is None else place[row.stands]
        return Moment(row.at, "seen by batch", f"{row.table}: row {made}, in {commit}{over}{said}")
    if row.replay_id is not None:
        return Moment(row.at, "replayed", f"{row.table}: row {made}, published by replay {row.replay_id} in {commit}")
    epoch = f", epoch {row.epoch}" if row.epoch is not None else ""
    return Moment(row.at, "emitted", f"{row.table}: row {made}, in {commit}{epoch}")


def in_order(moments: Iterable[Moment]) -> tuple[Moment, ...]:
    """By time; what has no time comes last. Equal moments stay in the order in which they are given."""
    return tuple(sorted(moments, key=lambda m: (m.at is None, m.at.timestamp() if m.at else 0.0)))


@dataclass(frozen=True)
class Story:
    """What `plumbline explain` tells. `verdict` is match, pending, drift, or absent (in neither table)."""

    contract: str
    key: Mapping[str, Any]
    verdict: str
    findings: Sequence[Mapping[str, Any]]
    records: tuple[Delivered, ...]
    moments: tuple[Moment, ...]

    @property
    def document(self) -> dict[str, Any]:
        """The document of `plumbline explain --json`."""
        return {
            "contract": self.contract,
            "key": dict(self.key),
            "verdict": self.verdict,
            "causes": sorted({finding["cause"] for finding in self.findings}),
            "findings": [dict(finding) for finding in self.findings],
            "records": [record.as_json() for record in self.records],
            "story": [{"at": m.at, "what": m.what, "text": m.text} for m in self.moments],
        }

    def _repr_html_(self) -> str:
        from plumbline.reconcile.report.notebook_card import of_story

        return of_story(self)
