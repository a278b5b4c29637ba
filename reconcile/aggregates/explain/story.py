"""One line's story: plain values, and the document that they make. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from plumbline.contract.model import Contract
from plumbline.contract.ranges import TimeRange, spell_time
from plumbline.reconcile import format
from plumbline.reconcile.aggregates.explain.contributors import Contributor, LineRow
from plumbline.reconcile.aggregates.findings import MATCH, Finding
from plumbline.reconcile.aggregates.in_json import as_json, plain

if TYPE_CHECKING:
    from plumbline.contract.findings import Cause
    from plumbline.reconcile.aggregates.explain.document_types import (
        Became,
        ContributorDocument,
        LineDocument,
        LineRowDocument,
        LineVerdict,
        WrittenLine,
    )
    from plumbline.reconcile.aggregates.findings import Row
    from plumbline.reconcile.explain.story import Moment


@dataclass(frozen=True)
class Written:
    """A line in one of the tables, and the commit that brought it, of a replay its id too; None where nobody knows."""

    table: str
    line: Row
    snapshot_id: int | None
    at: datetime | None
    epoch: str | None
    replay_id: str | None = None

    def as_json(self) -> WrittenLine:
        at = None if self.at is None else spell_time(self.at)
        return {
            "table": self.table,
            "line": plain(self.line),
            "snapshot_id": self.snapshot_id,
            "at": at,
            "epoch": self.epoch,
            "replay_id": self.replay_id,
        }


@dataclass(frozen=True)
class LineStory:
    """What `plumbline explain` tells of a line. `closed`: whether the stream has written the window, None where nobody
    knows. `early`: the stream has a line of a window that it cannot have closed."""

    contract: Contract
    key: Mapping[str, str | None]
    window: TimeRange
    line: Finding
    closed: bool | None
    early: bool
    untold: str | None
    batch: Sequence[Written]
    stream: Sequence[Written]
    joined: Sequence[LineRow]
    left_out: int
    moments: Sequence[Moment]
    grounds: Sequence[tuple[str, str]]

    @property
    def verdict(self) -> LineVerdict:
        """What the line comes to."""
        said = self.line.said
        if self.untold is not None or said.stale or said.apart:
            return "incomplete"
        if self.early:
            return "drift"
        if not self.closed or said.cause == "pending":
            return "pending"
        return "match" if self.line.kind == MATCH or said.rounding else "drift"

    @property
    def cause(self) -> str | None:
        """Why it differs."""
        if self.verdict == "pending":
            return None
        return "unexplained" if self.early else self.line.said.cause

    @property
    def sentence(self) -> str:
        """The verdict in a sentence."""
        said = self.line.said
        if self.untold is not None:
            return self.untold
        if said.apart:
            return "the batch's line is not what the joined rows below it come to: one of the tables was changed"
        if said.stale:
            return "the stream has read records of this window that the batch run had not: run the batch again"
        if self.early:
            return "the stream has a line of a window that it has not closed, by its epoch ledger"
        if self.verdict == "pending":
            return "the stream has not closed this window" if not self.closed else "a record is not read yet"
        if said.contradicted:
            return "both tables have the same line, although the stream dropped records of it by its epoch ledger"
        if self.verdict == "match" and any(one.replay_id for one in self.stream):
            return "both tables have the same line: a replay has put it in the place of the stream's"
        if self.verdict == "match":
            within = ", within the error of floating-point sums in any order" if said.rounding else ""
            return f"both tables have the same line{within}"
        return format.cause_title(said.cause or "", self.contract)

    @property
    def document(self) -> LineDocument:
        """The document of `plumbline explain --json`."""
        told = as_json(self.line)
        known = self.untold is None and self.closed
        return {
            "contract": self.contract.contract,
            "key": dict(self.key),
            "window": self.window.as_json(),
            "verdict": self.verdict,
            "cause": cast("Cause | None", self.cause),
            "sentence": self.sentence,
            "agrees": not self.line.said.contradicted if known else None,
            "batch": [one.as_json() for one in self.batch],
            "stream": [one.as_json() for one in self.stream],
            "values": told["values"],
            "rows": told["rows"],
            "joined": [self._row(row) for row in self.joined],
            "left_out": self.left_out,
            "story": [
                {"at": None if m.at is None else spell_time(m.at), "what": cast("Any", m.what), "text": m.text}
                for m in self.moments
            ],
            "grounds": [{"says": says, "rests_on": on} for says, on in self.grounds],
        }

    def _row(self, row: LineRow) -> LineRowDocument:
        return {
            "became": cast("Became", row.became),
            "cause": row.cause,
            "event_time": spell_time(row.event_time),
            "records": [self._record(one) for one in row.contributors],
            "takes": dict(row.takes),
        }

    def _record(self, one: Contributor) -> ContributorDocument:
        name, record = getattr(self.contract.join, one.side), one.record
        moment = record.event_time if record else None
        return {
            "source": name,
            "topic": self.contract.sources[name].topic,
            "partition": one.place[0],
            "offset": one.place[1],
            "event_time": None if moment is None else spell_time(moment),
            "epoch": record.epoch if record else None,
            "late_watermark_ms": record.late_watermark_ms if record else None,
            "late_by_ms": record.behind_ms if record and one.lost == "late" else None,
            "lost": cast("Any", one.lost),
            "reason": one.reason,
        }
