"""What later runs say of a run's differences: a range that is clean since is repaired. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from plumbline.contract.ranges import TimeRange
from plumbline.reconcile import document as reading
from plumbline.reconcile.document import Document


@dataclass(frozen=True)
class Repaired:
    """The ranges that later runs found clean, and how many of the first run's differences lay in them."""

    ranges: tuple[TimeRange, ...] = ()
    differences: int = 0

    @classmethod
    def since(cls, documents: Sequence[Document]) -> Repaired:
        """What the documents after the first say of it."""
        ranges = tuple(reading.range_of(d) for d in documents[1:] if d["verdict"] == "clean")
        known = cls(ranges)
        days = reading.windows(documents[0]) if ranges else ()
        return cls(ranges, sum(day.drift for day in days if known.holds_part(documents[0], day.start, day.end)))

    def holds(self, start: datetime | None, end: datetime | None) -> bool:
        """Whether `[start, end)` lies in one of the ranges."""
        span = TimeRange(start, end)
        return any(span.intersect(done) == span for done in self.ranges)

    def holds_part(self, document: Document, start: datetime | None, end: datetime | None) -> bool:
        """Whether all that the document compared of `[start, end)` lies in one of the ranges."""
        part = reading.part_of(document, TimeRange(start, end)) if start else TimeRange(start, end)
        return part is not None and self.holds(part.start, part.end)

    def holds_day(self, start: datetime | None) -> bool:
        """Whether the window of a row, the day that begins so, is repaired."""
        return self.holds(start, start + timedelta(days=1) if start else None)
