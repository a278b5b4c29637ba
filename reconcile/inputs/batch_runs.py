"""What the batch reference covers: its runs, read from the snapshot properties of its table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from plumbline.contract.ranges import TimeRange, parse_time

if TYPE_CHECKING:
    from pyiceberg.table import Table

    from plumbline.contract.model import Contract

FROM, TO = "plumbline.range.from", "plumbline.range.to"


@dataclass(frozen=True)
class BatchRun:
    """One commit of the batch reference: the range it replaced and the archive snapshots it read (None: not noted)."""

    snapshot_id: int
    time_range: TimeRange
    left_archive: int | None
    right_archive: int | None


def batch_runs(table: Table, contract: Contract, until: int | None) -> tuple[BatchRun, ...]:
    """The runs behind snapshot `until` of the batch table, oldest first. Commits by others are not among them."""
    from pyiceberg.table.snapshots import ancestors_of

    snapshot = table.snapshot_by_id(until) if until is not None else None
    found = []
    for ancestor in ancestors_of(snapshot, table.metadata):
        properties = ancestor.summary.additional_properties if ancestor.summary else {}
        if FROM in properties and TO in properties:
            found.append(_run(ancestor.snapshot_id, properties, contract))
    return tuple(reversed(found))


def covered(runs: Iterable[BatchRun]) -> tuple[TimeRange, ...]:
    """The ranges that the runs cover together, in order, touching ones joined."""
    joined: list[TimeRange] = []
    for run in sorted((r.time_range for r in runs), key=lambda r: (r.start is not None, r.start or 0)):
        if joined and _touch(joined[-1], run):
            ends = [joined[-1].end, run.end]
            joined[-1] = TimeRange(joined[-1].start, None if None in ends else max(e for e in ends if e))
        else:
            joined.append(run)
    return tuple(joined)


def in_force(runs: Sequence[BatchRun], wanted: TimeRange) -> tuple[BatchRun, ...]:
    """The runs, oldest first, that still have rows in `wanted`: later runs did not replace all of them."""
    found = []
    for place, run in enumerate(runs):
        part = run.time_range.intersect(wanted)
        if part is not None and not holds(covered(runs[place + 1 :]), part):
            found.append(run)
    return tuple(found)


def hull(runs: Iterable[BatchRun]) -> TimeRange:
    """The smallest range around all runs; everything when there is none."""
    ranges = covered(runs)
    return TimeRange(ranges[0].start, ranges[-1].end) if ranges else TimeRange()


def holds(ranges: Iterable[TimeRange], wanted: TimeRange) -> bool:
    """Whether one of the ranges contains all of `wanted`."""
    return any(
        (r.start is None or (wanted.start is not None and r.start <= wanted.start))
        and (r.end is None or (wanted.end is not None and wanted.end <= r.end))
        for r in ranges
    )


def _touch(first: TimeRange, second: TimeRange) -> bool:
    """Whether `second`, which does not start before `first`, leaves no gap after it."""
    return first.end is None or second.start is None or second.start <= first.end


def range_noted(properties: Mapping[str, str]) -> TimeRange:
    """The range of the batch run that made a commit, from the commit's properties."""
    return TimeRange(
        *(None if properties[name] == "open" else parse_time(properties[name], name) for name in (FROM, TO))
    )


def _run(snapshot_id: int, properties: Mapping[str, str], contract: Contract) -> BatchRun:
    def archive(source: str) -> int | None:
        noted = properties.get(f"plumbline.archive.{source}.snapshot-id")
        return int(noted) if noted else None

    return BatchRun(snapshot_id, range_noted(properties), archive(contract.join.left), archive(contract.join.right))
