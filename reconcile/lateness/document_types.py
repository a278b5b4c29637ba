"""The document of `plumbline lateness --json`, as types; docs/schemas/lateness.json is made from them."""

from __future__ import annotations

from typing import NotRequired

from typing_extensions import TypedDict

from plumbline.contract.document_types import Range


class SourceLateness(TypedDict):
    """One source; `at_most`: only Spark could tell which records its `where` leaves out. `smallest_ms` is the smallest
    change of its delay for `lose`, null without that."""

    delay_ms: int
    records: int
    at_most: bool
    smallest_ms: int | None


class SourceChoice(TypedDict):
    """What one source would have lost, as records and as a share, and the most rows that were held open at once."""

    delay_ms: int
    lost: int
    share: float
    held_rows: int


class Choice(TypedDict):
    """Both delays changed by this time. `lines`, of an aggregate: those that would lack a record."""

    change_ms: int
    lines: NotRequired[int]
    sources: dict[str, SourceChoice]


class LatenessDocument(TypedDict):
    """What `plumbline lateness --json` prints; `lose` and `wanted` are null without --lose. `lines`, of an aggregate:
    how many the batch table has in the range."""

    contract: str
    range: Range
    lose: float | None
    sources: dict[str, SourceLateness]
    choices: list[Choice]
    wanted: Choice | None
    lines: NotRequired[int]
