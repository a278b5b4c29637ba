"""Parts that the documents of several commands share, as types."""

from __future__ import annotations

from typing_extensions import TypedDict

Range = TypedDict("Range", {"from": str | None, "to": str | None})
"""Start and end, ISO 8601 in UTC; null: open."""

ClosedRange = TypedDict("ClosedRange", {"from": str, "to": str})
"""Start and end, ISO 8601 in UTC."""


class Alert(TypedDict):
    """A limit that was crossed: `count` findings of `of` rows."""

    name: str
    limit: str
    count: int
    of: int
