"""The document of `plumbline explain --json` for a line of an aggregate, as types."""

from __future__ import annotations

from typing import Any, Literal

from typing_extensions import TypedDict

from plumbline.contract.document_types import Range
from plumbline.contract.findings import Cause
from plumbline.reconcile.aggregates.document_types import RowsOfLine, Sum
from plumbline.reconcile.explain.document_types import ExplainDocument, MomentDocument

LineVerdict = Literal["match", "pending", "drift", "incomplete"]
Became = Literal["made", "gone", "alone", "came"]


class WrittenLine(TypedDict):
    """A line as it stands in a table, without its key, and the commit that brought it (null: not known): of an epoch of
    the stream, or of the publication of a replay."""

    table: str
    line: dict[str, Any]
    snapshot_id: int | None
    at: str | None
    epoch: str | None
    replay_id: str | None


class ContributorDocument(TypedDict):
    """One record of a joined row. `lost`: why the stream did not take it in, null where it did; `reason`: that of the
    quarantine. Epoch, watermark and delay are null where the archive lacks the record."""

    source: str
    topic: str
    partition: int
    offset: int
    event_time: str | None
    epoch: int | None
    late_watermark_ms: int | None
    late_by_ms: int | None
    lost: Literal["late", "quarantined", "pending", "unseen"] | None
    reason: str | None


class LineRowDocument(TypedDict):
    """One joined row below the line: `made`, of records that the stream took in, `gone` from it by `cause`, a left
    event that came out `alone` there, or one that `came` of a record which the batch run had not read. `takes`: value
    to what it takes of the row."""

    became: Became
    cause: str | None
    event_time: str
    records: list[ContributorDocument]
    takes: dict[str, Any]


class Ground(TypedDict):
    """A statement, and what it rests on."""

    says: str
    rests_on: str


class LineDocument(TypedDict):
    """What `plumbline explain --json` prints for a line of an aggregate.

    `cause` is null unless it differs; `agrees` is false where the tables have the same line and the ledger speaks
    against it, null where it does not tell. `rows` are the joined rows below the line. `joined` are the first of them,
    those that the stream did not make before the others, `left_out` how many are not there.
    """

    contract: str
    key: dict[str, str | None]
    window: Range
    verdict: LineVerdict
    cause: Cause | None
    sentence: str
    agrees: bool | None
    batch: list[WrittenLine]
    stream: list[WrittenLine]
    values: dict[str, Sum]
    rows: RowsOfLine
    joined: list[LineRowDocument]
    left_out: int
    story: list[MomentDocument]
    grounds: list[Ground]


ExplainDocuments = ExplainDocument | LineDocument
"""Of a key of rows, or of a line of an aggregate."""
