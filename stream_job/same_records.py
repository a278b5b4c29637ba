"""Whether a topic still holds the records that were read of it, at the offsets where they were.

A broker that dies before its log is on the disk, or a replica that becomes leader without the newest records, gives
their offsets to the next ones. The topic keeps its id, and once it has grown beyond what was read, Spark goes on behind
it as if nothing had been: the records that took the old offsets would be read by nobody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from plumbline.connect.kafka_config import ISOLATION, READ_UNCOMMITTED
from plumbline.contract.errors import SetupError
from plumbline.contract.generations import Ids, of_topic, placed
from plumbline.contract.model import Source

if TYPE_CHECKING:
    import duckdb
    from confluent_kafka import Message
    from pyiceberg.expressions import BooleanExpression

    from plumbline.connect.lake import Lake

ADOPT = "`plumbline stream adopt-topic CONTRACT` shows what continuing with it means, and does it with --execute"
NEXT = (
    "if it was recreated: `plumbline stream adopt-topic CONTRACT --source NAME` shows what continuing with it means, "
    "and does it with --execute; if it lost records: recreate it, produce to it again what came after the loss, and "
    "adopt it"
)
NO_TIME = 0
"""confluent_kafka.TIMESTAMP_NOT_AVAILABLE: the record has no timestamp."""
BEHIND = 100
"""The newest record lies this many offsets before an end at most, or is not looked for: markers of transactions and
aborted records take offsets too."""
MOST_PARTITIONS = 64
"""So many partitions are named in a filter of the archive, which skips files; of more only the smallest offset is."""


@dataclass(frozen=True)
class Archived:
    """The newest archived record of a partition: its offset, its timestamp in ms, its key and value."""

    offset: int
    moment_ms: int
    key: bytes | None
    value: bytes | None

    def differs(self, message: Message) -> bool:
        """Whether that is another record at this offset; a record at another offset is none, and what the archive has
        as NULL (somebody may have erased it there) tells nothing."""
        kind, moment_ms = message.timestamp()
        return message.offset() == self.offset and (
            (kind != NO_TIME and moment_ms != self.moment_ms)
            or self.key not in (None, message.key())
            or self.value not in (None, message.value())
        )


def archived(lake: Lake, source: Source) -> dict[int, int]:
    """`{partition number: first offset after the newest}` of the source's records in its archive."""
    if not lake.exists(source.archive):
        return {}
    with _archive(lake, source) as con:
        return {partition: newest + 1 for partition, newest in _newest(con).items()}


def newest_archived(lake: Lake, source: Source, ends: Mapping[int, int] | None = None) -> dict[int, Archived]:
    """`{partition number: newest record}` of the source in its archive, by contract.generations' numbers.

    With `ends`, of these partitions only and only what lies at most BEHIND offsets before theirs, which spares reading
    the whole archive.
    """
    if ends == {} or not lake.exists(source.archive):
        return {}
    with _archive(lake, source, ends) as con:
        wanted = [f'(partition = {p} AND "offset" = {newest})' for p, newest in _newest(con).items()]
        rows = con.execute(
            f"""
            SELECT partition, "offset", epoch_ms(kafka_timestamp), key, value FROM archived
            WHERE {" OR ".join(wanted) or "false"}
            """
        ).fetchall()
    return {int(p): Archived(int(offset), int(moment_ms), key, value) for p, offset, moment_ms, key, value in rows}


@contextmanager
def _archive(lake: Lake, source: Source, ends: Mapping[int, int] | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection with the view `archived`: the source's records, those near `ends` only where these are given."""
    from plumbline.connect.pinned import connection, scan
    from plumbline.connect.sql_quoting import text

    columns = ["topic", "partition", "offset", "kafka_timestamp", "key", "value"]
    skips = None if ends is None else _skips(ends)
    near = "true" if ends is None else _near(ends)
    with closing(connection()) as con:
        scan(con, lake, source.archive, view="all", row_filter=skips, columns=columns, schema="archive")
        con.execute(f'CREATE VIEW archived AS FROM "all" WHERE topic = {text(source.topic)} AND {near}')
        yield con


def _newest(con: duckdb.DuckDBPyConnection) -> dict[int, int]:
    found = con.execute('SELECT partition, max("offset") FROM archived GROUP BY partition').fetchall()
    return {int(partition): int(offset) for partition, offset in found}


def _near(ends: Mapping[int, int]) -> str:
    parts = (f'(partition = {p} AND "offset" >= {end - BEHIND})' for p, end in ends.items())
    return f"({' OR '.join(parts)})"


def _skips(ends: Mapping[int, int]) -> BooleanExpression:
    """What PyIceberg takes for `_near`; coarser for many partitions."""
    from pyiceberg.expressions import AlwaysFalse, And, EqualTo, GreaterThanOrEqual, Or

    if len(ends) > MOST_PARTITIONS:
        return GreaterThanOrEqual("offset", min(ends.values()) - BEHIND)
    each = (And(EqualTo("partition", p), GreaterThanOrEqual("offset", end - BEHIND)) for p, end in ends.items())
    return Or(AlwaysFalse(), AlwaysFalse(), *each)


def refuse_other_records(
    lake: Lake, kafka: Mapping[str, str], source: Source, ids: Ids, ends: Mapping[int, int] | None = None
) -> None:
    """Raise SetupError when the newest topic, of `ids`, does not hold the newest archived records where they were.

    `ends` as in `newest_archived`. A record that the topic no longer holds tells nothing.
    """
    from plumbline.connect.kafka_read import Reader

    generation = max(0, len(ids) - 1)
    mine = of_topic(newest_archived(lake, source, ends), generation)
    if not mine:
        return
    refuse_ends_before(kafka, source, {placed(p, generation): held.offset + 1 for p, held in mine.items()}, generation)
    # Whatever level the archive was made with, an offset that it holds is that of a record.
    with Reader({**kafka, ISOLATION: READ_UNCOMMITTED}) as reader:
        for message in reader.records(source.topic, {p: (held.offset, held.offset + 1) for p, held in mine.items()}):
            if mine[message.partition()].differs(message):
                raise SetupError(
                    f"topic {source.topic} holds another record at offset {message.offset()} of partition "
                    f"{message.partition()} than its archive: it was recreated, or has lost records",
                    where=source.archive,
                    next_step=NEXT,
                )


def refuse_ends_before(kafka: Mapping[str, str], source: Source, read: Mapping[int, int], generation: int) -> None:
    """Raise SetupError when the topic ends before what was read of it, by partition number."""
    from plumbline.connect.kafka import end_offsets

    mine = of_topic(read, generation)
    # The topic's own end: what a job of committed records may not read yet is there all the same.
    latest = end_offsets({**kafka, ISOLATION: READ_UNCOMMITTED}, source.topic) if mine else {}
    for partition, end in mine.items():
        if latest.get(partition, 0) < end:
            what = f"topic {source.topic} ends at offset {latest.get(partition, 0)} of partition {partition}"
            raise SetupError(
                f"{what}, what was read of it ends at {end}: it was recreated, or has lost records",
                where=f"bootstrap.servers={kafka['bootstrap.servers']}",
                next_step=NEXT,
            )
