"""The document of `plumbline reconcile --json` for a contract with `output.aggregate`, as types."""

from __future__ import annotations

from typing import Any, NotRequired

from typing_extensions import TypedDict

from plumbline.contract.document_types import Alert, Range
from plumbline.contract.findings import Cause, Class, Verdict
from plumbline.reconcile.diff.document_types import SchemaFinding
from plumbline.reconcile.judge.document_types import LedgerPage, ReconcileDocument, Stream, TotalCounts
from plumbline.reconcile.report.document_types import AnswersDocument, ReportAnswersDocument


class LostOfLine(TypedDict):
    """What one cause took of joined rows: `gone`, and left events that came `alone` in their place. `came`: rows of
    records that the batch run had not read, left out where there are none."""

    gone: int
    alone: int
    came: NotRequired[int]


class LostRows(LostOfLine):
    """The same of all closed windows. `records`: how many records were late, null for another cause."""

    records: int | None


class RowBooks(TypedDict):
    """The joined rows below the lines of closed windows: stream = batch - gone + alone + came. `stream` is null where
    an epoch of the ledger is missing. `lost`: by cause, or `unseen`."""

    batch: int
    stream: int | None
    lost: dict[str, LostRows]


class RowsOfLine(TypedDict):
    """The joined rows below a line, as in `RowBooks`."""

    batch: int
    stream: int
    lost: dict[str, LostOfLine]


class Sum(TypedDict):
    """A value in both tables, null for NULL and where the table has no such line or several. `causes`: how much each
    took, where batch = stream + those."""

    batch: Any
    stream: Any
    causes: NotRequired[dict[str, Any]]


class LineFinding(TypedDict):
    """A line that differs."""

    key: dict[str, Any]
    kind: Class
    cause: Cause
    rows: RowsOfLine
    values: dict[str, Sum]


class AggregateDocument(TypedDict):
    """What `plumbline reconcile --json` prints for an aggregate. `counts`, `ledger` and `causes` are in lines.

    `rounding` are lines that are equal within the error of summation in any order, `stale` those that cannot be told
    as the batch run is older than what the stream has read, `apart` batch lines that are not what their rows come to.
    `unarchived`: per source the offsets that the stream has read and the archive lacks, counted where lines are
    unexplained. `agrees`: whether the lines that match are those that the ledger predicts; null where it does not tell.
    `findings` are of each cause those that lack most joined rows. Windows that end up to `closed_until` are closed;
    `untold` says why that is not known.
    """

    run_id: str
    contract: str
    range: Range
    snapshots: dict[str, int | None]
    stream: Stream
    closed_until: str | None
    settled: bool
    verdict: Verdict
    balanced: bool
    counts: TotalCounts
    causes: dict[Cause, int]
    unexplained: int
    unarchived: NotRequired[dict[str, int]]
    columns: dict[str, int]
    schema: list[SchemaFinding]
    ledger: list[LedgerPage]
    rows: RowBooks | None
    rounding: int
    stale: int
    apart: int
    agrees: bool | None
    untold: str | None
    findings: list[LineFinding]
    alerts: list[Alert]
    topics_made_anew: NotRequired[list[str]]


class ShownLines(AggregateDocument):
    """A run's document, and when it was recorded."""

    recorded_at: str


class LinesAnswersDocument(TypedDict):
    """What `plumbline report --format json` prints for an aggregate; `lines` are those worth a look."""

    answers: AnswersDocument
    runs: list[ShownLines]
    lines: list[LineFinding]


AnswersDocuments = ReportAnswersDocument | LinesAnswersDocument
"""Of rows, or of an aggregate."""
ReconcileDocuments = ReconcileDocument | AggregateDocument
"""Of rows, or of an aggregate."""
