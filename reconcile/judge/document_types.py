"""The document of `plumbline reconcile --json`, as types; docs/schemas/reconcile.json is made from them."""

from __future__ import annotations

from typing import NotRequired

from typing_extensions import TypedDict

from plumbline.contract.document_types import Alert, Range
from plumbline.contract.findings import Cause, Class, Verdict
from plumbline.reconcile.diff.document_types import SchemaFinding


class Stream(TypedDict):
    """How far the stream had come, as its epoch ledger says; null where there is none."""

    query_id: str | None
    last_epoch: int | None
    evict_watermark_ms: int | None
    closed_until: str | None


class ClassCounts(TypedDict):
    """Findings of each class; `pending` in batch rows."""

    mismatch: int
    missing: int
    extra: int
    duplicate: int
    pending: int


class TotalCounts(ClassCounts):
    """Rows of both tables in the range, and those that match."""

    batch: int
    stream: int
    match: int


class LedgerPage(TotalCounts):
    """The books of one UTC day of event time; `window` is null for rows without a time. `causes`: by class."""

    window: str | None
    causes: dict[Cause, dict[Class, int]]
    balanced: bool


class Unknown(TypedDict):
    """What evidence is lacking (and what it is), and the causes that cannot be proven without it."""

    lacking: dict[str, str]
    causes: list[Cause]


class Records(TypedDict):
    """What became of a source's archived records; `left_out` only with `where`, null where only Spark can tell."""

    archived: int
    entered: int
    quarantined: dict[str, int]
    waiting: int
    balanced: bool
    left_out: NotRequired[int | None]
    archive_lacks: NotRequired[int]


class Predicted(TypedDict):
    """What the rules of lateness say without a look at the stream table, in batch rows."""

    stream_rows: int
    late_left: int
    late_right: int
    pending: int


class Reports(TypedDict):
    """What the job reported as dropped (`job.dropped`), of the range: reports that are sound and that are contradicted,
    and how many stretches of offsets may lack reports, some of them in words."""

    table: str
    records: int
    sound: int
    wrong: dict[str, int]
    example: str | None
    incomplete: int
    gaps: list[str]


class UnobservedOffsets(TypedDict):
    """Of a partition: up to which offset (exclusive) the job was observed, and up to which the rows need it."""

    source: str
    partition: int
    observed: int
    needed: int


class Unobserved(TypedDict):
    """Stream rows of the range that are not compared, as no observed epoch wrote them (a job of your own that writes by
    `foreachBatch`): how many, the newest observed epoch, what later ones must have read, and up to which event time
    they must have closed windows."""

    rows: int
    last_epoch: int
    offsets: list[UnobservedOffsets]
    closed_until: str | None


class HeldBack(TypedDict):
    """What comes after the join in a Spark query of your own and may hold rows back, sink first (empty: not observed),
    and how many rows of the range the join has written that may be held back there."""

    by: list[str]
    rows: int


class Reused(TypedDict):
    """Days whose verdicts were taken from an earlier run, of all days."""

    partitions: int
    of: int


class Faults(TypedDict):
    """Findings per fault."""

    lateness: int
    inputs: int
    logic: int
    engine: int
    unclear: int


class Against(TypedDict):
    """The third table of `--against`, and the findings per fault."""

    table: str
    snapshot_id: int | None
    rows: int
    unlike_live: int
    faults: Faults


class Edges(TypedDict):
    """What came out by a hair: rows per tolerance, rows at a bound of the window, records at the watermark."""

    tolerance: dict[str, int]
    window: int
    watermark: int


class ReconcileDocument(TypedDict):
    """What `plumbline reconcile --json` prints. `topics_made_anew` names topics that were recreated."""

    run_id: str
    contract: str
    range: Range
    snapshots: dict[str, int | None]
    stream: Stream
    settled: bool
    verdict: Verdict
    balanced: bool
    archive_lacks: dict[str, int]
    counts: TotalCounts
    causes: dict[Cause, int]
    unexplained: int
    unknown: Unknown
    columns: dict[str, int]
    schema: list[SchemaFinding]
    ledger: list[LedgerPage]
    records: dict[str, Records]
    predicted: Predicted | None
    agrees: bool | None
    reports: Reports | None
    unobserved: Unobserved | None
    held_back: HeldBack | None
    unproven_spark: list[str]
    replayed: int
    reused: Reused
    alerts: list[Alert]
    against: Against | None
    edges: Edges | None
    topics_made_anew: NotRequired[list[str]]
