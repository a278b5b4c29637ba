"""The document of `plumbline demo --json`, as types; docs/schemas/demo.json is made from them."""

from __future__ import annotations

from typing_extensions import TypedDict

from plumbline.contract.document_types import ClosedRange
from plumbline.reconcile.aggregates.document_types import AggregateDocument, LineFinding
from plumbline.reconcile.judge.document_types import ReconcileDocument
from plumbline.replay.document_types import CommitDocument

Holds = TypedDict(
    "Holds",
    {
        "every difference explained": bool,
        "books balance": bool,
        "as the exact rule predicts": bool | None,
        "late rows on both sides": bool,
        "the week had late rows": bool,
        "clean after the replay": bool,
    },
)
"""What the demo promises; null: it cannot be told."""

NumbersHold = TypedDict(
    "NumbersHold",
    {
        "every differing number explained": bool,
        "books of numbers balance": bool,
        "numbers as the ledger says": bool | None,
        "some numbers differ": bool,
    },
)
"""The same of the numbers per carrier and day."""


class NumbersDocument(TypedDict):
    """What the demo found of its aggregate. `line`: one that differs; null where none does."""

    january: AggregateDocument
    line: LineFinding | None
    report: str
    holds: NumbersHold


class DemoDocument(TypedDict):
    """What `plumbline demo --json` prints: reconciles of the year, its worst week, and that week once repaired; and
    `numbers`, its aggregate."""

    week: ClosedRange
    year: ReconcileDocument
    numbers: NumbersDocument
    before: ReconcileDocument
    after: ReconcileDocument
    replay: CommitDocument
    worst_key: str
    report: str
    holds: Holds
