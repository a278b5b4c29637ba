"""The documents of `plumbline history` and `plumbline report`, as types; docs/schemas is made from them."""

from __future__ import annotations

from typing import Literal, NotRequired

from typing_extensions import TypedDict

from plumbline.contract.document_types import Alert, Range
from plumbline.contract.findings import Cause, Verdict
from plumbline.reconcile.judge.document_types import ReconcileDocument


class HistoryLine(TypedDict):
    """One recorded reconcile. `causes`: findings, `batch` and `stream`: rows, `snapshots`: table to what was read."""

    run_id: str
    recorded_at: str
    range: Range
    verdict: Verdict
    settled: bool
    balanced: bool
    batch: int
    stream: int
    findings: int
    pending: int
    causes: dict[Cause, int]
    alerts: list[Alert]
    snapshots: dict[str, int | None]


Direction = Literal["risen", "fallen", "steady"]
"""How the newest run stands to those before."""


class Trend(TypedDict):
    """Findings per 100 batch rows: of each run, of the newest, and the median before; null where nothing tells."""

    shares: list[float | None]
    newest: float | None
    usual: float | None
    direction: Direction


class HistoryDocument(TypedDict):
    """What `plumbline history --json` prints."""

    contract: str
    runs: list[HistoryLine]
    trend: dict[Cause, Trend]


class ReportDocument(TypedDict):
    """What `plumbline report --json` prints; all but the file and its size of a page only."""

    file: str
    bytes: int
    runs: NotRequired[list[str]]
    verdicts: NotRequired[list[Verdict]]
    replays: NotRequired[list[str]]


class AnswerDocument(TypedDict):
    """One answer: short, in a sentence, and the commands that act on it."""

    question: str
    short: str
    long: str
    commands: list[str]


class AnswersDocument(TypedDict):
    """What a reader asks first, and what has been repaired since (null: nothing)."""

    true: AnswerDocument
    how_much: AnswerDocument
    why: AnswerDocument
    what_to_do: AnswerDocument
    repaired: str | None


class ShownRun(ReconcileDocument):
    """A reconcile's document, and when it was recorded."""

    recorded_at: str


class KeyStory(TypedDict):
    """One finding for readers; `parts` and `evidence` are pairs of name and value."""

    key: str
    parts: list[list[str | None]]
    kind: str
    cause: Cause
    sentence: str
    late_by_ms: int | None
    evidence: list[list[str]]
    columns: list[str]
    batch_row: str | None
    stream_row: str | None
    window: str | None


class ReportAnswersDocument(TypedDict):
    """What `plumbline report --format json` prints."""

    answers: AnswersDocument
    runs: list[ShownRun]
    keys: list[KeyStory]
