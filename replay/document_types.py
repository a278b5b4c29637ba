"""The documents of `plumbline replay` and `plumbline archive fill`, as types; docs/schemas is made from them."""

from __future__ import annotations

from typing import Literal, NotRequired

from typing_extensions import TypedDict

from plumbline.contract.document_types import ClosedRange, Range
from plumbline.reconcile.diff.document_types import Counts


class PlannedPiece(TypedDict):
    """Offsets `start <= offset < end` and the door they are read through; `rows` is null where nothing counted them."""

    door: Literal["iceberg", "kafka", "empty", "gone"]
    partition: int
    start: int
    end: int
    rows: int | None


class PlannedSource(TypedDict):
    """What is read of one source. `needed` are event times, `empty` offsets that never were a record, by partition."""

    topic: str
    table: str
    snapshot_id: int | None
    needed: Range
    pieces: list[PlannedPiece]
    empty: dict[str, int]
    topic_ids: list[str | None]


class PlannedEpoch(TypedDict):
    """A recorded epoch; `ends`: source to the offset that it ended at, by partition."""

    epoch: int
    restart: bool
    late_watermark_ms: int
    evict_watermark_ms: int
    ends: dict[str, dict[str, int]]


class Replaces(TypedDict):
    """The rows of the stream table that publish would replace."""

    table: str
    rows: int


Estimate = TypedDict("Estimate", {"rows": int, "seconds": int | None, "from": str | None})
"""How long it will take, by which earlier replay; null before the first one of its kind."""


class PlanDocument(TypedDict):
    """What `plumbline replay plan --json` prints of one range, and its file plan.json holds."""

    replay_id: str
    contract: str
    contract_file: str
    fingerprint: str
    range: ClosedRange
    late: Literal["complete", "faithful"]
    time_basis: Literal["event", "record", "commit"]
    sources: dict[str, PlannedSource]
    epochs: list[PlannedEpoch]
    perturb: int | None
    replaces: Replaces
    estimate: Estimate
    hash: str


class SeriesDocument(TypedDict):
    """What `plumbline replay plan --json` prints of several ranges. `series` is null where there is nothing to plan,
    `run_id` without --from-drift."""

    series: str | None
    run_id: str | None
    replays: list[PlanDocument]


class ShownDocument(TypedDict):
    """What a step of a replay prints without --execute."""

    replay_id: str
    range: ClosedRange
    executed: Literal[False]
    would: str


class Watermarks(TypedDict):
    """Epochs whose watermark is the live one, lies before the range, or lies apart from it (these by their place)."""

    epochs: int
    same: int
    before: int
    apart: list[int]


class Fidelity(TypedDict):
    """How like the live run it was; all but `order` of a faithful replay only."""

    order: float | None
    watermarks: NotRequired[Watermarks]
    dropped: NotRequired[int]
    dropped_live: NotRequired[int]


class Seconds(TypedDict):
    """How long the tape was cut, and played."""

    cut: float
    play: float


class Outcome(TypedDict):
    """What is in the staging table. `tape`: source to rows."""

    replay_id: str
    staging: str
    rows: int
    tape: dict[str, int]
    epochs: int
    fidelity: Fidelity


class RunDocument(Outcome):
    """What `plumbline replay run --execute --json` prints, and its file run.json holds. `late` counts rows that were
    dropped."""

    late: int
    seconds: Seconds


CheckName = Literal[
    "coverage",
    "late-rows",
    "no-row-twice",
    "left-rows",
    "whole-windows",
    "expectations",
    "agrees-with-batch",
    "agrees-with-live",
]
"""What an audit checks; `whole-windows` of an aggregate, `left-rows` and `expectations` of rows."""


class CheckResult(TypedDict):
    """One check of an audit; `found` says in words what was found."""

    name: CheckName
    passed: bool
    found: str


class Doors(TypedDict):
    """Offsets by the door they are read through."""

    iceberg: int
    kafka: int


class CoveredPartition(TypedDict):
    """One partition of a source: its offsets, and what of them is on the tape."""

    partition: int
    start: int
    end: int
    doors: Doors
    on_tape: int
    empty: int
    gone: int
    twice: int
    foreign: int
    uncovered: list[list[int]]


class ComparedTable(TypedDict):
    """The replayed rows against those of a table."""

    table: str
    snapshot_id: int | None
    counts: Counts


class AuditDocument(TypedDict):
    """What `plumbline replay audit --json` prints, and its file audit.json holds; null: that table does not exist."""

    replay_id: str
    passed: bool
    checks: list[CheckResult]
    coverage: dict[str, list[CoveredPartition]]
    order_kept: float | None
    against_batch: ComparedTable | None
    against_live: ComparedTable | None


Action = Literal["replay.id", "replay.rollback-of"]
"""A publish, or a rollback: the property of its snapshot."""


class CommitDocument(TypedDict):
    """What `plumbline replay publish` and `rollback` print with --execute --json. `rows` are those of the range now."""

    replay_id: str
    table: str
    range: ClosedRange
    changed: bool
    rows: int
    action: Action
    snapshot_id: int | None


State = Literal["planned", "ran", "audited", "failed", "published", "rolled back", "unknown"]
"""How far a replay has come."""


class StatusDocument(TypedDict):
    """What `plumbline replay status --json` prints. `next` is the command that goes on from here."""

    replay_id: str
    range: ClosedRange
    state: State
    next: str | None


class Listed(TypedDict):
    """One replay; one that cannot be opened has the state `stale: ` and why, and perhaps no range."""

    replay_id: str
    range: ClosedRange | None
    state: str
    next: str | None


class ListDocument(TypedDict):
    """What `plumbline replay list --json` prints."""

    replays: list[Listed]


class MembersDocument(TypedDict):
    """What `plumbline replay finish --json` prints without --execute."""

    series: str
    replays: list[str]
    executed: Literal[False]


class Published(TypedDict):
    """One replay of a series; `changed` is false where it was published before."""

    replay_id: str
    changed: bool
    rows: int


class FinishDocument(TypedDict):
    """What `plumbline replay finish --execute --json` prints."""

    replays: list[Published]


class FeedShownDocument(TypedDict):
    """What `plumbline replay feed --json` prints without --execute. `topics`: source to topic."""

    replay_id: str
    topics: dict[str, str]
    executed: Literal[False]


class FeedDocument(TypedDict):
    """What `plumbline replay feed --execute --json` prints: records in all, sent now, and before."""

    replay_id: str
    topics: dict[str, str]
    records: int
    sent: int
    before: int


class LeftoverDocument(TypedDict):
    """One thing that goes. `replay_id` is empty where the replay's folder is gone, `bytes` counts this disk."""

    kind: Literal["folder", "tape", "staging table", "tag"]
    replay_id: str
    name: str
    bytes: int
    why: str


class Skipped(TypedDict):
    """A replay that could not be looked at."""

    replay_id: str
    why: str


class GcDocument(TypedDict):
    """What `plumbline replay gc --json` prints; without --execute, what would be removed."""

    executed: bool
    removed: list[LeftoverDocument]
    skipped: list[Skipped]


class FilledArchive(TypedDict):
    """One archive: stretches as [partition, start, end); `filled` is null where nothing was archived."""

    archive: str
    topic: str
    holes: list[list[int]]
    gone: list[list[int]]
    doubled: list[list[int]]
    filled: int | None


class FillDocument(TypedDict):
    """What `plumbline archive fill --json` prints."""

    contract: str
    executed: bool
    sources: dict[str, FilledArchive]


PlanOutput = PlanDocument | SeriesDocument
RunOutput = RunDocument | ShownDocument
CommitOutput = CommitDocument | ShownDocument
FinishOutput = FinishDocument | MembersDocument
FeedOutput = FeedDocument | FeedShownDocument
