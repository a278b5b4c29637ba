"""The result of an audit, as a document and as an exit code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from plumbline.reconcile.audit.marks import DRIFT, UNKNOWN

if TYPE_CHECKING:
    from pyiceberg.table import Table
    from pyiceberg.table.snapshots import Snapshot

    from plumbline.reconcile.audit.audit import Request
    from plumbline.reconcile.audit.columns import Coordinates
    from plumbline.reconcile.audit.document_types import AuditDocument, Partition, Verdict
    from plumbline.reconcile.audit.holes import Kafka
    from plumbline.reconcile.audit.past import Past
    from plumbline.reconcile.audit.presence import Groups, Tally

CODES = {"clean": 0, "drift": 1, "incomplete": 3}


@dataclass(frozen=True)
class Audit:
    """A finished audit; `document` is what `--json` prints."""

    document: AuditDocument

    @property
    def verdict(self) -> Verdict:
        """`drift` where something is wrong in any case, `incomplete` where something may be, else `clean`."""
        return self.document["verdict"]

    @property
    def exit_code(self) -> int:
        """0 clean, 1 drift, 3 incomplete."""
        return CODES[self.verdict]


@dataclass(frozen=True)
class Seen:
    """What was looked at, and the rows that were counted."""

    table: Table
    asked: Request
    snapshot: Snapshot | None
    where: Coordinates
    groups: Groups
    tally: Tally
    kafka: Kafka
    twice: Sequence[str]

    def audit(
        self,
        counts: Mapping[str, Any],
        samples: Sequence[Mapping[str, Any]],
        commits: Mapping[str, Any],
        past: Past | None,
    ) -> Audit:
        """The result."""
        asked, snapshot, tally = self.asked, self.snapshot, self.tally
        document: dict[str, Any] = {
            "table": asked.table,
            "snapshot_id": str(snapshot.snapshot_id) if snapshot else None,
            "snapshot_at": _moment(snapshot.timestamp_ms) if snapshot else None,
            "since": None if asked.since is None else str(asked.since),
            "archive": asked.archive,
            "topics": list(asked.topics),
            "columns": self.where.document(),
            "verdict": self._verdict(counts),
            "rows": sum(tally.rows.values()) + tally.null + tally.impossible,
            "not_placed": {"null": tally.null, "impossible": tally.impossible},
            "other_topics": dict(tally.others),
            "files_listed_twice": list(self.twice),
            "history_whole": past.whole if past else None,
            "files_gone": past.unread if past else 0,
            "counts": {kind: counts[kind] for kind in sorted(counts)},
            "partitions": self._partitions(),
            "commits": dict(commits),
            "findings": [_spelled(one) for one in samples],
        }
        return Audit(document)  # type: ignore[arg-type]

    def _verdict(self, counts: Mapping[str, Any]) -> str:
        if counts.keys() & DRIFT.keys():
            return "drift"
        unplaced = self.tally.null or self.tally.impossible
        return "incomplete" if unplaced or counts.keys() & UNKNOWN.keys() else "clean"

    def _partitions(self) -> list[Partition]:
        found: list[Partition] = []
        for group, (topic, partition) in enumerate(self.groups.known):
            ends = self.kafka.ends(group)
            last = self.tally.last.get(group)
            if group not in self.tally.rows and ends is None:
                continue
            after = None if ends is None else ends.earliest if last is None else last + 1
            found.append(
                {
                    "topic": topic,
                    "partition": partition,
                    "rows": self.tally.rows.get(group, 0),
                    "first": self.tally.first.get(group),
                    "last": last,
                    "topic_earliest": ends.earliest if ends else None,
                    "topic_end": ends.end if ends else None,
                    "behind": max(0, ends.end - after) if ends and after is not None else None,
                }
            )
        return sorted(found, key=lambda one: (one["topic"] or "", one["partition"]))


def _spelled(finding: Mapping[str, Any]) -> dict[str, Any]:
    """Ids as text: as numbers they are more than JSON's readers hold exactly (RFC 8259, section 6)."""
    by = finding["deleted_by"]
    return {
        **finding,
        "written_by": [str(one) for one in finding["written_by"] or ()],
        "deleted_by": None if by is None else str(by),
        "passed_by": [str(one) for one in finding["passed_by"] or ()],
    }


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
