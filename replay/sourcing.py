"""Where the rows of one source lie: the pieces that hold what is needed, and the door of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from plumbline.contract.durations import milliseconds
from plumbline.contract.errors import IncompleteError
from plumbline.contract.generations import in_topic
from plumbline.contract.ranges import TimeRange
from plumbline.replay import needs
from plumbline.replay.looking import Look, Spans
from plumbline.replay.pieces import ARCHIVE, DOUBLED, GONE, KAFKA, READ, Piece, Run, as_the_topic_shows, tiled

if TYPE_CHECKING:
    from plumbline.contract.document_types import Range


@dataclass(frozen=True)
class SourcePlan:
    """What is read of one source: offsets per partition and the door of each, the archive's snapshot if there is one.

    `needed` are the event times that are kept; both ends open in a faithful replay, which keeps all. `empty` counts
    offsets per partition that never were a record one can read, by the topic's own word. `topic_ids` are those of the
    topics that had this name, oldest first: the newest is the one that is read.
    """

    topic: str
    table: str
    snapshot_id: int | None
    needed: Range
    pieces: list[dict[str, Any]]
    empty: dict[str, int]
    topic_ids: list[str | None] = field(default_factory=list)

    @property
    def read(self) -> list[Piece]:
        """The pieces that are read, in order."""
        return [piece for piece in (Piece(**body) for body in self.pieces) if piece.door in READ]

    @property
    def door(self) -> str:
        """`iceberg`, `kafka`, or both; `nothing` when nothing is needed."""
        return " and ".join(sorted({piece.door for piece in self.read})) or "nothing"

    @property
    def rows(self) -> int | None:
        """How many rows are needed, None when nothing has counted all of them."""
        counted = [piece.rows for piece in self.read]
        return None if None in counted else sum(rows or 0 for rows in counted)

    @property
    def most_rows(self) -> int:
        """How many rows there can be at most."""
        return sum(piece.end - piece.start if piece.rows is None else piece.rows for piece in self.read)


def complete(found: Look, needed: TimeRange, *, accept_gaps: bool) -> SourcePlan:
    """The plan of all records with event time in `needed`, late or not, and of what may be one."""
    slack_us = milliseconds(found.contract.sources[found.name].watermark) * 1_000
    hulls: dict[int, list[int]] = {}
    for span in needs.archive_spans(found.con, found.view, needed):
        hulls.setdefault(span.partition, []).extend((span.start, span.end))
    for partition, faults in found.faults.items():
        for fault in faults:
            if fault.may_hold(needed, slack_us):
                hulls.setdefault(partition, []).extend((fault.run.start, fault.run.end))
    for partition, (earliest, latest) in (found.topic or {}).items():
        first, end = found.archived.get(partition, (latest, earliest))
        if end < latest:
            hulls.setdefault(partition, []).extend((max(end, earliest), latest))
        if earliest < first < latest:
            hulls.setdefault(partition, []).extend((earliest, first))
    spans = {partition: (min(edges), max(edges)) for partition, edges in sorted(hulls.items())}
    return _planned(found, spans, needed, accept_gaps=accept_gaps)


def recorded(found: Look, spans: Spans, *, accept_gaps: bool) -> SourcePlan:
    """The plan of all records in these spans of offsets, whatever their event time."""
    return _planned(found, _begun(found, spans), TimeRange(), accept_gaps=accept_gaps)


def _without_removed(found: Look, pieces: Sequence[Piece]) -> list[Piece]:
    """The pieces, those of a compacted topic read through: what it does not show any more is gone."""
    from plumbline.connect.kafka_read import Reader

    topic, whole = found.contract.sources[found.name].topic, list[Piece]()
    with Reader(found.kafka) as reader:
        for piece in pieces:
            if piece.door != KAFKA:
                whole.append(piece)
                continue
            there = in_topic(piece.partition, max(0, len(found.ids) - 1)) or 0
            records = reader.records(topic, {there: (piece.start, piece.end)})
            whole += as_the_topic_shows(piece, (int(record.offset()) for record in records))
    return whole


def _begun(found: Look, spans: Spans) -> Spans:
    """Spans that begin at offset 0 by the ledger's first epoch begin where the source does."""
    begun = {}
    for partition, (start, end) in spans.items():
        firsts = [held[partition][0] for held in (found.archived, found.topic or {}) if partition in held]
        begun[partition] = (min([end, *firsts]) if start == 0 else start, end)
    return begun


def _planned(found: Look, spans: Spans, needed: TimeRange, *, accept_gaps: bool) -> SourcePlan:
    pieces = []
    for partition, (start, end) in spans.items():
        pieces += tiled(partition, start, end, found.held(partition), found.door)
    if found.compacted and not accept_gaps:
        pieces = _without_removed(found, pieces)
    _refuse_missing(found, pieces, accept_gaps=accept_gaps)
    # What a compacted topic still has of these nobody has counted.
    uncounted = [KAFKA] if found.compacted and accept_gaps else []
    source = found.contract.sources[found.name]
    return SourcePlan(
        topic=source.topic,
        table=source.archive,
        snapshot_id=found.snapshot_id,
        needed=needed.as_json(),
        pieces=[
            asdict(replace(piece, rows=None if piece.door in uncounted else _rows(found, piece, needed)))
            for piece in pieces
        ],
        empty={str(p): count for p, span in spans.items() if (count := _empty_in(found.empty.get(p, ()), span))},
        topic_ids=list(found.ids),
    )


def _empty_in(runs: Sequence[Run], span: tuple[int, int]) -> int:
    return sum(run.end - run.start for run in runs if span[0] <= run.start and run.end <= span[1])


def _rows(found: Look, piece: Piece, needed: TimeRange) -> int | None:
    """The needed rows of a piece by the archive's index; None where that does not know them all."""
    if piece.door not in READ:
        return None
    if piece.door == KAFKA and any(
        part.door != ARCHIVE
        for part in tiled(piece.partition, piece.start, piece.end, found.held(piece.partition), ARCHIVE)
    ):
        return None
    rows = found.con.execute(
        f'SELECT count(*) FROM {found.view} WHERE partition = ? AND "offset" >= ? AND "offset" < ? '
        f"AND quarantine_reason IS NULL AND {needed.sql('event_time')}",
        [piece.partition, piece.start, piece.end],
    ).fetchall()[0][0]
    return int(rows)


def _refuse_missing(found: Look, pieces: Sequence[Piece], *, accept_gaps: bool) -> None:
    """Raise IncompleteError for offsets that no door gives; `accept_gaps` takes those that are gone for good."""
    source = found.contract.sources[found.name]
    doubled = [piece for piece in pieces if piece.door == DOUBLED]
    missing = [piece for piece in pieces if piece.door == GONE and not accept_gaps] or doubled
    if not missing:
        return
    first, where = missing[0], source.archive
    more = f", and {len(missing) - 1} more stretches" if len(missing) > 1 else ""
    stretch = f"offsets {first.start} to {first.end - 1} of partition {first.partition}{more}"
    if first.door == DOUBLED:
        what, step = f"the archive of {found.name!r} holds {stretch} more than once", "remove the copies from the table"
    elif found.door == ARCHIVE:
        what, step = f"the archive of {found.name!r} lacks {stretch}", "use --source auto if the topic still has them"
    elif found.door == KAFKA:
        what, where = f"topic {source.topic} no longer has {stretch}", source.topic
        step = "use --source auto, which reads them from the archive if it has them"
    elif found.gone:
        what, step = f"the archive of {found.name!r} lacks {stretch}, and topic {source.topic} does not exist", ""
    else:
        what, step = f"neither the archive of {found.name!r} nor topic {source.topic} has {stretch}", ""
    accept = "add --accept-gaps to replay without them" if first.door == GONE else ""
    raise IncompleteError(what, where=where, next_step=", or ".join(filter(None, (step, accept))))
