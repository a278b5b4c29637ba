"""Feeding a tape into topics, for consumers that are not ours: in transactions, and resumed without a record twice."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from plumbline.connect.kafka import Record
from plumbline.connect.kafka_config import ISOLATION, READ_COMMITTED
from plumbline.connect.parquet import parquet_rows
from plumbline.connect.sql_quoting import text
from plumbline.contract.errors import IncompleteError, UsageError
from plumbline.contract.generations import APART
from plumbline.replay.opened import Replay
from plumbline.replay.plan import Plan
from plumbline.replay.store import ReplayFolder
from plumbline.replay.tape import epoch_file

if TYPE_CHECKING:
    from plumbline.replay.document_types import FeedDocument

REPLAY_HEADER, ROW_HEADER = "plumbline.replay-id", "plumbline.replay-row"
IDS = "topic ids"
"""Beside the topics in the note of where a feed began; no topic has a blank in its name."""

AT_ONCE = 1_000
"""Records of one transaction; a paced feed also commits before it waits."""

Row = tuple[str, int, int, list[dict[str, Any]] | None, bytes | None, bytes | None]


def feed(replay: Replay, topics: Mapping[str, str], *, speed: float | None = None) -> FeedDocument:
    """Send the tape of a replay that was run into one topic per source, in the order of its epochs and record times.

    Each record keeps key, value, timestamp and headers, gets REPLAY_HEADER and ROW_HEADER, its number in the feed, and
    goes to the partition it came from (by key where the topic has fewer). `speed` is how many times faster than the
    records' own times; None: as fast as it goes. Returns `{"replay_id", "topics", "records", "sent", "before"}`.

    Raises UsageError before the tape is cut and for a topic that the contract reads, SetupError for a missing topic.
    """
    from plumbline.connect.embedded import kafka_properties
    from plumbline.connect.kafka import topic_partitions
    from plumbline.connect.kafka_transactions import Transactions

    refuse(replay, topics)
    plan, folder = replay.plan, replay.folder
    kafka = kafka_properties(replay.contract.kafka, replay.home, replay.say)
    counts = {topic: topic_partitions(kafka, topic) for topic in topics.values()}
    name = f"feed-{hashlib.sha256(json.dumps(sorted(topics.items())).encode()).hexdigest()[:8]}"
    transactions = Transactions(kafka, f"plumbline-{plan.replay_id}-{name}")
    before = _sent(kafka, _starts(kafka, folder, name, topics), plan.replay_id)
    numbered = enumerate(_rows(plan, folder, list(topics)))
    left = (_record(plan.replay_id, number, row, topics, counts) for number, row in numbered if number >= before)
    sent = 0
    for records in _together(left, _Pace(speed)):
        transactions.send(records)
        sent += len(records)
        replay.say(f"replay: {before + sent:,} records sent")
    total = before + sent
    return {"replay_id": plan.replay_id, "topics": dict(topics), "records": total, "sent": sent, "before": before}


def _together(records: Iterable[Record], pace: _Pace) -> Iterator[list[Record]]:
    """Records of one transaction each, once all of them are due: up to AT_ONCE, and never with a wait in between."""
    waiting: list[Record] = []
    for record in records:
        if waiting and (len(waiting) == AT_ONCE or pace.wait_for(record.timestamp_ms) > 0):
            yield waiting
            waiting = []
        pace.sleep_for(record.timestamp_ms)
        waiting.append(record)
    if waiting:
        yield waiting


class _Pace:
    """When each record is due: its own time after the first one's, divided by the speed."""

    def __init__(self, speed: float | None) -> None:
        self._speed, self._began, self._first_ms = speed, time.monotonic(), None if speed is None else -1

    def wait_for(self, moment_ms: int) -> float:
        """Seconds until a record of this time (ms) is due; 0 when it is."""
        if self._speed is None or self._first_ms is None:
            return 0.0
        if self._first_ms < 0:
            self._first_ms = moment_ms
        due = self._began + (moment_ms - self._first_ms) / 1000 / self._speed
        return max(0.0, due - time.monotonic())

    def sleep_for(self, moment_ms: int) -> None:
        """Wait until it is due."""
        wait = self.wait_for(moment_ms)
        if wait:
            time.sleep(wait)


def refuse(replay: Replay, topics: Mapping[str, str]) -> None:
    """Raises UsageError for what `feed` would not send, or not there."""
    contract = replay.contract
    if replay.folder.read("tape/manifest") is None:
        raise UsageError(f"replay {replay.id} has no tape", next_step=f"plumbline replay run {replay.id} --execute")
    read = {source.topic: name for name, source in contract.sources.items()}
    for name, topic in topics.items():
        if name not in contract.sources:
            raise UsageError(
                f"the contract has no source {name!r}", next_step=f"--topic {next(iter(contract.sources))}=TOPIC"
            )
        if topic in read:
            raise UsageError(
                f"the live job reads topic {topic}: it would take every record a second time",
                next_step="name another topic",
            )


def _starts(
    kafka: Mapping[str, str], folder: ReplayFolder, name: str, topics: Mapping[str, str]
) -> dict[str, dict[int, int]]:
    """Where the topics ended before this feed first sent anything; noted before it does."""
    from plumbline.connect.kafka import end_offsets
    from plumbline.connect.kafka_topics import topic_ids

    noted, now = folder.read(name), topic_ids(kafka, topics.values())
    if noted is None:
        noted = {topic: {str(p): end for p, end in end_offsets(kafka, topic).items()} for topic in topics.values()}
        folder.write(name, {**noted, IDS: now})
    for topic, topic_id in noted.pop(IDS, {}).items():
        if None not in (topic_id, now.get(topic)) and now[topic] != topic_id:
            raise IncompleteError(
                f"topic {topic} was recreated since this feed began: its id is {now[topic]}, was {topic_id}",
                where=str(folder.root / f"{name}.json"),
                next_step="name another topic, or remove this file to feed the tape again from its beginning",
            )
    return {topic: {int(partition): end for partition, end in ends.items()} for topic, ends in noted.items()}


def _sent(kafka: Mapping[str, str], starts: Mapping[str, Mapping[int, int]], replay_id: str) -> int:
    """How many records of this replay the topics hold, committed: what the topics say, not what was noted elsewhere."""
    from plumbline.connect.kafka_read import Reader
    from plumbline.connect.kafka_transactions import settled_ends

    sent = 0
    with Reader({**kafka, ISOLATION: READ_COMMITTED}) as reader:
        for topic, begun in starts.items():
            spans = {p: (begun.get(p, 0), end) for p, end in settled_ends(kafka, topic).items()}
            for message in reader.records(topic, spans):
                headers = dict(message.headers() or [])
                if headers.get(REPLAY_HEADER) == replay_id.encode():
                    sent = max(sent, int(headers[ROW_HEADER]) + 1)
    return sent


def _rows(plan: Plan, folder: ReplayFolder, names: Sequence[str]) -> Iterator[Row]:
    """All records of the tape: (source, partition, time in ms, headers, key, value), epoch by epoch, by record time."""
    from plumbline.connect.pinned import connection

    con = connection(temp_dir=folder.scratch)
    for number in range(plan.tape_epochs):
        files = " UNION ALL ".join(
            f"SELECT {text(name)} AS name, * FROM {parquet_rows([epoch_file(folder.tape / name, number)])}"
            for name in names
        )
        found = con.execute(
            f'SELECT name, partition, epoch_ms(timestamp), headers, "key", "value" FROM ({files}) '
            'ORDER BY timestamp, name, partition, "offset"'
        )
        while rows := found.fetchmany(AT_ONCE):
            yield from rows


def _record(replay_id: str, number: int, row: Row, topics: Mapping[str, str], counts: Mapping[str, int]) -> Record:
    name, partition, moment_ms, headers, key, value = row
    topic = topics[name]
    kept = [(header["key"], header["value"]) for header in headers or []]
    marks = [(REPLAY_HEADER, replay_id.encode()), (ROW_HEADER, str(number).encode())]
    there = partition % APART
    return Record(topic, key, value, moment_ms, [*kept, *marks], there if there < counts[topic] else None)
