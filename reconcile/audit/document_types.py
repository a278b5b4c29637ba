"""The document of `plumbline audit --json`, as types."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from typing_extensions import TypedDict

Kind = Literal[
    "doubled", "held", "archived", "deleted", "before_first", "absent", "beyond_end",
    "unasked", "expired", "compacted", "open", "marker", "aborted",
]  # fmt: skip
Verdict = Literal["clean", "drift", "incomplete"]


class Columns(TypedDict):
    """The columns of the coordinates; `topic` is null where the table has none."""

    topic: str | None
    partition: str
    offset: str


class Count(TypedDict):
    """Of one kind: how many stretches, how many offsets in them, and rows too many (doubled offsets)."""

    stretches: int
    offsets: int
    copies: int


class NotPlaced(TypedDict):
    """Rows that are at no offset: a coordinate is NULL, or none that Kafka gives."""

    null: int
    impossible: int


class Partition(TypedDict):
    """One partition: its rows with first and last offset (null without any), and the topic's ends if it was asked.

    `behind`: offsets of the topic after the last row.
    """

    topic: str | None
    partition: int
    rows: int
    first: int | None
    last: int | None
    topic_earliest: int | None
    topic_end: int | None
    behind: int | None


class Commit(TypedDict):
    """A snapshot that did something; nothing but its id is known of one that has expired."""

    expired: bool
    at: datetime | None
    operation: str | None
    properties: dict[str, str]


class FindingDocument(TypedDict):
    """Offsets `start` to `end` (not included) of a partition. Commits are ids, as text, of `commits`.

    `written_by` wrote the rows of doubled offsets and of those beyond the end, `deleted_by` took lacking ones away,
    `passed_by` wrote the next offset behind a hole. `sure` is false where expired snapshots or files that are gone
    could say otherwise.
    """

    kind: Kind
    topic: str | None
    partition: int
    start: int
    end: int
    copies: int
    written_by: list[str]
    deleted_by: str | None
    passed_by: list[str]
    sure: bool


class AuditDocument(TypedDict):
    """What `plumbline audit --json` prints. `findings` are the first of each kind, `counts` counts all."""

    table: str
    snapshot_id: str | None
    snapshot_at: datetime | None
    since: str | None
    archive: str | None
    topics: list[str]
    columns: Columns
    verdict: Verdict
    rows: int
    not_placed: NotPlaced
    other_topics: dict[str, int]
    files_listed_twice: list[str]
    history_whole: bool | None
    files_gone: int
    counts: dict[Kind, Count]
    partitions: list[Partition]
    commits: dict[str, Commit]
    findings: list[FindingDocument]
