"""The documents of `plumbline stream`, `archive run`, `observe`, `late` and `maintain`."""

from __future__ import annotations

from typing import Literal

from typing_extensions import TypedDict

from plumbline.contract.document_types import Range


class StreamRunDocument(TypedDict):
    """What `plumbline stream run --json` prints when the job has ended. `last_epoch` is -1 before the first epoch;
    snapshots are null where a table has none, or the catalog was away at the end."""

    table: str
    epochs: int
    last_epoch: int
    evict_watermark_ms: int | None
    watermark_delay_ms: dict[str, int]
    archives: dict[str, int | None]
    snapshot_id: int | None


class ArchiveRunDocument(TypedDict):
    """What `plumbline archive run --json` prints: each source's archive snapshot, null for an empty one."""

    archives: dict[str, int | None]


class ObserveDocument(TypedDict):
    """What `plumbline observe --json` prints. `gaps`: first and last number of epochs that were purged unseen.

    `published`: how many epochs plumbline.epochs lacked, `late`: how many rows plumbline.late; `other_topics`: what the
    query reads beside the contract's. `operators`: its stateful operators from sink to sources, null where they are not
    all noted; `unproven_plan`: whether another one than deduplication may come before the contract's join, so that
    nothing is said of late rows; `held_back`: whether one may hold rows back behind it.
    """

    contract: str
    checkpoint: str
    query_id: str
    epochs: int
    last_epoch: int
    evict_watermark_ms: int | None
    gaps: list[list[int]]
    other_topics: list[str]
    watermark_policy: str | None
    operators: list[str] | None
    unproven_plan: bool
    held_back: bool
    published: int
    late: int


By = Literal["dropped", "event"]
"""What a range selects late rows by: the time of the epoch that dropped them, or their event time."""


class LateSource(TypedDict):
    """The late rows of one source in the range. `unsure`: those of them that the source's `where` may leave out, which
    only Spark can tell. `worst_ms`: by how much the latest of them came behind the watermark."""

    side: Literal["left", "right"]
    records: int
    unsure: int
    worst_ms: int | None
    first_dropped_at: str | None
    last_dropped_at: str | None


class LateRecord(TypedDict):
    """One late row. `value` shows its first bytes, escaped; null where the record has none."""

    source: str
    side: Literal["left", "right"]
    topic: str
    partition: int
    offset: int
    event_time: str
    late_watermark: str
    late_by_ms: int
    query_id: str
    epoch: int
    dropped_at: str
    unsure: bool
    bytes: int | None
    value: str | None


class LateKnown(TypedDict):
    """How far late rows are known. `looked_at`: the epoch of the newest query up to which all are in plumbline.late.

    `waiting`: offsets, by source, that the stream has read since, or that an archive lacks yet; `unseen`: offsets that
    a team's own job has read in epochs that were purged before they were observed. Of epochs that ran on one of
    `unproven_spark` nobody knows what they dropped.
    """

    query_id: str
    last_epoch: int
    looked_at: int
    waiting: dict[str, int]
    unseen: dict[str, int]
    unproven_spark: list[str]


class LateDocument(TypedDict):
    """What `plumbline late --json` prints: the late rows in `range`, by the time in `by`, and the newest of them."""

    contract: str
    range: Range
    by: By
    sources: dict[str, LateSource]
    newest: list[LateRecord]
    known: LateKnown


Phase = Literal["starting", "running", "retrying", "ending", "ended"]
"""What a job does."""


class SourceStatus(TypedDict):
    """One source. `lag` is by partition; null where it is not known, which `unknown` explains."""

    topic: str
    lag: dict[str, int] | None
    lag_total: int | None
    held_by_transactions: int | None
    watermark: str | None
    last_new_event_at: str | None
    quiet_seconds: float | None
    idle: bool
    events: int


class StateStatus(TypedDict):
    """The join's state after the newest epoch; null before this run's first."""

    rows: int | None
    bytes: int | None
    memory_bytes: int | None


class EpochStatus(TypedDict):
    """The newest epoch, -1 for none; null where this run has not seen it end."""

    number: int
    seconds: float | None
    ended_at: str | None


class CommitStatus(TypedDict):
    """The newest commit of the stream table that an epoch made."""

    snapshot_id: int
    at: str | None
    age_seconds: float
    epoch: int


class StatusDocument(TypedDict):
    """What `plumbline stream status --json` prints. `quarantine`: reason to records."""

    contract: str
    at: str
    running: bool
    pid: int | None
    since: str | None
    phase: Phase | Literal["stopped"]
    sources: dict[str, SourceStatus]
    watermark: str | None
    held_back_by: str | None
    late_rows: int | None
    state: StateStatus
    quarantine: dict[str, int] | None
    epoch: EpochStatus
    last_commit: CommitStatus | None
    retries: int
    trouble: str | None
    warnings: list[str]
    unknown: list[str]


AdoptedTopic = TypedDict(
    "AdoptedTopic",
    {
        "topic": str,
        "was": str | None,
        "is": str | None,
        "read_until": dict[str, int],
        "archived_until": dict[str, int],
        "begins_at": dict[str, int],
        "archived_and_never_read": dict[str, list[int]],
        "read_and_never_archived": dict[str, list[int]],
    },
)
"""A topic that was recreated: its ids (null: the broker tells none), then offsets and [start, end) by partition."""


class AdoptTopicDocument(TypedDict):
    """What `plumbline stream adopt-topic --json` prints. `left`: what remains to be done, null when nothing does."""

    contract: str
    executed: bool
    sources: dict[str, AdoptedTopic]
    left: Literal["recover"] | None


class TakeArchiveDocument(TypedDict):
    """What `plumbline stream take-archive --json` prints. `taken`: archive to the contract that wrote it."""

    contract: str
    taken: dict[str, str]
    executed: bool


class MaintainedTable(TypedDict):
    """One table: files, snapshots and orphans that went, or would go. `kept`: reason to snapshots. `delete_files` says
    which rows of other files are deleted; `removed_delete_files` of them went with these rows."""

    table: str
    files: int
    small_files: int
    rewritten_files: int
    delete_files: int
    removed_delete_files: int
    snapshots: int
    expire: int
    kept: dict[str, int]
    orphans: int


class MaintainDocument(TypedDict):
    """What `plumbline maintain --json` prints."""

    contract: str
    executed: bool
    tables: list[MaintainedTable]
