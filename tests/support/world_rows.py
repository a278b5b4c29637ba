"""The records and rows of the small world in world.py, and its join by the rules in join_model.py."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from plumbline.connect.tables import ARCHIVE_SCHEMA
from plumbline.contract.lineage import LINEAGE
from tests.support.join_model import Join

START = datetime(2024, 3, 1, tzinfo=UTC)
MINUTE_MS = 60_000
WITHIN = 60
OUTPUT = pa.schema(
    [
        ("show_id", pa.string()),
        ("title", pa.string()),
        ("play_id", pa.string()),
        ("seconds", pa.float64()),
        ("_event_time", pa.timestamp("us", tz="UTC")),
        ("_left_partition", pa.int32()),
        ("_left_offset", pa.int64()),
        ("_right_partition", pa.int32()),
        ("_right_offset", pa.int64()),
        ("_replay_id", pa.string()),
    ]
)


@dataclass(frozen=True)
class Record:
    """One Kafka record; `minute` is its event time, in minutes since START, and that is `ahead` of the record's own.

    `id` is the event id, where the contract has one and the event is delivered more than once.
    """

    side: str
    name: str
    show: str
    minute: float
    partition: int = 0
    offset: int = -1
    ahead: float = -1
    id: str | None = None

    @property
    def event(self) -> str:
        """The name of its event: that of the delivery that the batch takes."""
        return self.id or self.name

    @property
    def is_copy(self) -> bool:
        """Whether it is another delivery of its event."""
        return self.event != self.name

    @property
    def us(self) -> int:
        return round((START.timestamp() * 1_000 + self.minute * MINUTE_MS) * 1_000)

    @property
    def at(self) -> datetime:
        return START + timedelta(minutes=self.minute)


def show(name: str, minute: float, partition: int = 0) -> Record:
    return Record("left", name, name, minute, partition)


def play(name: str, of: str, minute: float, partition: int = 0) -> Record:
    return Record("right", name, of, minute, partition)


@dataclass(frozen=True)
class Row:
    """One output row."""

    left: Record
    right: Record | None = None
    seconds: float | None = None
    replay_id: str | None = None
    knows_seconds: bool = True

    def values(self) -> dict[str, Any]:
        left, right = self.left, self.right
        seconds = (
            (self.seconds if self.seconds is not None else (right and right.minute)) if self.knows_seconds else None
        )
        return {
            "show_id": left.show,
            "title": f"title of {left.name}",
            "play_id": right and right.name,
            "seconds": seconds,
            **dict(zip(LINEAGE, (left.at, left.partition, left.offset, None, None, self.replay_id), strict=True)),
            "_right_partition": right and right.partition,
            "_right_offset": right and right.offset,
        }


def join(records: Sequence[Record], emits_unmatched: Any, outer: bool) -> list[Row]:
    """The join of the contract. Of an event with copies it takes the first delivery."""
    lefts, rights = ([r for r in records if r.side == side and not r.is_copy] for side in ("left", "right"))

    def matches(left: Record, right: Record) -> bool:
        return right.show == left.show and 0 <= right.us - left.us <= WITHIN * MINUTE_MS * 1_000

    joined = Join(matches, lambda left: outer and emits_unmatched(left)).of(lefts, rights)
    return [Row(left, right) for left, right in joined if left]


def archive_rows(records: Sequence[Record], source: str) -> pa.Table:
    time = {"shows": "shown_at", "plays": "played_at"}[source]
    name = {"shows": "title", "plays": "play_id"}[source]

    def told(record: Record) -> str:
        return f"title of {record.name}" if source == "shows" else record.event

    rows = [
        {
            "topic": f"t.{source}",
            "partition": record.partition,
            "offset": record.offset,
            "kafka_timestamp": record.at - timedelta(minutes=record.ahead),
            "kafka_timestamp_type": 0,
            "headers": [],
            "key": record.show.encode(),
            "value": json.dumps(
                {"show_id": record.show, time: record.at.isoformat(), name: told(record), "seconds": record.minute}
            ).encode(),
            "event_time": record.at,
            "schema_id": 0,
            "event_id": record.id,
        }
        for record in records
    ]
    return pa.Table.from_pylist(rows, schema=ARCHIVE_SCHEMA)
