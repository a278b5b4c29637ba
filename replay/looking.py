"""A look into one source: what its archive and its topic hold, before anything is decided."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from plumbline.contract.errors import IncompleteError, SetupError, UnreachableError
from plumbline.contract.generations import Ids, in_topic
from plumbline.contract.model import Contract
from plumbline.replay import needs
from plumbline.replay.pieces import ARCHIVE, KAFKA, Held, Run
from plumbline.replay.recorded import offsets, read_recorded
from plumbline.stream_job import isolation, same_records, topics
from plumbline.stream_job.job_folder import JobFolder

if TYPE_CHECKING:
    import duckdb

    from plumbline.connect.home import Home
    from plumbline.connect.lake import Lake

Spans = Mapping[int, tuple[int, int]]


@dataclass(frozen=True)
class Look:
    """What is known of one source: the archive's index as view `view` in `con`, and how far topic and archive reach.

    `topic` is None when Kafka is not asked (`--source iceberg`), `kafka` are the client properties then, secrets
    included. `faults` leaves out the offsets in `empty`; `ids` are those of the topics that the name has had. Of a
    `compacted` topic nothing tells an offset that never was a record from one whose record was removed. One that does
    not exist any more is `gone`: it reaches no further than the ledger and the archive do, and holds nothing.
    """

    con: duckdb.DuckDBPyConnection
    view: str
    contract: Contract
    name: str
    door: str
    snapshot_id: int | None
    archived: Spans
    faults: Mapping[int, Sequence[needs.Fault]]
    topic: Spans | None = None
    empty: Mapping[int, Sequence[Run]] = field(default_factory=dict)
    kafka: Mapping[str, str] = field(default_factory=dict, repr=False)
    ids: Ids = ()
    compacted: bool = False
    gone: bool = False

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

    Raises SetupError without the archive that `door` asks for, IncompleteError for a topic that was recreated.
    """
    from plumbline.connect.pinned import scan

    source, view, snapshot_id = contract.sources[name], f"archive of {name}", None
    quoted = f'"{view}"'
    if lake.exists(source.archive):
        columns = ["partition", "offset", "kafka_timestamp", "event_time", "quarantine_reason"]
        snapshot_id = scan(con, lake, source.archive, view=view, columns=columns, schema="archive").snapshot_id
    if snapshot_id is None:
        if door == ARCHIVE:
            raise SetupError(f"source {name!r} has no archive: {source.archive}", next_step="use --source kafka")
        con.execute(
            f'CREATE OR REPLACE VIEW {quoted} AS SELECT NULL::INTEGER AS partition, NULL::BIGINT AS "offset", '
            "NULL::TIMESTAMPTZ AS event_time, NULL::VARCHAR AS quarantine_reason WHERE false"
        )
    archived, faults = needs.archive_extents(con, quoted), needs.archive_faults(con, quoted)
    ids = topics.noted(lake, source)
    found = Look(con, quoted, contract, name, door, snapshot_id, archived, faults, ids=ids)
    if door == ARCHIVE:
        return found
    found = _asked(found, lake, home)
    if not found.gone:
        _refuse_other_records(lake, found)
    return found


def _refuse_other_records(lake: Lake, found: Look) -> None:
    """Raise IncompleteError when the topic holds other records than the archive where that ends."""
    ends = {partition: end for partition, (_, end) in found.archived.items()}
    try:
        same_records.refuse_other_records(lake, found.kafka, found.contract.sources[found.name], found.ids, ends)
    except UnreachableError:
        raise
    except SetupError as error:
        raise IncompleteError(
            error.what, where=error.where, next_step=f"use --source iceberg; {error.next_step}"
        ) from None


def _asked(found: Look, lake: Lake, home: Home) -> Look:
    """The look with what the topic says: its reach, and which offsets that the archive lacks never were a record."""
    from plumbline.connect.embedded import kafka_properties
    from plumbline.connect.kafka import compacted
    from plumbline.connect.kafka_topics import topic_ids

    kafka, source = kafka_properties(found.contract.kafka, home), found.contract.sources[found.name]
    kafka = isolation.reading(kafka, lake, found.contract, JobFolder.of(found.contract, home))
    if found.snapshot_id is not None and found.door != KAFKA and source.topic not in topic_ids(kafka, [source.topic]):
        return replace(found, topic=_emptied(found, lake), gone=True)
    reach, ids = _reach(found, kafka)
    found = replace(found, topic=reach, kafka=kafka, ids=ids, compacted=compacted(kafka, source.topic))
    reach = reach if found.compacted else _with_records(found, reach)
    found = replace(found, topic=reach)
    empty = {} if found.compacted else _never_records(found, reach)
    left = {p: [fault for fault in faults if fault.run not in empty.get(p, ())] for p, faults in found.faults.items()}
    return replace(found, faults=left, empty=empty)


def _emptied(found: Look, lake: Lake) -> Spans:
    """How far a topic reached that was deleted, as far as anybody knows: to the end of what was read or archived."""
    spans = offsets(read_recorded(lake, found.contract), found.name)
    known = {partition: end for partition, (_, end) in spans.items()}
    ends = {p: max(known.get(p, 0), found.archived.get(p, (0, 0))[1]) for p in {*known, *found.archived}}
    return {partition: (end, end) for partition, end in sorted(ends.items())}


def _reach(found: Look, kafka: Mapping[str, str]) -> tuple[Spans, Ids]:
    """How far the topic reaches, by partition number, and the ids of the topics that had its name.

    Raises IncompleteError when it is not the one that was archived.
    """
    from plumbline.connect.kafka_topics import topic_ids

    source, known = found.contract.sources[found.name], found.ids or (None,)
    now = topic_ids(kafka, [source.topic]).get(source.topic)
    earliest, latest = topics.reach(kafka, source.topic, known)
    reach = {partition: (earliest[partition], end) for partition, end in sorted(latest.items())}
    other = now is not None and known[-1] not in (None, now)
    for partition, (_, end) in found.archived.items():
        there = in_topic(partition, len(known) - 1)
        if other or (there is not None and reach.get(partition, (0, 0))[1] < end):
            raise IncompleteError(
                f"topic {source.topic} was recreated: "
                + (
                    f"its id is {now}, the archive is made from {known[-1]}"
                    if other
                    else f"partition {there} ends at offset {reach.get(partition, (0, 0))[1]}, its archive at {end}"
                ),
                where=source.archive,
                next_step=f"use --source iceberg; {same_records.ADOPT}",
            )
    return reach, (*known[:-1], known[-1] or now)


def _with_records(found: Look, reach: Spans) -> Spans:
    """The topic's reach without what lies beyond the archive and shows no record: ends of transactions and the like."""
    from plumbline.connect.kafka_read import Reader

    topic, trimmed = found.contract.sources[found.name].topic, dict(reach)
    with Reader(found.kafka) as reader:
        for partition, (first, end) in found.archived.items():
            there = in_topic(partition, max(0, len(found.ids) - 1))
            if there is None or partition not in reach:
                continue
            begun, last = reach[partition]
            if last > end and not reader.shows(topic, there, max(begun, end), last):
                last = end
            if begun < first and not reader.shows(topic, there, begun, min(first, last)):
                begun = first
            trimmed[partition] = (begun, last)
    return trimmed


def _never_records(found: Look, reach: Spans) -> dict[int, list[Run]]:
    """Per partition the runs that the archive lacks and in which the topic shows no record either."""
    from plumbline.connect.kafka_read import Reader

    topic, empty = found.contract.sources[found.name].topic, {}
    with Reader(found.kafka) as reader:
        for partition, faults in found.faults.items():
            there = in_topic(partition, max(0, len(found.ids) - 1))
            if there is None:
                # Of a topic that is gone nobody can ask what an offset was.
                continue
            runs = [fault.run for fault in faults if not fault.run.copies and fault.run.start >= reach[partition][0]]
            empty[partition] = [run for run in runs if not reader.shows(topic, there, run.start, run.end)]
    return empty
