"""A shop as topics, archives and a ledger alone: what a plan looks at, over a real broker and real tables, no Spark."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml

from plumbline.connect.home import Home
from plumbline.connect.kafka import Record, create_topics, end_offsets, produce
from plumbline.connect.kafka_config import ISOLATION, READ_COMMITTED, READ_UNCOMMITTED
from plumbline.connect.kafka_read import Reader
from plumbline.connect.lake import Lake
from plumbline.connect.table_names import EPOCHS
from plumbline.connect.tables import ARCHIVE_SCHEMA, EPOCHS_SCHEMA, UTC_MICROS
from plumbline.contract.lineage import EVENT_TIME
from plumbline.contract.loader import load
from plumbline.contract.ranges import TimeRange, from_micros
from plumbline.replay.plan import Plan, make_plan
from plumbline.stream_job.isolation import PROPERTY
from tests.support.scenario import contract_body

T0 = datetime(2024, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
numbers = count()


class Shop:
    """Ten orders and ten payments an hour apart, in one partition of one topic each, archived up to now."""

    def __init__(self, folder: Path, kafka: dict[str, str]) -> None:
        self.kafka, self.home = kafka, Home.resolve(folder / "home")
        self.path = folder / "shop.yaml"
        self.path.write_text(yaml.safe_dump(contract_body(f"hard{next(numbers)}", kafka)))
        self.contract = load(self.path)
        self.lake = Lake.open(self.home)
        self.topics = {name: source.topic for name, source in self.contract.sources.items()}
        create_topics(kafka, dict.fromkeys(self.topics.values(), 1))
        self.lake.ensure_table("joined.stream", pa.schema([pa.field(EVENT_TIME, UTC_MICROS)]))
        for topic in self.topics.values():
            produce(kafka, [record(topic, hour) for hour in range(10)])

    def archive(self, below: int | None = None, *, level: str | None = READ_COMMITTED) -> None:
        """Append to both archives what the topics hold and they do not, as the archiver does; `level` None: as that of
        earlier versions did, which read uncommitted records and noted nothing."""
        kafka = {**self.kafka, ISOLATION: level or READ_UNCOMMITTED}
        for name, source in self.contract.sources.items():
            table = self.lake.ensure_table(source.archive, ARCHIVE_SCHEMA)
            if level and PROPERTY not in table.properties:
                self.lake.set_properties(source.archive, {PROPERTY: level})
                table = self.lake.load_now(source.archive)
            held = set(table.scan(selected_fields=("offset",)).to_arrow()["offset"].to_pylist())
            with Reader(kafka) as reader:
                span = (0, end_offsets(self.kafka, source.topic)[0] if below is None else below)
                rows = [archived(name, m) for m in reader.records(source.topic, {0: span}) if m.offset() not in held]
            table.append(pa.Table.from_pylist(rows, schema=ARCHIVE_SCHEMA))

    def plan(self, source: str = "auto", of: tuple[float, float] = (2, 6), **wanted: Any) -> Plan:
        return make_plan(self.contract, self.path, self.home, hours(*of), source=source, **wanted)

    def forget_before(self, offset: int) -> None:
        """Retention passed: the topics lose their records below `offset`."""
        from confluent_kafka import TopicPartition
        from confluent_kafka.admin import AdminClient

        gone = [TopicPartition(topic, 0, offset) for topic in self.topics.values()]
        admin = AdminClient(self.kafka)
        for future in admin.delete_records(gone).values():
            future.result(10)

    def closed_until(self, hour: float) -> None:
        """The ledger says that the stream has closed all before this hour."""
        self.joined(0, {"orders": (0, 1)}, closed=hour)

    def joined(
        self, epoch: int, spans: dict[str, tuple[int, int]], closed: float, planned: float = 0, spark: str | None = None
    ) -> None:
        """The ledger says that an epoch read these offsets of the sources and closed all before an hour.

        `planned` is the hour at which it was planned, `spark` the version that did, None as earlier versions wrote it.
        """
        evict = T0 + closed * HOUR + timedelta(minutes=60, milliseconds=1)
        rows = [
            {
                "contract": self.contract.contract,
                "query_id": "q",
                "run_id": "r",
                "epoch": epoch,
                "source": name,
                "topic": self.topics[name],
                "partition": 0,
                "start_offset": start,
                "end_offset": end,
                "late_watermark_ms": 0,
                "evict_watermark_ms": int(evict.timestamp() * 1000),
                "no_data": False,
                "planned_at": T0 + planned * HOUR,
                "spark_version": spark,
            }
            for name, (start, end) in spans.items()
        ]
        self.lake.ensure_table(EPOCHS, EPOCHS_SCHEMA).append(pa.Table.from_pylist(rows, schema=EPOCHS_SCHEMA))


def hours(start: float, end: float) -> TimeRange:
    return TimeRange(T0 + start * HOUR, T0 + end * HOUR)


def record(topic: str, hour: float, came: float | None = None) -> Record:
    """An event of this hour, which came at another if told so."""
    value = (T0 + hour * HOUR).isoformat().encode()
    stamp = T0 + (hour if came is None else came) * HOUR
    return Record(topic, b"k", value, int(stamp.timestamp() * 1000), partition=0)


def archived(name: str, message: Any) -> dict[str, Any]:
    moment = datetime.fromisoformat(message.value().decode()) if message.value() != b"poison" else None
    reason = None if moment else "not_json"
    kept = {"topic": message.topic(), "partition": 0, "offset": message.offset(), "value": message.value()}
    kept["kafka_timestamp"] = from_micros(message.timestamp()[1] * 1000)
    return kept | {"event_time": moment, "quarantine_reason": reason, "schema_id": 0}
