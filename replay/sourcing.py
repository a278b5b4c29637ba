"""Where the rows of one source lie: a look into its archive and its topic, and the pieces that hold what is needed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from contract.durations import milliseconds
from contract.errors import IncompleteError, SetupError
from contract.model import Contract
from contract.ranges import TimeRange
from replay import needs
from replay.pieces import ARCHIVE, DOUBLED, GONE, KAFKA, READ, Held, Piece, Run, tiled

if TYPE_CHECKING:
    import duckdb

    from connect.home import Home
    from connect.lake import Lake

Spans = Mapping[int, tuple[int, int]]


@dataclass(frozen=True)
class SourcePlan:
    """What is read of one source: offsets per partition and the door of each, the archive's snapshot if there is one.

    `needed` are the event times that are kept; both ends open in a faithful replay, which keeps all. `empty` counts
    offsets per partition that never were a record one can read, by the topic's own word.
    """

    topic: str
    table: str
    snapshot_id: int | None
    needed: dict[str, str | None]
    pieces: list[dict[str, Any]]
    empty: dict[str, int]

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


@dataclass(frozen=True)
class Look:
    """What is known of one source: the archive's index as view `view` in `con`, and how far topic and archive reach.

    `topic` is None when Kafka is not asked (`--source iceberg`). `faults` leaves out the offsets in `empty`.
    """

    con: duckdb.DuckDBPyConnection
    view: str
    contract: Contract
    name: str
    door: str
    snapshot_id: int | None
    archived: Spans
    faults: Mapping[int, Sequence[needs.Fault]]
    topic: Spans | None
    empty: Mapping[int, Sequence[Run]]

    def held(self, partition: int) -> Held:
        """What is known of one partition."""
        runs = tuple(fault.run for fault in self.faults.get(partition, ()))
        topic = None if self.topic is None else self.topic.get(partition, (0, 0))
        return Held(self.archived.get(partition), runs, topic)

    def unknown(self) -> list[tuple[int, int, int]]:
        """(partition, start, end) of offsets whose event times the archive does not tell; they may be any."""
        inside = [(p, f.run.start, f.run.end) for p, faults in self.faults.items() for f in faults if not f.run.copies]
        below = [(p, earliest, self.archived[p][0]) for p, (earliest, _) in self._in_topic() if p in self.archived]
        above = [(p, self.archived.get(p, (0, 0))[1], end) for p, (_, end) in self._in_topic()]
        return [stretch for stretch in (*inside, *below, *above) if stretch[1] < stretch[2]]

    def _in_topic(self) -> Iterable[tuple[int, tuple[int, int]]]:
        return (self.topic or {}).items()


def look(con: duckdb.DuckDBPyConnection, lake: Lake, home: Home, contract: Contract, name: str, door: str) -> Look:
    """Look into the archive's index and, unless `door` is iceberg, into the topic.

    Raises SetupError without the archive that `door` asks for, IncompleteError for a topic that was made anew.
    """
    from connect.pinned import scan

    source, view, snapshot_id = contract.sources[name], f"archive of {name}", None
    quoted = f'"{view}"'
    if lake.exists(source.archive):
        columns = ["partition", "offset", "event_time", "quarantine_reason"]
        snapshot_id = scan(con, lake, source.archive, view=view, columns=columns).snapshot_id
    if snapshot_id is None:
        if door == ARCHIVE:
            raise SetupError(f"source {name!r} has no archive: {source.archive}", next_step="use --source kafka")
        con.execute(
            f'CREATE OR REPLACE VIEW {quoted} AS SELECT NULL::INTEGER AS partition, NULL::BIGINT AS "offset", '
            "NULL::TIMESTAMPTZ AS event_time, NULL::VARCHAR AS quarantine_reason WHERE false"
        )
    archived, faults = needs.archive_extents(con, quoted), needs.archive_faults(con, quoted)
    found = Look(con, quoted, contract, name, door, snapshot_id, archived, faults, None, {})
    return found if door == ARCHIVE else _asked(found, home)


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


def _asked(found: Look, home: Home) -> Look:
    """The look with what the topic says: its reach, and which offsets that the archive lacks never were a record."""
    from connect.embedded import kafka_properties
    from connect.kafka import earliest_offsets, end_offsets
    from connect.kafka_read import Reader

    kafka, topic = kafka_properties(found.contract.kafka, home), found.contract.sources[found.name].topic
    earliest, latest = earliest_offsets(kafka, topic), end_offsets(kafka, topic)
    reach = {partition: (earliest[partition], end) for partition, end in sorted(latest.items())}
    for partition, (_, end) in found.archived.items():
        if reach.get(partition, (0, 0))[1] < end:
            raise IncompleteError(
                f"topic {topic} ends at offset {reach.get(partition, (0, 0))[1]} of partition {partition}, its archive "
                f"holds offsets up to {end - 1}: the topic was made anew",
                where=found.contract.sources[found.name].archive,
                next_step="use --source iceberg",
            )
    empty: dict[int, list[Run]] = {}
    with Reader(kafka) as reader:
        for partition, faults in found.faults.items():
            runs = [fault.run for fault in faults if not fault.run.copies and fault.run.start >= reach[partition][0]]
            empty[partition] = [run for run in runs if not reader.shows(topic, partition, run.start, run.end)]
    left = {p: [fault for fault in faults if fault.run not in empty[p]] for p, faults in found.faults.items()}
    return replace(found, topic=reach, faults=left, empty=empty)


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
    _refuse_missing(found, pieces, accept_gaps=accept_gaps)
    source = found.contract.sources[found.name]
    return SourcePlan(
        topic=source.topic,
        table=source.archive,
        snapshot_id=found.snapshot_id,
        needed=needed.as_json(),
        pieces=[asdict(replace(piece, rows=_rows(found, piece, needed))) for piece in pieces],
        empty={str(p): count for p, span in spans.items() if (count := _empty_in(found.empty.get(p, ()), span))},
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
    else:
        what, step = f"neither the archive of {found.name!r} nor topic {source.topic} has {stretch}", ""
    accept = "add --accept-gaps to replay without them" if first.door == GONE else ""
    raise IncompleteError(what, where=where, next_step=", or ".join(filter(None, (step, accept))))
