"""What is marked: doubled offsets, holes and what they are, and what lies outside of a partition's rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from plumbline.contract.generations import in_topic, placed
from plumbline.reconcile.audit.marks import (
    ABSENT,
    ARCHIVED,
    BEFORE_FIRST,
    BEHIND,
    BEYOND_END,
    DOUBLED,
    UNASKED,
    Marks,
)
from plumbline.reconcile.audit.presence import LARGEST, Groups, Tally
from plumbline.reconcile.audit.runs import I64, Runs, stretches
from plumbline.reconcile.audit.topic import EXPIRED, Ends, Hole, Topic

if TYPE_CHECKING:
    import duckdb

_HOLE, _OUTSIDE, _IN_ARCHIVE = 0, 1, 2
Then = Tally | None


@dataclass(frozen=True)
class Kafka:
    """The topics that were asked, and which of those that had its name each is (`plumbline.contract.generations`)."""

    topics: Mapping[str, Topic]
    newest: Mapping[str, int]
    groups: Groups

    def of(self, group: int) -> tuple[Topic, int] | None:
        """The topic of a group and its partition there; None: nobody was asked, or the topic is gone."""
        name, number = self.groups.known[group]
        topic = self.topics.get(name) if name is not None else None
        partition = in_topic(number, self.newest[topic.name]) if topic else None
        return None if topic is None or partition is None else (topic, partition)

    def is_gone(self, group: int) -> bool:
        """Whether the group is of an earlier topic of the name."""
        return self.groups.known[group][0] in self.topics and self.of(group) is None

    def ends(self, group: int) -> Ends | None:
        """Where the group's partition begins and ends; None where that is not known or there is no such partition."""
        found = self.of(group)
        return None if found is None else found[0].ends.get(found[1])


def note_holes(
    con: duckdb.DuckDBPyConnection,
    marks: Marks,
    uneven: Iterable[tuple[int, int, int, int]],
    tallies: tuple[Tally, Then],
    kafka: Kafka,
    archived: tuple[Runs, Tally] | None,
    now: Runs,
) -> None:
    """Mark everything but what led to it."""
    holes = Runs(con, "holes")
    for batch in _batched(_without_doubles(uneven, marks)):
        holes.add(*batch, tag=_HOLE)
    left: Iterable[tuple[int, int, int]] = _stored(con, holes)
    if archived is not None:
        left = _not_archived(con, marks, holes, tallies[0], archived)
    for group, start, end, kind in _asked(left, kafka):
        marks.add(kind, group, start, end)
    _note_outside(marks, *tallies, kafka)
    _note_beyond(con, marks, tallies[0], kafka, now)
    holes.drop()


def _without_doubles(uneven: Iterable[tuple[int, int, int, int]], marks: Marks) -> Iterator[tuple[int, int, int]]:
    for group, start, end, copies in uneven:
        if copies:
            marks.add(DOUBLED, group, start, end, copies)
        else:
            yield group, start, end


def _batched(rows: Iterable[tuple[int, int, int]], size: int = 1 << 16) -> Iterator[tuple[I64, I64, I64]]:
    waiting: list[tuple[int, int, int]] = []
    for row in rows:
        waiting.append(row)
        if len(waiting) == size:
            yield _arrays(waiting)
            waiting = []
    if waiting:
        yield _arrays(waiting)


def _arrays(rows: list[tuple[int, int, int]]) -> tuple[I64, I64, I64]:
    columns = np.array(rows, np.int64)
    return columns[:, 0], columns[:, 1], columns[:, 2]


def _stored(con: duckdb.DuckDBPyConnection, holes: Runs) -> Iterator[tuple[int, int, int]]:
    with con.cursor() as reading:
        for batch in reading.sql(f"SELECT g, s, e FROM {holes.name} ORDER BY g, s").to_arrow_reader(1 << 16):
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _not_archived(
    con: duckdb.DuckDBPyConnection, marks: Marks, holes: Runs, tally: Tally, archived: tuple[Runs, Tally]
) -> Iterator[tuple[int, int, int]]:
    """The holes without what the archive holds of them; that is marked, also before a partition's first row."""
    outside = Runs(con, "outside")
    ends = {group: tally.first.get(group, LARGEST) for group in archived[1].rows}
    spans = [(group, 0, end) for group, end in ends.items() if end > 0]
    for batch in _batched(spans):
        outside.add(*batch, tag=_OUTSIDE)
    held = f"SELECT g, pos, {_IN_ARCHIVE}::BIGINT AS tag, d FROM ({archived[0].events()})"
    for group, start, end, active in stretches(con, holes.events(), outside.events(), held):
        if _IN_ARCHIVE in active and (_HOLE in active or _OUTSIDE in active):
            marks.add(ARCHIVED, group, start, end)
        elif _HOLE in active:
            yield group, start, end
    outside.drop()


def _asked(holes: Iterable[tuple[int, int, int]], kafka: Kafka) -> Iterator[tuple[int, int, int, str]]:
    """The holes as their topics tell of them."""
    of_topic: dict[str, list[Hole]] = {}
    for group, start, end in holes:
        found, ends = kafka.of(group), kafka.ends(group)
        if found is None:
            yield group, start, end, EXPIRED if kafka.is_gone(group) else UNASKED
        elif ends is not None:
            topic, partition = found
            waiting = of_topic.setdefault(topic.name, [])
            waiting.append(Hole(group, partition, start, end))
            if len(waiting) >= 50_000:
                yield from topic.parts(waiting)
                waiting.clear()
    for name, waiting in of_topic.items():
        yield from kafka.topics[name].parts(waiting)


def _note_outside(marks: Marks, tally: Tally, then: Then, kafka: Kafka) -> None:
    """What the topics hold before the first row of a partition, behind its last one, and of partitions without any."""
    for topic in kafka.topics.values():
        for partition, ends in topic.ends.items():
            group = kafka.groups.number(topic.name, placed(partition, kafka.newest[topic.name]))
            if group not in tally.rows:
                was_so = then is not None and group not in then.rows
                if not was_so and topic.holds(partition, ends.earliest, ends.stable):
                    marks.add(ABSENT, group, ends.earliest, ends.stable)
                continue
            first, behind = tally.first[group], tally.last[group] + 1
            was_so = then is not None and group in then.rows and then.first[group] <= first
            before = min(first, ends.stable)
            if not was_so and ends.earliest < before and topic.holds(partition, ends.earliest, before):
                marks.add(BEFORE_FIRST, group, ends.earliest, before)
            if behind < ends.end:
                marks.add(BEHIND, group, behind, ends.end)


def _note_beyond(con: duckdb.DuckDBPyConnection, marks: Marks, tally: Tally, kafka: Kafka, now: Runs) -> None:
    for group, last in tally.last.items():
        if kafka.of(group) is None:
            continue
        ends = kafka.ends(group)
        end = ends.end if ends else 0
        if last >= end:
            sql = f"SELECT greatest(s, ?), e FROM {now.name} WHERE g = ? AND e > ? ORDER BY s"
            with con.cursor() as reading:
                reading.execute(sql, [end, group, end])
                while rows := reading.fetchmany(10_000):
                    for start, stop in rows:
                        marks.add(BEYOND_END, group, start, stop)
