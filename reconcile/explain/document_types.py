"""The document of `plumbline explain --json`, as types; docs/schemas/explain.json is made from them."""

from __future__ import annotations

from typing import Any, Literal

from typing_extensions import TypedDict

from plumbline.contract.findings import Cause, Class

TellingFinding = TypedDict(
    "TellingFinding",
    {
        "key": dict[str, Any],
        "class": Class,
        "cause": Cause,
        "columns": list[str] | None,
        "evidence": dict[str, Any],
        "left_row": dict[str, Any] | None,
        "right_row": dict[str, Any] | None,
        "sentence": str,
    },
)
"""A finding as in plumbline.findings, and in a sentence; the rows are null where a table has none."""


class RecordDocument(TypedDict):
    """One Kafka record of the key and what became of it."""

    source: str
    topic: str
    partition: int
    offset: int
    event_time: str | None
    kafka_time: str | None
    fate: Literal["admitted", "dropped", "quarantined", "read", "not read", "not in the ledger"]
    epoch: int | None
    late_watermark_ms: int | None
    late_by_ms: int | None
    archive_snapshot: int | None


class MomentDocument(TypedDict):
    """One thing that happened; `at` is null where it has not yet, or nobody noted when. The last two are of a line of
    an aggregate."""

    at: str | None
    what: Literal[
        "delivered",
        "admitted",
        "dropped",
        "quarantined",
        "read",
        "not read",
        "not in the ledger",
        "archived",
        "emitted",
        "replayed",
        "not emitted",
        "not observed",
        "seen by batch",
        "closed",
        "open",
        "written",
        "not written",
    ]
    text: str


class ExplainDocument(TypedDict):
    """What `plumbline explain --json` prints. `key`: column to value as text, null for NULL."""

    contract: str
    key: dict[str, str | None]
    verdict: Literal["match", "pending", "drift", "absent"]
    causes: list[Cause]
    findings: list[TellingFinding]
    records: list[RecordDocument]
    story: list[MomentDocument]
