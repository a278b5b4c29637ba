"""A look into one source: what its archive and its topic hold, before anything is decided."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from contract.errors import IncompleteError, SetupError
from contract.model import Contract
from replay import needs
from replay.pieces import ARCHIVE, Held, Run

if TYPE_CHECKING:
    import duckdb

    from connect.home import Home
    from connect.lake import Lake

Spans = Mapping[int, tuple[int, int]]


@dataclass(frozen=True)
class Look:
    """What is known of one source: the archive's index as view `view` in `con`, and how far topic and archive reach.

    `topic` is None when Kafka is not asked (`--source iceberg`), `kafka` are the client properties then, secrets
    included. `faults` leaves out the offsets in `empty`. Of a `compacted` topic nothing tells an offset that never was
    a record from one whose record was removed.
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
    compacted: bool = False

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
        columns = ["partition", "offset", "kafka_timestamp", "event_time", "quarantine_reason"]
        snapshot_id = scan(con, lake, source.archive, view=view, columns=columns).snapshot_id
    if snapshot_id is None:
        if door == ARCHIVE:
            raise SetupError(f"source {name!r} has no archive: {source.archive}", next_step="use --source kafka")
        con.execute(
            f'CREATE OR REPLACE VIEW {quoted} AS SELECT NULL::INTEGER AS partition, NULL::BIGINT AS "offset", '
            "NULL::TIMESTAMPTZ AS event_time, NULL::VARCHAR AS quarantine_reason WHERE false"
        )
    archived, faults = needs.archive_extents(con, quoted), needs.archive_faults(con, quoted)
    found = Look(con, quoted, contract, name, door, snapshot_id, archived, faults)
    return found if door == ARCHIVE else _asked(found, home)


def _asked(found: Look, home: Home) -> Look:
    """The look with what the topic says: its reach, and which offsets that the archive lacks never were a record."""
    from connect.embedded import kafka_properties
    from connect.kafka import compacted, earliest_offsets, end_offsets

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
    found = replace(found, topic=reach, kafka=kafka, compacted=compacted(kafka, topic))
    empty = {} if found.compacted else _never_records(found, reach)
    left = {p: [fault for fault in faults if fault.run not in empty.get(p, ())] for p, faults in found.faults.items()}
    return replace(found, faults=left, empty=empty)


def _never_records(found: Look, reach: Spans) -> dict[int, list[Run]]:
    """Per partition the runs that the archive lacks and in which the topic shows no record either."""
    from connect.kafka_read import Reader

    topic, empty = found.contract.sources[found.name].topic, {}
    with Reader(found.kafka) as reader:
        for partition, faults in found.faults.items():
            runs = [fault.run for fault in faults if not fault.run.copies and fault.run.start >= reach[partition][0]]
            empty[partition] = [run for run in runs if not reader.shows(topic, partition, run.start, run.end)]
    return empty
