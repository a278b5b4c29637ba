"""Through which door each needed offset is read: archive below, Kafka from there, holes filled. Pure rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

ARCHIVE, KAFKA = "iceberg", "kafka"
EMPTY, GONE, DOUBLED = "empty", "gone", "doubled"
"""Doors that nothing is read through: the topic itself shows no record there (transaction markers, compaction), no
place holds the offsets any more, or the archive holds them more than once."""

READ = (ARCHIVE, KAFKA)


@dataclass(frozen=True)
class Piece:
    """Offsets `start <= offset < end` of one partition and the door they are read through.

    `rows` counts those that the replay needs; None where nothing has counted them yet.
    """

    door: str
    partition: int
    start: int
    end: int
    rows: int | None = None


@dataclass(frozen=True)
class Run:
    """Consecutive offsets that an archive does not hold exactly once: `copies` is 0 or 2 (twice or more)."""

    start: int
    end: int
    copies: int = 0


@dataclass(frozen=True)
class Held:
    """What is known of one partition.

    `archived` is (first, end) of the archive, None when it holds nothing of it; `faults` are the runs between that it
    does not hold exactly once; `topic` is (earliest, end) in Kafka, None when Kafka is not asked.
    """

    archived: tuple[int, int] | None
    faults: tuple[Run, ...]
    topic: tuple[int, int] | None


def tiled(partition: int, start: int, end: int, held: Held, door: str) -> list[Piece]:
    """Pieces that together hold each offset of `start <= offset < end` exactly once, in order.

    `door`: iceberg, kafka, or auto, which takes the archive and Kafka for what the archive lacks.
    """
    pieces = []
    for a, b, copies in _stretches(start, end, held):
        if copies == 1 and door != KAFKA:
            pieces.append(Piece(ARCHIVE, partition, a, b))
        elif door == ARCHIVE or held.topic is None:
            pieces.append(Piece(DOUBLED if copies > 1 else GONE, partition, a, b))
        else:
            pieces += _from_topic(partition, a, b, DOUBLED if copies > 1 else GONE, held.topic)
    return joined(pieces)


def as_the_topic_shows(piece: Piece, offsets: Iterable[int]) -> list[Piece]:
    """A piece of a topic that shows these offsets of it, in order: what lies between them is gone."""

    def parts() -> Iterator[Piece]:
        reached = piece.start
        for offset in offsets:
            yield Piece(GONE, piece.partition, reached, offset)
            yield Piece(KAFKA, piece.partition, offset, offset + 1)
            reached = offset + 1
        yield Piece(GONE, piece.partition, reached, piece.end)

    return joined(parts())


def joined(pieces: Iterable[Piece]) -> list[Piece]:
    """Neighbouring pieces of one door as one piece; empty pieces are left out."""
    whole: list[Piece] = []
    for piece in pieces:
        last = whole[-1] if whole else None
        if piece.start >= piece.end:
            continue
        if last and (last.door, last.partition, last.end) == (piece.door, piece.partition, piece.start):
            rows = None if last.rows is None or piece.rows is None else last.rows + piece.rows
            whole[-1] = replace(last, end=piece.end, rows=rows)
        else:
            whole.append(piece)
    return whole


def within(pieces: Sequence[Piece], offset: str = '"offset"') -> str:
    """The offsets of the pieces as SQL; `offset` is that column as the engine quotes it."""
    spans = (f"(partition = {p.partition} AND {offset} >= {p.start} AND {offset} < {p.end})" for p in pieces)
    return " OR ".join(spans) or "false"


def uncovered(pieces: Sequence[Piece], partition: int, start: int, end: int) -> list[tuple[int, int]]:
    """Stretches of `start <= offset < end` that the pieces do not hold exactly once: the proof is an empty list."""
    wrong, reached = [], start
    for piece in sorted((p for p in pieces if p.partition == partition), key=lambda p: p.start):
        if piece.start != reached:
            wrong.append((min(piece.start, reached), max(piece.start, reached)))
        reached = max(reached, piece.end)
    return wrong if reached == end else [*wrong, (min(reached, end), max(reached, end))]


def _stretches(start: int, end: int, held: Held) -> list[tuple[int, int, int]]:
    """(from, to, copies in the archive) over `start <= offset < end`."""
    first, last = held.archived or (end, end)
    cuts = {start, end, *(min(max(edge, start), end) for edge in (first, last))}
    for run in held.faults:
        cuts |= {min(max(edge, start), end) for edge in (run.start, run.end)}
    edges = sorted(cuts)
    return [(a, b, _copies(a, first, last, held.faults)) for a, b in pairwise(edges)]


def _copies(offset: int, first: int, last: int, faults: Sequence[Run]) -> int:
    if not first <= offset < last:
        return 0
    return next((run.copies for run in faults if run.start <= offset < run.end), 1)


def _from_topic(partition: int, start: int, end: int, otherwise: str, topic: tuple[int, int]) -> list[Piece]:
    """Kafka where it still has the offsets; below and above that they are gone."""
    earliest, latest = (min(max(edge, start), end) for edge in topic)
    latest = max(earliest, latest)
    return [
        Piece(otherwise, partition, start, earliest),
        Piece(KAFKA, partition, earliest, latest),
        Piece(otherwise, partition, latest, end),
    ]
