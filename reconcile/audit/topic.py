"""What a topic says of offsets that a table lacks: a record, a record of an aborted transaction, or none at all."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import NamedTuple

from plumbline.connect.kafka import compacted, earliest_offsets, end_offsets
from plumbline.connect.kafka_config import ISOLATION, READ_COMMITTED, READ_UNCOMMITTED
from plumbline.connect.kafka_read import Reader

AT_ONCE = 50_000
"""Holes in memory at once."""
NEAR = 10_000
"""Holes so many offsets apart are read in one go: that costs less than to begin again."""

HELD, ABORTED, MARKER = "held", "aborted", "marker"
EXPIRED, OPEN, COMPACTED = "expired", "open", "compacted"


Run = list[int]
"""[start, end)"""


class Hole(NamedTuple):
    """Offsets `start` to `end` (not included) of a partition of the topic; `group` is the asker's own number."""

    group: int
    partition: int
    start: int
    end: int


class Part(NamedTuple):
    """A part of a hole, and what it is."""

    group: int
    start: int
    end: int
    kind: str


class Ends(NamedTuple):
    """Of one partition: the first offset that is still there, the end of what is committed, and the end."""

    earliest: int
    stable: int
    end: int


@dataclass(frozen=True)
class Topic:
    """A topic as it was when it was asked."""

    kafka: Mapping[str, str]
    name: str
    ends: Mapping[int, Ends]
    compacted: bool

    @classmethod
    def ask(cls, kafka: Mapping[str, str], name: str) -> Topic:
        """Raises SetupError: no broker answers, or there is no such topic."""
        end = end_offsets({**kafka, ISOLATION: READ_UNCOMMITTED}, name)
        stable = end_offsets({**kafka, ISOLATION: READ_COMMITTED}, name)
        earliest = earliest_offsets(kafka, name)
        return cls(kafka, name, {p: Ends(earliest[p], stable[p], end[p]) for p in end}, compacted(kafka, name))

    def parts(self, holes: Iterable[Hole]) -> Iterator[Part]:
        """What each part of the holes is, in order of the holes: `held` records, those of `aborted` transactions,
        `marker` where there never was a record, `expired` before the topic's first offset, `open` in a transaction
        that has not ended, `compacted` where a record may have been removed for a newer one of its key.

        What lies behind the topic's end is left out. Raises UnreachableError when the broker falls silent.
        """
        rest = iter(holes)
        while chunk := list(islice(rest, AT_ONCE)):
            asked = [hole for hole in map(self._inside, chunk) if hole.start < hole.end]
            held, aborted = self._records(asked)
            earliest = {p: max(first, self.ends[p].earliest) for p, first in self._earliest().items()}
            for hole in chunk:
                yield from _cut(hole, self.ends[hole.partition], earliest, held, aborted, self.compacted)

    def holds(self, partition: int, start: int, end: int) -> bool:
        """Whether the topic has any committed record there."""
        with Reader({**self.kafka, ISOLATION: READ_COMMITTED}) as reader:
            return reader.shows(self.name, partition, start, end)

    def _earliest(self) -> dict[int, int]:
        """Asked again after reading: what went meanwhile was not read."""
        return earliest_offsets(self.kafka, self.name)

    def _inside(self, hole: Hole) -> Hole:
        ends = self.ends[hole.partition]
        return hole._replace(start=max(hole.start, ends.earliest), end=min(hole.end, ends.stable))

    def _records(self, holes: Sequence[Hole]) -> tuple[dict[int, list[Run]], dict[int, list[Run]]]:
        """(committed, aborted) records in the holes, as runs by partition."""
        held = self._read(holes, READ_COMMITTED)
        left = [hole for hole in holes for hole in _without(hole, held.get(hole.partition, []))]
        return held, self._read(left, READ_UNCOMMITTED)

    def _read(self, holes: Sequence[Hole], level: str) -> dict[int, list[Run]]:
        found: dict[int, list[Run]] = {}
        by_partition: dict[int, list[Hole]] = {}
        for hole in sorted(holes, key=lambda hole: (hole.partition, hole.start)):
            by_partition.setdefault(hole.partition, []).append(hole)
        clusters = {partition: _clusters(mine) for partition, mine in by_partition.items()}
        nexts = dict.fromkeys(by_partition, 0)
        with Reader({**self.kafka, ISOLATION: level}) as reader:
            while spans := {p: spans.pop(0) for p, spans in clusters.items() if spans}:
                for message in reader.records(self.name, spans):
                    partition, offset = int(message.partition()), int(message.offset())
                    mine, place = by_partition[partition], nexts[partition]
                    while place < len(mine) and mine[place].end <= offset:
                        place += 1
                    nexts[partition] = place
                    if place < len(mine) and mine[place].start <= offset:
                        _extend(found.setdefault(partition, []), offset)
        return found


def _extend(runs: list[Run], offset: int) -> None:
    if runs and runs[-1][1] == offset:
        runs[-1][1] = offset + 1
    else:
        runs.append([offset, offset + 1])


def _clusters(holes: Sequence[Hole]) -> list[tuple[int, int]]:
    """The spans to read for holes in order."""
    spans: list[tuple[int, int]] = []
    for hole in holes:
        if spans and hole.start - spans[-1][1] <= NEAR:
            spans[-1] = (spans[-1][0], max(spans[-1][1], hole.end))
        else:
            spans.append((hole.start, hole.end))
    return spans


def _overlaps(start: int, end: int, runs: Sequence[Run]) -> Iterator[tuple[int, int]]:
    """The parts of the span under the runs, in order."""
    place = max(0, bisect_right(runs, start, key=lambda run: run[0]) - 1)
    while place < len(runs) and runs[place][0] < end:
        low, high = max(start, runs[place][0]), min(end, runs[place][1])
        if low < high:
            yield low, high
        place += 1


def _without(hole: Hole, runs: Sequence[Run]) -> Iterator[Hole]:
    """What the runs leave of a hole."""
    at = hole.start
    for low, high in _overlaps(hole.start, hole.end, runs):
        if at < low:
            yield hole._replace(start=at, end=low)
        at = high
    if at < hole.end:
        yield hole._replace(start=at)


def _cut(
    hole: Hole,
    ends: Ends,
    earliest: Mapping[int, int],
    held: Mapping[int, Sequence[Run]],
    aborted: Mapping[int, Sequence[Run]],
    compacted: bool,
) -> Iterator[Part]:
    """The hole's parts in order, neighbours of one kind as one."""
    first = earliest.get(hole.partition, ends.earliest)
    nothing = COMPACTED if compacted else MARKER
    bounds = {hole.start, hole.end} | {at for at in (first, ends.stable, ends.end) if hole.start < at < hole.end}
    found = ((HELD, held.get(hole.partition, [])), (ABORTED, aborted.get(hole.partition, [])))
    named = {run: kind for kind, runs in found for run in _overlaps(hole.start, hole.end, runs)}
    bounds |= {at for run in named for at in run}
    inside = sorted(named.items())
    edges, place = sorted(bounds), 0
    last: Part | None = None
    for start, end in pairwise(edges):
        while place < len(inside) and inside[place][0][1] <= start:
            place += 1
        under = inside[place][1] if place < len(inside) and inside[place][0][0] <= start else None
        kind = under or (EXPIRED if start < first else nothing if start < ends.stable else OPEN)
        if start >= ends.end:
            break
        if last is not None and last.kind == kind:
            last = last._replace(end=end)
            continue
        if last is not None:
            yield last
        last = Part(hole.group, start, end, kind)
    if last is not None:
        yield last
